//! One connection: a request in, an answer out, goodbye.

use std::io::{self, ErrorKind};

use crate::base::Mono;
use crate::limits::{LINGER_TIMEOUT, WEB_FIELDS_MAX, WEB_HEAD_MAX, WEB_PATIENCE};
use crate::net::Socket;

/// What is read at once.
const PIECE: usize = 4096;
/// Pieces that are thrown away of what somebody says after the request: a body perhaps. After that they are hung up on.
const WASTE_MAX: usize = 64;

/// One connection.
#[derive(Debug)]
pub(super) struct Exchange<S> {
    socket: S,
    state: State,
    /// Since when it is in this state.
    since: Mono,
    /// Something may be possible that was not before.
    awake: bool,
}

#[derive(Debug)]
enum State {
    /// The head of a request is on its way: what came of it.
    Hearing(Vec<u8>),
    /// This was asked, and waits for its answer.
    Asked(Asked),
    /// The answer is on its way: what the socket did not take yet.
    Saying(Vec<u8>),
    /// All is said. What still comes is thrown away, so many pieces of it so far: were it left unread, the system would reset the
    /// connection, and the answer could be lost.
    Leaving(usize),
    /// It is over.
    Gone,
}

/// What somebody wants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Asked {
    /// A page.
    Page {
        /// Without what follows a question mark.
        path: String,
        /// Or its head only.
        with_body: bool,
    },
    /// Nothing that could be given.
    Nothing(Fault),
}

/// What is wrong with a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    /// It is none.
    NotHttp,
    /// Its head is too long, or has too many fields.
    TooLong,
    /// It wants something to be done.
    Method,
    /// It did not come in time.
    TooSlow,
}

/// The octets of an answer; `None` if there may be none yet.
pub(super) type Answer<'a> = dyn FnMut(&Asked) -> Option<Vec<u8>> + 'a;

impl<S: Socket> Exchange<S> {
    pub(super) fn new(socket: S, now: Mono) -> Exchange<S> {
        Exchange { socket, state: State::Hearing(Vec::new()), since: now, awake: true }
    }

    pub(super) fn wake(&mut self) {
        self.awake = true;
    }

    /// Since when it keeps us waiting.
    pub(super) fn since(&self) -> Mono {
        self.since
    }

    /// When to look at it though nothing happened on it; answers may be given from `pace` on.
    pub(super) fn deadline(&self, pace: Mono) -> Option<Mono> {
        if self.awake {
            return Some(Mono::default());
        }
        match &self.state {
            State::Hearing(_) | State::Saying(_) => Some(self.since.plus(WEB_PATIENCE)),
            State::Asked(_) => Some(pace),
            State::Leaving(_) => Some(self.since.plus(LINGER_TIMEOUT)),
            State::Gone => None,
        }
    }

    /// Goes on as far as it can without waiting; whether it is there still.
    pub(super) fn go_on(&mut self, now: Mono, answer: &mut Answer<'_>) -> bool {
        let woken = std::mem::take(&mut self.awake);
        if !woken && !matches!(self.state, State::Asked(_)) && self.deadline(now).is_none_or(|at| at > now) {
            return true;
        }
        loop {
            let (next, moved) = match std::mem::replace(&mut self.state, State::Gone) {
                State::Hearing(head) => self.hear(head, now),
                State::Asked(asked) => match answer(&asked) {
                    Some(octets) => (State::Saying(octets), true),
                    None => (State::Asked(asked), false),
                },
                State::Saying(octets) => self.say(octets, now),
                State::Leaving(waste) => (self.leave(waste, now), false),
                State::Gone => return false,
            };
            self.state = next;
            if moved {
                self.since = now;
            } else {
                return !matches!(self.state, State::Gone);
            }
        }
    }

    /// Reads on; with whether another state is reached.
    fn hear(&mut self, mut head: Vec<u8>, now: Mono) -> (State, bool) {
        let mut buffer = [0; PIECE];
        loop {
            match self.socket.read(&mut buffer) {
                Ok(0) if head.is_empty() => return (State::Gone, false),
                Ok(0) => return (State::Asked(Asked::Nothing(Fault::NotHttp)), true),
                Ok(count) => head.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return (State::Gone, false),
            }
            if let Some(asked) = read(&head) {
                return (State::Asked(asked), true);
            }
        }
        if self.since.plus(WEB_PATIENCE) <= now {
            return (State::Asked(Asked::Nothing(Fault::TooSlow)), true);
        }
        (State::Hearing(head), false)
    }

