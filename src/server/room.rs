//! How much the log takes: asked of the store, told to the relay, and to the operator when it changes.

use std::time::Duration;

use crate::base::Mono;
use crate::limits::CURSOR_BYTES_MAX;
use crate::relay::{Effect, Input, Now, Relay};
use crate::store::{Disk, Store, StoreError};

/// Records that a request may make besides the octets it asks room for.
const RECORDS: usize = 256;
/// The operator is told at most so often that nothing more can be stored.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// What was told last.
#[derive(Debug)]
pub(super) struct Room {
    segment_bytes: u64,
    full: bool,
    /// When the operator was last told that it is full, and whether it was said since that it is not.
    told_at: Option<Mono>,
    told: bool,
}

impl Room {
    pub(super) fn new(segment_bytes: u32) -> Room {
        Room { segment_bytes: segment_bytes.into(), full: false, told_at: None, told: false }
    }

    /// Tells the relay how much the log takes before it is asked again.
    ///
    /// # Errors
    /// If the disk fails. That it is full is no error.
    pub(super) fn tell<D: Disk>(
        &mut self,
        store: &mut Store<D>,
        relay: &mut Relay,
        now: Now,
        out: &mut Vec<Effect>,
    ) -> Result<(), StoreError> {
        // Half a segment is enough for all but the largest requests. Asking for more would have the next segment made at once when
        // a quarter of this one is used, instead of little by little.
        let wanted = relay.take_wanted().min(self.segment_bytes * 3 / 4);
        let mut octets = 0;
        for most in [wanted, self.segment_bytes / 2, self.segment_bytes / 8] {
            if most > octets && store.has_room(RECORDS, usize::try_from(most).unwrap_or(usize::MAX))? {
                octets = most;
            }
        }
        self.note(octets == 0, store.free_bytes(), store.wants_descriptor(), now.mono);
        // An eighth of a segment where segments are smaller than any site's, as in a simulator.
        let reserve = (2 * CURSOR_BYTES_MAX).min(usize::try_from(self.segment_bytes / 8).unwrap_or(usize::MAX));
        let cursors = store.has_reserve(reserve);
        relay.handle(Input::Room { octets, disk: store.free_bytes(), cursors }, now, out);
        Ok(())
    }

    fn note(&mut self, full: bool, free: u64, wants_descriptor: bool, now: Mono) {
        if std::mem::replace(&mut self.full, full) == full {
            return;
        }
        if full && self.told_at.is_none_or(|at| now.since(at) >= TELL_EVERY) {
            let needed = 2 * self.segment_bytes;
            if wants_descriptor {
                log::warn!(
                    "no file descriptor for the log to grow: posts are refused, while deliveries and acks go on; raise the limit of open files (ulimit -n)"
                );
            } else {
                log::warn!(
                    "storage full: posts are refused, while deliveries and acks go on; the disk of the log has {free} octets free, and {needed} would do"
                );
            }
            (self.told_at, self.told) = (Some(now), true);
        } else if !full && std::mem::take(&mut self.told) {
            log::info!("storage is there again: posts are taken");
        }
    }
}
