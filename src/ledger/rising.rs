//! A list of rising numbers, each with a weight, in few octets: what a node owes may be millions of messages, and wait for a year.
//!
//! ```text
//! front: the oldest, as they are     blocks: differences, packed     back: the newest, as they are
//! ```
//!
//! Work happens at both ends: the oldest are delivered and acked, the newest are pushed. So the ends are plain, and
//! what lies between is packed in blocks of [`BLOCK`], each with its first number, so that a search unpacks one
//! block at most. A short list is all front.
//!
//! Invariants: numbers rise from front to blocks to back; no block is empty; where there is a block or a back, the
//! front is not empty; the list weighs what its numbers weigh together.

use std::collections::VecDeque;

use super::block::{BLOCK, Block, Entry};
use crate::base::Seq;

/// As many numbers are kept plain before packing begins: a window and far more.
const FRONT: usize = 512;

/// Rising numbers.
#[derive(Debug, Default)]
pub(super) struct Rising {
    front: VecDeque<Entry>,
    rest: Option<Box<Rest>>,
    /// What all numbers weigh.
    weight: u64,
}

/// What comes after the front of a long list.
#[derive(Debug, Default)]
struct Rest {
    blocks: VecDeque<Block>,
    back: Vec<Entry>,
    /// Numbers in all blocks.
    packed: usize,
}

impl Rising {
    /// No numbers.
    pub(super) const EMPTY: Rising = Rising { front: VecDeque::new(), rest: None, weight: 0 };

    pub(super) fn len(&self) -> usize {
        self.front.len() + self.rest.as_ref().map_or(0, |rest| rest.packed + rest.back.len())
    }

    /// What all numbers weigh.
    pub(super) fn weight(&self) -> u64 {
        self.weight
    }

    pub(super) fn first(&self) -> Option<Seq> {
        self.front.front().map(Entry::seq)
    }

    fn last(&self) -> Option<Seq> {
        let Some(rest) = &self.rest else { return self.front_last() };
        rest.back.last().map(Entry::seq).or_else(|| rest.blocks.back().map(Block::last)).or_else(|| self.front_last())
    }

    fn front_last(&self) -> Option<Seq> {
        self.front.back().map(Entry::seq)
    }

    /// Adds a number that is higher than all others.
    pub(super) fn push(&mut self, seq: Seq, weight: u32) {
        debug_assert!(self.last().is_none_or(|last| last < seq), "numbers rise");
        self.weight += u64::from(weight);
        let entry = Entry::new(seq, weight);
        if self.rest.is_none() && self.front.len() < FRONT {
            return self.front.push_back(entry);
        }
        let rest = self.rest.get_or_insert_default();
        rest.back.push(entry);
        if rest.back.len() == BLOCK {
            rest.blocks.push_back(Block::pack_entries(&rest.back));
            rest.packed += BLOCK;
            rest.back = Vec::new();
        }
    }

    pub(super) fn contains(&self, seq: Seq) -> bool {
        self.after_or_at(seq) == Some(seq)
    }

    /// The first number above `seq`.
    pub(super) fn after(&self, seq: Seq) -> Option<Seq> {
        match self.first() {
            Some(first) if first > seq => Some(first),
            _ => self.after_or_at(Seq(seq.0.checked_add(1)?)),
        }
    }

    fn after_or_at(&self, seq: Seq) -> Option<Seq> {
        if self.front_last().is_some_and(|last| last >= seq) {
            return self.front.get(self.front.partition_point(|entry| entry.seq() < seq)).map(Entry::seq);
        }
        let rest = self.rest.as_ref()?;
        if let Some(block) = rest.block_of(seq) {
            let found = rest.blocks[block].iter().find(|s| *s >= seq);
            if found.is_some() {
                return found;
            }
            if let Some(next) = rest.blocks.get(block + 1) {
                return Some(next.first());
            }
        } else if let Some(first) = rest.blocks.front() {
            return Some(first.first());
        }
        rest.back.get(rest.back.partition_point(|entry| entry.seq() < seq)).map(Entry::seq)
    }

    /// How many numbers are below `seq`; counts on to `most` at least, and not much further.
    pub(super) fn count_below(&self, seq: Seq, most: usize) -> usize {
        let front = self.front.partition_point(|entry| entry.seq() < seq);
        let Some(rest) = self.rest.as_ref().filter(|_| front == self.front.len()) else { return front };
        let mut count = front;
        for block in &rest.blocks {
            if block.first() >= seq || count > most {
                return count;
            }
            count += if block.last() < seq { block.count() } else { block.iter().take_while(|s| *s < seq).count() };
        }
        count + rest.back.partition_point(|entry| entry.seq() < seq)
    }

