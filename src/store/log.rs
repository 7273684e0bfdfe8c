//! The store in use: batches into the tail, commits, reads.

use std::cell::Cell;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::base::Seq;
use crate::limits::{RECORD_MAX, RESIDENT_MAX, WRITE_AHEAD, WRITE_THROUGH};

use super::compact::{Dying, Victim, gains_by_copy};
use super::format::{CLOSING, Kind, Manifest, Place, RECORD_HEADER, RecordHeader, SEGMENT_OVERHEAD, footprint, peek};
use super::foundry::{Foundry, Making, Segment, seg_name};
use super::index::{Exposed, Index};
use super::{Disk, DiskFile, Stats, StoreError, Upkeep};

/// Where what is promised takes the last spare, the disk must have room for this many more: acks and copying need one.
const SLACK_SEGMENTS: u64 = 1;
/// While no further segment can be had, this share of the tail is not promised to anybody: cursors fill it, most of which
/// die soon, so that copying it into the last spare will gain a segment.
const CURSOR_SHARE: usize = 4;

/// A log of records. See the [module](super).
pub struct Store<D: Disk> {
    pub(super) foundry: Foundry<D>,
    pub(super) index: Index,
    /// Every segment with content but the tail, by number; those that wait for destruction too.
    pub(super) sealed: BTreeMap<u64, Segment<D::File>>,
    pub(super) tail: Segment<D::File>,
    /// Segments without content, in the order in which they will be used; their numbers follow the tail's.
    pub(super) spares: VecDeque<Segment<D::File>>,
    pub(super) making: Option<Making<D::File>>,
    /// The fewest spares there were since they were last trimmed.
    pub(super) least_spares: usize,
    /// So many of them are to be given back.
    pub(super) surplus: usize,
    /// Whole batches that are not written yet: the octets of the tail before `tail.end`.
    pub(super) pending: Vec<u8>,
    /// Something was written and not synced.
    unsynced: bool,
    open: Batch,
    /// Records that were copied forward and are still read where they were.
    pub(super) moving: Vec<Move>,
    /// Everything before this place is on stable storage.
    pub(super) durable_end: Place,
    appended: Seq,
    durable: Seq,
    pub(super) victim: Option<Victim>,
    /// In the order in which they were said to be needed no more.
    pub(super) dying: VecDeque<Dying>,
    /// Sealed segments that are worth copying forward.
    pub(super) sparse: BTreeSet<u64>,
    /// What the disk had when last asked.
    pub(super) free: u64,
    /// What the disk had when it last refused to make a segment.
    pub(super) refused: Option<u64>,
    /// There was no descriptor for the last segment that was to be made.
    pub(super) starved: bool,
    pub(super) poisoned: bool,
    /// Upkeep has looked so often since the tail last grew.
    pub(super) quiet_looks: u32,
    /// Where the tail ended when upkeep last looked.
    pub(super) seen_end: Place,
    /// Octets read since memory was last given back.
    resident: Cell<usize>,
    pub(super) upkeep: Upkeep,
}

/// The batch that still lacks its end. It has no place yet: only when its size is known is it clear in which segment it goes.
#[derive(Default)]
struct Batch {
    records: Vec<(Seq, usize)>,
    payloads: Vec<u8>,
    footprint: usize,
}

/// A record on its way from one segment to the tail.
#[derive(Clone, Copy, Debug)]
pub(super) struct Move {
    pub(super) seq: Seq,
    pub(super) from: Place,
    pub(super) to: Place,
    pub(super) footprint: usize,
}

/// What recovery hands over.
pub(super) struct Parts<D: Disk> {
    pub(super) foundry: Foundry<D>,
    pub(super) index: Index,
    pub(super) sealed: BTreeMap<u64, Segment<D::File>>,
    pub(super) tail: Segment<D::File>,
    pub(super) newest: Seq,
    pub(super) durable_end: Place,
}

