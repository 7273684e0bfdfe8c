//! What the relay says: a header's fields, found in one pass and without a copy.
//!
//! Relays write headers canonically (keys sorted, no white space), so a scan does where other peers
//! would need a JSON library, and it knows where the `headsum` stood. Strings are taken as they are
//! written: ids need no escapes, and a reason with one is only shown. Deliberately strict: a header
//! that is written otherwise is an error of the relay.

use std::ops::Range;

/// The fields that decide what is done with a frame; absent ones are empty. [`Header`](crate::Header) has the others.
///
/// ```
/// let reply = mnm_client::Reply::parse(br#"{"id":"p1","msgid":"188add8cbe0ca2fb","op":"ack"}"#).expect("a canonical header");
/// assert_eq!((reply.op, reply.id, reply.error), ("ack", "p1", None));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Reply<'a> {
    /// What kind of reply or message this is.
    pub op: &'a str,
    /// Of a message its id, of an ack the request's.
    pub id: &'a str,
    /// The sender's uid.
    pub from: &'a str,
    /// In `registered`: the new user.
    pub uid: &'a str,
    /// In `registered`: the node's secret.
    pub node_id: &'a str,
    /// Why not; in `quit` why the link ends.
    pub error: Option<&'a str>,
    /// Octets of data that follow the header.
    pub data_len: u64,
    headsum: Option<(u64, Range<usize>)>,
}

