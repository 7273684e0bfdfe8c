//! What a log holds, up to the record it is taken for.

use crate::record::{Delivery, MessageRecord, PackedUser, Payload, Record, delivery};

/// One record's octets.
///
/// # Panics
/// If what is taken for a record would be written otherwise; if what is delivered of it is not its frame.
pub fn records(data: &[u8]) {
    let Ok(record) = Record::decode(data) else { return };
    match data[0] {
        // Layouts that are read and no longer written.
        1 | 6 => assert_eq!(Record::decode(&record.encode()).as_ref(), Ok(&record)),
        _ => assert_eq!(record.encode(), data, "{record:?} would be written otherwise"),
    }
    match &record {
        Record::User(user) => assert_eq!(PackedUser::of(user).unpack(), *user),
        Record::Chunk(octets) => assert_eq!(delivery(data), Delivery::Chunk(octets)),
        Record::Message(message) => check_delivery(data, message),
        Record::Group(_)
        | Record::Member(_)
        | Record::Cursor(_)
        | Record::Backlog(_)
        | Record::Reach(_)
        | Record::Cork(_)
        | Record::Tally(_)
        | Record::Missed(_)
        | Record::Invite(_)
        | Record::Retired(_)
        | Record::Site(_) => {}
    }
}

fn check_delivery(data: &[u8], message: &MessageRecord<'_>) {
    match (&message.payload, delivery(data)) {
        (Payload::Inline(octets), Delivery::Whole(frame)) => assert_eq!([&message.header[..], octets].concat(), frame),
        (Payload::Chunks(chunks), Delivery::Chunked(header, named)) => assert!(*message.header == *header && *chunks == named),
        (payload, other) => panic!("{payload:?} is delivered as {other:?}"),
    }
}
