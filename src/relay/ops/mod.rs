//! What each request means, one file an op.
//!
//! A handler first finds out whether the request can be done and changes nothing; then it appends its records
//! and posts its messages, all in one batch. It answers with the [`Stop`] that says why it did not, or with
//! what is [`Done`]; the ack is written here, so that every op answers alike.

mod account;
mod ack;
mod ask;
mod command;
mod cork;
mod drop_node;
mod group_edit;
mod group_invite;
mod invite;
mod login;
mod missed;
mod ohi_edit;
mod ping;
mod post;
mod post_notify;
mod reach;
mod register;
mod text;
mod tmtprev;
mod user_edit;

use super::cx::{Cx, Me, Posted};
use super::fanout::{self, Fanout};
use super::session::Reason;
use super::upload::Data;
use crate::base::{GroupNo, Limit, LinkId, UserNo};
use crate::ledger::Group;
use crate::limits::NAME_MAX;
use crate::record::{Payload, Role};
use crate::wire::reply::Full;
use crate::wire::{Dialect, Request, reply};

/// What a sender is told while the disk is full.
pub(super) const STORAGE_FULL: &str = "storage full, try again later";

/// Why a request was not done.
pub(super) enum Stop {
    /// No TMTP client would ask that: the link ends.
    Refuse(Reason),
    /// It cannot be done: an ack with this sentence, and the link stays.
    Deny(String),
    /// The same, since a bound is reached.
    Over(Limit, String),
}

impl From<Reason> for Stop {
    fn from(reason: Reason) -> Stop {
        Stop::Refuse(reason)
    }
}

/// What became of a request that was done.
enum Done {
    /// It posted nothing.
    Nothing,
    /// It posted this message.
    Posted(Posted),
    /// The node that asked was dropped, and this message posted.
    Left(Posted),
    /// It posted this message, which some members miss.
    Partly(Posted, Full),
    /// It was a question.
    Listed(Listed),
}

/// The answer to a question.
struct Listed {
    what: &'static str,
    list: Vec<serde_json::Value>,
    /// Where to go on.
    cursor: Option<String>,
}

type Outcome = Result<Done, Stop>;

fn deny<T>(sentence: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Deny(sentence.into()))
}

fn over<T>(limit: Limit, sentence: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Over(limit, sentence.into()))
}

pub(super) use command::run as command;
pub(super) use cork::release;
pub(super) use login::{depart, end_link, is_busy};

/// Does a request whose data is complete; `Err` says why its data was dropped.
///
/// # Errors
/// The reason to end the link with.
pub(super) fn run(cx: &mut Cx<'_>, link: LinkId, request: Request<'_>, data: Result<Data<'_>, String>) -> Result<(), Reason> {
    match request {
        Request::TmtpRev => {
            tmtprev::run(cx, link);
            Ok(())
        }
        Request::Register { new_node, new_alias, token, invite } => {
            let wish = register::Wish { label: &new_node, alias: new_alias.as_deref(), invite: invite.as_deref(), token };
            register::run(cx, link, &wish)
        }
        Request::Login { uid, node } => login::run(cx, link, &uid, &node),
        Request::Quit => Err(Reason::Logout),
        Request::Pulse => Ok(()),
        _ => {
            let login = cx.sessions.get(link).and_then(|session| session.login()).expect("only members get here");
            let me = Me { link, user: login.user, node: login.node };
            member_request(cx, me, request, data)
        }
    }
}

fn member_request(cx: &mut Cx<'_>, me: Me, request: Request<'_>, data: Result<Data<'_>, String>) -> Result<(), Reason> {
    if let Request::Ack { id } = &request {
        ack::run(cx, me, id);
        return Ok(());
    }
    let (id, tells) = answer_of(&request);
    let (id, len) = (id.to_owned(), request.body().len);
    let chunks = data.as_ref().map(Data::chunks).unwrap_or_default();
    let outcome = match data {
        Ok(data) => member_op(cx, me, request, data),
        Err(refusal) => deny(refusal),
    };
    if outcome.is_err() {
        cx.journal.forget_later(chunks, cx.now.mono);
    }
    match outcome {
        Ok(done) => {
            if tells {
                cx.counts.posts += 1;
                cx.counts.posted_bytes += len;
            }
            let leaves = matches!(done, Done::Left(_));
            answer(cx, me, &id, tells, done);
            if leaves { Err(Reason::NodeDropped) } else { Ok(()) }
        }
        Err(Stop::Deny(sentence)) => {
            tell_denial(cx, me, &id, &sentence);
            Ok(())
        }
        Err(Stop::Over(limit, sentence)) => {
            cx.counts.refused.note(limit);
            tell_denial(cx, me, &id, &sentence);
            Ok(())
        }
        Err(Stop::Refuse(reason)) => Err(reason),
    }
}

