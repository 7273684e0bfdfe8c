//! Housework: copy the living out of sparse segments, destroy dead ones, keep a spare.
//!
//! The life of a sealed segment's end: it becomes *sparse* (at most half of it lives) → it is the *victim*, whose living
//! records are appended to the tail again under their old seqs, a slice a step → a drop record says
//! that it is needed no more: it is *dying* → when that record is durable, and with it all copies, the file
//! is recycled as a spare or removed. Until then the originals are read, and a crash changes nothing.
//!
//! Copies and drop records ride with the next commit. Only if a whole further step comes without one, `maintain` commits
//! by itself: an idle store must shrink too.
//!
//! Copying begins when all files together, with the spare that should be there, would hold more than twice the live octets
//! and two segments: so that is what the disk holds when the log is at rest, and a few spares more while it is busy. Under
//! load it waits a little for a segment that was just sealed, most of which dies within moments. When no further
//! segment can be had, anything that gains an eighth of a segment is copied, since every octet counts then.

use crate::base::Seq;
use crate::limits::{COMPACT_SLICE, MAINTENANCE_STEPS_MAX, SPARES_BYTES_MAX, SPARES_MAX};

use super::format::{Kind, NUMBER_BYTES, Place, RECORD_HEADER, RecordHeader, SEGMENT_OVERHEAD, footprint, intact};
use super::foundry::{Segment, seg_name};
use super::log::Move;
use super::{Disk, DiskFile, Store, StoreError};

/// With fewer spares than this, one is made.
const SPARES_WANTED: usize = 1;
/// With fewer than this, a dead segment is recycled in any case. Under load segments die in heaps, each time that cursors are
/// written, and each that was removed would have to be made and zeroed again, which writes as much as its messages did.
/// [`Store::trim`] takes back what was not used for a while. Beyond it spares are kept as long as all files together hold
/// no more than they may.
const SPARES_KEPT: usize = 6;
const _: () = assert!(SPARES_WANTED < SPARES_KEPT && SPARES_KEPT <= SPARES_MAX);
/// A segment that was just sealed is left alone until this share of the next one is written.
const YOUTH: usize = 16;
/// A log is quiet when upkeep has looked so often and found nothing new: more often than in one turn.
const QUIET_LOOKS: u32 = 2 * MAINTENANCE_STEPS_MAX as u32;
/// How many records a step looks at, alive or not.
const LOOKS: usize = 1024;

/// The segment whose living records are being copied.
#[derive(Debug)]
pub(super) struct Victim {
    number: u64,
    /// Everything before this offset is copied or dead.
    at: usize,
}

/// A segment that is needed no more once `said` is durable.
#[derive(Debug)]
pub(super) struct Dying {
    pub(super) number: u64,
    /// Where its drop record is.
    pub(super) said: Place,
    /// Whether a step has already passed by in the hope of a commit.
    pub(super) awaited: bool,
}

/// What `maintain` finds to do.
#[derive(PartialEq, Eq, Debug)]
enum Step {
    Done,
    Nothing,
}

impl<D: Disk> Store<D> {
    /// One bounded step of upkeep: a slice of zeroes or of copies, or one segment destroyed. Returns whether to come again.
    ///
    /// Does nothing within a batch. Where only space is wanting it returns false; a later call finds whether there is some.
    ///
    /// # Errors
    /// [`StoreError::Failed`], and [`StoreError::Rot`] if what is to be copied is damaged: the store is done for. Never `Full`.
    pub fn maintain(&mut self) -> Result<bool, StoreError> {
        self.check_sound()?;
        if self.in_batch() {
            return Ok(true);
        }
        self.release_memory();
        let step = self.step().inspect_err(|_| self.poisoned = true)?;
        Ok(step == Step::Done)
    }

    fn step(&mut self) -> Result<Step, StoreError> {
        self.look_at_space()?;
        if self.dying.front().is_some_and(|dying| dying.said < self.durable_end) {
            return self.destroy();
        }
        // What is wholly dead comes first: it costs one small record, and soon is a spare that need not be made.
        if let Some(number) = self.wholly_dead()
            && self.say_needless(number)?
        {
            return Ok(Step::Done);
        }
        let short = self.is_short();
        if (self.surplus > 0 || self.spares.len() > SPARES_KEPT) && self.spares.len() > SPARES_WANTED && self.is_bloated(0) {
            return self.remove_spare().map(|()| Step::Done);
        }
        self.surplus = 0;
        if self.victim.is_none() && (short || self.is_wasteful()) {
            if !short && !self.sparse.is_empty() && self.is_too_early() {
                return Ok(Step::Done);
            }
            self.victim = self.sparsest(short).map(|number| Victim { number, at: super::format::SEGMENT_HEADER });
        }
        if self.victim.is_some() {
            return self.copy_step();
        }
        // What dies soon is a spare soon, and then none need be made.
        if self.spares.len() < SPARES_WANTED && self.dying.is_empty() && self.spare_step()? == Step::Done {
            return Ok(Step::Done);
        }
        match self.dying.front_mut() {
            None => Ok(Step::Nothing),
            Some(dying) if !dying.awaited => {
                dying.awaited = true;
                Ok(Step::Done)
            }
            Some(_) => self.flush().map(|()| Step::Done),
        }
    }

