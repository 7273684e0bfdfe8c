//! Some consecutive numbers, packed: the middle of a long list.

use crate::base::Seq;
use crate::record::{Reader, put_number};

/// Numbers in a new block. A search in the packed part costs the unpacking of one: some hundred nanoseconds.
pub(super) const BLOCK: usize = 128;

/// A number with what it weighs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Entry {
    /// In halves: a whole one would be aligned, and a quarter of the entry a gap.
    seq: [u32; 2],
    pub(super) weight: u32,
}

impl Entry {
    pub(super) fn new(seq: Seq, weight: u32) -> Entry {
        Entry { seq: [(seq.0 >> 32) as u32, seq.0 as u32], weight }
    }

    pub(super) fn seq(&self) -> Seq {
        let [high, low] = self.seq.map(u64::from);
        Seq(high << 32 | low)
    }
}

/// Numbers as the differences between them, and perhaps the weight of each: seven bits an octet, the lowest first.
#[derive(Debug)]
pub(super) struct Block {
    first: Seq,
    /// The distance from the first to the last, the count, the differences; then the weights, if they have any.
    packed: Box<[u8]>,
}

impl Block {
    /// Packs numbers that have no weight.
    ///
    /// # Panics
    /// If there is no number to pack.
    pub(super) fn pack(seqs: &[Seq]) -> Block {
        Block { first: seqs[0], packed: exactly(&pack(seqs)) }
    }

    /// Packs numbers with their weights.
    ///
    /// # Panics
    /// If there is no number to pack.
    pub(super) fn pack_entries(entries: &[Entry]) -> Block {
        let seqs: Vec<Seq> = entries.iter().map(|entry| entry.seq()).collect();
        let mut packed = pack(&seqs);
        entries.iter().for_each(|entry| put_number(&mut packed, u64::from(entry.weight)));
        Block { first: seqs[0], packed: exactly(&packed) }
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

    pub(super) fn last(&self) -> Seq {
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

    /// The numbers with their weights.
    ///
    /// # Panics
    /// If they were packed without.
    pub(super) fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        let (_, count, mut weights) = self.open();
        // The weights stand behind the differences, of which there is one fewer than numbers.
        for _ in 1..count {
            weights.number().expect("pack wrote as many as it counted");
        }
        self.iter().map(move |seq| {
            let weight = weights.number().expect("pack_entries wrote one for each");
            Entry::new(seq, u32::try_from(weight).expect("pack_entries wrote 32 bits at most"))
        })
    }

    /// Octets that it takes, but for what the allocator adds.
    #[cfg(test)]
    pub(super) fn octets(&self) -> usize {
        size_of::<Block>() + self.packed.len()
    }
}

fn pack(seqs: &[Seq]) -> Vec<u8> {
    let (first, last) = (seqs[0], seqs[seqs.len() - 1]);
    let mut packed = Vec::with_capacity(16 + seqs.len() * 6);
    put_number(&mut packed, last.0 - first.0);
    put_number(&mut packed, seqs.len() as u64);
    for pair in seqs.windows(2) {
        put_number(&mut packed, pair[1].0 - pair[0].0);
    }
    packed
}

/// A copy without room to spare: a buffer that was cut to its size would leave holes too small for the next one.
fn exactly(octets: &[u8]) -> Box<[u8]> {
    octets.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_out_again() {
        for count in [1, 2, 127, 128, 500u64] {
            let weight = |n: u64| [4, 127, 128, 16_383, 16_384, u32::MAX][n as usize % 6];
            let entries: Vec<Entry> = (0..count).map(|n| Entry::new(Seq(n * n * 1_000_003 + n), weight(n))).collect();
            let seqs: Vec<Seq> = entries.iter().map(|entry| entry.seq()).collect();
            let (heavy, bare) = (Block::pack_entries(&entries), Block::pack(&seqs));
            assert!(heavy.entries().eq(entries.iter().copied()));
            for block in [heavy, bare] {
                assert!(block.iter().eq(seqs.iter().copied()));
                assert_eq!((block.first(), block.last(), block.count()), (seqs[0], seqs[seqs.len() - 1], seqs.len()));
                assert_eq!(block.position(seqs[seqs.len() / 2]), Some(seqs.len() / 2));
                assert_eq!(block.position(Seq(seqs[0].0 + 1)), None);
            }
        }
    }
}
