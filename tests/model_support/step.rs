//! What members do: steps at random, legal and slightly illegal, with numbers in place of what is not known before.

use proptest::prelude::*;

use super::model::{SECOND, Speaks};

pub const USERS: usize = 5;
pub const NODES_OF_ONE_MAX: usize = 4;
/// Aliases of the first members, aliases to be taken, names of groups, and names that cannot be.
pub const NAMES: [&str; 13] = [
    "member number 0",
    "member number 1",
    "member number 2",
    "member number 3",
    "another name a",
    "another name b",
    "another name c",
    "another name d",
    "group number 0",
    "group number 1",
    "group number 2",
    "7 chars",
    "nobody at all",
];
pub const GROUPS: usize = 8;
/// Octets that one record holds; a text must fit.
pub const CHUNK: usize = 600;

/// One step; numbers are taken modulo whatever there is.
#[derive(Clone, Debug)]
pub enum Step {
    NewAlias { node: usize, name: usize, uses: Option<u64>, ends: Option<usize> },
    DropAlias { node: usize, name: Name },
    NewNode { node: usize },
    DropNode { node: usize, which: usize },
    Ohi { node: usize, to: Vec<usize>, act: usize },
    Invite { node: usize, group: usize, from: Name, to: Name, text: Data },
    Group { node: usize, group: usize, act: usize, to: Name, newalias: Option<Name> },
    Rules { node: usize, group: usize, rules: [Option<usize>; 3] },
    Moderator { node: usize, group: usize, to: Name, role: usize },
    Post { node: usize, to: Vec<To>, data: Data },
    PostNotify { node: usize, to: Vec<To>, note_to: Vec<To>, not_self: bool, note: Data, data: Data },
    Ping { node: usize, from: Name, to: Name, text: Data },
    List { node: usize, what: usize, group: usize },
    Reach { node: usize, act: usize, to: Vec<usize>, policy: Option<usize> },
    Cork { node: usize, ends: Option<usize>, to: Vec<usize> },
    Code { node: usize, uses: Option<u64>, ends: Option<usize>, group: Option<usize> },
    Operator { user: usize, what: usize },
    Ack { node: usize, mask: u8, backwards: bool },
    StrayAck { node: usize, which: usize },
    Close { node: usize },
    Break { node: usize, how: usize },
    Login { node: usize, speaks: Speaks },
    WrongLogin { node: usize, how: usize },
    Pass { how_long: usize },
    Commit,
    Restart { survivors: u64, clock_steps_back: bool },
}

/// A name: most often one that the user in question has.
#[derive(Clone, Debug)]
pub enum Name {
    Of { user: usize, which: usize },
    Any { which: usize },
    None,
}

#[derive(Clone, Debug)]
pub enum To {
    User { user: usize },
    Group { group: usize, kind: u8 },
    Nobody { kind: u8 },
}

#[derive(Clone, Debug)]
pub struct Data {
    pub size: usize,
    pub head: usize,
    pub sum: u32,
}

fn name() -> impl Strategy<Value = Name> {
    prop_oneof![
        16 => (0..USERS, 0..4usize).prop_map(|(user, which)| Name::Of { user, which }),
        2 => (0..NAMES.len()).prop_map(|which| Name::Any { which }),
        2 => Just(Name::None),
    ]
}

fn recipients() -> impl Strategy<Value = Vec<To>> {
    let to = prop_oneof![
        24 => (0..USERS).prop_map(|user| To::User { user }),
        16 => (0..7usize, 2..4u8).prop_map(|(group, kind)| To::Group { group, kind }),
        1 => (1..4u8).prop_map(|kind| To::Nobody { kind }),
    ];
    prop::collection::vec(to, 0..4)
}

fn data_of(size: impl Strategy<Value = usize>) -> impl Strategy<Value = Data> {
    (size, prop_oneof![Just(0), 0..60usize], prop_oneof![Just(0), any::<u32>()]).prop_map(|(size, head, sum)| Data {
        size,
        head: head.min(size),
        sum,
    })
}

/// Sometimes more than fits into one record.
fn data() -> impl Strategy<Value = Data> {
    data_of(prop_oneof![7 => 1..60usize, 1 => CHUNK..4 * CHUNK])
}

fn text() -> impl Strategy<Value = Data> {
    data_of(0..141usize)
}