impl<D: Disk> Store<D> {
    pub(super) fn assemble(parts: Parts<D>) -> Store<D> {
        let Parts { foundry, index, sealed, tail, newest, durable_end } = parts;
        Store {
            durable_end,
            foundry,
            index,
            sealed,
            tail,
            spares: VecDeque::new(),
            making: None,
            least_spares: usize::MAX,
            surplus: 0,
            pending: Vec::new(),
            unsynced: false,
            open: Batch::default(),
            moving: Vec::new(),
            appended: newest,
            durable: newest,
            victim: None,
            dying: VecDeque::new(),
            sparse: BTreeSet::new(),
            free: 0,
            refused: None,
            starved: false,
            poisoned: false,
            quiet_looks: 0,
            seen_end: Place::ZERO,
            // Replay has read everything.
            resident: Cell::new(RESIDENT_MAX),
            upkeep: Upkeep::default(),
        }
    }

    /// Adds a record to the current batch; `end` ends the batch. After a crash all of a batch's records are there or none.
    ///
    /// Nothing is durable yet, unless the batch needs the next segment: then what was appended before is committed. Much at once
    /// is handed to the disk without waiting for it.
    ///
    /// # Errors
    /// [`StoreError::Full`] at a batch's end: the whole batch is dropped, as if it had never been begun. Else the store is done for.
    /// # Panics
    /// If `seq` does not rise, or the batch is larger than [`max_batch_bytes`](Store::max_batch_bytes), or the payload than `RECORD_MAX`.
    pub fn append(&mut self, seq: Seq, payload: &[u8], end: bool) -> Result<(), StoreError> {
        self.check_sound()?;
        let newest = self.open.records.last().map_or(self.appended, |&(newest, _)| newest);
        assert!(newest < seq, "record {seq} comes after {newest}");
        assert!(payload.len() <= RECORD_MAX, "record {seq} has {} octets", payload.len());
        self.open.footprint += footprint(payload.len());
        assert!(self.open.footprint <= self.max_batch_bytes(), "the batch that ends with {seq} fits no segment");
        self.open.records.push((seq, payload.len()));
        if end && self.open.records.len() == 1 {
            let batch = std::mem::take(&mut self.open);
            return self.place_batch(&batch.records, payload, batch.footprint);
        }
        self.open.payloads.extend_from_slice(payload);
        if !end {
            return Ok(());
        }
        let mut batch = std::mem::take(&mut self.open);
        let placed = self.place_batch(&batch.records, &batch.payloads, batch.footprint);
        batch.records.clear();
        batch.payloads.clear();
        self.open = Batch { footprint: 0, ..batch };
        placed
    }

    fn place_batch(&mut self, records: &[(Seq, usize)], mut payloads: &[u8], bytes: usize) -> Result<(), StoreError> {
        self.make_room(bytes)?;
        for (i, &(seq, len)) in records.iter().enumerate() {
            let (payload, rest) = payloads.split_at(len);
            payloads = rest;
            let place = self.place(Kind::Data, i + 1 == records.len(), seq, payload);
            self.index.push(seq, place);
            self.tail.live += footprint(len);
            self.appended = seq;
        }
        // Much at once goes to the disk while there is more to be decided, and memory holds no more than this of it.
        if self.pending.len() >= WRITE_THROUGH { self.write_ahead() } else { Ok(()) }
    }

    /// Writes whole batches to the tail and waits until they are on stable storage. Returns the new durable mark.
    ///
    /// One sync; nothing at all if nothing was appended.
    ///
    /// # Errors
    /// [`StoreError::Failed`]: what was appended may or may not be on the disk, and the process must end.
    /// # Panics
    /// If a batch lacks its end.
    pub fn commit(&mut self) -> Result<Seq, StoreError> {
        self.check_sound()?;
        assert!(self.open.records.is_empty(), "a batch without its end cannot be committed");
        self.flush()?;
        Ok(self.durable)
    }

