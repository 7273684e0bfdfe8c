//! Writes the man pages of `mnm`, `tmtp` and `simclient`, with one for each of their commands, and what completes their command
//! lines in bash, zsh and fish: all of it from the command lines that the programs read, so that it cannot say anything else.
//!
//! `manual DIR` makes `DIR/man` and `DIR/completions`. The package is built of them (`tools/package/build`).

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Arg, Command, CommandFactory, value_parser};
use clap_complete::{Shell, generate_to};
use clap_mangen::Man;

const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

fn programs() -> [Command; 3] {
    [mnm::cli::Cli::command(), tmtp::cli::Cli::command(), simclient::Options::command()]
}

fn main() -> ExitCode {
    let directory = Arg::new("DIR").required(true).value_parser(value_parser!(PathBuf)).help("Where to write");
    let given = Command::new("manual").about("Writes man pages and shell completions").arg(directory).get_matches();
    let directory = given.get_one::<PathBuf>("DIR").expect("it is required");
    match write(directory) {
        Ok(pages) => {
            let _ = writeln!(io::stdout(), "{}: {pages} man pages, {} completions", directory.display(), programs().len() * SHELLS.len());
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(io::stderr(), "manual: {}: {error}", directory.display());
            ExitCode::FAILURE
        }
    }
}

/// Writes everything; how many man pages there are.
fn write(directory: &Path) -> io::Result<usize> {
    let [man, completions] = ["man", "completions"].map(|name| directory.join(name));
    fs::create_dir_all(&man)?;
    fs::create_dir_all(&completions)?;
    let mut pages = 0;
    for program in programs() {
        let name = program.get_name().to_owned();
        for shell in SHELLS {
            generate_to(shell, &mut program.clone(), &name, &completions)?;
        }
        pages += write_pages(program, &man)?;
    }
    Ok(pages)
}

/// A page for the program, `mnm-ctl-role.1` for each command in it.
fn write_pages(mut program: Command, man: &Path) -> io::Result<usize> {
    // Each command has then the global options, and the name under which its page is looked for.
    program = program.disable_help_subcommand(true);
    program.build();
    let mut pages = 0;
    let mut left = vec![program];
    while let Some(command) = left.pop() {
        let page = Man::new(command.clone());
        let mut file = File::create(man.join(page.get_filename()))?;
        page.render(&mut file)?;
        file.flush()?;
        pages += 1;
        left.extend(command.get_subcommands().filter(|command| !command.is_hide_set()).cloned());
    }
    Ok(pages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_page_for_each_command_and_a_script_for_each_shell() {
        let directory = tempfile::tempdir().unwrap();
        let pages = write(directory.path()).unwrap();
        let read = |name: &str| fs::read_to_string(directory.path().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        for (page, words) in [
            ("mnm.1", &["mnm", "Read this configuration", "mnm\\-invite"][..]),
            ("mnm-invite.1", &["mnm invite", "So many may register with it", "Read this configuration"]),
            ("mnm-ctl-register.1", &["mnm ctl register", "MINUTES"]),
            ("tmtp.1", &["Writes and receives messages", "Exit status"]),
            ("tmtp-node-add.1", &["tmtp node add", "LABEL"]),
            ("simclient.1", &["Load tester"]),
            ("simclient-pairs.1", &["simclient pairs"]),
        ] {
            let text = read(&format!("man/{page}"));
            words.iter().for_each(|word| assert!(text.contains(word), "{page} lacks {word}:\n{text}"));
        }
        assert_eq!(fs::read_dir(directory.path().join("man")).unwrap().count(), pages, "no two commands share a page");
        for program in ["mnm", "tmtp", "simclient"] {
            for script in [format!("{program}.bash"), format!("_{program}"), format!("{program}.fish")] {
                assert!(read(&format!("completions/{script}")).contains(program), "{script}");
            }
        }
    }
}
