//! One life of the relay: a process that is started, watched, and killed or stopped.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long a start may take; generous, since the machine may be busy.
pub(crate) const START_MAX: Duration = Duration::from_secs(60);
/// The same for an end that was asked for.
const STOP_MAX: Duration = Duration::from_secs(30);
/// Lines of the log that are kept for a report: the last ones tell most.
const LINES_KEPT: usize = 30;

/// The program, and the directory with its configuration and data.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) program: PathBuf,
    pub(crate) directory: PathBuf,
    pub(crate) address: SocketAddr,
}

impl Site {
    /// Writes the configuration.
    pub(crate) fn furnish(&self) -> std::io::Result<()> {
        let config = format!("{{\"name\": \"crash loop\", \"listen\": {{\"laddr\": \"{}\"}}, \"data\": \"data\"}}\n", self.address);
        std::fs::write(self.config(), config)
    }

    fn config(&self) -> PathBuf {
        self.directory.join("mnm.conf")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--config").arg(self.config()).current_dir(&self.directory).stdin(Stdio::null());
        command
    }

    /// Reads the log of a relay at rest; what was said, and whether all is whole.
    pub(crate) fn verify(&self) -> Result<String, String> {
        let output = self.command().arg("verify").output().map_err(|e| format!("mnm verify: {e}"))?;
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        if output.status.success() { Ok(said) } else { Err(format!("mnm verify: {}: {said}", output.status)) }
    }
}

/// A running process. It does not outlive this.
pub(crate) struct Relay {
    child: Child,
    born: Instant,
    /// Tells when it was ready; cut off when nobody writes to its log any more.
    ready: Receiver<Instant>,
    said: Arc<Mutex<VecDeque<String>>>,
}

/// How far a relay has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Progress {
    /// It was ready so long after it was started.
    Ready(Duration),
    NotYet,
    /// It has ended by itself.
    Ended,
}

impl Relay {
    pub(crate) fn start(site: &Site) -> Result<Relay, String> {
        let mut command = site.command();
        // In a group of its own: an interrupt from the terminal is for the loop, which then ends the relay.
        command.stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
        let born = Instant::now();
        let mut child = command.spawn().map_err(|e| format!("{}: {e}", site.program.display()))?;
        let log = BufReader::new(child.stderr.take().expect("its log is piped"));
        let said = Arc::new(Mutex::new(VecDeque::new()));
        let (tell, ready) = mpsc::channel();
        let theirs = said.clone();
        thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                if line.ends_with(" msg=ready") {
                    // Nobody may be there to be told: then the relay was killed meanwhile.
                    let _ = tell.send(Instant::now());
                }
                let mut said = theirs.lock().unwrap_or_else(PoisonError::into_inner);
                said.push_back(line);
                if said.len() > LINES_KEPT {
                    said.pop_front();
                }
            }
        });
        Ok(Relay { child, born, ready, said })
    }

    /// Waits until it is ready or has ended, at most so long.
    pub(crate) fn progress(&self, within: Duration) -> Progress {
        match self.ready.recv_timeout(within) {
            Ok(at) => Progress::Ready(at.duration_since(self.born)),
            Err(RecvTimeoutError::Timeout) => Progress::NotYet,
            Err(RecvTimeoutError::Disconnected) => Progress::Ended,
        }
    }

    /// Lets a relay that is ready run for so long. It may end by itself meanwhile; then its end is told at once.
    pub(crate) fn run_for(&self, time: Duration) {
        let _ = self.ready.recv_timeout(time);
    }

    /// Ends it as `kill -9` does.
    ///
    /// # Errors
    /// In words, if it has ended by itself before.
    pub(crate) fn kill(mut self) -> Result<(), String> {
        let _ = self.child.kill();
        let status = self.child.wait().map_err(|e| format!("the relay cannot be waited for: {e}"))?;
        if was_killed(status) { Ok(()) } else { Err(self.obituary("ended by itself", status)) }
    }

    /// Ends it as an operator does.
    ///
    /// # Errors
    /// In words, if it does not end, or not well.
    pub(crate) fn stop(mut self) -> Result<(), String> {
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let end = Instant::now() + STOP_MAX;
        // Its log ends when it does; what still comes is no end.
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            match self.ready.recv_timeout(left) {
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => {
                    let status = self.child.wait().map_err(|e| format!("the relay cannot be waited for: {e}"))?;
                    return if status.success() { Ok(()) } else { Err(self.obituary("did not end well", status)) };
                }
            }
        }
        Err(format!("the relay did not end within {} s of SIGTERM; it said last:\n{}", STOP_MAX.as_secs(), self.last_words()))
    }

    /// Waits for the end of a relay that has closed its log; how it ended, in words.
    pub(crate) fn end(mut self) -> String {
        match self.child.wait() {
            Ok(status) => self.obituary("ended by itself", status),
            Err(error) => format!("the relay cannot be waited for: {error}"),
        }
    }

    /// What a relay says that takes too long to start.
    pub(crate) fn last_words(&self) -> String {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }

    fn obituary(&self, how: &str, status: ExitStatus) -> String {
        // The log may not be read to its end yet; that it is over is told by the channel's end.
        while self.ready.recv_timeout(STOP_MAX).is_ok() {}
        format!("the relay {how} ({status}); it said last:\n{}", self.last_words())
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn was_killed(status: ExitStatus) -> bool {
    status.signal() == Some(Signal::KILL.as_raw())
}

/// Whether somebody could listen there now.
pub(crate) fn is_free(address: SocketAddr) -> bool {
    std::net::TcpListener::bind(address).is_ok()
}

/// The size of all files below a directory, for the summary.
pub(crate) fn size_of(directory: &Path) -> u64 {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.metadata().map_or(0, |meta| if meta.is_dir() { size_of(&entry.path()) } else { meta.len() })).sum()
}
