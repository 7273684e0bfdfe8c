//! What came of it: the numbers, the verdict, and the summary.

use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;
use std::time::Duration;

use simclient::{Counts, Summary};

/// What came of a run.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Repeats its random numbers.
    pub seed: u64,
    /// How often the relay was killed.
    pub kills: u32,
    /// Of these, so often before it was ready.
    pub kills_in_start: u32,
    /// How often it was asked to end before the last time.
    pub stops: u32,
    /// How long each start took that was waited for.
    pub starts: Vec<Duration>,
    /// What each load counted, by the octets of its messages.
    pub loads: Vec<(usize, Counts)>,
    /// What the loads found odd, in words.
    pub notes: Vec<String>,
    /// What went wrong with the relay itself, or kept a load from its end.
    pub troubles: Vec<String>,
    /// What `mnm verify` said of the log.
    pub verified: String,
    /// Octets of the data directory in the end.
    pub size: u64,
    /// How long it took.
    pub seconds: f64,
    /// Where the data is, if it was kept.
    pub kept: Option<PathBuf>,
}

impl Report {
    pub(crate) fn new(seed: u64) -> Report {
        Report { seed, ..Report::default() }
    }

    pub(crate) fn add(&mut self, summary: &Summary) {
        self.loads.push((summary.size, summary.counts));
        self.notes.extend(summary.notes.iter().map(|note| format!("{} octets: {note}", summary.size)));
    }

    /// The time that so large a part of the starts did not exceed; `None` before the first.
    pub fn start_quantile(&self, part: f64) -> Option<Duration> {
        let mut starts = self.starts.clone();
        starts.sort_unstable();
        let rank = (part * starts.len() as f64).ceil() as usize;
        starts.get(rank.max(1) - 1).copied()
    }

    /// Which promises were broken, a sentence each; none if all is well.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = self.troubles.clone();
        for (size, counts) in &self.loads {
            faults.extend(faults_of(counts, self.kills).into_iter().map(|fault| format!("{size} octets: {fault}")));
        }
        if self.loads.is_empty() && faults.is_empty() {
            faults.push("no load came to its end".into());
        }
        faults
    }

    fn sum(&self, what: fn(&Counts) -> u64) -> u64 {
        self.loads.iter().map(|(_, counts)| what(counts)).sum()
    }
}

/// What one load says against the relay. A load that tried nothing says nothing for it.
fn faults_of(counts: &Counts, kills: u32) -> Vec<String> {
    let Counts { lost, unanswered, refused, duplicated, out_of_order, corrupted, unexpected, dropped_links, .. } = *counts;
    let kinds = [
        ("lost", lost),
        ("never answered", unanswered),
        ("refused", refused),
        ("duplicated", duplicated),
        ("out of order", out_of_order),
        ("corrupted", corrupted),
        ("unexpected", unexpected),
    ];
    let mut faults: Vec<String> =
        kinds.iter().filter(|(_, count)| *count > 0).map(|(what, count)| format!("{count} messages {what}")).collect();
    if dropped_links > 0 {
        faults.push(format!("{dropped_links} members did not come back"));
    }
    if faults.is_empty() && (counts.acked != counts.sent || counts.delivered != counts.sent) {
        faults.push(format!("of {} messages {} were acked and {} delivered", counts.sent, counts.acked, counts.delivered));
    }
    if counts.acked == 0 {
        faults.push("nothing was acked: nothing was tried".into());
    }
    if counts.reconnects == 0 && kills > 0 {
        faults.push("no link was lost: nothing was tried".into());
    }
    faults
}

