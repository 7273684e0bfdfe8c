//! The octets of a segment: its header, its records, and the places that name them.
//!
//! `docs/STORE_FORMAT.md` has the tables; a change here bumps [`VERSION`] and touches that file too.
//! Everything is little-endian and records start at multiples of eight.
//!
//! A record is valid only where it was written: both of its checksums are seeded with the segment's
//! secret salt and the record's own place. So neither an old life of a recycled file, nor a payload
//! that was made to look like a record, nor a misdirected write is ever taken for one.

use std::fmt;

use crate::base::Seq;
use crate::limits::{RECORD_MAX, SEGMENT_BYTES_MAX};

/// How every segment begins.
pub(super) const MAGIC: [u8; 8] = *b"mnm\0seg\n";
/// The version of the format that is written, and the newest that is read.
pub(super) const VERSION: u32 = 1;
/// Octets of a segment's header; the first record follows.
pub(super) const SEGMENT_HEADER: usize = 64;
/// Octets of a record's header; its payload follows.
pub(super) const RECORD_HEADER: usize = 32;
/// Records start at multiples of this.
pub(super) const ALIGN: usize = 8;

/// Octets of a [`Manifest`] in its record.
pub(super) const MANIFEST_BYTES: usize = 40;
/// Octets of a segment's number in the payload of [`Kind::Drop`] and [`Kind::Seal`].
pub(super) const NUMBER_BYTES: usize = 8;
/// What a segment holds besides records of others: header, manifest and seal.
pub(super) const SEGMENT_OVERHEAD: usize = SEGMENT_HEADER + footprint(MANIFEST_BYTES) + CLOSING;
/// Room that is kept free at the end of the tail for its seal and, before that, one mark without payload.
pub(super) const CLOSING: usize = footprint(NUMBER_BYTES) + footprint(0);

const OFFSET_BITS: u32 = 28;
const _: () = assert!((SEGMENT_BYTES_MAX as u64) < (ALIGN as u64) << OFFSET_BITS, "an offset must fit its bits, the end included");

/// Octets that a payload of this length takes in a segment.
pub(super) const fn footprint(payload: usize) -> usize {
    (RECORD_HEADER + payload).next_multiple_of(ALIGN)
}

/// A position in the log: segment number and offset, in the order they were written.
///
/// Packed into 64 bits: 36 of the number (at 1 MiB a segment, 64 PiB of log), 28 of the offset in units of eight.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Place(u64);

impl Place {
    /// Before everything.
    pub(super) const ZERO: Place = Place(0);

    pub(super) fn new(number: u64, offset: usize) -> Place {
        assert!(number >> (64 - OFFSET_BITS) == 0, "segment numbers have 36 bits");
        assert!(offset.is_multiple_of(ALIGN) && offset < ALIGN << OFFSET_BITS, "no place at offset {offset}");
        Place(number << OFFSET_BITS | (offset / ALIGN) as u64)
    }

    pub(super) fn number(self) -> u64 {
        self.0 >> OFFSET_BITS
    }

    pub(super) fn offset(self) -> usize {
        (self.0 & ((1 << OFFSET_BITS) - 1)) as usize * ALIGN
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:010x}+{}", self.number(), self.offset())
    }
}

/// What stands at the start of a segment's file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SegmentHeader {
    pub(super) number: u64,
    pub(super) salt: u64,
    /// The size of the file.
    pub(super) bytes: u32,
}

/// Why octets are no header of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum HeaderFault {
    /// Written by a later version of the format.
    Newer(u32),
    /// Neither ours nor a later version's: rot, or a file of something else.
    Damaged,
}