    /// The newest record that was appended in a whole batch.
    pub fn appended(&self) -> Seq {
        self.appended
    }

    /// The newest record on stable storage: it and all before it are there to stay until forgotten.
    pub fn durable(&self) -> Seq {
        self.durable
    }

    /// The largest batch: the sum of its payloads, each with 32 octets of header and rounded up to a multiple of eight.
    pub fn max_batch_bytes(&self) -> usize {
        self.foundry.segment_bytes as usize - SEGMENT_OVERHEAD
    }

    /// Whether a batch of `records` records with `bytes` octets of payload can be promised: it fits, and leaves a reserve. Makes
    /// the segment it needs, at once, if there is none: a promise is not built on what may not be had later.
    ///
    /// It counts what was appended, not what else was promised: ask for the sum of what is promised before it is appended.
    /// What keeps the service alive on a full disk (acks, cursors) goes by [`has_reserve`](Store::has_reserve) instead.
    ///
    /// # Errors
    /// [`StoreError::Failed`] if the disk fails; want of space is no error.
    pub fn has_room(&mut self, records: usize, bytes: usize) -> Result<bool, StoreError> {
        self.check_sound()?;
        let need = bytes.saturating_add(records.saturating_mul(footprint(1)));
        if need > self.max_batch_bytes() {
            return Ok(false);
        }
        let rolls = usize::from(!self.tail_fits(self.open.footprint + need));
        // Also where a spare would do: what was said about the disk when it was full may be long ago.
        if self.spares.len() <= rolls || !self.more_to_come() {
            self.look_at_space()?;
        }
        if self.spares.len() < rolls && self.may_make() {
            self.make_spare()?;
        }
        let more_to_come = self.more_to_come();
        Ok(match self.spares.len().cmp(&rolls) {
            Ordering::Less => false,
            Ordering::Equal => more_to_come,
            Ordering::Greater => {
                let next = self.foundry.segment_bytes as usize;
                let (used, size) = if rolls == 0 { (self.tail.end + CLOSING, self.tail.bytes()) } else { (SEGMENT_OVERHEAD, next) };
                more_to_come || self.spares.len() > rolls + 1 || used + self.open.footprint + need + size / CURSOR_SHARE <= size
            }
        })
    }

    /// Whether the disk has room for a segment besides the spares, as far as is known.
    fn more_to_come(&self) -> bool {
        self.refused.is_none() && !self.starved && self.free >= SLACK_SEGMENTS * u64::from(self.foundry.segment_bytes)
    }

    /// Whether that many octets, with the headers of their records, can be appended without being promised: for cursors,
    /// without which nothing would ever be given back. They may use the last spare if copying will gain another.
    pub fn has_reserve(&self, bytes: usize) -> bool {
        let bytes = self.open.footprint + bytes;
        let roll_gains = || !self.sparse.is_empty() || gains_by_copy(&self.tail);
        let may_make = || self.may_make() && !self.starved;
        let idle = || self.victim.is_none() && !self.sparse.iter().any(|number| self.tail_fits(self.copy_bytes(*number)));
        !self.poisoned
            && match self.spares.len() {
                // Until there is a spare again, the tail is for copies.
                0 => may_make() || idle() && self.tail_fits(bytes + self.tail.bytes() / CURSOR_SHARE),
                1 => self.tail_fits(bytes) || may_make() || roll_gains(),
                _ => true,
            }
    }

    /// What the disk had when it was last asked, in octets: for a look ahead at what will take long to come.
    pub fn free_bytes(&self) -> u64 {
        self.free
    }

    /// Whether the log cannot grow for want of a file descriptor, however much the disk has.
    pub fn wants_descriptor(&self) -> bool {
        self.starved
    }

