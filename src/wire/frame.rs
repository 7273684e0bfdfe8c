//! Where a frame ends: the incremental reader of `hhhh{header}[data]`.
//!
//! Invariant: `partial.len() <= wanted` and `wanted` is 4 while the length is being gathered, 4 plus the
//! header's size after; octets of data are never kept here, only counted (`body_left`). So a link that is
//! between frames, or in the middle of a gigabyte, holds no buffer.

use crate::limits::{HEADER_MAX, HEADER_MIN};

/// Octets of the length prefix.
const PREFIX: usize = 4;

/// The frame cannot be read on: nothing after it can be trusted to be a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FrameError {
    /// The length is not four hex digits, or less than 8.
    HeaderLength,
}

/// The next thing found in the input.
#[derive(PartialEq, Eq, Debug)]
pub enum Piece<'a> {
    /// A whole header, without its length prefix. Call [`FrameReader::expect_body`] before going on.
    Header(&'a [u8]),
    /// The next octets of the frame's data, as many as there are.
    Body(&'a [u8]),
}

/// Cuts a stream of octets into headers and data, wherever it was split.
#[derive(Debug, Default)]
pub struct FrameReader {
    /// The part of a prefix and header that came without its end. Empty between frames.
    partial: Vec<u8>,
    /// A header was handed out from `partial`; it is emptied when the next piece is asked for.
    spent: bool,
    body_left: u64,
}

impl FrameReader {
    /// A reader at the start of a frame.
    pub fn new() -> FrameReader {
        FrameReader::default()
    }

    /// Announces how many octets of data follow the header that was just read.
    pub fn expect_body(&mut self, octets: u64) {
        debug_assert_eq!(self.body_left, 0);
        self.body_left = octets;
    }

    /// Octets of data of the present frame that have not come yet.
    pub fn body_left(&self) -> u64 {
        self.body_left
    }

    /// Whether a frame has begun and not ended.
    pub fn in_frame(&self) -> bool {
        self.body_left > 0 || (!self.partial.is_empty() && !self.spent)
    }

    /// The next piece, cut off the front of `input`; `None` when the input is used up.
    ///
    /// # Errors
    /// [`FrameError::HeaderLength`]; the reader must not be used after that.
    pub fn next<'r, 'i: 'r>(&'r mut self, input: &mut &'i [u8]) -> Result<Option<Piece<'r>>, FrameError> {
        if self.spent {
            // A long header leaves its buffer behind: idle links must not keep it.
            self.partial = Vec::new();
            self.spent = false;
        }
        if self.body_left > 0 {
            return Ok(self.body(input));
        }
        if self.partial.is_empty() && input.len() >= PREFIX {
            let size = header_size(&input[..PREFIX])?;
            if let Some(header) = input.get(PREFIX..PREFIX + size) {
                *input = &input[PREFIX + size..];
                return Ok(Some(Piece::Header(header)));
            }
        }
        self.gather(input)
    }

    fn body<'i>(&mut self, input: &mut &'i [u8]) -> Option<Piece<'i>> {
        let take = usize::try_from(self.body_left).unwrap_or(usize::MAX).min(input.len());
        if take == 0 {
            return None;
        }
        let (body, rest) = input.split_at(take);
        *input = rest;
        self.body_left -= take as u64;
        Some(Piece::Body(body))
    }

    fn gather(&mut self, input: &mut &[u8]) -> Result<Option<Piece<'_>>, FrameError> {
        if !self.fill(PREFIX, input) {
            return Ok(None);
        }
        let size = header_size(&self.partial[..PREFIX])?;
        if !self.fill(PREFIX + size, input) {
            return Ok(None);
        }
        self.spent = true;
        Ok(Some(Piece::Header(&self.partial[PREFIX..])))
    }

    /// Moves octets into `partial` until it holds `wanted`; whether it does.
    fn fill(&mut self, wanted: usize, input: &mut &[u8]) -> bool {
        let take = wanted.saturating_sub(self.partial.len()).min(input.len());
        self.partial.extend_from_slice(&input[..take]);
        *input = &input[take..];
        self.partial.len() >= wanted
    }
}

fn header_size(prefix: &[u8]) -> Result<usize, FrameError> {
    let mut size = 0;
    for &digit in prefix {
        let value = char::from(digit).to_digit(16).ok_or(FrameError::HeaderLength)?;
        size = size << 4 | value as usize;
    }
    if size < HEADER_MIN {
        return Err(FrameError::HeaderLength);
    }
    debug_assert!(size <= HEADER_MAX);
    Ok(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a reader makes of `input` cut into pieces of `step` octets; bodies are 5 octets after each header.
    fn read(input: &[u8], step: usize) -> (Vec<String>, Option<FrameError>) {
        let mut reader = FrameReader::new();
        let mut seen = Vec::new();
        let mut body = String::new();
        for chunk in input.chunks(step) {
            let mut rest = chunk;
            loop {
                let header = match reader.next(&mut rest) {
                    Ok(Some(Piece::Header(header))) => {
                        seen.push(String::from_utf8_lossy(header).into_owned());
                        true
                    }
                    Ok(Some(Piece::Body(octets))) => {
                        body.push_str(&String::from_utf8_lossy(octets));
                        false
                    }
                    Ok(None) => break,
                    Err(error) => return (seen, Some(error)),
                };
                if header {
                    reader.expect_body(5);
                } else if reader.body_left() == 0 {
                    seen.push(std::mem::take(&mut body));
                }
            }
        }
        assert_eq!(reader.in_frame(), !input.is_empty() && !input.ends_with(b"world"));
        (seen, None)
    }

    #[test]
    fn frames_come_out_the_same_however_they_are_split() {
        let input = b"0008{\"op\":0}hello000E{\"a\":\"1 5678\"}world";
        for step in 1..=input.len() {
            let (seen, error) = read(input, step);
            assert_eq!(error, None);
            assert_eq!(seen, ["{\"op\":0}", "hello", "{\"a\":\"1 5678\"}", "world"].map(String::from), "step {step}");
        }
    }

    #[test]
    fn lengths_are_hex_in_either_case_and_at_least_8() {
        for (input, error) in
            [("0007{}", true), ("00g8{}", true), ("+008{}", true), ("0x08", true), ("GET /", true), ("00aF", false), ("00Af{", false)]
        {
            for step in [1, 100] {
                assert_eq!(read(input.as_bytes(), step).1.is_some(), error, "{input}");
            }
        }
    }

    #[test]
    fn nothing_is_kept_between_frames() {
        let mut reader = FrameReader::new();
        let mut input: &[u8] = b"00";
        assert_eq!(reader.next(&mut input), Ok(None));
        let mut input: &[u8] = b"08{\"op\":0}";
        assert!(matches!(reader.next(&mut input), Ok(Some(Piece::Header(_)))));
        let mut input: &[u8] = b"";
        assert_eq!(reader.next(&mut input), Ok(None));
        assert_eq!(reader.partial.capacity(), 0);
    }
}
