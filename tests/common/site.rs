//! What a transcript is played against: a relay that can be reached, watched, stopped and killed.
//!
//! The real program is one (see [`super::process`]). A second implementation may drive the relay's core without sockets
//! or clock: `receive` and `pass` then move its own time.

use std::net::IpAddr;
use std::time::Duration;

/// How a relay ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// As an operator does it: the relay may tidy up, and must be done soon.
    Clean,
    /// As a power cut does it.
    Kill,
}

/// One relay with its data.
pub(crate) trait Site {
    /// Opens a link that has said nothing yet, from this address, or from wherever it likes.
    fn connect(&mut self, from: Option<IpAddr>) -> Result<Box<dyn Link>, String>;

    /// Says a line to the relay as its operator; the line that is answered. Both are JSON.
    fn operator(&mut self, line: &str) -> Result<String, String>;

    /// Ends the relay and starts it again on the same data. Earlier links are dead after it.
    fn restart(&mut self, stop: Stop) -> Result<(), String>;

    /// Time since some fixed moment.
    fn now(&self) -> Duration;

    /// What the relay's calendar shows: milliseconds since 1970.
    fn date(&self) -> i64;

    /// How near to `date` a time must be that the relay has just made, in milliseconds.
    fn date_slack(&self) -> i64;

    /// Puts the relay's calendar forward or back.
    fn put_clock(&mut self, seconds: f64) -> Result<(), String>;

    /// Lets time go by.
    fn pass(&mut self, time: Duration);

    /// Path (below the data directory) and content of everything the relay keeps.
    fn data(&self) -> Vec<(String, Vec<u8>)>;

    /// Octets that the data takes on the disk.
    fn data_size(&self) -> u64;

    /// Whether a line of the log contains `words`, now or within `time`.
    fn log_says(&mut self, words: &str, within: Duration) -> bool;

    /// The log, for a failure's report.
    fn log(&self) -> String;
}

/// What arrives on a link.
#[derive(Debug)]
pub(crate) enum Received {
    /// The plaintext of one TLS record; where there is no TLS, one frame.
    Record(Vec<u8>),
    /// The relay closed the link; whether politely or not.
    Closed,
    /// The time is over and nothing came.
    Nothing,
}

/// One link to the relay, from the client's end.
pub(crate) trait Link {
    /// Writes octets as one record. A link that the relay has closed swallows them: what it sent before can still be read.
    fn send(&mut self, bytes: &[u8]);

    /// The next record, or the end of the link, or nothing within the time.
    fn receive(&mut self, within: Duration) -> Received;

    /// Says goodbye to the layers below, never to TMTP: what a program does that closes its socket.
    fn close(self: Box<Self>);

    /// Ends the socket without a goodbye to the layers above it: what the system does when a program dies.
    fn vanish(self: Box<Self>);

    /// Resets the socket: what a system does that has lost its memory of it.
    fn cut(self: Box<Self>);
}
