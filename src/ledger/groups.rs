//! Groups and who is in them.

use std::collections::BTreeMap;

use super::Dead;
use crate::base::{GroupNo, Seq, UserNo};
use crate::record::{MemberRecord, Standing};

/// A user in a group.
#[derive(Clone, Debug)]
pub struct Member {
    seq: Seq,
    /// The alias by which the group lists the user.
    pub alias: String,
    /// How the user stands to the group.
    pub standing: Standing,
}

/// A group.
#[derive(Clone, Debug)]
pub struct Group {
    seq: Seq,
    no: GroupNo,
    name: String,
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

    /// How a user stands to it; `None`: not at all.
    pub fn member(&self, user: UserNo) -> Option<&Member> {
        self.members.get(&user)
    }

    /// Everybody who stands to it in some way.
    pub fn members(&self) -> impl Iterator<Item = (UserNo, &Member)> {
        self.members.iter().map(|(user, member)| (*user, member))
    }
}

#[derive(Debug, Default)]
pub(super) struct Groups {
    /// By number. At replay a member may come before its group's own record.
    all: Vec<Group>,
}

impl Groups {
    pub(super) fn put(&mut self, seq: Seq, no: GroupNo, name: &str, dead: &mut Dead) {
        let group = self.slot(no);
        if group.seq != Seq::ZERO {
            dead.push(group.seq);
        }
        group.seq = seq;
        group.name = name.to_owned();
    }

    pub(super) fn put_member(&mut self, seq: Seq, record: &MemberRecord, dead: &mut Dead) {
        let member = Member { seq, alias: record.alias.clone(), standing: record.standing };
        if let Some(old) = self.slot(record.group).members.insert(record.user, member) {
            dead.push(old.seq);
        }
    }

    fn slot(&mut self, no: GroupNo) -> &mut Group {
        let at = no.0 as usize;
        while self.all.len() <= at {
            let no = GroupNo(u32::try_from(self.all.len()).expect("fewer than 2^32 groups"));
            self.all.push(Group { seq: Seq::ZERO, no, name: String::new(), members: BTreeMap::new() });
        }
        &mut self.all[at]
    }

    pub(super) fn next(&self) -> GroupNo {
        GroupNo(u32::try_from(self.all.len()).expect("fewer than 2^32 groups"))
    }

    pub(super) fn get(&self, no: GroupNo) -> &Group {
        &self.all[no.0 as usize]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Group> {
        self.all.iter()
    }
}
