//! Who is let in: accepting, how many there may be, how many from one address, how fast; and what is said of strangers.
//!
//! Links are kept fewer than there are descriptors, so that strangers can use up neither those that segments need nor the
//! patience of the log's reader: whatever somebody who has not logged in brings about is told in sum, at most every
//! [`REPORT_EVERY`](crate::limits::REPORT_EVERY), and one by one only at the level `debug`.

mod pace;
mod seldom;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use self::pace::Pace;
use self::seldom::Seldom;
use super::{Departed, Server, Strangers};
use crate::base::{Limit, Mono, Source};
use crate::config::Limits;
use crate::limits::{DESCRIPTORS_RESERVED, HANDSHAKES_DEFAULT, LINKS_PER_ADDRESS_DEFAULT, TURN_ACCEPTS_MAX};
use crate::net::{Accepted, Layer, PeerSocket, Poller, TlsConfig};
use crate::relay::Now;
use crate::store::Disk;

/// What links from one listener speak below the protocol.
#[derive(Clone)]
pub(super) enum Way {
    /// TLS with this certificate.
    Tls(TlsConfig),
    /// Nothing: whoever opened the socket to the relay has ended TLS already.
    Plain,
}

/// Why somebody is not let in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Refused {
    /// There are as many links as there are descriptors for.
    Descriptors,
    /// There are as many as the operator wants.
    Links,
    /// There are as many from that address.
    Address,
}

impl Refused {
    fn limit(self) -> Limit {
        match self {
            Refused::Descriptors => Limit::Descriptors,
            Refused::Links => Limit::LinksTotal,
            Refused::Address => Limit::LinksPerAddress,
        }
    }
}

/// The door of the relay, with a way in for each listener.
pub(super) struct Door {
    ways: Vec<Way>,
    /// Links that there are descriptors for.
    room: usize,
    limits: Limits,
    /// Links by where they come from.
    guests: BTreeMap<Source, usize>,
    pace: Pace,
    /// Listeners to be tried again at that time: there was no descriptor, or there were many who wanted to connect.
    paused: BTreeMap<usize, Mono>,
    /// Of these, those where somebody may have come meanwhile, too fast.
    slowed: BTreeSet<usize>,
    turned_away: [Seldom; 3],
    /// How often nobody could be let in, nor turned away.
    helpless: Seldom,
    /// How often somebody had to wait, for many came before.
    hurried: Seldom,
    /// The last that was one too many from its address.
    crowd: Option<IpAddr>,
    strangers: Strangers,
    told: Seldom,
}

impl Door {
    /// `descriptors` is what the system grants this process.
    pub(super) fn new(ways: Vec<Way>, limits: Limits, descriptors: u64) -> Door {
        let room = usize::try_from(descriptors.saturating_sub(DESCRIPTORS_RESERVED)).unwrap_or(usize::MAX);
        Door {
            ways,
            room,
            limits,
            guests: BTreeMap::new(),
            pace: Pace::new(limits.handshakes_per_second.unwrap_or(HANDSHAKES_DEFAULT)),
            paused: BTreeMap::new(),
            slowed: BTreeSet::new(),
            turned_away: Default::default(),
            helpless: Seldom::default(),
            hurried: Seldom::default(),
            crowd: None,
            strangers: Strangers::default(),
            told: Seldom::default(),
        }
    }

    /// Other limits and certificates from now on. Who is in stays.
    pub(super) fn change(&mut self, ways: Vec<Way>, limits: Limits) {
        assert_eq!(ways.len(), self.ways.len(), "listeners stay as they are");
        if limits.handshakes_per_second != self.limits.handshakes_per_second {
            self.pace = Pace::new(limits.handshakes_per_second.unwrap_or(HANDSHAKES_DEFAULT));
        }
        (self.ways, self.limits) = (ways, limits);
    }

    /// When to come again though nothing happened.
    pub(super) fn next_deadline(&self) -> Option<Mono> {
        let reports = self.turned_away.iter().chain([&self.helpless, &self.hurried, &self.told]).filter_map(Seldom::next_deadline);
        self.paused.values().copied().chain(reports).min()
    }

    /// The listeners whose pause is over.
    pub(super) fn rested(&mut self, now: Now) -> Vec<usize> {
        let due: Vec<usize> = self.paused.iter().filter(|(_, at)| **at <= now.mono).map(|(listener, _)| *listener).collect();
        self.paused.retain(|_, at| *at > now.mono);
        due
    }

    /// Lets in who waits at a listener. One that is paused is tried when its pause is over.
    pub(super) fn open<D: Disk>(&mut self, server: &mut Server<PeerSocket, D>, poller: &mut Poller, listener: usize, now: Now) {
        if self.paused.contains_key(&listener) {
            return;
        }
        for _ in 0..TURN_ACCEPTS_MAX {
            if let Some(at) = self.pace.next(now.mono) {
                self.slowed.insert(listener);
                self.paused.insert(listener, at);
                return;
            }
            // Only who is there after a pause has waited for its end.
            let slowed = self.slowed.remove(&listener);
            match poller.accept(listener) {
                Accepted::Nobody => return,
                Accepted::NoDescriptor { pause, turned_away, helpless } => {
                    self.turned_away[Refused::Descriptors as usize].add(u64::from(turned_away));
                    if turned_away {
                        server.refuse(Limit::Descriptors);
                    }
                    self.helpless.add(u64::from(helpless));
                    self.paused.insert(listener, now.mono.plus(pause));
                    return;
                }
                Accepted::Socket(socket, from) => {
                    if slowed {
                        self.hurried.add(1);
                        server.refuse(Limit::HandshakeRate);
                    }
                    self.receive(server, poller, (socket, from), &self.ways[listener].clone(), now);
                }
            }
        }
        // More may wait, and no event will tell of them again.
        self.paused.insert(listener, now.mono);
    }

