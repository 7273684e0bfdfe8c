//! Bytes to inputs: one link's plain octets through its frame reader into the relay.

use crate::base::{LinkId, Mono};
use crate::limits::{READ_BUFFER, WORK_BUDGET};
use crate::relay::{Effect, Fault, Input, Now, Relay};
use crate::wire::{Dialect, FrameReader, Piece, Request, RequestLimits};

/// Where one link's input stands.
#[derive(Debug)]
pub(super) struct Inlet {
    reader: FrameReader,
    dialect: Dialect,
    /// The peer broke the protocol: nothing it says can be understood any more.
    deaf: bool,
    held: Option<Held>,
}

/// What waits, with everything that came after it: a login for the end of its node's old link, or requests for the next turn.
#[derive(Debug)]
struct Held {
    octets: Vec<u8>,
    /// When it is not held any longer.
    until: Mono,
}

/// What reading needs besides the octets.
pub(super) struct Reading<'a> {
    pub(super) relay: &'a mut Relay,
    pub(super) limits: &'a RequestLimits,
    pub(super) now: Now,
    pub(super) out: &'a mut Vec<Effect>,
}

impl Inlet {
    pub(super) fn new(dialect: Dialect) -> Inlet {
        Inlet { reader: FrameReader::new(), dialect, deaf: false, held: None }
    }

    /// Gives every request, and every part of one's data, to the relay.
    pub(super) fn feed(&mut self, link: LinkId, octets: &[u8], reading: &mut Reading<'_>) {
        if self.deaf {
            return;
        }
        reading.relay.handle(Input::Heard { link }, reading.now, reading.out);
        match &mut self.held {
            Some(held) => held.octets.extend_from_slice(octets),
            None => self.read(link, octets, true, reading),
        }
    }

    /// Until when something is held; nothing should be read while it is.
    pub(super) fn held_until(&self) -> Option<Mono> {
        self.held.as_ref().map(|held| held.until)
    }

    /// Whether much of one request's data is still to come.
    pub(super) fn is_bulk(&self) -> bool {
        self.reader.body_left() >= READ_BUFFER as u64
    }

    /// Tries again what is held: some link has ended, or the time is up.
    pub(super) fn retry(&mut self, link: LinkId, reading: &mut Reading<'_>) {
        let Some(Held { octets, until }) = self.held.take() else { return };
        let patient = reading.now.mono < until;
        self.read(link, &octets, patient, reading);
        if let Some(held) = &mut self.held {
            held.until = until;
        }
    }

    fn read(&mut self, link: LinkId, mut octets: &[u8], patient: bool, reading: &mut Reading<'_>) {
        let Reading { relay, limits, now, out } = reading;
        loop {
            let rest_of_body = match self.reader.next(&mut octets) {
                Ok(None) => return,
                Ok(Some(Piece::Body(octets))) => {
                    relay.handle(Input::Body { link, octets }, *now, out);
                    0
                }
                Ok(Some(Piece::Header(header))) => match Request::parse(header, &mut self.dialect, limits) {
                    Ok(Request::Login { uid, node }) if patient && relay.is_busy(link, &uid, &node, *now) => {
                        let frame = format!("{:04x}", header.len()).into_bytes();
                        self.held = Some(Held { octets: [&frame, header, octets].concat(), until: now.mono.plus(relay.login_patience()) });
                        return;
                    }
                    Ok(request) => {
                        // Few octets can ask for much: others get their turn in between.
                        if relay.work() > WORK_BUDGET && relay.is_member(link) {
                            let frame = format!("{:04x}", header.len()).into_bytes();
                            self.held = Some(Held { octets: [&frame, header, octets].concat(), until: now.mono });
                            return;
                        }
                        let len = request.body().len;
                        let here = usize::try_from(len).unwrap_or(usize::MAX).min(octets.len());
                        let (body, rest) = octets.split_at(here);
                        octets = rest;
                        relay.handle(Input::Request { link, request, dialect: self.dialect, body }, *now, out);
                        len - here as u64
                    }
                    Err(error) => return self.fail(link, Fault::Request(error), reading),
                },
                Err(error) => return self.fail(link, Fault::Frame(error), reading),
            };
            if rest_of_body > 0 {
                self.reader.expect_body(rest_of_body);
            }
        }
    }

    fn fail(&mut self, link: LinkId, fault: Fault, reading: &mut Reading<'_>) {
        self.deaf = true;
        reading.relay.handle(Input::Broken { link, fault }, reading.now, reading.out);
    }
}
