//! One connection to the control socket: octets in, lines out, and when it has been waited for long enough.

use std::io::ErrorKind;

use super::words::Reply;
use crate::base::Mono;
use crate::limits::{CONTROL_LINE_MAX, CONTROL_PATIENCE};
use crate::net::Socket;
use crate::relay::Command;

/// One connection.
pub(super) struct Talk<S> {
    socket: S,
    /// What came and was not taken yet.
    input: Vec<u8>,
    /// Octets of it in which no line ends.
    searched: usize,
    /// What the socket did not take yet.
    output: Vec<u8>,
    /// What the relay was asked for it and has not answered.
    asked: Option<Asked>,
    /// Since when it is waited for: for a line, or for its reading.
    since: Mono,
    /// It sends no more.
    ended: bool,
    /// It goes when it has read what there is.
    closing: bool,
    /// Something may be possible that was not before.
    awake: bool,
}

/// What the relay was asked.
pub(super) struct Asked {
    /// What the answer bears.
    pub(super) ticket: u64,
    /// What; nothing of the relay, if the process was asked.
    pub(super) command: Option<Command>,
    /// The same in JSON, for the log.
    pub(super) line: String,
}

/// What came of a connection.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Heard {
    /// A line, without its end.
    Line(Vec<u8>),
    /// Nothing for now.
    Nothing,
    /// It is over.
    Gone,
}

impl<S: Socket> Talk<S> {
    pub(super) fn new(socket: S, now: Mono) -> Talk<S> {
        Talk {
            socket,
            input: Vec::new(),
            searched: 0,
            output: Vec::new(),
            asked: None,
            since: now,
            ended: false,
            closing: false,
            awake: true,
        }
    }

    pub(super) fn wake(&mut self) {
        self.awake = true;
    }

    pub(super) fn is_awake(&self) -> bool {
        self.awake
    }

    /// When to look at it though nothing happened on it.
    pub(super) fn deadline(&self) -> Option<Mono> {
        match (&self.asked, self.awake) {
            (_, true) => Some(Mono::default()),
            (None, false) => Some(self.since.plus(CONTROL_PATIENCE)),
            (Some(_), false) => None,
        }
    }

    /// Notes that the relay was asked something. No line is taken before it has answered.
    pub(super) fn ask(&mut self, asked: Asked) {
        self.asked = Some(asked);
    }

    pub(super) fn asked(&self) -> Option<&Asked> {
        self.asked.as_ref()
    }

    /// What it asked, now that there is an answer.
    pub(super) fn take_asked(&mut self) -> Option<Asked> {
        self.asked.take()
    }

    /// Says a line, as soon as the socket takes it.
    pub(super) fn say(&mut self, line: &str, now: Mono) {
        self.output.extend_from_slice(line.as_bytes());
        self.since = now;
        self.awake = true;
        // What cannot be written now is found out by the next try.
        let _ = self.flush(now);
    }

    /// Gives up whom we have waited for long enough: with a word, if they may hear it.
    pub(super) fn expire(&mut self, now: Mono) {
        if self.asked.is_some() || self.since.plus(CONTROL_PATIENCE) > now {
            return;
        }
        let deaf = self.closing || !self.output.is_empty();
        self.close_with(format!("no command came for {} seconds", CONTROL_PATIENCE.as_secs()), now);
        if deaf {
            self.output.clear();
        }
    }

    /// Goes on as far as it can without waiting, to the next line.
    pub(super) fn next(&mut self, now: Mono) -> Heard {
        self.awake = false;
        loop {
            match self.flush(now) {
                Err(()) => return Heard::Gone,
                Ok(false) => return Heard::Nothing,
                Ok(true) if self.closing => return Heard::Gone,
                Ok(true) => {}
            }
            if self.asked.is_some() {
                return Heard::Nothing;
            }
            let end = self.line_end();
            if end.unwrap_or(self.input.len()) > CONTROL_LINE_MAX {
                self.close_with(format!("a line has at most {CONTROL_LINE_MAX} octets"), now);
            } else if let Some(end) = end {
                return Heard::Line(self.take_line(end));
            } else if self.ended && self.input.is_empty() {
                return Heard::Gone;
            } else if self.ended {
                self.close_with("the last line has no end, and was not read".to_owned(), now);
            } else if let Some(heard) = self.read() {
                return heard;
            }
        }
    }

    fn line_end(&mut self) -> Option<usize> {
        let found = self.input[self.searched..].iter().position(|octet| *octet == b'\n').map(|at| self.searched + at);
        self.searched = found.unwrap_or(self.input.len());
        found
    }

    fn take_line(&mut self, end: usize) -> Vec<u8> {
        let rest = self.input.split_off(end + 1);
        let mut line = std::mem::replace(&mut self.input, rest);
        line.pop();
        self.searched = 0;
        line
    }

    /// Reads once; `None` if there may be more.
    fn read(&mut self) -> Option<Heard> {
        let mut buffer = [0; 4096];
        match self.socket.read(&mut buffer) {
            Ok(0) => self.ended = true,
            Ok(count) => self.input.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Some(Heard::Nothing),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return Some(Heard::Gone),
        }
        None
    }

