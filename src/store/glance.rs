//! A short look at a log that nobody opens: how much there is, and whether its files are segments at all.
//!
//! Headers only, so that it takes no time however large the log is. Whether the records are whole is told by
//! [`verify`](super::verify), which reads them.

use super::format::{HeaderFault, SEGMENT_HEADER, SegmentHeader};
use super::foundry::{number_of, seg_name};
use super::survey::header_error;
use super::{Disk, DiskFile, StoreError};

/// How much of a log there is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Glance {
    /// Files of segments.
    pub segments: usize,
    /// Octets of all of them.
    pub bytes: u64,
}

/// Looks at the header of every segment.
///
/// # Errors
/// Those that opening the log would end with: a file that is no segment of ours or a later version's, a disk that fails.
pub fn glance<D: Disk>(disk: &mut D) -> Result<Glance, StoreError> {
    let mut found = Glance::default();
    let mut numbers: Vec<u64> = disk
        .list()
        .map_err(|e| StoreError::failed("list", disk.describe(""), e))?
        .iter()
        .filter_map(|name| number_of(name, seg_name))
        .collect();
    numbers.sort_unstable();
    for number in numbers {
        let name = seg_name(number);
        let file = disk.open(&name).map_err(|e| StoreError::failed("open", disk.describe(&name), e))?;
        check_header(number, &file, disk.describe(&name))?;
        found.segments += 1;
        found.bytes += file.size();
    }
    Ok(found)
}

fn check_header<F: DiskFile>(number: u64, file: &F, name: String) -> Result<(), StoreError> {
    if file.size() < SEGMENT_HEADER as u64 {
        return Err(header_error(HeaderFault::Damaged, name));
    }
    let mut octets = [0; SEGMENT_HEADER];
    if let Err(e) = file.read_at(0, &mut octets) {
        return Err(StoreError::failed("read", name, e));
    }
    match SegmentHeader::decode(&octets) {
        Ok(header) if header.number == number && u64::from(header.bytes) == file.size() => Ok(()),
        Ok(_) => Err(header_error(HeaderFault::Damaged, name)),
        Err(fault) => Err(header_error(fault, name)),
    }
}
