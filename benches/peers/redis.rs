//! Redis streams, in RESP2. Member i has the stream `m:<i>`, or reads the stream `g` with the others of a group.
//!
//! A blocking read stops all else on its link, so a member has two: one for its XADDs and one that reads. When the reader has taken a
//! reply, the acks for it and the next read go out together. An ack deletes: nothing else makes Redis forget an entry.
//! Polling without a block would need one link only, and take the server's time for nothing.
//! How the reader reads is [`Reading`]; in a group always by consumer groups, one a member, and the poster trims the stream.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::ValueEnum;

use crate::driver::{Driver, Event, Outcome, Role, To};

/// What Redis is told in the servers' configuration.
pub(crate) const PASSWORD: &str = "bench";
const GROUP: &str = "g";
/// Entries of one read: more than a window.
const COUNT: &str = "64";
/// Entries that a group's stream keeps, about: more than readers may lag behind, so that none is lost to them.
const GROUP_KEEPS: &str = "10000";

/// How a member reads its own stream. Either way an entry stays until it is acked, and is there again after a crash of either side.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Reading {
    /// XREADGROUP, XACK and XDEL: Redis keeps what is delivered and not acked
    Group,
    /// XREAD after the last entry that was read, and XTRIM MINID: the only reader keeps its place, and would begin at 0 after a crash
    Plain,
}

/// Drivers are made by the loop, which knows no protocol: so the one choice of this one is the program's.
static READS_PLAINLY: AtomicBool = AtomicBool::new(false);

impl Reading {
    pub(crate) fn choose(self) {
        READS_PLAINLY.store(self == Reading::Plain, Ordering::Relaxed);
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// AUTH has no answer.
    LoggingIn,
    /// XGROUP has no answer.
    Subscribing,
    Ready,
}

pub(crate) struct Redis {
    member: usize,
    role: Role,
    in_group: bool,
    reads_plainly: bool,
    stream: String,
    /// The consumer group: in a group everybody has one of their own.
    consumers: String,
    phase: Phase,
    /// The next read is to be asked for.
    wants_read: bool,
    /// Entries of the present reply that are still to come.
    entries_left: usize,
    /// What has been read and not acked.
    read: Vec<String>,
    last_read: String,
}

impl Driver for Redis {
    const ROLES: &'static [Role] = &[Role::Producer, Role::Consumer];
    const INVITES: bool = false;

    fn new(member: usize, role: Role, in_group: bool) -> Redis {
        Redis {
            member,
            role,
            in_group,
            reads_plainly: READS_PLAINLY.load(Ordering::Relaxed) && !in_group,
            stream: if in_group { GROUP.to_owned() } else { format!("m:{member}") },
            consumers: if in_group { format!("c{member}") } else { "c".to_owned() },
            phase: Phase::LoggingIn,
            wants_read: false,
            entries_left: 0,
            read: Vec::new(),
            last_read: "0".to_owned(),
        }
    }

    fn successor(&self) -> Redis {
        Redis::new(self.member, self.role, self.in_group)
    }

    fn address(&self) -> &str {
        &self.stream
    }

    fn greet(&mut self, out: &mut Vec<u8>) {
        command(out, &["AUTH", PASSWORD]);
    }

    fn take<'i>(&mut self, input: &'i [u8], out: &mut Vec<u8>) -> Outcome<Option<(usize, Event<'i>)>> {
        let mut scan = Scan { input, at: 0 };
        match self.reply(&mut scan, out) {
            Ok(event) => Ok(Some((scan.at, event))),
            Err(Cut::Short) => Ok(None),
            Err(Cut::Nonsense(text)) => Err(text),
        }
    }

    fn post(&mut self, to: To<'_>, body: &[u8], out: &mut Vec<u8>) {
        let (stream, trim) = match to {
            To::Member(stream) => (stream, &[][..]),
            To::Group => (GROUP, &["MAXLEN", "~", GROUP_KEEPS][..]),
        };
        array(out, 5 + trim.len());
        ["XADD", stream].iter().chain(trim).chain(&["*", "d"]).for_each(|word| bulk(out, word.as_bytes()));
        bulk(out, body);
    }

    fn settle(&mut self, out: &mut Vec<u8>) {
        if !self.wants_read {
            return;
        }
        self.wants_read = false;
        self.ack(out);
        if self.reads_plainly {
            return command(out, &["XREAD", "COUNT", COUNT, "BLOCK", "0", "STREAMS", &self.stream, &self.last_read]);
        }
        let words = ["XREADGROUP", "GROUP", &self.consumers, "c", "COUNT", COUNT, "BLOCK", "0", "STREAMS", &self.stream, ">"];
        command(out, &words);
    }

    fn invite(&mut self, _: usize, _: &mut Vec<u8>) {}

    fn quit(&mut self, out: &mut Vec<u8>) {
        command(out, &["QUIT"]);
    }
}

