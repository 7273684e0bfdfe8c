//! A list of rising numbers in few octets: what a node owes may be millions of messages, and wait for a year.
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
//! front is not empty.

use std::collections::VecDeque;

use crate::base::Seq;
use crate::record::{Reader, put_number};

/// As many numbers are kept plain before packing begins: a window and far more.
const FRONT: usize = 512;
/// Numbers in a new block. A search in the packed part costs the unpacking of one: some hundred nanoseconds.
pub(super) const BLOCK: usize = 128;

/// Rising numbers.
#[derive(Debug, Default)]
pub(super) struct Rising {
    front: VecDeque<Seq>,
    rest: Option<Box<Rest>>,
}

/// What comes after the front of a long list.
#[derive(Debug, Default)]
struct Rest {
    blocks: VecDeque<Block>,
    back: Vec<Seq>,
    /// Numbers in all blocks.
    packed: usize,
}

impl Rising {
    /// No numbers.
    pub(super) const EMPTY: Rising = Rising { front: VecDeque::new(), rest: None };

    pub(super) fn len(&self) -> usize {
        self.front.len() + self.rest.as_ref().map_or(0, |rest| rest.packed + rest.back.len())
    }

    pub(super) fn first(&self) -> Option<Seq> {
        self.front.front().copied()
    }

    fn last(&self) -> Option<Seq> {
        let Some(rest) = &self.rest else { return self.front.back().copied() };
        rest.back.last().copied().or_else(|| rest.blocks.back().map(Block::last)).or_else(|| self.front.back().copied())
    }

    /// Adds a number that is higher than all others.
    pub(super) fn push(&mut self, seq: Seq) {
        debug_assert!(self.last().is_none_or(|last| last < seq), "numbers rise");
        if self.rest.is_none() && self.front.len() < FRONT {
            return self.front.push_back(seq);
        }
        let rest = self.rest.get_or_insert_default();
        rest.back.push(seq);
        if rest.back.len() == BLOCK {
            rest.blocks.push_back(Block::pack(&rest.back));
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
        if self.front.back().is_some_and(|last| *last >= seq) {
            return self.front.get(self.front.partition_point(|s| *s < seq)).copied();
        }
        let rest = self.rest.as_ref()?;
        if let Some(block) = rest.block_of(seq) {
            let found = rest.blocks[block].iter().find(|s| *s >= seq);
            if found.is_some() {
                return found;
            }
            if let Some(next) = rest.blocks.get(block + 1) {
                return Some(next.first);
            }
        } else if let Some(first) = rest.blocks.front() {
            return Some(first.first);
        }
        rest.back.get(rest.back.partition_point(|s| *s < seq)).copied()
    }

    /// How many numbers are below `seq`; counts on to `most` at least, and not much further.
    pub(super) fn count_below(&self, seq: Seq, most: usize) -> usize {
        let front = self.front.partition_point(|s| *s < seq);
        let Some(rest) = self.rest.as_ref().filter(|_| front == self.front.len()) else { return front };
        let mut count = front;
        for block in &rest.blocks {
            if block.first >= seq || count > most {
                return count;
            }
            count += if block.last() < seq { block.count() } else { block.iter().take_while(|s| *s < seq).count() };
        }
        count + rest.back.partition_point(|s| *s < seq)
    }

    /// Takes a number out; whether it was there.
    pub(super) fn remove(&mut self, seq: Seq) -> bool {
        if self.front.back().is_some_and(|last| *last >= seq) {
            let Ok(at) = self.front.binary_search(&seq) else { return false };
            self.front.remove(at);
        } else if !self.rest.as_mut().is_some_and(|rest| rest.remove(seq)) {
            return false;
        }
        self.tidy();
        true
    }

    /// Takes out all numbers up to `high` but those in `kept`, which rises. Returns what was taken out.
    pub(super) fn remove_up_to(&mut self, high: Seq, kept: &[Seq]) -> Vec<Seq> {
        let (mut gone, mut stay) = (Vec::new(), Vec::new());
        while let Some(seq) = self.first().filter(|first| *first <= high) {
            self.front.pop_front();
            let list = if kept.binary_search(&seq).is_ok() { &mut stay } else { &mut gone };
            list.push(seq);
            self.tidy();
        }
        for seq in stay.into_iter().rev() {
            self.front.push_front(seq);
        }
        gone
    }

    /// All numbers, the lowest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = Seq> + '_ {
        let (blocks, back) = match &self.rest {
            Some(rest) => (Some(&rest.blocks), &rest.back[..]),
            None => (None, &[][..]),
        };
        self.front.iter().copied().chain(blocks.into_iter().flatten().flat_map(Block::iter)).chain(back.iter().copied())
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
                    self.front.extend(block.iter());
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
        let Some(rest) = &self.rest else { return };
        assert!(!self.front.is_empty() && rest.blocks.iter().all(|block| block.count() > 0));
        assert!(rest.blocks.iter().all(|block| block.iter().count() == block.count() && block.iter().last() == Some(block.last())));
    }
}

impl Rest {
    /// The block in which `seq` would be; none if it is below all of them.
    fn block_of(&self, seq: Seq) -> Option<usize> {
        self.blocks.partition_point(|block| block.first <= seq).checked_sub(1)
    }