    fn say(&mut self, mut octets: Vec<u8>, now: Mono) -> (State, bool) {
        while !octets.is_empty() {
            match self.socket.write(&octets) {
                Ok(0) => return (State::Gone, false),
                Ok(count) => drop(octets.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let late = self.since.plus(WEB_PATIENCE) <= now;
                    return (if late { State::Gone } else { State::Saying(octets) }, false);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return (State::Gone, false),
            }
        }
        match self.socket.shutdown_write() {
            Ok(()) => (State::Leaving(0), true),
            Err(_) => (State::Gone, false),
        }
    }

    fn leave(&mut self, mut waste: usize, now: Mono) -> State {
        let mut buffer = [0; PIECE];
        while waste < WASTE_MAX {
            match self.socket.read(&mut buffer) {
                Ok(0) => return State::Gone,
                Ok(_) => waste += 1,
                Err(error) if is_nothing_yet(&error) && self.since.plus(LINGER_TIMEOUT) > now => return State::Leaving(waste),
                Err(_) => return State::Gone,
            }
        }
        State::Gone
    }
}

fn is_nothing_yet(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// What the octets so far ask for; `None` if more must come.
fn read(head: &[u8]) -> Option<Asked> {
    let mut fields = [httparse::EMPTY_HEADER; WEB_FIELDS_MAX];
    let mut request = httparse::Request::new(&mut fields);
    let parsed = request.parse(&head[..head.len().min(WEB_HEAD_MAX)]);
    let fault = match parsed {
        Ok(httparse::Status::Complete(_)) => return Some(meant(&request)),
        Ok(httparse::Status::Partial) if head.len() < WEB_HEAD_MAX => return None,
        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => Fault::TooLong,
        Err(
            httparse::Error::HeaderName
            | httparse::Error::HeaderValue
            | httparse::Error::NewLine
            | httparse::Error::Status
            | httparse::Error::Token
            | httparse::Error::Version,
        ) => Fault::NotHttp,
    };
    Some(Asked::Nothing(fault))
}

fn meant(request: &httparse::Request<'_, '_>) -> Asked {
    let has_host = request.headers.iter().filter(|field| field.name.eq_ignore_ascii_case("host")).count() == 1;
    let with_body = match request.method {
        Some("GET") => true,
        Some("HEAD") => false,
        Some(_) | None => return Asked::Nothing(Fault::Method),
    };
    // The standard has a request of this version without it, or with two, refused.
    if request.version == Some(1) && !has_host {
        return Asked::Nothing(Fault::NotHttp);
    }
    let target = request.path.unwrap_or_default();
    let path = target.split_once('?').map_or(target, |(path, _)| path);
    Asked::Page { path: path.to_owned(), with_body }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// Gives what it is given, a piece a read, and takes so many octets.
    #[derive(Default)]
    struct Pipe {
        pieces: VecDeque<Vec<u8>>,
        ended: bool,
        takes: usize,
        taken: Vec<u8>,
        shut: bool,
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
            self.shut = true;
            Ok(())
        }
    }

    const START: Mono = Mono(0);
    const GET: &[u8] = b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n";

    fn exchange(pieces: &[&[u8]]) -> Exchange<Pipe> {
        let pieces = pieces.iter().map(|piece| piece.to_vec()).collect();
        Exchange::new(Pipe { pieces, takes: usize::MAX, ..Pipe::default() }, START)
    }

    fn page(path: &str, with_body: bool) -> Asked {
        Asked::Page { path: path.to_owned(), with_body }
    }

    /// Goes on, and answers with what was asked.
    fn go_on(exchange: &mut Exchange<Pipe>, at: Mono) -> (bool, Option<Asked>) {
        exchange.wake();
        let mut heard = None;
        let lives = exchange.go_on(at, &mut |asked| {
            heard = Some(asked.clone());
            Some(b"the answer".to_vec())
        });
        (lives, heard)
    }

    #[test]
    fn heads_mean_what_they_say() {
        for (head, asked) in [
            (&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], page("/", true)),
            (b"\r\nGET /metrics?a=b HTTP/1.0\n\n", page("/metrics", true)),
            (b"HEAD /health HTTP/1.1\r\nhost:\r\n\r\nmore", page("/health", false)),
            (b"POST / HTTP/1.1\r\nHost: x\r\n\r\n", Asked::Nothing(Fault::Method)),
            (b"get / HTTP/1.1\r\nHost: x\r\n\r\n", Asked::Nothing(Fault::Method)),
            (b"GET / HTTP/1.1\r\n\r\n", Asked::Nothing(Fault::NotHttp)),
            (b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", Asked::Nothing(Fault::NotHttp)),
            (b"GET / HTTP/2.0\r\n\r\n", Asked::Nothing(Fault::NotHttp)),
            (b"\x16\x03\x01\x02\x00", Asked::Nothing(Fault::NotHttp)),
            (b"GET /\0 HTTP/1.1\r\n", Asked::Nothing(Fault::NotHttp)),
        ] {
            assert_eq!(read(head), Some(asked), "{}", String::from_utf8_lossy(head));
            assert!((1..head.len()).all(|cut| read(&head[..cut]).is_none_or(|asked| Some(asked) == read(head))), "whatever is cut off");
        }
        for unfinished in ["", "G", "GET / HTTP/1.1", "GET / HTTP/1.1\r\nHost: x\r\n"] {
            assert_eq!(read(unfinished.as_bytes()), None, "{unfinished}");
        }
        let long = format!("GET / HTTP/1.1\r\nHost: x\r\nA: {}", "b".repeat(WEB_HEAD_MAX));
        assert_eq!(read(long.as_bytes()), Some(Asked::Nothing(Fault::TooLong)));
        assert_eq!(read(&long.as_bytes()[..WEB_HEAD_MAX - 1]), None);
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(WEB_FIELDS_MAX + 1));
        assert_eq!(read(many.as_bytes()), Some(Asked::Nothing(Fault::TooLong)));
    }

