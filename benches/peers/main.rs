//! The relay beside Mosquitto and Redis: `cargo bench --bench peers [-- --runs 3 --seconds 5 --only mnm,redis-always]`.
//!
//! One load generator (this process, one thread) runs the same workloads against each server over TLS, and one table tells the medians. In
//! each run the servers take turns, each new and with an empty store, since a machine's mood changes. The peers do not promise the
//! same: the column "what an ack means" is to be read first. Debian has them as `mosquitto` and `redis-server`.
//!
//! The order of things: [`server`] starts a process, [`rows`] measures it by a [`fleet`] of [`link`]s that speak one
//! [`driver`]'s protocol, [`sums`] and [`table`] tell.
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

mod certificate;
mod driver;
mod fleet;
mod host;
mod interrupt;
mod link;
mod logins;
mod mqtt;
mod pairs;
mod process;
mod redis;
mod rows;
mod server;
mod sums;
mod table;
mod tmtp;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use certificate::Certificate;
use driver::Outcome;
use redis::Reading;
use rows::Row;
use server::{Kind, Server, Site};
use sums::Sums;

/// How often a measurement is repeated at most because others disturbed it.
const REPEATS_MAX: u32 = 3;
/// How long each of these waits for others at most.
const CALM_MAX_S: u32 = 8;

/// The relay beside other servers, by the same workloads
#[derive(Debug, Parser)]
#[command(name = "peers")]
struct Options {
    /// So often everything is measured; the table has medians
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,
    /// So long each measurement takes, after half a second that does not count
    #[arg(long, value_name = "S", default_value_t = 5.0)]
    seconds: f64,
    /// Only these servers
    #[arg(long, value_name = "SERVERS", value_delimiter = ',', value_enum)]
    only: Vec<Kind>,
    /// Only these workloads
    #[arg(long, value_name = "ROWS", value_delimiter = ',', value_enum)]
    rows: Vec<Row>,
    /// Where the servers keep their data, on the disk in question [default: the target directory]
    #[arg(long, value_name = "DIR", default_value = env!("CARGO_TARGET_TMPDIR"), hide_default_value = true)]
    dir: PathBuf,
    /// How members read their streams in Redis
    #[arg(long, value_name = "HOW", value_enum, default_value_t = Reading::Plain)]
    redis_reading: Reading,
    /// A line more in Redis' configuration, to try what makes it faster; may be repeated
    #[arg(long = "redis-line", value_name = "LINE")]
    redis_lines: Vec<String>,
    /// The same for Mosquitto
    #[arg(long = "mosquitto-line", value_name = "LINE")]
    mosquitto_lines: Vec<String>,
    /// Wait a while until all else on the machine uses less of a processor, and measure again if that did not last
    #[arg(long, value_name = "PART", default_value_t = f64::INFINITY, hide_default_value = true)]
    calm: f64,
    /// Print the table for a document
    #[arg(long)]
    markdown: bool,
    /// What cargo says to every bench
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(text) => {
            eprintln!("peers: {text}");
            ExitCode::from(2)
        }
    }
}

/// Whether every measurement could be made.
fn run(options: &Options) -> Outcome<bool> {
    options.redis_reading.choose();
    let kinds = installed(&options.only);
    let rows = if options.rows.is_empty() { Row::ALL.to_vec() } else { options.rows.clone() };
    std::fs::create_dir_all(&options.dir).map_err(|e| format!("{}: {e}", options.dir.display()))?;
    // Programs that run in directories of their own must find it.
    let base = options.dir.canonicalize().map_err(|e| format!("{}: {e}", options.dir.display()))?;
    let own = tempfile::Builder::new().prefix("peers").tempdir_in(base).map_err(|e| format!("{}: {e}", options.dir.display()))?;
    let site = Site {
        base: own.path().to_owned(),
        certificate: Certificate::make(own.path())?,
        mosquitto_lines: options.mosquitto_lines.clone(),
        redis_lines: options.redis_lines.clone(),
    };
    interrupt::watch()?;
    host::describe(own.path(), &kinds)?.iter().for_each(|line| println!("{line}"));

    let measured = measure_all(options, &rows, &kinds, &site);
    let others = measured.iter().filter_map(|(.., sums)| Some(sums.as_ref().ok()?.others_busy)).fold(0.0, f64::max);
    println!("medians of up to {} runs of {} s; in parentheses: times the relay's", options.runs, options.seconds);
    println!("all else on the machine used at most {others:.1} of its processors (median of a row)\n");
    table::print(&measured, options.markdown);
    println!();
    notes(options).iter().for_each(|note| println!("{note}"));
    interrupt::check()?;
    Ok(measured.iter().all(|(.., sums)| sums.is_ok()))
}

