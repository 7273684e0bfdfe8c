//! Prints the records of a relay's log, one a line, in the order in which they are replayed. The relay must not run.
//!
//! Of secrets it shows nothing, of messages their headers, and of data only the size: who reads a log to mend a
//! relay need not read letters.

use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use mnm::base::{NodeNo, Seq};
use mnm::record::{Lane, Mark, MessageRecord, Payload, Record};
use mnm::store::{self, Directory, verify};

/// Prints what is in a relay's log.
#[derive(Parser, Debug)]
#[command(name = "logdump", version)]
struct Options {
    /// The relay's data directory
    #[arg(default_value = "./data")]
    data: PathBuf,
}

fn main() -> ExitCode {
    store::end_when_unreadable();
    let options = Options::parse();
    let out = &mut BufWriter::new(io::stdout().lock());
    let mut enough = false;
    let result = Directory::open_to_read(&options.data).and_then(|disk| {
        verify(disk, &mut |_, _| {}, &mut |seq, octets| {
            let record = Record::decode(octets).map_err(|error| error.to_string())?;
            writeln!(out, "{seq} {}", line(&record)).map_err(|error| {
                enough = error.kind() == ErrorKind::BrokenPipe;
                error.to_string()
            })
        })
    });
    match result {
        Ok(recovery) => {
            let _ = writeln!(out, "{} records, {} octets, {} segments", recovery.records, recovery.bytes, recovery.segments);
            ExitCode::SUCCESS
        }
        // Whoever closed the pipe has seen enough.
        Err(_) if enough => ExitCode::SUCCESS,
        Err(error) => {
            let _ = out.flush();
            let _ = writeln!(io::stderr(), "logdump: {error}");
            ExitCode::from(error.exit_status())
        }
    }
}

fn line(record: &Record<'_>) -> String {
    match record {
        Record::User(user) => {
            let nodes: Vec<String> = user.nodes.iter().map(|node| format!("{} {:?}", node.no.0, node.label)).collect();
            format!("user {} {} aliases {:?} nodes [{}]", user.no.0, user.uid, user.aliases, nodes.join(", "))
        }
        Record::Group(group) => format!("group {} {:?} {:?}", group.no.0, group.name, group.rules),
        Record::Member(member) => {
            let standing = if member.moderator { "moderator" } else { member.standing.word() };
            format!("member group {} user {} {standing} as {:?}", member.group.0, member.user.0, member.alias)
        }
        Record::Message(message) => message_line(message),
        Record::Chunk(octets) => format!("chunk {} octets", octets.len()),
        Record::Cursor(cursor) => {
            let [normal, priority, held] = [&cursor.normal, &cursor.priority, &cursor.held].map(mark);
            format!("cursor node {} seen {} {normal} priority {priority} held {held}", cursor.node.0, cursor.seen)
        }
        other @ (Record::Reach(_) | Record::Cork(_) | Record::Tally(_) | Record::Missed(_) | Record::Retired(_) | Record::Site(_)) => {
            format!("{other:?}")
        }
        // What a code hashes to is of no use to anybody else.
        Record::Invite(invite) => format!(
            "invite {} uses {} until {} role {} maker {:?} groups {:?}",
            invite.slot,
            invite.uses,
            invite.expires.to_rfc3339(),
            invite.role.word(),
            invite.maker,
            invite.groups
        ),
        Record::Backlog(backlog) => format!("backlog node {} {} {} messages", backlog.node.0, lane(backlog.lane), backlog.messages.len()),
    }
}

fn message_line(message: &MessageRecord<'_>) -> String {
    let name = |node: &NodeNo| format!("{}{}", node.0, if message.held.binary_search(node).is_ok() { " held" } else { "" });
    let to: Vec<String> = message.to.iter().map(name).collect();
    let data = match &message.payload {
        Payload::Inline(octets) => format!("{} octets", octets.len()),
        Payload::Chunks(chunks) => format!("{} chunks", chunks.len()),
    };
    let header = String::from_utf8_lossy(&message.header[4..]);
    // A new device's secret waits in its owner's queue; it is nobody else's business.
    let header = match header.find("\"nodeid\":\"") {
        Some(at) => format!("{}\"nodeid\":(hidden)…", &header[..at]),
        None => header.into_owned(),
    };
    format!("message {} to nodes [{}] {data} {header}", lane(message.lane), to.join(", "))
}

fn lane(lane: Lane) -> &'static str {
    match lane {
        Lane::Normal => "normal",
        Lane::Priority => "priority",
        Lane::Held => "held",
    }
}

fn mark(mark: &Mark) -> String {
    let list = |seqs: &[Seq]| seqs.iter().map(Seq::to_string).collect::<Vec<_>>().join(", ");
    format!("acked to {} but [{}] and ahead [{}]", mark.high, list(&mark.owed), list(&mark.ahead))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_device_is_shown_without_its_secret() {
        let header = b"0000{\"datalen\":0,\"newnode\":\"phone\",\"nodeid\":\"SECRET\",\"op\":\"user\"}";
        let message = MessageRecord { lane: Lane::Priority, to: vec![], held: vec![], header: header[..].into(), payload: Payload::EMPTY };
        let shown = line(&Record::Message(message));
        assert!(shown.contains("phone") && !shown.contains("SECRET"), "{shown}");
    }
}
