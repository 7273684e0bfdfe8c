//! Reading what can still be read of a log that is not whole, and telling what cannot.
//!
//! A record counts as found if its header's and its payload's checksums hold where it stands, in a whole batch or not, before
//! damage or after it: from where nothing can be read on, a valid header is looked for at every eighth octet. Segments that were
//! said to be needed no more are read too, as long as they are there: they may have what is lost elsewhere. Of several copies the
//! one with the highest place counts. Beyond the furthest place that any header names as durable the rule is
//! recovery's: whole batches up to the first octet that does not fit, since what follows was promised to nobody.
//!
//! A damaged segment header is no end: all that it says is known but the salt, which is mended if one octet of it is wrong.
//! Where the disk itself cannot read, it counts as zeroes. Nothing is changed here. Deliberately lacking: any idea of what
//! a record means, and whether those that are found make sense together. That is the ledger's to say.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::Seq;

use super::format::{
    ALIGN, HeaderFault, Kind, MANIFEST_BYTES, Manifest, Place, RECORD_HEADER, RecordHeader, SEGMENT_HEADER, SegmentHeader, decode_number,
    footprint, intact,
};
use super::foundry::{new_name, number_of, seg_name};
use super::{Disk, DiskFile, StoreError, Visit, Watch};

/// How much is given up at once where the disk cannot read.
const SECTOR: usize = 4096;
/// How much is read at once.
const SLICE: usize = 1 << 20;

/// Something that a log should have and has not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Loss {
    /// The segment's file.
    pub file: String,
    /// Where in it, in octets.
    pub offset: u64,
    /// What.
    pub what: Lost,
}

/// What is lost.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Lost {
    /// A segment's header; the records in it are counted for themselves.
    Header,
    /// A record of the log's own, or a copy of one that is found elsewhere: nothing of anybody's.
    Nothing,
    /// A record whose header is whole. These octets are where its payload was.
    Record(Seq, Vec<u8>),
    /// So many octets in which no record can be found.
    Gap {
        /// How many octets.
        bytes: u64,
        /// New records in it came after this one.
        after: Seq,
        /// And before this one, if any followed.
        before: Option<Seq>,
    },
    /// The whole file, which is not there, or ends before its first record.
    File {
        /// New records in it came after this one.
        after: Seq,
        /// And before this one, if any followed.
        before: Option<Seq>,
    },
}

/// What can be read of a log.
pub struct Salvage {
    /// By seq: where the newest copy is, and its length.
    found: BTreeMap<Seq, (Place, usize)>,
    salts: BTreeMap<u64, u64>,
    /// In the order of the log, missing files first.
    pub losses: Vec<Loss>,
    /// The newest seq that anything tells of, whether its record is found or not.
    pub newest: Seq,
    /// No segment had this number or a higher one, as far as anything tells.
    pub next_number: u64,
    /// Whether the log ends with its mark of closing. Else there may have been more of it, of which nothing tells.
    pub ends_closed: bool,
}

impl Salvage {
    /// Reads the log.
    ///
    /// # Errors
    /// [`StoreError::Version`] for a segment of a later version; [`Failed`](StoreError::Failed) if a file cannot even be opened.
    pub fn take<D: Disk>(disk: &mut D, watch: &mut Watch<'_>) -> Result<Salvage, StoreError> {
        let names = disk.list().map_err(|e| StoreError::failed("list", disk.describe(""), e))?;
        let numbers = |form| names.iter().filter_map(|name| number_of(name, form)).collect::<BTreeSet<u64>>();
        let (present, unfinished) = (numbers(seg_name), numbers(new_name));
        let mut looks = Vec::with_capacity(present.len());
        for &number in &present {
            looks.push(Look::take(disk, number)?);
            watch(looks.len(), present.len());
        }
        let wreck = Wreck::of(looks, unfinished);
        Ok(wreck.into_salvage(&|number| disk.describe(&seg_name(number))))
    }

    /// How many records are found.
    pub fn records(&self) -> usize {
        self.found.len()
    }

    /// Gives every record that is found to `visit`, in rising order of seq.
    ///
    /// # Errors
    /// [`StoreError::Refused`] if `visit` refuses one; [`Rot`](StoreError::Rot) if one cannot be read any more.
    pub fn each<D: Disk>(&self, disk: &mut D, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        let mut open: Option<(u64, D::File)> = None;
        let mut octets = Vec::new();
        for (&seq, &(place, len)) in &self.found {
            let name = seg_name(place.number());
            let file = match &open {
                Some((number, file)) if *number == place.number() => file,
                _ => {
                    let file = disk.open(&name).map_err(|e| StoreError::failed("open", disk.describe(&name), e))?;
                    &open.insert((place.number(), file)).1
                }
            };
            octets.resize(RECORD_HEADER + len, 0);
            file.read_at(place.offset() as u64, &mut octets).map_err(|e| StoreError::failed("read", disk.describe(&name), e))?;
            let (head, payload) = octets.split_at(RECORD_HEADER);
            let (file, offset) = (disk.describe(&name), place.offset() as u64);
            if !intact(self.salts[&place.number()], place, head, payload) {
                return Err(StoreError::Rot { file, offset, what: "a record that could be read a moment ago cannot be read any more" });
            }
            visit(seq, payload).map_err(|reason| StoreError::Refused { seq, file, offset, reason })?;
        }
        Ok(())
    }
}

