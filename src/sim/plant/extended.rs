//! Bugs in what the protocol's second part promises. To plant them one has to know who is who.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Plant;
use crate::base::{LinkId, NodeNo, Seq, Uid, UserNo};
use crate::record::{MessageRecord, Record, Role, UserRecord};
use crate::relay::Effect;

/// What was written since the process started.
#[derive(Default)]
pub(super) struct Spy {
    users: BTreeMap<UserNo, UserRecord>,
    blocks: BTreeMap<UserNo, Vec<Uid>>,
    /// Messages that were kept back for somebody.
    held: BTreeSet<Seq>,
    /// Messages to one node, and the links on which nodes have got such.
    single: BTreeMap<Seq, NodeNo>,
    links: BTreeMap<NodeNo, LinkId>,
    /// The link of a node that was dropped.
    cut: Option<LinkId>,
    /// Deliveries that have to wait.
    late: Vec<Effect>,
}

impl Spy {
    pub(super) fn spoil(&mut self, plant: Plant, effects: &mut Vec<Effect>) {
        for effect in effects.iter_mut() {
            let Effect::Append { seq, payload, .. } = effect else { continue };
            let octets = payload.clone();
            let (Ok(mut record), Ok(right)) = (Record::decode(&octets), Record::decode(&octets)) else { continue };
            if self.spoil_record(plant, &mut record) {
                *payload = record.encode();
            }
            self.note(*seq, right);
        }
        let some_user = effects.iter().any(|effect| is(effect, |record| matches!(record, Record::User(_))));
        match plant {
            Plant::Tactless => effects.iter_mut().for_each(|effect| self.tell_too_much(effect)),
            Plant::Glimpse if effects.iter().any(|effect| is(effect, |record| matches!(record, Record::Reach(_)))) => {
                let goes = r#""op":"ohi","status":2"#;
                effects.retain(|effect| !matches!(effect, Effect::Send { frame, .. } if String::from_utf8_lossy(frame).contains(goes)));
            }
            Plant::Lingering if some_user => effects.retain(|effect| !matches!(effect, Effect::Cut { .. } | Effect::Close { .. })),
            Plant::Ghost => self.haunt(some_user, effects),
            Plant::Leaking => self.leak(effects),
            Plant::Stuck => effects.retain(|effect| !matches!(effect, Effect::Deliver { message, .. } if self.held.contains(message))),
            Plant::HeldLast => self.put_held_last(effects),
            Plant::QuietRefusal => {
                let quiet = |record: &Record<'_>| matches!(record, Record::Tally(_) | Record::Site(_));
                if effects.iter().all(|effect| !matches!(effect, Effect::Append { .. }) || is(effect, quiet)) {
                    effects.retain(|effect| !matches!(effect, Effect::Append { .. }));
                }
            }
            _ => {}
        }
    }

    fn note(&mut self, seq: Seq, record: Record<'_>) {
        match record {
            Record::User(user) => _ = self.users.insert(user.no, user),
            Record::Reach(reach) => _ = self.blocks.insert(reach.user, reach.block),
            Record::Message(message) => {
                if !message.held.is_empty() {
                    self.held.insert(seq);
                }
                if let [node] = message.to[..] {
                    self.single.insert(seq, node);
                }
            }
            _ => {}
        }
    }

    /// Whether it did something to the record.
    fn spoil_record(&mut self, plant: Plant, record: &mut Record<'_>) -> bool {
        match (plant, record) {
            (Plant::Trespass, Record::Message(message)) => self.trespass(message),
            (Plant::EndlessCode, Record::Invite(invite)) => {
                invite.uses += 1;
                true
            }
            (Plant::EndlessAlias, Record::User(user)) => {
                user.aliases.iter_mut().filter(|alias| alias.uses > 0).for_each(|alias| alias.uses += 1);
                true
            }
            (Plant::EqualRoles, Record::User(user)) => {
                user.role = Role::Full;
                true
            }
            (Plant::LivingNode, Record::User(user)) => {
                let before = self.users.get(&user.no).map(|user| user.nodes.clone()).unwrap_or_default();
                let gone = before.into_iter().filter(|node| user.nodes.iter().all(|other| other.no != node.no));
                let count = user.nodes.len();
                user.nodes.extend(gone.collect::<Vec<_>>());
                user.nodes.sort_by_key(|node| node.no);
                user.nodes.len() > count
            }
            (Plant::LostBlock, Record::Reach(reach)) => {
                reach.block.clear();
                true
            }
            (Plant::LostRules, Record::Group(group)) => group.rules.take().is_some(),
            (Plant::LostCork, Record::Cork(cork)) => {
                cork.all = !cork.all;
                true
            }
            (Plant::Unheld, Record::Message(message)) => {
                message.held.clear();
                true
            }
            (Plant::Miscounted, Record::Message(message)) => miscount(message),
            (Plant::LostMissed, Record::Missed(missed)) => {
                missed.count = 0;
                true
            }
            _ => false,
        }
    }

