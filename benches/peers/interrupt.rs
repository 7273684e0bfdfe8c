//! An interrupt ends the bench in order, so that no server and no directory stays behind.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

use signal_hook::consts::{SIGINT, SIGTERM};

use crate::driver::Outcome;

static WAS_INTERRUPTED: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// From now on an interrupt is only noted.
pub(crate) fn watch() -> Outcome<()> {
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, WAS_INTERRUPTED.clone()).map_err(|e| format!("signals: {e}"))?;
    }
    Ok(())
}

/// # Errors
/// There was one.
pub(crate) fn check() -> Outcome<()> {
    if WAS_INTERRUPTED.load(Ordering::Relaxed) { Err("interrupted".into()) } else { Ok(()) }
}