/// All runs, the servers taking turns, and their medians. After an interrupt of what has been measured until then.
fn measure_all(options: &Options, rows: &[Row], kinds: &[Kind], site: &Site) -> Vec<table::Measured> {
    let cells: Vec<(Row, Kind)> = rows.iter().flat_map(|row| kinds.iter().map(move |kind| (*row, *kind))).collect();
    let mut results: Vec<Vec<Outcome<Sums>>> = vec![Vec::new(); cells.len()];
    'runs: for run in 1..=options.runs {
        for ((row, kind), runs) in cells.iter().zip(&mut results) {
            let sums = measure(*kind, *row, options, site);
            if interrupt::check().is_err() {
                break 'runs;
            }
            progress(run, *row, *kind, &sums);
            runs.push(sums);
        }
    }
    let measured = cells.into_iter().zip(results).filter(|(_, runs)| !runs.is_empty());
    measured.map(|((row, kind), runs)| (row, kind, runs.into_iter().collect::<Outcome<Vec<_>>>().map(|runs| Sums::median(&runs)))).collect()
}

/// What the table does not say.
fn notes(options: &Options) -> Vec<String> {
    let reading = match options.redis_reading {
        Reading::Plain => "XREAD BLOCK after the last entry, XTRIM MINID is the ack",
        Reading::Group => "XREADGROUP BLOCK, XACK and XDEL are the ack",
    };
    let mut notes = vec![
        "- A message is counted when its recipient has verified it; then it is acked, and the server forgets it.".to_owned(),
        "- Mosquitto: QoS 1 both ways, persistent sessions, no passwords, no limits to messages in flight.".to_owned(),
        format!("- Redis: two links a member, since a read that blocks stops its link: one posts, one reads ({reading})."),
        "- Redis in a group: one stream, a consumer group a member, XACK; the stream is trimmed to about 10 000 entries, read or not."
            .to_owned(),
        "- A login at the relay also tells the member's devices of it: a stored message, which is acked before the quit.".to_owned(),
        "- Processor time is that of the process and its children; busy is a part of one processor. Memory is with mapped files."
            .to_owned(),
    ];
    let lines = options.redis_lines.iter().chain(&options.mosquitto_lines);
    notes.push(
        "- Redis' configuration, besides TLS and appendfsync: no snapshots, small stream nodes (8), AOF rewrites from 256 MB.".to_owned(),
    );
    notes.extend(lines.map(|line| format!("- Configured besides: {line}")));
    notes
}

/// The servers that are wanted and there.
fn installed(only: &[Kind]) -> Vec<Kind> {
    use clap::ValueEnum;
    let wanted = if only.is_empty() { Kind::value_variants() } else { only };
    let (there, missing): (Vec<Kind>, Vec<Kind>) = wanted.iter().partition(|kind| kind.is_installed());
    if !missing.is_empty() {
        let names: Vec<&str> = missing.iter().map(|kind| kind.name()).collect();
        eprintln!("left out, not installed: {} (apt-get install mosquitto redis-server)", names.join(", "));
    }
    there
}

/// Measures once, or until others left us alone meanwhile.
fn measure(kind: Kind, row: Row, options: &Options, site: &Site) -> Outcome<Sums> {
    let time = Duration::from_secs_f64(options.seconds);
    let once = || row.measure(kind.protocol(), time, &Server::start(kind, site)?);
    let mut calmest = once()?;
    for _ in 0..REPEATS_MAX {
        if calmest.others_busy <= options.calm {
            break;
        }
        await_calm(options.calm)?;
        let again = once()?;
        if again.others_busy < calmest.others_busy {
            calmest = again;
        }
    }
    Ok(calmest)
}

/// Waits until the machine has less to do, up to some seconds: not for ever, others may have much to do.
fn await_calm(calm: f64) -> Outcome<()> {
    for _ in 0..CALM_MAX_S {
        let before = process::machine_cpu()?;
        std::thread::sleep(Duration::from_secs(1));
        if (process::machine_cpu()? - before).as_secs_f64() <= calm {
            break;
        }
        interrupt::check()?;
    }
    Ok(())
}

/// A measurement is done: for who waits.
fn progress(run: u32, row: Row, kind: Kind, sums: &Outcome<Sums>) {
    match sums {
        Ok(sums) if sums.rate.is_nan() => eprintln!("run {run}: {}, {}: {:.0} B", row.title(), kind.name(), sums.link_memory),
        Ok(sums) => eprintln!(
            "run {run}: {}, {}: {:.0}/s; busy: server {:.0} %, generator {:.0} %, others {:.0} %",
            row.title(),
            kind.name(),
            sums.rate,
            100.0 * sums.server_busy,
            100.0 * sums.generator_busy,
            100.0 * sums.others_busy
        ),
        Err(text) => eprintln!("run {run}: {}, {}: {text}", row.title(), kind.name()),
    }
}
