//! Ping: a first word to somebody whose alias one knows.
//!
//! Who is not there, who does not want to be reached by the sender, and who is and does must not be told apart by anything but
//! the answer: so an answer that says no waits for a record on the disk, as one that says yes does.

use super::account::use_alias;
use super::{Done, Outcome, Stop, check_room, check_user_room, deny, full, shown, text};
use crate::base::{UserNo, Wall};
use crate::limits::PING_PERIOD;
use crate::record::{Lane, Payload, Record, TallyRecord};
use crate::relay::cx::{Cx, Me};
use crate::relay::fanout::Fanout;
use crate::wire::Body;
use crate::wire::reply::Message;

pub(super) fn run(cx: &mut Cx<'_>, me: Me, to: &str, from: Option<&str>, body: Body, payload: Payload<'_>) -> Outcome {
    text::check(&payload)?;
    check_room(cx, body.len)?;
    if from.is_some_and(|from| !cx.user(me).has_alias(from, cx.now.wall)) {
        return deny("from must identify sender");
    }
    let mut tally = recent(cx, me.user);
    check_limits(cx, &tally)?;
    let now = cx.now.wall.seconds();
    let Some(user) = reached(cx, me.user, to) else {
        tally.failures.push(now);
        cx.append(&Record::Tally(tally));
        return unknown(to);
    };
    let mut nodes = Fanout::new(me.user);
    if !nodes.add_if_fits(cx, user, None) {
        return full("to", to);
    }
    check_user_room(cx, user)?;
    tally.pings.push(now);
    tally.failures.clear();
    nodes.add_or_miss(cx, me.user, Some(me.node));
    let posted = cx.post(me.user, nodes, Lane::Normal, &Message::Ping { alias: from, to, body }, payload);
    cx.append(&Record::Tally(tally));
    use_alias(cx, user, to);
    Ok(Done::Posted(posted))
}

/// Who has an alias and is reached by somebody.
pub(super) fn reached(cx: &Cx<'_>, from: UserNo, alias: &str) -> Option<UserNo> {
    let user = cx.ledger.user_by_alias(alias, cx.now.wall)?.no();
    cx.ledger.reaches(from, user).then_some(user)
}

/// Nobody has that alias, as far as the sender is told.
pub(super) fn unknown<T>(alias: &str) -> Result<T, Stop> {
    deny(format!("to: alias {} is unknown", shown(alias)))
}

/// A user's pings of the last 24 hours. What a clock that was put back has counted in its future counts from now.
pub(super) fn recent(cx: &Cx<'_>, user: UserNo) -> TallyRecord {
    let now = cx.now.wall.seconds();
    let counts = |at: u32| u64::from(at) + PING_PERIOD.as_secs() > u64::from(now);
    let recent = |list: &[u32]| list.iter().map(|at| (*at).min(now)).filter(|at| counts(*at)).collect();
    let tally = cx.ledger.tally(user);
    let (pings, failures) = tally.map_or((Vec::new(), Vec::new()), |tally| (recent(&tally.pings), recent(&tally.failures)));
    TallyRecord { user, pings, failures }
}

fn check_limits(cx: &Cx<'_>, tally: &TallyRecord) -> Result<(), Stop> {
    let quotas = &cx.settings.quotas;
    let after = |list: &[u32], most: usize| Wall::from_seconds(list[list.len() - most]).plus(PING_PERIOD).to_rfc3339();
    if tally.pings.len() >= quotas.pings {
        let (most, after) = (quotas.pings, after(&tally.pings, quotas.pings));
        return deny(format!("ping limit of {most} in 24 hours is reached, try again after {after}"));
    }
    if tally.failures.len() >= quotas.failed_pings {
        let after = after(&tally.failures, quotas.failed_pings);
        return deny(format!("{} pings in a row have failed, try again after {after}", tally.failures.len()));
    }
    Ok(())
}