impl Redis {
    /// The next reply; of a read's reply its head, and then each entry.
    fn reply<'i>(&mut self, scan: &mut Scan<'i>, out: &mut Vec<u8>) -> Result<Event<'i>, Cut> {
        if self.entries_left > 0 {
            let (id, payload) = scan.entry()?;
            self.entries_left -= 1;
            self.wants_read = self.entries_left == 0;
            self.read.push(String::from_utf8_lossy(id).into_owned());
            return Ok(Event::Message(payload));
        }
        match scan.input.first() {
            None => Err(Cut::Short),
            Some(b'*') => {
                self.entries_left = scan.head()?;
                Ok(Event::Other)
            }
            // A new entry's id.
            Some(b'$') => scan.bulk().map(|_| Event::Acked),
            Some(_) => match scan.line()? {
                // How many were acked or deleted.
                [b':', ..] => Ok(Event::Other),
                [b'+', ..] => Ok(self.greeted(out)),
                // The member comes again.
                line if line.starts_with(b"-BUSYGROUP") => Ok(self.greeted(out)),
                line => Err(Cut::Nonsense(format!("Redis says {}", String::from_utf8_lossy(line)))),
            },
        }
    }

    /// AUTH, XGROUP or QUIT is done.
    fn greeted(&mut self, out: &mut Vec<u8>) -> Event<'static> {
        match self.phase {
            Phase::Ready => return Event::Other,
            Phase::LoggingIn if self.role == Role::Consumer && !self.reads_plainly => {
                command(out, &["XGROUP", "CREATE", &self.stream, &self.consumers, "$", "MKSTREAM"]);
                self.phase = Phase::Subscribing;
                return Event::Other;
            }
            Phase::LoggingIn | Phase::Subscribing => {}
        }
        self.phase = Phase::Ready;
        self.wants_read = self.role == Role::Consumer;
        Event::Ready
    }

    /// Acks what was read, so that Redis forgets it.
    fn ack(&mut self, out: &mut Vec<u8>) {
        let Some(last) = self.read.last() else { return };
        self.last_read.clone_from(last);
        if self.reads_plainly {
            // The least id that stays. One reader takes entries in their order: all before it are read.
            let (ms, number) = last.split_once('-').unwrap_or((last, "0"));
            let next = format!("{ms}-{}", number.parse::<u64>().map_or(0, |number| number + 1));
            command(out, &["XTRIM", &self.stream, "MINID", "=", &next]);
        } else {
            self.list(&["XACK", &self.stream, &self.consumers], out);
            // In a group others have yet to read it.
            if !self.in_group {
                self.list(&["XDEL", &self.stream], out);
            }
        }
        self.read.clear();
    }

    /// A command about all that was read.
    fn list(&self, words: &[&str], out: &mut Vec<u8>) {
        array(out, words.len() + self.read.len());
        let ids = self.read.iter().map(String::as_str);
        words.iter().copied().chain(ids).for_each(|word| bulk(out, word.as_bytes()));
    }
}

fn command(out: &mut Vec<u8>, words: &[&str]) {
    array(out, words.len());
    words.iter().for_each(|word| bulk(out, word.as_bytes()));
}

fn array(out: &mut Vec<u8>, count: usize) {
    write!(out, "*{count}\r\n").expect("a vector takes what is written");
}

fn bulk(out: &mut Vec<u8>, octets: &[u8]) {
    write!(out, "${}\r\n", octets.len()).expect("as above");
    out.extend_from_slice(octets);
    out.extend_from_slice(b"\r\n");
}

/// Why a part of a reply cannot be had.
enum Cut {
    /// Its end has not come.
    Short,
    Nonsense(String),
}

/// Reads the parts of a reply.
struct Scan<'i> {
    input: &'i [u8],
    at: usize,
}

impl<'i> Scan<'i> {
    /// The head of one stream's entries, *1 *2 NAME *COUNT; how many they are.
    fn head(&mut self) -> Result<usize, Cut> {
        self.number(b'*')?;
        self.number(b'*')?;
        self.bulk()?;
        self.number(b'*')
    }

    /// One entry with one field, *2 ID *2 NAME VALUE; its id and the value.
    fn entry(&mut self) -> Result<(&'i [u8], &'i [u8]), Cut> {
        self.number(b'*')?;
        let id = self.bulk()?;
        self.number(b'*')?;
        self.bulk()?;
        Ok((id, self.bulk()?))
    }

    fn line(&mut self) -> Result<&'i [u8], Cut> {
        let rest = self.input.get(self.at..).ok_or(Cut::Short)?;
        let end = rest.iter().position(|octet| *octet == b'\n').ok_or(Cut::Short)?;
        self.at += end + 1;
        match &rest[..end] {
            [line @ .., b'\r'] if !line.is_empty() => Ok(line),
            line => Err(Cut::Nonsense(format!("Redis says {}", String::from_utf8_lossy(line)))),
        }
    }

    fn number(&mut self, kind: u8) -> Result<usize, Cut> {
        let line = self.line()?;
        let number = std::str::from_utf8(&line[1..]).ok().and_then(|text| text.parse().ok());
        let is_kind = line[0] == kind;
        number.filter(|_| is_kind).ok_or_else(|| Cut::Nonsense(format!("Redis says {}", String::from_utf8_lossy(line))))
    }

    fn bulk(&mut self) -> Result<&'i [u8], Cut> {
        let len = self.number(b'$')?;
        let octets = self.input.get(self.at..self.at + len + 2).ok_or(Cut::Short)?;
        self.at += len + 2;
        Ok(&octets[..len])
    }
}
