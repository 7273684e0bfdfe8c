//! What the caller says.

use std::ops::Range;

use clap::Parser;
use mnm::sim::Plan;

/// Tries the relay in simulated worlds, one a seed. See docs/TESTING.md for what is simulated.
///
/// Exit status: 0 all is well; 1 a check failed in some world; 2 wrong usage.
#[derive(Parser, Debug)]
#[command(name = "simulate", version)]
pub(crate) struct Cli {
    /// The worlds to live through, the last one excluded
    #[arg(long, value_name = "FROM..TO", default_value = "0..1000", value_parser = range, conflicts_with = "seed")]
    pub(crate) seeds: Range<u64>,
    /// One world only
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Cut the worlds short, as `cargo test` does
    #[arg(long)]
    pub(crate) short: bool,
    /// Print all that happens; with --seed
    #[arg(long, requires = "seed")]
    pub(crate) trace: bool,
    /// Worlds at a time; as many as there are processors by default
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// Worlds that may fail before the rest is given up
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(crate) failures: usize,
}

impl Cli {
    /// The plan of a seed, cut short if so asked.
    pub(crate) fn plan(&self, seed: u64) -> Plan {
        let plan = Plan::draw(seed);
        if self.short { plan.shorter() } else { plan }
    }
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let parse = |part: &str| part.parse::<u64>().map_err(|e| format!("{part:?}: {e}"));
    let (from, to) = text.split_once("..").ok_or("two numbers with two dots between them are wanted, as in 0..10000")?;
    let range = parse(from)?..parse(to)?;
    if range.is_empty() { Err(format!("{text} has no seed in it: the second number must be greater")) } else { Ok(range) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn ranges_are_read_and_nonsense_is_told_from_them() {
        assert_eq!(range("3..5"), Ok(3..5));
        for wrong in ["3", "5..5", "5..3", "a..b", "1..", "-1..3"] {
            assert!(range(wrong).is_err(), "{wrong}");
        }
    }
}
