//! The relay against a small model of the protocol: whatever members ask, in whatever order, each of their links gets just the
//! frames that the model predicts, and each node is owed just what the model says.
//!
//! Compared after every step, link by link. Messages must come in the predicted order and with the predicted fields; what else
//! comes in a step (acks, `ohi`) may stand anywhere between them, for the protocol leaves that open, but for `tmtprev` and
//! `info`, which precede everything. Ids are bound to the model's messages when they are first seen, and must rise with them.

#[path = "model_support/compare.rs"]
mod compare;
mod core;
mod model_support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use mnm::base::{LinkId, Wall};
use mnm::record::Role;
use mnm::relay::{Command, Fault, Input, Lookalikes, NameRules, Quotas, Settings, Whom};
use mnm::sim::ask::encode;
use mnm::wire::{Dialect, Request, RequestLimits};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::core::{Core, Frame};
use crate::model_support::model::{Ask, Done, Listing, MessageNo, NodeNo, Out, Part, Predictor, Readings, Refusal, Speaks};
use crate::model_support::step::{
    BREAKS, CHUNK, Data, ENDS, GROUPS, NAMES, NODES_OF_ONE_MAX, Name, PASSES, RULES, Step, To, USERS, WHAT, step,
};

struct World {
    core: Option<Core>,
    model: Predictor,
    settings: Settings,
    links: BTreeMap<NodeNo, LinkId>,
    /// Secrets of nodes, as far as somebody was told.
    secrets: BTreeMap<NodeNo, String>,
    /// Id, date and sum of messages, as far as they were seen.
    stamps: BTreeMap<MessageNo, Stamp>,
    /// Links that ended and were reported to the relay.
    ended: BTreeSet<LinkId>,
    requests: usize,
    log: String,
}

#[derive(Default)]
struct Stamp {
    id: String,
    posted: String,
    headsum: Option<u64>,
}

impl World {
    fn new(readings: Readings, window: usize, quotas: Quotas) -> World {
        // How names look is tried elsewhere.
        let names = NameRules { reserved: Vec::new(), lookalikes: Lookalikes::Allow, ..NameRules::default() };
        let settings = Settings { window, chunk: CHUNK, quotas, names, ..Settings::default() };
        let mut world = World {
            core: Some(Core::new(settings.clone())),
            model: Predictor::new(readings, settings.clone()),
            settings,
            links: BTreeMap::new(),
            secrets: BTreeMap::new(),
            stamps: BTreeMap::new(),
            ended: BTreeSet::new(),
            requests: 0,
            log: String::new(),
        };
        for user in 0..USERS {
            world.register(NAMES[user.min(3)], if user % 2 == 0 { Speaks::Draft2020 } else { Speaks::Draft2018 });
        }
        world
    }

    fn core(&mut self) -> &mut Core {
        self.core.as_mut().expect("a world has a core between steps")
    }

    fn fail(&self, what: &str) -> ! {
        panic!("{}\n{what}", self.log)
    }

