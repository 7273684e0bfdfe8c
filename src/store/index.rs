//! From a record's seq to its place, in the order of seqs and in less than two octets a record.
//!
//! The newest records are listed plainly. Older ones are taken together in *blocks* of up to [`BLOCK`] that rise in seq and in
//! place within one segment: a block keeps where its first record is and which of its records live, and the others
//! are found by walking from head to head through the segment itself. A block whose records are not so (they are
//! being copied forward, a few at a time) is listed plainly too, until they are.
//!
//! Invariants: blocks rise and do not overlap, so a seq can only be in the last one that starts at or below it; none is
//! without a living record. On the walk from a block's start, its records are those with seqs from its first on:
//! no segment holds two copies of a record, and what lies between two records of a block and was not taken
//! into it when it was packed lies outside of its seqs, or is dead and counted.

use std::cell::Cell;
use std::collections::{HashMap, VecDeque};

use crate::base::Seq;

use super::format::{Place, peek};

/// Records of a new block.
const BLOCK: usize = 16;
/// Records on the walk through a block, the dead ones included: as many as its mask has bits.
const RANKS: u32 = u64::BITS;
/// Heads on the walk through a block, those of other records included.
const STEPS: usize = 128;
/// Records that are kept plain: most die young, within some tenths of a second of traffic, however busy the relay is.
const RECENT: usize = 32 << 10;
/// The most blocks of a run. A removal shifts half of this on average: some microseconds at worst.
const RUN: usize = 512;

/// Shows what is durable of a segment.
pub(super) trait Exposed {
    /// Its octets from the start of the file; `None` if it is not there.
    fn exposed(&self, number: u64) -> Option<&[u8]>;
    /// Somebody has walked through it from one offset to another.
    fn note_walk(&self, _number: u64, _from: usize, _to: usize) {}
}

/// The live records, by seq.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Runs of blocks. None is empty; each is sorted, and so are all in a row.
    runs: Vec<Vec<Block>>,
    /// The records of blocks that cannot be walked, by the block's first seq.
    plain: HashMap<Seq, Vec<Entry>>,
    /// Blocks in `plain` of which a record has moved.
    moved: Vec<Seq>,
    /// The newest records; one that died has no place any more, and goes when it comes to the front.
    recent: VecDeque<Entry>,
    len: usize,
    hint: Cell<Hint>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Entry {
    seq: Seq,
    place: Place,
}

impl Entry {
    fn is_dead(&self) -> bool {
        self.place == Place::ZERO
    }
}

#[derive(Clone, Copy, Debug)]
struct Block {
    /// No record of the block is older.
    first: Seq,
    /// Where the walk begins.
    start: Place,
    /// Which records on the walk live, the first in the lowest bit; zero if they are in `plain`.
    live: u64,
}

/// Where the last walk ended: the next one most often goes on from there.
#[derive(Clone, Copy, Debug, Default)]
struct Hint {
    first: Seq,
    start: Place,
    seq: Seq,
    offset: usize,
    rank: u32,
}

