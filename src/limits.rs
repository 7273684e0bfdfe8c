//! Every bound of the relay in one place, each with the reason for its value.
//!
//! Bounds of the *contract* (what TMTP fixes) and of the *house* (what we chose) stand apart; those an
//! operator may change are defaults here and fields of `config::Limits`. Relations that must hold
//! between them are asserted at compile time at the foot of the file.

use std::time::Duration;

// ---- The contract's ----

/// The smallest header a frame may announce, in octets.
pub const HEADER_MIN: usize = 8;
/// The largest header a frame can announce: four hex digits.
pub const HEADER_MAX: usize = 65535;
/// The longest request id, in octets of UTF-8: escaped six-fold it still fits an ack's header.
pub const REQUEST_ID_MAX: usize = 1024;
/// The longest uid or node field that is looked at, in octets; real ones have 32 and 40.
pub const ID_TEXT_MAX: usize = 64;
/// The longest device label, in octets.
pub const LABEL_MAX: usize = 255;
/// The longest alias or group name, in octets.
pub const NAME_MAX: usize = 255;
/// The shortest alias or group name, in characters.
pub const NAME_MIN_CHARS: usize = 8;
/// The longest text of a Ping or GroupInvite, in UTF-16 units.
pub const TEXT_MAX_UTF16: usize = 140;
/// The same in octets: a UTF-16 unit takes at most three octets of UTF-8.
pub const TEXT_MAX_BYTES: usize = TEXT_MAX_UTF16 * 3;
/// The most recipients a request may name, and the default for it (`for` and `notefor`, each).
pub const RECIPIENTS_MAX: usize = 1000;
/// From the connect to the end of Login or Register, TLS included.
pub const LOGIN_TIMEOUT: Duration = Duration::from_secs(5);
/// A link that sends nothing for this long is closed.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(120);
/// A delivery that is not acked for this long is sent again.
pub const REDELIVERY_TIMEOUT: Duration = Duration::from_secs(30);
/// A logged-in link that was silent for this long may be taken over by a new login of its node.
pub const TAKEOVER_SILENCE: Duration = Duration::from_secs(30);
/// A link on which nothing could be written for this long is closed.
pub const STALL_TIMEOUT: Duration = Duration::from_secs(30);
/// A TCP connection without traffic is probed by the system after this long: members' own pulses come more often.
pub const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
/// The time between two probes.
pub const KEEPALIVE_STEP: Duration = Duration::from_secs(15);
/// After so many without an answer the connection is dead: two minutes in all, as for a link that is silent.
pub const KEEPALIVE_PROBES: u32 = 4;
/// Data that the peer's system does not take for this long ends the connection, and so does a probe without an answer: as long as all probes take,
/// since on Linux it takes the place of their number (tcp(7)).
pub const TCP_PATIENCE: Duration = Duration::from_secs(120);
/// The most plaintext that fits a TLS record (RFC 8446, section 5.1).
pub const TLS_RECORD_MAX: usize = 16384;

// ---- The house's ----