/// A valid header, and what follows it.
struct Entry {
    at: usize,
    head: RecordHeader,
    intact: bool,
    /// Of the log's own records, and of what is damaged.
    octets: Vec<u8>,
}

impl Entry {
    fn end(&self) -> usize {
        self.at + self.head.footprint()
    }

    fn is_callers(&self) -> bool {
        matches!(self.head.kind, Kind::Data | Kind::Moved)
    }

    fn number(&self, kind: Kind) -> Option<u64> {
        (self.intact && self.head.kind == kind).then(|| decode_number(&self.octets))?
    }

    fn manifest(&self) -> Option<Manifest> {
        (self.intact && self.head.kind == Kind::Manifest).then(|| Manifest::decode(&self.octets))?
    }
}

/// What one segment's file holds.
struct Look {
    number: u64,
    /// The size that it should have, as far as is known.
    bytes: usize,
    /// It has less.
    is_short: bool,
    header_is_whole: bool,
    salt: u64,
    entries: Vec<Entry>,
}

impl Look {
    fn take<D: Disk>(disk: &mut D, number: u64) -> Result<Look, StoreError> {
        let name = seg_name(number);
        let file = disk.open(&name).map_err(|e| StoreError::failed("open", disk.describe(&name), e))?;
        let octets = read_all(&file);
        let header = octets.first_chunk().map_or(Err(HeaderFault::Damaged), SegmentHeader::decode);
        match header {
            Ok(header) => {
                let header_is_whole = header.number == number && header.bytes as usize == octets.len();
                let bytes = octets.len().max(header.bytes as usize);
                let is_short = bytes > octets.len();
                let entries = entries(number, header.salt, &octets);
                Ok(Look { number, bytes, is_short, header_is_whole, salt: header.salt, entries })
            }
            Err(HeaderFault::Newer(found)) => Err(StoreError::Version { file: disk.describe(&name), found }),
            Err(HeaderFault::Damaged) => {
                let tries = salts(number, &octets).into_iter().map(|salt| (salt, entries(number, salt, &octets)));
                let (salt, entries) = tries.max_by_key(|(_, entries)| entries.len()).unwrap_or_default();
                Ok(Look { number, bytes: octets.len(), is_short: false, header_is_whole: false, salt, entries })
            }
        }
    }

    /// Where its content ends for sure: with its seal.
    fn seal(&self) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.head.kind == Kind::Seal)
    }

    fn manifest(&self) -> Option<Manifest> {
        self.entries.first().filter(|entry| entry.at == SEGMENT_HEADER).and_then(Entry::manifest)
    }

    fn place(&self, at: usize) -> Place {
        Place::new(self.number, at)
    }

    /// Drops what was promised to nobody: from `at` on, where nothing is named as durable, all but whole batches without gaps.
    fn cut_from(&mut self, at: usize) {
        let mut kept = self.entries.partition_point(|entry| entry.at < at);
        let mut end = at;
        for (i, entry) in self.entries.iter().enumerate().skip(kept) {
            if entry.at != end || !entry.intact {
                break;
            }
            end = entry.end();
            if entry.head.end {
                kept = i + 1;
            }
        }
        self.entries.truncate(kept);
    }
}

/// All octets of a file; zeroes where the disk cannot read.
fn read_all<F: DiskFile>(file: &F) -> Vec<u8> {
    let mut octets = vec![0; usize::try_from(file.size()).expect("a segment fits the address space")];
    for (i, slice) in octets.chunks_mut(SLICE).enumerate() {
        if file.read_at((i * SLICE) as u64, slice).is_ok() {
            continue;
        }
        for (j, sector) in slice.chunks_mut(SECTOR).enumerate() {
            if file.read_at((i * SLICE + j * SECTOR) as u64, sector).is_err() {
                sector.fill(0);
            }
        }
    }
    octets
}