impl SegmentHeader {
    pub(super) fn encode(&self) -> [u8; SEGMENT_HEADER] {
        let mut out = [0; SEGMENT_HEADER];
        out[0..8].copy_from_slice(&MAGIC);
        out[8..12].copy_from_slice(&VERSION.to_le_bytes());
        out[12..16].copy_from_slice(&self.bytes.to_le_bytes());
        out[16..24].copy_from_slice(&self.number.to_le_bytes());
        out[24..32].copy_from_slice(&self.salt.to_le_bytes());
        let crc = crc32c::crc32c(&out[..60]);
        out[60..64].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// Magic, version and checksum stay where they are in every later version, so that an old program can tell.
    pub(super) fn decode(bytes: &[u8; SEGMENT_HEADER]) -> Result<SegmentHeader, HeaderFault> {
        let intact = bytes[0..8] == MAGIC && u32_at(bytes, 60) == crc32c::crc32c(&bytes[..60]);
        if !intact {
            return Err(HeaderFault::Damaged);
        }
        match u32_at(bytes, 8) {
            VERSION => Ok(SegmentHeader { bytes: u32_at(bytes, 12), number: u64_at(bytes, 16), salt: u64_at(bytes, 24) }),
            newer if newer > VERSION => Err(HeaderFault::Newer(newer)),
            _ => Err(HeaderFault::Damaged),
        }
    }
}

/// What a record is for. Zero is none, so that zeroes are never a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// The caller's, where it was first written.
    Data = 1,
    /// The caller's, copied forward: its seq is older than those around it.
    Moved = 2,
    /// First in every segment that has been the tail.
    Manifest = 3,
    /// The segment named in the payload holds nothing that is needed.
    Drop = 4,
    /// Last in a segment; the payload names the next.
    Seal = 5,
    /// Names the durable end before it and nothing else.
    Mark = 6,
    /// As `Mark`, and the store was closed after it.
    Clean = 7,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Kind> {
        [Kind::Data, Kind::Moved, Kind::Manifest, Kind::Drop, Kind::Seal, Kind::Mark, Kind::Clean]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
    }
}

/// What stands before a record's payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct RecordHeader {
    /// Octets of payload.
    pub(super) len: usize,
    pub(super) kind: Kind,
    /// The last record of its batch.
    pub(super) end: bool,
    /// Zero for records that are not the caller's.
    pub(super) seq: Seq,
    /// Everything before this place was on stable storage when the record was written.
    pub(super) durable: Place,
}

impl RecordHeader {
    /// Octets of the record in the segment.
    pub(super) fn footprint(&self) -> usize {
        footprint(self.len)
    }

    /// Appends the record, sealed for `place` in a segment of this salt.
    pub(super) fn encode(&self, salt: u64, place: Place, payload: &[u8], out: &mut Vec<u8>) {
        assert_eq!(payload.len(), self.len);
        let start = out.len();
        let mut head = [0; RECORD_HEADER];
        head[8..12].copy_from_slice(&u32::try_from(self.len).expect("a record is far below 4 GiB").to_le_bytes());
        head[12] = self.kind as u8;
        head[13] = u8::from(self.end);
        head[16..24].copy_from_slice(&self.seq.0.to_le_bytes());
        head[24..32].copy_from_slice(&self.durable.0.to_le_bytes());
        let seed = seed(salt, place);
        let head_crc = crc32c::crc32c_append(seed, &head[8..]);
        head[4..8].copy_from_slice(&head_crc.to_le_bytes());
        let crc = crc32c::crc32c_append(crc32c::crc32c_append(seed, &head[4..]), payload);
        head[0..4].copy_from_slice(&crc.to_le_bytes());
        out.extend_from_slice(&head);
        out.extend_from_slice(payload);
        out.resize(start + self.footprint(), 0);
    }

    /// Reads a header that was written for exactly this place; its payload is still to be checked.
    pub(super) fn decode(salt: u64, place: Place, head: &[u8]) -> Option<RecordHeader> {
        // The cheap looks first: recovery tries this at every eighth octet of a tail.
        let kind = Kind::from_byte(head[12])?;
        let len = u32_at(head, 8) as usize;
        if head[13] > 1 || head[14..16] != [0, 0] || len > RECORD_MAX {
            return None;
        }
        if u32_at(head, 4) != crc32c::crc32c_append(seed(salt, place), &head[8..RECORD_HEADER]) {
            return None;
        }
        Some(RecordHeader { len, kind, end: head[13] == 1, seq: Seq(u64_at(head, 16)), durable: Place(u64_at(head, 24)) })
    }
}

/// What a walk from record to record looks at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Peek {
    /// Of the caller's records.
    pub(super) seq: Option<Seq>,
    /// It is a copy.
    pub(super) moved: bool,
    /// Octets to the next record.
    pub(super) footprint: usize,
    /// Octets of payload.
    pub(super) len: usize,
}

/// The head of a record that recovery or this process has checked; `None` where there is none.
pub(super) fn peek(record: &[u8]) -> Option<Peek> {
    let head = record.get(..RECORD_HEADER)?;
    let kind = Kind::from_byte(head[12])?;
    let len = u32_at(head, 8) as usize;
    let seq = matches!(kind, Kind::Data | Kind::Moved).then(|| Seq(u64_at(head, 16)));
    Some(Peek { seq, moved: kind == Kind::Moved, footprint: footprint(len), len })
}

/// Whether header and payload are what was written for this place.
pub(super) fn intact(salt: u64, place: Place, head: &[u8], payload: &[u8]) -> bool {
    let crc = crc32c::crc32c_append(seed(salt, place), &head[4..RECORD_HEADER]);
    u32_at(head, 0) == crc32c::crc32c_append(crc, payload)
}