    /// The payload of a record that is durable and was not forgotten, straight from the map.
    pub fn read(&self, seq: Seq) -> Option<&[u8]> {
        let place = self.index.get(seq, &self.segments())?;
        let segment = match place.number() == self.tail.number() {
            true => &self.tail,
            false => &self.sealed[&place.number()],
        };
        // What is pending has a place and is not exposed.
        let bytes = segment.file.exposed().get(place.offset()..)?;
        let len = peek(bytes)?.len;
        self.resident.set(self.resident.get() + segment.touch(place.offset(), RECORD_HEADER + len));
        Some(&bytes[RECORD_HEADER..][..len])
    }

    /// Gives back the memory that reading has filled, once it is much: a message of a gigabyte must not stay in it.
    pub(super) fn release_memory(&mut self) {
        if self.resident.get() < RESIDENT_MAX {
            return;
        }
        self.resident.set(0);
        for segment in self.sealed.values().chain([&self.tail]).filter(|segment| segment.touched.replace(0) != 0) {
            segment.file.release();
        }
    }

    /// The record is no longer needed, and what made it so is durable. Unknown and forgotten ones are ignored.
    pub fn forget(&mut self, seq: Seq) {
        let Some(place) = self.index.remove(seq, &Segments { sealed: &self.sealed, tail: &self.tail, resident: &self.resident }) else {
            return;
        };
        let durable = place < self.durable_end;
        assert!(durable, "record {seq} is forgotten before it is durable");
        let number = place.number();
        let segment =
            if number == self.tail.number() { &mut self.tail } else { self.sealed.get_mut(&number).expect("an indexed segment is there") };
        let len = peek(&segment.file.exposed()[place.offset()..]).expect("a durable record is exposed").len;
        segment.live -= footprint(len);
        self.resident.set(self.resident.get() + segment.touch(place.offset(), RECORD_HEADER));
        self.release_memory();
        self.note_if_sparse(number);
    }

    /// Whether a forgotten record with this seq could be there again after a restart. May say yes for too long, never no too early.
    ///
    /// For callers whose tombstones must outlive what they bury.
    pub fn lingers(&self, seq: Seq) -> bool {
        self.poisoned
            || self.index.get(seq, &self.segments()).is_some()
            || self.sealed.values().chain([&self.tail]).any(|segment| segment.reaches(seq))
    }

    /// How much there is.
    pub fn stats(&self) -> Stats {
        let files = || self.sealed.values().chain(&self.spares).chain([&self.tail]);
        let making = self.making.iter().map(Making::size);
        Stats {
            live_bytes: files().map(|segment| segment.live as u64).sum(),
            disk_bytes: files().map(|segment| segment.bytes() as u64).chain(making).sum(),
            segments: files().count() + usize::from(self.making.is_some()),
            spares: self.spares.len(),
            records: self.index.len(),
            upkeep: self.upkeep,
        }
    }

    /// Commits, and marks the log as closed, so that the next start finds a clean end.
    ///
    /// # Errors
    /// As [`commit`](Store::commit).
    pub fn close(mut self) -> Result<(), StoreError> {
        self.commit()?;
        self.mark(Kind::Clean)
    }

    /// Names what is durable, so that damage below is known for rot from now on.
    pub(super) fn mark(&mut self, kind: Kind) -> Result<(), StoreError> {
        // In a tail that is full to the last octet the mark has no place: the next start recovers, and loses nothing.
        if self.tail.end + CLOSING <= self.tail.bytes() {
            self.place(kind, true, Seq::ZERO, &[]);
            self.flush()?;
        }
        Ok(())
    }

    pub(super) fn check_sound(&self) -> Result<(), StoreError> {
        if self.poisoned { Err(StoreError::Poisoned) } else { Ok(()) }
    }

    /// Whether a batch is begun and lacks its end.
    pub(super) fn in_batch(&self) -> bool {
        !self.open.records.is_empty()
    }

    pub(super) fn tail_fits(&self, bytes: usize) -> bool {
        self.tail.end + bytes + CLOSING <= self.tail.bytes()
    }

