//! `mnm invite` and `mnm ctl`: asks the relay that runs, or does it to the data directory of one that does not.
//!
//! A list comes in parts, each bounded by the relay; `gather` puts them together, so that only this process holds all of it.
//!
//! A relay is asked through its control socket. Where none listens, and nobody holds the directory's lock, this process is
//! the relay for a moment. Nothing is asked twice: whether a relay that did not answer has done it cannot be known, and a code more
//! or a device more is not nothing.

mod gather;
mod lines;
mod request;
mod status;
mod table;
mod top;

use std::fmt;
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use self::gather::Gathering;
use crate::config::{Config, ConfigError};
use crate::server::control::{self, Reply, Request, SOCKET};
use crate::server::{self, RunError};
use crate::store::StoreError;

pub use lines::lines;
pub use request::order;
pub use top::top;

/// How long a relay may take to answer: it may be reading its log, or waiting for a slow disk.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why a command of the program's did not do what it was for.
#[derive(Debug)]
pub enum Failure {
    /// As for a start.
    Run(RunError),
    /// There is somebody to ask, who does not answer.
    Silent(ConfigError),
    /// It was refused; a sentence.
    Refused(String),
}

impl Failure {
    /// The exit status of the program: that of [`RunError`], and 6 where somebody else has the directory and does not answer.
    pub fn exit_status(&self) -> u8 {
        match self {
            Failure::Run(error) => error.exit_status(),
            Failure::Silent(_) => 6,
            Failure::Refused(_) => 1,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Run(error) => error.fmt(f),
            Failure::Silent(error) => error.fmt(f),
            Failure::Refused(sentence) => f.write_str(sentence),
        }
    }
}

impl std::error::Error for Failure {}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Failure {
        Failure::Run(error)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Failure {
        Failure::Run(error.into())
    }
}

/// Has it done, by whoever can. A list is asked for until all of it is there.
///
/// # Errors
/// [`Failure`]. A refusal is an answer, and no failure.
pub fn ask(config: &Config, request: &Request) -> Result<Reply, Failure> {
    if let Some(reply) = ask_relay(&config.data, request)? {
        return Ok(reply);
    }
    match ask_alone(config, request) {
        Ok(reply) => Ok(reply),
        // It may have begun to run meanwhile.
        Err(RunError::Store(StoreError::Locked { .. })) => ask_relay(&config.data, request)?.ok_or_else(|| {
            let trouble = "another process has the data directory, and does not listen here";
            silent(&config.data, trouble, "if it is a relay that starts or stops, try again in a moment; else wait for its end, or stop it")
        }),
        Err(error) => Err(error.into()),
    }
}

fn ask_alone(config: &Config, request: &Request) -> Result<Reply, RunError> {
    let mut gathering = Gathering::new(request);
    server::alone(config, request.clone(), &mut |reply| gathering.take(reply))?;
    Ok(gathering.finish().expect("who is alone answers"))
}

/// `None` if nobody listens.
fn ask_relay(data: &Path, request: &Request) -> Result<Option<Reply>, Failure> {
    let socket = match control::call(data) {
        Ok(socket) => socket,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => {
            let trouble = format!("the control socket cannot be used ({error})");
            return Err(ConfigError::about_file(&data.join(SOCKET), trouble, "run this as the user that runs mnm").into());
        }
    };
    converse(socket, data, request).map(Some)
}

/// Asks the relay with this data directory at the other end of a control connection. A list is asked for until all of it is there.
///
/// # Errors
/// [`Failure::Silent`]: no answer came, and it is not known whether it was done.
pub fn converse(socket: UnixStream, data: &Path, request: &Request) -> Result<Reply, Failure> {
    let mut gathering = Gathering::new(request);
    let mut socket = BufReader::new(socket);
    let mut next = Some(request.clone());
    while let Some(request) = next {
        let line = exchange(&mut socket, &request).map_err(|error| unanswered(data, &error))?;
        let reply = serde_json::from_str(&line).map_err(|error| not_understood(data, &error))?;
        next = gathering.take(reply);
    }
    Ok(gathering.finish().expect("who was asked has answered"))
}

fn exchange(socket: &mut BufReader<UnixStream>, request: &Request) -> io::Result<String> {
    socket.get_ref().set_read_timeout(Some(PATIENCE))?;
    socket.get_ref().set_write_timeout(Some(PATIENCE))?;
    // A relay that does not want to read has said why.
    let written = socket.get_mut().write_all(request.line().as_bytes());
    let mut answer = String::new();
    socket.read_line(&mut answer)?;
    match answer.strip_suffix('\n') {
        Some(line) => Ok(line.to_owned()),
        None => Err(written.err().unwrap_or_else(|| ErrorKind::UnexpectedEof.into())),
    }
}

fn unanswered(data: &Path, error: &io::Error) -> Failure {
    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) {
        let trouble = format!("the relay has not answered within {} seconds", PATIENCE.as_secs());
        return silent(data, &trouble, "its log may say why. Whether the command will be done is not known");
    }
    let trouble = format!("the relay has ended the connection without an answer ({error})");
    silent(data, &trouble, "its log may say why. Whether the command was done is not known")
}

fn not_understood(data: &Path, error: &serde_json::Error) -> Failure {
    let trouble = format!("the relay has answered what this program does not understand ({error})");
    silent(data, &trouble, "use the program of the same version as the relay. Whether the command was done is not known")
}

fn silent(data: &Path, trouble: &str, cure: &str) -> Failure {
    Failure::Silent(ConfigError::about_file(&data.join(SOCKET), trouble, cure))
}
