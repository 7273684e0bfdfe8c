//! What a running test can be asked and told from another thread: how far it is, and that it should end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::Failure;

/// A hand on a running test.
#[derive(Debug, Default)]
pub struct Control {
    stop: Arc<AtomicBool>,
    acked: AtomicU64,
}

impl Control {
    /// One that is raised by the first interrupt, or the first SIGTERM; the second one ends the process.
    pub(crate) fn of_interrupts() -> Result<Control, Failure> {
        use signal_hook::consts::{SIGINT, SIGTERM};
        use signal_hook::flag;
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first one finds the flag unset.
            flag::register_conditional_default(signal, stop.clone())
                .and_then(|_| flag::register(signal, stop.clone()))
                .map_err(|e| Failure::Usage(format!("the system's signals: {e}")))?;
        }
        Ok(Control { stop, acked: AtomicU64::new(0) })
    }

    /// Ends the posting; what was posted is still delivered. Before every member has logged in it ends the test.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// How many posts were acked so far, of which some are not delivered yet.
    pub fn acked(&self) -> u64 {
        self.acked.load(Ordering::Relaxed)
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    pub(crate) fn add_acked(&self, more: u64) {
        self.acked.fetch_add(more, Ordering::Relaxed);
    }
}
