//! From a record's seq to its place, in the order of seqs.
//!
//! Sorted runs of at most [`RUN`] entries: a lookup is two binary searches, a new record goes to the end of the last
//! run, and a record that moves keeps its entry. Sixteen octets a record and little more, since a run
//! whose records are mostly gone gives its memory back. Entries are never inserted in the middle: a seq is
//! permanent, and recovery builds the index at once from sorted entries.

use crate::base::Seq;

use super::format::Place;

/// The most entries of a run. A removal shifts half of this on average: 4 KiB, some tens of nanoseconds.
const RUN: usize = 512;

/// The live records, by seq.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// None is empty; each is sorted, and so are all in a row.
    runs: Vec<Vec<Entry>>,
    len: usize,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    seq: Seq,
    place: Place,
}

impl Index {
    /// How many records are live.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Adds a record.
    ///
    /// # Panics
    /// If one with this seq or a later one was added before and is still there.
    pub(super) fn push(&mut self, seq: Seq, place: Place) {
        let newest = self.runs.last().and_then(|run| run.last());
        assert!(newest.is_none_or(|newest| newest.seq < seq), "seqs rise");
        match self.runs.last_mut() {
            Some(run) if run.len() < RUN => run.push(Entry { seq, place }),
            _ => self.runs.push(vec![Entry { seq, place }]),
        }
        self.len += 1;
    }

    /// Where the record is.
    pub(super) fn get(&self, seq: Seq) -> Option<Place> {
        let (run, at) = self.find(seq)?;
        Some(self.runs[run][at].place)
    }

    /// Sets the place of a record that is there.
    ///
    /// # Panics
    /// If it is not.
    pub(super) fn set(&mut self, seq: Seq, place: Place) {
        let (run, at) = self.find(seq).expect("only a live record moves");
        self.runs[run][at].place = place;
    }

    /// Takes the record out and tells where it was.
    pub(super) fn remove(&mut self, seq: Seq) -> Option<Place> {
        let (run, at) = self.find(seq)?;
        let entries = &mut self.runs[run];
        let entry = entries.remove(at);
        if entries.is_empty() {
            self.runs.remove(run);
        } else if entries.len() * 4 <= entries.capacity() {
            entries.shrink_to(entries.len() * 2);
        }
        self.len -= 1;
        Some(entry.place)
    }

    /// All records in rising order of seq.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Seq, Place)> + '_ {
        self.runs.iter().flatten().map(|entry| (entry.seq, entry.place))
    }

    fn find(&self, seq: Seq) -> Option<(usize, usize)> {
        let run = self.runs.partition_point(|run| run[0].seq <= seq).checked_sub(1)?;
        let at = self.runs[run].binary_search_by_key(&seq, |entry| entry.seq).ok()?;
        Some((run, at))
    }

    /// # Panics
    /// If the runs are not what the module says.
    pub(super) fn check_invariants(&self) {
        assert!(self.runs.iter().all(|run| !run.is_empty() && run.len() <= RUN), "runs are neither empty nor too long");
        assert!(self.iter().zip(self.iter().skip(1)).all(|(a, b)| a.0 < b.0), "seqs rise");
        assert_eq!(self.iter().count(), self.len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_pushed_and_not_removed() {
        let mut index = Index::default();
        let place = |i: u64| Place::new(i % 7, (i as usize % 100) * 8);
        for i in 0..3000 {
            index.push(Seq(i * 1_000_000_007), place(i));
        }
        for i in (0..3000).filter(|i| i % 11 != 0) {
            assert_eq!(index.remove(Seq(i * 1_000_000_007)), Some(place(i)));
            assert_eq!(index.remove(Seq(i * 1_000_000_007)), None);
        }
        index.check_invariants();
        index.set(Seq(11 * 1_000_000_007), place(5));
        assert_eq!(index.get(Seq(11 * 1_000_000_007)), Some(place(5)));
        assert_eq!(index.get(Seq(22 * 1_000_000_007 + 1)), None);
        assert_eq!(index.get(Seq(22 * 1_000_000_007)), Some(place(22)));
        assert_eq!(index.len(), 273);
        assert_eq!(index.iter().count(), 273);
    }
}