    /// What somebody posts goes to those too who have blocked the sender.
    fn trespass(&mut self, message: &mut MessageRecord<'_>) -> bool {
        let header: Value = serde_json::from_slice(&message.header[4..]).unwrap_or_default();
        let from = header["from"].as_str().and_then(Uid::parse);
        let offended = self.blocks.iter().filter(|(_, uids)| from.is_some_and(|from| uids.contains(&from)));
        let users = offended.filter_map(|(user, _)| self.users.get(user)).filter(|user| Some(user.uid) != from);
        let before = message.to.len();
        let nodes: Vec<NodeNo> = users.flat_map(|user| &user.nodes).map(|node| node.no).collect();
        if header["op"] == "delivery" {
            message.to.extend(nodes.into_iter().filter(|node| message.to.binary_search(node).is_err()).collect::<BTreeSet<_>>());
            message.to.sort_unstable();
        }
        message.to.len() > before
    }

    /// Who is kept out learns that the alias is somebody's.
    fn tell_too_much(&self, effect: &mut Effect) {
        let Effect::Send { frame, .. } = effect else { return };
        let text = String::from_utf8_lossy(frame);
        let known = self.users.values().flat_map(|user| &user.aliases).any(|alias| text.contains(&format!("to: alias {} is", alias.name)));
        if known {
            *frame = text.replace("is unknown", "is private").into_bytes();
        }
    }

    /// What is posted goes to the link of a node that was dropped too.
    fn haunt(&mut self, some_user: bool, effects: &mut Vec<Effect>) {
        let posted = |record: &Record<'_>| matches!(record, Record::Message(message) if !message.to.is_empty());
        let at = effects.iter().position(|effect| is(effect, posted));
        if let (Some(link), Some(at)) = (self.cut, at)
            && let Effect::Append { seq, .. } = effects[at]
        {
            effects.insert(at + 1, Effect::Deliver { link, after: seq, message: seq, again: false });
        }
        if some_user {
            let cut = effects.iter().find_map(|effect| if let Effect::Cut { link } = effect { Some(*link) } else { None });
            self.cut = cut.or(self.cut);
        }
    }

    /// What should be kept back goes to a link on which its node was seen.
    fn leak(&mut self, effects: &mut Vec<Effect>) {
        let mut out = Vec::new();
        for effect in effects.drain(..) {
            let leaks = match &effect {
                Effect::Deliver { link, message, .. } => {
                    self.links.extend(self.single.get(message).map(|node| (*node, *link)));
                    None
                }
                Effect::Append { seq, payload, .. } => match Record::decode(payload) {
                    Ok(Record::Message(message)) => message.held.iter().find_map(|node| self.links.get(node)).map(|link| (*link, *seq)),
                    _ => None,
                },
                _ => None,
            };
            out.push(effect);
            out.extend(leaks.map(|(link, message)| Effect::Deliver { link, after: message, message, again: false }));
        }
        *effects = out;
    }

    /// What a cork has kept back comes after the next message to the same link.
    fn put_held_last(&mut self, effects: &mut Vec<Effect>) {
        let mut out = Vec::new();
        for effect in effects.drain(..) {
            let Effect::Deliver { link, message, again: false, .. } = &effect else {
                out.push(effect);
                continue;
            };
            if self.held.contains(message) {
                self.late.push(effect);
                continue;
            }
            let same = |late: &Effect| matches!(late, Effect::Deliver { link: other, .. } if other == link);
            let late: Vec<Effect> = self.late.extract_if(.., |late| same(late)).collect();
            out.push(effect);
            out.extend(late);
        }
        *effects = out;
    }
}

/// Whether an effect writes such a record.
fn is(effect: &Effect, such: impl Fn(&Record<'_>) -> bool) -> bool {
    matches!(effect, Effect::Append { payload, .. } if Record::decode(payload).is_ok_and(|record| such(&record)))
}

/// A message about what was missed tells another number.
fn miscount(message: &mut MessageRecord<'_>) -> bool {
    let text = String::from_utf8_lossy(&message.header).into_owned();
    let Some(at) = text.find(r#""number":"#).filter(|_| text.contains(r#""op":"missed""#)) else { return false };
    let header = message.header.to_mut();
    let digit = &mut header[at + r#""number":"#.len()];
    *digit = if *digit == b'9' { b'8' } else { *digit + 1 };
    true
}