/// Prints the summary on stdout.
pub(crate) fn print(report: &Report) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match write(report, &mut out).and_then(|()| out.flush()) {
        // Who closes the pipe has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

fn write(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let millis = |part| report.start_quantile(part).unwrap_or_default().as_secs_f64() * 1e3;
    let Report { kills, kills_in_start, stops, seconds, seed, size, .. } = report;
    writeln!(
        out,
        "kills            {kills}, of these {kills_in_start} within a start; {stops} stops between them; {seconds:.0} s, seed {seed}"
    )?;
    let longest = report.starts.iter().max().copied().unwrap_or_default().as_secs_f64() * 1e3;
    let (count, p50, p99) = (report.starts.len(), millis(0.5), millis(0.99));
    writeln!(out, "time of a start  p50 {p50:.0} ms, p99 {p99:.0} ms, longest {longest:.0} ms, of {count}")?;
    writeln!(
        out,
        "messages         {} acked, {} delivered, {} lost, {} duplicated",
        report.sum(|counts| counts.acked),
        report.sum(|counts| counts.delivered),
        report.sum(|counts| counts.lost),
        report.sum(|counts| counts.duplicated)
    )?;
    writeln!(
        out,
        "no faults        {} links lost, {} posts resent, of these {} stored twice, {} deliveries repeated",
        report.sum(|counts| counts.reconnects),
        report.sum(|counts| counts.resent),
        report.sum(|counts| counts.resent_twice),
        report.sum(|counts| counts.redelivered)
    )?;
    for line in report.verified.lines() {
        writeln!(out, "verify           {line}")?;
    }
    writeln!(out, "data             {:.1} MiB in the end", *size as f64 / f64::from(1 << 20))?;
    let faults = report.faults();
    for fault in &faults {
        writeln!(out, "FAULT            {fault}")?;
    }
    if !faults.is_empty() {
        report.notes.iter().try_for_each(|note| writeln!(out, "note             {note}"))?;
    }
    if let Some(kept) = &report.kept {
        writeln!(out, "the data directory is kept: {}", kept.display())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const WELL: Counts = Counts {
        sent: 100,
        acked: 100,
        delivered: 100,
        lost: 0,
        unanswered: 0,
        refused: 0,
        duplicated: 0,
        out_of_order: 0,
        corrupted: 0,
        unexpected: 0,
        dropped_links: 0,
        stale: 0,
        redelivered: 7,
        resent: 9,
        resent_twice: 3,
        reconnects: 20,
    };

    /// What is found when one of two loads has counted this.
    fn faults(counts: Counts) -> Vec<String> {
        Report { kills: 5, loads: vec![(1024, WELL), (99, counts)], ..Report::default() }.faults()
    }

    #[test]
    fn what_a_kill_excuses_is_no_fault() {
        assert_eq!(faults(WELL), Vec::<String>::new());
        assert_eq!(Report { kills: 5, loads: vec![(1024, WELL)], ..Report::default() }.faults(), Vec::<String>::new());
    }

    #[test]
    fn every_broken_promise_is_a_fault() {
        for (counts, expected) in [
            (Counts { lost: 1, delivered: 99, ..WELL }, "1 messages lost"),
            (Counts { unanswered: 2, acked: 98, ..WELL }, "2 messages never answered"),
            (Counts { refused: 1, ..WELL }, "1 messages refused"),
            (Counts { duplicated: 1, ..WELL }, "1 messages duplicated"),
            (Counts { out_of_order: 1, ..WELL }, "1 messages out of order"),
            (Counts { corrupted: 1, ..WELL }, "1 messages corrupted"),
            (Counts { unexpected: 1, ..WELL }, "1 messages unexpected"),
            (Counts { dropped_links: 2, ..WELL }, "2 members did not come back"),
            (Counts { delivered: 99, ..WELL }, "of 100 messages 100 were acked and 99 delivered"),
            (Counts { acked: 99, ..WELL }, "of 100 messages 99 were acked and 100 delivered"),
            (Counts { reconnects: 0, ..WELL }, "no link was lost: nothing was tried"),
        ] {
            assert_eq!(faults(counts), [format!("99 octets: {expected}")]);
        }
        assert_eq!(faults(Counts { reconnects: 1, ..Counts::default() }), ["99 octets: nothing was acked: nothing was tried"]);
    }

    #[test]
    fn what_happens_to_the_relay_is_a_fault_though_no_message_is_missing() {
        let report = Report { kills: 5, loads: vec![(1024, WELL)], troubles: vec!["it ended".into()], ..Report::default() };
        assert_eq!(report.faults(), ["it ended"]);
        assert_eq!(Report::new(1).faults(), ["no load came to its end"]);
    }

    #[test]
    fn quantiles_are_of_the_starts_that_were() {
        let starts = (1..=100).rev().map(Duration::from_millis).collect();
        let report = Report { starts, ..Report::default() };
        assert_eq!([0.0, 0.5, 0.99, 1.0].map(|part| report.start_quantile(part).unwrap().as_millis()), [1, 50, 99, 100]);
        assert_eq!(Report::default().start_quantile(0.5), None);
    }
}
