//! A buffer for what goes to a socket, which is written into again and again without being zeroed anew.

use std::fmt;

/// Octets on their way to a socket. What was taken stays allocated and initialised, so a layer can write straight into the
/// [`space`](Sealed::space) behind them.
#[derive(Default)]
pub struct Sealed {
    /// Initialised to its length; what is on its way is between `start` and `end`.
    octets: Vec<u8>,
    start: usize,
    end: usize,
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealed").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl Sealed {
    /// Octets that are on their way.
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// What is on its way.
    pub fn octets(&self) -> &[u8] {
        &self.octets[self.start..self.end]
    }

    /// Appends these.
    pub fn push(&mut self, octets: &[u8]) {
        self.space(octets.len())[..octets.len()].copy_from_slice(octets);
        self.advance(octets.len());
    }

    /// At least `least` octets to write into, behind what is on its way. They hold whatever was there before.
    pub fn space(&mut self, least: usize) -> &mut [u8] {
        if self.octets.len() - self.end < least {
            self.octets.resize(self.end + least, 0);
        }
        &mut self.octets[self.end..]
    }

    /// So many octets of the space were written.
    ///
    /// # Panics
    /// If there was no such space.
    pub fn advance(&mut self, count: usize) {
        assert!(count <= self.octets.len() - self.end, "more was written than there was space for");
        self.end += count;
    }

    /// The socket took so many from the front.
    ///
    /// # Panics
    /// If there were fewer.
    pub fn taken(&mut self, count: usize) {
        assert!(count <= self.len(), "more was taken than there was");
        self.start += count;
        if self.is_empty() {
            self.clear();
        }
    }

    /// Forgets what is on its way; the memory stays.
    pub fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pushed_is_taken_in_order() {
        let mut sealed = Sealed::default();
        sealed.push(b"abc");
        let space = sealed.space(4);
        space[..2].copy_from_slice(b"de");
        sealed.advance(2);
        assert_eq!((sealed.octets(), sealed.len()), (&b"abcde"[..], 5));
        sealed.taken(4);
        assert_eq!(sealed.octets(), b"e");
        sealed.push(b"f");
        sealed.taken(2);
        assert!(sealed.is_empty());
        // What was there before is written over, not shown.
        sealed.push(b"x");
        assert_eq!(sealed.octets(), b"x");
    }
}
