//! One number for all facts, to hold the live ledger against the replayed one.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::Ledger;
use crate::base::UserNo;
use crate::record::{Lane, Record, Standing, Who};

/// Walks everything in order of number: a difference anywhere changes the sum.
pub(super) fn of(ledger: &Ledger) -> u64 {
    let mut hash = DefaultHasher::new();
    ledger.next_node().hash(&mut hash);
    for user in ledger.users.iter() {
        (user.no(), user.uid(), user.role().word(), user.is_admin(), user.aliases().len()).hash(&mut hash);
        user.aliases().for_each(|alias| (alias.name, alias.uses, alias.expires.0).hash(&mut hash));
        user.nodes().len().hash(&mut hash);
        for node in user.nodes() {
            (node.no, node.digest, node.label, node.made).hash(&mut hash);
            let queue = ledger.queue(node.no);
            (queue.seen(), queue.octets()).hash(&mut hash);
            for lane in Lane::ALL {
                queue.owed_count(lane).hash(&mut hash);
                queue.owed(lane).for_each(|seq| seq.hash(&mut hash));
            }
        }
    }
    for group in ledger.groups.iter() {
        let rules = group.is_managed().then(|| group.rules()).map(|rules| [rules.invite, rules.post, rules.roster].map(Who::word));
        (group.no(), group.name(), rules).hash(&mut hash);
        for (user, member) in group.members() {
            let standing = match member.standing {
                Standing::Invited => 0u8,
                Standing::Joined => 1,
                Standing::Barred => 2,
            };
            (user, &member.alias, standing, member.moderator).hash(&mut hash);
        }
    }
    for (user, extras) in ledger.members.iter() {
        user.hash(&mut hash);
        let records = [
            extras.reach.as_ref().map(|(_, record)| Record::Reach(record.clone())),
            extras.cork.as_ref().map(|(_, record)| Record::Cork(record.clone())),
            extras.tally.as_ref().map(|(_, record)| Record::Tally(record.clone())),
            extras.missed.as_ref().map(|(_, record)| Record::Missed(*record)),
        ];
        records.into_iter().flatten().for_each(|record| record.encode().hash(&mut hash));
    }
    ledger.invites.iter().for_each(|invite| Record::Invite(invite.clone()).encode().hash(&mut hash));
    Record::Site(ledger.site()).encode().hash(&mut hash);
    let one = |user: UserNo, name: &str| {
        let mut hash = DefaultHasher::new();
        (user, name).hash(&mut hash);
        hash.finish()
    };
    ledger.retired.sum(one).hash(&mut hash);
    ledger.message_count().hash(&mut hash);
    hash.finish()
}
