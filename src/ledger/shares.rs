//! A small number for each of very many messages: how many nodes owe it.
//!
//! ```text
//! blocks: the older ones, packed     recent: the newer ones, plain     odd: what fits neither
//! ```
//!
//! As with [`Rising`](super::rising::Rising), a search in the packed part unpacks one block at most; the numbers stand
//! beside the block and change in place. A block goes when all of its numbers are zero.
//!
//! Invariant: a message is in one of the three at most; a number that is zero counts as not being there.

use std::collections::{HashMap, VecDeque};

use super::block::{BLOCK, Block};
use crate::base::Seq;

/// Messages that are kept plain. Most are owed by nobody before they would be packed.
const RECENT: usize = 1024;
/// Stands in a block for a message that is in `odd`.
const ELSEWHERE: u8 = u8::MAX;

/// Numbers by message.
#[derive(Debug, Default)]
pub(super) struct Shares {
    blocks: VecDeque<Packed>,
    recent: VecDeque<(Seq, u32)>,
    /// Large numbers, and messages that came to be shared when they were old.
    odd: HashMap<Seq, u32>,
    /// Messages whose number is not zero.
    count: usize,
}

#[derive(Debug)]
struct Packed {
    seqs: Block,
    owed: Box<[u8]>,
}

/// Where a message's number stands.
#[derive(Clone, Copy)]
enum Spot {
    Odd,
    Recent(usize),
    Packed(usize, usize),
}

impl Shares {
    /// Adds a message, newer than all others that were added so.
    pub(super) fn push(&mut self, seq: Seq, owed: u32) {
        self.recent.push_back((seq, owed));
        self.count += usize::from(owed > 0);
        if self.recent.len() > RECENT {
            self.pack();
        }
    }

    /// Adds a message of any age that is not there.
    pub(super) fn push_late(&mut self, seq: Seq, owed: u32) {
        self.odd.insert(seq, owed);
        self.count += usize::from(owed > 0);
    }

    /// Moves the oldest of `recent` into a block.
    fn pack(&mut self) {
        let (seqs, owed): (Vec<Seq>, Vec<u32>) = self.recent.drain(..BLOCK).filter(|(_, owed)| *owed > 0).unzip();
        // What nobody owes is never looked for, and a block of such messages would stay for ever.
        if seqs.is_empty() {
            return;
        }
        let small = |(seq, owed): (&Seq, &u32)| match u8::try_from(*owed) {
            Ok(owed) if owed < ELSEWHERE => owed,
            Ok(_) | Err(_) => {
                self.odd.insert(*seq, *owed);
                ELSEWHERE
            }
        };
        let owed: Box<[u8]> = seqs.iter().zip(&owed).map(small).collect();
        self.blocks.push_back(Packed { seqs: Block::pack(&seqs), owed });
    }

    fn find(&self, seq: Seq) -> Option<Spot> {
        if self.odd.contains_key(&seq) {
            return Some(Spot::Odd);
        }
        if self.recent.front().is_some_and(|(first, _)| *first <= seq) {
            return self.recent.binary_search_by_key(&seq, |(seq, _)| *seq).ok().map(Spot::Recent);
        }
        let block = self.block_of(seq)?;
        Some(Spot::Packed(block, self.blocks[block].seqs.position(seq)?))
    }

    fn block_of(&self, seq: Seq) -> Option<usize> {
        self.blocks.partition_point(|block| block.seqs.first() <= seq).checked_sub(1)
    }

    /// How many nodes owe it; `None` if it was not added.
    pub(super) fn get(&self, seq: Seq) -> Option<u32> {
        Some(match self.find(seq)? {
            Spot::Odd => self.odd[&seq],
            Spot::Recent(at) => self.recent[at].1,
            Spot::Packed(block, at) => u32::from(self.blocks[block].owed[at]),
        })
    }

    fn set(&mut self, seq: Seq, spot: Spot, owed: u32) {
        match (spot, u8::try_from(owed)) {
            (Spot::Recent(at), _) => self.recent[at].1 = owed,
            (Spot::Packed(block, at), Ok(small)) if small < ELSEWHERE => self.blocks[block].owed[at] = small,
            (Spot::Packed(block, at), _) => {
                self.blocks[block].owed[at] = ELSEWHERE;
                self.odd.insert(seq, owed);
            }
            (Spot::Odd, _) => {
                self.odd.insert(seq, owed);
            }
        }
    }