/// Where a record is listed.
enum Spot {
    Recent(usize),
    /// Run, block, entry.
    Plain(usize, usize, usize),
    /// Run, block, bit.
    Walked(usize, usize, u32),
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
        let newest = self.recent.back().map(|entry| entry.seq).or_else(|| Some(self.runs.last()?.last()?.first));
        assert!(newest.is_none_or(|newest| newest < seq), "seqs rise");
        self.recent.push_back(Entry { seq, place });
        self.len += 1;
    }

    /// Where the record is.
    pub(super) fn get(&self, seq: Seq, segments: &impl Exposed) -> Option<Place> {
        self.find(seq, segments).map(|(_, place)| place)
    }

    /// Sets the place of a record that is there. Call [`tidy`](Self::tidy) after the last one.
    ///
    /// # Panics
    /// If it is not.
    pub(super) fn set(&mut self, seq: Seq, place: Place, segments: &impl Exposed) {
        let (spot, _) = self.find(seq, segments).expect("only a live record moves");
        let (run, block, at) = match spot {
            Spot::Recent(at) => {
                self.recent[at].place = place;
                return;
            }
            Spot::Plain(run, block, at) => (run, block, at),
            Spot::Walked(run, block, _) => {
                let entries = self.entries(&self.runs[run][block], segments);
                let at = entries.iter().position(|entry| entry.seq == seq).expect("it was just found there");
                self.runs[run][block].live = 0;
                self.plain.insert(self.runs[run][block].first, entries);
                (run, block, at)
            }
        };
        let first = self.runs[run][block].first;
        self.plain.get_mut(&first).expect("a block that is not walked is plain")[at].place = place;
        if self.moved.last() != Some(&first) {
            self.moved.push(first);
        }
    }

    /// Takes the record out and tells where it was.
    pub(super) fn remove(&mut self, seq: Seq, segments: &impl Exposed) -> Option<Place> {
        let (spot, place) = self.find(seq, segments)?;
        self.len -= 1;
        match spot {
            Spot::Recent(at) => {
                self.recent[at].place = Place::ZERO;
                while self.recent.front().is_some_and(Entry::is_dead) {
                    self.recent.pop_front();
                }
                if self.recent.is_empty() {
                    self.recent = VecDeque::new();
                }
            }
            Spot::Plain(run, block, at) => {
                let first = self.runs[run][block].first;
                let entries = self.plain.get_mut(&first).expect("it was just found there");
                entries.remove(at);
                if entries.is_empty() {
                    self.plain.remove(&first);
                    self.remove_block(run, block);
                }
            }
            Spot::Walked(run, block, rank) => {
                let live = &mut self.runs[run][block].live;
                *live &= !(1 << rank);
                if *live == 0 {
                    self.remove_block(run, block);
                }
            }
        }
        Some(place)
    }

    /// Packs what has grown old, and what has moved. All records must be durable.
    pub(super) fn tidy(&mut self, segments: &impl Exposed) {
        while self.recent.len() >= RECENT + BLOCK {
            let mut entries: Vec<Entry> = Vec::with_capacity(BLOCK);
            // A block that spans two segments could not be walked.
            let fits = |next: &Entry, entries: &[Entry]| entries.first().is_none_or(|first| first.place.number() == next.place.number());
            while entries.len() < BLOCK
                && let Some(next) = self.recent.front().filter(|next| next.is_dead() || fits(next, &entries)).copied()
            {
                self.recent.pop_front();
                if !next.is_dead() {
                    entries.push(next);
                }
            }
            if entries.is_empty() {
                break;
            }
            self.push_block(entries, segments);
        }
        let mut moved = std::mem::take(&mut self.moved);
        if !moved.is_empty() {
            // A block that is packed anew may begin where one did before, and hold others.
            self.hint.set(Hint::default());
        }
        moved.sort_unstable();
        moved.dedup();
        for first in moved {
            let Some((run, block)) = self.block_of(first).filter(|&(run, block)| self.runs[run][block].first == first) else { continue };
            // Whoever moved alone is taken together with those before, if they moved to the same place.
            if !self.merge_back(run, block, segments)
                && let Some(packed) = self.plain.get(&first).and_then(|entries| pack(first, entries, segments))
            {
                self.plain.remove(&first);
                self.runs[run][block] = packed;
            }
        }
        if self.plain.is_empty() {
            self.plain.shrink_to_fit();
        }
    }

    /// All records in rising order of seq.
    pub(super) fn iter<'a>(&'a self, segments: &'a impl Exposed) -> impl Iterator<Item = (Seq, Place)> + 'a {
        let old = self.runs.iter().flatten().flat_map(|block| self.entries(block, segments));
        old.chain(self.recent.iter().copied().filter(|entry| !entry.is_dead())).map(|entry| (entry.seq, entry.place))
    }

    fn find(&self, seq: Seq, segments: &impl Exposed) -> Option<(Spot, Place)> {
        if self.recent.front().is_some_and(|entry| entry.seq <= seq) {
            let at = self.recent.binary_search_by_key(&seq, |entry| entry.seq).ok()?;
            return Some(self.recent[at]).filter(|entry| !entry.is_dead()).map(|entry| (Spot::Recent(at), entry.place));
        }
        let (run, at) = self.block_of(seq)?;
        let block = &self.runs[run][at];
        if block.live == 0 {
            let entries = &self.plain[&block.first];
            let entry = entries.binary_search_by_key(&seq, |entry| entry.seq).ok()?;
            return Some((Spot::Plain(run, at, entry), entries[entry].place));
        }
        let number = block.start.number();
        let begin = Hint { first: block.first, start: block.start, seq: block.first, offset: block.start.offset(), rank: 0 };
        let is_here = |hint: &Hint| (hint.first, hint.start) == (block.first, block.start) && hint.seq <= seq;
        let hint = Some(self.hint.get()).filter(is_here).unwrap_or(begin);
        for (rank, (found, offset)) in (hint.rank..=block.live.ilog2()).zip(walk(segments.exposed(number), hint.offset, block.first)) {
            if found == seq && block.live >> rank & 1 == 1 {
                self.hint.set(Hint { seq, offset, rank, ..begin });
                segments.note_walk(number, hint.offset, offset);
                return Some((Spot::Walked(run, at, rank), Place::new(number, offset)));
            }
            if found == seq {
                return None;
            }
        }
        None
    }

    fn block_of(&self, seq: Seq) -> Option<(usize, usize)> {
        let run = self.runs.partition_point(|run| run[0].first <= seq).checked_sub(1)?;
        let block = self.runs[run].partition_point(|block| block.first <= seq).checked_sub(1)?;
        Some((run, block))
    }

    /// The living records of a block.
    fn entries(&self, block: &Block, segments: &impl Exposed) -> Vec<Entry> {
        if block.live == 0 {
            return self.plain[&block.first].clone();
        }
        let number = block.start.number();
        let walked = walk(segments.exposed(number), block.start.offset(), block.first);
        let living = (0..=block.live.ilog2()).zip(walked).filter(|(rank, _)| block.live >> rank & 1 == 1);
        let entries: Vec<Entry> = living.map(|(_, (seq, offset))| Entry { seq, place: Place::new(number, offset) }).collect();
        if let Some(last) = entries.last() {
            segments.note_walk(number, block.start.offset(), last.place.offset());
        }
        entries
    }

    fn push_block(&mut self, entries: Vec<Entry>, segments: &impl Exposed) {
        let Entry { seq: first, place: start } = entries[0];
        let block = pack(first, &entries, segments).unwrap_or_else(|| {
            self.plain.insert(first, entries);
            Block { first, start, live: 0 }
        });
        match self.runs.last_mut() {
            Some(run) if run.len() < RUN => run.push(block),
            _ => self.runs.push(vec![block]),
        }
    }

    fn remove_block(&mut self, run: usize, block: usize) {
        let blocks = &mut self.runs[run];
        blocks.remove(block);
        if blocks.is_empty() {
            self.runs.remove(run);
        } else if blocks.len() * 4 <= blocks.capacity() {
            blocks.shrink_to(blocks.len() * 2);
        }
    }

    /// Makes one block of this one and the one before it, where they are small and walk together.
    fn merge_back(&mut self, run: usize, block: usize, segments: &impl Exposed) -> bool {
        let Some(before) = block.checked_sub(1) else { return false };
        let [one, other] = [before, block].map(|at| self.runs[run][at]);
        let mut entries = self.entries(&one, segments);
        entries.extend(self.entries(&other, segments));
        let Some(packed) = Some(&entries).filter(|entries| entries.len() <= BLOCK).and_then(|entries| pack(one.first, entries, segments))
        else {
            return false;
        };
        self.plain.remove(&one.first);
        self.plain.remove(&other.first);
        self.runs[run][before] = packed;
        self.remove_block(run, block);
        true
    }

    /// # Panics
    /// If the parts are not what the module says.
    pub(super) fn check_invariants(&self, segments: &impl Exposed) {
        let firsts = || self.runs.iter().flatten().map(|block| block.first);
        assert!(self.runs.iter().all(|run| !run.is_empty() && run.len() <= RUN), "runs are neither empty nor too long");
        assert!(firsts().zip(firsts().skip(1)).all(|(a, b)| a < b), "blocks rise");
        assert_eq!(self.runs.iter().flatten().filter(|block| block.live == 0).count(), self.plain.len(), "plain ones have their list");
        let nexts = firsts().skip(1).chain([Seq(u64::MAX)]);
        for (block, next) in self.runs.iter().flatten().zip(nexts) {
            let entries = self.entries(block, segments);
            assert!(!entries.is_empty() && entries[0].seq >= block.first, "a block holds what it says");
            assert!(entries.iter().all(|entry| entry.seq < next), "blocks do not overlap");
            assert!(block.live == 0 || entries.len() == block.live.count_ones() as usize, "all that lives is on the walk");
        }
        // Found by a search as well as by a pass, in whatever order one asks.
        for (seq, place) in self.iter(segments).chain(self.iter(segments).collect::<Vec<_>>().into_iter().rev()) {
            assert_eq!(self.get(seq, segments), Some(place), "{seq} is found where it is");
        }
        let seqs = || self.iter(segments).map(|(seq, _)| seq);
        assert!(seqs().zip(seqs().skip(1)).all(|(a, b)| a < b), "seqs rise");
        assert_eq!(seqs().count(), self.len);
    }
}

