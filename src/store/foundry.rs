//! Where segments come from and where they go: making, zeroing, recycling and removing their files.
//!
//! A segment's file is `fresh.new` or `<number>.new` until its header is on stable storage, and `<number>.seg` after: so a `.seg`
//! whose header is damaged is rot and never a making that was cut short. A dead segment's file gets a
//! new number and a new salt by the same way; nothing of its old life is valid under them, so it needs no zeroing.
//! Every step ends with the directory synced, so names change in the order in which they were asked to.

use std::cell::Cell;
use std::io;

use crate::base::{Entropy, Seq};
use crate::limits::ZERO_SLICE;

use super::format::{SEGMENT_HEADER, SegmentHeader};
use super::{Disk, DiskFile, StoreError};

static ZEROES: [u8; ZERO_SLICE] = [0; ZERO_SLICE];

/// A segment in use, or ready for it.
#[derive(Debug)]
pub(super) struct Segment<F> {
    pub(super) header: SegmentHeader,
    pub(super) file: F,
    /// Where the next record goes; of the tail this includes what is pending.
    pub(super) end: usize,
    /// Octets of the live records in it.
    pub(super) live: usize,
    /// The lowest and the highest seq that was ever written here.
    pub(super) reach: Option<(Seq, Seq)>,
    /// Which of its 64 equal parts were read since its memory was last given back, a bit each.
    pub(super) touched: Cell<u64>,
}

impl<F> Segment<F> {
    pub(super) fn number(&self) -> u64 {
        self.header.number
    }

    pub(super) fn bytes(&self) -> usize {
        self.header.bytes as usize
    }

    /// Notes that these octets are read through the map; how many octets of memory that may newly fill. The system
    /// maps 64 KiB around what is read, in a segment of the default size one part: so of many small records that lie
    /// close only the first costs, and of those that lie apart each does.
    pub(super) fn touch(&self, offset: usize, len: usize) -> usize {
        let part = self.bytes().div_ceil(64);
        let (first, last) = (offset / part, (offset + len.max(1) - 1) / part);
        let parts = (u64::MAX << first) & (u64::MAX >> (63 - last));
        let fresh = parts & !self.touched.replace(self.touched.get() | parts);
        fresh.count_ones() as usize * part
    }

    /// A record of this seq is or was here.
    pub(super) fn extend_reach(&mut self, seq: Seq) {
        widen(&mut self.reach, seq);
    }

    /// Whether a record of this seq may be here.
    pub(super) fn reaches(&self, seq: Seq) -> bool {
        self.reach.is_some_and(|(low, high)| low <= seq && seq <= high)
    }
}

/// Takes a seq into the range from the lowest to the highest.
pub(super) fn widen(reach: &mut Option<(Seq, Seq)>, seq: Seq) {
    let (low, high) = reach.unwrap_or((seq, seq));
    *reach = Some((low.min(seq), high.max(seq)));
}

/// A file on its way to be a segment.
#[derive(Debug)]
pub(super) struct Making<F> {
    file: F,
    /// The first octet that is not zeroed yet.
    zeroed: u64,
    /// The zeroes are on the disk.
    synced: bool,
}

impl<F: DiskFile> Making<F> {
    pub(super) fn size(&self) -> u64 {
        self.file.size()
    }
}

/// The disk, and what it takes to make segments on it.
pub(super) struct Foundry<D: Disk> {
    pub(super) disk: D,
    pub(super) entropy: Box<dyn Entropy>,
    /// The size of new segments.
    pub(super) segment_bytes: u32,
    /// No segment had this number or a higher one.
    pub(super) next_number: u64,
}

/// The name of a segment.
pub(super) fn seg_name(number: u64) -> String {
    format!("{number:010x}.seg")
}

/// The name of a new segment in the making. There is one at a time, and it gets its number when it is ready: given
/// before, the tail might overtake it.
pub(super) const FRESH: &str = "fresh.new";

/// The name of an old segment on its way to be a new one.
pub(super) fn new_name(number: u64) -> String {
    format!("{number:010x}.new")
}

/// The number in a name that is exactly what the given function makes of it.
pub(super) fn number_of(name: &str, form: fn(u64) -> String) -> Option<u64> {
    let number = u64::from_str_radix(name.get(..10)?, 16).ok()?;
    (number > 0 && number < 1 << 36 && form(number) == name).then_some(number)
}

impl<D: Disk> Foundry<D> {
    /// Reserves the space of a new segment.
    ///
    /// # Errors
    /// `Full`, and then nothing has changed.
    pub(super) fn begin(&mut self, bytes: u32) -> Result<Making<D::File>, StoreError> {
        let file =
            self.disk.create(FRESH, bytes.into()).map_err(|e| StoreError::making("make", self.disk.describe(FRESH), bytes.into(), e))?;
        Ok(Making { file, zeroed: 0, synced: false })
    }