/// Default of the largest message a member may post: 1 GiB.
pub const MESSAGE_MAX_DEFAULT: u64 = 1 << 30;
/// The largest message that can be allowed: one record lists its chunks.
pub const MESSAGE_MAX_MAX: u64 = 4 << 30;
/// Bodies up to this size travel inside their message's record; larger ones become chunk records of this size.
/// An upload or download holds about this much memory, whatever the size of its message.
pub const CHUNK_BYTES: usize = 64 << 10;
/// Default of how many unacked deliveries may be on their way to one node.
pub const WINDOW_DEFAULT: usize = 64;
/// Plaintext read from one link before the others get their turn: one read, since a post that comes meanwhile waits
/// for the rest of the turn.
pub const READ_BUDGET: usize = 64 << 10;
/// What is read at once of a large upload beside members who are busy: one TLS record. The smaller it is, the fewer of their
/// posts meet a turn that syncs much or changes the segment; with this one an upload still takes some 80 MB a second.
pub const BULK_PIECE: usize = TLS_RECORD_MAX + 256 + 5;
/// So long after a member's request others are taken to be busy.
pub const BULK_COURTESY: Duration = Duration::from_millis(20);
/// Devices that one link's requests may name, or what takes as long, before the others get their turn.
pub const WORK_BUDGET: usize = 8192;
/// Ciphertext written to one link before the others get their turn.
pub const WRITE_BUDGET: usize = 1 << 20;
/// A login whose node still has a link waits this long for that link's end before it is refused: who closes and comes back
/// at once may overtake their own goodbye, and stays away for minutes if refused.
pub const LOGIN_PATIENCE: Duration = Duration::from_secs(1);
/// Octets of records in one turn, more or less: then it commits, and whoever was not read from is first in the next.
pub const TURN_BYTES_MAX: usize = 2 << 20;
/// Effects that one turn decides, more or less, for the same end: some three thousand messages, which share one sync. Each
/// effect takes some 50 octets of memory, and its frame as many more.
pub const TURN_EFFECTS_MAX: usize = 8192;
/// Handshakes that are carried on in one turn: each costs a good part of a millisecond.
pub const TURN_HANDSHAKES_MAX: usize = 32;
/// Connections accepted from one listener in one turn.
pub const TURN_ACCEPTS_MAX: usize = 64;
/// File descriptors that links leave to the rest: segments, listeners, the poller, standard streams. All of that takes about
/// a dozen, under load as many spare segments besides, so what is left covers many listeners and a helper of the system's.
pub const DESCRIPTORS_RESERVED: u64 = 64;
/// What strangers bring about is told in sum, at most this often: else they could fill a disk with our log.
pub const REPORT_EVERY: Duration = Duration::from_secs(10);
/// So often it is looked whether certificates were renewed.
pub const CERTIFICATE_LOOK: Duration = Duration::from_secs(5);
/// So often a relay that drains looks whether all deliveries are acknowledged.
pub const DRAIN_LOOK: Duration = Duration::from_millis(100);
/// How long that may take unless the operator says otherwise: as an unacknowledged delivery is repeated after 30 s, one repetition.
pub const DRAIN_DEFAULT: Duration = Duration::from_secs(60);
/// The longest time for it that can be asked for.
pub const DRAIN_MAX: Duration = Duration::from_secs(3600);
/// Lines about links that the log takes in [`LOG_PERIOD`]: members could fill a disk with them. Some 60 kB, 500 MB a day at most.
pub const LOG_LINES_PER_PERIOD: u32 = 500;
/// The time over which these lines are counted.
pub const LOG_PERIOD: Duration = Duration::from_secs(10);
/// Connections to the control socket at one time; others are told to come again.
pub const CONTROL_CONNECTIONS: usize = 8;
/// Threads of a program around the relay that may wait until one of these connections is free: more than such a program has, which
/// would have them blocked. Each takes two descriptors.
pub const CONTROL_WAITING: usize = 64;
/// The longest line that is read from the control socket: sixteen groups, escaped, and much more.
pub const CONTROL_LINE_MAX: usize = 64 << 10;
/// An operator's connection that is waited for so long is closed: it may have been forgotten.
pub const CONTROL_PATIENCE: Duration = Duration::from_secs(30);
/// Lines that are read from one operator's connection in one turn.
pub const CONTROL_TURN_LINES: usize = 16;
/// Users with their devices, groups, or places of links that one request of the operator's looks at. With the writing of the answer that
/// took three to six milliseconds in a build with little optimisation; a turn may have eight of them, and as many as thirty handshakes
/// anyway. Who wants all of a list asks again.
pub const LIST_SCAN_MAX: usize = 1000;
/// Octets of one answer's entries, as [`LIST_ENTRY_BYTES`] counts them, after which no more are added.
pub const LIST_BYTES_MAX: usize = 512 << 10;
/// What an entry of a list takes in JSON besides the texts that members choose: keys, a uid, two times, some numbers.
pub const LIST_ENTRY_BYTES: usize = 320;
/// The longest line that is written to the control socket, with its end. A client need not read more.
pub const CONTROL_ANSWER_MAX: usize = 1 << 20;
/// Connections to the metrics at one time: one or two ask, and whoever has kept us waiting for the longest makes way for a newcomer.
pub const WEB_CONNECTIONS: usize = 8;
/// The longest head of a request that is read there, as most web servers have it.
pub const WEB_HEAD_MAX: usize = 8 << 10;
/// Header fields of such a request; browsers send some twenty.
pub const WEB_FIELDS_MAX: usize = 64;
/// How long somebody may take to ask there, and as long again to read the answer.
pub const WEB_PATIENCE: Duration = Duration::from_secs(10);
/// Connections that are accepted there in one turn.
pub const WEB_TURN_ACCEPTS: usize = 8;
/// Answers that are given there in one second; the rest waits. One took 0.45 ms of processor time with its connection, in a program that
/// was not optimized: so whoever asks without end takes less than 5 % of the loop.
pub const WEB_ANSWERS_PER_SECOND: u32 = 100;
/// Spans of time by which the ages of messages are counted: some 64 KiB at most.
pub const AGE_SPANS_MAX: usize = 4096;
/// While a log is read at start, others are looked after each time that so many octets are done: some milliseconds.
pub const PULSE_BYTES: usize = 4 << 20;
/// The buffer that all links read into: several TLS records.
pub const READ_BUFFER: usize = 64 << 10;
/// A link with more unread replies than this is not read from until it reads.
pub const OUTPUT_READ_MAX: usize = 256 << 10;
/// A link with more unread output than this in memory is closed: others' news piled up there.
pub const OUTPUT_MAX: usize = 4 << 20;
/// Ciphertext a link may have waiting for its socket before we stop encrypting for it.
pub const SEALED_MAX: usize = 64 << 10;
/// How long a closed link may take to read our last words before it is dropped.
pub const LINGER_TIMEOUT: Duration = Duration::from_secs(2);
/// A cursor is written at most this long after the ack that moved it.
pub const CURSOR_AGE_MAX: Duration = Duration::from_secs(1);
/// Cursors younger than this do not ride with a commit: a busy node's next ack would write another.
pub const CURSOR_RIDE_AGE: Duration = Duration::from_millis(100);
/// Cursors that ride with one commit take at most about this many octets: they need no room asked for.
pub const CURSOR_BYTES_MAX: usize = 256 << 10;
/// Chunks are synced at least this often, so that no sync takes long: a post's own sync writes what chunks have come since.
pub const LAZY_BYTES_MAX: usize = 128 << 10;
/// So many octets that nobody waits for are handed to the disk at the end of a turn, and not at the next sync.
pub const WRITE_AHEAD: usize = 32 << 10;
/// So many octets that wait for a commit are handed to the disk before it: it works while the turn goes on.
pub const WRITE_THROUGH: usize = 256 << 10;
/// What a record costs in the log besides its payload, at most, in octets: header and alignment.
pub const RECORD_OVERHEAD: usize = 64;
/// Cursors waiting to be written: beyond this many they go at once.
pub const CURSOR_DIRTY_MAX: usize = 4096;
/// Acked out of order, a cursor lists at most this many older messages that are still owed, and as many newer ones that
/// are acked. An ack beyond that is not taken: the message is delivered again.
pub const CURSOR_OWED_MAX: usize = 2048;
/// Others a user may show their presence to, at one time: each costs a frame when the user comes or goes.
pub const PRESENCE_MAX: usize = 10_000;
/// Users that `info` lists as online; of more, the member is told one by one.
pub const INFO_USERS_MAX: usize = 1500;
/// Nodes that one message record names.
pub const FANOUT_MAX: usize = 65_536;
/// Messages that one backlog record names.
pub const BACKLOG_MAX: usize = 20_000;
/// Messages that a new device can start with: they are written as one batch.
pub const BACKLOG_TOTAL_MAX: usize = 500_000;
/// Aliases a user may have: they share one record.
pub const ALIASES_MAX: usize = 100;
/// Nodes a user may have, as with the drafts' server: they share one record.
pub const NODES_MAX: usize = 100;

