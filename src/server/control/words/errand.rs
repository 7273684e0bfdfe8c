//! What is asked of the process that runs, and not of the relay in it.

use std::time::Duration;

use log::LevelFilter;

use super::Request;
use crate::config::LOG_LEVELS;
use crate::limits::{DRAIN_DEFAULT, DRAIN_MAX};

/// What a request of the process is answered where none runs.
pub(super) const NOT_RUNNING: &str = "no relay runs there, and only one that runs can do that";

/// What only a process can do that runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Errand {
    /// Tell how it fares.
    Status,
    /// Log so much.
    Log(LevelFilter),
    /// Read the configuration again.
    Reload,
    /// Finish within this time.
    Drain(Duration),
}

impl Errand {
    /// What a request asks of the process; `None` if it asks something of the relay.
    ///
    /// # Errors
    /// A sentence, where a value cannot be meant.
    pub fn of(request: &Request) -> Option<Result<Errand, String>> {
        Some(match request {
            Request::Status {} => Ok(Errand::Status),
            Request::Log { level } => level_of(level).map(Errand::Log),
            Request::Reload {} => Ok(Errand::Reload),
            Request::Drain { seconds } => match seconds.map_or(DRAIN_DEFAULT, Duration::from_secs) {
                time if time <= DRAIN_MAX => Ok(Errand::Drain(time)),
                time => Err(format!("seconds is {}; expected 0 to {}", time.as_secs(), DRAIN_MAX.as_secs())),
            },
            Request::Invite { .. }
            | Request::Register { .. }
            | Request::Member { .. }
            | Request::Role { .. }
            | Request::Admin { .. }
            | Request::DropNode { .. }
            | Request::NewNode { .. }
            | Request::Kick { .. }
            | Request::Members { .. }
            | Request::Nodes { .. }
            | Request::Queues { .. }
            | Request::Groups { .. }
            | Request::Links { .. } => return None,
        })
    }
}

fn level_of(level: &str) -> Result<LevelFilter, String> {
    let found = LOG_LEVELS.iter().find(|(word, _)| *word == level);
    found.map(|(_, level)| *level).ok_or_else(|| {
        let words: Vec<&str> = LOG_LEVELS.iter().map(|(word, _)| *word).collect();
        format!("level is {level:?}; expected {}", words.join(" or "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errand(line: &str) -> Option<Result<Errand, String>> {
        Errand::of(&Request::read(line.as_bytes()).unwrap())
    }

    #[test]
    fn each_errand_is_read() {
        for (line, expected) in [
            (r#"{"command":"status"}"#, Errand::Status),
            (r#"{"command":"reload"}"#, Errand::Reload),
            (r#"{"command":"log","level":"debug"}"#, Errand::Log(LevelFilter::Debug)),
            (r#"{"command":"drain"}"#, Errand::Drain(DRAIN_DEFAULT)),
            (r#"{"command":"drain","seconds":0}"#, Errand::Drain(Duration::ZERO)),
        ] {
            assert_eq!(errand(line), Some(Ok(expected)), "{line}");
            let request = Request::read(line.as_bytes()).unwrap();
            assert_eq!(Request::read(request.line().as_bytes()).unwrap(), request);
            assert_eq!(request.command(crate::base::Wall::default()), Err(NOT_RUNNING.to_owned()));
        }
        assert_eq!(errand(r#"{"command":"links"}"#), None);
    }

    #[test]
    fn what_cannot_be_meant_is_told() {
        for (line, fragment) in [
            (r#"{"command":"log","level":"loud"}"#, r#"level is "loud"; expected error or warn or info or debug or trace"#),
            (r#"{"command":"drain","seconds":3601}"#, "seconds is 3601; expected 0 to 3600"),
        ] {
            let error = errand(line).unwrap().expect_err(line);
            assert_eq!(error, fragment);
        }
        for line in [r#"{"command":"log"}"#, r#"{"command":"reload","now":true}"#, r#"{"command":"drain","seconds":-1}"#] {
            assert!(Request::read(line.as_bytes()).is_err(), "{line}");
        }
    }
}
