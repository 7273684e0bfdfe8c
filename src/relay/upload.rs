//! The data of a request, while it comes.
//!
//! Small data is gathered in memory; large data goes to the log chunk by chunk and only its chunks' numbers
//! stay here. Data of a request that cannot be done is counted and dropped.

use std::borrow::Cow;

use std::time::Duration;

use crate::base::{Mono, Seq};
use crate::limits::UPLOAD_PERIOD;
use crate::record::Payload;
use crate::wire::Request;

/// What becomes of some octets of data.
#[derive(Debug)]
enum Sink {
    /// They fit the message's own record.
    Memory(Vec<u8>),
    /// They go to the log in chunks; `rest` is the next one, in the making.
    Chunks { done: Vec<Seq>, rest: Vec<u8> },
    /// Nobody wants them.
    Nothing,
}

/// Consecutive data of one kind: a note, or a message.
#[derive(Debug)]
struct Part {
    left: u64,
    sink: Sink,
}

impl Part {
    fn new(len: u64, chunk: usize) -> Part {
        let sink = match usize::try_from(len) {
            Ok(len) if len <= chunk => Sink::Memory(Vec::with_capacity(len)),
            _ => Sink::Chunks { done: Vec::new(), rest: Vec::new() },
        };
        Part { left: len, sink }
    }

    /// Takes octets off the front of `input`.
    fn take(&mut self, input: &mut &[u8], chunk: usize, store: &mut dyn FnMut(&[u8]) -> Seq) {
        let count = usize::try_from(self.left).unwrap_or(usize::MAX).min(input.len());
        let (mut mine, others) = input.split_at(count);
        *input = others;
        self.left -= count as u64;
        match &mut self.sink {
            Sink::Nothing => {}
            Sink::Memory(octets) => octets.extend_from_slice(mine),
            Sink::Chunks { done, rest } => {
                while !mine.is_empty() {
                    let (now, later) = mine.split_at(mine.len().min(chunk - rest.len()));
                    rest.extend_from_slice(now);
                    mine = later;
                    if rest.len() == chunk {
                        done.push(store(rest));
                        rest.clear();
                    }
                }
                if self.left == 0 && !rest.is_empty() {
                    done.push(store(&std::mem::take(rest)));
                }
            }
        }
    }

    fn into_payload(self) -> Payload<'static> {
        match self.sink {
            Sink::Memory(octets) => Payload::Inline(Cow::Owned(octets)),
            Sink::Chunks { done, .. } => Payload::Chunks(done),
            Sink::Nothing => Payload::EMPTY,
        }
    }
}

/// The data of a request, in its two parts. Most requests have no note.
#[derive(Debug)]
pub(super) struct Data<'a> {
    /// PostNotify's note, which comes first.
    pub(super) note: Payload<'a>,
    /// The message's data.
    pub(super) body: Payload<'a>,
}

impl Data<'_> {
    /// The records that hold parts of it already.
    pub(super) fn chunks(&self) -> Vec<Seq> {
        let of = |payload: &Payload<'_>| match payload {
            Payload::Inline(_) => Vec::new(),
            Payload::Chunks(chunks) => chunks.clone(),
        };
        [of(&self.note), of(&self.body)].concat()
    }
}

/// A request that waits for the end of its data.
#[derive(Debug)]
pub(super) struct Upload {
    request: Request<'static>,
    /// Why the request cannot be done; its data is dropped.
    refusal: Option<String>,
    note: Part,
    body: Part,
    pace: Pace,
}

/// How fast it comes.
#[derive(Debug)]
struct Pace {
    since: Mono,
    octets: u64,
}

impl Upload {
    /// Waits for the data of `request`; with a `refusal`, only to drop it.
    pub(super) fn new(request: Request<'static>, refusal: Option<String>, chunk: usize, now: Mono) -> Upload {
        let note = note_len(&request);
        let rest = request.body().len - note;
        let part = |len| if refusal.is_some() { Part { left: len, sink: Sink::Nothing } } else { Part::new(len, chunk) };
        let (note, body) = (part(note), part(rest));
        Upload { request, refusal, note, body, pace: Pace { since: now, octets: 0 } }
    }

    /// Takes more data; `store` puts a chunk into the log. Whether that was all.
    pub(super) fn take(&mut self, mut octets: &[u8], chunk: usize, store: &mut dyn FnMut(&[u8]) -> Seq) -> bool {
        self.pace.octets += octets.len() as u64;
        self.note.take(&mut octets, chunk, store);
        self.body.take(&mut octets, chunk, store);
        debug_assert!(octets.is_empty(), "a frame's data ends with the frame");
        self.note.left == 0 && self.body.left == 0
    }

    /// The request with its data, or why it cannot be done.
    pub(super) fn finish(self) -> (Request<'static>, Result<Data<'static>, String>) {
        let data = Data { note: self.note.into_payload(), body: self.body.into_payload() };
        (self.request, self.refusal.map_or(Ok(data), Err))
    }

