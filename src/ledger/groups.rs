//! Groups and who is in them.

use std::collections::{BTreeMap, HashMap};

use super::Dead;
use crate::base::{GroupNo, Seq, UserNo};
use crate::record::{GroupRecord, GroupRules, MemberRecord, Standing};

/// A user in a group.
#[derive(Clone, Debug)]
pub struct Member {
    seq: Seq,
    /// The alias by which the group lists the user.
    pub alias: String,
    /// How the user stands to the group.
    pub standing: Standing,
    /// Whether the user moderates it.
    pub moderator: bool,
}

/// A group.
#[derive(Clone, Debug)]
pub struct Group {
    seq: Seq,
    no: GroupNo,
    name: String,
    rules: Option<GroupRules>,
    /// How many joined, how many of them moderate, and how many are invited.
    joined: usize,
    moderators: usize,
    invited: usize,
    members: BTreeMap<UserNo, Member>,
}

impl Group {
    /// The group's number.
    pub fn no(&self) -> GroupNo {
        self.no
    }

    /// The group's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Who may do what in it.
    pub fn rules(&self) -> GroupRules {
        self.rules.unwrap_or_default()
    }

    /// Whether a moderator has ever decided anything about it.
    pub fn is_managed(&self) -> bool {
        self.rules.is_some()
    }

    /// How many have joined.
    pub fn joined_count(&self) -> usize {
        self.joined
    }

    /// How many of those who joined moderate.
    pub fn moderator_count(&self) -> usize {
        self.moderators
    }

    /// How many are invited.
    pub fn invited_count(&self) -> usize {
        self.invited
    }

    /// How many are barred.
    pub fn barred_count(&self) -> usize {
        self.members.len() - self.size()
    }

    /// How many have joined or are invited.
    pub fn size(&self) -> usize {
        self.joined + self.invited
    }

    /// Whether a user may do what moderators may: where nobody moderates, all who joined do.
    pub fn is_moderated_by(&self, user: UserNo) -> bool {
        self.member(user).is_some_and(|member| member.standing == Standing::Joined && (member.moderator || self.moderators == 0))
    }

    /// Who is listed by an alias.
    pub fn listed(&self, alias: &str) -> Option<(UserNo, &Member)> {
        self.members().find(|(_, member)| member.alias == alias)
    }

    /// How a user stands to it; `None`: not at all.
    pub fn member(&self, user: UserNo) -> Option<&Member> {
        self.members.get(&user)
    }

    /// Counts a member, or no longer.
    fn count(&mut self, member: &Member, step: isize) {
        let counts = |standing, moderator: bool| match standing {
            Standing::Invited => [0, 0, 1],
            Standing::Joined => [1, usize::from(moderator), 0],
            Standing::Barred => [0, 0, 0],
        };
        let numbers = [&mut self.joined, &mut self.moderators, &mut self.invited];
        for (number, one) in numbers.into_iter().zip(counts(member.standing, member.moderator)) {
            *number = number.wrapping_add_signed(step * one as isize);
        }
    }

    /// Everybody of that number or a higher one who stands to it in some way, in rising order.
    pub fn members_from(&self, user: UserNo) -> impl Iterator<Item = (UserNo, &Member)> {
        self.members.range(user..).map(|(user, member)| (*user, member))
    }

    /// Everybody who joined.
    pub fn joined(&self) -> impl Iterator<Item = (UserNo, &Member)> {
        self.members().filter(|(_, member)| member.standing == Standing::Joined)
    }

    /// Everybody who stands to it in some way.
    pub fn members(&self) -> impl Iterator<Item = (UserNo, &Member)> {
        self.members.iter().map(|(user, member)| (*user, member))
    }
}

/// Where a user belongs.
#[derive(Debug, Default)]
struct Belongs {
    /// The groups to which the user stands in some way, in rising order.
    groups: Vec<GroupNo>,
    /// How many of them the user has joined.
    joined: usize,
}

#[derive(Debug, Default)]
pub(super) struct Groups {
    /// By number. At replay a member may come before its group's own record.
    all: Vec<Group>,
    of_user: HashMap<UserNo, Belongs>,
}

impl Groups {
    pub(super) fn put(&mut self, seq: Seq, record: &GroupRecord, dead: &mut Dead) {
        let group = self.slot(record.no);
        if group.seq != Seq::ZERO {
            dead.push(group.seq);
        }
        group.seq = seq;
        group.name = record.name.clone();
        group.rules = record.rules;
    }

    pub(super) fn put_member(&mut self, seq: Seq, record: &MemberRecord, dead: &mut Dead) {
        let member = Member { seq, alias: record.alias.clone(), standing: record.standing, moderator: record.moderator };
        let has_joined = |member: &Member| usize::from(member.standing == Standing::Joined);
        let joined = has_joined(&member);
        let group = self.slot(record.group);
        group.count(&member, 1);
        let old = group.members.insert(record.user, member);
        if let Some(old) = &old {
            group.count(old, -1);
            dead.push(old.seq);
        }
        let belongs = self.of_user.entry(record.user).or_default();
        belongs.joined = belongs.joined + joined - old.as_ref().map_or(0, has_joined);
        if old.is_none() {
            belongs.groups.insert(belongs.groups.partition_point(|other| *other < record.group), record.group);
        }
    }

    /// The groups to which a user stands in some way, in rising order.
    pub(super) fn of_user(&self, user: UserNo) -> &[GroupNo] {
        self.of_user.get(&user).map_or(&[], |belongs| &belongs.groups)
    }

    /// How many groups a user has joined.
    pub(super) fn joined_by(&self, user: UserNo) -> usize {
        self.of_user.get(&user).map_or(0, |belongs| belongs.joined)
    }

    fn slot(&mut self, no: GroupNo) -> &mut Group {
        let at = no.0 as usize;
        while self.all.len() <= at {
            let no = GroupNo(u32::try_from(self.all.len()).expect("fewer than 2^32 groups"));
            self.all.push(Group {
                seq: Seq::ZERO,
                no,
                name: String::new(),
                rules: None,
                joined: 0,
                moderators: 0,
                invited: 0,
                members: BTreeMap::new(),
            });
        }
        &mut self.all[at]
    }

    /// # Panics
    /// If counts are not those of the members.
    pub(super) fn check_invariants(&self) {
        for group in &self.all {
            let count = |standing| group.members.values().filter(|member| member.standing == standing).count();
            let moderators = group.members.values().filter(|member| member.moderator).count();
            assert_eq!([count(Standing::Joined), count(Standing::Invited)], [group.joined, group.invited], "{:?}", group.no);
            assert_eq!(moderators, group.moderators, "{:?}: only who joined moderates", group.no);
        }
        let mut joined: HashMap<UserNo, usize> = HashMap::new();
        for (user, _) in self.all.iter().flat_map(Group::joined) {
            *joined.entry(user).or_default() += 1;
        }
        for (user, _) in self.all.iter().flat_map(Group::members) {
            assert_eq!(self.joined_by(user), joined.get(&user).copied().unwrap_or(0), "{user:?}: groups joined");
        }
    }

    pub(super) fn next(&self) -> GroupNo {
        GroupNo(u32::try_from(self.all.len()).expect("fewer than 2^32 groups"))
    }

    pub(super) fn get(&self, no: GroupNo) -> &Group {
        &self.all[no.0 as usize]
    }

    /// Groups of that number or a higher one.
    pub(super) fn starting_at(&self, no: GroupNo) -> impl Iterator<Item = &Group> {
        self.all.iter().skip(no.0 as usize)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Group> {
        self.all.iter()
    }
}