    /// Remembers how much space the disk has.
    pub(super) fn look_at_space(&mut self) -> Result<(), StoreError> {
        self.free = self.foundry.disk.free_space().map_err(|e| {
            self.poisoned = true;
            self.foundry.failed("ask for the free space of", "", e)
        })?;
        if self.refused.is_some_and(|then| self.free > then) {
            self.refused = None;
        }
        Ok(())
    }

    /// Whether asking the disk for a segment is worth the try.
    pub(super) fn may_make(&self) -> bool {
        self.making.is_some() || self.refused.is_none() && self.free >= u64::from(self.foundry.segment_bytes)
    }

    /// The next segment to write to, made at once if there is none.
    ///
    /// # Errors
    /// `Full`, and then nothing has changed.
    pub(super) fn take_spare(&mut self) -> Result<Segment<D::File>, StoreError> {
        if let Some(spare) = self.spares.pop_front() {
            self.least_spares = self.least_spares.min(self.spares.len());
            return Ok(spare);
        }
        let bytes = u64::from(self.foundry.segment_bytes);
        let made = match self.making.take() {
            Some(making) => self.foundry.finish(making),
            None => self.foundry.make(self.foundry.segment_bytes).inspect(|_| self.free = self.free.saturating_sub(bytes)),
        };
        self.note_refusal(made)
    }

    /// Makes a spare at once, if it can be had.
    pub(super) fn make_spare(&mut self) -> Result<(), StoreError> {
        match self.take_spare() {
            Ok(spare) => self.spares.push_front(spare),
            Err(e) if e.is_full() => {}
            Err(e) => return Err(e),
        }
        Ok(())
    }

    /// One step towards a spare.
    fn spare_step(&mut self) -> Result<Step, StoreError> {
        if !self.may_make() {
            return Ok(Step::Nothing);
        }
        let made = self.make_step();
        match self.note_refusal(made) {
            Ok(()) => Ok(Step::Done),
            Err(e) if e.is_full() => Ok(Step::Nothing),
            Err(e) => Err(e),
        }
    }

    fn make_step(&mut self) -> Result<(), StoreError> {
        let mut making = match self.making.take() {
            Some(making) => making,
            None => self.foundry.begin(self.foundry.segment_bytes)?,
        };
        if self.foundry.zero(&mut making)? {
            let spare = self.foundry.finish(making)?;
            self.spares.push_back(spare);
        } else {
            self.making = Some(making);
        }
        Ok(())
    }

    fn note_refusal<T>(&mut self, made: Result<T, StoreError>) -> Result<T, StoreError> {
        match &made {
            Ok(_) => (self.refused, self.starved) = (None, false),
            // Descriptors come back without the disk having more free: the next try will tell.
            Err(e) if e.wants_descriptor() => self.starved = true,
            Err(e) if e.is_full() => (self.refused, self.starved) = (Some(self.free), false),
            Err(_) => self.poisoned = true,
        }
        made
    }

    /// Puts a sealed segment on the list of what may be worth copying, if it is.
    pub(super) fn note_if_sparse(&mut self, number: u64) {
        let Some(segment) = self.sealed.get(&number) else { return };
        let sparse = segment.live == 0 || gains_by_copy(segment);
        let busy =
            self.victim.as_ref().is_some_and(|victim| victim.number == number) || self.dying.iter().any(|dying| dying.number == number);
        if sparse && !busy {
            self.sparse.insert(number);
        }
    }

    /// A segment without anything alive, the oldest first.
    fn wholly_dead(&self) -> Option<u64> {
        self.sparse.iter().copied().find(|number| self.sealed[number].live == 0)
    }

    /// Says that a segment is needed no more; whether there was room to say it.
    fn say_needless(&mut self, number: u64) -> Result<bool, StoreError> {
        if !self.find_room(footprint(NUMBER_BYTES))? {
            return Ok(false);
        }
        self.sparse.remove(&number);
        let said = self.place(Kind::Drop, true, Seq::ZERO, &number.to_le_bytes());
        self.dying.push_back(Dying { number, said, awaited: false });
        Ok(true)
    }

