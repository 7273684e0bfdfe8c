//! TMTP revision 1, as this project's relay speaks it. Every link begins as a new account.
//!
//! In a group the first member invites the others by their aliases, and each joins when the invitation comes. Besides posts every
//! stored message (invitations, who has joined) is acked.

use mnm_client::request::{self, Data, GroupChange};
use mnm_client::{Recipient, Reply};

use crate::driver::{Driver, Event, Outcome, Role, To};

const GROUP: &str = "bench group";
/// The requests of the bench other than posts have ids that begin with this.
const ERRAND: char = 'e';
const INVITATION: &str = "e-invite";
const JOINING: &str = "e-join";
/// How the relay answers a quit.
const GOODBYE: &str = "logout ok";

#[derive(Default)]
pub(crate) struct Tmtp {
    member: usize,
    in_group: bool,
    /// The account is an old one: a login is told to its devices, and must be acked before the member goes again.
    is_known: bool,
    uid: String,
    node: String,
    posted: u64,
    acked: u64,
    /// A buffer for ids.
    id: String,
}

fn alias(member: usize) -> String {
    format!("member {member:06}")
}

impl Driver for Tmtp {
    const ROLES: &'static [Role] = &[Role::Both];
    const INVITES: bool = true;

    fn new(member: usize, _: Role, in_group: bool) -> Tmtp {
        Tmtp { member, in_group, ..Tmtp::default() }
    }

    fn successor(&self) -> Tmtp {
        let (uid, node) = (self.uid.clone(), self.node.clone());
        Tmtp { member: self.member, in_group: self.in_group, is_known: true, uid, node, ..Tmtp::default() }
    }

    fn address(&self) -> &str {
        &self.uid
    }

    fn greet(&mut self, out: &mut Vec<u8>) {
        request::tmtprev(out);
        if self.is_known {
            return request::login(out, &self.uid, &self.node);
        }
        let alias = self.in_group.then(|| alias(self.member));
        request::register(out, "bench", alias.as_deref(), None);
    }

    fn take<'i>(&mut self, input: &'i [u8], out: &mut Vec<u8>) -> Outcome<Option<(usize, Event<'i>)>> {
        let Some((reply, data, used)) = split(input)? else { return Ok(None) };
        if let Some(error) = reply.error.filter(|error| *error != GOODBYE) {
            return Err(format!("the relay answers {}: {error}", reply.op));
        }
        if reply.is_message() {
            request::ack(out, reply.id);
        }
        let event = match reply.op {
            "registered" => {
                self.uid = reply.uid.to_owned();
                self.node = reply.node_id.to_owned();
                Event::Other
            }
            "info" if !self.is_known => Event::Ready,
            "login" => Event::Ready,
            "ack" => self.answered(reply.id)?,
            "delivery" => Event::Message(data),
            "invite" => {
                request::group_edit(out, JOINING, GROUP, GroupChange::Join(None));
                Event::Other
            }
            "tmtprev" | "info" | "member" | "quit" => Event::Other,
            op => return Err(format!("the relay says {op}")),
        };
        Ok(Some((used, event)))
    }

    fn post(&mut self, to: To<'_>, body: &[u8], out: &mut Vec<u8>) {
        let to = match to {
            To::Member(uid) => Recipient::user(uid),
            To::Group => Recipient::group_and_self(GROUP),
        };
        self.posted += 1;
        self.id.clear();
        write(&mut self.id, self.posted);
        request::post(out, &self.id, &[to], Data { len: body.len() as u64, ..Data::default() });
        out.extend_from_slice(body);
    }

    fn settle(&mut self, _: &mut Vec<u8>) {}

    fn invite(&mut self, others: usize, out: &mut Vec<u8>) {
        for other in 1..=others {
            request::group_invite(out, INVITATION, GROUP, &alias(self.member), &alias(other), 0);
        }
    }

    fn quit(&mut self, out: &mut Vec<u8>) {
        request::quit(out);
    }
}

impl Tmtp {
    fn answered(&mut self, id: &str) -> Outcome<Event<'static>> {
        if id.starts_with(ERRAND) {
            return Ok(if id == JOINING { Event::Ready } else { Event::Other });
        }
        self.acked += 1;
        if id.parse() != Ok(self.acked) {
            return Err(format!("ack {id} instead of {}", self.acked));
        }
        Ok(Event::Acked)
    }
}

fn write(text: &mut String, number: u64) {
    use std::fmt::Write;
    write!(text, "{number}").expect("a string takes what is written");
}

/// The frame at the front: its header, its data, and the octets that it takes.
fn split(input: &[u8]) -> Outcome<Option<(Reply<'_>, &[u8], usize)>> {
    let Some((prefix, rest)) = input.split_first_chunk::<4>() else { return Ok(None) };
    let size = std::str::from_utf8(prefix).ok().and_then(|hex| usize::from_str_radix(hex, 16).ok());
    let size = size.ok_or("a frame's length is no hex number")?;
    let Some((header, rest)) = rest.split_at_checked(size) else { return Ok(None) };
    let reply = Reply::parse(header).ok_or_else(|| format!("header {}", String::from_utf8_lossy(header)))?;
    let data_len = reply.data_len as usize;
    Ok(rest.get(..data_len).map(|data| (reply, data, 4 + size + data_len)))
}
