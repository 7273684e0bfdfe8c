//! A command that a message is handed to.

use std::io;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use mnm_client::Header;

use crate::Failure;
use crate::home::Place;
use crate::parcel::Parcel;
use crate::text::file_name;
use crate::wake::Bell;

/// One that runs; a thread waits for it, so that the link can be looked after meanwhile.
#[derive(Debug)]
pub(crate) struct Running {
    /// How it ended, once it has.
    pub(crate) ended: Receiver<io::Result<ExitStatus>>,
}

/// Starts the command with a message's data as its standard input. `bell` rings when it ends.
pub(crate) fn start(
    command: &str,
    place: &Place,
    header: &Header,
    from_name: &str,
    parcel: &Parcel<'_>,
    saved: Option<&Path>,
    bell: Bell,
) -> Result<Running, Failure> {
    let input = parcel.file().map_err(|e| Failure::Local(format!("message {}: its data cannot be read: {e}", header.id())))?;
    let name = parcel.name().and_then(file_name).unwrap_or_default();
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(command).stdin(Stdio::from(input));
    // What reads secrets from the environment must not find them there by our fault.
    shell.env_remove("TMTP_NODE").env_remove("TMTP_FILE");
    let values = [
        ("TMTP_ID", header.id()),
        ("TMTP_FROM", header.from()),
        ("TMTP_FROM_NAME", from_name),
        ("TMTP_OP", header.op()),
        ("TMTP_POSTED", header.text("posted")),
        ("TMTP_NAME", &name),
    ];
    // A tmtp that the command runs is of the same profile, and uses this one's link.
    shell.envs(place.environment());
    // No environment can hold a NUL, and whoever sends one must not be able to stop the command.
    shell.envs(values.map(|(key, value)| (key, value.replace('\0', ""))));
    if let Some(saved) = saved {
        shell.env("TMTP_FILE", saved);
    }
    let mut child = shell.spawn().map_err(|e| Failure::Exec(format!("--exec: sh: {e}")))?;
    let (tell, ended) = channel();
    thread::spawn(move || {
        let status = child.wait();
        // Nobody may wait any more: then this program is on its way out.
        let _ = tell.send(status);
        bell.ring();
    });
    Ok(Running { ended })
}
