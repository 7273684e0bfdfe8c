//! One number for all facts, to hold the live ledger against the replayed one.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::Ledger;
use crate::record::{Lane, Standing};

/// Walks everything in order of number: a difference anywhere changes the sum.
pub(super) fn of(ledger: &Ledger) -> u64 {
    let mut hash = DefaultHasher::new();
    ledger.next_node().hash(&mut hash);
    for user in ledger.users.iter() {
        (user.no(), user.uid(), user.aliases().len()).hash(&mut hash);
        user.aliases().for_each(|alias| alias.hash(&mut hash));
        user.nodes().len().hash(&mut hash);
        for node in user.nodes() {
            (node.no, node.digest, node.label).hash(&mut hash);
            let queue = ledger.queue(node.no);
            for lane in [Lane::Normal, Lane::Priority] {
                queue.owed_count(lane).hash(&mut hash);
                queue.owed(lane).for_each(|seq| seq.hash(&mut hash));
            }
        }
    }
    for group in ledger.groups.iter() {
        (group.no(), group.name()).hash(&mut hash);
        for (user, member) in group.members() {
            let standing = match member.standing {
                Standing::Invited => 0u8,
                Standing::Joined => 1,
                Standing::Barred => 2,
            };
            (user, &member.alias, standing).hash(&mut hash);
        }
    }
    ledger.message_count().hash(&mut hash);
    hash.finish()
}
