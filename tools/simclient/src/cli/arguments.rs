//! The command line before clap sees it: the scenario may be left out, or stand after the options.

use std::ffi::OsString;

use clap::CommandFactory;
use clap::error::ErrorKind;

use super::Options;
use crate::Failure;

/// The scenario that is meant when none is named.
const DEFAULT: &str = "pairs";
/// Options that are followed by no value.
const SWITCHES: [&str; 8] = ["--classical", "--reconnect", "--quiet", "-q", "--forever", "--resume", "--help", "-h"];

/// The same command line with a scenario as its first argument, where one is meant.
pub(super) fn with_scenario(mut arguments: Vec<OsString>) -> Vec<OsString> {
    if arguments.is_empty() {
        return arguments;
    }
    match place_of_scenario(&arguments) {
        Some(at) => {
            let scenario = arguments.remove(at);
            arguments.insert(1, scenario);
        }
        // A first word that is no option is clap's to complain about; help and version are of the whole program.
        None if arguments.get(1).is_none_or(|word| is_option(word) && !is_general(word)) => arguments.insert(1, DEFAULT.into()),
        None => {}
    }
    arguments
}

fn place_of_scenario(arguments: &[OsString]) -> Option<usize> {
    let command = Options::command();
    let names: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
    (1..arguments.len()).find(|at| {
        let before = &arguments[at - 1];
        let is_value = *at > 1 && is_option(before) && !is_switch(before) && !before.to_string_lossy().contains('=');
        !is_value && arguments[*at].to_str().is_some_and(|word| names.contains(&word))
    })
}

fn is_option(word: &OsString) -> bool {
    word.to_string_lossy().starts_with('-')
}

fn is_switch(word: &OsString) -> bool {
    word.to_str().is_some_and(|word| SWITCHES.contains(&word))
}

fn is_general(word: &OsString) -> bool {
    word.to_str().is_some_and(|word| matches!(word, "--help" | "-h" | "--version" | "-V"))
}

/// What clap would say if it had noticed.
pub(super) fn usage_error(failure: &Failure) -> clap::Error {
    Options::command().error(ErrorKind::ValueValidation, failure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(given: &str, meant: &str) {
        let words = |text: &str| -> Vec<OsString> { text.split(' ').map(OsString::from).collect() };
        assert_eq!(with_scenario(words(given)), words(meant));
    }

    #[test]
    fn the_scenario_may_stand_anywhere_or_nowhere() {
        check("simclient", "simclient pairs");
        check("simclient --members 4", "simclient pairs --members 4");
        check("simclient --quiet storm --members 4", "simclient storm --quiet --members 4");
        check("simclient --json storm --members 4", "simclient pairs --json storm --members 4");
        check("simclient --json=a storm", "simclient storm --json=a");
        check("simclient --version", "simclient --version");
        check("simclient --help", "simclient --help");
        check("simclient help", "simclient help");
        check("simclient --members 2 --messages 20 pairs --json f", "simclient pairs --members 2 --messages 20 --json f");
    }
}
