//! A way to the relay on which a test can see how much has gone over it, so that it can act in the middle of something.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;

use super::PATIENCE;

/// Carries octets in both directions, as many connections as come.
pub(crate) struct Proxy {
    pub(crate) address: String,
    meter: Arc<Meter>,
    passed: Receiver<()>,
    go_on: SyncSender<()>,
}

struct Meter {
    /// Octets until it rings; 0: it does not.
    left: AtomicU64,
    pass: SyncSender<()>,
    gone_on: Mutex<Receiver<()>>,
}

impl Proxy {
    pub(crate) fn to(relay: &str) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let ((pass, passed), (go_on, gone_on)) = (sync_channel(1), sync_channel(1));
        let meter = Arc::new(Meter { left: AtomicU64::new(0), pass, gone_on: Mutex::new(gone_on) });
        let (relay, shared) = (relay.to_owned(), meter.clone());
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // The relay may be away: then so are we.
                let Ok(server) = TcpStream::connect(&relay) else { continue };
                for (from, to) in [(client.try_clone(), server.try_clone()), (server.try_clone(), client.try_clone())] {
                    let (from, to, meter) = (from.unwrap(), to.unwrap(), shared.clone());
                    thread::spawn(move || carry(&from, &to, &meter));
                }
            }
        });
        Proxy { address, meter, passed, go_on }
    }

    /// From now on, after so many octets everything stops until `in_the_middle` has done what it does.
    pub(crate) fn arm(&self, octets: u64) {
        self.meter.left.store(octets, Ordering::SeqCst);
    }

    /// Waits for these octets, and does something while nothing else goes through.
    pub(crate) fn in_the_middle<T>(&self, act: impl FnOnce() -> T) -> T {
        self.passed.recv_timeout(PATIENCE).expect("so much goes through in time");
        let done = act();
        self.go_on.send(()).expect("somebody waits");
        done
    }
}

fn carry(mut from: &TcpStream, mut to: &TcpStream, meter: &Meter) {
    let mut buffer = [0; 16 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let taken = |left: u64| (left > 0).then(|| left.saturating_sub(count as u64));
        if meter.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, taken).is_ok_and(|before| before <= count as u64) {
            meter.pass.send(()).unwrap();
            meter.gone_on.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        }
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
