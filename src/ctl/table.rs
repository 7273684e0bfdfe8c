//! Lists as tables for people: a line that says what stands where, then a line an entry.

use crate::server::control::{Group, Link, MemberLine, OwnedNode, Queue};

/// How much of a uid tells it from others, for a person.
const UID_SHOWN: usize = 8;
/// What stands where there is nothing.
const NOTHING: &str = "-";

/// A column's name, and whether it is of numbers.
type Column = (&'static str, bool);

pub(super) fn members(members: &[MemberLine]) -> Vec<String> {
    const COLUMNS: [Column; 8] = [
        ("UID", false),
        ("ROLE", false),
        ("ADMIN", false),
        ("DEVICES", true),
        ("ONLINE", true),
        ("WAITING", true),
        ("OCTETS", true),
        ("ALIASES", false),
    ];
    table(&COLUMNS, members, |member| {
        let MemberLine { uid, role, admin, aliases, devices, online, count, bytes } = member;
        let aliases = if aliases.is_empty() { NOTHING.to_owned() } else { aliases.join(", ") };
        let numbers = [*devices as u64, *online as u64, *count, *bytes].map(|number| number.to_string());
        [&[uid.clone(), role.clone(), yes(*admin)][..], &numbers, &[aliases]].concat()
    })
}

pub(super) fn nodes(nodes: &[OwnedNode]) -> Vec<String> {
    const COLUMNS: [Column; 9] = [
        ("UID", false),
        ("NODE", true),
        ("ONLINE", false),
        ("WAITING", true),
        ("OCTETS", true),
        ("MADE", false),
        ("SEEN", false),
        ("ALIAS", false),
        ("LABEL", false),
    ];
    table(&COLUMNS, nodes, |OwnedNode { uid, alias, node }| {
        vec![
            short(uid),
            node.node.clone(),
            yes(node.online),
            node.count.to_string(),
            node.bytes.to_string(),
            or_nothing(node.made.as_deref()),
            or_nothing(node.seen.as_deref()),
            or_nothing(alias.as_deref()),
            label(&node.label),
        ]
    })
}

pub(super) fn queues(queues: &[Queue]) -> Vec<String> {
    const COLUMNS: [Column; 8] = [
        ("UID", false),
        ("NODE", true),
        ("WAITING", true),
        ("OCTETS", true),
        ("AGE", true),
        ("OLDEST", false),
        ("ALIAS", false),
        ("LABEL", false),
    ];
    table(&COLUMNS, queues, |Queue { node: OwnedNode { uid, alias, node }, oldest, age, .. }| {
        vec![
            short(uid),
            node.node.clone(),
            node.count.to_string(),
            node.bytes.to_string(),
            time(*age),
            oldest.clone(),
            or_nothing(alias.as_deref()),
            label(&node.label),
        ]
    })
}

pub(super) fn groups(groups: &[Group]) -> Vec<String> {
    const COLUMNS: [Column; 4] = [("JOINED", true), ("INVITED", true), ("BARRED", true), ("GROUP", false)];
    table(&COLUMNS, groups, |Group { gid, joined, invited, barred }| {
        vec![joined.to_string(), invited.to_string(), barred.to_string(), gid.clone()]
    })
}

pub(super) fn links(links: &[Link]) -> Vec<String> {
    const COLUMNS: [Column; 10] = [
        ("LINK", false),
        ("FROM", false),
        ("STATE", false),
        ("OPEN", true),
        ("SILENT", true),
        ("INFLIGHT", true),
        ("UPLOAD", false),
        ("UID", false),
        ("NODE", true),
        ("ALIAS", false),
    ];
    table(&COLUMNS, links, |Link { link, from, state, uid, alias, node, open, silent, inflight, upload }| {
        vec![
            link.clone(),
            or_nothing(from.as_deref()),
            state.clone(),
            time(*open),
            time(*silent),
            inflight.to_string(),
            yes(*upload),
            uid.as_deref().map_or_else(|| NOTHING.to_owned(), short),
            or_nothing(node.as_deref()),
            or_nothing(alias.as_deref()),
        ]
    })
}

fn table<T>(columns: &[Column], entries: &[T], cells: impl Fn(&T) -> Vec<String>) -> Vec<String> {
    let names = columns.iter().map(|(name, _)| (*name).to_owned()).collect();
    let rows: Vec<Vec<String>> = std::iter::once(names).chain(entries.iter().map(cells)).collect();
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cell = |at: usize| match columns[at].1 {
            true => format!("{:>1$}", row[at], widths[at]),
            false => format!("{:<1$}", row[at], widths[at]),
        };
        let cells: Vec<String> = (0..columns.len()).map(cell).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

fn short(uid: &str) -> String {
    uid.chars().take(UID_SHOWN).collect()
}

fn yes(is_so: bool) -> String {
    if is_so { "yes" } else { NOTHING }.to_owned()
}

fn or_nothing(text: Option<&str>) -> String {
    text.unwrap_or(NOTHING).to_owned()
}

/// What its owner called it is nothing that a terminal should obey.
fn label(text: &str) -> String {
    format!("{text:?}")
}

/// A time as people say it: its two largest units.
fn time(seconds: u64) -> String {
    let units = [('d', seconds / 86_400), ('h', seconds / 3600 % 24), ('m', seconds / 60 % 60), ('s', seconds % 60)];
    let from = units.iter().position(|(_, count)| *count > 0).unwrap_or(units.len() - 1);
    let parts: Vec<String> = units[from..].iter().take(2).map(|(unit, count)| format!("{count}{unit}")).collect();
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_what_stands_in_them() {
        let group = |gid: &str, joined| Group { gid: gid.to_owned(), joined, invited: 0, barred: 12 };
        assert_eq!(
            groups(&[group("the whole class", 5), group("é", 12_345_678)]),
            ["  JOINED  INVITED  BARRED  GROUP", "       5        0      12  the whole class", "12345678        0      12  é",]
        );
        assert_eq!(groups(&[]), ["JOINED  INVITED  BARRED  GROUP"]);
    }

    #[test]
    fn what_is_absent_is_shown_and_what_members_chose_is_not_obeyed() {
        let link = Link {
            link: "3.17".into(),
            from: None,
            state: "greeting".into(),
            uid: None,
            alias: None,
            node: None,
            open: 61,
            silent: 0,
            inflight: 0,
            upload: false,
        };
        assert_eq!(
            links(&[link])[1].split("  ").filter(|cell| !cell.is_empty()).map(str::trim).collect::<Vec<_>>(),
            ["3.17", "-", "greeting", "1m 1s", "0s", "0", "-", "-", "-", "-"]
        );
        let node = crate::server::control::Node {
            node: "7".into(),
            label: "\u{1b}[2J".into(),
            made: None,
            seen: None,
            online: true,
            count: 1,
            bytes: 2,
        };
        let lines = nodes(&[OwnedNode { uid: "23456789BCDFGHJKLMNPQRSTVWXYZ%+1".into(), alias: None, node }]);
        assert!(lines[1].starts_with("23456789  ") && lines[1].ends_with(r#""\u{1b}[2J""#), "{lines:?}");
    }

    #[test]
    fn times_have_two_units_at_most() {
        for (seconds, told) in
            [(0, "0s"), (59, "59s"), (60, "1m 0s"), (3_599, "59m 59s"), (86_399, "23h 59m"), (90_000, "1d 1h"), (864_000_000, "10000d 0h")]
        {
            assert_eq!(time(seconds), told);
        }
    }
}
