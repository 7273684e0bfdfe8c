//! Reading one segment from start to end, judging nothing beyond it.
//!
//! Batches are taken whole or not at all. Where the whole ones end, the rest of the file is searched for
//! headers that are valid where they stand: what they name as durable tells rot from a torn end.
//! All is read with calls, not through the map: an octet that the disk cannot read is an error here and a SIGBUS there.

use std::io;

use crate::base::Seq;
use crate::limits::RECORD_MAX;

use super::DiskFile;
use super::format::{
    ALIGN, HeaderFault, Kind, MANIFEST_BYTES, Manifest, NUMBER_BYTES, Place, RECORD_HEADER, RecordHeader, SEGMENT_HEADER, SegmentHeader,
    decode_number, footprint, intact,
};
use super::foundry::widen;

/// How much of a file is read at once: a whole record at least.
const WINDOW: usize = footprint(RECORD_MAX).next_power_of_two();

/// What a segment's seal takes.
const SEAL: usize = footprint(NUMBER_BYTES);

/// What one segment's file holds.
#[derive(Debug)]
pub(super) struct Scan {
    /// By its name.
    pub(super) number: u64,
    pub(super) header: Result<SegmentHeader, HeaderFault>,
    /// The size of the file.
    pub(super) file_bytes: u64,
    /// There if the segment has ever been the tail, as far as is known.
    pub(super) manifest: Option<Manifest>,
    /// The lowest and the highest seq of the caller's records in whole batches.
    pub(super) reach: Option<(Seq, Seq)>,
    /// Segments that are said to be needed no more, and where.
    pub(super) drops: Vec<(u64, Place)>,
    /// The segment that is said to follow.
    pub(super) seal: Option<u64>,
    /// Whether the last of the whole batches says that the store was closed.
    pub(super) clean: bool,
    /// The newest of the records that were not copied here.
    pub(super) newest: Seq,
    /// Where the whole batches end.
    pub(super) end: usize,
    /// As `end`, but before a seal.
    pub(super) data_end: usize,
    /// Where reading went no further: at `end`, or later in a batch without its end.
    pub(super) stop: usize,
    /// Where the last valid header beyond `end` says that its record ends; `end` if there is none.
    pub(super) torn_end: usize,
    /// Whether a batch is intact but cannot stand where it does.
    pub(super) senseless: bool,
    /// The furthest place that any valid header names as durable.
    pub(super) durable: Place,
}

impl Scan {
    /// Whether a batch was ever completed here.
    pub(super) fn has_content(&self) -> bool {
        self.manifest.is_some()
    }

