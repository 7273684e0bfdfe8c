//! Users, nodes, groups and what else is kept of them are the model's.

use std::collections::BTreeSet;

use super::{Checked, Checks, Oracle, ensure};
use crate::base::{GroupNo, InviteCode, Uid, UserNo, Wall};
use crate::ledger::{Group as Kept, Ledger, Member as KeptMember};
use crate::record::{GroupRules, Policy, Standing as Recorded, Who};
use crate::sim::model::{Alias, Cork, Group, Member, Nanos, Standing, Tally, User};

impl Checks {
    /// All facts are the model's, but for queues.
    pub(in crate::sim) fn check_facts(&self, ledger: &Ledger, wall: Nanos) -> Checked {
        let model = &self.model;
        let counts = (ledger.user_count(), ledger.next_node().0 as usize, ledger.next_group());
        let predicted = (model.users.len(), model.nodes.len(), GroupNo(model.groups.len() as u32));
        ensure(Oracle::Groups, counts == predicted, || format!("users, next node and group are {counts:?}, predicted were {predicted:?}"))?;
        for (no, user) in model.users.iter().enumerate() {
            self.check_user(ledger, no, user, wall)?;
            self.check_extras(ledger, no, user, wall)?;
        }
        for (gid, group) in &model.groups {
            let found = ledger.group_by_name(gid);
            ensure(Oracle::Groups, found.is_some_and(|found| is_group(found, group)), || {
                format!("group {gid} is {found:?}, predicted was {group:?}")
            })?;
        }
        for (name, owner) in &model.retired {
            // One that has expired may yet be among those that the user has.
            let (no, found) = (UserNo(*owner as u32), ledger.retired(name));
            let right = found == Some(no) || found.is_none() && ledger.user(no).alias(name).is_some();
            ensure(Oracle::Groups, right, || format!("{name} was dropped by {found:?}, predicted {owner}"))?;
        }
        self.check_site(ledger, wall)
    }

    fn check_user(&self, ledger: &Ledger, no: usize, user: &User, wall: Nanos) -> Checked {
        let found = ledger.user(UserNo(no as u32));
        let nodes: Vec<(usize, &str)> = found.nodes().map(|node| (node.no.0 as usize, node.label)).collect();
        let predicted: Vec<(usize, &str)> =
            self.model.nodes_of(no).into_iter().map(|node| (node, self.model.nodes[node].label.as_str())).collect();
        let limited = |uses: u64| (uses > 0).then_some(uses);
        let aliases: Vec<Alias> = found
            .aliases()
            .filter(|alias| !alias.has_expired(Wall(wall)))
            .map(|alias| Alias { name: alias.name.to_owned(), uses: limited(alias.uses.into()), expires: limited(alias.expires.0) })
            .collect();
        let same = (found.uid().to_string() == user.uid, found.role() == user.role, found.is_admin() == user.admin);
        let names = self.model.in_order(&aliases, |alias| &alias.name) == self.model.in_order(&user.aliases, |alias| &alias.name);
        ensure(Oracle::Groups, same == (true, true, true) && names && nodes == predicted, || {
            format!("user {no} is {same:?} with aliases {aliases:?} and nodes {nodes:?}, predicted {user:?} and {predicted:?}")
        })
    }

    fn check_extras(&self, ledger: &Ledger, no: usize, user: &User, wall: Nanos) -> Checked {
        let number = UserNo(no as u32);
        let texts = |uids: &[Uid]| uids.iter().map(ToString::to_string).collect::<Vec<_>>();
        let same = |found: &[Uid], predicted: &BTreeSet<String>| texts(found).iter().eq(predicted);
        let reach = ledger.reach(number);
        let lets = match reach {
            None => user.reach == Default::default(),
            Some(found) => {
                (found.policy == Policy::None) == user.reach.strict
                    && same(&found.block, &user.reach.block)
                    && same(&found.allow, &user.reach.allow)
            }
        };
        ensure(Oracle::Groups, lets, || format!("user {no} lets {reach:?} through, predicted {:?}", user.reach))?;
        let found = ledger.cork(number).filter(|cork| cork.until.0 > wall);
        let predicted = Some(&user.cork).filter(|cork| cork.holds(wall));
        let is = found.map(|found| Cork { until: found.until.0, all: found.all, names: texts(&found.from).into_iter().collect() });
        ensure(Oracle::Cork, is.as_ref() == predicted, || format!("user {no} has {found:?}, predicted {predicted:?}"))?;
        let seconds = |list: &[u32]| Tally::recent(&list.iter().map(|at| u64::from(*at)).collect::<Vec<_>>(), wall);
        let tally = ledger.tally(number).map(|tally| (seconds(&tally.pings), seconds(&tally.failures))).unwrap_or_default();
        let predicted = (Tally::recent(&user.tally.accepted, wall), Tally::recent(&user.tally.failed, wall));
        ensure(Oracle::Groups, tally == predicted, || format!("pings of user {no} are {tally:?}, predicted {predicted:?}"))?;
        let missed = ledger.missed(number).map(|missed| (missed.count, Some(missed.first.0), Some(missed.last.0)));
        let seq = |message: usize| self.seqs.get(&message).copied();
        let predicted = user.missed.map(|missed| (missed.count, seq(missed.first), seq(missed.last)));
        ensure(Oracle::Quota, missed == predicted, || format!("user {no} has missed {missed:x?}, predicted {predicted:x?}"))?;
        let gone = self.model.retired.values().filter(|owner| **owner == no).count();
        let found = ledger.retired_count(number);
        ensure(Oracle::Groups, found <= gone, || format!("user {no} has dropped {found} aliases, predicted {gone}"))
    }

    fn check_site(&self, ledger: &Ledger, wall: Nanos) -> Checked {
        let site = ledger.site();
        ensure(Oracle::Admission, site.wrong_codes == self.model.site.wrong_codes, || {
            format!("{} wrong codes were heard, predicted {}", site.wrong_codes, self.model.site.wrong_codes)
        })?;
        let (configured, model) = (self.model.site.configured, &self.model.site);
        let found = (site.mode_in_force(configured, Wall(wall)), site.lasting_mode(configured));
        let predicted = (model.mode(wall), model.said.unwrap_or(configured));
        ensure(Oracle::Admission, found == predicted, || format!("the operator has said {found:?}, predicted {predicted:?}"))?;
        for code in &self.model.site.codes {
            let found =
                InviteCode::parse(&code.text).and_then(|parsed| ledger.invite(&parsed.digest())).filter(|found| found.is_good(Wall(wall)));
            let is = found.map(|found| (u64::from(found.uses), Some(found.expires.0).filter(|at| *at > 0), found.role));
            let predicted = code.is_good(wall).then_some((code.uses, code.expires, code.role));
            ensure(Oracle::Admission, is == predicted, || format!("a code is {is:?}, predicted was {code:?}"))?;
        }
        Ok(())
    }
}

fn is_group(found: &Kept, group: &Group) -> bool {
    let GroupRules { invite, post, roster } = found.rules();
    let rules = [invite, post, roster].map(Who::word) == [group.rules.invite, group.rules.post, group.rules.roster];
    let member = |member: &KeptMember| {
        let standing = match member.standing {
            Recorded::Invited => Standing::Invited,
            Recorded::Joined => Standing::Joined,
            Recorded::Barred => Standing::Barred,
        };
        Member { standing, alias: member.alias.clone(), moderator: member.moderator }
    };
    let members = found.members().map(|(user, kept)| (user.0 as usize, member(kept)));
    rules && found.is_managed() == group.managed && members.eq(group.members.iter().map(|(user, member)| (*user, member.clone())))
}