/// Aliases that a user may have given up: nobody else gets them any more.
pub const RETIRED_MAX: usize = 10_000;
/// Devices that a user may have had, dropped ones too: their numbers are never given again, and each leaves a place in memory.
pub const NODES_EVER_MAX: usize = 1000;
/// How often an alias may be used, if that is limited.
pub const ALIAS_USES_MAX: u64 = 1_000_000;
/// How far ahead a time may lie at which something ends: a little more than a year.
pub const AHEAD_MAX: Duration = Duration::from_secs(400 * 86_400);
/// Entries of a member's list of those who are blocked, and of those who are allowed.
pub const REACH_LIST_MAX: usize = 1000;
/// Senders that a cork names.
pub const CORK_NAMES_MAX: usize = 1000;
/// How often an invite code may be used that a member makes.
pub const MEMBER_INVITE_USES_MAX: u64 = 100;
/// How long such a code is good if the member says nothing.
pub const MEMBER_INVITE_LIFE: Duration = Duration::from_secs(30 * 86_400);
/// How often an invite code may be used that the operator makes.
pub const INVITE_USES_MAX: u32 = 1_000_000;
/// Groups that an invite code invites to.
pub const INVITE_GROUPS_MAX: usize = 16;
/// Invite codes that are good at one time.
pub const INVITES_MAX: usize = 100_000;
/// So long a wrong invite code counts against the address that it came from.
pub const WRONG_CODE_MEMORY: Duration = Duration::from_secs(3600);
/// Addresses that are remembered for wrong invite codes.
pub const WRONG_CODE_ADDRESSES: usize = 4096;
/// Pings are counted over this time.
pub const PING_PERIOD: Duration = Duration::from_secs(86_400);
/// The most pings in that time that can be configured: each is remembered so long.
pub const PINGS_MAX: usize = 1000;
/// Members that an ack names for having missed a message.
pub const FULL_NAMED_MAX: usize = 100;
/// Octets of entries in one `result`: with the longest entry, and all else in the header, it fits.
pub const RESULT_BYTES_MAX: usize = 48 << 10;
/// A message's size counts towards a queue in steps of so many octets.
pub const WEIGHT_STEP: u64 = 64;
/// What a message counts besides its data, in octets: its header, and what the log keeps of it.
pub const WEIGHT_BASE: u64 = 256;