    /// Spares that were not used since the last call are given back by the next steps of upkeep, if all files hold more than they
    /// should: to be called from time to time as long as the log changes, and once after.
    pub fn trim(&mut self) {
        self.surplus = self.least_spares.min(self.spares.len());
        self.least_spares = self.spares.len();
    }

    /// The one that would be used last.
    fn remove_spare(&mut self) -> Result<(), StoreError> {
        let Some(spare) = self.spares.pop_back() else { return Ok(()) };
        self.surplus = self.surplus.saturating_sub(1);
        self.least_spares = self.least_spares.min(self.spares.len());
        let name = seg_name(spare.number());
        drop(spare);
        self.upkeep.removed += 1;
        self.foundry.remove(&name)
    }

    /// Whether the spare that should be there cannot be had.
    fn is_short(&self) -> bool {
        self.spares.len() < SPARES_WANTED && self.dying.is_empty() && !self.may_make()
    }

    /// Whether all files would hold more than they should, once what is dying is gone, with no more than the spare that should be
    /// there: copying helps.
    fn is_wasteful(&self) -> bool {
        self.holds_too_much(SPARES_WANTED * self.foundry.segment_bytes as usize)
    }

    /// Whether they do with all spares, and so many octets besides.
    fn is_bloated(&self, besides: usize) -> bool {
        self.holds_too_much(self.spares.iter().map(Segment::bytes).sum::<usize>() + besides)
    }

    fn holds_too_much(&self, spares: usize) -> bool {
        let segment = self.foundry.segment_bytes as usize;
        let (held, live) =
            self.sealed.values().chain([&self.tail]).fold((0, 0), |(held, live), segment| (held + segment.bytes(), live + segment.live));
        let dying: usize = self.dying.iter().map(|dying| self.sealed[&dying.number].bytes()).sum();
        held - dying + spares > 2 * live + 2 * segment
    }

    /// Whether the segment that was sealed last should be given some time yet: the log is busy, and the next one almost empty.
    fn is_too_early(&mut self) -> bool {
        let here = Place::new(self.tail.number(), self.tail.end);
        let same = std::mem::replace(&mut self.seen_end, here) == here;
        self.quiet_looks = if same { self.quiet_looks + 1 } else { 0 };
        self.quiet_looks < QUIET_LOOKS && self.tail.end * YOUTH < self.tail.bytes()
    }

    /// Takes the sparsest segment off the list, if its living will find room; one of which more than half lives only if space
    /// is `short`.
    fn sparsest(&mut self, short: bool) -> Option<u64> {
        let number = *self.sparse.iter().min_by_key(|number| self.sealed[number].live)?;
        let segment = &self.sealed[&number];
        let worth_it = short || segment.live * 2 <= segment.bytes();
        let need = self.copy_bytes(number);
        let room = self.tail_fits(need) || !self.spares.is_empty() || self.may_make();
        (worth_it && room && self.sparse.remove(&number)).then_some(number)
    }

    /// What copying a segment's living takes in the tail.
    pub(super) fn copy_bytes(&self, number: u64) -> usize {
        self.sealed[&number].live + footprint(NUMBER_BYTES)
    }

    /// Copies a slice of the victim's living; after the last, says that it is needed no more.
    fn copy_step(&mut self) -> Result<Step, StoreError> {
        let Some(Victim { number, mut at }) = self.victim.take() else { return Ok(Step::Nothing) };
        let (end, mut copied, mut looks) = (self.sealed[&number].end, 0, 0);
        let mut payload = Vec::new();
        while at < end && self.sealed[&number].live > 0 && copied < COMPACT_SLICE && looks < LOOKS {
            let place = Place::new(number, at);
            let head = self.record_at(place, &mut payload)?;
            if self.lives_at(&head, place) {
                if !self.find_room(head.footprint())? {
                    self.victim = Some(Victim { number, at });
                    return Ok(Step::Nothing);
                }
                self.place_copy(head.seq, place, &payload, true);
                copied += head.footprint();
                self.upkeep.copied_bytes += head.footprint() as u64;
            }
            at += head.footprint();
            looks += 1;
        }
        let copied_all = at >= end || self.sealed[&number].live == 0;
        if copied_all && self.say_needless(number)? {
            return Ok(Step::Done);
        }
        self.victim = Some(Victim { number, at });
        Ok(if copied_all { Step::Nothing } else { Step::Done })
    }

