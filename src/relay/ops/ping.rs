//! Ping: a first word to somebody whose alias one knows.
//!
//! Who is not there, who does not want to be reached by the sender, and who is and does must not be told apart by anything but
//! the answer: so an answer that says no waits for a record on the disk, as one that says yes does.

use super::account::use_alias;
use super::{Done, Outcome, Stop, check_room, check_user_room, deny, full, over, shown, text};
use crate::base::{Limit, UserNo, Wall};
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
    check_pings(cx, &tally)?;
    let user = reach(cx, me.user, to)?;
    let mut nodes = Fanout::new(me.user);
    if !nodes.add_if_fits(cx, user, None) {
        return full("to", to);
    }
    check_user_room(cx, user)?;
    tally.pings.push(cx.now.wall.seconds());
    // One's own alias is no discovery.
    if user != me.user {
        tally.failures.clear();
    }
    nodes.add_or_miss(cx, me.user, Some(me.node));
    let posted = cx.post(me.user, nodes, Lane::Normal, &Message::Ping { alias: from, to, body }, payload);
    cx.append(&Record::Tally(tally));
    use_alias(cx, user, to);
    Ok(Done::Posted(posted))
}

/// Who has an alias and is reached by somebody.
fn reached(cx: &Cx<'_>, from: UserNo, alias: &str) -> Option<UserNo> {
    let user = cx.ledger.user_by_alias(alias, cx.now.wall)?.no();
    cx.ledger.reaches(from, user).then_some(user)
}

/// Who has an alias, for somebody who reaches them. A failure is written down, so that it takes as long as success, and so
/// that there are not too many.
pub(super) fn reach(cx: &mut Cx<'_>, from: UserNo, alias: &str) -> Result<UserNo, Stop> {
    let mut tally = recent(cx, from);
    let most = cx.settings.quotas.failed_pings;
    if tally.failures.len() >= most {
        let after = after(&tally.failures, most);
        return over(Limit::Pings, format!("{} pings in a row have failed, try again after {after}", tally.failures.len()));
    }
    if let Some(user) = reached(cx, from, alias) {
        return Ok(user);
    }
    tally.failures.push(cx.now.wall.seconds());
    cx.append(&Record::Tally(tally));
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

fn check_pings(cx: &Cx<'_>, tally: &TallyRecord) -> Result<(), Stop> {
    let most = cx.settings.quotas.pings;
    if tally.pings.len() < most {
        return Ok(());
    }
    let after = after(&tally.pings, most);
    over(Limit::Pings, format!("ping limit of {most} in 24 hours is reached, try again after {after}"))
}

/// When there are fewer than `most` of these in 24 hours.
fn after(list: &[u32], most: usize) -> String {
    Wall::from_seconds(list[list.len() - most]).plus(PING_PERIOD).to_rfc3339()
}