    /// Zeroes one slice more, and after the last one waits for all of them; returns whether that was done before.
    ///
    /// # Errors
    /// `Full` where the space could not be reserved, and then the file is removed.
    pub(super) fn zero(&mut self, making: &mut Making<D::File>) -> Result<bool, StoreError> {
        if making.synced {
            return Ok(true);
        }
        let size = making.file.size();
        let slice = (size - making.zeroed).min(ZERO_SLICE as u64);
        // A slice is on its way as soon as it is written, or the sync at the end would stall the loop for the whole file. A sync
        // for each would stall it too: the space is new, so each would wait for the file system's journal.
        let written = match slice {
            0 => making.file.sync_data(),
            _ => making.file.write_at(making.zeroed, &ZEROES[..slice as usize]).map(|()| making.file.begin_sync(making.zeroed, slice)),
        };
        if let Err(e) = written {
            let error = StoreError::making("zero", self.disk.describe(FRESH), size, e);
            if error.is_full() {
                self.remove(FRESH)?;
            }
            return Err(error);
        }
        making.zeroed += slice;
        making.synced = slice == 0;
        Ok(false)
    }

    /// Zeroes the rest and makes it a segment.
    pub(super) fn finish(&mut self, mut making: Making<D::File>) -> Result<Segment<D::File>, StoreError> {
        while !self.zero(&mut making)? {}
        let number = self.next_number;
        self.next_number += 1;
        self.christen(FRESH, number, making.file)
    }

    /// Makes a new segment at once.
    pub(super) fn make(&mut self, bytes: u32) -> Result<Segment<D::File>, StoreError> {
        let making = self.begin(bytes)?;
        self.finish(making)
    }

    /// Makes a segment of this number of a file whose content is needed no more.
    pub(super) fn remake(&mut self, from: &str, number: u64) -> Result<Segment<D::File>, StoreError> {
        let name = new_name(number);
        // Opened first: it may fail for want of a descriptor, and then nothing has changed.
        let file = self.disk.open(from).map_err(|e| StoreError::making("open", self.disk.describe(from), 0, e))?;
        if from != name {
            self.disk.rename(from, &name).map_err(|e| self.failed("rename", from, e))?;
            self.sync_dir()?;
        }
        self.christen(&name, number, file)
    }

    /// The size of a file.
    ///
    /// # Errors
    /// As for [`remake`](Foundry::remake).
    pub(super) fn size_of(&mut self, name: &str) -> Result<u64, StoreError> {
        let file = self.disk.open(name).map_err(|e| StoreError::making("open", self.disk.describe(name), 0, e))?;
        Ok(file.size())
    }

    /// As [`remake`](Foundry::remake), under the next number.
    pub(super) fn recycle(&mut self, from: &str) -> Result<Segment<D::File>, StoreError> {
        self.next_number += 1;
        self.remake(from, self.next_number - 1)
    }

    /// Removes a file for good.
    pub(super) fn remove(&mut self, name: &str) -> Result<(), StoreError> {
        self.disk.remove(name).map_err(|e| self.failed("remove", name, e))?;
        self.sync_dir()
    }

    /// Gives a file a header and its final name.
    fn christen(&mut self, name: &str, number: u64, mut file: D::File) -> Result<Segment<D::File>, StoreError> {
        let mut salt = [0; 8];
        self.entropy.fill(&mut salt);
        let bytes = u32::try_from(file.size()).expect("only files of a segment's size are made or remade");
        let header = SegmentHeader { number, salt: u64::from_le_bytes(salt), bytes };
        file.write_at(0, &header.encode()).map_err(|e| self.failed("write", name, e))?;
        file.sync_data().map_err(|e| self.failed("sync", name, e))?;
        self.disk.rename(name, &seg_name(number)).map_err(|e| self.failed("rename", name, e))?;
        self.sync_dir()?;
        Ok(Segment { header, file, end: SEGMENT_HEADER, live: 0, reach: None, touched: Cell::new(0) })
    }

    pub(super) fn sync_dir(&mut self) -> Result<(), StoreError> {
        self.disk.sync_dir().map_err(|e| self.failed("sync", "", e))
    }

    pub(super) fn failed(&self, action: &'static str, name: &str, source: io::Error) -> StoreError {
        StoreError::failed(action, self.disk.describe(name), source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_costs_its_part_once() {
        const PART: usize = 64 << 10;
        let header = SegmentHeader { number: 1, salt: 0, bytes: 64 * PART as u32 };
        let segment = Segment { header, file: (), end: 0, live: 0, reach: None, touched: Cell::new(0) };
        assert_eq!([segment.touch(0, 32), segment.touch(100, 32), segment.touch(PART - 8, 32)], [PART, 0, PART]);
        assert_eq!([segment.touch(64 * PART - 1, 1), segment.touch(0, 64 * PART)], [PART, 61 * PART]);
        segment.touched.set(0);
        assert_eq!(segment.touch(PART, PART), PART);
    }

    #[test]
    fn only_our_names_are_ours() {
        assert_eq!(number_of(&seg_name(0xabc), seg_name), Some(0xabc));
        assert_eq!(number_of(&new_name(1), new_name), Some(1));
        for foreign in [
            "",
            "lock",
            "0000000001.new",
            "0000000000.seg",
            "000000000A.seg",
            "1.seg",
            "0000000001.seg~",
            "+000000001.seg",
            "\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}",
        ] {
            assert_eq!(number_of(foreign, seg_name), None, "{foreign}");
        }
    }
}
