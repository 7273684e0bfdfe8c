//! What the command line means, in the words of the control socket.

use std::time::Duration;

use crate::base::{LinkId, Uid, Wall};
use crate::cli::{Expiry, Order, Terms};
use crate::record::Role;
use crate::server::control::{Request, Target, Who};

/// `mnm invite`, and `mnm ctl invite`.
fn invite(terms: Terms, now: Wall) -> Request {
    let Terms { uses, expires, role, groups, no_qr: _ } = terms;
    let expires = match expires {
        Expiry::In(time) => now.plus(time).to_rfc3339(),
        Expiry::At(time) => time.to_rfc3339(),
        Expiry::Never => "never".to_owned(),
    };
    Request::Invite { uses: Some(uses), expires: Some(expires), role: Some(role.word().to_owned()), groups }
}

/// `mnm ctl`.
pub fn order(order: Order, now: Wall) -> Request {
    match order {
        Order::Invite(terms) => invite(terms, now),
        Order::Members { after, limit } => Request::Members { after, limit },
        Order::Nodes { who: whom } => Request::Nodes { whom: whom.map(who), after: None },
        Order::Groups => Request::Groups { after: None },
        Order::Queues { top, by } => Request::Queues { after: None, top: Some(top), by: Some(by) },
        Order::Links => Request::Links { after: None },
        Order::Kick { who: whom } => Request::Kick { whom: target(whom) },
        Order::Suspend { who: whom } => Request::Role { whom: who(whom), role: Role::Suspended.word().to_owned() },
        Order::Register { mode, minutes } => Request::Register {
            mode: mode.word().to_owned(),
            until: minutes.map(|minutes| now.plus(Duration::from_secs(u64::from(minutes) * 60)).to_rfc3339()),
        },
        Order::Member { who: whom } => Request::Member { whom: who(whom) },
        Order::Role { who: whom, role } => Request::Role { whom: who(whom), role: role.word().to_owned() },
        Order::Admin { who: whom, on } => Request::Admin { whom: who(whom), on },
        Order::Status | Order::Top { .. } => Request::Status {},
        Order::Log { level } => Request::Log { level: level.to_string().to_lowercase() },
        Order::Reload => Request::Reload {},
        Order::Drain { seconds } => Request::Drain { seconds },
        Order::Drop { who: whom, node } => Request::DropNode { whom: who(whom), node },
        Order::NewNode { who: whom, label } => Request::NewNode { whom: who(whom), label },
    }
}

/// What looks like a uid is one; anything else is an alias.
fn who(text: String) -> Who {
    match Uid::parse(&text) {
        Some(_) => Who::Uid(text),
        None => Who::Alias(text),
    }
}

/// What looks like a link is one. Whoever has an alias that does is named by uid.
fn target(text: String) -> Target {
    if LinkId::parse(&text).is_some() {
        return Target::Link(text);
    }
    match who(text) {
        Who::Uid(uid) => Target::Uid(uid),
        Who::Alias(alias) => Target::Alias(alias),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uid_is_told_from_an_alias() {
        let uid = "%+123456789BCDFGHJKLMNPQRSTVWXYZ";
        assert_eq!(who(uid.to_owned()), Who::Uid(uid.to_owned()));
        for alias in ["alice in town", &uid[1..], &uid.to_lowercase(), &uid.replace('B', "A")] {
            assert_eq!(who(alias.to_owned()), Who::Alias(alias.to_owned()));
        }
    }

    #[test]
    fn a_link_is_told_from_a_member() {
        let uid = "%+123456789BCDFGHJKLMNPQRSTVWXYZ".to_owned();
        for (text, expected) in [
            (uid.clone(), Target::Uid(uid)),
            ("3.17".to_owned(), Target::Link("3.17".to_owned())),
            ("12345678".to_owned(), Target::Alias("12345678".to_owned())),
            ("3.17.".to_owned(), Target::Alias("3.17.".to_owned())),
        ] {
            assert_eq!(target(text), expected);
        }
    }

    #[test]
    fn durations_begin_now() {
        let now = Wall::from_seconds(86_400);
        let expires = |expires| match invite(Terms { uses: 1, expires, role: Role::Full, groups: Vec::new(), no_qr: true }, now) {
            Request::Invite { expires, .. } => expires.unwrap(),
            other => panic!("{other:?}"),
        };
        assert_eq!(expires(Expiry::In(Duration::from_secs(60))), "1970-01-02T00:01:00.000Z");
        assert_eq!(expires(Expiry::At(Wall::from_seconds(0))), "1970-01-01T00:00:00.000Z");
        assert_eq!(expires(Expiry::Never), "never");
    }
}
