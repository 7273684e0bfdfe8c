//! Frames, put together from what a link brings.

use mnm::wire::{FrameReader, Piece};

use crate::{LinkError, Reply};

/// A frame from the relay, or a piece of one.
#[derive(Debug)]
pub struct Frame<'a> {
    /// What the header says.
    pub reply: Reply<'a>,
    /// The header as it came, for its checksum and for fields that [`Reply`] does not look at.
    pub header: &'a [u8],
    /// The data; of a large frame the next piece of it.
    pub body: &'a [u8],
    /// Octets of data that are still to come: 0 for a whole frame and for the last piece.
    pub left: u64,
}

/// Takes the frames of a link; may answer into the link's output.
pub trait Sink {
    /// The next frame. An error ends the link.
    ///
    /// # Errors
    /// Whatever the sink cannot bear.
    fn frame(&mut self, frame: &Frame<'_>, out: &mut Vec<u8>) -> Result<(), LinkError>;

    /// Frames with more octets of data than this come in pieces, each with the same header.
    fn whole_max(&self) -> u64 {
        u64::MAX
    }
}

/// A body's buffer that has grown beyond this is given back when it is empty.
const KEEP: usize = 64 << 10;

/// Puts frames together.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    reader: FrameReader,
    header: Vec<u8>,
    body: Vec<u8>,
    body_len: u64,
    /// Octets of the frame's data that have not come.
    left: u64,
}

impl Inbox {
    pub(crate) fn take(&mut self, mut input: &[u8], out: &mut Vec<u8>, sink: &mut impl Sink) -> Result<(), LinkError> {
        loop {
            let next = self.reader.next(&mut input).map_err(|_| LinkError::Protocol("a frame's length is no hex number".into()))?;
            match next {
                None => return Ok(()),
                Some(Piece::Header(header)) => {
                    self.header.clear();
                    self.header.extend_from_slice(header);
                    let reply = parse(&self.header)?;
                    self.body_len = reply.data_len;
                    self.left = self.body_len;
                    self.reader.expect_body(self.body_len);
                    if self.body_len == 0 {
                        sink.frame(&Frame { reply, header: &self.header, body: &[], left: 0 }, out)?;
                    }
                }
                // Whole at once, or not to be gathered.
                Some(Piece::Body(part)) if part.len() as u64 == self.body_len || self.body_len > sink.whole_max() => {
                    self.left -= part.len() as u64;
                    sink.frame(&Frame { reply: parse(&self.header)?, header: &self.header, body: part, left: self.left }, out)?;
                }
                Some(Piece::Body(part)) => {
                    self.body.extend_from_slice(part);
                    if self.body.len() as u64 == self.body_len {
                        let frame = Frame { reply: parse(&self.header)?, header: &self.header, body: &self.body, left: 0 };
                        sink.frame(&frame, out)?;
                        self.body.clear();
                        self.body.shrink_to(KEEP);
                    }
                }
            }
        }
    }
}

fn parse(header: &[u8]) -> Result<Reply<'_>, LinkError> {
    Reply::parse(header).ok_or_else(|| LinkError::Protocol(format!("header {}", String::from_utf8_lossy(header))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mnm::wire::HeaderWriter;

    struct Log {
        whole_max: u64,
        seen: Vec<(String, Vec<u8>, u64)>,
    }

    impl Sink for Log {
        fn frame(&mut self, frame: &Frame<'_>, _: &mut Vec<u8>) -> Result<(), LinkError> {
            self.seen.push((frame.reply.id.to_owned(), frame.body.to_vec(), frame.left));
            Ok(())
        }

        fn whole_max(&self) -> u64 {
            self.whole_max
        }
    }

    fn frames() -> Vec<u8> {
        let mut octets = HeaderWriter::new().number("datalen", 5).text("id", "a").text("op", "x").finish();
        octets.extend_from_slice(b"12345");
        octets.extend_from_slice(&HeaderWriter::new().text("id", "b").text("op", "x").finish());
        octets
    }

    #[test]
    fn frames_are_whole_however_they_were_cut() {
        let octets = frames();
        for cut in 0..=octets.len() {
            let (mut inbox, mut log) = (Inbox::default(), Log { whole_max: 5, seen: Vec::new() });
            for part in [&octets[..cut], &octets[cut..]] {
                inbox.take(part, &mut Vec::new(), &mut log).unwrap();
            }
            assert_eq!(log.seen, [("a".into(), b"12345".to_vec(), 0), ("b".into(), vec![], 0)]);
        }
    }

    #[test]
    fn large_ones_come_in_pieces() {
        let octets = frames();
        let (mut inbox, mut log) = (Inbox::default(), Log { whole_max: 4, seen: Vec::new() });
        let cut = octets.windows(5).position(|w| w == b"12345").unwrap() + 2;
        for part in [&octets[..cut], &octets[cut..]] {
            inbox.take(part, &mut Vec::new(), &mut log).unwrap();
        }
        assert_eq!(log.seen, [("a".into(), b"12".to_vec(), 3), ("a".into(), b"345".to_vec(), 0), ("b".into(), vec![], 0)]);
    }

    #[test]
    fn nonsense_is_an_error() {
        for nonsense in [&b"xyz{"[..], b"0008{\"op\":1}", b"HTTP/1.1 400"] {
            let result = Inbox::default().take(nonsense, &mut Vec::new(), &mut Log { whole_max: 4, seen: Vec::new() });
            assert!(matches!(result, Err(LinkError::Protocol(_))));
        }
    }
}
