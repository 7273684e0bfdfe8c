//! A set of sequence numbers that costs little as long as they come roughly in order.

use std::ops::Range;

/// Disjoint, rising, never touching runs of numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct SeqSet {
    runs: Vec<Range<u64>>,
}

impl SeqSet {
    /// Adds a number; whether it was new.
    pub(crate) fn insert(&mut self, number: u64) -> bool {
        if let Some(last) = self.runs.last_mut()
            && last.end == number
        {
            last.end += 1;
            return true;
        }
        let at = self.run_ending_after(number);
        if self.runs.get(at).is_some_and(|run| run.contains(&number)) {
            return false;
        }
        let touches_left = at > 0 && self.runs[at - 1].end == number;
        let touches_right = self.runs.get(at).is_some_and(|run| run.start == number + 1);
        match (touches_left, touches_right) {
            (true, true) => self.runs[at - 1].end = self.runs.remove(at).end,
            (true, false) => self.runs[at - 1].end += 1,
            (false, true) => self.runs[at].start -= 1,
            (false, false) => self.runs.insert(at, number..number + 1),
        }
        true
    }

    /// How many numbers are here.
    pub(crate) fn len(&self) -> u64 {
        self.runs.iter().map(|run| run.end - run.start).sum()
    }

    /// How many numbers are here and not in `other`.
    pub(crate) fn count_missing_from(&self, other: &SeqSet) -> u64 {
        let overlap = |run: &Range<u64>| -> u64 {
            let from = other.run_ending_after(run.start);
            let near = other.runs[from..].iter().take_while(|o| o.start < run.end);
            near.map(|o| o.end.min(run.end) - o.start.max(run.start)).sum()
        };
        self.runs.iter().map(|run| run.end - run.start - overlap(run)).sum()
    }

    fn run_ending_after(&self, number: u64) -> usize {
        self.runs.partition_point(|run| run.end <= number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn it_agrees_with_a_plain_set() {
        let (mut ours, mut plain, mut state) = (SeqSet::default(), BTreeSet::new(), 1u64);
        let mut others = (SeqSet::default(), BTreeSet::new());
        for _ in 0..2000 {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let number = state >> 33 & 255;
            if state >> 60 < 8 {
                assert_eq!(ours.insert(number), plain.insert(number));
            } else if state >> 60 < 11 {
                assert_eq!(others.0.insert(number), others.1.insert(number));
            }
            assert_eq!(ours.count_missing_from(&others.0), plain.difference(&others.1).count() as u64);
            assert_eq!(ours.len(), plain.len() as u64);
            assert!(ours.runs.windows(2).all(|w| w[0].end < w[1].start), "{ours:?}");
        }
    }
}
