//! Opening: what is there, is it whole, replay it, put it in order.
//!
//! 1. Every segment is synced, dropped from the page cache and scanned. So what is read is what the disk has: after a failed
//!    sync of an earlier process the cache may show octets that the disk never got.
//! 2. The *survey* is judged: the newest segment with content was the tail; those before it must be whole and complete, unless
//!    a drop record says that they are needed no more; those after it are spares. Errors come from here.
//! 3. The records are replayed. Up to here no octet has changed.
//! 4. After a clean end the tail goes on. After any other its surviving records become one atomic batch in the first
//!    spare, under a fresh salt, so that cut octets never come back; with no space at all the cut part is zeroed
//!    where it is. A mark then names what is durable, dead segments go, and a spare is made.
//!
//! A crash anywhere in 4 leaves a directory that the same steps bring to the same records.

use std::cell::Cell;
use std::collections::BTreeMap;

use crate::base::{Entropy, Seq};
use crate::limits::{PULSE_BYTES, SEGMENT_BYTES_MAX, ZERO_SLICE};

use super::format::{Kind, Manifest, Peek, Place, RECORD_HEADER, SEGMENT_HEADER, footprint, peek};
use super::foundry::{Foundry, Segment, new_name, seg_name};
use super::index::Index;
use super::log::{Parts, Segments};
use super::scan::Scan;
use super::survey::{Survey, Verdict};
use super::{Disk, DiskFile, Opened, Options, Recovery, Store, StoreError, Visit, Watch};

/// Octets of the tail's survivors that are gathered before they are written.
const REWRITE_SLICE: usize = 1 << 20;
/// The smallest segment the store can work with.
const SEGMENT_BYTES_FLOOR: u32 = 1024;

impl<D: Disk> Store<D> {
    /// Opens the store, or makes it where there is none, and gives every surviving record to `visit` in rising order of seq.
    ///
    /// # Errors
    /// [`StoreError::Failed`] if the disk does; [`Rot`](StoreError::Rot), [`Missing`](StoreError::Missing) and
    /// [`Version`](StoreError::Version) if the log is not whole; [`Refused`](StoreError::Refused) if `visit` refuses a record.
    /// Then nothing has been changed. [`Full`](StoreError::Full) only if there is no store yet and no space for one.
    /// # Panics
    /// If the options are out of bounds.
    pub fn open(disk: D, options: Options, entropy: Box<dyn Entropy>, visit: &mut Visit<'_>) -> Result<Opened<D>, StoreError> {
        Store::open_watched(disk, options, entropy, &mut |_, _| {}, visit)
    }

    /// The same, for whoever has something else to do now and then meanwhile: a large log takes seconds to read. All of it is read
    /// twice, so the segments count double.
    ///
    /// # Errors
    /// As for [`open`](Store::open).
    /// # Panics
    /// As for [`open`](Store::open).
    pub fn open_watched(
        disk: D,
        options: Options,
        entropy: Box<dyn Entropy>,
        watch: &mut Watch<'_>,
        visit: &mut Visit<'_>,
    ) -> Result<Opened<D>, StoreError> {
        let bytes = options.segment_bytes;
        assert!(
            (SEGMENT_BYTES_FLOOR..=SEGMENT_BYTES_MAX).contains(&bytes) && bytes.is_multiple_of(8),
            "segments of {bytes} octets are not possible"
        );
        let mut foundry = Foundry { disk, entropy, segment_bytes: bytes, next_number: 1 };
        let survey = Survey::take(&mut foundry, &mut |done, total| watch(done, 2 * total))?;
        let Some(verdict) = survey.judge(&foundry.disk)? else {
            let store = begin(foundry, &survey)?;
            return Ok(Opened { store, recovery: Recovery { clean: true, ..Recovery::default() } });
        };
        let total = survey.scans.len();
        let mut beat = |segments: usize| watch(total + segments.min(total), 2 * total);
        let mut pulse = Pulse::new(&mut beat);
        let mut parts = load(foundry, &verdict, &mut pulse)?;
        let mut recovery = found(&survey, &verdict);
        replay(&mut parts, &mut recovery, &mut pulse, visit)?;
        survey.clear_stale(&mut parts.foundry)?;
        let mut store = match recovery.clean {
            true => resume(parts, &verdict)?,
            false => mend(parts, &survey, &verdict)?,
        };
        for &(_, number, bytes) in &verdict.dead {
            store.discard(number, bytes)?;
        }
        if store.tail.number() != verdict.tail.number {
            let old = store.sealed.remove(&verdict.tail.number).expect("the old tail was kept while it was copied");
            assert_eq!(old.live, 0, "the old tail goes only when all of it is copied");
            let bytes = old.bytes() as u64;
            drop(old);
            store.discard(verdict.tail.number, bytes)?;
        }
        clear_unfinished(&mut store.foundry, &survey)?;
        store.note_sparse();
        store.top_up()?;
        Ok(Opened { store, recovery })
    }
}

