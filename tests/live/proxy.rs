//! A bad network between clients and the relay: it lies on the way of every octet, and delays, drips, holds or cuts.
//!
//! Two sockets a link, and a thread for each direction. Towards the relay the receive buffer is small, so that a reader that
//! stops is felt there before megabytes have gone into buffers.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType};

/// Octets that the relay can be ahead of a proxy that reads nothing, besides its own buffer.
const RECEIVE_BUFFER: usize = 16 << 10;
/// How often a direction looks whether it is to go another way, when nothing comes.
const LOOK: Duration = Duration::from_millis(20);

/// How octets of one direction travel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pace {
    /// As they come.
    Forward,
    /// Each piece so much later.
    Delay(Duration),
    /// So many at a time, and a pause after each time.
    Drip(usize, Duration),
    /// Not at all, and neither end learns of it.
    Hold,
}

/// How a link is cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cut {
    /// Both ends are reset.
    Reset,
    /// Both ends are told that nothing more comes, as when programs close.
    Finish,
    /// The relay alone is told that nothing more comes; what it says still arrives.
    FinishUp,
    /// The client alone is told that nothing more comes; what it says still arrives.
    FinishDown,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    Up,
    Down,
}

/// The cut of a link, when so many octets have gone this way.
type Fate = (Way, u64, Cut);

/// A place that clients connect to instead of the relay.
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    relay: SocketAddr,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    up: Pace,
    down: Pace,
    /// Draws the fate of each new link, for links that are to be cut.
    fates: Option<Box<dyn FnMut() -> Fate + Send>>,
    links: Vec<Arc<Wires>>,
    over: bool,
}

struct Wires {
    client: TcpStream,
    relay: TcpStream,
}