    /// Gives the upload up: its data from here on is dropped, and these chunks are needless.
    pub(super) fn refuse(&mut self, why: String) -> Vec<Seq> {
        self.refusal = Some(why);
        [&mut self.note, &mut self.body]
            .into_iter()
            .filter_map(|part| match std::mem::replace(&mut part.sink, Sink::Nothing) {
                Sink::Chunks { done, .. } => Some(done),
                Sink::Memory(_) | Sink::Nothing => None,
            })
            .flatten()
            .collect()
    }

    /// When its pace is to be judged.
    pub(super) fn judged_at(&self) -> Mono {
        self.pace.since.plus(UPLOAD_PERIOD)
    }

    /// Whether it came with fewer octets a second since it was last judged than are wanted.
    pub(super) fn is_slow(&self, rate: u64, now: Mono) -> bool {
        let time: Duration = now.since(self.pace.since);
        self.pace.octets < rate.saturating_mul(time.min(UPLOAD_PERIOD).as_secs())
    }

    /// Counts anew.
    pub(super) fn begin_period(&mut self, now: Mono) {
        self.pace = Pace { since: now, octets: 0 };
    }

    /// Whether its data is being dropped.
    pub(super) fn is_refused(&self) -> bool {
        self.refusal.is_some()
    }
}

fn note_len(request: &Request<'_>) -> u64 {
    match request {
        Request::PostNotify { note, .. } => note.len,
        Request::TmtpRev
        | Request::Register { .. }
        | Request::Login { .. }
        | Request::UserEdit { .. }
        | Request::OhiEdit { .. }
        | Request::GroupInvite { .. }
        | Request::GroupEdit { .. }
        | Request::Post { .. }
        | Request::Ping { .. }
        | Request::Ack { .. }
        | Request::Pulse
        | Request::Quit
        | Request::Ask { .. }
        | Request::Reach { .. }
        | Request::Cork { .. }
        | Request::Invite { .. } => 0,
    }
}

/// Data that came whole, split as the request says.
pub(super) fn whole<'a>(request: &Request<'_>, octets: &'a [u8]) -> Data<'a> {
    let note = usize::try_from(note_len(request)).expect("the note is part of data that is in memory");
    let (note, body) = octets.split_at(note);
    Data { note: Payload::Inline(Cow::Borrowed(note)), body: Payload::Inline(Cow::Borrowed(body)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Body;

    fn notify(note: u64, len: u64) -> Request<'static> {
        let [note, body] = [note, len].map(|len| Body { len, head: 0, sum: 0 });
        Request::PostNotify { id: "n".into(), to: vec![], note_to: vec![], note, not_self: false, body }
    }

    #[test]
    fn data_is_the_same_however_it_comes() {
        let octets: Vec<u8> = (0..100).collect();
        for step in 1..=100 {
            for (note, chunk) in [(7, 200), (7, 16), (40, 16), (32, 16)] {
                let mut upload = Upload::new(notify(note, 100), None, chunk, Mono(0));
                let mut chunks: Vec<Vec<u8>> = Vec::new();
                let pieces = octets.chunks(step);
                let last = pieces.len() - 1;
                for (i, piece) in pieces.enumerate() {
                    let done = upload.take(piece, chunk, &mut |chunk| {
                        chunks.push(chunk.to_vec());
                        Seq(chunks.len() as u64 - 1)
                    });
                    assert_eq!(done, i == last);
                }
                let Data { note: first, body } = upload.finish().1.unwrap();
                let gather = |payload: Payload<'_>| match payload {
                    Payload::Inline(octets) => octets.to_vec(),
                    Payload::Chunks(seqs) => seqs.iter().flat_map(|seq| chunks[seq.0 as usize].clone()).collect(),
                };
                assert_eq!((gather(first), gather(body)), (octets[..note as usize].to_vec(), octets[note as usize..].to_vec()));
            }
        }
    }

    #[test]
    fn pace_is_judged_over_a_while() {
        let mut upload = Upload::new(notify(0, 10_000), None, 20_000, Mono(0));
        let end = upload.judged_at();
        upload.take(&[0; 5999], 20_000, &mut |_| Seq(1));
        assert!(upload.is_slow(100, end) && !upload.is_slow(99, end) && !upload.is_slow(0, end));
        // However late it is looked at, no more is wanted than in one period.
        upload.take(&[0; 1], 20_000, &mut |_| Seq(1));
        assert!(!upload.is_slow(100, end.plus(UPLOAD_PERIOD)));
        upload.begin_period(end);
        assert!(upload.is_slow(1, upload.judged_at()));
    }

    #[test]
    fn a_refused_upload_keeps_nothing() {
        let mut upload = Upload::new(notify(10, 100), None, 16, Mono(0));
        let mut stored = 0;
        upload.take(&[0; 60], 16, &mut |_| {
            stored += 1;
            Seq(stored)
        });
        assert_eq!(upload.refuse("full".into()), [Seq(1), Seq(2), Seq(3)]);
        assert!(upload.take(&[0; 40], 16, &mut |_| panic!("kept")));
        assert_eq!(upload.finish().1.unwrap_err(), "full");
    }
}
