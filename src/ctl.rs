//! `mnm invite` and `mnm ctl`: asks the relay that runs, or does it to the data directory of one that does not.
//!
//! A relay is asked through its control socket. Where none listens, and nobody holds the directory's lock, this process is
//! the relay for a moment. Nothing is asked twice: whether a relay that did not answer has done it cannot be known, and a code more
//! or a device more is not nothing.

mod lines;
mod request;
mod status;
mod top;

use std::fmt;
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::config::{Config, ConfigError};
use crate::server::control::{self, Request, SOCKET};
use crate::server::{self, RunError};
use crate::store::StoreError;

pub use lines::lines;
pub use request::{invite, order};
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

/// Has it done, by whoever can; the line that is answered, without its end.
///
/// # Errors
/// [`Failure`]. A refusal is an answer, and no failure.
pub fn ask(config: &Config, request: &Request) -> Result<String, Failure> {
    if let Some(answer) = ask_relay(&config.data, request)? {
        return Ok(answer);
    }
    match server::alone(config, request.clone()) {
        Ok(reply) => Ok(reply.line().trim_end().to_owned()),
        // It may have begun to run meanwhile.
        Err(RunError::Store(StoreError::Locked { .. })) => ask_relay(&config.data, request)?.ok_or_else(|| {
            let trouble = "another process has the data directory, and does not listen here";
            silent(&config.data, trouble, "if it is a relay that starts or stops, try again in a moment; else wait for its end, or stop it")
        }),
        Err(error) => Err(error.into()),
    }
}

/// `None` if nobody listens.
fn ask_relay(data: &Path, request: &Request) -> Result<Option<String>, Failure> {
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
    match converse(socket, request) {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            let trouble = format!("the relay has not answered within {} seconds", PATIENCE.as_secs());
            Err(silent(data, &trouble, "its log may say why. Whether the command will be done is not known"))
        }
        Err(error) => {
            let trouble = format!("the relay has ended the connection without an answer ({error})");
            Err(silent(data, &trouble, "its log may say why. Whether the command was done is not known"))
        }
    }
}

fn converse(mut socket: UnixStream, request: &Request) -> io::Result<String> {
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    // A relay that does not want to read has said why.
    let written = socket.write_all(request.line().as_bytes());
    let mut answer = String::new();
    BufReader::new(socket).read_line(&mut answer)?;
    match answer.strip_suffix('\n') {
        Some(line) => Ok(line.to_owned()),
        None => Err(written.err().unwrap_or_else(|| ErrorKind::UnexpectedEof.into())),
    }
}

/// What is said of an answer that is none.
pub fn not_understood(config: &Config, error: &serde_json::Error) -> Failure {
    let trouble = format!("the relay has answered what this program does not understand ({error})");
    silent(&config.data, &trouble, "use the program of the same version as the relay. Whether the command was done is not known")
}

fn silent(data: &Path, trouble: &str, cure: &str) -> Failure {
    Failure::Silent(ConfigError::about_file(&data.join(SOCKET), trouble, cure))
}