/// Default of the pings that a user may have accepted in 24 hours.
pub const PINGS_DEFAULT: usize = 1000;
/// Default of the pings that may fail in a row in 24 hours.
pub const FAILED_PINGS_DEFAULT: usize = 100;
/// Default of the messages that may wait for one node.
pub const QUEUE_MESSAGES_DEFAULT: usize = 100_000;
/// Default of their octets.
pub const QUEUE_BYTES_DEFAULT: u64 = 4 << 30;
/// Default of the members of one group, joined or invited.
pub const GROUP_MEMBERS_DEFAULT: usize = 10_000;
/// Default of the groups that one user joins.
pub const GROUPS_DEFAULT: usize = 1000;
/// Default of the wrong invite codes that are heard from one address in an hour.
pub const WRONG_CODES_DEFAULT: usize = 10;
/// Default of the failed logins from one address in an hour that are answered at once: a device that was dropped tries again and again, and
/// its owner's others should not suffer.
pub const FAILED_LOGINS_DEFAULT: usize = 5;
/// The first one after those is answered so much later, the next after twice as long.
pub const LOGIN_DELAY_FIRST: Duration = Duration::from_millis(250);
/// The longest of these delays: it must fit the time that there is to log in.
pub const LOGIN_DELAY_MAX: Duration = Duration::from_secs(4);
/// Default of the octets a second with which a request must come: the slowest mobile network has ten times as much.
pub const UPLOAD_RATE_DEFAULT: u64 = 100;
/// The highest pace that can be demanded.
pub const UPLOAD_RATE_MAX: u64 = 1 << 20;
/// Over this time the pace of a request is judged, so that a link may stand still for a while.
pub const UPLOAD_PERIOD: Duration = Duration::from_secs(60);
/// Default of the links at one time: 225 MiB of memory if all are idle.
pub const LINKS_DEFAULT: usize = 50_000;
/// The most links that can be configured.
pub const LINKS_MAX: usize = 1_000_000;
/// Links from one address unless the operator says otherwise: a large school behind one address, and less than a tenth of all links.
pub const LINKS_PER_ADDRESS_DEFAULT: usize = 4096;
/// New links a second unless the operator says otherwise: their handshakes take a fifth of a processor.
pub const HANDSHAKES_DEFAULT: u32 = 1000;
/// The most new links a second that can be configured.
pub const HANDSHAKES_MAX: u32 = 100_000;
/// Names that nobody but administrators may have unless the operator says otherwise: those that mail and the web reserve.
pub const RESERVED_NAMES: [&str; 4] = ["administrator", "hostmaster", "postmaster", "webmaster"];
/// The most failed pings in a row, wrong codes and members' codes that can be configured, as for pings.
pub const COUNTS_MAX: usize = 1000;
/// The most messages that can be configured to wait for one node: some 60 MiB of memory.
pub const QUEUE_MESSAGES_MAX: usize = 10_000_000;
/// The fewest octets that can be configured for one node's queue: less would make it full after a few messages.
pub const QUEUE_BYTES_MIN: u64 = 1 << 20;
/// The most octets that can be configured for one node's queue: beyond any disk this relay is meant for.
pub const QUEUE_BYTES_MAX: u64 = 1 << 40;
/// The most members of one group that can be configured: what is posted to it costs a turn some ten nanoseconds for each.
pub const GROUP_MEMBERS_MAX: usize = 100_000;
/// The most groups of one member that can be configured.
pub const GROUPS_MAX: usize = 10_000;