/// Reads everything, checks every checksum and every record, and changes nothing.
///
/// # Errors
/// As for [`Store::open`], but for those of writing.
pub fn verify<D: Disk>(disk: D, watch: &mut Watch<'_>, visit: &mut Visit<'_>) -> Result<Recovery, StoreError> {
    let mut foundry = Foundry { disk, entropy: Box::new(Unused), segment_bytes: 0, next_number: 1 };
    let survey = Survey::take(&mut foundry, watch)?;
    let Some(verdict) = survey.judge(&foundry.disk)? else { return Ok(Recovery { clean: true, ..Recovery::default() }) };
    let mut nobody = |_| {};
    let mut pulse = Pulse::new(&mut nobody);
    let mut parts = load(foundry, &verdict, &mut pulse)?;
    let mut recovery = found(&survey, &verdict);
    replay(&mut parts, &mut recovery, &mut pulse, visit)?;
    Ok(recovery)
}

/// Tells that work goes on: how many segments are done, each time that some MiB are.
struct Pulse<'a> {
    beat: &'a mut dyn FnMut(usize),
    segments: usize,
    octets: usize,
}

impl<'a> Pulse<'a> {
    fn new(beat: &'a mut dyn FnMut(usize)) -> Pulse<'a> {
        Pulse { beat, segments: 0, octets: 0 }
    }

    fn work(&mut self, octets: usize) {
        self.octets += octets;
        if self.octets >= PULSE_BYTES {
            self.octets = 0;
            (self.beat)(self.segments);
        }
    }
}

/// Who only reads makes no salts.
struct Unused;

impl Entropy for Unused {
    fn fill(&mut self, _: &mut [u8]) {
        unreachable!("nothing is made while a log is verified");
    }
}

/// How a log was found, before its records are counted.
fn found(survey: &Survey, verdict: &Verdict<'_>) -> Recovery {
    Recovery {
        segments: survey.scans.len(),
        torn_bytes: verdict.after.iter().chain([&verdict.tail]).map(|scan| scan.torn_bytes() as u64).sum(),
        clean: verdict.is_clean(),
        ..Recovery::default()
    }
}

/// Opens and maps what is needed, and builds the index.
fn load<D: Disk>(mut foundry: Foundry<D>, verdict: &Verdict<'_>, pulse: &mut Pulse<'_>) -> Result<Parts<D>, StoreError> {
    let mut sealed = BTreeMap::new();
    for scan in &verdict.needed {
        let mut segment = reopen(&mut foundry, scan)?;
        segment.file.retire();
        sealed.insert(scan.number, segment);
    }
    let tail = reopen(&mut foundry, verdict.tail)?;
    let index = index_of(&Segments { sealed: &sealed, tail: &tail, resident: &Cell::new(0) }, pulse);
    let durable_end = Place::new(tail.number(), tail.end);
    Ok(Parts { foundry, index, sealed, tail, newest: verdict.tail.newest, durable_end })
}

/// A segment as the scan found it, mapped as far as it has data.
fn reopen<D: Disk>(foundry: &mut Foundry<D>, scan: &Scan) -> Result<Segment<D::File>, StoreError> {
    let name = seg_name(scan.number);
    let header = scan.header.expect("only segments with a good header are used");
    let mut file = foundry.disk.open(&name).map_err(|e| foundry.failed("open", &name, e))?;
    file.expose(scan.data_end).map_err(|e| foundry.failed("map", &name, e))?;
    Ok(Segment { header, file, end: scan.data_end, live: 0, reach: scan.reach, touched: Cell::new(u64::MAX) })
}

/// Lists all records that are there. Those that stand where they were first written rise from segment to segment, so that
/// only copies have to be sorted in: no list of everything is ever made.
fn index_of<F: DiskFile>(segments: &Segments<'_, F>, pulse: &mut Pulse<'_>) -> Index {
    let all = || segments.sealed.values().chain([segments.tail]).flat_map(records);
    let beat = |(head, _): &(Peek, Place)| pulse.work(head.footprint);
    let moved = all().inspect(beat).filter(|(head, _)| head.moved);
    let mut copies: Vec<(Seq, Place)> = moved.filter_map(|(head, place)| Some((head.seq?, place))).collect();
    copies.sort_unstable();
    // Of copies the newest wins, so that the older segment is the emptier.
    copies.dedup_by(|later, kept| {
        let same = later.0 == kept.0;
        if same {
            kept.1 = later.1;
        }
        same
    });
    let mut copies = copies.into_iter().peekable();
    let mut index = Index::default();
    let mut push = |seq, place| {
        index.push(seq, place);
        index.tidy(segments);
    };
    let beat = |(head, _): &(Peek, Place)| pulse.work(head.footprint);
    for (head, place) in all().inspect(beat).filter(|(head, _)| !head.moved) {
        let Some(seq) = head.seq else { continue };
        while let Some((older, place)) = copies.next_if(|(copied, _)| *copied < seq) {
            push(older, place);
        }
        let copy = copies.next_if(|(copied, _)| *copied == seq);
        push(seq, copy.map_or(place, |(_, copy)| copy.max(place)));
    }
    copies.for_each(|(seq, place)| push(seq, place));
    index
}

/// The heads of a segment's records, of all kinds, in the order of places.
fn records<F: DiskFile>(segment: &Segment<F>) -> impl Iterator<Item = (Peek, Place)> + '_ {
    let mut at = SEGMENT_HEADER;
    std::iter::from_fn(move || {
        let head = peek(segment.file.exposed().get(at..segment.end)?)?;
        let place = Place::new(segment.number(), at);
        at += head.footprint;
        Some((head, place))
    })
}