    /// One node more; whether the message was added before.
    pub(super) fn add_one(&mut self, seq: Seq) -> bool {
        let Some((spot, owed)) = self.find(seq).zip(self.get(seq)) else { return false };
        self.set(seq, spot, owed + 1);
        self.count += usize::from(owed == 0);
        true
    }

    /// One node fewer; returns how many are left. `None` if it was not added.
    ///
    /// # Panics
    /// If nobody owes it.
    pub(super) fn take_one(&mut self, seq: Seq) -> Option<u32> {
        let (spot, owed) = self.find(seq).zip(self.get(seq))?;
        let left = owed.checked_sub(1).expect("what is queued is owed");
        self.set(seq, spot, left);
        self.count -= usize::from(left == 0);
        Some(left)
    }

    /// Gives back the room of a message that nobody owes, and never will again.
    pub(super) fn clear(&mut self, seq: Seq) {
        self.odd.remove(&seq);
        while self.recent.front().is_some_and(|(_, owed)| *owed == 0) {
            self.recent.pop_front();
        }
        let Some(block) = self.block_of(seq) else { return };
        let Packed { seqs, owed } = &mut self.blocks[block];
        if let Some(at) = seqs.position(seq) {
            owed[at] = 0;
        }
        if owed.iter().all(|owed| *owed == 0) {
            self.blocks.remove(block);
        }
    }

    /// Messages that somebody owes.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// # Panics
    /// If the parts are not what the module says.
    pub(super) fn check_invariants(&self) {
        let packed = self.blocks.iter().flat_map(|block| block.owed.iter()).filter(|owed| !matches!(**owed, 0 | ELSEWHERE)).count();
        let recent = self.recent.iter().filter(|(_, owed)| *owed > 0).count();
        assert!(self.recent.iter().zip(self.recent.iter().skip(1)).all(|(a, b)| a.0 < b.0), "messages rise");
        assert!(self.blocks.iter().all(|block| block.seqs.count() == block.owed.len()));
        assert_eq!(self.count, packed + recent + self.odd.len());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn numbers_are_what_a_map_would_hold() {
        let (mut shares, mut map) = (Shares::default(), BTreeMap::new());
        let mut state = 9u64;
        let mut roll = |sides: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) % sides
        };
        let mut newest = 0;
        for step in 0..40_000 {
            let some = |at: u64, map: &BTreeMap<Seq, u32>| map.range(Seq(at)..).next().map(|(seq, _)| *seq);
            match roll(if step < 20_000 { 4 } else { 12 }) {
                0 | 1 => {
                    newest += 1 + roll(1 << 20);
                    let owed = [1, 2, 3, 254, 255, 300][roll(6) as usize];
                    shares.push(Seq(newest), owed);
                    map.insert(Seq(newest), owed);
                }
                2 if roll(9) == 0 => {
                    let late = Seq(roll(newest + 1));
                    if shares.get(late).is_none() {
                        shares.push_late(late, 2);
                        map.insert(late, 2);
                    }
                }
                2 => {
                    let Some(seq) = some(roll(newest + 1), &map) else { continue };
                    assert!(shares.add_one(seq));
                    *map.get_mut(&seq).unwrap() += 1;
                }
                _ => {
                    let Some(seq) = some(roll(newest + 1), &map) else { continue };
                    let left = map.get_mut(&seq).unwrap();
                    *left -= 1;
                    assert_eq!(shares.take_one(seq), Some(*left));
                    if *left == 0 {
                        map.remove(&seq);
                        shares.clear(seq);
                        assert!(matches!(shares.get(seq), None | Some(0)));
                    }
                }
            }
            if step % 499 == 0 {
                shares.check_invariants();
                assert_eq!(shares.count(), map.len());
                map.iter().for_each(|(seq, owed)| assert_eq!(shares.get(*seq), Some(*owed)));
            }
        }
        assert!(shares.blocks.len() < 100, "blocks that nobody needs are gone");
    }
}
