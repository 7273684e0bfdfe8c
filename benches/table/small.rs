//! A relay on a small machine: what `benches/small.sh` tells, with this program as its tester.

use std::process::{Command, Stdio};

use super::print::Table;
use super::{Plan, TESTER};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/small.sh");
/// Its exit status where the system lets nobody set limits.
const NO_LIMITS: i32 = 77;

/// Its rows; what it complains of is seen on stderr.
pub(crate) fn table(plan: &Plan, links: u32) -> Table {
    let tester = format!("{} {TESTER}", std::env::current_exe().expect("a program that runs").display());
    let mut command = Command::new(SCRIPT);
    command.args(["--relay", env!("CARGO_BIN_EXE_mnm"), "--tester", &tester, "--links", &links.to_string()]);
    command.arg("--seconds").arg(format!("{:.0}", (2.0 * plan.seconds).ceil())).arg("--dir").arg(&plan.base);
    let done = command.stderr(Stdio::inherit()).output().expect("bash is there");
    let mut table = Table::new("Small machine", &["", ""]);
    for line in String::from_utf8_lossy(&done.stdout).lines() {
        let (what, value) = line.split_at_checked(LABEL).unwrap_or((line, ""));
        table.row([what.trim_end().to_owned(), value.trim().to_owned()]);
    }
    match done.status.code() {
        Some(0) => {}
        Some(NO_LIMITS) => table.notes.push("No limits can be set on this system: see stderr.".to_owned()),
        _ => table.notes.push(format!("{SCRIPT} FAILED: {}", done.status)),
    }
    table
}

/// Characters of the script's first column.
const LABEL: usize = 60;