/// Default size of a log segment, in octets.
pub const SEGMENT_BYTES_DEFAULT: u32 = 4 << 20;
/// The smallest segment that can be configured: it must hold the largest batch, two messages to many.
pub const SEGMENT_BYTES_MIN: u32 = 4 << 20;
/// The largest segment that can be configured.
pub const SEGMENT_BYTES_MAX: u32 = 1 << 30;
/// The largest payload of one log record, in octets.
pub const RECORD_MAX: usize = 960 << 10;
/// New segments are zeroed ahead in slices of this size, so that no turn waits long for it.
pub const ZERO_SLICE: usize = 128 << 10;
/// One more step of upkeep for so many octets written in a turn.
pub const MAINTENANCE_RATIO: usize = 64 << 10;
/// Spare segments: each holds a descriptor, and a start has to look after it.
pub const SPARES_MAX: usize = 16;
/// Their octets: large segments are kept in smaller numbers, but two of them at least.
pub const SPARES_BYTES_MAX: usize = 64 << 20;
/// Spare segments that were not used for this long are given back.
pub const SPARE_AGE_MAX: Duration = Duration::from_secs(3);
/// Steps of upkeep in one turn at most.
pub const MAINTENANCE_STEPS_MAX: usize = 32;
/// Octets that may be read from segments before the memory they filled is given back.
pub const RESIDENT_MAX: usize = 4 << 20;
/// How much compaction copies in one turn.
pub const COMPACT_SLICE: usize = 128 << 10;