    /// Whether all is written.
    fn flush(&mut self, now: Mono) -> Result<bool, ()> {
        if self.output.is_empty() {
            return Ok(true);
        }
        while !self.output.is_empty() {
            match self.socket.write(&self.output) {
                Ok(0) => return Err(()),
                Ok(count) => drop(self.output.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(()),
            }
        }
        self.output = Vec::new();
        self.since = now;
        Ok(true)
    }

    fn close_with(&mut self, sentence: String, now: Mono) {
        self.input.clear();
        self.searched = 0;
        self.closing = true;
        self.say(&Reply::refused(sentence).line(), now);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::io;

    use super::*;
    use crate::record::Mode;

    /// Gives what it is given, a piece a read, and takes so many octets.
    #[derive(Default)]
    struct Pipe {
        pieces: VecDeque<Vec<u8>>,
        ended: bool,
        takes: usize,
        taken: Vec<u8>,
    }

    impl Socket for Pipe {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let Some(mut piece) = self.pieces.pop_front() else {
                return if self.ended { Ok(0) } else { Err(ErrorKind::WouldBlock.into()) };
            };
            let count = piece.len().min(buffer.len());
            buffer[..count].copy_from_slice(&piece[..count]);
            if count < piece.len() {
                self.pieces.push_front(piece.split_off(count));
            }
            Ok(count)
        }

        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            let count = octets.len().min(self.takes);
            self.takes -= count;
            self.taken.extend_from_slice(&octets[..count]);
            if count == 0 { Err(ErrorKind::WouldBlock.into()) } else { Ok(count) }
        }

        fn shutdown_write(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const START: Mono = Mono(0);

    fn talk(pieces: &[&[u8]]) -> Talk<Pipe> {
        let pieces = pieces.iter().map(|piece| piece.to_vec()).collect();
        Talk::new(Pipe { pieces, takes: usize::MAX, ..Pipe::default() }, START)
    }

    fn line(text: &str) -> Heard {
        Heard::Line(text.as_bytes().to_vec())
    }

    fn said(talk: &Talk<Pipe>) -> String {
        String::from_utf8(talk.socket.taken.clone()).unwrap()
    }

    #[test]
    fn lines_come_whole_however_they_are_cut() {
        let mut talk = talk(&[b"a l", b"ine\n\nanother\nha", b"lf"]);
        for expected in [line("a line"), line(""), line("another"), Heard::Nothing] {
            assert_eq!(talk.next(START), expected);
        }
        talk.socket.pieces.push_back(b" a line\n".to_vec());
        assert_eq!(talk.next(START), line("half a line"));
        assert_eq!(talk.next(START), Heard::Nothing);
        assert_eq!(said(&talk), "");
        talk.socket.ended = true;
        assert_eq!(talk.next(START), Heard::Gone);
    }

    #[test]
    fn half_a_line_is_not_read() {
        let mut talk = talk(&[b"whole\nhalf"]);
        talk.socket.ended = true;
        assert_eq!((talk.next(START), talk.next(START)), (line("whole"), Heard::Gone));
        assert!(said(&talk).contains("has no end"), "{}", said(&talk));
    }

    #[test]
    fn the_longest_line_is_read_and_a_longer_one_ends_the_connection() {
        let longest = "x".repeat(CONTROL_LINE_MAX);
        let mut good = talk(&[longest.as_bytes(), b"\n"]);
        assert_eq!(good.next(START), line(&longest));
        for end in ["x\n", "x"] {
            let mut bad = talk(&[longest.as_bytes(), end.as_bytes(), b"{}\n"]);
            assert_eq!(bad.next(START), Heard::Gone);
            assert!(said(&bad).contains("at most 65536 octets"), "{}", said(&bad));
        }
    }

    #[test]
    fn no_line_is_taken_before_the_last_one_is_answered_and_the_answer_written() {
        let mut talk = talk(&[b"one\ntwo\n"]);
        talk.socket.takes = 0;
        assert_eq!(talk.next(START), line("one"));
        talk.ask(Asked { ticket: 7, command: Some(Command::Register { mode: Mode::Open, until: None }), line: "one".to_owned() });
        assert_eq!(talk.next(START), Heard::Nothing);
        assert_eq!(talk.take_asked().unwrap().ticket, 7);
        talk.say("the answer\n", START);
        assert_eq!(talk.next(START), Heard::Nothing);
        talk.socket.takes = 5;
        assert_eq!(talk.next(START), Heard::Nothing);
        talk.socket.takes = 100;
        assert_eq!(talk.next(START), line("two"));
        assert_eq!(said(&talk), "the answer\n");
    }

    #[test]
    fn who_is_waited_for_too_long_goes_and_who_waits_for_the_relay_stays() {
        let late = START.plus(CONTROL_PATIENCE);
        let mut idle = talk(&[b"half a line"]);
        assert_eq!(idle.next(START), Heard::Nothing);
        assert_eq!(idle.deadline(), Some(late));
        idle.expire(Mono(late.0 - 1));
        assert!(!idle.is_awake());
        idle.expire(late);
        assert_eq!(idle.next(late), Heard::Gone);
        assert!(said(&idle).contains("no command came for 30 seconds"), "{}", said(&idle));

        let mut deaf = talk(&[]);
        deaf.socket.takes = 3;
        deaf.say("an answer\n", START);
        assert_eq!(deaf.next(START), Heard::Nothing);
        deaf.expire(late);
        assert_eq!((deaf.next(late), said(&deaf).as_str()), (Heard::Gone, "an "));

        let mut waiting = talk(&[]);
        waiting.ask(Asked { ticket: 1, command: Some(Command::Register { mode: Mode::Open, until: None }), line: String::new() });
        assert_eq!(waiting.next(START), Heard::Nothing);
        waiting.expire(late);
        assert_eq!((waiting.is_awake(), waiting.deadline()), (false, None));
    }
}
