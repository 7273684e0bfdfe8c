//! The `mnm` program: reads the command line, then runs the relay, or one of the commands that look after it and its data.
//!
//! Nothing is printed with `println!`: it panics when nobody reads. A closed pipe is no error of ours, any other failure to
//! print is told by the exit status.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use mnm::base::OsEntropy;
use mnm::check::{self, Findings};
use mnm::cli::{Cli, Command, Init, Order};
use mnm::config::{Config, Overrides};
use mnm::ctl::{self, Failure};
use mnm::init::{self, Done, Talk};
use mnm::logging;
use mnm::progress::Progress;
use mnm::qr;
use mnm::server::control::Reply;
use mnm::server::{self, Backup, Clock, Means, Repair, RunError, Verified};
use mnm::store::{self, Options};

/// The exit status for what the relay refused.
const REFUSED: u8 = 1;
/// The exit status for a log that is damaged.
const DAMAGED: u8 = 3;
/// The answer could not be printed: a script must not take silence for good news.
const UNPRINTED: u8 = 4;

/// What a command says, a line each, and the exit status that goes with it.
type Answer = Result<(Vec<String>, u8), Failure>;

fn main() -> ExitCode {
    store::end_when_unreadable();
    let Cli { flags, command } = Cli::parse();
    let overrides = Overrides::from(flags);
    let answer = match command {
        Some(Command::Init(wishes)) => Ok(init(&overrides, &wishes)),
        Some(Command::Check) => Ok(check(&overrides)),
        Some(Command::Verify) => verify(&overrides),
        Some(Command::Backup { to }) => backup(&overrides, &to),
        Some(Command::Repair { yes }) => repair(&overrides, yes),
        Some(Command::Invite { terms, json }) => tell(&overrides, Order::Invite(terms), json),
        Some(Command::Ctl { json: false, order: Order::Top { every, count } }) => top(&overrides, every, count),
        Some(Command::Ctl { json, order }) => tell(&overrides, order, json),
        None => relay(&overrides).map(|()| (Vec::new(), 0)).map_err(Failure::from),
    };
    match answer {
        Ok((lines, status)) => print(&lines, status),
        Err(error) => {
            complain(format_args!("{error}"));
            ExitCode::from(error.exit_status())
        }
    }
}

fn print(lines: &[String], status: u8) -> ExitCode {
    let mut out = io::stdout().lock();
    match lines.iter().try_for_each(|line| writeln!(out, "{line}")).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            complain(format_args!("the answer could not be printed: {error}"));
            ExitCode::from(UNPRINTED)
        }
        _ => ExitCode::from(status),
    }
}

fn complain(sentence: std::fmt::Arguments<'_>) {
    // With nobody to hear it the exit status says it alone.
    let _ = writeln!(io::stderr(), "mnm: {sentence}");
}

/// Asks only whoever is there to answer.
fn init(overrides: &Overrides, wishes: &Init) -> (Vec<String>, u8) {
    let asks = !wishes.yes && !wishes.json && io::stdin().is_terminal() && io::stderr().is_terminal();
    let (mut hear, mut say) = (io::stdin().lock(), io::stderr());
    let talk = asks.then_some(Talk { hear: &mut hear, say: &mut say });
    let symbol = io::stdout().is_terminal().then_some(qr::symbol as fn(&str) -> Vec<String>);
    let Done { lines, complaint, status } = init::init(overrides, wishes, talk, symbol, Clock::start().now().wall);
    complaint.iter().for_each(|complaint| complain(format_args!("{complaint}")));
    (lines, status)
}

fn check(overrides: &Overrides) -> (Vec<String>, u8) {
    let Findings { lines, errors, .. } = check::check(overrides, Clock::start().now().wall);
    (lines, u8::from(errors > 0))
}

fn verify(overrides: &Overrides) -> Answer {
    let config = Config::load(overrides)?;
    let mut progress = Progress::new("reading");
    let verified = server::verify_directory(&config.data, &mut |done, total| progress.show(done, total))?;
    Ok((verified_lines(&config.data, &verified), 0))
}