pub fn step() -> impl Strategy<Value = Step> {
    let node = || 0..USERS * NODES_OF_ONE_MAX;
    let ends = || prop::option::of(0..ENDS.len());
    let word = || prop::option::of(0..RULES.len());
    let speaks = || prop_oneof![Just(Speaks::Draft2018), Just(Speaks::Draft2020)];
    prop_oneof![
        2 => (node(), 0..NAMES.len()).prop_map(|(node, name)| Step::NewAlias { node, name, uses: None, ends: None }),
        2 => (node(), 0..NAMES.len(), prop::option::of(0..4u64), ends())
            .prop_map(|(node, name, uses, ends)| Step::NewAlias { node, name, uses, ends }),
        1 => (node(), name()).prop_map(|(node, name)| Step::DropAlias { node, name }),
        3 => node().prop_map(|node| Step::NewNode { node }),
        1 => (node(), any::<usize>()).prop_map(|(node, which)| Step::DropNode { node, which }),
        3 => (node(), 0..9usize, [word(), word(), word()]).prop_map(|(node, group, rules)| Step::Rules { node, group, rules }),
        3 => (node(), 0..9usize, name(), 0..3usize).prop_map(|(node, group, to, role)| Step::Moderator { node, group, to, role }),
        4 => (node(), 0..WHAT.len(), 0..9usize).prop_map(|(node, what, group)| Step::List { node, what, group }),
        4 => (node(), 0..4usize, prop::collection::vec(0..USERS * 12, 0..3), prop::option::of(0..3usize))
            .prop_map(|(node, act, to, policy)| Step::Reach { node, act, to, policy }),
        4 => (node(), ends(), prop::collection::vec(0..USERS * 12, 0..3)).prop_map(|(node, ends, to)| Step::Cork { node, ends, to }),
        1 => (node(), prop::option::of(0..102u64), ends(), prop::option::of(0..9usize))
            .prop_map(|(node, uses, ends, group)| Step::Code { node, uses, ends, group }),
        1 => (0..USERS, 0..4usize).prop_map(|(user, what)| Step::Operator { user, what }),
        6 => (node(), prop::collection::vec(0..USERS * 12, 1..4), 0..3usize).prop_map(|(node, to, act)| Step::Ohi { node, to, act }),
        8 => (node(), 0..9usize, name(), name(), text())
            .prop_map(|(node, group, from, to, text)| Step::Invite { node, group, from, to, text }),
        10 => (node(), 0..8usize, 0..5usize, name(), prop::option::of(name()))
            .prop_map(|(node, group, act, to, newalias)| Step::Group { node, group, act, to, newalias }),
        14 => (node(), recipients(), data()).prop_map(|(node, to, data)| Step::Post { node, to, data }),
        5 => (node(), recipients(), recipients(), any::<bool>(), data(), data())
            .prop_map(|(node, to, note_to, not_self, note, data)| Step::PostNotify { node, to, note_to, not_self, note, data }),
        4 => (node(), name(), name(), text()).prop_map(|(node, from, to, text)| Step::Ping { node, from, to, text }),
        14 => (node(), prop_oneof![Just(0xff), any::<u8>()], any::<bool>())
            .prop_map(|(node, mask, backwards)| Step::Ack { node, mask, backwards }),
        2 => (node(), any::<usize>()).prop_map(|(node, which)| Step::StrayAck { node, which }),
        5 => node().prop_map(|node| Step::Close { node }),
        2 => (node(), 0..BREAKS.len()).prop_map(|(node, how)| Step::Break { node, how }),
        14 => (node(), speaks()).prop_map(|(node, speaks)| Step::Login { node, speaks }),
        1 => (node(), 0..5usize).prop_map(|(node, how)| Step::WrongLogin { node, how }),
        5 => (0..PASSES.len()).prop_map(|how_long| Step::Pass { how_long }),
        1 => Just(Step::Commit),
        2 => (any::<u64>(), any::<bool>()).prop_map(|(survivors, clock_steps_back)| Step::Restart { survivors, clock_steps_back }),
    ]
}

/// What may be asked for.
pub const WHAT: [&str; 11] =
    ["account", "nodes", "aliases", "groups", "roster", "queue", "limits", "policy", "cork", "invites", "the weather"];
/// Who may do something with a group.
pub const RULES: [&str; 4] = ["members", "moderators", "anyone", "everybody"];
/// When something ends: milliseconds from now, the first time in the past.
pub const ENDS: [i64; 5] = [-1000, 4_000, 40_000, 70_000, 500_000];

/// Milliseconds to let go by. No sum of a case's worth of them is just one of the protocol's spans.
pub const PASSES: [u64; 5] = [3 * SECOND + 1, 11 * SECOND + 1, 31 * SECOND + 1, 47 * SECOND + 1, 83 * SECOND + 1];

/// Headers that end a link, the octets of data behind them and the reason that is given; PING and QUIT stand for what the draft at hand has.
pub const BREAKS: [(&str, usize, &str); 13] = [
    (r#"{"op":0,"id":"1"}"#, 0, "disallowed op repetition"),
    (r#"{"op":1,"newnode":"first"}"#, 0, "disallowed op on connected link"),
    (r#"{"op":2,"uid":"x","node":"%%%%%%%%"}"#, 0, "disallowed op on connected link"),
    (r#"{"op":7,"id":"p","for":[],"datalen":0}"#, 0, "invalid header"),
    (r#"{"op":7,"for":[],"datalen":1}"#, 1, "invalid header"),
    (r#"{"op":3,"id":"u"}"#, 0, "invalid header"),
    (r#"{"op":3,"id":"u","newalias":"another name","newnode":"x"}"#, 0, "invalid header"),
    (r#"{"op":4,"id":"o","for":[],"type":"add"}"#, 0, "invalid header"),
    (r#"{"op":6,"id":"g","gid":"group number 0","act":"alias"}"#, 0, "invalid header"),
    (r#"{"op":PING,"id":"g","from":"member number 0","to":"member number 0","datalen":141}"#, 141, "data too long for request type"),
    (r#"{"op":8,"id":"n","for":[],"notefor":[],"notelen":2,"datalen":2}"#, 2, "data too short for request type"),
    (r#"{"op":8,"id":"n","for":[],"notefor":[],"notelen":2,"datalen":4,"fornotself":true}"#, 4, "recipient list empty"),
    (r#"{"op":QUIT}"#, 0, "logout ok"),
];
