//! What the service manager is told (systemd, sd_notify(3)): that the relay serves, reloads, stops, and that its loop still turns.
//!
//! Without a manager (`NOTIFY_SOCKET` is not set) nothing is said.

use std::time::Duration;

use sd_notify::NotifyState;

use crate::base::Mono;
use crate::relay::Now;

/// How a start that takes long asks for more time: so much from now.
const MORE_TIME: Duration = Duration::from_secs(60);

/// The service manager.
pub(super) struct Manager {
    /// Whether there is one to be told.
    listens: bool,
    /// It takes the relay for hung if it hears nothing for four times this long.
    every: Option<Duration>,
    beat_at: Option<Mono>,
}

impl Manager {
    /// Nobody.
    pub(super) fn none() -> Manager {
        Manager { listens: false, every: None, beat_at: None }
    }

    /// Whoever has started this process.
    pub(super) fn of_process() -> Manager {
        let every = sd_notify::watchdog_enabled().map(|limit| limit / 4);
        Manager { listens: true, every, beat_at: every.map(|_| Mono::default()) }
    }

    pub(super) fn next_deadline(&self) -> Option<Mono> {
        self.beat_at
    }

    /// The loop turns.
    pub(super) fn beat(&mut self, now: Now) {
        let (Some(at), Some(every)) = (self.beat_at, self.every) else { return };
        if at <= now.mono {
            self.beat_at = Some(now.mono.plus(every));
            self.tell(&[NotifyState::Watchdog]);
        }
    }

    /// The log is being read, and that is not done yet.
    pub(super) fn recovering(&self, percent: u64) {
        let more = u32::try_from(MORE_TIME.as_micros()).unwrap_or(u32::MAX);
        self.tell(&[NotifyState::ExtendTimeoutUsec(more), NotifyState::Status(&format!("reading the log, {percent} %"))]);
    }

    /// Clients are served.
    pub(super) fn ready(&self, words: &str) {
        self.tell(&[NotifyState::Ready, NotifyState::Status(words)]);
    }

    /// The configuration is read again; `ready` ends that.
    pub(super) fn reloading(&self) {
        if let Ok(now) = NotifyState::monotonic_usec_now() {
            self.tell(&[NotifyState::Reloading, now]);
        }
    }

    /// It says so in `systemctl status`.
    pub(super) fn status(&self, words: &str) {
        self.tell(&[NotifyState::Status(words)]);
    }

    /// The relay ends by itself or because it was told to.
    pub(super) fn stopping(&self) {
        self.tell(&[NotifyState::Stopping]);
    }

    fn tell(&self, state: &[NotifyState<'_>]) {
        if self.listens
            && let Err(error) = sd_notify::notify(state)
        {
            log::debug!("the service manager cannot be told: {error}");
        }
    }
}