    /// Lets in who comes from within this process, if there is room for one more. Nobody listens to what is said there: no TLS.
    pub(super) fn welcome<D: Disk>(&mut self, server: &mut Server<PeerSocket, D>, poller: &mut Poller, socket: PeerSocket, now: Now) {
        self.receive(server, poller, (socket, None), &Way::Plain, now);
    }

    fn receive<D: Disk>(
        &mut self,
        server: &mut Server<PeerSocket, D>,
        poller: &mut Poller,
        (socket, from): (PeerSocket, Option<IpAddr>),
        way: &Way,
        now: Now,
    ) {
        match self.refusal(server.links(), from) {
            Some(why) => {
                server.refuse(why.limit());
                self.turn_away(socket, from, why);
            }
            None => self.admit(server, poller, (socket, from), way, now),
        }
    }

    fn refusal(&self, links: usize, from: Option<IpAddr>) -> Option<Refused> {
        let here = || self.guests.get(&Source::of(from)).copied().unwrap_or_default();
        if links >= self.room {
            Some(Refused::Descriptors)
        } else if links >= self.limits.links_max {
            Some(Refused::Links)
        } else {
            self.most_from(from).is_some_and(|most| here() >= most).then_some(Refused::Address)
        }
    }

    /// How many links one address may have. What the operator says holds for everybody; what we say of ourselves, not for programs of this
    /// machine.
    fn most_from(&self, from: Option<IpAddr>) -> Option<usize> {
        // Whoever comes through a socket in the file system has no address that could be told from another's.
        from?;
        self.limits.links_per_address.or_else(|| (!Source::is_own(from)).then_some(LINKS_PER_ADDRESS_DEFAULT))
    }

    /// Whether links from there count for the pace.
    fn is_paced(&self, from: Option<IpAddr>) -> bool {
        self.limits.handshakes_per_second.is_some() || !Source::is_own(from)
    }

    fn turn_away(&mut self, socket: PeerSocket, from: Option<IpAddr>, why: Refused) {
        log::debug!(from = name(from); "a connection is turned away: {why:?}");
        if why == Refused::Address {
            self.crowd = from;
        }
        self.turned_away[why as usize].add(1);
        drop(socket);
    }

    fn admit<D: Disk>(
        &mut self,
        server: &mut Server<PeerSocket, D>,
        poller: &mut Poller,
        (socket, from): (PeerSocket, Option<IpAddr>),
        way: &Way,
        now: Now,
    ) {
        log::debug!(from = name(from); "a connection");
        let layer = match way {
            Way::Plain => Layer::Plain,
            Way::Tls(config) => match Layer::tls(config.clone()) {
                Ok(layer) => layer,
                Err(error) => return log::error!("no TLS for a connection: {error}"),
            },
        };
        if self.is_paced(from) {
            self.pace.take(now.mono);
        }
        let slot = server.open(socket, layer, from, now);
        *self.guests.entry(Source::of(from)).or_default() += 1;
        let Some(socket) = server.socket_mut(slot) else { return };
        if let Err(error) = poller.watch(socket, slot) {
            log::debug!("a connection cannot be watched: {error}");
            self.turned_away[Refused::Descriptors as usize].add(1);
            server.refuse(Limit::Descriptors);
            server.abandon(slot, now);
        }
    }

    /// Forgets who has gone.
    pub(super) fn note_departed(&mut self, departed: Vec<Departed>) {
        for Departed { from, silent } in departed {
            // Who connects and leaves, again and again, shall not use up what others need.
            if silent && self.is_paced(from) {
                self.pace.give_back();
            }
            let source = Source::of(from);
            let Some(count) = self.guests.get_mut(&source) else { continue };
            *count -= 1;
            if *count == 0 {
                self.guests.remove(&source);
            }
        }
    }

    /// Says in sum what strangers have brought about, if it is time.
    pub(super) fn report(&mut self, ended: Strangers, now: Now) {
        self.strangers.ended += ended.ended;
        self.strangers.broken += ended.broken;
        self.told.add(ended.ended);
        for why in [Refused::Descriptors, Refused::Links, Refused::Address] {
            if let Some(count) = self.turned_away[why as usize].take(now.mono) {
                log::warn!("{count} connections were turned away: {}", self.explain(why));
            }
        }
        if self.helpless.take(now.mono).is_some() {
            log::warn!("no file descriptor for a connection, not even to turn it away: who connects waits; raise the limit (ulimit -n)");
        }
        if self.hurried.take(now.mono).is_some() {
            let rate = self.pace.rate();
            log::warn!("more than {rate} new links a second: who connects waits a little (limits.handshakes_per_second)");
        }
        if self.told.take(now.mono).is_some() {
            let Strangers { ended, broken } = std::mem::take(&mut self.strangers);
            log::info!("{ended} connections ended before they logged in, {broken} of them with a TLS error");
        }
    }

    fn explain(&self, why: Refused) -> String {
        match why {
            Refused::Descriptors => {
                format!("file descriptors allow no more than {} links; raise the limit (ulimit -n)", self.room)
            }
            Refused::Links => format!("there are {} links, and limits.links_max allows no more", self.limits.links_max),
            Refused::Address => {
                let most = self.most_from(self.crowd).unwrap_or_default();
                format!("one address has {most} links, and limits.links_per_address allows no more; the last was {}", name(self.crowd))
            }
        }
    }
}

fn name(from: Option<IpAddr>) -> String {
    from.map_or_else(|| "local".to_owned(), |address| address.to_canonical().to_string())
}
