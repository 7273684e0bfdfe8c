//! The members: one run of the load tester for each size of messages, in a thread of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use simclient::{Control, Failure, Summary};

use crate::Options;

/// Members who post until they are told to stop.
pub(crate) struct Load {
    size: usize,
    control: Arc<Control>,
    done: Receiver<Result<Summary, Failure>>,
}

impl Load {
    /// The members of one size; they wait for a relay that is not there yet.
    ///
    /// # Errors
    /// If the load tester does not take the options.
    pub(crate) fn start(address: SocketAddr, size: usize, options: &Options) -> Result<Load, crate::Failure> {
        let (address, size_text) = (address.to_string(), size.to_string());
        let (members, window) = (options.members.to_string(), options.window.to_string());
        let args =
            ["simclient", "--quiet", "--reconnect", "--addr", &address, "--size", &size_text, "--members", &members, "--window", &window];
        // The control ends it, never the clock.
        let load = simclient::Options::try_read(args.into_iter().chain(["--time", "1e9"]));
        let load = load.map_err(|error| crate::Failure(error.to_string()))?;
        let control = Arc::new(Control::default());
        let (tell, done) = mpsc::channel();
        let theirs = control.clone();
        // Nobody may be there to be told: then the loop was given up already.
        thread::spawn(move || drop(tell.send(simclient::run_under(&load, theirs))));
        Ok(Load { size, control, done })
    }

    /// How many posts were acked so far.
    pub(crate) fn acked(&self) -> u64 {
        self.control.acked()
    }

    /// Lets the members post no more.
    pub(crate) fn stop(&self) {
        self.control.stop();
    }

    /// Waits for the end; what came of it, or why not.
    pub(crate) fn end(&self, within: Duration) -> Result<Summary, String> {
        let name = format!("messages of {} octets", self.size);
        match self.done.recv_timeout(within) {
            Ok(Ok(summary)) => Ok(summary),
            Ok(Err(failure)) => Err(format!("{name}: {failure}")),
            Err(_) => Err(format!("{name}: still not all delivered after {} s", within.as_secs())),
        }
    }

    /// Why the members have given up already, if they have: they should go on until they are told.
    pub(crate) fn failure(&self) -> Option<String> {
        match self.done.try_recv().ok()? {
            Ok(_) => Some(format!("messages of {} octets: the members have ended by themselves", self.size)),
            Err(failure) => Some(format!("messages of {} octets: {failure}", self.size)),
        }
    }
}
