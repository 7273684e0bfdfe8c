//! Where a client's frames are opened and sorted.

use std::collections::VecDeque;
use std::io::Write;
use std::path::PathBuf;

use tempfile::NamedTempFile;

use super::Options;
use crate::{Content, Frame, Header, LinkError, Message, Sink};

/// Data up to this many octets stays in memory.
const MEMORY_MAX: u64 = 256 << 10;
/// News of presence that nobody takes: more are forgotten, the oldest first.
const PRESENCE_MAX: usize = 1000;

/// What came and is not taken yet.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) messages: VecDeque<Message>,
    pub(super) presence: VecDeque<Header>,
    /// Who is online, since the login.
    pub(super) online: Vec<String>,
    /// Messages that the device need not take, to be acked between two frames.
    pub(super) to_ack: Vec<String>,
    /// Frames and pieces that came, of any kind.
    pub(super) heard: u64,
    answers: VecDeque<Header>,
    spool: PathBuf,
    keeps: bool,
    /// The device whose logins are no news to it.
    label: Option<String>,
    /// The part of a large message that has come.
    coming: Option<NamedTempFile>,
}

impl Desk {
    pub(super) fn new(options: &Options) -> Desk {
        Desk {
            messages: VecDeque::new(),
            presence: VecDeque::new(),
            online: Vec::new(),
            to_ack: Vec::new(),
            heard: 0,
            answers: VecDeque::new(),
            spool: options.spool.clone(),
            keeps: options.receives,
            label: options.label.clone(),
            coming: None,
        }
    }

    /// What the old link left behind is worth nothing: messages come again.
    pub(super) fn new_link(&mut self) {
        self.messages.clear();
        self.answers.clear();
        self.to_ack.clear();
        self.coming = None;
    }

    /// The ack or result of a request.
    pub(super) fn take_answer(&mut self, id: &str) -> Option<Header> {
        self.take(|answer| matches!(answer.op(), "ack" | "result") && answer.id() == id)
    }

    /// The first answer of a kind.
    pub(super) fn take_op(&mut self, op: &str) -> Option<Header> {
        self.take(|answer| answer.op() == op)
    }

    fn take(&mut self, is_it: impl Fn(&Header) -> bool) -> Option<Header> {
        let at = self.answers.iter().position(is_it)?;
        self.answers.remove(at)
    }

    /// Whether this tells only that this very device has logged in.
    fn is_own_login(&self, frame: &Frame<'_>) -> bool {
        let Some(label) = self.label.as_deref().filter(|_| frame.reply.op == "login") else { return false };
        Header::parse(frame.header).is_some_and(|header| header.text("node") == label)
    }

    fn message(&mut self, frame: &Frame<'_>) -> Result<(), LinkError> {
        if !frame.reply.headsum_holds(frame.header) {
            return Err(LinkError::Protocol(format!("the headsum of message {} does not hold", frame.reply.id)));
        }
        if !self.keeps && self.is_own_login(frame) {
            self.to_ack.push(frame.reply.id.to_owned());
        }
        // What waits here for long comes again every 30 s: once is enough of it.
        if !self.keeps || self.messages.iter().any(|message| message.header.id() == frame.reply.id) {
            return Ok(());
        }
        let content = if frame.reply.data_len > MEMORY_MAX {
            let mut file = match self.coming.take() {
                Some(file) => file,
                None => NamedTempFile::new_in(&self.spool).map_err(LinkError::Spool)?,
            };
            file.write_all(frame.body).map_err(LinkError::Spool)?;
            if frame.left > 0 {
                self.coming = Some(file);
                return Ok(());
            }
            Content::File { file, len: frame.reply.data_len }
        } else {
            Content::Memory(frame.body.to_vec())
        };
        let header = parse(frame.header)?;
        self.messages.push_back(Message { header, content });
        Ok(())
    }
}

impl Sink for Desk {
    fn frame(&mut self, frame: &Frame<'_>, _out: &mut Vec<u8>) -> Result<(), LinkError> {
        self.heard += 1;
        if frame.reply.is_message() {
            return self.message(frame);
        }
        match frame.reply.op {
            "quit" => return Err(LinkError::Quit(frame.reply.error.unwrap_or("without a reason").to_owned())),
            "ohi" => {
                if self.presence.len() == PRESENCE_MAX {
                    self.presence.pop_front();
                }
                let header = parse(frame.header)?;
                self.online.retain(|uid| uid != header.from());
                if header.number("status") == 1 {
                    self.online.push(header.from().to_owned());
                }
                self.presence.push_back(header);
            }
            _ => self.answers.push_back(parse(frame.header)?),
        }
        Ok(())
    }

    fn whole_max(&self) -> u64 {
        MEMORY_MAX
    }
}

fn parse(header: &[u8]) -> Result<Header, LinkError> {
    Header::parse(header).ok_or_else(|| LinkError::Protocol(format!("header {}", String::from_utf8_lossy(header))))
}