    /// The segments that are said here to be needed no more, and where. True for ever: numbers are not used twice.
    pub(super) fn says_dead(&self) -> impl Iterator<Item = (u64, Place)> + '_ {
        let replaced = self.manifest.map(|manifest| (manifest.replaces, Place::new(self.number, SEGMENT_HEADER)));
        replaced.into_iter().chain(self.drops.iter().copied())
    }

    /// Octets beyond the whole batches that were certainly written in this life of the file.
    pub(super) fn torn_bytes(&self) -> usize {
        self.torn_end - self.end
    }

    /// Reads the segment `number` from its file, and calls `pulse` with each large piece of it.
    ///
    /// # Errors
    /// If the disk cannot read it.
    pub(super) fn take<F: DiskFile>(number: u64, file: &F, pulse: &mut dyn FnMut()) -> io::Result<Scan> {
        let mut reader = Reader { file, window: Vec::new(), start: 0, pulse };
        let header = read_header(number, &mut reader)?;
        let mut scan = Scan {
            number,
            header,
            file_bytes: file.size(),
            manifest: None,
            reach: None,
            drops: Vec::new(),
            seal: None,
            clean: false,
            newest: Seq::ZERO,
            end: SEGMENT_HEADER,
            data_end: SEGMENT_HEADER,
            stop: SEGMENT_HEADER,
            torn_end: SEGMENT_HEADER,
            senseless: false,
            durable: Place::ZERO,
        };
        if let Ok(header) = header {
            scan.batches(header, &mut reader)?;
            scan.strays(header, &mut reader)?;
        }
        Ok(scan)
    }

    /// Takes whole batches from the start until something is not valid.
    fn batches<F: DiskFile>(&mut self, header: SegmentHeader, reader: &mut Reader<'_, F>) -> io::Result<()> {
        let mut batch: Vec<(RecordHeader, Place, Vec<u8>)> = Vec::new();
        while self.seal.is_none() {
            let place = Place::new(self.number, self.stop);
            let Some((record, payload)) = reader.record(header, place)? else { break };
            // Only what is not the caller's is looked at later.
            let payload = if matches!(record.kind, Kind::Data | Kind::Moved) { Vec::new() } else { payload.to_vec() };
            self.durable = self.durable.max(record.durable);
            self.stop += record.footprint();
            batch.push((record, place, payload));
            if record.end {
                if !self.makes_sense(&batch) {
                    self.senseless = true;
                    break;
                }
                for (record, place, payload) in batch.drain(..) {
                    self.accept(record, place, &payload);
                }
            }
        }
        self.torn_end = self.stop;
        Ok(())
    }

    /// What checksums cannot tell: whether the batch may stand here. Not so only by a fault of this program.
    fn makes_sense(&self, batch: &[(RecordHeader, Place, Vec<u8>)]) -> bool {
        let mut newest = self.newest;
        batch.iter().enumerate().all(|(i, (record, place, payload))| {
            let first = self.manifest.is_none() && i == 0;
            let shape = match record.kind {
                Kind::Data => std::mem::replace(&mut newest, record.seq) < record.seq,
                Kind::Moved => record.seq <= newest,
                Kind::Manifest => payload.len() == MANIFEST_BYTES,
                Kind::Drop | Kind::Seal => payload.len() == NUMBER_BYTES,
                Kind::Mark | Kind::Clean => payload.is_empty(),
            };
            if record.kind == Kind::Manifest {
                newest = newest.max(Manifest::decode(payload).map_or(Seq::ZERO, |manifest| manifest.newest));
            }
            let leaves_room = record.kind == Kind::Seal || place.offset() + record.footprint() + SEAL <= self.file_bytes as usize;
            shape && leaves_room && record.durable <= *place && first == (record.kind == Kind::Manifest)
        })
    }

    fn accept(&mut self, record: RecordHeader, place: Place, payload: &[u8]) {
        let end = place.offset() + record.footprint();
        self.clean = false;
        match record.kind {
            Kind::Data => {
                self.newest = record.seq;
                widen(&mut self.reach, record.seq);
            }
            Kind::Moved => widen(&mut self.reach, record.seq),
            Kind::Manifest => {
                self.manifest = Manifest::decode(payload);
                self.newest = self.manifest.map_or(Seq::ZERO, |manifest| manifest.newest);
            }
            Kind::Drop => self.drops.extend(decode_number(payload).map(|number| (number, place))),
            Kind::Seal => self.seal = decode_number(payload),
            Kind::Mark => {}
            Kind::Clean => self.clean = true,
        }
        self.end = end;
        if record.kind != Kind::Seal {
            self.data_end = end;
        }
    }

    /// Looks for valid headers where no whole batch is.
    fn strays<F: DiskFile>(&mut self, header: SegmentHeader, reader: &mut Reader<'_, F>) -> io::Result<()> {
        let mut at = self.stop;
        while at + RECORD_HEADER <= header.bytes as usize {
            let head = reader.bytes(at, RECORD_HEADER)?;
            if let Some(record) = RecordHeader::decode(header.salt, Place::new(self.number, at), head) {
                self.durable = self.durable.max(record.durable);
                self.torn_end = self.torn_end.max((at + record.footprint()).min(header.bytes as usize));
            }
            at += ALIGN;
        }
        Ok(())
    }
}

fn read_header<F: DiskFile>(number: u64, reader: &mut Reader<'_, F>) -> io::Result<Result<SegmentHeader, HeaderFault>> {
    let size = reader.file.size();
    if size < SEGMENT_HEADER as u64 {
        return Ok(Err(HeaderFault::Damaged));
    }
    let bytes = reader.bytes(0, SEGMENT_HEADER)?.try_into().expect("asked for a header's length");
    Ok(SegmentHeader::decode(bytes).and_then(|header| match header.number == number && u64::from(header.bytes) == size {
        true => Ok(header),
        false => Err(HeaderFault::Damaged),
    }))
}

/// A file, read forward in large pieces.
struct Reader<'a, F> {
    file: &'a F,
    window: Vec<u8>,
    start: usize,
    pulse: &'a mut dyn FnMut(),
}

impl<F: DiskFile> Reader<'_, F> {
    /// These octets of the file, which has them.
    fn bytes(&mut self, at: usize, len: usize) -> io::Result<&[u8]> {
        if at < self.start || at + len > self.start + self.window.len() {
            let left = usize::try_from(self.file.size()).expect("a segment fits the address space") - at;
            assert!(len <= left, "asked beyond the end of the file");
            self.window.resize(left.min(WINDOW.max(len)), 0);
            self.start = at;
            self.file.read_at(at as u64, &mut self.window)?;
            (self.pulse)();
        }
        Ok(&self.window[at - self.start..][..len])
    }

    /// The record at this place, if there is a valid one.
    fn record(&mut self, header: SegmentHeader, place: Place) -> io::Result<Option<(RecordHeader, &[u8])>> {
        let (at, size) = (place.offset(), header.bytes as usize);
        if at + RECORD_HEADER > size {
            return Ok(None);
        }
        let Some(record) = RecordHeader::decode(header.salt, place, self.bytes(at, RECORD_HEADER)?) else { return Ok(None) };
        if at + record.footprint() > size {
            return Ok(None);
        }
        let bytes = self.bytes(at, RECORD_HEADER + record.len)?;
        let (head, payload) = bytes.split_at(RECORD_HEADER);
        Ok(intact(header.salt, place, head, payload).then_some((record, payload)))
    }
}
