//! MQTT 3.1.1 (OASIS standard): QoS 1 both ways, persistent sessions.
//!
//! Member i is the session `m<i>` and subscribes to the topic `m/<i>`, or to `g` in a group. Nobody logs in with a password.

use crate::driver::{Driver, Event, Outcome, Role, To};

const CONNECT: u8 = 0x10;
const CONNACK: u8 = 0x20;
const PUBLISH: u8 = 0x30;
const PUBACK: u8 = 0x40;
/// With the reserved flags that the standard wants.
const SUBSCRIBE: u8 = 0x82;
const SUBACK: u8 = 0x90;
const DISCONNECT: u8 = 0xe0;
const QOS_1: u8 = 0x02;
/// Longer than any measurement.
const KEEP_ALIVE_S: u16 = 600;
const GROUP: &str = "g";

pub(crate) struct Mqtt {
    member: usize,
    in_group: bool,
    topic: String,
    /// Packet identifiers of the last post and of the last answer; 0 is none.
    posted: u16,
    acked: u16,
}

impl Driver for Mqtt {
    const ROLES: &'static [Role] = &[Role::Both];
    const INVITES: bool = false;

    fn new(member: usize, _: Role, in_group: bool) -> Mqtt {
        Mqtt { member, in_group, topic: format!("m/{member}"), posted: 0, acked: 0 }
    }

    fn successor(&self) -> Mqtt {
        Mqtt::new(self.member, Role::Both, self.in_group)
    }

    fn address(&self) -> &str {
        &self.topic
    }

    fn greet(&mut self, out: &mut Vec<u8>) {
        let client = format!("m{}", self.member);
        packet(out, CONNECT, 10 + 2 + client.len());
        text(out, "MQTT");
        // Level 4 is 3.1.1; no flags: the session is not clean, there is no will, no name and no password.
        out.extend_from_slice(&[4, 0]);
        out.extend_from_slice(&KEEP_ALIVE_S.to_be_bytes());
        text(out, &client);
    }

    fn take<'i>(&mut self, input: &'i [u8], out: &mut Vec<u8>) -> Outcome<Option<(usize, Event<'i>)>> {
        let Some((kind, body, used)) = split(input)? else { return Ok(None) };
        let event = match (kind & 0xf0, body) {
            (CONNACK, [_, 0]) => {
                let topic = if self.in_group { GROUP } else { &self.topic };
                packet(out, SUBSCRIBE, 2 + 2 + topic.len() + 1);
                out.extend_from_slice(&[0, 1]);
                text(out, topic);
                out.push(1);
                Event::Other
            }
            (SUBACK, [_, _, 1]) => Event::Ready,
            (PUBACK, &[high, low]) => {
                self.acked = next(self.acked);
                if self.acked != u16::from_be_bytes([high, low]) {
                    return Err(format!("PUBACK {} instead of {}", u16::from_be_bytes([high, low]), self.acked));
                }
                Event::Acked
            }
            (PUBLISH, body) if kind & 0x06 == QOS_1 => {
                let topic_len = body.first_chunk().map_or(0, |len| usize::from(u16::from_be_bytes(*len)));
                let after_topic = body.get(2 + topic_len..).and_then(|rest| rest.split_first_chunk::<2>());
                let Some((id, payload)) = after_topic else { return Err("a PUBLISH that is too short".into()) };
                packet(out, PUBACK, 2);
                out.extend_from_slice(id);
                Event::Message(payload)
            }
            _ => return Err(format!("the broker says {kind:02x} {:02x?}", &body[..body.len().min(16)])),
        };
        Ok(Some((used, event)))
    }

    fn post(&mut self, to: To<'_>, body: &[u8], out: &mut Vec<u8>) {
        let topic = match to {
            To::Member(topic) => topic,
            To::Group => GROUP,
        };
        self.posted = next(self.posted);
        packet(out, PUBLISH | QOS_1, 2 + topic.len() + 2 + body.len());
        text(out, topic);
        out.extend_from_slice(&self.posted.to_be_bytes());
        out.extend_from_slice(body);
    }

    fn settle(&mut self, _: &mut Vec<u8>) {}

    fn invite(&mut self, _: usize, _: &mut Vec<u8>) {}

    fn quit(&mut self, out: &mut Vec<u8>) {
        packet(out, DISCONNECT, 0);
    }
}

/// Packet identifiers go round without 0.
fn next(id: u16) -> u16 {
    id.checked_add(1).unwrap_or(1)
}

/// A fixed header: the kind and the remaining length, seven bits an octet, the lowest first.
fn packet(out: &mut Vec<u8>, kind: u8, mut len: usize) {
    out.push(kind);
    while len > 0x7f {
        out.push((len & 0x7f) as u8 | 0x80);
        len >>= 7;
    }
    out.push(len as u8);
}

fn text(out: &mut Vec<u8>, text: &str) {
    let len = u16::try_from(text.len()).expect("names here are short");
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// The packet at the front: its first octet, its body, and the octets that it takes.
fn split(input: &[u8]) -> Outcome<Option<(u8, &[u8], usize)>> {
    let mut len = 0;
    for (index, octet) in input.iter().skip(1).take(4).enumerate() {
        len |= usize::from(octet & 0x7f) << (7 * index);
        if octet & 0x80 == 0 {
            let begin = 2 + index;
            return Ok(input.get(begin..begin + len).map(|body| (input[0], body, begin + len)));
        }
    }
    if input.len() > 4 { Err("a packet's length has no end".into()) } else { Ok(None) }
}
