//! What this machine could do at all, with nothing of ours in between, and how near the relay comes.

mod disk;
mod loopback;
pub(crate) mod tls;

pub(crate) use disk::sync_times;

use super::Plan;
use super::print::{Figure, Table, merge, number};
use super::scenarios::{ALONE, DELIVERED, FANOUT, LOGINS_FULL, LOGINS_RESUMED, SYNC, THROUGHPUT};

/// The disk's, TLS's and loopback's own speed.
pub(crate) fn all(plan: &Plan) -> Vec<Figure> {
    let round = || {
        let mut figures = disk::measure(&plan.base);
        figures.extend(tls::measure(&plan.base));
        figures.extend(loopback::measure());
        figures
    };
    merge((0..plan.runs).map(|_| round()).collect())
}

/// The relay's figures as fractions of those; of the scenarios that were not run there is no row.
pub(crate) fn fractions(ceilings: &[Figure], scenarios: &[Figure]) -> Table {
    let mut table = Table::new("The relay beside the ceilings", &["", "ours", "", "ceiling", "fraction", "what the ceiling is"]);
    let ceiling = |what: &str| of(ceilings, what).expect("every ceiling was measured");
    // A message comes in and its ack goes out; it goes out and its ack comes in.
    let small = [tls::SEAL_SMALL, tls::OPEN_SMALL].map(ceiling);
    let records = |sealed: f64, opened: f64| 1.0 / (sealed / small[0] + opened / small[1]);
    let through_tls = 1.0 / (1.0 / ceiling(tls::SEAL_LARGE) + 1.0 / ceiling(tls::OPEN_LARGE)) * tls::LARGE as f64 / 1e6;
    let mut row = |ours: &str, ceiling: f64, less_is_better: bool, why: &str| {
        let Some(figure) = scenarios.iter().find(|figure| figure.what == ours) else { return };
        let (value, unit) = (figure.median(), figure.unit.to_owned());
        let fraction = if less_is_better { ceiling / value } else { value / ceiling };
        table.row([ours.to_owned(), number(value), unit, number(ceiling), format!("{fraction:.2}"), why.to_owned()]);
    };
    row(DELIVERED, records(2.0, 2.0), false, "TLS on one core: 2 records in, 2 out");
    row(FANOUT, records(1.0, 1.0), false, "TLS on one core: 1 record in, 1 out");
    row(THROUGHPUT, through_tls, false, "TLS on one core: all in, all out");
    row(THROUGHPUT, ceiling(disk::BULK), false, "the disk, synced each MiB");
    // What it was when that scenario ran: a minute later it may be another.
    let sync = of(scenarios, SYNC).unwrap_or(f64::NAN);
    row(ALONE, sync + 2.0 * ceiling(loopback::ROUND_TRIP), true, "1 sync and 2 round trips: post and ack, delivery and ack");
    row(LOGINS_FULL, ceiling(tls::FULL), false, "the server's side of handshakes, on one core");
    row(LOGINS_RESUMED, ceiling(tls::RESUMED), false, "the server's side of handshakes, on one core");
    table.notes.push("The tester shares the cores with the relay, and a client's side of TLS costs as much as the relay's.".to_owned());
    table
}

fn of(figures: &[Figure], what: &str) -> Option<f64> {
    figures.iter().find(|figure| figure.what == what).map(Figure::median)
}