const _: () = assert!(
    LIST_BYTES_MAX + NODES_MAX * (LIST_ENTRY_BYTES + 6 * (LABEL_MAX + NAME_MAX)) + 1024 < CONTROL_ANSWER_MAX,
    "an answer that takes one member's devices more, with all texts escaped six-fold, must fit a line"
);
const _: () = assert!(
    LIST_BYTES_MAX + ALIASES_MAX * 6 * (NAME_MAX + 3) + LIST_ENTRY_BYTES + 1024 < CONTROL_ANSWER_MAX,
    "and so must one that takes one member's aliases more"
);
const _: () = assert!(
    NODES_MAX * (LIST_ENTRY_BYTES + 6 * LABEL_MAX) + ALIASES_MAX * 6 * (NAME_MAX + 3) + 1024 < CONTROL_ANSWER_MAX,
    "what is told of one member must fit a line"
);
const _: () = assert!(
    (SPARES_MAX + CONTROL_CONNECTIONS + WEB_CONNECTIONS) as u64 + 16 <= DESCRIPTORS_RESERVED,
    "segments, the operator's and the metrics' connections fit the reserve, with a dozen descriptors for the rest"
);
const _: () = assert!(
    KEEPALIVE_IDLE.as_secs() + KEEPALIVE_STEP.as_secs() * KEEPALIVE_PROBES as u64 == TCP_PATIENCE.as_secs(),
    "no probe is left out"
);
const _: () = assert!(SPARES_MAX as u64 * 2 <= DESCRIPTORS_RESERVED, "spares leave half of the reserve to listeners and the rest");
const _: () = assert!(REQUEST_ID_MAX * 6 + 1024 < HEADER_MAX, "an ack that echoes the longest id must fit a header");
const _: () = assert!(NAME_MAX * 6 * 3 + 1024 < HEADER_MAX, "a member notice with three escaped names must fit a header");
const _: () = assert!(RECIPIENTS_MAX * 60 + 1024 < HEADER_MAX, "an ohiedit echo, 51 octets an entry, must fit a header");
const _: () = assert!(TEXT_MAX_BYTES <= CHUNK_BYTES, "a ping's text is looked at whole");
const _: () = assert!(INFO_USERS_MAX * 35 + 1024 < HEADER_MAX, "an info that lists users, 35 octets each, must fit a header");
const _: () =
    assert!(CHUNK_BYTES + HEADER_MAX + FANOUT_MAX * 5 + FANOUT_MAX / 8 + 4096 < RECORD_MAX, "a message with its header must fit a record");
const _: () = assert!(
    (MESSAGE_MAX_MAX as usize / CHUNK_BYTES) * 8 + HEADER_MAX + FANOUT_MAX * 5 + FANOUT_MAX / 8 + 4096 < RECORD_MAX,
    "the largest message's record, with its chunks at 8 octets (differences up to two years), must fit"
);
const _: () = assert!(BACKLOG_MAX * 10 + 64 < RECORD_MAX, "a backlog must fit a record");
const _: () =
    assert!(ALIASES_MAX * (NAME_MAX + 13) + NODES_MAX * (3 * LABEL_MAX + 2 + 32 + 10) + 64 < RECORD_MAX, "a user must fit a record");
const _: () = assert!(CURSOR_OWED_MAX * 6 * 10 + 64 < RECORD_MAX, "a cursor must fit a record");
const _: () = assert!(RESULT_BYTES_MAX + NAME_MAX * 6 * 2 + REQUEST_ID_MAX * 6 + 1024 < HEADER_MAX, "a result must fit a header");
const _: () = assert!(
    REQUEST_ID_MAX * 6 + FULL_NAMED_MAX * 400 + NAME_MAX * 6 + 1024 < HEADER_MAX,
    "an ack that names who missed the message, as far as 40 000 octets go, must fit a header"
);
const _: () = assert!((REACH_LIST_MAX * 2 + CORK_NAMES_MAX) * 20 + 64 < RECORD_MAX, "lists of users must fit a record");
const _: () = assert!(PINGS_MAX * 2 * 5 + 64 < RECORD_MAX, "a tally must fit a record");
const _: () = assert!(READ_BUFFER >= TLS_RECORD_MAX + 256 + 5, "the read buffer must hold a whole TLS record");
const _: () =
    assert!(2 * RECORD_MAX + 65536 < SEGMENT_BYTES_MIN as usize / 2, "a batch of two large records must fit the room that is asked for");
const _: () = assert!(BACKLOG_TOTAL_MAX * 6 + 65536 < SEGMENT_BYTES_MIN as usize * 3 / 4, "a new device's queue must fit a batch");