    #[test]
    fn a_request_in_pieces_is_answered_and_the_end_waited_for() {
        let mut talk = exchange(&[&GET[..7]]);
        assert_eq!(go_on(&mut talk, START), (true, None));
        talk.socket.pieces.push_back(GET[7..].to_vec());
        assert_eq!(go_on(&mut talk, START), (true, Some(page("/ready", true))));
        assert_eq!((&talk.socket.taken[..], talk.socket.shut), (&b"the answer"[..], true));
        talk.socket.ended = true;
        assert_eq!(go_on(&mut talk, START), (false, None));
    }

    #[test]
    fn who_says_nothing_is_told_so_and_who_takes_nothing_is_not() {
        let late = START.plus(WEB_PATIENCE);
        let mut silent = exchange(&[b"GET"]);
        assert_eq!(go_on(&mut silent, Mono(late.0 - 1)), (true, None));
        assert_eq!(silent.deadline(START), Some(late));
        assert_eq!(go_on(&mut silent, late), (true, Some(Asked::Nothing(Fault::TooSlow))));
        assert_eq!(go_on(&mut silent, late.plus(LINGER_TIMEOUT)), (false, None));

        let mut deaf = exchange(&[GET]);
        deaf.socket.takes = 3;
        assert!(go_on(&mut deaf, START).0 && go_on(&mut deaf, Mono(late.0 - 1)).0 && !go_on(&mut deaf, late).0);
        assert_eq!(deaf.socket.taken, b"the");
    }

    #[test]
    fn an_answer_waits_for_its_time_without_being_woken() {
        let mut talk = exchange(&[GET]);
        assert!(talk.go_on(START, &mut |_| None));
        assert_eq!(talk.deadline(Mono(77)), Some(Mono(77)));
        assert!(talk.go_on(Mono(77), &mut |_| Some(b"late".to_vec())));
        assert_eq!(talk.socket.taken, b"late");
    }

    #[test]
    fn who_goes_on_talking_is_hung_up_on() {
        let mut talk = exchange(&[GET]);
        talk.socket.pieces.extend(std::iter::repeat_n(vec![b'x'; PIECE], WASTE_MAX));
        assert!(!go_on(&mut talk, START).0);
        let mut gone = exchange(&[b"GET"]);
        gone.socket.ended = true;
        assert_eq!(go_on(&mut gone, START), (false, Some(Asked::Nothing(Fault::NotHttp))));
    }
}
