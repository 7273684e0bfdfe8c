//! From the start of the program to the first member's login, on an empty store.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use mnm::certificate::{OWN_CHAIN, OWN_KEY};
use mnm_client::{Frame, KeyExchange, Link, LinkError, Sink, Trust, request, tls_config};
use rustls::pki_types::ServerName;

use super::Figure;
use crate::Plan;

/// Longer than any machine takes that is worth a benchmark.
const PATIENCE: Duration = Duration::from_secs(20);

/// With its certificate still to be made, and with one already there.
pub(super) fn first_login(plan: &Plan) -> Vec<Figure> {
    let (new, kept) = (plan.base.join("start-new"), plan.base.join("start-kept"));
    for directory in [&new, &kept] {
        let _ = fs::remove_dir_all(directory);
        fs::create_dir_all(directory).expect("a data directory");
    }
    let with_making = start(&new);
    for file in [OWN_CHAIN, OWN_KEY] {
        fs::copy(new.join(file), kept.join(file)).expect("the relay has made a certificate");
    }
    let without = start(&kept);
    for directory in [&new, &kept] {
        let _ = fs::remove_dir_all(directory);
    }
    let millis = |what: &str, time: Duration| Figure::new(what, "ms", time.as_secs_f64() * 1e3).at_most(50.0);
    vec![
        millis("start to first login, empty store, certificate to be made", with_making),
        millis("start to first login, empty store, certificate there", without),
    ]
}

struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// How long it takes until a member is told that they are logged in.
fn start(data: &Path) -> Duration {
    // What the tester needs of its own is there before the clock starts.
    let config = tls_config(&Trust::Any, false, KeyExchange::Hybrid).expect("any certificate will do");
    let name = ServerName::try_from("localhost").expect("a name");
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let begin = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_mnm"));
    command.arg("--listen").arg(address.to_string()).arg("--data").arg(data).current_dir(data);
    let _process = Process(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the relay starts"));
    let mut link = Link::new(connect(address), config, name).expect("the configuration can serve");
    request::tmtprev(&mut link.out);
    request::register(&mut link.out, "phone", None, None);
    let mut ear = Ear(false);
    let mut scratch = vec![0; 64 << 10];
    while !ear.0 {
        link.flush().expect("the relay reads");
        link.receive(false, &mut scratch, &mut ear).expect("the relay answers");
    }
    begin.elapsed()
}

/// Whether the login was confirmed.
struct Ear(bool);

impl Sink for Ear {
    fn frame(&mut self, frame: &Frame<'_>, _: &mut Vec<u8>) -> Result<(), LinkError> {
        self.0 |= frame.reply.op == "info";
        Ok(())
    }
}

/// Somebody else might take it at once; then the start fails, and not the figure.
fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("it is bound").port()
}

/// Tries each millisecond.
fn connect(address: SocketAddr) -> TcpStream {
    let end = Instant::now() + PATIENCE;
    loop {
        match TcpStream::connect(address) {
            Ok(socket) => {
                socket.set_nodelay(true).and_then(|()| socket.set_read_timeout(Some(PATIENCE))).expect("a socket that can be told so");
                return socket;
            }
            Err(error) if error.kind() == ErrorKind::ConnectionRefused && Instant::now() < end => thread::sleep(Duration::from_millis(1)),
            Err(error) => panic!("{address}: {error}"),
        }
    }
}
