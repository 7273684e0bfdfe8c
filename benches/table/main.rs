//! What the relay does on this machine, beside what it should do and what the machine could do at all: `cargo bench --bench table`.
//!
//! One table in parts: `scenarios` run the load tester in this process against the relay in another; `ceilings` are the disk's, TLS's and
//! loopback's own speed, and our figures as fractions of them; `micro` are single steps in nanoseconds; `growth` is the cost of
//! requests on a site of 100 and on one of 1 000 000; `small` is a relay with a quarter of a core and 32 MiB. A part is printed as soon as it
//! is done. Medians of `--runs`; every message that the scenarios send is verified, and one that goes astray ends the table.
//!
//! Compare figures of one machine, in one mood. Not here: other relays, and history.
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock, and waits")]

mod ceilings;
mod growth;
#[path = "../../tests/live/mod.rs"]
mod live;
#[path = "../shared/log.rs"]
mod log;
mod machine;
mod measure;
mod micro;
mod print;
mod relay;
mod scenarios;
mod small;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};

use print::Style;

/// Before a load tester's arguments: this program is it then, for scripts that must not build one.
const TESTER: &str = "simclient";

/// What to measure.
#[derive(Parser, Debug)]
#[command(name = "table", about = "The relay's figures on this machine, as one table")]
struct Cli {
    /// Only these parts, separated by commas
    #[arg(long, value_name = "PART", value_enum, value_delimiter = ',', default_value = "scenarios,ceilings,micro,growth,small")]
    only: Vec<Part>,
    /// Measure so many times; medians are printed
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=99))]
    runs: u32,
    /// Seconds of each scenario that does not know its end
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    seconds: f64,
    /// Keep the data below this directory, on the disk in question [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// As Markdown, for a document
    #[arg(long)]
    markdown: bool,
    /// The million messages of the mission's headline in full, for some six minutes, and not only half a minute of them
    #[arg(long)]
    headline: bool,
    /// Links that the part `small` holds at last
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    links: u32,
    /// What cargo says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

/// A part of the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Part {
    Scenarios,
    Ceilings,
    Micro,
    Growth,
    Small,
}

/// How to measure, for every part.
struct Plan {
    runs: u32,
    seconds: f64,
    /// Everything that is written is written below it.
    base: PathBuf,
    headline: bool,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == TESTER) {
        let options = simclient::Options::read(arguments.iter().map(String::as_str));
        return ExitCode::from(simclient::exit_status(&simclient::run(&options)));
    }
    if let [word, what, size] = &arguments[..]
        && word == growth::MEMORY
    {
        growth::print_memory(what, size.parse().expect("a number"));
        return ExitCode::SUCCESS;
    }
    let cli = Cli::parse();
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let base = cli.dir.clone().unwrap_or_else(|| temporary.path().to_owned()).join("mnm-bench-table");
    let _ = std::fs::remove_dir_all(&base);
    std::fs::create_dir_all(&base).expect("a directory for the data");
    measure(&cli, base.clone());
    let _ = std::fs::remove_dir_all(&base);
    ExitCode::SUCCESS
}

fn measure(cli: &Cli, base: PathBuf) {
    let style = if cli.markdown { Style::Markdown } else { Style::Plain };
    machine::header(&base).print(style);
    let plan = Plan { runs: cli.runs, seconds: cli.seconds, base, headline: cli.headline };
    let wants = |part: Part| cli.only.contains(&part);
    let mut served = Vec::new();
    if wants(Part::Scenarios) {
        served = scenarios::all(&plan);
        scenarios::table(&served).print(style);
    }
    if wants(Part::Ceilings) {
        let ceilings = ceilings::all(&plan);
        print::figures("Ceilings", &ceilings).print(style);
        if !served.is_empty() {
            ceilings::fractions(&ceilings, &served).print(style);
        }
    }
    if wants(Part::Micro) {
        micro::all(&plan).iter().for_each(|table| table.print(style));
    }
    if wants(Part::Growth) {
        growth::all(&plan, |table| table.print(style));
    }
    if wants(Part::Small) {
        small::table(&plan, cli.links).print(style);
    }
}
