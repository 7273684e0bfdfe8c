//! TCP from one thread to another, blocking.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::Figure;
use crate::print::median;

/// What two messages take that answer each other.
pub(super) const ROUND_TRIP: &str = "loopback: 300 B there and back, median";

/// A small message with its header, encrypted.
const MESSAGE: usize = 300;
const TIME: Duration = Duration::from_secs(1);

pub(super) fn measure() -> Vec<Figure> {
    vec![Figure::new(ROUND_TRIP, "µs", round_trip()), Figure::new("loopback: 300 B one way, a write each", "a second", one_way())]
}

fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let near = TcpStream::connect(listener.local_addr().expect("it is bound")).expect("somebody listens");
    let (far, _) = listener.accept().expect("somebody has connected");
    for end in [&near, &far] {
        end.set_nodelay(true).expect("TCP can do that");
    }
    (near, far)
}

fn round_trip() -> f64 {
    let (mut near, mut far) = pair();
    let echo = thread::spawn(move || {
        let mut message = [0; MESSAGE];
        while far.read_exact(&mut message).is_ok() {
            far.write_all(&message).expect("somebody waits for it");
        }
    });
    let mut message = [0; MESSAGE];
    let mut times = Vec::new();
    let end = Instant::now() + TIME;
    while Instant::now() < end {
        let begin = Instant::now();
        near.write_all(&message).and_then(|()| near.read_exact(&mut message)).expect("it is echoed");
        times.push(begin.elapsed().as_secs_f64() * 1e6);
    }
    drop(near);
    echo.join().expect("it ends with the link");
    median(&times)
}

fn one_way() -> f64 {
    let (mut near, mut far) = pair();
    let reader = thread::spawn(move || {
        let mut buffer = vec![0; 64 << 10];
        let mut sum = 0;
        while let Ok(count @ 1..) = far.read(&mut buffer) {
            sum += count;
        }
        sum
    });
    let begin = Instant::now();
    while begin.elapsed() < TIME {
        (0..64).for_each(|_| near.write_all(&[0; MESSAGE]).expect("somebody reads"));
    }
    drop(near);
    let octets = reader.join().expect("it ends with the link");
    octets as f64 / MESSAGE as f64 / begin.elapsed().as_secs_f64()
}
