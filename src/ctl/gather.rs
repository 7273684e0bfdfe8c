//! A list that comes in parts, put together.

use std::cmp::Reverse;

use crate::server::control::{Queue, Reply, Request};

/// What was answered so far, and what is left to ask.
pub(super) struct Gathering {
    request: Request,
    reply: Option<Reply>,
}

impl Gathering {
    pub(super) fn new(request: &Request) -> Gathering {
        Gathering { request: request.clone(), reply: None }
    }

    /// Takes an answer in; what is to be asked next.
    pub(super) fn take(&mut self, reply: Reply) -> Option<Request> {
        let whole = match self.reply.take() {
            None => reply,
            Some(before) => joined(before, reply),
        };
        let whole = self.cut(whole);
        let next = self.following(&whole);
        self.reply = Some(whole);
        next
    }

    /// What was answered in all; `None` if nothing was.
    pub(super) fn finish(self) -> Option<Reply> {
        self.reply
    }

    /// Without the queues that have turned out to be short ones: this process need not hold them either.
    fn cut(&self, reply: Reply) -> Reply {
        match (&self.request, reply) {
            (Request::Queues { top, by, .. }, Reply::Queues { mut queues, next }) => {
                sort(&mut queues, by.as_deref());
                queues.truncate(top.map_or(usize::MAX, |top| top as usize));
                Reply::Queues { queues, next }
            }
            (_, reply) => reply,
        }
    }

    /// The same for what comes after what there is, if there is more, and more is wanted.
    fn following(&self, so_far: &Reply) -> Option<Request> {
        match (&self.request, so_far) {
            (Request::Members { limit, .. }, Reply::Members { members, next: Some(next) }) => {
                let limit = limit.map(|limit| limit.saturating_sub(u32::try_from(members.len()).unwrap_or(u32::MAX)));
                (limit != Some(0)).then(|| Request::Members { after: Some(next.clone()), limit })
            }
            (Request::Nodes { .. }, Reply::Nodes { next: Some(next), .. }) => {
                Some(Request::Nodes { whom: None, after: Some(next.clone()) })
            }
            (Request::Queues { top, by, .. }, Reply::Queues { next: Some(next), .. }) => {
                Some(Request::Queues { after: Some(next.clone()), top: *top, by: by.clone() })
            }
            (Request::Groups { .. }, Reply::Groups { next: Some(next), .. }) => Some(Request::Groups { after: Some(*next) }),
            (Request::Links { .. }, Reply::Links { next: Some(next), .. }) => Some(Request::Links { after: Some(*next) }),
            (_, _) => None,
        }
    }
}

/// Both parts of a list, or the second where that is none: then the relay had a reason not to go on.
fn joined(before: Reply, reply: Reply) -> Reply {
    match (before, reply) {
        (Reply::Members { members: a, .. }, Reply::Members { members: b, next }) => Reply::Members { members: chain(a, b), next },
        (Reply::Nodes { nodes: a, .. }, Reply::Nodes { nodes: b, next }) => Reply::Nodes { nodes: chain(a, b), next },
        (Reply::Queues { queues: a, .. }, Reply::Queues { queues: b, next }) => Reply::Queues { queues: chain(a, b), next },
        (Reply::Groups { groups: a, .. }, Reply::Groups { groups: b, next }) => Reply::Groups { groups: chain(a, b), next },
        (Reply::Links { links: a, .. }, Reply::Links { links: b, next }) => Reply::Links { links: chain(a, b), next },
        (_, reply) => reply,
    }
}

fn chain<T>(mut first: Vec<T>, mut second: Vec<T>) -> Vec<T> {
    first.append(&mut second);
    first
}