fn seed(salt: u64, place: Place) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&salt.to_le_bytes()), &place.0.to_le_bytes())
}

/// The first record of a segment: what else must be there for the log to be whole.
///
/// The set of needed segments is told by its size and two sums over it, whatever their number: enough to see
/// that one is missing, and which if it is only one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Manifest {
    /// How many earlier segments are needed.
    pub(super) count: u64,
    /// The sum of their numbers.
    pub(super) sum: u64,
    /// The sum of their scrambled numbers.
    pub(super) mix: u64,
    /// The newest record that was ever appended before, alive or not: seqs never go back.
    pub(super) newest: Seq,
    /// The segment that this one was written to take the place of; zero for none.
    pub(super) replaces: u64,
}

impl Manifest {
    /// Adds a segment to the set.
    pub(super) fn add(&mut self, number: u64) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(number);
        self.mix = self.mix.wrapping_add(scramble(number));
    }

    /// Whether both name the same set of segments.
    pub(super) fn same_set(&self, other: &Manifest) -> bool {
        (self.count, self.sum, self.mix) == (other.count, other.sum, other.mix)
    }

    pub(super) fn encode(&self) -> [u8; MANIFEST_BYTES] {
        let mut out = [0; MANIFEST_BYTES];
        for (field, value) in out.chunks_exact_mut(8).zip([self.count, self.sum, self.mix, self.newest.0, self.replaces]) {
            field.copy_from_slice(&value.to_le_bytes());
        }
        out
    }

    pub(super) fn decode(payload: &[u8]) -> Option<Manifest> {
        let fields = |i: usize| u64_at(payload, i * 8);
        (payload.len() == MANIFEST_BYTES).then(|| Manifest {
            count: fields(0),
            sum: fields(1),
            mix: fields(2),
            newest: Seq(fields(3)),
            replaces: fields(4),
        })
    }
}

/// Reads the number in the payload of a drop or seal.
pub(super) fn decode_number(payload: &[u8]) -> Option<u64> {
    payload.try_into().ok().map(u64::from_le_bytes)
}

/// The finalizer of splitmix64 (Steele, Lea and Flood 2014): unrelated sums for related sets.
fn scramble(number: u64) -> u64 {
    let x = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four octets"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight octets"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_valid_only_at_its_own_place_under_its_own_salt() {
        let head = RecordHeader { len: 5, kind: Kind::Data, end: true, seq: Seq(7), durable: Place::new(3, 64) };
        let place = Place::new(3, 128);
        let mut bytes = Vec::new();
        head.encode(11, place, b"hello", &mut bytes);
        assert_eq!(bytes.len(), 40);
        assert_eq!(RecordHeader::decode(11, place, &bytes), Some(head));
        assert!(intact(11, place, &bytes, b"hello"));
        assert!(!intact(11, place, &bytes, b"hellp"));
        assert_eq!(RecordHeader::decode(12, place, &bytes), None);
        assert_eq!(RecordHeader::decode(11, Place::new(3, 136), &bytes), None);
        assert_eq!(RecordHeader::decode(0, Place::ZERO, &[0; RECORD_HEADER]), None);
    }

    #[test]
    fn places_keep_their_order_and_parts() {
        let place = Place::new(0x2_3456_789a, 4088);
        assert_eq!((place.number(), place.offset()), (0x2_3456_789a, 4088));
        assert!(Place::new(1, 1 << 20) < Place::new(2, 64));
    }

    #[test]
    fn a_header_tells_newer_from_broken() {
        let header = SegmentHeader { number: 9, salt: 10, bytes: 4096 };
        let mut bytes = header.encode();
        assert_eq!(SegmentHeader::decode(&bytes), Ok(header));
        bytes[8] = 2;
        assert_eq!(SegmentHeader::decode(&bytes), Err(HeaderFault::Damaged));
        let crc = crc32c::crc32c(&bytes[..60]);
        bytes[60..].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(SegmentHeader::decode(&bytes), Err(HeaderFault::Newer(2)));
    }

    #[test]
    fn a_manifest_knows_its_set() {
        let mut one = Manifest { newest: Seq(5), ..Manifest::default() };
        let mut other = Manifest::default();
        for (a, b) in [(1, 2), (4, 3)] {
            one.add(a);
            other.add(b);
        }
        assert_eq!((one.count, one.sum), (other.count, other.sum));
        assert!(!one.same_set(&other));
        assert_eq!(Manifest::decode(&one.encode()), Some(one));
    }
}
