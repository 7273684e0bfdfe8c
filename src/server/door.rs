//! Who is let in: accepting, the most links there may be, and what is said of strangers.
//!
//! Links are kept fewer than there are descriptors, so that strangers can use up neither those that segments need nor the
//! patience of the log's reader: whatever somebody who has not logged in brings about is told in sum, at most every
//! [`REPORT_EVERY`], and one by one only at the level `debug`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::base::{Limit, Mono};
use crate::limits::{DESCRIPTORS_RESERVED, REPORT_EVERY, TURN_ACCEPTS_MAX};
use crate::net::{Accepted, Layer, Poller, TcpSocket, TlsConfig};
use crate::relay::Now;
use crate::store::Disk;

use super::{Server, Strangers};

/// The door of the relay, with a listener for each TLS configuration.
pub(super) struct Door {
    tls: Vec<TlsConfig>,
    links_max: usize,
    /// Listeners to be tried again at that time: there was no descriptor, or there were many who wanted to connect.
    paused: BTreeMap<usize, Mono>,
    turned_away: Seldom,
    /// How often nobody could be let in, nor turned away.
    helpless: Seldom,
    strangers: Strangers,
    told: Seldom,
}

impl Door {
    /// `descriptors` is what the system grants this process.
    pub(super) fn new(tls: Vec<TlsConfig>, descriptors: u64) -> Door {
        let links_max = usize::try_from(descriptors.saturating_sub(DESCRIPTORS_RESERVED)).unwrap_or(usize::MAX);
        let [turned_away, helpless, told] = std::array::from_fn(|_| Seldom::default());
        Door { tls, links_max, paused: BTreeMap::new(), turned_away, helpless, strangers: Strangers::default(), told }
    }

    /// When to come again though nothing happened.
    pub(super) fn next_deadline(&self) -> Option<Mono> {
        let reports = [&self.turned_away, &self.helpless, &self.told].map(Seldom::next_deadline);
        self.paused.values().copied().chain(reports.into_iter().flatten()).min()
    }

    /// The listeners whose pause is over.
    pub(super) fn rested(&mut self, now: Now) -> Vec<usize> {
        let due: Vec<usize> = self.paused.iter().filter(|(_, at)| **at <= now.mono).map(|(listener, _)| *listener).collect();
        self.paused.retain(|_, at| *at > now.mono);
        due
    }

    /// Lets in who waits at a listener. One that is paused is tried when its pause is over.
    pub(super) fn open<D: Disk>(&mut self, server: &mut Server<TcpSocket, D>, poller: &mut Poller, listener: usize, now: Now) {
        if self.paused.contains_key(&listener) {
            return;
        }
        for _ in 0..TURN_ACCEPTS_MAX {
            match poller.accept(listener) {
                Accepted::Nobody => return,
                Accepted::NoDescriptor { pause, turned_away, helpless } => {
                    self.turned_away.add(u64::from(turned_away));
                    if turned_away {
                        server.refuse(Limit::Descriptors);
                    }
                    self.helpless.add(u64::from(helpless));
                    self.paused.insert(listener, now.mono.plus(pause));
                    return;
                }
                Accepted::Socket(socket, peer) if server.links() >= self.links_max => {
                    log::debug!("connection from {peer}: turned away");
                    self.turned_away.add(1);
                    server.refuse(Limit::Descriptors);
                    drop(socket);
                }
                Accepted::Socket(socket, peer) => {
                    log::debug!("connection from {peer}");
                    self.admit(server, poller, (socket, peer.ip()), listener, now);
                }
            }
        }
        // More may wait, and no event will tell of them again.
        self.paused.insert(listener, now.mono);
    }

    fn admit<D: Disk>(
        &mut self,
        server: &mut Server<TcpSocket, D>,
        poller: &mut Poller,
        (socket, from): (TcpSocket, IpAddr),
        listener: usize,
        now: Now,
    ) {
        let layer = match Layer::tls(self.tls[listener].clone()) {
            Ok(layer) => layer,
            Err(error) => return log::error!("no TLS for a connection: {error}"),
        };
        let slot = server.open(socket, layer, Some(from), now);
        let Some(socket) = server.socket_mut(slot) else { return };
        if let Err(error) = poller.watch(socket, slot) {
            log::debug!("a connection cannot be watched: {error}");
            self.turned_away.add(1);
            server.refuse(Limit::Descriptors);
            server.abandon(slot, now);
        }
    }

    /// Says in sum what strangers have brought about, if it is time.
    pub(super) fn report(&mut self, ended: Strangers, now: Now) {
        self.strangers.ended += ended.ended;
        self.strangers.broken += ended.broken;
        self.told.add(ended.ended);
        if let Some(count) = self.turned_away.take(now.mono) {
            log::warn!(
                "{count} connections were turned away: file descriptors allow no more than {} links; raise the limit (ulimit -n)",
                self.links_max
            );
        }
        if self.helpless.take(now.mono).is_some() {
            log::warn!("no file descriptor for a connection, not even to turn it away: who connects waits; raise the limit (ulimit -n)");
        }
        if self.told.take(now.mono).is_some() {
            let Strangers { ended, broken } = std::mem::take(&mut self.strangers);
            log::info!("{ended} connections ended before they logged in, {broken} of them with a TLS error");
        }
    }
}

/// A count that is told at most once in [`REPORT_EVERY`]: at once if the last time is long ago.
#[derive(Default)]
struct Seldom {
    count: u64,
    quiet_until: Mono,
}

impl Seldom {
    fn add(&mut self, count: u64) {
        self.count += count;
    }

    fn next_deadline(&self) -> Option<Mono> {
        (self.count > 0).then_some(self.quiet_until)
    }

    fn take(&mut self, now: Mono) -> Option<u64> {
        if self.count == 0 || now < self.quiet_until {
            return None;
        }
        self.quiet_until = now.plus(REPORT_EVERY);
        Some(std::mem::take(&mut self.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_often_is_told_seldom_and_in_full() {
        let mut seldom = Seldom::default();
        let start = Mono::default().plus(REPORT_EVERY);
        assert_eq!((seldom.take(start), seldom.next_deadline()), (None, None));
        seldom.add(1);
        assert_eq!(seldom.take(start), Some(1));
        seldom.add(2);
        seldom.add(3);
        assert_eq!(seldom.take(start), None);
        assert_eq!(seldom.next_deadline(), Some(start.plus(REPORT_EVERY)));
        assert_eq!(seldom.take(start.plus(REPORT_EVERY)), Some(5));
        assert_eq!(seldom.next_deadline(), None);
    }
}