/// As the relay sorts the queues of a part; where two are alike, the earlier part's stays before.
fn sort(queues: &mut [Queue], by: Option<&str>) {
    match by {
        Some("bytes") => queues.sort_by_key(|queue| Reverse(queue.node.node.bytes)),
        // Ids are as long as each other, and rise as numbers do.
        Some("age") => queues.sort_by(|a, b| a.oldest.cmp(&b.oldest)),
        Some(_) | None => queues.sort_by_key(|queue| Reverse(queue.node.node.count)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(line: &str) -> Reply {
        serde_json::from_str(line).expect("an answer")
    }

    /// Asks until nothing is left to ask: what was asked, and what it came to.
    fn talk(first: &str, answers: &[&str]) -> (Vec<String>, String) {
        let mut gathering = Gathering::new(&Request::read(first.as_bytes()).expect("a request"));
        let mut asked = Vec::new();
        for (at, answer) in answers.iter().enumerate() {
            match gathering.take(reply(answer)) {
                Some(request) => asked.push(request.line().trim_end().to_owned()),
                None => assert_eq!(at + 1, answers.len(), "nothing more is asked"),
            }
        }
        (asked, gathering.finish().expect("an answer").line().trim_end().to_owned())
    }

    fn member(uid: &str) -> String {
        format!(r#"{{"uid":"{uid}","role":"full","admin":false,"aliases":[],"devices":1,"online":0,"count":0,"bytes":0}}"#)
    }

    fn queue(node: &str, count: u64, bytes: u64, oldest: &str) -> String {
        format!(
            r#"{{"uid":"X","node":"{node}","label":"a","online":false,"count":{count},"bytes":{bytes},"oldest":"{oldest}","posted":"","age":1}}"#
        )
    }

    #[test]
    fn parts_are_asked_for_until_there_is_no_more() {
        let [a, b, c] = ["A", "B", "C"].map(member);
        let parts =
            [format!(r#"{{"members":[{a},{b}],"next":"B"}}"#), r#"{"members":[],"next":"D"}"#.into(), format!(r#"{{"members":[{c}]}}"#)];
        let (asked, whole) = talk(r#"{"command":"members"}"#, &parts.each_ref().map(String::as_str));
        assert_eq!(asked, [r#"{"command":"members","after":"B"}"#, r#"{"command":"members","after":"D"}"#]);
        assert_eq!(whole, format!(r#"{{"members":[{a},{b},{c}]}}"#));

        let groups = [r#"{"groups":[{"gid":"a","joined":1,"invited":2,"barred":3}],"next":7}"#, r#"{"groups":[]}"#];
        let (asked, whole) = talk(r#"{"command":"groups"}"#, &groups);
        assert_eq!(asked, [r#"{"command":"groups","after":7}"#]);
        assert_eq!(whole, r#"{"groups":[{"gid":"a","joined":1,"invited":2,"barred":3}]}"#);
    }

    #[test]
    fn no_more_are_asked_for_than_are_wanted() {
        let [a, b, c] = ["A", "B", "C"].map(member);
        let parts = [format!(r#"{{"members":[{a},{b}],"next":"B"}}"#), format!(r#"{{"members":[{c}],"next":"C"}}"#)];
        let (asked, whole) = talk(r#"{"command":"members","limit":3}"#, &parts.each_ref().map(String::as_str));
        assert_eq!(asked, [r#"{"command":"members","after":"B","limit":1}"#]);
        assert_eq!(whole, format!(r#"{{"members":[{a},{b},{c}],"next":"C"}}"#), "where to go on is told");
    }

    #[test]
    fn the_longest_queues_of_all_parts_are_kept_in_their_order() {
        let (a, b, c) = (queue("1", 5, 10, "03"), queue("2", 3, 30, "02"), queue("3", 5, 20, "01"));
        let parts = [format!(r#"{{"queues":[{a},{b}],"next":"X"}}"#), format!(r#"{{"queues":[{c}]}}"#)];
        for (by, [first, second]) in [("count", [&a, &c]), ("bytes", [&b, &c]), ("age", [&c, &b])] {
            let (asked, whole) = talk(&format!(r#"{{"command":"queues","top":2,"by":"{by}"}}"#), &parts.each_ref().map(String::as_str));
            assert_eq!(asked, [format!(r#"{{"command":"queues","after":"X","top":2,"by":"{by}"}}"#)]);
            assert_eq!(whole, format!(r#"{{"queues":[{first},{second}]}}"#), "{by}");
        }
    }

    #[test]
    fn a_refusal_in_the_middle_is_the_answer() {
        let (_, whole) = talk(r#"{"command":"links"}"#, &[r#"{"links":[],"next":5}"#, r#"{"error":"no"}"#]);
        assert_eq!(whole, r#"{"error":"no"}"#);
    }
}
