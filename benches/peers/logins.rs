//! What links cost that carry nothing: coming and going, and staying.

use std::time::{Duration, Instant};

use crate::driver::{Driver, Event, Outcome};
use crate::fleet::{Fleet, Play};
use crate::server::Server;
use crate::sums::{Meter, Sums};

/// Before memory is read: what the handshakes needed is given back, as far as it will be.
const SETTLE: Duration = Duration::from_secs(1);

/// Links that log in, say good-bye when they are ready, and come again when the server has closed them.
struct Churn {
    ready: Vec<bool>,
    closed: Vec<usize>,
    logins: u64,
}

impl<D: Driver> Play<D> for Churn {
    fn event(&mut self, link: usize, event: Event<'_>, _: Instant) -> Outcome<()> {
        self.ready[link] |= matches!(event, Event::Ready);
        Ok(())
    }

    fn fill(&mut self, link: usize, driver: &mut D, out: &mut Vec<u8>, _: Instant) {
        if std::mem::take(&mut self.ready[link]) {
            driver.quit(out);
            self.logins += 1;
        }
    }

    fn closed(&mut self, link: usize) -> Outcome<()> {
        self.closed.push(link);
        Ok(())
    }
}

/// Logs so many links in and out for a time, each again and again.
pub(crate) fn churn<D: Driver>(links: usize, time: Duration, server: &Server) -> Outcome<Sums> {
    let mut churn = Churn { ready: vec![false; links], closed: Vec::new(), logins: 0 };
    let mut fleet: Fleet<D> = Fleet::new(server.address, server.tls.clone())?;
    fleet.gather(links / D::ROLES.len(), false, &mut churn)?;
    let (logins_before, begin) = (churn.logins, Instant::now());
    let meter = Meter::start(&server.process)?;
    while begin.elapsed() < time {
        fleet.turn(&mut churn)?;
        for link in std::mem::take(&mut churn.closed) {
            fleet.reopen(link)?;
        }
    }
    meter.stop(&server.process, churn.logins - logins_before, Vec::new())
}

/// Does nothing.
struct Idle;

impl<D: Driver> Play<D> for Idle {
    fn event(&mut self, _: usize, _: Event<'_>, _: Instant) -> Outcome<()> {
        Ok(())
    }

    fn fill(&mut self, _: usize, _: &mut D, _: &mut Vec<u8>, _: Instant) {}
}

/// Logs so many links in and leaves them alone: what does one take of the server's memory?
pub(crate) fn idle<D: Driver>(links: usize, server: &Server) -> Outcome<Sums> {
    let before = server.process.usage()?.rss;
    let meter = Meter::start(&server.process)?;
    let mut fleet: Fleet<D> = Fleet::new(server.address, server.tls.clone())?;
    fleet.gather(links / D::ROLES.len(), false, &mut Idle)?;
    fleet.run(SETTLE, &mut Idle, |_| false)?;
    let link_memory = server.process.usage()?.rss.saturating_sub(before) as f64 / links as f64;
    Ok(Sums { link_memory, rate: f64::NAN, ..meter.stop(&server.process, 0, Vec::new())? })
}