fn tell_denial(cx: &mut Cx<'_>, me: Me, id: &str, sentence: &str) {
    log::debug!("{}: denied: {sentence}", me.link);
    cx.counts.denied += 1;
    cx.send(me.link, reply::ack_error(id, sentence));
}

fn answer(cx: &mut Cx<'_>, me: Me, id: &str, tells: bool, done: Done) {
    let (posted, full) = match done {
        Done::Nothing => (None, Full::default()),
        Done::Posted(posted) | Done::Left(posted) => (Some(posted), Full::default()),
        Done::Partly(posted, full) => (Some(posted), full),
        Done::Listed(Listed { what, list, cursor }) => {
            return cx.send(me.link, reply::result(id, what, &list, cursor.as_deref()));
        }
    };
    let old_dialect = cx.sessions.get(me.link).is_some_and(|session| session.dialect == Dialect::Draft2018);
    let told = posted.as_ref().filter(|_| tells || old_dialect);
    let frame = reply::ack(id, told.map(|posted| (posted.id, posted.date.as_str())), &full);
    cx.send(me.link, frame);
}

/// Whether the account may do that at all.
fn check_role(cx: &Cx<'_>, me: Me, request: &Request<'_>) -> Result<(), Stop> {
    let writes = matches!(
        request,
        Request::Post { .. } | Request::PostNotify { .. } | Request::Ping { .. } | Request::GroupInvite { .. } | Request::Invite { .. }
    );
    match cx.user(me).role() {
        Role::Receive if writes => deny("this account may receive only"),
        Role::Full | Role::Receive | Role::Suspended => Ok(()),
    }
}

fn member_op(cx: &mut Cx<'_>, me: Me, request: Request<'_>, data: Data<'_>) -> Outcome {
    check_role(cx, me, &request)?;
    match request {
        Request::Ask { what, cursor, gid, .. } => ask::run(cx, me, &what, cursor.as_deref(), gid.as_deref()),
        Request::Reach { list, policy, .. } => reach::run(cx, me, list.as_ref(), policy.as_deref()),
        Request::Cork { until, users, .. } => cork::run(cx, me, until.as_deref(), users.as_deref()),
        Request::Invite { uses, expires, gid, .. } => invite::run(cx, me, uses, expires.as_deref(), gid.as_deref()),
        Request::UserEdit { edit, .. } => user_edit::run(cx, me, &edit),
        Request::OhiEdit { users, act, .. } => ohi_edit::run(cx, me, &users, act),
        Request::GroupInvite { gid, from, to, body, .. } => {
            group_invite::run(cx, me, &group_invite::Invitation { gid: &gid, from: from.as_deref(), to: &to }, body, data.body)
        }
        Request::GroupEdit { gid, act, .. } => group_edit::run(cx, me, &gid, &act),
        Request::Post { to, body, .. } => post::run(cx, me, &to, body, data.body),
        Request::PostNotify { to, note_to, note, not_self, body, .. } => {
            post_notify::run(cx, me, &post_notify::Lists { to: &to, note_to: &note_to, not_self }, [note, body], data)
        }
        Request::Ping { to, from, body, .. } => ping::run(cx, me, &to, from.as_deref(), body, data.body),
        Request::TmtpRev | Request::Register { .. } | Request::Login { .. } | Request::Ack { .. } | Request::Pulse | Request::Quit => {
            unreachable!("answered before")
        }
    }
}

/// The id to answer to, and whether the answer tells what was posted in either numbering.
fn answer_of<'a>(request: &'a Request<'_>) -> (&'a str, bool) {
    match request {
        Request::UserEdit { id, .. }
        | Request::OhiEdit { id, .. }
        | Request::GroupEdit { id, .. }
        | Request::Ask { id, .. }
        | Request::Reach { id, .. }
        | Request::Cork { id, .. }
        | Request::Invite { id, .. } => (id, false),
        Request::GroupInvite { id, .. } | Request::Post { id, .. } | Request::PostNotify { id, .. } | Request::Ping { id, .. } => {
            (id, true)
        }
        Request::TmtpRev | Request::Register { .. } | Request::Login { .. } | Request::Ack { .. } | Request::Pulse | Request::Quit => {
            unreachable!("answered before")
        }
    }
}