/// Gives every record to the caller, and counts what lives where.
fn replay<D: Disk>(parts: &mut Parts<D>, recovery: &mut Recovery, pulse: &mut Pulse<'_>, visit: &mut Visit<'_>) -> Result<(), StoreError> {
    let Parts { foundry, index, sealed, tail, .. } = parts;
    let mut live: BTreeMap<u64, usize> = BTreeMap::new();
    for (seq, place) in index.iter(&Segments { sealed, tail, resident: &Cell::new(0) }) {
        let segment = if place.number() == tail.number() { &*tail } else { &sealed[&place.number()] };
        // Through the map, although a disk error is a SIGBUS there: the scan has just read all of it without one.
        let payload = payload_of(segment, place);
        visit(seq, payload).map_err(|reason| {
            let file = foundry.disk.describe(&seg_name(place.number()));
            StoreError::Refused { seq, file, offset: place.offset() as u64, reason }
        })?;
        recovery.records += 1;
        recovery.bytes += payload.len() as u64;
        *live.entry(place.number()).or_default() += footprint(payload.len());
        pulse.segments = live.len();
        pulse.work(footprint(payload.len()));
    }
    for segment in sealed.values_mut().chain([tail]) {
        segment.live = live.get(&segment.number()).copied().unwrap_or(0);
    }
    Ok(())
}

fn payload_of<F: DiskFile>(segment: &Segment<F>, place: Place) -> &[u8] {
    let bytes = &segment.file.exposed()[place.offset()..];
    let len = peek(bytes).expect("the scan has seen the whole record").len;
    &bytes[RECORD_HEADER..][..len]
}

/// Makes a store where there is none.
fn begin<D: Disk>(mut foundry: Foundry<D>, survey: &Survey) -> Result<Store<D>, StoreError> {
    survey.clear_stale(&mut foundry)?;
    clear_unfinished(&mut foundry, survey)?;
    let tail = match survey.scans.first() {
        Some(scan) => foundry.remake(&seg_name(scan.number), scan.number)?,
        None => {
            foundry.next_number = 1;
            foundry.make(foundry.segment_bytes)?
        }
    };
    let parts = Parts { foundry, index: Index::default(), sealed: BTreeMap::new(), tail, newest: Seq::ZERO, durable_end: Place::ZERO };
    let mut store = Store::assemble(parts);
    store.place(Kind::Manifest, true, Seq::ZERO, &Manifest::default().encode());
    store.flush()?;
    store.mark(Kind::Mark)?;
    store.top_up()?;
    Ok(store)
}

/// Goes on where the store was closed.
fn resume<D: Disk>(parts: Parts<D>, verdict: &Verdict<'_>) -> Result<Store<D>, StoreError> {
    let mut store = Store::assemble(parts);
    for scan in &verdict.after {
        // Nothing was ever written to it: its salt is still good.
        if store.keeps_spare(scan.file_bytes) {
            let spare = reopen(&mut store.foundry, scan)?;
            store.spares.push_back(spare);
        } else {
            store.foundry.remove(&seg_name(scan.number))?;
        }
    }
    Ok(store)
}

