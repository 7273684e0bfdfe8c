//! Carries: sockets, TLS on both sides, octets cut into frames.

use super::*;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Side {
    Client,
    Relay,
}

impl Side {
    const BOTH: [Side; 2] = [Side::Client, Side::Relay];

    pub(super) fn other(self) -> Side {
        match self {
            Side::Client => Side::Relay,
            Side::Relay => Side::Client,
        }
    }
}

/// Moves the octets.
pub(super) struct Carrier {
    pub(super) relay: SocketAddr,
    pub(super) listener: TcpListener,
    pub(super) poll: Poll,
    pub(super) server: Arc<ServerConfig>,
    pub(super) client: Arc<ClientConfig>,
    /// Links by their number, which is never used again.
    pub(super) wires: Vec<Option<[End; 2]>>,
    pub(super) hand: Hand,
}

impl Carrier {
    pub(super) fn run(mut self, shared: &Shared) {
        let mut events = Events::with_capacity(1024);
        loop {
            let wait = self.has_more_to_read().then_some(Duration::ZERO);
            match self.poll.poll(&mut events, wait) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                polled => polled.expect("the sockets can be polled"),
            }
            if shared.over.load(Ordering::Relaxed) {
                return;
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept(),
                    WAKER => {}
                    Token(token) => {
                        if let Some(ends) = &mut self.wires[(token - FIRST) / 2] {
                            ends[(token - FIRST) % 2].readable = true;
                        }
                    }
                }
            }
            for link in 0..self.wires.len() {
                Side::BOTH.into_iter().for_each(|side| self.receive(link, side));
            }
            // Before the octets go: who reads them may ask at once.
            *shared.seen.lock().unwrap_or_else(PoisonError::into_inner) = self.hand.seen;
            self.send();
        }
    }

    pub(super) fn accept(&mut self) {
        loop {
            let client = match self.listener.accept() {
                Ok((client, _)) => client,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // Somebody who has gone again.
                Err(_) => continue,
            };
            let Ok(relay) = std::net::TcpStream::connect(self.relay) else { continue };
            relay.set_nonblocking(true).expect("a socket need not block");
            let towards = ServerName::from(self.relay.ip());
            let client = End::new(client, ServerConnection::new(self.server.clone()).expect("a configuration that serves").into());
            let tls = ClientConnection::new(self.client.clone(), towards).expect("a configuration that serves").into();
            let mut ends = [client, End::new(TcpStream::from_std(relay), tls)];
            for (end, token) in ends.iter_mut().zip(FIRST + 2 * self.wires.len()..) {
                let interest = Interest::READABLE | Interest::WRITABLE;
                self.poll.registry().register(&mut end.socket, Token(token), interest).expect("it can be polled");
            }
            self.wires.push(Some(ends));
        }
    }

    pub(super) fn has_more_to_read(&self) -> bool {
        let may_read = |ends: &[End; 2], side: Side| ends[side as usize].readable && ends[side.other() as usize].out.len() < WAITING_MAX;
        self.wires.iter().flatten().any(|ends| Side::BOTH.iter().any(|side| may_read(ends, *side)))
    }

    /// Reads something from this side, and does with its frames what is to be done.
    pub(super) fn receive(&mut self, link: usize, side: Side) {
        let Some(ends) = &mut self.wires[link] else { return };
        if !ends[side as usize].readable || ends[side.other() as usize].out.len() >= WAITING_MAX {
            return;
        }
        ends[side as usize].receive();
        if ends[side.other() as usize].is_over {
            // To nobody, and what is not carried is not counted.
            ends[side as usize].came = Cutter::default();
        }
        while let Some(ends) = &mut self.wires[link]
            && let Some(cut) = ends[side as usize].came.next()
        {
            match (cut, side) {
                (Cut::Octets(octets), _) => ends[side.other() as usize].out.extend(octets),
                (Cut::Frame(frame), Side::Client) => self.hand.request(link, frame),
                (Cut::Frame(frame), Side::Relay) => self.hand.answer(link, frame),
            }
            for order in std::mem::take(&mut self.hand.orders) {
                match order {
                    Order::Send(link, side, octets) => {
                        if let Some(ends) = &mut self.wires[link] {
                            ends[side as usize].out.extend(octets);
                        }
                    }
                    Order::Close(link) => self.wires[link] = None,
                }
            }
        }
        match &mut self.wires[link] {
            None => self.hand.gone(link),
            Some(ends) if ends[side as usize].is_over => {
                self.hand.gone(link);
                ends[side.other() as usize].is_last = true;
            }
            Some(_) => {}
        }
    }

    pub(super) fn send(&mut self) {
        for wire in &mut self.wires {
            let Some(ends) = wire else { continue };
            for side in Side::BOTH {
                ends[side as usize].send();
                if ends[side as usize].is_broken && !ends[side as usize].is_over {
                    // Then there is nothing to be read either, and the other side is told.
                    ends[side as usize].readable = true;
                }
            }
            if ends.iter().all(|end| end.is_over && end.is_done()) {
                *wire = None;
            }
        }
    }
}