    /// Sees to it that a batch of this size fits the tail.
    pub(super) fn make_room(&mut self, bytes: usize) -> Result<(), StoreError> {
        if self.tail_fits(bytes) { Ok(()) } else { self.roll() }
    }

    /// Seals the tail and begins the next segment.
    ///
    /// # Errors
    /// `Full`, and then nothing has changed.
    fn roll(&mut self) -> Result<(), StoreError> {
        // The next segment exists before the seal names it: a seal without a successor is how a lost tail is noticed.
        let next = self.take_spare()?;
        self.place(Kind::Seal, true, Seq::ZERO, &next.number().to_le_bytes());
        // Synced before anything goes to the next one: that is what makes this one's end certain.
        self.flush()?;
        let mut sealed = std::mem::replace(&mut self.tail, next);
        sealed.file.retire();
        let number = sealed.number();
        self.sealed.insert(number, sealed);
        self.note_if_sparse(number);
        let manifest = self.manifest();
        self.place(Kind::Manifest, true, Seq::ZERO, &manifest.encode());
        Ok(())
    }

    /// What is needed besides the tail, as of now.
    pub(super) fn manifest(&self) -> Manifest {
        let mut manifest = Manifest { newest: self.appended, ..Manifest::default() };
        let dying: BTreeSet<u64> = self.dying.iter().map(|dying| dying.number).collect();
        self.sealed.keys().filter(|number| !dying.contains(number)).for_each(|number| manifest.add(*number));
        manifest
    }

    /// Adds one record to what is pending; the caller has made room.
    pub(super) fn place(&mut self, kind: Kind, end: bool, seq: Seq, payload: &[u8]) -> Place {
        let place = Place::new(self.tail.number(), self.tail.end);
        let head = RecordHeader { len: payload.len(), kind, end, seq, durable: self.durable_end };
        head.encode(self.tail.header.salt, place, payload, &mut self.pending);
        if matches!(kind, Kind::Data | Kind::Moved) {
            self.tail.extend_reach(seq);
        }
        self.tail.end += head.footprint();
        assert!(self.tail.end <= self.tail.bytes(), "the caller has made room");
        place
    }

    /// Lets the disk begin with what is pending, if that is much, without waiting for it: a later commit has less to do.
    ///
    /// # Errors
    /// As [`commit`](Store::commit).
    pub fn write_ahead(&mut self) -> Result<(), StoreError> {
        self.check_sound()?;
        if self.pending.len() < WRITE_AHEAD {
            return Ok(());
        }
        let (at, bytes) = (self.tail.end - self.pending.len(), self.pending.len());
        self.write_pending()?;
        self.tail.file.begin_sync(at as u64, bytes as u64);
        Ok(())
    }

    /// Writes and syncs what is pending.
    pub(super) fn flush(&mut self) -> Result<(), StoreError> {
        if self.pending.is_empty() && !self.unsynced {
            return Ok(());
        }
        let synced = if self.unsynced {
            self.write_pending()?;
            self.tail.file.sync_data().map_err(|e| ("sync", e))
        } else {
            let at = self.tail.end - self.pending.len();
            let written = self.tail.file.write_synced(at as u64, &self.pending).map_err(|e| ("write or sync", e));
            self.empty_pending();
            written
        };
        let exposed = synced.and_then(|()| self.tail.file.expose(self.tail.end).map_err(|e| ("map", e)));
        exposed.map_err(|(action, e)| self.poison(action, e))?;
        self.unsynced = false;
        self.durable_end = Place::new(self.tail.number(), self.tail.end);
        self.durable = self.appended;
        self.settle_moves();
        self.index.tidy(&Segments { sealed: &self.sealed, tail: &self.tail, resident: &self.resident });
        Ok(())
    }

    /// Writes what is pending without making it durable.
    pub(super) fn write_pending(&mut self) -> Result<(), StoreError> {
        let at = self.tail.end - self.pending.len();
        self.tail.file.write_at(at as u64, &self.pending).map_err(|e| self.poison("write", e))?;
        self.unsynced |= !self.pending.is_empty();
        self.empty_pending();
        Ok(())
    }