    /// Registers a member; the last one asks for an alias that another has.
    fn register(&mut self, alias: &str, speaks: Speaks) {
        let node = self.model.nodes.len();
        let (link, uid, secret) = {
            let link = self.core().connect();
            self.core().say(link, r#"{"op":0,"id":"1"}"#, b"");
            self.core().say(link, &format!(r#"{{"op":1,"newnode":"node {node}","newalias":"{alias}"}}"#), b"");
            let frames = self.core().take(link);
            let ops: Vec<&str> = frames.iter().map(|frame| frame.text("op")).collect();
            assert_eq!(ops, ["tmtprev", "registered", "info"]);
            let wall = self.core().now.wall.0;
            let accepted = self.model.register(wall, frames[1].text("uid"), alias, &format!("node {node}"), speaks);
            assert_eq!(accepted, frames[1].header.get("error").is_none(), "{}", frames[1].header);
            (link, frames[1].text("uid").to_owned(), frames[1].text("nodeid").to_owned())
        };
        let _ = writeln!(self.log, "node {node} registers {alias:?} as {uid}");
        self.secrets.insert(node, secret);
        self.links.insert(node, link);
        self.latch(link, speaks);
        self.compare("the registration");
    }

    /// Makes a group of which the first are members, the fourth is invited.
    fn gather(&mut self) {
        let (gid, from) = (NAMES[GROUPS].to_owned(), Some(NAMES[0].to_owned()));
        for (guest, name) in NAMES.iter().enumerate().take(4).skip(1) {
            let invite = Ask::Invite { gid: gid.clone(), from: from.clone(), to: (*name).to_owned(), text: Part::default() };
            self.ask(0, |_, _| Some(invite));
            if guest < 3 {
                self.ask(guest, |_, _| Some(Ask::Group { gid: gid.clone(), act: "join", to: None, newalias: None }));
            }
        }
    }

    /// What only one of the drafts can mean.
    fn latch(&mut self, link: LinkId, speaks: Speaks) {
        self.core().say(link, &speaks.latch().to_string(), b"");
    }

    /// When something ends.
    fn end(&mut self, ends: Option<usize>) -> Option<String> {
        let now = self.core().now.wall.0;
        ends.map(|ends| Wall(now.saturating_add_signed(ENDS[ends] * 1_000_000)).to_rfc3339())
    }

    /// Uids of members; one in so many is nobody's.
    fn uids(&self, users: &[usize]) -> Vec<String> {
        users.iter().map(|user| if user % 12 == 11 { "%".repeat(32) } else { self.uid(user % USERS) }).collect()
    }

    fn user(&self, node: NodeNo) -> usize {
        self.model.nodes[node].user
    }

    fn uid(&self, user: usize) -> String {
        self.model.users.get(user).map_or("nobody".to_owned(), |user| user.uid.clone())
    }

    fn speaks(&self, node: NodeNo) -> Speaks {
        self.model.nodes[node].link.as_ref().expect("it is online").speaks
    }

    /// One of the nodes that are online.
    fn online(&self, which: usize) -> Option<NodeNo> {
        let nodes: Vec<NodeNo> = self.links.keys().copied().collect();
        (!nodes.is_empty()).then(|| nodes[which % nodes.len()])
    }

    fn name(&self, name: &Name) -> Option<String> {
        match *name {
            Name::Of { user, which } => {
                let aliases = &self.model.users[user].aliases;
                Some(if aliases.is_empty() { NAMES[which].to_owned() } else { aliases[which % aliases.len()].name.clone() })
            }
            Name::Any { which } => Some(NAMES[which].to_owned()),
            Name::None => None,
        }
    }

    /// A name by which the user of this node goes, in place of another's.
    fn own(&self, node: NodeNo, name: &Name) -> Option<String> {
        match *name {
            // One in so many is somebody else's.
            Name::Of { user, which } if (user, which) != (0, 0) => self.name(&Name::Of { user: self.user(node), which }),
            _ => self.name(name),
        }
    }

    /// A name to drop: most often one that a member is listed by.
    fn listed(&self, gid: &str, name: &Name) -> Option<String> {
        let listed = self.model.listed(gid);
        match *name {
            Name::Of { user, which } if !listed.is_empty() && which > 0 => Some(listed[user % listed.len()].to_owned()),
            _ => self.name(name),
        }
    }

    fn recipients(&self, node: NodeNo, list: &[To]) -> Vec<(String, u8)> {
        let one = |to: &To| match *to {
            To::User { user } => (self.uid(user), 1),
            To::Group { group, kind } => (self.gid(node, group, &Name::None), kind),
            To::Nobody { kind } => (NAMES[0].to_owned(), kind),
        };
        list.iter().map(one).collect()
    }

    fn part(data: &Data) -> Part {
        Part { octets: (0..data.size).map(|at| b'a' + (at % 26) as u8).collect(), head: data.head, sum: data.sum }
    }

    fn run(&mut self, step: &Step) {
        match step {
            Step::NewAlias { node, name, uses, ends } => {
                let (name, uses, expires) = (NAMES[*name].to_owned(), *uses, self.end(*ends));
                self.ask(*node, |_, _| Some(Ask::NewAlias { name, uses, expires }));
            }
            Step::DropAlias { node, name } => self.ask(*node, |world, node| Some(Ask::DropAlias(world.own(node, name)?))),
            Step::DropNode { node, which } => self.ask(*node, |world, node| {
                let nodes: Vec<NodeNo> = world.model.nodes_of(world.user(node)).into_iter().collect();
                // One in so many is somebody else's.
                let number = if which % 8 == 0 { which % 9 } else { nodes[which / 8 % nodes.len()] };
                Some(Ask::DropNode { number: number.to_string(), uid: None })
            }),
            Step::Rules { node, group, rules } => self.ask(*node, |world, node| {
                let [invite, post, roster] = rules.map(|rule| rule.map(|rule| RULES[rule]));
                let gid = world.gid(node, *group, &Name::None);
                (invite.is_some() || post.is_some() || roster.is_some()).then_some(Ask::Rules { gid, invite, post, roster })
            }),
            Step::Moderator { node, group, to, role } => self.ask(*node, |world, node| {
                let gid = world.gid(node, *group, to);
                let to = world.listed(&gid, to)?;
                Some(Ask::Moderator { gid, to, role: ["moderator", "member", "king"][*role] })
            }),
            Step::List { node, what, group } => self.ask(*node, |world, node| {
                let what = WHAT[*what];
                Some(Ask::List { what, cursor: None, gid: (what == "roster").then(|| world.gid(node, *group, &Name::None)) })
            }),
            Step::Reach { node, act, to, policy } => self.ask(*node, |world, _| {
                // One's own uid may be among them, and does nothing.
                let whom: Vec<String> = world.uids(to);
                let act = ["block", "allow", "clear", "clear"].get(*act).copied().filter(|_| !whom.is_empty());
                let policy = policy.map(|policy| ["any", "none", "any"][policy]);
                let whom = if act.is_some() { whom } else { Vec::new() };
                (act.is_some() || policy.is_some()).then_some(Ask::Reach { act, whom, policy })
            }),
            Step::Cork { node, ends, to } => {
                let until = self.end(*ends);
                self.ask(*node, |world, _| {
                    let from = if until.is_some() { world.uids(to) } else { Vec::new() };
                    Some(Ask::Cork { until, from })
                });
            }
            Step::Code { node, uses, ends, group } => {
                let (uses, expires) = (*uses, self.end(*ends));
                self.ask(*node, |world, node| {
                    Some(Ask::Code { uses, expires, gid: group.map(|group| world.gid(node, group, &Name::None)) })
                });
            }
            Step::Operator { user, what } => {
                let whom = Whom::Uid(self.uid(*user));
                let command = match what {
                    0 => Command::Role(whom, Role::Receive),
                    1 => Command::Admin(whom, true),
                    _ => Command::Role(whom, Role::Full),
                };
                let wall = self.core().now.wall.0;
                self.model.command(wall, &command);
                self.core().input(Input::Command { ticket: 0, command: command.clone() });
                self.compare(&format!("{command:?}"));
            }
            Step::NewNode { node } => self.ask(*node, |world, node| {
                let user = world.user(node);
                let count = world.model.nodes_of(user).len();
                (count < NODES_OF_ONE_MAX).then(|| Ask::NewNode(format!("node {}", world.model.nodes.len())))
            }),
            Step::Ohi { node, to, act } => self.ask(*node, |world, _| {
                let to = to.iter().map(|&user| world.uid(if user == USERS * 12 - 1 { USERS } else { user % USERS })).collect();
                Some(Ask::Ohi { to, act: ["add", "drop", "init"][*act] })
            }),
            Step::Invite { node, group, from, to, text } => self.ask(*node, |world, node| {
                let gid = world.gid(node, *group, to);
                let mut from = world.own(node, from);
                // Without `from` only in 2018, and only for a group that is there: else the protocol names no alias for the maker.
                if from.is_none() && (world.speaks(node) == Speaks::Draft2020 || !world.model.has_group(&gid)) {
                    from = Some("nobody at all".to_owned());
                }
                Some(Ask::Invite { gid, from, to: world.name(to)?, text: World::part(text) })
            }),
            Step::Group { node, group, act, to, newalias } => self.ask(*node, |world, node| {
                let (gid, act) = (world.gid(node, *group, to), ["join", "join", "alias", "drop", "drop"][*act]);
                let newalias = newalias.as_ref().and_then(|name| world.own(node, name));
                let (to, newalias) = match act {
                    "drop" => (Some(world.listed(&gid, to)?), None),
                    "alias" => (None, Some(newalias?)),
                    _ => (None, newalias),
                };
                Some(Ask::Group { gid, act, to, newalias })
            }),
            Step::Post { node, to, data } => {
                self.ask(*node, |world, node| Some(Ask::Post { to: world.recipients(node, to), part: World::part(data) }));
            }
            Step::PostNotify { node, to, note_to, not_self, note, data } => self.ask(*node, |world, node| {
                let (to, note_to) = (world.recipients(node, to), world.recipients(node, note_to));
                let possible = world.speaks(node) == Speaks::Draft2020 && !(*not_self && to.is_empty());
                let (note, part) = (World::part(note), World::part(data));
                possible.then_some(Ask::PostNotify { to, note_to, not_self: *not_self, note, part })
            }),
            Step::Ping { node, from, to, text } => self.ask(*node, |world, node| {
                let from = world.own(node, from);
                let possible = from.is_some() || world.speaks(node) == Speaks::Draft2018;
                possible.then_some(Ask::Ping { from, to: world.name(to)?, text: World::part(text) })
            }),
            Step::Ack { node, mask, backwards } => self.ack(*node, *mask, *backwards),
            Step::StrayAck { node, which } => self.stray_ack(*node, *which),
            Step::Close { node } => {
                let Some(node) = self.online(*node) else { return };
                let link = self.links.remove(&node).expect("it is online");
                self.core().disconnect(link);
                self.ended.insert(link);
                self.model.end(node);
                self.compare(&format!("node {node} closes"));
            }
            Step::Break { node, how } => self.break_protocol(*node, BREAKS[*how]),
            // Most often one that is away.
            Step::Login { node, speaks } => {
                let away: Vec<NodeNo> = (0..self.model.nodes.len()).filter(|node| !self.links.contains_key(node)).collect();
                let node = if away.is_empty() || node % 5 == 0 { node % self.model.nodes.len() } else { away[node % away.len()] };
                self.login(node, *speaks);
            }
            Step::WrongLogin { node, how } => self.wrong_login(*node, *how),
            Step::Pass { how_long } => {
                let millis = PASSES[*how_long];
                self.core().pass(millis * 1_000_000);
                let wall = self.core().now.wall.0;
                let silent = self.model.pass(millis, wall);
                for node in &silent {
                    let link = self.links.remove(node).expect("it was online");
                    if !self.core().closed.contains(&link) {
                        self.fail(&format!("node {node} was silent, and its link goes on"));
                    }
                    // What still went there is nobody's business.
                    self.core().disconnect(link);
                    self.core().take(link);
                    self.ended.insert(link);
                    self.model.sent.remove(node);
                }
                self.compare(&format!("{millis} ms pass, and the links of {silent:?} end"));
            }
            Step::Commit => self.core().commit(),
            Step::Restart { survivors, clock_steps_back } => self.restart(*survivors, *clock_steps_back),
        }
        self.core().relay.check_invariants();
        // Promise 4: storage is given back, and not before.
        let owed: BTreeSet<MessageNo> = self.model.nodes.iter().flat_map(|node| &node.owed).copied().collect();
        let kept = self.core().relay.ledger().message_count();
        if kept != owed.len() {
            self.fail(&format!("{} messages are owed, {kept} are kept", owed.len()));
        }
    }

    /// A group's name: most often of one that the user knows; sometimes of any; with a strange alias, no group's name.
    fn gid(&self, node: NodeNo, group: usize, salt: &Name) -> String {
        let known = self.model.groups_of(self.user(node));
        match salt {
            Name::Any { which } => NAMES[[0, 11, 12][which % 3]].to_owned(),
            _ if group < 6 && !known.is_empty() => known[group % known.len()].to_owned(),
            _ => NAMES[GROUPS + group % 3].to_owned(),
        }
    }

    fn ask(&mut self, node: usize, ask: impl FnOnce(&World, NodeNo) -> Option<Ask>) {
        let Some(node) = self.online(node) else { return };
        let Some(ask) = ask(self, node) else { return };
        self.requests += 1;
        let id = format!("request {}", self.requests);
        let (header, body) = encode(&ask, &id, self.speaks(node));
        self.say(node, &header.to_string(), &body);
        let wall = self.core().now.wall.0;
        self.model.ask(wall, node, &id, &ask);
        self.part_with_dropped(node);
        self.compare(&format!("node {node} of user {} asks {header}", self.user(node)));
    }

    /// Links of nodes that were dropped have ended; who dropped itself was told so.
    fn part_with_dropped(&mut self, asker: NodeNo) {
        let dropped: Vec<NodeNo> = self.links.keys().copied().filter(|node| self.model.nodes[*node].dropped).collect();
        for node in dropped {
            let link = self.links.remove(&node).expect("it is online");
            let mut came = self.core().take(link);
            let predicted = self.model.sent.remove(&node).unwrap_or_default();
            let quit = json!({ "op": "quit", "error": "node dropped" });
            let right = if node == asker {
                came.pop().is_some_and(|frame| frame.header == quit) && self.compare_link(came, predicted).is_ok()
            } else {
                came.is_empty()
            };
            if !right || !self.core().closed.contains(&link) {
                self.fail(&format!("node {node} was dropped by node {asker}, and its link goes on"));
            }
            self.core().disconnect(link);
            self.ended.insert(link);
        }
    }

    fn say(&mut self, node: NodeNo, header: &str, body: &[u8]) {
        let link = self.links[&node];
        self.core().input(Input::Heard { link });
        self.core().say(link, header, body);
    }

    fn ack(&mut self, node: usize, mask: u8, backwards: bool) {
        let Some(node) = self.online(node) else { return };
        let known = self.model.nodes[node].owed.iter().filter(|message| self.stamps.contains_key(message));
        let mut owed: Vec<MessageNo> = known.enumerate().filter(|(at, _)| mask >> (at % 8) & 1 == 1).map(|(_, no)| *no).collect();
        if backwards {
            owed.reverse();
        }
        for message in owed {
            self.ack_id(node, &self.stamps[&message].id.clone());
            self.model.ack(node, message);
            self.compare(&format!("node {node} acks message {message}"));
        }
    }

    fn ack_id(&mut self, node: NodeNo, id: &str) {
        self.say(node, &self.speaks(node).ack(id).to_string(), b"");
    }

    /// An ack of what is not owed: what was acked, or is another's, or never was.
    fn stray_ack(&mut self, node: usize, which: usize) {
        let Some(node) = self.online(node) else { return };
        let owed = &self.model.nodes[node].owed;
        let mut ids = vec!["0000000000000000".to_owned(), "ffffffffffffffff".to_owned(), "stray".to_owned()];
        ids.extend(self.stamps.iter().filter(|(message, _)| !owed.contains(message)).map(|(_, stamp)| stamp.id.clone()));
        let id = ids[which % ids.len()].clone();
        self.ack_id(node, &id);
        self.model.heard(node);
        self.compare(&format!("node {node} acks {id}, which it is not owed"));
    }

    fn break_protocol(&mut self, node: usize, (header, size, reason): (&str, usize, &str)) {
        let Some(node) = self.online(node) else { return };
        // An account that may receive only is told so, whatever else is wrong.
        if header.contains("PING") && self.model.users[self.user(node)].role == Role::Receive {
            return;
        }
        let old = self.speaks(node) == Speaks::Draft2018;
        let header = header.replace("PING", if old { "8" } else { "9" }).replace("QUIT", if old { "11" } else { "12" });
        // A PostNotify of 2018 is a ping without its fields.
        let reason = if old && header.contains("notelen") { "invalid header" } else { reason };
        let link = self.links.remove(&node).expect("it is online");
        let mut dialect = if old { Dialect::Draft2018 } else { Dialect::Draft2020 };
        match Request::parse(header.as_bytes(), &mut dialect, &RequestLimits::default()) {
            Ok(request) => self.core().input(Input::Request { link, request, dialect, body: &vec![b'x'; size] }),
            Err(error) => self.core().input(Input::Broken { link, fault: Fault::Request(error) }),
        }
        self.refused(link, reason, &header);
        self.model.end(node);
        self.compare(&format!("node {node} breaks the protocol with {header}"));
    }

    /// The link was told why it ends, and nothing else; and it ends.
    fn refused(&mut self, link: LinkId, reason: &str, why: &str) {
        let frames = self.core().take(link);
        let last = frames.last().map(|frame| frame.header.clone());
        let greeted = frames.len() < 2 || (frames.len() == 2 && frames[0].text("op") == "tmtprev");
        if last != Some(json!({ "op": "quit", "error": reason })) || !greeted || !self.core().closed.contains(&link) {
            self.fail(&format!("{why}: predicted quit {reason:?}, came {frames:?}"));
        }
        self.core().disconnect(link);
        self.ended.insert(link);
    }

    fn login(&mut self, node: NodeNo, speaks: Speaks) {
        let Some(secret) = self.secrets.get(&node).cloned() else { return };
        let uid = self.uid(self.user(node));
        let half_open = self.model.half_open(node);
        let link = self.core().login(&uid, &secret);
        if self.model.nodes[node].dropped {
            self.refused(link, "login failed", &format!("node {node} logs in, and was dropped"));
            return self.compare("nobody is let in");
        }
        let old = self.links.get(&node).copied();
        if let Some(old) = old {
            if !half_open {
                self.refused(link, "node already connected", &format!("node {node} logs in while it is online"));
                return self.compare(&format!("node {node} is refused"));
            }
            if !self.core().closed.contains(&old) || !self.core().take(old).is_empty() {
                self.fail(&format!("node {node} is taken over: its old link should end, without a word"));
            }
            self.core().disconnect(old);
            self.ended.insert(old);
            self.model.end(node);
        }
        self.links.insert(node, link);
        self.model.login(node, speaks);
        self.latch(link, speaks);
        self.compare(&format!("node {node} logs in, {speaks:?}, in place of {old:?}"));
    }

    /// A login, or what should be one, that is refused and disturbs nobody.
    fn wrong_login(&mut self, node: usize, how: usize) {
        let node = node % self.model.nodes.len();
        let (Some(secret), uid) = (self.secrets.get(&node).cloned(), self.uid(self.user(node))) else { return };
        let stranger = self.uid((self.user(node) + 1) % USERS);
        let login = |uid: &str, node: &str| json!({ "op": 2, "uid": uid, "node": node }).to_string();
        let (header, reason) = match how {
            0 => (login(&stranger, &secret), "login failed"),
            1 => (login("nobody", &secret), "login failed"),
            2 => (login(&uid, &"%".repeat(40)), "login failed"),
            3 => (login(&uid, "no base32!"), "corrupt base32 value"),
            _ => (r#"{"op":7,"id":"p","for":[],"datalen":1}"#.to_owned(), "disallowed op on unauthenticated link"),
        };
        let link = self.core().connect();
        self.core().say(link, r#"{"op":0,"id":"1"}"#, b"");
        self.core().say(link, &header, if how == 4 { b"x" } else { b"" });
        self.refused(link, reason, &header);
        self.compare(&header);
    }

    fn restart(&mut self, survivors: u64, clock_steps_back: bool) {
        let mut core = self.core.take().expect("a world has a core between steps");
        core.settle();
        let now = core.now;
        let mut core = core.restart(self.settings.clone(), |seq| survivors >> (seq.0 % 64) & 1 == 1);
        // What ended by the clock must not begin again: the protocol does not say what then.
        if !clock_steps_back || self.model.ended() > 0 {
            core.now = now;
        }
        self.core = Some(core);
        self.model.restart();
        self.links.clear();
        self.ended.clear();
        self.compare("the relay is restarted");
    }

    /// Everybody comes and acks everything, until nothing is owed; but for nodes whose secret was acked before it was seen.
    fn drain(&mut self) {
        // Corks end.
        let last = self.model.users.iter().map(|user| user.cork.until).max().unwrap_or(0);
        let millis = last.saturating_sub(self.core().now.wall.0) / 1_000_000 + 1;
        self.core().pass(millis * 1_000_000);
        let wall = self.core().now.wall.0;
        self.model.pass(millis, wall);
        self.model.sent.clear();
        let owed = |world: &World, node: &NodeNo| world.secrets.contains_key(node) && !world.model.nodes[*node].owed.is_empty();
        while (0..self.model.nodes.len()).any(|node| owed(self, &node)) {
            for node in 0..self.model.nodes.len() {
                if !self.links.contains_key(&node) && !self.model.nodes[node].dropped {
                    self.login(node, Speaks::Draft2020);
                }
                while let Some(&message) = self.model.nodes[node].owed.iter().find(|message| self.stamps.contains_key(message)) {
                    let Some(which) = self.links.keys().position(|online| *online == node) else { break };
                    let owed = self.model.nodes[node].owed.len();
                    self.ack(which, 0xff, false);
                    assert!(self.model.nodes[node].owed.len() < owed, "{message} was acked");
                }
            }
        }
        self.run(&Step::Commit);
    }
}

/// Limits that are soon met.
const TIGHT: Quotas = Quotas {
    pings: 4,
    failed_pings: 2,
    queue_messages: 9,
    queue_bytes: 4096,
    group_members: 3,
    groups: 2,
    aliases: 3,
    nodes: 3,
    member_invites: 2,
    wrong_codes: 1,
};

/// What the relay makes of what the protocol leaves open.
fn readings() -> Readings {
    let mut core = Core::new(Settings::default());
    let (a, uid, _) = core.member(NAMES[0]);
    let ((b, b_uid, _), (_, c_uid, _)) = (core.member(NAMES[1]), core.member(NAMES[2]));
    core.say(a, r#"{"op":3,"id":"u","newnode":"another"}"#, b"");
    let secret = core.take(a).iter().find_map(|frame| frame.header["nodeid"].as_str().map(str::to_owned)).expect("a new node");
    let new = core.login(&uid, &secret);
    let new_node_is_told = core.take(new).iter().any(|frame| frame.header["op"] == "user");
    for uid in [b_uid, c_uid] {
        core.say(a, &format!(r#"{{"op":4,"id":"o","for":[{{"id":"{uid}"}}],"type":"init"}}"#), b"");
    }
    let init_replaces = core.take(b).iter().any(|frame| frame.header["status"] == 2);
    core.take(a);
    core.say(a, &format!(r#"{{"op":3,"id":"u","newalias":"{}"}}"#, NAMES[0]), b"");
    let own_alias_is_acked = core.take(a)[0].header.get("error").is_none();
    core.say(a, &format!(r#"{{"op":5,"id":"i","gid":"the group","from":"{}","to":"{}"}}"#, NAMES[0], NAMES[1]), b"");
    core.take(b);
    core.say(b, &format!(r#"{{"op":6,"id":"e","gid":"the group","act":"alias","newalias":"{}"}}"#, NAMES[1]), b"");
    let invitee_changes_alias = core.take(b)[0].header.get("error").is_none();
    Readings { new_node_is_told, init_replaces, own_alias_is_acked, invitee_changes_alias, ..Readings::OURS }
}

#[test]
fn what_the_protocol_leaves_open_is_decided_once() {
    assert_eq!(readings(), Readings::OURS);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, max_shrink_iters: 3000, ..ProptestConfig::default() })]

    #[test]
    fn the_relay_does_what_the_model_says(
        window in prop_oneof![Just(3usize), Just(100_000)],
        quotas in prop_oneof![Just(Quotas::default()), Just(TIGHT)],
        gathered in any::<bool>(),
        steps in prop::collection::vec(step(), 1..180),
    ) {
        let mut world = World::new(Readings::OURS, window, quotas);
        if gathered {
            world.gather();
        }
        for step in &steps {
            world.run(step);
        }
        // Nothing is owed but what the model says: first to those who are here, then to all.
        world.restart(steps.len() as u64, false);
        world.drain();
    }
}