/// Salts that a damaged header may have had: what stands there, and what makes the header's checksum right if one octet of
/// the salt is changed.
fn salts(number: u64, octets: &[u8]) -> Vec<u64> {
    let (Some(header), Ok(bytes)) = (octets.first_chunk::<SEGMENT_HEADER>(), u32::try_from(octets.len())) else { return Vec::new() };
    let shown = u64::from_le_bytes(header[24..32].try_into().expect("eight octets"));
    let one_off = (0..8).flat_map(|octet| (1..=255).map(move |flip: u64| shown ^ flip << (8 * octet)));
    let fits = |salt: &u64| SegmentHeader { number, salt: *salt, bytes }.encode()[60..] == header[60..];
    [shown].into_iter().chain(one_off.filter(fits)).collect()
}

/// Every valid header, in the order of places; what lies in a record is not searched.
fn entries(number: u64, salt: u64, octets: &[u8]) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut at = SEGMENT_HEADER;
    while at + RECORD_HEADER <= octets.len() {
        let place = Place::new(number, at);
        let Some(head) = RecordHeader::decode(salt, place, &octets[at..]) else {
            at += ALIGN;
            continue;
        };
        let payload = &octets[at + RECORD_HEADER..octets.len().min(at + RECORD_HEADER + head.len)];
        let intact = payload.len() == head.len && intact(salt, place, &octets[at..], payload);
        let keep = !intact || !matches!(head.kind, Kind::Data | Kind::Moved);
        entries.push(Entry { at, head, intact, octets: if keep { payload.to_vec() } else { Vec::new() } });
        at += head.footprint();
    }
    entries
}

/// All segments together.
struct Wreck {
    /// In rising order of numbers.
    looks: Vec<Look>,
    unfinished: BTreeSet<u64>,
    /// Segments that are said to be needed no more.
    dead: BTreeSet<u64>,
    /// The furthest place that any header names as durable.
    durable: Place,
    /// Seqs that are told of, by the places of what tells, and whether that is the record itself: a manifest tells of an older one.
    told: BTreeMap<Place, (Seq, bool)>,
}

impl Wreck {
    fn of(mut looks: Vec<Look>, unfinished: BTreeSet<u64>) -> Wreck {
        let heads = looks.iter().flat_map(|look| &look.entries);
        let durable = heads.map(|entry| entry.head.durable).max().unwrap_or(Place::ZERO);
        for look in looks.iter_mut().filter(|look| look.number >= durable.number()) {
            look.cut_from(if look.number == durable.number() { durable.offset() } else { SEGMENT_HEADER });
        }
        let entries = || looks.iter().flat_map(|look| look.entries.iter().map(move |entry| (look, entry)));
        let replaced = looks.iter().filter_map(Look::manifest).map(|manifest| manifest.replaces);
        let dead = entries().filter_map(|(_, entry)| entry.number(Kind::Drop)).chain(replaced).collect();
        let tells = |(look, entry): (&Look, &Entry)| {
            let itself = (entry.head.kind == Kind::Data).then_some((entry.head.seq, true));
            Some((look.place(entry.at), entry.manifest().map(|manifest| (manifest.newest, false)).or(itself)?))
        };
        let told = entries().filter_map(tells).collect();
        Wreck { looks, unfinished, dead, durable, told }
    }

    fn into_salvage(self, describe: &dyn Fn(u64) -> String) -> Salvage {
        let callers = || self.looks.iter().flat_map(|look| look.entries.iter().filter(|e| e.is_callers()).map(move |e| (look, e)));
        let mut found = BTreeMap::new();
        for (look, entry) in callers().filter(|(_, entry)| entry.intact) {
            // In the order of places: the last one stays.
            found.insert(entry.head.seq, (look.place(entry.at), entry.head.len));
        }
        let missing = self.missing(describe);
        let newest = callers().map(|(_, entry)| entry.head.seq).chain(self.told.values().map(|(seq, _)| *seq)).max().unwrap_or(Seq::ZERO);
        let sealed_to = self.looks.iter().flat_map(|look| &look.entries).filter_map(|entry| entry.number(Kind::Seal));
        let numbers = self.looks.iter().map(|look| look.number).chain(self.unfinished.iter().copied()).chain(sealed_to);
        let next_number = numbers.chain(missing.iter().filter_map(|(number, _)| *number)).max().map_or(1, |last| last + 1);
        let mut losses: Vec<Loss> = missing.into_iter().map(|(_, loss)| loss).collect();
        for look in self.looks.iter().filter(|look| !self.dead.contains(&look.number)) {
            let file = describe(look.number);
            losses.extend(self.damage(look, &found).into_iter().map(|(at, what)| Loss { file: file.clone(), offset: at as u64, what }));
        }
        let salts = self.looks.iter().map(|look| (look.number, look.salt)).collect();
        let last = self.looks.iter().rev().find_map(|look| look.entries.last());
        let ends_closed = last.is_some_and(|entry| entry.intact && entry.head.kind == Kind::Clean);
        Salvage { found, salts, losses, newest, next_number, ends_closed }
    }