/// One side of a link.
pub(super) struct End {
    pub(super) socket: TcpStream,
    pub(super) tls: Connection,
    pub(super) came: Cutter,
    /// What is to go out, in plain text.
    pub(super) out: Vec<u8>,
    pub(super) readable: bool,
    /// Nothing more comes from there.
    pub(super) is_over: bool,
    /// Nothing more is to go there, when `out` has gone.
    pub(super) is_last: bool,
    pub(super) was_told_the_end: bool,
    /// Nothing can be written there any more.
    pub(super) is_broken: bool,
}

impl End {
    pub(super) fn new(socket: TcpStream, tls: Connection) -> End {
        // A matter of speed alone.
        let _ = socket.set_nodelay(true);
        let came = Cutter::default();
        let (readable, is_over, is_last, was_told_the_end, is_broken) = (false, false, false, false, false);
        End { socket, tls, came, out: Vec::new(), readable, is_over, is_last, was_told_the_end, is_broken }
    }

    /// Reads once.
    pub(super) fn receive(&mut self) {
        self.is_over |= self.is_broken;
        if self.is_over {
            self.readable = false;
            return;
        }
        match self.tls.read_tls(&mut self.socket) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.readable = false,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => self.is_over = true,
            Ok(_) => match self.tls.process_new_packets() {
                Err(_) => self.is_over = true,
                Ok(state) => {
                    let start = self.came.octets.len();
                    self.came.octets.resize(start + state.plaintext_bytes_to_read(), 0);
                    self.tls.reader().read_exact(&mut self.came.octets[start..]).expect("as much as TLS says");
                    self.is_over = state.peer_has_closed();
                }
            },
        }
    }

    /// Writes as much as the socket takes.
    pub(super) fn send(&mut self) {
        loop {
            while self.tls.wants_write() && !self.is_broken {
                match self.tls.write_tls(&mut self.socket) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(_) => self.is_broken = true,
                    Ok(_) => {}
                }
            }
            if self.is_broken {
                self.out.clear();
                return;
            }
            if self.tls.is_handshaking() && !self.is_last {
                return;
            }
            if !self.out.is_empty() && !self.tls.is_handshaking() {
                let taken = self.tls.writer().write(&self.out).expect("TLS takes some");
                self.out.drain(..taken);
            } else if self.is_last && !self.was_told_the_end {
                self.out.clear();
                self.was_told_the_end = true;
                self.tls.send_close_notify();
            } else {
                if self.was_told_the_end {
                    // If it has gone there is nobody to be told.
                    let _ = self.socket.shutdown(Shutdown::Write);
                }
                return;
            }
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.is_broken || (self.was_told_the_end && !self.tls.wants_write())
    }
}

/// A frame, or octets that are none or belong to a large one.
pub(super) enum Cut {
    Frame(Frame),
    Octets(Vec<u8>),
}

pub(super) struct Frame {
    pub(super) octets: Vec<u8>,
    /// Where its data begins.
    pub(super) data: usize,
    pub(super) header: Header,
}

/// Cuts octets into frames.
#[derive(Default)]
pub(super) struct Cutter {
    pub(super) octets: Vec<u8>,
    /// So many are of a large frame.
    pub(super) pass: u64,
    /// What comes is no TMTP.
    pub(super) is_raw: bool,
}

impl Cutter {
    pub(super) fn next(&mut self) -> Option<Cut> {
        if self.octets.is_empty() {
            return None;
        }
        if self.is_raw {
            return Some(Cut::Octets(std::mem::take(&mut self.octets)));
        }
        if self.pass > 0 {
            let count = self.octets.len().min(usize::try_from(self.pass).unwrap_or(usize::MAX));
            self.pass -= count as u64;
            return Some(Cut::Octets(self.octets.drain(..count).collect()));
        }
        let length = std::str::from_utf8(self.octets.get(..4)?).ok().and_then(|digits| usize::from_str_radix(digits, 16).ok());
        let Some(length) = length else { return self.give_up() };
        let data = 4 + length;
        let header = self.octets.get(4..data).map(Header::parse)?;
        let Some(header) = header else { return self.give_up() };
        let whole = data as u64 + header.number("datalen");
        if header.number("datalen") > WHOLE_MAX {
            self.pass = whole - data as u64;
            return Some(Cut::Octets(self.octets.drain(..data).collect()));
        }
        if (self.octets.len() as u64) < whole {
            return None;
        }
        Some(Cut::Frame(Frame { octets: self.octets.drain(..whole as usize).collect(), data, header }))
    }

    pub(super) fn give_up(&mut self) -> Option<Cut> {
        self.is_raw = true;
        self.next()
    }
}
