//! A copy of a log that another process is writing to, while it does: without its lock, and without its help.
//!
//! Of each segment the *whole batches* are copied, from the start to where they end, and nothing else: octets once part of a
//! whole batch never change in that life of the file, so however late or early a file is read, what is copied of it is what it
//! once held. Segments are read in *descending* order of their numbers. So whatever a segment says of lower ones
//! (they are sealed, they are needed, they are durable up to here) was said before those were read, and they
//! have it. One pass over the directory is enough if, while it lasted, nothing that it had yet to read was destroyed, and if the
//! segment that the last seal names was there from its beginning. Else there is another pass, which reads only what the
//! copy lacks: new segments, and what has been added to those without a seal. What the copy has whole needs
//! no reading again, and may be destroyed meanwhile: there the copy is older than the log, not wrong.
//!
//! What moves under our hands:
//!
//! - *Recycling.* An old segment's file gets a new number, a new header and new content while we have it open. Its header is read
//!   again after everything else: the header changes first, so under the old one all that was read is of the old life.
//! - *Growth.* Pages of a file are read one after the other while the log grows, so a later one may name as durable what had not been
//!   written when the earlier one was read. Then the file is read a second time. What is still not there is rot.
//! - *A restart.* It may give a segment without content another salt, and cut the tail's seal off. So each copied
//!   segment is looked at once more at the end: its header and its seal must be what was copied.
//! - *Listing.* A large directory is not listed at one instant. It is listed until it is the same twice; since no name is ever used
//!   again, all of it was there in between.
//!
//! Failures: [`StoreError`]. The target is then of no use. Deliberately lacking: `.new` files, which have no meaning, and any octet
//! of an earlier life of a file. Where that was, the copy has zeroes.

use std::collections::BTreeMap;
use std::io;

use super::format::{HeaderFault, NUMBER_BYTES, Place, SEGMENT_HEADER, SegmentHeader, footprint};
use super::foundry::{number_of, seg_name};
use super::scan::Scan;
use super::{Disk, DiskFile, StoreError, Watch};

/// After so many passes there is no hope. Each copies what changed in the one before, which takes some milliseconds.
const PASSES_MAX: usize = 256;
/// How often a directory is listed in the hope of the same names.
const LISTINGS_MAX: usize = 16;
/// Octets that are copied at once.
const SLICE: usize = 1 << 20;

/// What was copied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Copied {
    /// Segments.
    pub segments: usize,
    /// Octets of them, without those that are zero since nothing was written there.
    pub bytes: u64,
    /// How often the directory was gone through.
    pub passes: usize,
}

/// Copies a log, which another process may be writing to, into a directory without one, and syncs it.
///
/// Everything is in the copy that was durable when this was called and is needed still. Whether the copy is whole is
/// for [`verify`](super::verify) to say.
///
/// # Errors
/// [`StoreError::Restless`] if the log changes faster than it can be copied; [`Rot`](StoreError::Rot) and
/// [`Version`](StoreError::Version) for what cannot be read; [`Full`](StoreError::Full) if the target's disk is;
/// [`Failed`](StoreError::Failed) for either disk.
pub fn backup<S: Disk, T: Disk>(source: &mut S, target: &mut T, watch: &mut Watch<'_>) -> Result<Copied, StoreError> {
    let mut copy = Copy { source, target, parts: BTreeMap::new() };
    for passes in 1..=PASSES_MAX {
        if copy.pass(watch)? {
            copy.sync()?;
            let bytes = copy.parts.values().map(|part| part.end as u64).sum();
            return Ok(Copied { segments: copy.parts.len(), bytes, passes });
        }
    }
    Err(StoreError::Restless { directory: copy.source.describe(""), passes: PASSES_MAX })
}

/// What the copy has of a segment.
#[derive(Clone, Copy)]
struct Part {
    header: SegmentHeader,
    /// Everything before this offset.
    end: usize,
    /// Whether that is a batch at least.
    has_content: bool,
    /// The segment that its seal names: then it has all of it.
    seal: Option<u64>,
}

struct Copy<'a, S, T> {
    source: &'a mut S,
    target: &'a mut T,
    parts: BTreeMap<u64, Part>,
}

