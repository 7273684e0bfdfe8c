//! How often something was how large.

/// Values by the bounds between which they lie.
#[derive(Debug)]
pub(super) struct Histogram<const N: usize> {
    /// Rising; a value that equals one lies below it.
    bounds: &'static [u64; N],
    counts: [u64; N],
    beyond: u64,
    sum: u64,
}

impl<const N: usize> Histogram<N> {
    pub(super) const fn new(bounds: &'static [u64; N]) -> Histogram<N> {
        Histogram { bounds, counts: [0; N], beyond: 0, sum: 0 }
    }

    pub(super) fn observe(&mut self, value: u64) {
        self.sum = self.sum.saturating_add(value);
        match self.bounds.iter().position(|bound| value <= *bound) {
            Some(at) => self.counts[at] += 1,
            None => self.beyond += 1,
        }
    }

    /// Each bound, and how many values do not exceed it.
    pub(super) fn cumulative(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let mut below = 0;
        self.bounds.iter().zip(&self.counts).map(move |(bound, count)| {
            below += count;
            (*bound, below)
        })
    }

    /// How many values there were.
    pub(super) fn count(&self) -> u64 {
        self.counts.iter().sum::<u64>() + self.beyond
    }

    pub(super) fn sum(&self) -> u64 {
        self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_is_counted_once_and_told_cumulatively() {
        let mut histogram = Histogram::new(&[10, 100, 1000]);
        for value in [0, 10, 11, 100, 101, 1001, 5000] {
            histogram.observe(value);
        }
        assert_eq!(histogram.cumulative().collect::<Vec<_>>(), [(10, 2), (100, 4), (1000, 5)]);
        assert_eq!((histogram.count(), histogram.sum()), (7, 6223));
    }
}