    /// Takes a number out; whether it was there.
    pub(super) fn remove(&mut self, seq: Seq) -> bool {
        let removed = if self.front_last().is_some_and(|last| last >= seq) {
            let at = self.front.binary_search_by_key(&seq, |entry| entry.seq());
            at.ok().and_then(|at| self.front.remove(at))
        } else {
            self.rest.as_mut().and_then(|rest| rest.remove(seq))
        };
        let Some(removed) = removed else { return false };
        self.weight -= u64::from(removed.weight);
        self.tidy();
        true
    }

    /// Takes out all numbers up to `high` but those in `kept`, which rises. Returns what was taken out.
    pub(super) fn remove_up_to(&mut self, high: Seq, kept: &[Seq]) -> Vec<Seq> {
        let (mut gone, mut stay) = (Vec::new(), Vec::new());
        while self.first().is_some_and(|first| first <= high)
            && let Some(entry) = self.front.pop_front()
        {
            let seq = entry.seq();
            if kept.binary_search(&seq).is_ok() {
                stay.push(entry);
            } else {
                self.weight -= u64::from(entry.weight);
                gone.push(seq);
            }
            self.tidy();
        }
        for entry in stay.into_iter().rev() {
            self.front.push_front(entry);
        }
        gone
    }

    fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.rest.iter().flat_map(|rest| &rest.blocks)
    }

    fn back(&self) -> &[Entry] {
        self.rest.as_ref().map_or(&[], |rest| &rest.back[..])
    }

    /// All numbers, the lowest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = Seq> + '_ {
        self.front.iter().map(Entry::seq).chain(self.blocks().flat_map(Block::iter)).chain(self.back().iter().map(Entry::seq))
    }

    /// The numbers from `from` on, with their weights.
    fn entries(&self, from: Seq) -> impl Iterator<Item = Entry> + '_ {
        let blocks = self.blocks().skip_while(move |block| block.last() < from);
        let front = self.front.iter().skip(self.front.partition_point(|entry| entry.seq() < from));
        let entries = front.copied().chain(blocks.flat_map(Block::entries)).chain(self.back().iter().copied());
        entries.skip_while(move |entry| entry.seq() < from)
    }

    /// What these numbers, which rise, weigh; `None` if one of them is not here.
    pub(super) fn weights(&self, seqs: &[Seq]) -> Option<Vec<u32>> {
        let Some(first) = seqs.first() else { return Some(Vec::new()) };
        let mut entries = self.entries(*first);
        let weight = |seq: &Seq| entries.find(|entry| entry.seq() >= *seq).filter(|entry| entry.seq() == *seq).map(|entry| entry.weight);
        seqs.iter().map(weight).collect()
    }

    /// Gives back what growing has taken too much.
    pub(super) fn shrink(&mut self) {
        self.front.shrink_to_fit();
        if let Some(rest) = &mut self.rest {
            rest.blocks.shrink_to_fit();
            rest.back.shrink_to_fit();
        }
    }

    /// Refills the front, and gives memory back as the list empties.
    fn tidy(&mut self) {
        if let Some(rest) = &mut self.rest
            && self.front.is_empty()
        {
            match rest.blocks.pop_front() {
                Some(block) => {
                    rest.packed -= block.count();
                    self.front.extend(block.entries());
                }
                None => self.front.extend(rest.back.drain(..)),
            }
            if rest.blocks.is_empty() && rest.back.is_empty() {
                self.rest = None;
            } else if rest.blocks.len() * 4 < rest.blocks.capacity() {
                rest.blocks.shrink_to(rest.blocks.len() * 2);
            }
        }
        const SMALL: usize = 16;
        if self.front.is_empty() {
            // Most nodes owe nothing most of the time.
            self.front = VecDeque::new();
        } else if self.front.capacity() > SMALL && self.front.len() * 4 <= self.front.capacity() {
            self.front.shrink_to((self.front.len() * 2).max(SMALL));
        }
    }

    /// # Panics
    /// If the parts are not what the module says.
    pub(super) fn check_invariants(&self) {
        assert!(self.iter().zip(self.iter().skip(1)).all(|(a, b)| a < b), "numbers rise");
        assert_eq!(self.iter().count(), self.len());
        assert!(self.entries(Seq::ZERO).map(|entry| entry.seq()).eq(self.iter()), "every number has its weight");
        assert_eq!(self.entries(Seq::ZERO).map(|entry| u64::from(entry.weight)).sum::<u64>(), self.weight);
        let Some(rest) = &self.rest else { return };
        assert!(!self.front.is_empty() && rest.blocks.iter().all(|block| block.count() > 0));
        assert!(rest.blocks.iter().all(|block| block.iter().count() == block.count() && block.iter().last() == Some(block.last())));
    }
}