/// Whether a request whose data has yet to come can be done at all, so that its data need not be kept otherwise.
///
/// # Errors
/// The sentence for the ack.
pub(super) fn foresee(cx: &mut Cx<'_>, me: Me, request: &Request<'_>) -> Result<(), String> {
    let len = request.body().len;
    let found = check_len(cx, len).and_then(|()| check_role(cx, me, request)).and_then(|()| match request {
        Request::Post { to, .. } => post::resolve(cx, me, to).map(drop),
        Request::PostNotify { to, note_to, .. } => post::resolve(cx, me, to).and_then(|_| post::resolve(cx, me, note_to)).map(drop),
        _ => Ok(()),
    });
    match found {
        Err(Stop::Deny(sentence)) => Err(sentence),
        // Counted here: when its data has come the sentence alone is left of it.
        Err(Stop::Over(limit, sentence)) => {
            cx.counts.refused.note(limit);
            Err(sentence)
        }
        Ok(()) | Err(Stop::Refuse(_)) => Ok(()),
    }
}

fn check_len(cx: &Cx<'_>, len: u64) -> Result<(), Stop> {
    if len > cx.settings.message_max {
        return over(Limit::BodySize, format!("data of {len} octets exceeds this site's limit of {}", cx.settings.message_max));
    }
    // Data that cannot fit is refused before it comes, rather than when it has filled the disk for everybody.
    if len > cx.journal.disk {
        return over(Limit::Storage, STORAGE_FULL);
    }
    Ok(())
}

/// The bound on a message's data, and room for what of it is not in the log yet, with the lists of its recipients' devices.
fn check_size(cx: &Cx<'_>, len: u64, payloads: &[&Payload<'_>], fanouts: &[&Fanout]) -> Result<(), Stop> {
    if len > cx.settings.message_max {
        return over(Limit::BodySize, format!("data of {len} octets exceeds this site's limit of {}", cx.settings.message_max));
    }
    let yet_to_store = |payload: &&Payload<'_>| match payload {
        Payload::Inline(octets) => octets.len() as u64,
        Payload::Chunks(chunks) => 10 * chunks.len() as u64,
    };
    let lists = fanouts.iter().map(|fanout| fanout.octets()).sum::<u64>();
    check_room(cx, payloads.iter().map(yet_to_store).sum::<u64>() + lists)
}

/// Room for news to all who joined a group.
fn check_group_room(cx: &mut Cx<'_>, gid: &str, len: u64) -> Result<(), Stop> {
    let Some(no) = cx.ledger.group_by_name(gid).map(Group::no) else { return check_room(cx, len) };
    let news = news_of(cx, no);
    check_room(cx, len + news)
}

/// Octets that the lists of those who get news of a group take, or what is noted of who misses it.
fn news_of(cx: &mut Cx<'_>, group: GroupNo) -> u64 {
    let mut octets = 0;
    let mut count = 0;
    for (user, _) in cx.ledger.group(group).joined() {
        let nodes = cx.ledger.user(user).nodes().len();
        count += nodes;
        octets += if cx.is_full(user) { fanout::PER_MISSED } else { nodes as u64 * (fanout::PER_NODE + 1) };
    }
    cx.journal.work += count;
    octets
}

/// Room for a request's records: its data and some kilobytes of what goes with it.
fn check_room(cx: &Cx<'_>, len: u64) -> Result<(), Stop> {
    const AROUND_IT: u64 = 16 << 10;
    if cx.has_room(len + AROUND_IT) { Ok(()) } else { over(Limit::Storage, STORAGE_FULL) }
}

/// As much of what a peer has said as is told back to it.
fn shown(text: &str) -> String {
    text.chars().take(NAME_MAX).collect()
}

/// Refuses what names a user whose queue is full; `key` is where, `name` is how.
fn full<T>(key: &str, name: &str) -> Result<T, Stop> {
    over(Limit::QueueFull, format!("{key}: the queue of {} is full, try again later", shown(name)))
}

/// Room for the new states of a user that a request may write.
fn check_user_room(cx: &Cx<'_>, user: UserNo) -> Result<(), Stop> {
    check_room(cx, 2 * cx.ledger.user(user).octets() as u64)
}

/// Ends all links of a user with a reason.
fn end_link_of(cx: &mut Cx<'_>, user: UserNo, reason: Reason) {
    let links: Vec<LinkId> = cx.ledger.user(user).node_numbers().filter_map(|node| cx.online.link(node)).collect();
    for link in links {
        log::info!(link = link.text(); "the link ends: {reason}");
        end_link(cx, link, Some(reason));
    }
}
