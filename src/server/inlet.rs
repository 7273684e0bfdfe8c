//! Bytes to inputs: one link's plain octets through its frame reader into the relay.

use crate::base::LinkId;
use crate::relay::{Effect, Fault, Input, Now, Relay};
use crate::wire::{Dialect, FrameReader, Piece, Request, RequestLimits};

/// Where one link's input stands.
#[derive(Debug)]
pub(super) struct Inlet {
    reader: FrameReader,
    dialect: Dialect,
    /// The peer broke the protocol: nothing it says can be understood any more.
    deaf: bool,
}

impl Inlet {
    pub(super) fn new(dialect: Dialect) -> Inlet {
        Inlet { reader: FrameReader::new(), dialect, deaf: false }
    }

    /// Gives every request, and every part of one's data, to the relay.
    pub(super) fn feed(
        &mut self,
        link: LinkId,
        mut octets: &[u8],
        relay: &mut Relay,
        limits: &RequestLimits,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        if self.deaf {
            return;
        }
        relay.handle(Input::Heard { link }, now, out);
        loop {
            let rest_of_body = match self.reader.next(&mut octets) {
                Ok(None) => return,
                Ok(Some(Piece::Body(octets))) => {
                    relay.handle(Input::Body { link, octets }, now, out);
                    0
                }
                Ok(Some(Piece::Header(header))) => match Request::parse(header, &mut self.dialect, limits) {
                    Ok(request) => {
                        let len = request.body().len;
                        let here = usize::try_from(len).unwrap_or(usize::MAX).min(octets.len());
                        let (body, rest) = octets.split_at(here);
                        octets = rest;
                        relay.handle(Input::Request { link, request, dialect: self.dialect, body }, now, out);
                        len - here as u64
                    }
                    Err(error) => {
                        self.deaf = true;
                        return relay.handle(Input::Broken { link, fault: Fault::Request(error) }, now, out);
                    }
                },
                Err(error) => {
                    self.deaf = true;
                    return relay.handle(Input::Broken { link, fault: Fault::Frame(error) }, now, out);
                }
            };
            if rest_of_body > 0 {
                self.reader.expect_body(rest_of_body);
            }
        }
    }
}