    fn remove(&mut self, seq: Seq) -> bool {
        if let Ok(at) = self.back.binary_search(&seq) {
            self.back.remove(at);
            return true;
        }
        let Some(at) = self.block_of(seq) else { return false };
        let left: Vec<Seq> = self.blocks[at].iter().filter(|s| *s != seq).collect();
        if left.len() == self.blocks[at].count() {
            return false;
        }
        self.packed -= 1;
        if left.is_empty() {
            self.blocks.remove(at);
        } else {
            self.blocks[at] = Block::pack(&left);
        }
        true
    }
}

/// Some consecutive numbers, as the differences between them: seven bits an octet, the lowest first.
#[derive(Debug)]
pub(super) struct Block {
    first: Seq,
    /// The distance from the first to the last, the count, the differences.
    packed: Box<[u8]>,
}

impl Block {
    /// # Panics
    /// If there is no number to pack.
    pub(super) fn pack(seqs: &[Seq]) -> Block {
        let (first, last) = (seqs[0], seqs[seqs.len() - 1]);
        let mut packed = Vec::with_capacity(16 + seqs.len() * 5);
        put_number(&mut packed, last.0 - first.0);
        put_number(&mut packed, seqs.len() as u64);
        for pair in seqs.windows(2) {
            put_number(&mut packed, pair[1].0 - pair[0].0);
        }
        Block { first, packed: packed.into() }
    }

    /// Distance from the first to the last, count, and a reader of the differences.
    fn open(&self) -> (u64, usize, Reader<'_>) {
        let mut reader = Reader::new(&self.packed);
        let mut number = || reader.number().expect("pack wrote it");
        let (distance, count) = (number(), number() as usize);
        (distance, count, reader)
    }

    pub(super) fn first(&self) -> Seq {
        self.first
    }

    /// Which of them `seq` is, if it is one.
    pub(super) fn position(&self, seq: Seq) -> Option<usize> {
        let (at, found) = self.iter().enumerate().find(|(_, s)| *s >= seq)?;
        (found == seq).then_some(at)
    }

    fn last(&self) -> Seq {
        Seq(self.first.0 + self.open().0)
    }

    pub(super) fn count(&self) -> usize {
        self.open().1
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Seq> + '_ {
        let (_, count, mut reader) = self.open();
        let mut next = self.first;
        std::iter::once(next).chain((1..count).map(move |_| {
            next.0 += reader.number().expect("pack wrote as many as it counted");
            next
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

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
    fn a_long_list_is_what_a_set_would_be() {
        let (mut rising, mut set, mut dice) = (Rising::default(), BTreeSet::new(), Dice(7));
        let mut newest = 1 << 60;
        for step in 0..60_000 {
            // Grows first, then empties, now and then from the middle.
            if dice.roll(10) < if step < 30_000 { 7 } else { 2 } {
                let bits = dice.roll(31);
                newest += 1 + dice.roll(1 << bits);
                rising.push(Seq(newest));
                set.insert(Seq(newest));
            } else if let Some(first) = set.first().copied() {
                let seq = match dice.roll(8) {
                    0 => set.range(Seq(first.0 + (newest - first.0) / (1 + dice.roll(9)))..).next().copied().unwrap_or(first),
                    1 => Seq(first.0 + 1),
                    _ => first,
                };
                assert_eq!(rising.contains(seq), set.contains(&seq));
                assert_eq!(rising.remove(seq), set.remove(&seq));
            }
            let bits = dice.roll(31);
            let probe = Seq(newest - dice.roll(1 << bits));
            assert_eq!(rising.after(probe), set.range(Seq(probe.0 + 1)..).next().copied());
            if step % 997 == 0 {
                rising.check_invariants();
                assert!(rising.iter().eq(set.iter().copied()));
                assert_eq!((rising.len(), rising.first()), (set.len(), set.first().copied()));
                assert_eq!(rising.count_below(probe, usize::MAX), set.range(..probe).count());
            }
        }
    }

    #[test]
    fn all_up_to_a_mark_goes_but_what_is_kept() {
        for (len, high, kept) in [(10, 5, vec![2, 4]), (3000, 1700, vec![0, 600, 1699, 1700, 2000]), (700, 10_000, vec![650])] {
            let mut rising = Rising::default();
            (0..len).for_each(|n| rising.push(Seq(n)));
            let kept: Vec<Seq> = kept.into_iter().map(Seq).collect();
            let gone = rising.remove_up_to(Seq(high), &kept);
            let stays = |n: &Seq| n.0 > high || kept.contains(n);
            assert!(rising.iter().eq((0..len).map(Seq).filter(stays)), "{len}");
            assert!(gone.into_iter().eq((0..len).map(Seq).filter(|n| !stays(n))), "{len}");
            rising.check_invariants();
        }
    }

    #[test]
    fn a_number_takes_few_octets_in_a_long_list() {
        let mut rising = Rising::default();
        // A message every minute for a year, in nanoseconds.
        (0..525_600).for_each(|n| rising.push(Seq((1 << 60) + n * 60_000_000_000)));
        rising.shrink();
        let rest = rising.rest.as_ref().unwrap();
        let octets: usize = rest.blocks.iter().map(|block| block.packed.len() + size_of::<Block>()).sum();
        assert!(octets < rising.len() * 7, "{octets} octets for {} numbers", rising.len());
    }
}