fn verified_lines(data: &Path, Verified { ledger, recovery, needless }: &Verified) -> Vec<String> {
    let mut lines = vec![
        format!("{}: {} segments, {} records of {} octets, all whole", data.display(), recovery.segments, recovery.records, recovery.bytes),
        format!(
            "{} members, {} messages waiting, {needless} records that nobody needs any more",
            ledger.user_count(),
            ledger.message_count()
        ),
    ];
    if !recovery.clean {
        let torn = recovery.torn_bytes;
        lines.push(format!("the last run did not end cleanly; {torn} octets of an unfinished commit will be cut at the next start"));
    }
    lines
}

fn backup(overrides: &Overrides, to: &Path) -> Answer {
    let config = Config::load(overrides)?;
    let clock = Clock::start();
    let begun = clock.now().mono;
    let mut progress = Progress::new("copying");
    let Backup { to, copied, verified, has_certificate } = server::backup(&config.data, to, &mut |done, total| progress.show(done, total))?;
    let line = format!(
        "{}: a verified copy of {}: {} segments, {} octets, {} members, {} messages waiting, {}; {:.1} seconds",
        to.display(),
        config.data.display(),
        copied.segments,
        copied.bytes,
        verified.ledger.user_count(),
        verified.ledger.message_count(),
        if has_certificate { "with the relay's own certificate and key" } else { "no certificate of the relay's own" },
        clock.now().mono.since(begun).as_secs_f64()
    );
    Ok((vec![line], 0))
}

/// The exit status is 0 only if the log is whole when it ends.
fn repair(overrides: &Overrides, yes: bool) -> Answer {
    let config = Config::load(overrides)?;
    let means = Means {
        options: Options { segment_bytes: config.limits.segment_bytes },
        entropy: Box::new(OsEntropy),
        now: Clock::start().now().wall,
    };
    let mut progress = Progress::new("reading");
    let repair = server::repair(&config.data, means, yes, &mut |done, total| progress.show(done, total))?;
    Ok(match repair {
        Repair::Healthy(verified) => {
            let mut lines = verified_lines(&config.data, &verified);
            lines.push("nothing is damaged, and nothing was changed".to_owned());
            (lines, 0)
        }
        Repair::Damaged(mut report) => {
            report.push("nothing was changed; repeat with --yes to do this".to_owned());
            (report, DAMAGED)
        }
        Repair::Interrupted => {
            let line = format!("{}: an earlier repair was cut short; repeat with --yes to complete it", config.data.display());
            (vec![line], DAMAGED)
        }
        Repair::Repaired { report, aside, verified } => {
            let mut lines = report;
            lines.extend(verified_lines(&config.data, &verified));
            lines.push(format!("repaired; the damaged log is in {}", aside.display()));
            (lines, 0)
        }
    })
}

/// Has the relay do something, whether it runs or not.
fn tell(overrides: &Overrides, order: Order, json: bool) -> Answer {
    let with_symbol = order.shows_symbol() && io::stdout().is_terminal();
    let request = ctl::order(order, Clock::start().now().wall);
    let config = Config::load(overrides)?;
    let reply = ctl::ask(&config, &request)?;
    let status = if let Reply::Refused { error } = &reply {
        complain(format_args!("{error}"));
        REFUSED
    } else {
        0
    };
    let lines =
        if json { vec![reply.line().trim_end().to_owned()] } else { ctl::lines(&request, &reply, with_symbol.then_some(qr::symbol)) };
    Ok((lines, status))
}

fn top(overrides: &Overrides, every: u64, count: Option<u64>) -> Answer {
    ctl::top(&Config::load(overrides)?, Duration::from_secs(every), count)?;
    Ok((Vec::new(), 0))
}

fn relay(overrides: &Overrides) -> Result<(), RunError> {
    let config = Config::load(overrides)?;
    logging::begin(config.log, config.log_format);
    for remark in &config.remarks {
        log::log!(remark.level, "{remark}");
    }
    // The same file, and no other that a search would find by then.
    let again = Overrides { config: config.file.clone(), ..overrides.clone() };
    server::run(&config, Box::new(|| Config::load(&again)))
}
