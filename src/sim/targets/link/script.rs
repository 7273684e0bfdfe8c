//! An input as what strangers do.
//!
//! Octets are sent as they are, but for these, which no UTF-8 has:
//!
//! ```text
//! FF        what was said so far is sent, and the server has its turns
//! FE ... FD a header; its length is put before it
//! FC n      something that is known: uids, a node's secret, the newest message's id
//! FB n      time passes
//! FA n      another link speaks; the link is closed, reset, not read any more, read again
//! F9 n o    the octet o, 16 times n
//! ```

use std::time::Duration;

use super::peer::Peer;

/// How long time passes.
const TIMES: [Duration; 8] = [
    Duration::from_millis(1),
    Duration::from_millis(150),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(31),
    Duration::from_secs(125),
];
/// How often time passes at most, and links do what is not speaking: each costs some turns.
const EVENTS: usize = 100;

/// What strangers have learned.
#[derive(Default)]
pub(super) struct Known {
    /// The honest member's.
    pub(super) honest: String,
    /// The newest stranger's who has registered.
    uid: String,
    node: String,
    message: String,
}

impl Known {
    pub(super) fn learn(&mut self, peer: &Peer) {
        for (known, heard) in [(&mut self.uid, &peer.uid), (&mut self.node, &peer.node), (&mut self.message, &peer.message)] {
            if !heard.is_empty() {
                known.clone_from(heard);
            }
        }
    }
}

/// What happens next.
pub(super) enum Event {
    /// Octets are sent by whoever speaks.
    Say(Vec<u8>),
    Pass(Duration),
    /// Another one speaks.
    Next,
    Close,
    Reset,
    /// The speaker reads no more, or again.
    Read(bool),
}

/// The input, read from its front.
pub(super) struct Script<'a> {
    rest: &'a [u8],
    events: usize,
}

impl<'a> Script<'a> {
    pub(super) fn new(rest: &'a [u8]) -> Script<'a> {
        Script { rest, events: 0 }
    }

    /// The next event; what is said ends where something else happens.
    pub(super) fn next(&mut self, known: &Known) -> Option<Event> {
        let mut said = Vec::new();
        // Where the header that is being said begins.
        let mut header = None;
        while let Some((&octet, rest)) = self.rest.split_first() {
            if matches!(octet, 0xfa | 0xfb) && !said.is_empty() {
                break;
            }
            self.rest = rest;
            match octet {
                0xff if said.is_empty() => {}
                0xff => break,
                0xfe => header = Some(said.len()),
                0xfd => put_length(&mut said, header.take()),
                0xfc => said.extend_from_slice(self.known(known).as_bytes()),
                0xfb => return self.happens(|n| Event::Pass(TIMES[usize::from(n) % TIMES.len()])),
                0xfa => {
                    return self.happens(|n| match n % 6 {
                        0 | 1 => Event::Next,
                        2 => Event::Close,
                        3 => Event::Reset,
                        4 => Event::Read(false),
                        _ => Event::Read(true),
                    });
                }
                0xf9 => {
                    let (times, octet) = (self.octet(), self.octet());
                    said.resize(said.len() + 16 * usize::from(times), octet);
                }
                octet => said.push(octet),
            }
        }
        put_length(&mut said, header);
        (!said.is_empty()).then_some(Event::Say(said))
    }

    fn happens(&mut self, what: impl Fn(u8) -> Event) -> Option<Event> {
        self.events += 1;
        let octet = self.octet();
        (self.events <= EVENTS).then(|| what(octet))
    }

    fn known<'k>(&mut self, known: &'k Known) -> &'k str {
        match self.octet() % 4 {
            0 => &known.honest,
            1 => &known.uid,
            2 => &known.node,
            _ => &known.message,
        }
    }

    fn octet(&mut self) -> u8 {
        let Some((&octet, rest)) = self.rest.split_first() else { return 0 };
        self.rest = rest;
        octet
    }
}

fn put_length(said: &mut Vec<u8>, header: Option<usize>) {
    let Some(at) = header else { return };
    let length = format!("{:04x}", said.len() - at).into_bytes();
    // One that is too long for its length is cut short, as a liar's would be.
    said.splice(at..at, length.into_iter().take(4));
}