impl Rest {
    /// The block in which `seq` would be; none if it is below all of them.
    fn block_of(&self, seq: Seq) -> Option<usize> {
        self.blocks.partition_point(|block| block.first() <= seq).checked_sub(1)
    }

    fn remove(&mut self, seq: Seq) -> Option<Entry> {
        if let Ok(at) = self.back.binary_search_by_key(&seq, |entry| entry.seq()) {
            return Some(self.back.remove(at));
        }
        let at = self.block_of(seq)?;
        let in_block = self.blocks[at].position(seq)?;
        let mut left: Vec<Entry> = self.blocks[at].entries().collect();
        let removed = left.remove(in_block);
        self.packed -= 1;
        if left.is_empty() {
            self.blocks.remove(at);
        } else {
            self.blocks[at] = Block::pack_entries(&left);
        }
        Some(removed)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Dice that fall the same way each time: Knuth's linear congruential generator.
    struct Dice(u64);

    impl Dice {
        fn roll(&mut self, sides: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (self.0 >> 33) % sides
        }
    }

    #[test]
    fn a_long_list_is_what_a_map_would_be() {
        let (mut rising, mut map, mut dice) = (Rising::default(), BTreeMap::new(), Dice(7));
        let mut newest = 1 << 60;
        for step in 0..60_000 {
            // Grows first, then empties, now and then from the middle.
            if dice.roll(10) < if step < 30_000 { 7 } else { 2 } {
                let bits = dice.roll(31);
                newest += 1 + dice.roll(1 << bits);
                let weight = 1 << dice.roll(32);
                rising.push(Seq(newest), weight);
                map.insert(Seq(newest), weight);
            } else if let Some(first) = map.keys().next().copied() {
                let seq = match dice.roll(8) {
                    0 => map.range(Seq(first.0 + (newest - first.0) / (1 + dice.roll(9)))..).next().map_or(first, |(seq, _)| *seq),
                    1 => Seq(first.0 + 1),
                    _ => first,
                };
                assert_eq!(rising.contains(seq), map.contains_key(&seq));
                assert_eq!(rising.weights(&[seq]), map.get(&seq).map(|weight| vec![*weight]));
                assert_eq!(rising.remove(seq), map.remove(&seq).is_some());
            }
            let bits = dice.roll(31);
            let probe = Seq(newest - dice.roll(1 << bits));
            assert_eq!(rising.after(probe), map.range(Seq(probe.0 + 1)..).next().map(|(seq, _)| *seq));
            if step % 997 == 0 {
                rising.check_invariants();
                assert!(rising.iter().eq(map.keys().copied()));
                assert_eq!((rising.len(), rising.first()), (map.len(), map.keys().next().copied()));
                assert_eq!(rising.count_below(probe, usize::MAX), map.range(..probe).count());
                assert_eq!(rising.weight(), map.values().map(|weight| u64::from(*weight)).sum::<u64>());
                let some: Vec<Seq> = map.keys().copied().filter(|seq| seq.0 % 3 == 0).collect();
                assert_eq!(rising.weights(&some), Some(some.iter().map(|seq| map[seq]).collect()));
                assert_eq!(rising.weights(&[some, vec![Seq(newest + 1)]].concat()), None);
            }
        }
    }

    #[test]
    fn all_up_to_a_mark_goes_but_what_is_kept() {
        for (len, high, kept) in [(10, 5, vec![2, 4]), (3000, 1700, vec![0, 600, 1699, 1700, 2000]), (700, 10_000, vec![650])] {
            let mut rising = Rising::default();
            (0..len).for_each(|n| rising.push(Seq(n), n as u32));
            let kept: Vec<Seq> = kept.into_iter().map(Seq).collect();
            let gone = rising.remove_up_to(Seq(high), &kept);
            let stays = |n: &Seq| n.0 > high || kept.contains(n);
            assert!(rising.iter().eq((0..len).map(Seq).filter(stays)), "{len}");
            assert!(gone.into_iter().eq((0..len).map(Seq).filter(|n| !stays(n))), "{len}");
            assert_eq!(rising.weight(), rising.iter().map(|n| n.0).sum::<u64>());
            rising.check_invariants();
        }
    }

    #[test]
    fn a_number_takes_few_octets_in_a_long_list() {
        let mut rising = Rising::default();
        // A message every minute for a year, in nanoseconds.
        (0..525_600).for_each(|n| rising.push(Seq((1 << 60) + n * 60_000_000_000), 8));
        rising.shrink();
        let rest = rising.rest.as_ref().unwrap();
        let octets: usize = rest.blocks.iter().map(Block::octets).sum();
        assert!(octets < rising.len() * 8, "{octets} octets for {} numbers", rising.len());
    }
}