    /// Adds a copy of a record that is still read where it was; room has been found.
    pub(super) fn place_copy(&mut self, seq: Seq, from: Place, payload: &[u8], end: bool) {
        let to = self.place(Kind::Moved, end, seq, payload);
        self.moving.push(Move { seq, from, to, footprint: footprint(payload.len()) });
    }

    fn lives_at(&self, head: &RecordHeader, place: Place) -> bool {
        matches!(head.kind, Kind::Data | Kind::Moved) && self.index.get(head.seq, &self.segments()) == Some(place)
    }

    /// Reads and checks a record: damage must not be copied under a fresh checksum. The payload is fetched only if it lives.
    fn record_at(&self, place: Place, payload: &mut Vec<u8>) -> Result<RecordHeader, StoreError> {
        let segment = &self.sealed[&place.number()];
        let bytes = &segment.file.exposed()[place.offset()..];
        let rot = |what| {
            let file = self.foundry.disk.describe(&seg_name(place.number()));
            StoreError::Rot { file, offset: place.offset() as u64, what }
        };
        let head = RecordHeader::decode(segment.header.salt, place, bytes).ok_or_else(|| rot("a record that was there cannot be read"))?;
        payload.clear();
        if self.lives_at(&head, place) {
            payload.extend_from_slice(&bytes[RECORD_HEADER..][..head.len]);
            if !intact(segment.header.salt, place, bytes, payload) {
                return Err(rot("the checksum of a record that was there does not match"));
            }
        }
        Ok(head)
    }

    /// As `make_room`, but a full disk is no error, and is not asked in vain.
    fn find_room(&mut self, bytes: usize) -> Result<bool, StoreError> {
        if !self.tail_fits(bytes) && self.spares.is_empty() && !self.may_make() {
            return Ok(false);
        }
        match self.make_room(bytes) {
            Ok(()) => Ok(true),
            Err(e) if e.is_full() => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Recycles or removes the first of the dying. In their order: what says that one is dead must not go before it.
    fn destroy(&mut self) -> Result<Step, StoreError> {
        let Some(Dying { number, .. }) = self.dying.pop_front() else { return Ok(Step::Nothing) };
        let segment = self.sealed.remove(&number).expect("what is dying is still there");
        assert_eq!(segment.live, 0, "segment {number} is destroyed with living records");
        let bytes = segment.bytes() as u64;
        // The map goes first: what it shows is about to change.
        drop(segment);
        self.discard(number, bytes)?;
        Ok(Step::Done)
    }

    /// Recycles the file of a segment that is needed no more, or removes it.
    pub(super) fn discard(&mut self, number: u64, bytes: u64) -> Result<(), StoreError> {
        let name = seg_name(number);
        if self.keeps_spare(bytes) {
            match self.foundry.recycle(&name) {
                Ok(spare) => {
                    self.spares.push_back(spare);
                    self.upkeep.recycled += 1;
                    return Ok(());
                }
                // No descriptor to be had: nothing has changed, and removing needs none.
                Err(e) if e.is_full() => {}
                Err(e) => return Err(e),
            }
        }
        self.upkeep.removed += 1;
        self.foundry.remove(&name)
    }

    /// Whether a spare of this size is worth keeping.
    pub(super) fn keeps_spare(&self, bytes: u64) -> bool {
        let segment = self.foundry.segment_bytes as usize;
        let most = (SPARES_BYTES_MAX / segment).clamp(2, SPARES_MAX);
        let there = self.spares.len() + usize::from(self.making.is_some());
        bytes == segment as u64 && there < most && (there < SPARES_KEPT || !self.is_bloated(segment))
    }

    /// Looks at every sealed segment once: recovery counts the living without telling.
    pub(super) fn note_sparse(&mut self) {
        let numbers: Vec<u64> = self.sealed.keys().copied().collect();
        numbers.into_iter().for_each(|number| self.note_if_sparse(number));
    }

    /// Makes the spare that should be there, at once, if there is space.
    pub(super) fn top_up(&mut self) -> Result<(), StoreError> {
        self.look_at_space()?;
        while self.spares.len() < SPARES_WANTED && self.spare_step()? == Step::Done {}
        Ok(())
    }
}

/// Copying must gain something, or it would go on for ever: an eighth of a segment. One that was sealed early, since a large
/// batch did not fit, is not sparse by that alone.
pub(super) fn gains_by_copy<F>(segment: &Segment<F>) -> bool {
    let dead = segment.end.saturating_sub(segment.live + SEGMENT_OVERHEAD);
    dead * 8 >= segment.bytes()
}
