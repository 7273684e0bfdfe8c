//! What the command line means, in the words of the control socket.

use std::time::Duration;

use crate::base::{Uid, Wall};
use crate::cli::{Expiry, Order};
use crate::record::Role;
use crate::server::control::{Request, Who};

/// `mnm invite`.
pub fn invite(uses: u32, expires: Expiry, role: Role, groups: Vec<String>, now: Wall) -> Request {
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
        Order::Register { mode, minutes } => Request::Register {
            mode: mode.word().to_owned(),
            until: minutes.map(|minutes| now.plus(Duration::from_secs(u64::from(minutes) * 60)).to_rfc3339()),
        },
        Order::Member { who: whom } => Request::Member { whom: who(whom) },
        Order::Role { who: whom, role } => Request::Role { whom: who(whom), role: role.word().to_owned() },
        Order::Admin { who: whom, on } => Request::Admin { whom: who(whom), on },
        Order::DropNode { who: whom, node } => Request::DropNode { whom: who(whom), node },
        Order::Status | Order::Top { .. } => Request::Status,
        Order::Log { level } => Request::Log { level: level.to_string().to_lowercase() },
        Order::Reload => Request::Reload,
        Order::Drain { seconds } => Request::Drain { seconds },
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
    fn durations_begin_now() {
        let now = Wall::from_seconds(86_400);
        let expires = |expires| match invite(1, expires, Role::Full, Vec::new(), now) {
            Request::Invite { expires, .. } => expires.unwrap(),
            other => panic!("{other:?}"),
        };
        assert_eq!(expires(Expiry::In(Duration::from_secs(60))), "1970-01-02T00:01:00.000Z");
        assert_eq!(expires(Expiry::At(Wall::from_seconds(0))), "1970-01-01T00:00:00.000Z");
        assert_eq!(expires(Expiry::Never), "never");
    }
}