/// Puts the log in order after an unclean end.
fn mend<D: Disk>(mut parts: Parts<D>, survey: &Survey, verdict: &Verdict<'_>) -> Result<Store<D>, StoreError> {
    let home = new_home(&mut parts.foundry, survey, verdict)?;
    let taken = home.as_ref().map(Segment::number);
    // A crash may have left records under the present salt of those that come later, and these may name octets that are cut
    // below as durable. So they go first: a crash in between must not make the cut look like damage.
    let mut later = Vec::new();
    for scan in verdict.after.iter().filter(|scan| Some(scan.number) != taken) {
        later.push(parts.foundry.remake(&seg_name(scan.number), scan.number)?);
    }
    let mut store = match home {
        Some(home) => rewrite(parts, home)?,
        None => {
            zero_from_end(&mut parts)?;
            Store::assemble(parts)
        }
    };
    store.mark(Kind::Mark)?;
    for spare in later {
        match store.keeps_spare(spare.bytes() as u64) {
            true => store.spares.push_back(spare),
            false => {
                let name = seg_name(spare.number());
                drop(spare);
                store.foundry.remove(&name)?;
            }
        }
    }
    Ok(store)
}

/// A segment for the tail's survivors: the one that comes next, or a new one if none is there.
fn new_home<D: Disk>(foundry: &mut Foundry<D>, survey: &Survey, verdict: &Verdict<'_>) -> Result<Option<Segment<D::File>>, StoreError> {
    let bytes = verdict.tail.header.expect("the tail has content").bytes;
    let sealed_to = verdict.tail.seal.filter(|next| survey.unfinished.contains(next));
    let home = match (verdict.after.first(), sealed_to) {
        // An earlier recovery was cut short while it made this one: to be the tail's home, or just to come after the tail.
        (_, Some(next)) => match foundry.size_of(&new_name(next)) {
            Ok(size) if size < u64::from(bytes) => return Ok(None),
            size => size.and_then(|_| foundry.remake(&new_name(next), next)),
        },
        // A later number would leave this one, without content, where content must be.
        (Some(next), None) if next.file_bytes < u64::from(bytes) => return Ok(None),
        (Some(next), None) => foundry.remake(&seg_name(next.number), next.number),
        (None, None) => foundry.make(bytes),
    };
    match home {
        Ok(home) => Ok(Some(home)),
        Err(e) if e.is_full() => Ok(None),
        Err(e) => Err(e),
    }
}

/// Writes the tail's survivors to their new home as one batch: all of it is there after a crash, or the old tail still is the tail.
fn rewrite<D: Disk>(mut parts: Parts<D>, home: Segment<D::File>) -> Result<Store<D>, StoreError> {
    let old_number = parts.tail.number();
    let segments = Segments { sealed: &parts.sealed, tail: &parts.tail, resident: &Cell::new(0) };
    let survivors: Vec<(Seq, Place)> = parts.index.iter(&segments).filter(|(_, place)| place.number() == old_number).collect();
    let old = std::mem::replace(&mut parts.tail, home);
    let mut store = Store::assemble(parts);
    let manifest = Manifest { replaces: old_number, ..store.manifest() };
    store.sealed.insert(old_number, old);
    store.place(Kind::Manifest, survivors.is_empty(), Seq::ZERO, &manifest.encode());
    let mut payload = Vec::new();
    for (i, &(seq, from)) in survivors.iter().enumerate() {
        payload.clear();
        payload.extend_from_slice(payload_of(&store.sealed[&old_number], from));
        store.place_copy(seq, from, &payload, i + 1 == survivors.len());
        if store.pending.len() > REWRITE_SLICE {
            store.write_pending()?;
        }
    }
    store.flush()?;
    Ok(store)
}

/// The way without space: the cut part becomes zeroes where it is.
fn zero_from_end<D: Disk>(parts: &mut Parts<D>) -> Result<(), StoreError> {
    let name = seg_name(parts.tail.number());
    let (mut at, bytes) = (parts.tail.end, parts.tail.bytes());
    while at < bytes {
        let slice = (bytes - at).min(ZERO_SLICE);
        parts.tail.file.write_at(at as u64, &vec![0; slice]).map_err(|e| parts.foundry.failed("write", &name, e))?;
        at += slice;
    }
    parts.tail.file.sync_data().map_err(|e| parts.foundry.failed("sync", &name, e))
}

/// Removes what was on its way to be a segment, unless it has become one meanwhile.
fn clear_unfinished<D: Disk>(foundry: &mut Foundry<D>, survey: &Survey) -> Result<(), StoreError> {
    let names = foundry.disk.list().map_err(|e| foundry.failed("list", "", e))?;
    for name in survey.unfinished.iter().map(|&number| new_name(number)).filter(|name| names.contains(name)) {
        foundry.remove(&name)?;
    }
    Ok(())
}