impl Proxy {
    /// Forwards everything, until it is told otherwise.
    pub(crate) fn start(relay: SocketAddr) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let state = State { up: Pace::Forward, down: Pace::Forward, fates: None, links: Vec::new(), over: false };
        let shared = Arc::new(Shared { relay, state: Mutex::new(state), changed: Condvar::new() });
        let theirs = shared.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if theirs.state().over {
                    return;
                }
                // Without a relay there is no link either: the client finds it closed.
                let _ = theirs.join(client);
            }
        });
        Proxy { address, shared }
    }

    /// Where clients connect to.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How octets travel from now on, to the relay and from it, on all links.
    pub(crate) fn set(&self, up: Pace, down: Pace) {
        let mut state = self.shared.state();
        (state.up, state.down) = (up, down);
        self.shared.changed.notify_all();
    }

    /// Cuts each link that comes from now on, somewhere in its first `within` octets of either direction, in all ways.
    pub(crate) fn cut_links(&self, seed: u64, within: u64) {
        const CUTS: [Cut; 4] = [Cut::Reset, Cut::Finish, Cut::FinishUp, Cut::FinishDown];
        let mut random = seed | 1;
        let mut draw = move |below: u64| {
            // Xorshift: good enough to be nowhere in particular.
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % below
        };
        let fate = move || {
            let way = if draw(2) == 0 { Way::Up } else { Way::Down };
            (way, draw(within), CUTS[draw(4) as usize])
        };
        self.shared.state().fates = Some(Box::new(fate));
    }

    /// How many links there were.
    pub(crate) fn links(&self) -> usize {
        self.shared.state().links.len()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.state().over = true;
        self.shared.changed.notify_all();
        for wires in &self.shared.state().links {
            let _ = wires.cut(Cut::Reset);
        }
        // The thread that accepts waits for somebody.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a link of a client's socket and another one to the relay.
    fn join(self: &Arc<Shared>, client: TcpStream) -> io::Result<()> {
        let wires = Arc::new(Wires { client, relay: connect(self.relay)? });
        for socket in [&wires.client, &wires.relay] {
            socket.set_nodelay(true)?;
            socket.set_read_timeout(Some(LOOK))?;
        }
        let fate = {
            let mut state = self.state();
            state.links.push(wires.clone());
            state.fates.as_mut().map(|draw| draw())
        };
        for way in [Way::Up, Way::Down] {
            let (shared, wires) = (self.clone(), wires.clone());
            // An error here is the end of the link in this direction, and the other one finds it.
            thread::spawn(move || drop(shared.carry(&wires, way, fate)));
        }
        Ok(())
    }

    /// Carries one direction to its end.
    fn carry(&self, wires: &Wires, way: Way, fate: Option<Fate>) -> io::Result<()> {
        let (mut from, mut to) = match way {
            Way::Up => (&wires.client, &wires.relay),
            Way::Down => (&wires.relay, &wires.client),
        };
        let mut left = fate.filter(|fate| fate.0 == way).map(|(_, octets, cut)| (octets, cut));
        let mut buffer = [0; 16 << 10];
        while let Some(pace) = self.pace(way) {
            let most = if let Pace::Drip(octets, _) = pace { octets } else { buffer.len() };
            let mut count = match from.read(&mut buffer[..most]) {
                Ok(0) => return to.shutdown(Shutdown::Write),
                Ok(count) => count,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => continue,
                Err(_) => return wires.cut(Cut::Reset),
            };
            // What came while the pace changed travels at the new one.
            match self.pace(way) {
                None => return Ok(()),
                Some(Pace::Delay(pause)) => self.pause(pause),
                Some(Pace::Forward | Pace::Drip(..) | Pace::Hold) => {}
            }
            match &mut left {
                Some((octets, cut)) if *octets < count as u64 => {
                    to.write_all(&buffer[..*octets as usize])?;
                    wires.cut(*cut)?;
                    // What is not told of the end goes on: then the rest is carried, and whatever follows.
                    if !matches!((*cut, way), (Cut::FinishUp, Way::Down) | (Cut::FinishDown, Way::Up)) {
                        return Ok(());
                    }
                    buffer.copy_within(*octets as usize..count, 0);
                    count -= *octets as usize;
                    left = None;
                }
                Some((octets, _)) => *octets -= count as u64,
                None => {}
            }
            match to.write_all(&buffer[..count]) {
                Ok(()) => {}
                // It was told that nothing more comes.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
                Err(_) => return wires.cut(Cut::Reset),
            }
            if let Pace::Drip(_, pause) = pace {
                self.pause(pause);
            }
        }
        Ok(())
    }

    /// How octets travel this way, as soon as they do; `None` when all is over.
    fn pace(&self, way: Way) -> Option<Pace> {
        let mut state = self.state();
        loop {
            let pace = if way == Way::Up { state.up } else { state.down };
            if state.over || pace != Pace::Hold {
                return (!state.over).then_some(pace);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits so long, or until another pace is set.
    fn pause(&self, time: Duration) {
        if !time.is_zero() {
            drop(self.changed.wait_timeout(self.state(), time));
        }
    }
}

impl Wires {
    fn cut(&self, how: Cut) -> io::Result<()> {
        match how {
            Cut::Reset => {
                // Linux resets a socket that is told to be connected to nobody, whoever else still has a handle of it.
                let _ = rustix::net::connect_unspec(&self.client);
                let _ = rustix::net::connect_unspec(&self.relay);
            }
            Cut::Finish => {
                let _ = self.client.shutdown(Shutdown::Write);
                let _ = self.relay.shutdown(Shutdown::Write);
            }
            Cut::FinishUp => self.relay.shutdown(Shutdown::Write)?,
            Cut::FinishDown => self.client.shutdown(Shutdown::Write)?,
        }
        Ok(())
    }
}

/// A connection with a small receive buffer: it must be small before the connect, for its size is agreed on then.
fn connect(relay: SocketAddr) -> io::Result<TcpStream> {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None)?;
    rustix::net::sockopt::set_socket_recv_buffer_size(&socket, RECEIVE_BUFFER)?;
    rustix::net::connect(&socket, &relay)?;
    Ok(TcpStream::from(socket))
}