    fn empty_pending(&mut self) {
        self.pending.clear();
        // One large batch must not hold its memory for ever.
        self.pending.shrink_to(2 * WRITE_THROUGH);
    }

    fn poison(&mut self, action: &'static str, source: std::io::Error) -> StoreError {
        self.poisoned = true;
        self.foundry.failed(action, &seg_name(self.tail.number()), source)
    }

    /// From now on the copies are read.
    fn settle_moves(&mut self) {
        for copy in std::mem::take(&mut self.moving) {
            let segments = Segments { sealed: &self.sealed, tail: &self.tail, resident: &self.resident };
            // Forgotten meanwhile: the copy is dead on arrival.
            if self.index.get(copy.seq, &segments) != Some(copy.from) {
                continue;
            }
            self.index.set(copy.seq, copy.to, &segments);
            self.sealed.get_mut(&copy.from.number()).expect("a source outlives its copies' commit").live -= copy.footprint;
            let home = copy.to.number();
            let home = if home == self.tail.number() { &mut self.tail } else { self.sealed.get_mut(&home).expect("copies lie in the log") };
            home.live += copy.footprint;
        }
    }

    /// All that has records, to be walked through.
    pub(super) fn segments(&self) -> Segments<'_, D::File> {
        Segments { sealed: &self.sealed, tail: &self.tail, resident: &self.resident }
    }

    /// Costs a pass over all records: for tests.
    ///
    /// # Panics
    /// If the store's parts do not agree.
    pub fn check_invariants(&self) {
        self.index.check_invariants(&self.segments());
        assert!(self.sealed.keys().all(|number| *number < self.tail.number()), "the tail is the newest");
        let numbers: Vec<u64> = self.spares.iter().map(Segment::number).collect();
        assert!(numbers.is_sorted() && numbers.first().is_none_or(|first| *first > self.tail.number()), "spares follow the tail");
        assert!(self.pending.len() <= self.tail.end && self.tail.end <= self.tail.bytes());
        assert!(self.durable <= self.appended);
        let mut live: BTreeMap<u64, usize> = BTreeMap::new();
        for (seq, place) in self.index.iter(&self.segments()) {
            assert!(seq <= self.appended, "{seq} was never appended");
            match self.read(seq) {
                Some(payload) => *live.entry(place.number()).or_default() += footprint(payload.len()),
                None => assert!(place >= self.durable_end, "{seq} is durable and cannot be read"),
            }
        }
        for segment in self.sealed.values() {
            assert_eq!(segment.live, live.get(&segment.number()).copied().unwrap_or(0), "live octets of segment {}", segment.number());
            assert!(segment.live <= segment.end);
        }
        for dying in &self.dying {
            assert!(self.sealed.contains_key(&dying.number), "what is dying is still there");
        }
    }
}

/// Segments with records, by number.
pub(super) struct Segments<'a, F> {
    pub(super) sealed: &'a BTreeMap<u64, Segment<F>>,
    pub(super) tail: &'a Segment<F>,
    /// Counts the memory that walking fills.
    pub(super) resident: &'a Cell<usize>,
}

impl<F: DiskFile> Segments<'_, F> {
    fn segment(&self, number: u64) -> Option<&Segment<F>> {
        if number == self.tail.number() { Some(self.tail) } else { self.sealed.get(&number) }
    }
}

impl<F: DiskFile> Exposed for Segments<'_, F> {
    fn exposed(&self, number: u64) -> Option<&[u8]> {
        Some(self.segment(number)?.file.exposed())
    }

    fn note_walk(&self, number: u64, from: usize, to: usize) {
        if let Some(segment) = self.segment(number) {
            // A walk goes from head to head, and the system maps what is around each: most of it, where records are large.
            self.resident.set(self.resident.get() + segment.touch(from, to - from + RECORD_HEADER));
        }
    }
}
