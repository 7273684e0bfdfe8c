//! Octets: the handful of shapes every record is made of.
//!
//! Numbers are LEB128 (7 bits an octet, lowest first, no octet more than it takes), lists of rising numbers hold differences,
//! and strings and byte strings have their length before them.

use super::DecodeError;
use crate::base::Wall;

pub(crate) fn put_number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Writes a date to the millisecond.
pub(super) fn put_wall(out: &mut Vec<u8>, at: Wall) {
    put_number(out, at.millis());
}

/// Writes numbers that rise, or at least never fall, as differences.
pub(super) fn put_rising(out: &mut Vec<u8>, numbers: impl ExactSizeIterator<Item = u64>) {
    put_number(out, numbers.len() as u64);
    let mut last = 0;
    for number in numbers {
        debug_assert!(number >= last);
        put_number(out, number - last);
        last = number;
    }
}

/// Reads a record from its front.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(octets: &'a [u8]) -> Reader<'a> {
        Reader { rest: octets }
    }

    pub(super) fn octet(&mut self) -> Result<u8, DecodeError> {
        let (&first, rest) = self.rest.split_first().ok_or(DecodeError::Short)?;
        self.rest = rest;
        Ok(first)
    }

    pub(crate) fn number(&mut self) -> Result<u64, DecodeError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let octet = self.octet()?;
            let bits = u64::from(octet & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(DecodeError::Number);
            }
            value |= bits << shift;
            if octet & 0x80 == 0 {
                // Zeroes at the end are none of ours: a number has one form.
                let shortest = octet != 0 || shift == 0;
                return if shortest { Ok(value) } else { Err(DecodeError::Number) };
            }
        }
        Err(DecodeError::Number)
    }

    pub(super) fn number32(&mut self) -> Result<u32, DecodeError> {
        u32::try_from(self.number()?).map_err(|_| DecodeError::Number)
    }

    pub(super) fn wall(&mut self) -> Result<Wall, DecodeError> {
        Wall::from_millis(self.number()?).ok_or(DecodeError::Number)
    }

    pub(super) fn take(&mut self, octets: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.rest.split_at_checked(octets).ok_or(DecodeError::Short)?;
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        Ok(self.take(N)?.try_into().expect("take gave N octets"))
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = usize::try_from(self.number()?).map_err(|_| DecodeError::Number)?;
        self.take(length)
    }

    pub(super) fn text(&mut self) -> Result<String, DecodeError> {
        String::from_utf8(self.bytes()?.to_vec()).map_err(|_| DecodeError::Text)
    }

    pub(super) fn rising<T>(&mut self, make: impl Fn(u64) -> Option<T>) -> Result<Vec<T>, DecodeError> {
        let count = self.number()?;
        // Every entry takes an octet at least, so a wrong count cannot make us reserve much.
        let mut numbers = Vec::with_capacity(usize::try_from(count).unwrap_or(usize::MAX).min(self.rest.len()));
        let mut last = 0u64;
        for _ in 0..count {
            last = last.checked_add(self.number()?).ok_or(DecodeError::Number)?;
            numbers.push(make(last).ok_or(DecodeError::Number)?);
        }
        Ok(numbers)
    }

    pub(super) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    pub(super) fn end(&self) -> Result<(), DecodeError> {
        if self.rest.is_empty() { Ok(()) } else { Err(DecodeError::Long) }
    }
}