impl<S: Disk, T: Disk> Copy<'_, S, T> {
    /// Brings the copy up to the log; whether it is consistent now.
    fn pass(&mut self, watch: &mut Watch<'_>) -> Result<bool, StoreError> {
        let Some(numbers) = self.list()? else { return Ok(false) };
        // A durable record says that they are needed no more. It is older than the listing, so this pass brings it.
        let gone: Vec<u64> = self.parts.keys().copied().filter(|number| numbers.binary_search(number).is_err()).collect();
        for number in gone {
            self.discard(number)?;
        }
        let mut all_there = true;
        for (done, &number) in numbers.iter().rev().enumerate() {
            // The rest is copied although one is gone: the next pass is the shorter.
            all_there &= self.bring(number)?;
            watch(done + 1, numbers.len());
        }
        let tail = self.parts.values().rev().find(|part| part.has_content);
        let is_closed = tail.and_then(|tail| tail.seal).is_none_or(|next| self.parts.contains_key(&next));
        Ok(all_there && is_closed && self.stands()?)
    }

    /// The segments that were all there at one instant, in rising order; `None` if there was none that can be told.
    fn list(&mut self) -> Result<Option<Vec<u64>>, StoreError> {
        let mut last = None;
        for _ in 0..LISTINGS_MAX {
            let names = self.source.list().map_err(|e| StoreError::failed("list", self.source.describe(""), e))?;
            let mut numbers: Vec<u64> = names.iter().filter_map(|name| number_of(name, seg_name)).collect();
            numbers.sort_unstable();
            if last.as_ref() == Some(&numbers) {
                return Ok(last);
            }
            last = Some(numbers);
        }
        Ok(None)
    }

    /// Copies what the copy lacks of a segment; `false` if it is gone.
    fn bring(&mut self, number: u64) -> Result<bool, StoreError> {
        if self.parts.get(&number).is_some_and(|part| part.seal.is_some()) {
            return Ok(true);
        }
        let Some(file) = self.open(number)? else { return Ok(false) };
        let Some((header, scan)) = self.scan(number, &file)? else { return Ok(false) };
        // Another life, or a tail that was cut: what there is has no worth.
        if self.parts.get(&number).is_some_and(|part| part.header != header || part.end > scan.end) {
            self.discard(number)?;
        }
        self.copy(&file, header, scan.end)?;
        if !same_life(&file, header).map_err(|e| self.unreadable(number, e))? {
            self.discard(number)?;
            return Ok(false);
        }
        self.parts.insert(number, Part { header, end: scan.end, has_content: scan.has_content(), seal: scan.seal });
        Ok(true)
    }

    fn open(&mut self, number: u64) -> Result<Option<S::File>, StoreError> {
        match self.source.open(&seg_name(number)) {
            Ok(file) => Ok(Some(file)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(StoreError::failed("open", self.source.describe(&seg_name(number)), e)),
        }
    }

    /// Finds a segment's whole batches; `None` if its file went on to another life meanwhile.
    fn scan(&mut self, number: u64, file: &S::File) -> Result<Option<(SegmentHeader, Scan)>, StoreError> {
        let read = |copy: &Self| Scan::take(number, file, &mut || {}).map_err(|e| copy.unreadable(number, e));
        let mut scan = read(self)?;
        let header = match scan.header {
            Ok(header) => header,
            // The header is written to a file that has its old name no more.
            Err(_) if !self.is_there(number)? => return Ok(None),
            Err(HeaderFault::Newer(found)) => {
                return Err(StoreError::Version { file: self.source.describe(&seg_name(number)), found });
            }
            Err(HeaderFault::Damaged) => return Err(self.rot(number, 0, "this is not the header of that segment")),
        };
        let named = scan.durable;
        let is_short = |scan: &Scan| named.number() == number && named > Place::new(number, scan.end);
        if is_short(&scan) {
            scan = read(self)?;
        }
        if !same_life(file, header).map_err(|e| self.unreadable(number, e))? {
            return Ok(None);
        }
        if is_short(&scan) {
            return Err(self.rot(number, scan.stop as u64, "a record is damaged, and later ones prove that it was on stable storage"));
        }
        if scan.senseless {
            return Err(self.rot(number, scan.stop as u64, "its records are intact but do not belong where they are"));
        }
        Ok(Some((header, scan)))
    }

    fn is_there(&mut self, number: u64) -> Result<bool, StoreError> {
        let names = self.source.list().map_err(|e| StoreError::failed("list", self.source.describe(""), e))?;
        Ok(names.contains(&seg_name(number)))
    }

    /// Copies a file's octets up to `end`, as far as they are not there.
    fn copy(&mut self, file: &S::File, header: SegmentHeader, end: usize) -> Result<(), StoreError> {
        let name = seg_name(header.number);
        let described = self.target.describe(&name);
        let unwritten = |e| StoreError::making("write", described.clone(), u64::from(header.bytes), e);
        // Known from now on, so that it is removed if it turns out to be of no use.
        let new = Part { header, end: 0, has_content: false, seal: None };
        let mut at = self.parts.entry(header.number).or_insert(new).end;
        let made = if at == 0 { self.target.create(&name, header.bytes.into()) } else { self.target.open(&name) };
        let mut to = made.map_err(unwritten)?;
        if at == 0 {
            to.write_at(0, &header.encode()).map_err(unwritten)?;
            at = SEGMENT_HEADER;
        }
        let mut octets = Vec::new();
        while at < end {
            octets.resize((end - at).min(SLICE), 0);
            file.read_at(at as u64, &mut octets).map_err(|e| self.unreadable(header.number, e))?;
            to.write_at(at as u64, &octets).map_err(unwritten)?;
            at += octets.len();
        }
        Ok(())
    }

    /// Removes a segment from the copy, if it is there.
    fn discard(&mut self, number: u64) -> Result<(), StoreError> {
        match self.parts.remove(&number) {
            Some(_) => self.target.remove(&seg_name(number)).map_err(|e| self.unwritable("remove", number, e)),
            None => Ok(()),
        }
    }

    /// Whether what was copied, and is still there, is as it was; what is not is removed from the copy.
    fn stands(&mut self) -> Result<bool, StoreError> {
        let mut stands = true;
        for (number, part) in self.parts.clone() {
            let Some(from) = self.open(number)? else { continue };
            let to = self.target.open(&seg_name(number)).map_err(|e| self.unwritable("open", number, e))?;
            let stood =
                same_life(&from, part.header).and_then(|same| Ok(same && (part.seal.is_none() || same_seal(&from, &to, part.end)?)));
            // A file that was recycled since it was opened is as good as gone.
            if !stood.map_err(|e| self.unreadable(number, e))? && self.is_there(number)? {
                self.discard(number)?;
                stands = false;
            }
        }
        Ok(stands)
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        for number in self.parts.keys().copied().collect::<Vec<_>>() {
            let mut file = self.target.open(&seg_name(number)).map_err(|e| self.unwritable("open", number, e))?;
            file.sync_data().map_err(|e| self.unwritable("sync", number, e))?;
        }
        self.target.sync_dir().map_err(|e| StoreError::failed("sync", self.target.describe(""), e))
    }

    fn rot(&self, number: u64, offset: u64, what: &'static str) -> StoreError {
        StoreError::Rot { file: self.source.describe(&seg_name(number)), offset, what }
    }

    fn unreadable(&self, number: u64, source: io::Error) -> StoreError {
        StoreError::failed("read", self.source.describe(&seg_name(number)), source)
    }

    fn unwritable(&self, action: &'static str, number: u64, source: io::Error) -> StoreError {
        StoreError::failed(action, self.target.describe(&seg_name(number)), source)
    }
}

/// Whether the file still has this header.
fn same_life<F: DiskFile>(file: &F, header: SegmentHeader) -> io::Result<bool> {
    let mut octets = [0; SEGMENT_HEADER];
    file.read_at(0, &mut octets)?;
    Ok(SegmentHeader::decode(&octets) == Ok(header))
}

/// Whether both files have the same seal before this offset.
fn same_seal<F: DiskFile, G: DiskFile>(one: &F, other: &G, end: usize) -> io::Result<bool> {
    let mut octets = [[0; footprint(NUMBER_BYTES)]; 2];
    let at = (end - footprint(NUMBER_BYTES)) as u64;
    one.read_at(at, &mut octets[0])?;
    other.read_at(at, &mut octets[1])?;
    Ok(octets[0] == octets[1])
}
