//! A command for a relay that does not run: it is started for it, without links, and stopped.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::control::{Reply, Request};
use super::run::{Tcp, equip};
use super::{Clock, RunError, recover};
use crate::base::OsEntropy;
use crate::config::{Config, ConfigError, DataPlace};
use crate::relay::{Answer, Command};
use crate::store::{Directory, Exchange, Options, StoreError};

/// Does what is asked to the data directory itself; what an answer tells is durable. `hear` is told it, and may ask for more, which
/// costs no other start.
///
/// # Errors
/// [`RunError`], as for a start; nothing was done then, unless the disk failed. [`StoreError::Locked`] if a relay has the
/// directory after all.
pub fn alone(config: &Config, first: Request, hear: &mut dyn FnMut(Reply) -> Option<Request>) -> Result<(), RunError> {
    check_place(&config.data)?;
    let clock = Clock::start();
    // What cannot be meant is found out before the log is read.
    if let Err(sentence) = first.clone().command(clock.now().wall) {
        hear(Reply::refused(sentence));
        return Ok(());
    }
    let disk = Directory::open_existing(&config.data)?;
    Exchange::check_none(&config.data)?;
    let options = Options { segment_bytes: config.limits.segment_bytes };
    let mut server: Tcp = equip(config, recover(disk, options, Box::new(OsEntropy))?, options);
    let mut next = Some(first);
    while let Some(request) = next {
        next = hear(match request.command(clock.now().wall) {
            Ok(command) => Reply::new(&command, perform(&mut server, command.clone(), &clock)?),
            Err(sentence) => Reply::refused(sentence),
        });
    }
    server.stop(clock.now())?;
    Ok(())
}

fn perform(server: &mut Tcp, command: Command, clock: &Clock) -> Result<Answer, RunError> {
    server.command(0, command, clock.now())?;
    loop {
        server.turn(clock.now())?;
        if let Some((_, answer)) = server.take_answers().pop() {
            return Ok(answer);
        }
    }
}

/// Whether there is a log, and whether it is this user's: segments that another makes the relay could not open, and root can
/// make them anywhere.
fn check_place(data: &Path) -> Result<(), RunError> {
    let place = DataPlace::look(data)?;
    let wrong =
        |trouble: &str| ConfigError::about_file(data, trouble, "start the relay once, or name its data directory with --data or \"data\"");
    if place.is_to_be_made() {
        return Err(wrong("there is no such directory").into());
    }
    let failed = |error| StoreError::Failed { action: "list", file: data.display().to_string(), source: error };
    let mut entries = fs::read_dir(data).map_err(failed)?.flatten();
    let Some(segment) = entries.find(|entry| entry.path().extension().is_some_and(|end| end == "seg")) else {
        return Err(wrong("there is no log in this directory").into());
    };
    let owner = segment.metadata().map_err(failed)?.uid();
    if owner != rustix::process::geteuid().as_raw() {
        let cure = "run this as the user that runs mnm, or while the relay runs";
        return Err(ConfigError::about_file(data, format!("the log belongs to another user (number {owner})"), cure).into());
    }
    Ok(())
}