    /// What is wrong within a segment, in the order of offsets.
    fn damage(&self, look: &Look, found: &BTreeMap<Seq, (Place, usize)>) -> Vec<(usize, Lost)> {
        let mut lost = Vec::new();
        if !look.header_is_whole {
            lost.push((0, Lost::Header));
        }
        if look.bytes <= SEGMENT_HEADER {
            let (after, before) = self.around(look.place(SEGMENT_HEADER));
            lost.push((look.bytes, Lost::File { after, before }));
        }
        let mut at = SEGMENT_HEADER;
        for entry in &look.entries {
            if entry.at > at {
                lost.push((at, self.gap(look, at, entry.at)));
            }
            if !entry.intact && entry.is_callers() && !found.contains_key(&entry.head.seq) {
                lost.push((entry.at, Lost::Record(entry.head.seq, entry.octets.clone())));
            } else if !entry.intact {
                lost.push((entry.at, Lost::Nothing));
            }
            at = entry.end();
        }
        let end = match look.seal() {
            Some(seal) => seal.end(),
            None if look.number < self.durable.number() => look.bytes,
            None if look.is_short && !look.entries.is_empty() => look.bytes,
            // A header that is gone with its salt says nothing of what was there.
            None if !look.header_is_whole && look.entries.is_empty() => look.bytes,
            None if look.number == self.durable.number() => self.durable.offset(),
            None => SEGMENT_HEADER,
        };
        if at < end {
            lost.push((at, self.gap(look, at, end)));
        }
        lost
    }

    fn gap(&self, look: &Look, from: usize, to: usize) -> Lost {
        // There stood the manifest, and nothing else.
        if (from, to - from) == (SEGMENT_HEADER, footprint(MANIFEST_BYTES)) {
            return Lost::Nothing;
        }
        let (after, before) = self.around(look.place(from));
        Lost::Gap { bytes: (to - from) as u64, after, before }
    }

    /// The newest seq that is told of before a place, and that of the next new record after it.
    fn around(&self, place: Place) -> (Seq, Option<Seq>) {
        let after = self.told.range(..place).next_back().map_or(Seq::ZERO, |(_, (seq, _))| *seq);
        (after, self.told.range(place..).find(|(_, (_, itself))| *itself).map(|(_, (seq, _))| *seq))
    }

    /// Files that should be there: their numbers where those can be told.
    fn missing(&self, describe: &dyn Fn(u64) -> String) -> Vec<(Option<u64>, Loss)> {
        let is_there = |number: u64| self.looks.iter().any(|look| look.number == number);
        let mut numbers = BTreeSet::new();
        let mut untold = 0;
        let Some(tail) = self.looks.iter().rev().find(|look| !look.entries.is_empty()) else { return Vec::new() };
        let next = tail.entries.iter().find_map(|entry| entry.number(Kind::Seal));
        numbers.extend(next.filter(|next| !is_there(*next) && !self.unfinished.contains(next)));
        if let Some(expected) = tail.manifest() {
            let present = self.looks.iter().map(|look| look.number).filter(|number| *number < tail.number && !self.dead.contains(number));
            let dropped = tail.entries.iter().filter_map(|entry| entry.number(Kind::Drop));
            let mut set = Manifest::default();
            present.chain(dropped).for_each(|number| set.add(number));
            if !set.same_set(&expected) {
                let single = expected.sum.wrapping_sub(set.sum);
                // Seals name their successors, whether those were needed to the end or not.
                let sealed_to = self.looks.iter().filter(|look| look.number < tail.number).flat_map(|look| &look.entries);
                let named: BTreeSet<u64> = sealed_to.filter_map(|entry| entry.number(Kind::Seal)).collect();
                let named: Vec<u64> = named.into_iter().filter(|number| !is_there(*number) && !self.dead.contains(number)).collect();
                let mut guess = set;
                named.iter().for_each(|number| guess.add(*number));
                match expected.count.wrapping_sub(set.count) {
                    1 if single > 0 && single < 1 << 36 => numbers.extend([single]),
                    _ if guess.same_set(&expected) => numbers.extend(named),
                    missing => untold = missing,
                }
            }
        }
        let lost = |number: u64| {
            let (after, before) = self.around(Place::new(number, SEGMENT_HEADER));
            (Some(number), Loss { file: describe(number), offset: 0, what: Lost::File { after, before } })
        };
        let mut missing: Vec<_> = numbers.into_iter().map(lost).collect();
        if untold > 0 && untold < 1 << 36 {
            let file = format!("{untold} segments, which ones is not known");
            missing.push((None, Loss { file, offset: 0, what: Lost::File { after: Seq::ZERO, before: None } }));
        }
        missing
    }
}
