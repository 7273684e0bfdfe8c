//! How much goes into one part of a list.

use crate::limits::{LIST_BYTES_MAX, LIST_ENTRY_BYTES, LIST_SCAN_MAX};

/// Entries, until enough was looked at or enough is to be told.
pub(super) struct Part<T> {
    pub(super) entries: Vec<T>,
    looked_at: usize,
    octets: usize,
}

impl<T> Part<T> {
    pub(super) fn new() -> Part<T> {
        Part { entries: Vec::new(), looked_at: 0, octets: 0 }
    }

    /// Whether the rest is for the next part. What belongs together is looked at and told whole, so a part may end a little beyond its
    /// bounds.
    pub(super) fn is_full(&self) -> bool {
        self.looked_at >= LIST_SCAN_MAX || self.octets >= LIST_BYTES_MAX
    }

    /// So much was looked at, whether it is told or not.
    pub(super) fn look(&mut self, count: usize) {
        self.looked_at += count;
    }

    /// One entry more, with so many octets of texts that members have chosen: each may take six in JSON.
    pub(super) fn add(&mut self, entry: T, text_octets: usize) {
        self.octets += LIST_ENTRY_BYTES + 6 * text_octets;
        self.entries.push(entry);
    }
}