impl<'a> Reply<'a> {
    /// Reads a header without its length prefix; `None` if it is not a canonical one.
    pub fn parse(header: &'a [u8]) -> Option<Reply<'a>> {
        let mut reply = Reply::default();
        let mut scan = Scan { text: std::str::from_utf8(header).ok()?, at: 0 };
        let mut last_key = "";
        scan.expect(b'{')?;
        loop {
            let start = scan.at;
            let key = scan.string()?;
            if key <= last_key {
                return None;
            }
            last_key = key;
            scan.expect(b':')?;
            match key {
                "op" => reply.op = scan.string()?,
                "id" => reply.id = scan.string()?,
                "from" => reply.from = scan.string()?,
                "uid" => reply.uid = scan.string()?,
                "nodeid" => reply.node_id = scan.string()?,
                "error" => reply.error = Some(scan.string()?),
                "datalen" => reply.data_len = scan.number()?,
                "headsum" => reply.headsum = Some((scan.number()?, start..scan.at + 1)),
                _ => scan.skip_value()?,
            }
            if scan.expect(b',').is_none() {
                break;
            }
        }
        scan.expect(b'}')?;
        (scan.at == header.len() && !reply.op.is_empty()).then_some(reply)
    }

    /// Whether the header's checksum is there and is that of the rest of `header`.
    pub fn headsum_holds(&self, header: &[u8]) -> bool {
        let Some((sum, place)) = &self.headsum else { return false };
        let Some(tail) = header.get(place.end..) else { return false };
        let head = &header[..place.start];
        let length = hex4(head.len() + tail.len());
        let crc = [head, tail].iter().fold(crc32c::crc32c(&length), |crc, part| crc32c::crc32c_append(crc, part));
        u64::from(crc) == *sum
    }

    /// Whether this is a stored message, which wants an ack, rather than an answer or a notice.
    pub fn is_message(&self) -> bool {
        !self.id.is_empty() && !self.from.is_empty()
    }
}

/// A header's length as it stands in front of it.
fn hex4(size: usize) -> [u8; 4] {
    std::array::from_fn(|digit| b"0123456789abcdef"[size >> (12 - 4 * digit) & 15])
}

struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    fn rest(&self) -> &'a [u8] {
        &self.text.as_bytes()[self.at..]
    }

    fn expect(&mut self, octet: u8) -> Option<()> {
        (self.rest().first() == Some(&octet)).then(|| self.at += 1)
    }

    fn string(&mut self) -> Option<&'a str> {
        self.expect(b'"')?;
        let start = self.at;
        loop {
            let step = self.rest().iter().position(|b| matches!(b, b'"' | b'\\'))?;
            self.at += step;
            if self.rest()[0] == b'"' {
                break;
            }
            // A backslash takes the next octet with it.
            self.rest().get(1)?;
            self.at += 2;
        }
        let end = self.at;
        self.at += 1;
        self.text.get(start..end)
    }

    fn number(&mut self) -> Option<u64> {
        let digits = self.rest().iter().take_while(|b| b.is_ascii_digit()).count();
        let number = self.text[self.at..self.at + digits].parse().ok()?;
        self.at += digits;
        Some(number)
    }

    /// A value we do not look at. Brackets are counted, not matched.
    fn skip_value(&mut self) -> Option<()> {
        let mut depth = 0u32;
        loop {
            match self.rest().first()? {
                b'"' => {
                    self.string()?;
                }
                b'[' | b'{' => {
                    depth += 1;
                    self.at += 1;
                }
                b']' | b'}' if depth > 0 => {
                    depth -= 1;
                    self.at += 1;
                }
                b',' | b'}' if depth == 0 => return Some(()),
                b',' | b':' if depth > 0 => self.at += 1,
                b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'+' | b'.' => self.at += 1,
                _ => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mnm::base::Seq;
    use mnm::wire::{Body, reply};

    fn std() -> reply::Std<'static> {
        reply::Std { from: "U%+", id: Seq(7), posted: "2006-01-02T15:04:05.000Z" }
    }

    #[test]
    fn every_shape_of_the_relay_is_read_and_its_headsum_verified() {
        let users = ["V".to_owned(), "W".to_owned()];
        let body = Body { len: 5, head: 2, sum: 9 };
        let messages = [
            reply::Message::Delivery { body, notify: Some(3) },
            reply::Message::Notify { post_id: Seq(1), body },
            reply::Message::Login { node: "n\"\\<" },
            reply::Message::OhiEdit { users: &users, act: "add" },
            reply::Message::Ping { alias: Some("a"), to: "t", body },
        ];
        for message in messages {
            let mut header = message.frame(std())[4..].to_vec();
            let reply = Reply::parse(&header).unwrap();
            assert_eq!((reply.id, reply.from, reply.is_message()), ("0000000000000007", "U%+", true), "{message:?}");
            assert!(reply.headsum_holds(&header));
            let at = header.windows(4).position(|w| w == b"2006").unwrap();
            header[at] = b'3';
            assert!(!Reply::parse(&header).unwrap().headsum_holds(&header));
        }
        let frame = reply::ack("p1", Some((Seq(7), "D")), &reply::Full::default());
        assert_eq!(Reply::parse(&frame[4..]).unwrap().id, "p1");
        assert!(!Reply::parse(&frame[4..]).unwrap().is_message());
        assert_eq!(Reply::parse(&reply::quit("login failed")[4..]).unwrap().error, Some("login failed"));
        let registered = reply::registered("N", "U", None);
        let parsed = Reply::parse(&registered[4..]).unwrap();
        assert_eq!((parsed.uid, parsed.node_id), ("U", "N"));
        assert_eq!(Reply::parse(&reply::info(&users)[4..]).unwrap().op, "info");
    }

    #[test]
    fn what_is_not_canonical_is_refused() {
        for bad in [
            "",
            "{",
            "{}",
            r#"{"op":"x""#,
            r#"{"op":"x"}}"#,
            r#"{"op":"x","id":"a"}"#,
            r#"{"id":"a","id":"a","op":"x"}"#,
            r#"{ "op":"x"}"#,
            r#"{"op":7}"#,
            r#"{"id":"a"}"#,
            r#"{"datalen":-1,"op":"x"}"#,
            r#"{"op":"x\"#,
        ] {
            assert!(Reply::parse(bad.as_bytes()).is_none(), "{bad}");
        }
        assert!(Reply::parse(br#"{"authby":[{"label":"a}","x":[1,null]}],"op":"tmtprev"}"#).is_some());
    }
}