/// The caller's records with seqs from `first` on, from this offset of a segment on.
fn walk(segment: Option<&[u8]>, offset: usize, first: Seq) -> impl Iterator<Item = (Seq, usize)> + '_ {
    let mut at = offset;
    let heads = std::iter::from_fn(move || {
        let head = peek(segment?.get(at..)?)?;
        let here = at;
        at += head.footprint;
        Some((head.seq, here))
    });
    heads.take(STEPS).filter_map(move |(seq, at)| Some((seq.filter(|seq| *seq >= first)?, at)))
}

/// Makes a block of records that rise in seq, from `first` on at the earliest, if they can be walked: they rise in place, in one
/// segment, and not too far apart.
fn pack(first: Seq, entries: &[Entry], segments: &impl Exposed) -> Option<Block> {
    let start = entries[0].place;
    let number = start.number();
    let mut wanted = entries.iter().peekable();
    let mut live = 0;
    for (rank, (seq, offset)) in (0..RANKS).zip(walk(segments.exposed(number), start.offset(), first)) {
        if wanted.next_if(|entry| entry.seq == seq && entry.place == Place::new(number, offset)).is_some() {
            live |= 1 << rank;
        }
        if wanted.peek().is_none() {
            segments.note_walk(number, start.offset(), offset);
            return Some(Block { first, start, live });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::format::{Kind, RecordHeader, SEGMENT_HEADER};
    use super::*;

    /// Segments that only grow.
    #[derive(Default)]
    struct Grown(BTreeMap<u64, Vec<u8>>);

    impl Exposed for Grown {
        fn exposed(&self, number: u64) -> Option<&[u8]> {
            self.0.get(&number).map(Vec::as_slice)
        }
    }

    impl Grown {
        fn add(&mut self, number: u64, kind: Kind, seq: Seq, len: usize) -> Place {
            let segment = self.0.entry(number).or_insert_with(|| vec![0; SEGMENT_HEADER]);
            let place = Place::new(number, segment.len());
            let head = RecordHeader { len, kind, end: true, seq, durable: Place::ZERO };
            head.encode(1, place, &vec![7; len], segment);
            place
        }
    }

    /// Pushes, removes and moves at random beside a map. `keep`: of a hundred records, how many are not removed soon.
    #[track_caller]
    fn check(keep: u64, moves: bool) -> (Index, Grown, BTreeMap<Seq, Place>) {
        let (mut index, mut segments, mut map) = (Index::default(), Grown::default(), BTreeMap::new());
        let mut state = 3u64;
        let mut roll = |sides: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) % sides
        };
        let mut seq = 0;
        for step in 0..45_000u64 {
            let tail = 1 + step / 4500;
            seq += 1 + roll(1 << 20);
            let place = segments.add(tail, Kind::Data, Seq(seq), roll(40) as usize);
            index.push(Seq(seq), place);
            map.insert(Seq(seq), place);
            if roll(100) >= keep {
                let gone = map.range(Seq(seq.saturating_sub(roll(1 << 32)))..).next().map_or(Seq(seq), |(seq, _)| *seq);
                assert_eq!(index.remove(gone, &segments), map.remove(&gone));
                assert_eq!(index.get(gone, &segments), None);
            }
            if moves && step % 500 == 499 {
                // Some of two old segments go, each in order of place, with new records in between.
                let mut some: Vec<Seq> = Vec::new();
                for from in [1 + roll(tail), 1 + roll(tail)] {
                    let begin = roll(3) as usize * 50;
                    let those = map.iter().filter(|(_, place)| place.number() == from && from < tail).map(|(seq, _)| *seq);
                    some.extend(those.skip(begin).take(100));
                }
                let mut targets = BTreeMap::new();
                for &seq in &some {
                    if targets.contains_key(&seq) {
                        continue;
                    }
                    targets.insert(seq, segments.add(tail, Kind::Moved, seq, 5));
                    if roll(5) == 0 {
                        segments.add(tail, Kind::Mark, Seq::ZERO, 0);
                    }
                }
                for (seq, to) in targets {
                    index.set(seq, to, &segments);
                    map.insert(seq, to);
                }
            }
            if step % 7 == 0 {
                index.tidy(&segments);
            }
            let probe = Seq(roll(seq));
            let expected = map.get(&probe).copied();
            assert_eq!(index.get(probe, &segments), expected);
            if step % 9973 == 0 {
                index.check_invariants(&segments);
                assert!(index.iter(&segments).eq(map.iter().map(|(seq, place)| (*seq, *place))));
                map.iter().rev().step_by(3).for_each(|(seq, place)| assert_eq!(index.get(*seq, &segments), Some(*place)));
            }
        }
        index.tidy(&segments);
        index.check_invariants(&segments);
        (index, segments, map)
    }

    #[test]
    fn finds_what_was_pushed_and_not_removed() {
        for keep in [100, 70, 5] {
            check(keep, false);
        }
    }

    #[test]
    fn finds_what_has_moved() {
        for keep in [100, 60, 20] {
            check(keep, true);
        }
    }

    #[test]
    fn a_record_takes_less_than_two_octets() {
        let (index, ..) = check(100, false);
        let blocks: usize = index.runs.iter().map(|run| run.len() * size_of::<Block>()).sum();
        assert!(index.plain.is_empty() && blocks < (index.len() - index.recent.len()) * 2, "{blocks} octets for {}", index.len());
    }

    /// A block that is packed anew may begin where an earlier one did, and hold a record that lies before the last one found.
    #[test]
    fn what_was_found_last_does_not_hide_what_was_packed_since() {
        let (mut index, mut segments) = (Index::default(), Grown::default());
        let [ten, later, fifty] = [10, 55, 50].map(|seq| segments.add(7, Kind::Moved, Seq(seq), 5));
        let elsewhere = segments.add(6, Kind::Moved, Seq(56), 5);
        let entry = |seq, place| Entry { seq: Seq(seq), place };
        index.push_block(vec![entry(10, ten), entry(50, fifty)], &segments);
        index.push_block(vec![entry(55, later), entry(56, elsewhere)], &segments);
        index.len = 4;
        assert_eq!(index.remove(Seq(50), &segments), Some(fifty));
        let here = segments.add(7, Kind::Moved, Seq(56), 5);
        index.set(Seq(56), here, &segments);
        index.tidy(&segments);
        assert_eq!(index.runs.iter().map(Vec::len).sum::<usize>(), 1, "the two blocks are one");
        assert_eq!(index.get(Seq(55), &segments), Some(later));
        index.check_invariants(&segments);
    }

    #[test]
    fn moved_records_are_packed_again() {
        let (index, segments, map) = check(100, true);
        let plain: usize = index.runs.iter().flatten().filter_map(|block| index.plain.get(&block.first)).map(Vec::len).sum();
        assert!(plain * 10 < index.len(), "{plain} of {} are listed plainly", index.len());
        assert!(index.iter(&segments).eq(map));
    }
}
