//! The options, and the program that is to be killed.

use std::path::PathBuf;

use clap::Parser;

use crate::Failure;

const LONG_ABOUT: &str = "\
Kills a relay under load, again and again, and sees whether it keeps its promises.

Starts mnm on a data directory of its own, lets members post to each other over TLS, ends it with kill -9 at random \
moments, some of them within a start, and starts it again. In the end everything must have been delivered, and `mnm verify` \
must find the log whole.

Exit status: 0 all well; 1 messages were lost, duplicated, out of order or corrupted, or the relay did not start, or ended \
by itself, or its log is damaged, and then the data directory is kept; 2 it could not be tried.";

/// What to kill, how often, and under which load.
#[derive(Parser, Clone, Debug)]
#[command(name = "crashloop", version, about = "Kills a relay under load, again and again", long_about = LONG_ABOUT)]
pub struct Options {
    /// How often to kill it
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..))]
    pub kills: u32,

    /// The relay's program; the one beside this program if absent
    #[arg(long, value_name = "PATH")]
    pub mnm: Option<PathBuf>,

    /// Repeats the random numbers of an earlier run
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,

    /// The longest time from a start to its kill, in milliseconds; the shortest is 20, or none within a start
    #[arg(long, value_name = "MS", default_value_t = 400, value_parser = clap::value_parser!(u64).range(20..=600_000))]
    pub wait_max: u64,

    /// Every so many kills one is a SIGTERM, after which the relay must end well; 0: none is
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub stop_every: u32,

    /// Members of each load; an even number
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub members: u32,

    /// Octets of each message, once for each load: these go on beside each other
    #[arg(long, value_name = "OCTETS", default_values_t = [1024, 150_000])]
    pub size: Vec<usize>,

    /// Posts a member may have waiting for the relay's ack
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub window: u32,

    /// Neither progress nor summary; errors and the exit status only
    #[arg(long, short)]
    pub quiet: bool,
}

impl Options {
    /// Where the relay's program is.
    ///
    /// # Errors
    /// [`Failure`] if it is not there, with the cure.
    pub(crate) fn program(&self) -> Result<PathBuf, Failure> {
        if let Some(path) = &self.mnm {
            let found = path.canonicalize().ok().filter(|path| path.is_file());
            return found.ok_or_else(|| Failure(format!("--mnm {}: there is no such program", path.display())));
        }
        let own = std::env::current_exe().map_err(|e| Failure(format!("cannot find the relay's program: {e}; name it with --mnm")))?;
        let beside = own.with_file_name("mnm");
        if beside.is_file() {
            return Ok(beside);
        }
        Err(Failure(format!("{}: the relay's program is not there; make it with `cargo build --release`", beside.display())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_options_are_consistent() {
        Options::command().debug_assert();
        let options = Options::parse_from(["crashloop", "--size", "60", "--size", "70", "--kills", "7"]);
        assert_eq!((options.size, options.kills), (vec![60, 70], 7));
        assert_eq!(Options::parse_from(["crashloop"]).size, [1024, 150_000]);
    }

    #[test]
    fn a_program_that_is_not_there_is_named_with_the_cure() {
        let said = |args: &[&str]| Options::parse_from([&["crashloop"], args].concat()).program().unwrap_err().to_string();
        assert_eq!(said(&["--mnm", "/nowhere/mnm"]), "--mnm /nowhere/mnm: there is no such program");
        // Tests have a directory of their own, in which no relay is.
        let text = said(&[]);
        assert!(text.contains("/mnm: ") && text.ends_with("make it with `cargo build --release`"), "{text}");
    }
}
