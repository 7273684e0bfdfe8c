//! What a header asks for: fields into one closed enum, parsed once and trusted after.

use std::borrow::Cow;

use super::dialect::{Dialect, Op};
use super::header::{Header, HeaderError, Loose, Recipient};
use crate::limits::{ID_TEXT_MAX, LABEL_MAX, RECIPIENTS_MAX, REQUEST_ID_MAX, TEXT_MAX_BYTES};

/// The request cannot be meant by any TMTP client; the link ends with the reason.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RequestError {
    /// `invalid header`. The text is for our log.
    InvalidHeader(String),
    /// Ping or GroupInvite with more data than a text can have.
    DataTooLong,
    /// PostNotify whose data ends before its note does.
    DataTooShort,
    /// PostNotify to nobody, not even oneself.
    RecipientListEmpty,
}

impl From<HeaderError> for RequestError {
    fn from(error: HeaderError) -> RequestError {
        RequestError::InvalidHeader(error.0)
    }
}

/// The bounds of requests that an operator may change.
#[derive(Clone, Copy, Debug)]
pub struct RequestLimits {
    /// Entries in `for` and in `notefor`, each; at most [`RECIPIENTS_MAX`].
    pub recipients_max: usize,
}

impl Default for RequestLimits {
    fn default() -> RequestLimits {
        RequestLimits { recipients_max: RECIPIENTS_MAX }
    }
}

/// The data that a request announces: `head <= len`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Body {
    /// Octets.
    pub len: u64,
    /// Octets at its front that are a secondary header, for the recipient alone.
    pub head: u64,
    /// The sender's checksum; 0 when there is none.
    pub sum: u32,
}

/// UserEdit has exactly one of these.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Edit<'a> {
    /// Another alias, or other limits to one.
    Alias {
        /// The name.
        alias: Cow<'a, str>,
        /// How often it may be used.
        uses: Option<u64>,
        /// Until when, as it was written.
        expires: Option<Cow<'a, str>>,
    },
    /// Another device with this label.
    Node(Cow<'a, str>),
    /// This alias is given up.
    DropAlias(Cow<'a, str>),
    /// A device is dropped.
    DropNode {
        /// Its number, as it was written.
        node: Cow<'a, str>,
        /// Whose it is, if not one's own.
        of: Option<Cow<'a, str>>,
    },
}

/// What Reach does with the names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReachList<'a> {
    /// The word, whatever it is.
    pub act: Cow<'a, str>,
    /// The names.
    pub users: Vec<Recipient<'a>>,
}

/// What OhiEdit does with the names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OhiAct {
    /// Show oneself to these, too.
    Add,
    /// Show oneself to these no longer.
    Drop,
    /// Show oneself to these; the other nodes are not told.
    Init,
}

impl OhiAct {
    /// The word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            OhiAct::Add => "add",
            OhiAct::Drop => "drop",
            OhiAct::Init => "init",
        }
    }
}

/// What GroupEdit does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum GroupAct<'a> {
    /// Become a member, perhaps under another of one's aliases.
    Join(Option<Cow<'a, str>>),
    /// Be listed under another of one's aliases.
    Alias(Cow<'a, str>),
    /// Remove the member listed as this.
    Drop(Cow<'a, str>),
    /// Decide who may do what, in words, whatever they are.
    Set {
        /// Who may invite.
        invite: Option<Cow<'a, str>>,
        /// Who may post.
        post: Option<Cow<'a, str>>,
        /// Who may see the roster.
        roster: Option<Cow<'a, str>>,
    },
    /// Give or take a role.
    Moderator {
        /// The member listed as this.
        to: Cow<'a, str>,
        /// The word, whatever it is.
        role: Cow<'a, str>,
    },
}

/// One request of a client, as it can be meant.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the fields are the contract's, by its names")]
pub enum Request<'a> {
    TmtpRev,
    Register { new_node: Cow<'a, str>, new_alias: Option<Cow<'a, str>>, token: bool, invite: Option<Cow<'a, str>> },
    Login { uid: Cow<'a, str>, node: Cow<'a, str> },
    UserEdit { id: Cow<'a, str>, edit: Edit<'a> },
    OhiEdit { id: Cow<'a, str>, users: Vec<Recipient<'a>>, act: OhiAct },
    GroupInvite { id: Cow<'a, str>, gid: Cow<'a, str>, from: Option<Cow<'a, str>>, to: Cow<'a, str>, body: Body },
    GroupEdit { id: Cow<'a, str>, gid: Cow<'a, str>, act: GroupAct<'a> },
    Post { id: Cow<'a, str>, to: Vec<Recipient<'a>>, body: Body },
    PostNotify { id: Cow<'a, str>, to: Vec<Recipient<'a>>, note_to: Vec<Recipient<'a>>, note: Body, not_self: bool, body: Body },
    Ping { id: Cow<'a, str>, to: Cow<'a, str>, from: Option<Cow<'a, str>>, body: Body },
    Ack { id: Cow<'a, str> },
    Pulse,
    Quit,
    Ask { id: Cow<'a, str>, what: Cow<'a, str>, cursor: Option<Cow<'a, str>>, gid: Option<Cow<'a, str>> },
    Reach { id: Cow<'a, str>, list: Option<ReachList<'a>>, policy: Option<Cow<'a, str>> },
    Cork { id: Cow<'a, str>, until: Option<Cow<'a, str>>, users: Option<Vec<Recipient<'a>>> },
    Invite { id: Cow<'a, str>, uses: Option<u64>, expires: Option<Cow<'a, str>>, gid: Option<Cow<'a, str>> },
}

impl<'a> Request<'a> {
    /// Reads a header, and learns from it which numbering the connection speaks.
    ///
    /// # Errors
    /// [`RequestError`], whose reason the peer is told before the link ends.
    pub fn parse(octets: &'a [u8], dialect: &mut Dialect, limits: &RequestLimits) -> Result<Request<'a>, RequestError> {
        let header = Header::parse(octets)?;
        let number = header.op.ok_or_else(|| invalid("op is missing"))?;
        let (op, latched) = dialect.resolve(number, &header).ok_or_else(|| invalid(format!("op {number} in no numbering that fits")))?;
        *dialect = latched;
        let body = body_of(op, &header)?;
        build(op, header, body, latched, limits)
    }

    /// Which op it is, whatever its number was.
    pub fn op(&self) -> Op {
        match self {
            Request::TmtpRev => Op::TmtpRev,
            Request::Register { .. } => Op::Register,
            Request::Login { .. } => Op::Login,
            Request::UserEdit { .. } => Op::UserEdit,
            Request::OhiEdit { .. } => Op::OhiEdit,
            Request::GroupInvite { .. } => Op::GroupInvite,
            Request::GroupEdit { .. } => Op::GroupEdit,
            Request::Post { .. } => Op::Post,
            Request::PostNotify { .. } => Op::PostNotify,
            Request::Ping { .. } => Op::Ping,
            Request::Ack { .. } => Op::Ack,
            Request::Pulse => Op::Pulse,
            Request::Quit => Op::Quit,
            Request::Ask { .. } => Op::Ask,
            Request::Reach { .. } => Op::Reach,
            Request::Cork { .. } => Op::Cork,
            Request::Invite { .. } => Op::Invite,
        }
    }

    /// The data that follows the header.
    pub fn body(&self) -> Body {
        match self {
            Request::GroupInvite { body, .. }
            | Request::Post { body, .. }
            | Request::PostNotify { body, .. }
            | Request::Ping { body, .. } => *body,
            Request::TmtpRev
            | Request::Register { .. }
            | Request::Login { .. }
            | Request::UserEdit { .. }
            | Request::OhiEdit { .. }
            | Request::GroupEdit { .. }
            | Request::Ack { .. }
            | Request::Pulse
            | Request::Quit
            | Request::Ask { .. }
            | Request::Reach { .. }
            | Request::Cork { .. }
            | Request::Invite { .. } => Body::default(),
        }
    }

    /// The same request with everything it borrowed made its own, to wait for its data.
    pub fn into_owned(self) -> Request<'static> {
        fn own(text: Cow<'_, str>) -> Cow<'static, str> {
            Cow::Owned(text.into_owned())
        }
        fn own_all(list: Vec<Recipient<'_>>) -> Vec<Recipient<'static>> {
            list.into_iter().map(|r| Recipient { id: own(r.id), kind: r.kind }).collect()
        }
        match self {
            Request::TmtpRev => Request::TmtpRev,
            Request::Register { new_node, new_alias, token, invite } => {
                Request::Register { new_node: own(new_node), new_alias: new_alias.map(own), token, invite: invite.map(own) }
            }
            Request::Login { uid, node } => Request::Login { uid: own(uid), node: own(node) },
            Request::UserEdit { id, edit } => {
                let edit = match edit {
                    Edit::Alias { alias, uses, expires } => Edit::Alias { alias: own(alias), uses, expires: expires.map(own) },
                    Edit::Node(label) => Edit::Node(own(label)),
                    Edit::DropAlias(alias) => Edit::DropAlias(own(alias)),
                    Edit::DropNode { node, of } => Edit::DropNode { node: own(node), of: of.map(own) },
                };
                Request::UserEdit { id: own(id), edit }
            }
            Request::OhiEdit { id, users, act } => Request::OhiEdit { id: own(id), users: own_all(users), act },
            Request::GroupInvite { id, gid, from, to, body } => {
                Request::GroupInvite { id: own(id), gid: own(gid), from: from.map(own), to: own(to), body }
            }
            Request::GroupEdit { id, gid, act } => {
                let act = match act {
                    GroupAct::Join(alias) => GroupAct::Join(alias.map(own)),
                    GroupAct::Alias(alias) => GroupAct::Alias(own(alias)),
                    GroupAct::Drop(alias) => GroupAct::Drop(own(alias)),
                    GroupAct::Set { invite, post, roster } => {
                        GroupAct::Set { invite: invite.map(own), post: post.map(own), roster: roster.map(own) }
                    }
                    GroupAct::Moderator { to, role } => GroupAct::Moderator { to: own(to), role: own(role) },
                };
                Request::GroupEdit { id: own(id), gid: own(gid), act }
            }
            Request::Post { id, to, body } => Request::Post { id: own(id), to: own_all(to), body },
            Request::PostNotify { id, to, note_to, note, not_self, body } => {
                Request::PostNotify { id: own(id), to: own_all(to), note_to: own_all(note_to), note, not_self, body }
            }
            Request::Ping { id, to, from, body } => Request::Ping { id: own(id), to: own(to), from: from.map(own), body },
            Request::Ack { id } => Request::Ack { id: own(id) },
            Request::Pulse => Request::Pulse,
            Request::Quit => Request::Quit,
            Request::Ask { id, what, cursor, gid } => {
                Request::Ask { id: own(id), what: own(what), cursor: cursor.map(own), gid: gid.map(own) }
            }
            Request::Reach { id, list, policy } => {
                let list = list.map(|list| ReachList { act: own(list.act), users: own_all(list.users) });
                Request::Reach { id: own(id), list, policy: policy.map(own) }
            }
            Request::Cork { id, until, users } => Request::Cork { id: own(id), until: until.map(own), users: users.map(own_all) },
            Request::Invite { id, uses, expires, gid } => {
                Request::Invite { id: own(id), uses, expires: expires.map(own), gid: gid.map(own) }
            }
        }
    }
}

fn build<'a>(op: Op, header: Header<'a>, body: Body, dialect: Dialect, limits: &RequestLimits) -> Result<Request<'a>, RequestError> {
    let request_id = || required("id", header.id.clone(), REQUEST_ID_MAX);
    Ok(match op {
        Op::TmtpRev => {
            request_id()?;
            Request::TmtpRev
        }
        Op::Register => Request::Register {
            new_node: label(header.new_node)?,
            new_alias: header.new_alias.filter(|alias| !alias.is_empty() && alias != "_"),
            token: header.oidc.is_some(),
            invite: loose("invite", header.invite)?.filter(|code| !code.is_empty()),
        },
        Op::Login => Request::Login { uid: required("uid", header.uid, ID_TEXT_MAX)?, node: required("node", header.node, ID_TEXT_MAX)? },
        Op::UserEdit => {
            let id = request_id()?;
            Request::UserEdit { id, edit: edit(header)? }
        }
        Op::OhiEdit => {
            let act = match header.kind.as_deref() {
                Some("add") => OhiAct::Add,
                Some("drop") => OhiAct::Drop,
                Some("init") => OhiAct::Init,
                _ => return Err(invalid("OhiEdit's type is add, drop or init")),
            };
            let id = request_id()?;
            Request::OhiEdit { id, users: named(header.recipients, limits)?, act }
        }
        Op::GroupInvite => Request::GroupInvite {
            id: request_id()?,
            gid: required("gid", header.gid, usize::MAX)?,
            from: sender_alias(header.from.clone(), dialect)?,
            to: required("to", header.to, usize::MAX)?,
            body: text_body(body)?,
        },
        Op::GroupEdit => Request::GroupEdit {
            id: request_id()?,
            gid: required("gid", header.gid, usize::MAX)?,
            act: match header.act.as_deref() {
                Some("join") => GroupAct::Join(header.new_alias.map(|alias| non_empty("newalias", alias)).transpose()?),
                Some("alias") => GroupAct::Alias(required("newalias", header.new_alias, usize::MAX)?),
                Some("drop") => GroupAct::Drop(required("to", header.to, usize::MAX)?),
                Some("set") => match (loose("invite", header.invite)?, loose("post", header.post)?, loose("roster", header.roster)?) {
                    (None, None, None) => return Err(invalid("GroupEdit sets none of invite, post and roster")),
                    (invite, post, roster) => GroupAct::Set { invite, post, roster },
                },
                Some("moderator") => GroupAct::Moderator {
                    to: required("to", header.to, usize::MAX)?,
                    role: required("role", loose("role", header.role)?, usize::MAX)?,
                },
                _ => return Err(invalid("GroupEdit's act is join, alias, drop, set or moderator")),
            },
        },
        Op::Post => {
            if body.len == 0 {
                return Err(invalid("Post without data"));
            }
            Request::Post { id: request_id()?, to: typed(listed("for", header.recipients, limits)?)?, body }
        }
        Op::PostNotify => post_notify(header, body, limits)?,
        Op::Ping => {
            let from = sender_alias(header.from.clone(), dialect)?;
            Request::Ping { id: request_id()?, to: required("to", header.to, usize::MAX)?, from, body: text_body(body)? }
        }
        Op::Ack => {
            let id = request_id()?;
            required("type", header.kind, usize::MAX)?;
            Request::Ack { id }
        }
        Op::Pulse => Request::Pulse,
        Op::Quit => Request::Quit,
        Op::Ask => Request::Ask {
            id: request_id()?,
            what: required("what", loose("what", header.what)?, usize::MAX)?,
            cursor: loose("cursor", header.cursor)?,
            gid: header.gid,
        },
        Op::Reach => reach(header, limits)?,
        Op::Cork => {
            let (until, users) = (loose("until", header.until)?, header.recipients.map(|users| named(Some(users), limits)).transpose()?);
            if until.is_none() && users.is_some() {
                return Err(invalid("for without until"));
            }
            Request::Cork { id: required("id", header.id, REQUEST_ID_MAX)?, until, users }
        }
        Op::Invite => Request::Invite {
            id: request_id()?,
            uses: loose("uses", header.uses)?,
            expires: loose("expires", header.expires)?,
            gid: header.gid,
        },
    })
}

fn edit(header: Header<'_>) -> Result<Edit<'_>, RequestError> {
    let (drop_alias, drop_node) = (loose("dropalias", header.drop_alias)?, loose("dropnode", header.drop_node)?);
    match (header.new_alias, header.new_node, drop_alias, drop_node) {
        (Some(alias), None, None, None) => {
            let (uses, expires) = (loose("uses", header.uses)?, loose("expires", header.expires)?);
            Ok(Edit::Alias { alias: non_empty("newalias", alias)?, uses, expires })
        }
        (None, Some(label), None, None) => Ok(Edit::Node(self::label(Some(label))?)),
        (None, None, Some(alias), None) => Ok(Edit::DropAlias(non_empty("dropalias", alias)?)),
        (None, None, None, Some(node)) => {
            let of = header.uid.map(|uid| required("uid", Some(uid), ID_TEXT_MAX)).transpose()?;
            Ok(Edit::DropNode { node: non_empty("dropnode", node)?, of })
        }
        _ => Err(invalid("UserEdit takes exactly one of newalias, newnode, dropalias and dropnode")),
    }
}

fn reach<'a>(header: Header<'a>, limits: &RequestLimits) -> Result<Request<'a>, RequestError> {
    let policy = loose("policy", header.policy)?;
    let list = match (header.act, header.recipients) {
        (Some(act), users) => Some(ReachList { act, users: named(users, limits)? }),
        (None, Some(_)) => return Err(invalid("for without act")),
        (None, None) => None,
    };
    if list.is_none() && policy.is_none() {
        return Err(invalid("Reach without act and policy"));
    }
    Ok(Request::Reach { id: required("id", header.id, REQUEST_ID_MAX)?, list, policy })
}

/// Users, one at least.
fn named<'a>(list: Option<Vec<Recipient<'a>>>, limits: &RequestLimits) -> Result<Vec<Recipient<'a>>, RequestError> {
    let users = listed("for", list, limits)?;
    if users.is_empty() {
        return Err(invalid("for is empty"));
    }
    check_uids(users.iter())?;
    Ok(users)
}

fn post_notify<'a>(header: Header<'a>, body: Body, limits: &RequestLimits) -> Result<Request<'a>, RequestError> {
    let len = header.note_len.filter(|&len| len > 0).ok_or_else(|| invalid("notelen is missing or 0"))?;
    let head = header.note_head.unwrap_or(0);
    let note = Body { len, head, sum: checksum("notesum", header.note_sum)? };
    if head > len {
        return Err(invalid("notehead exceeds notelen"));
    }
    let id = required("id", header.id, REQUEST_ID_MAX)?;
    let to = typed(listed("for", header.recipients, limits)?)?;
    let note_to = typed(recipients("notefor", header.note_recipients, limits)?)?;
    let not_self = header.not_self.unwrap_or(false);
    if body.len <= len {
        return Err(RequestError::DataTooShort);
    }
    if body.head > body.len - len {
        return Err(invalid("datahead exceeds the message after the note"));
    }
    if not_self && to.is_empty() {
        return Err(RequestError::RecipientListEmpty);
    }
    Ok(Request::PostNotify { id, to, note_to, note, not_self, body })
}

fn body_of(op: Op, header: &Header<'_>) -> Result<Body, RequestError> {
    let body = Body { len: header.data_len.unwrap_or(0), head: header.data_head.unwrap_or(0), sum: checksum("datasum", header.data_sum)? };
    if body.head > body.len {
        return Err(invalid("datahead exceeds datalen"));
    }
    let carries_data = matches!(op, Op::GroupInvite | Op::Post | Op::PostNotify | Op::Ping);
    if body.len > 0 && !carries_data {
        return Err(invalid("data where the op has none"));
    }
    Ok(body)
}

fn text_body(body: Body) -> Result<Body, RequestError> {
    if body.len > TEXT_MAX_BYTES as u64 {
        return Err(RequestError::DataTooLong);
    }
    Ok(body)
}

/// A value that this request uses.
fn loose<T>(key: &str, value: Option<Loose<T>>) -> Result<Option<T>, RequestError> {
    match value {
        None => Ok(None),
        Some(Loose::Right(value)) => Ok(Some(value)),
        Some(Loose::Wrong) => Err(invalid(format!("{key} has the wrong type"))),
    }
}

fn invalid(why: impl Into<String>) -> RequestError {
    RequestError::InvalidHeader(why.into())
}

fn required<'a>(key: &str, value: Option<Cow<'a, str>>, max: usize) -> Result<Cow<'a, str>, RequestError> {
    let value = non_empty(key, value.ok_or_else(|| invalid(format!("{key} is missing")))?)?;
    if value.len() > max {
        return Err(invalid(format!("{key} exceeds {max} octets")));
    }
    Ok(value)
}

/// The 2018 draft lets a sender stay without a name.
fn sender_alias(from: Option<Cow<'_, str>>, dialect: Dialect) -> Result<Option<Cow<'_, str>>, RequestError> {
    match from {
        None if dialect == Dialect::Draft2018 => Ok(None),
        from => required("from", from, usize::MAX).map(Some),
    }
}

/// A device's label comes back in headers that clients re-encode to verify, and encoders differ on control characters: so
/// they become U+FFFD.
fn label(value: Option<Cow<'_, str>>) -> Result<Cow<'_, str>, RequestError> {
    let label = required("newnode", value, LABEL_MAX)?;
    if !label.contains(char::is_control) {
        return Ok(label);
    }
    Ok(Cow::Owned(label.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()))
}

fn non_empty<'a>(key: &str, value: Cow<'a, str>) -> Result<Cow<'a, str>, RequestError> {
    if value.is_empty() {
        return Err(invalid(format!("{key} is empty")));
    }
    Ok(value)
}

fn checksum(key: &str, value: Option<u64>) -> Result<u32, RequestError> {
    u32::try_from(value.unwrap_or(0)).map_err(|_| invalid(format!("{key} exceeds 32 bits")))
}

/// A list that must be there, though some may be empty.
fn listed<'a>(key: &str, list: Option<Vec<Recipient<'a>>>, limits: &RequestLimits) -> Result<Vec<Recipient<'a>>, RequestError> {
    recipients(key, Some(list.ok_or_else(|| invalid(format!("{key} is missing")))?), limits)
}

fn recipients<'a>(key: &str, list: Option<Vec<Recipient<'a>>>, limits: &RequestLimits) -> Result<Vec<Recipient<'a>>, RequestError> {
    let list = list.unwrap_or_default();
    if list.len() > limits.recipients_max {
        return Err(invalid(format!("{key} has more than {} entries", limits.recipients_max)));
    }
    if list.iter().any(|r| r.id.is_empty()) {
        return Err(invalid(format!("{key} has an empty id")));
    }
    Ok(list)
}

/// Recipients of a message say what they are: 1 uid, 2 or 3 group.
fn typed(list: Vec<Recipient<'_>>) -> Result<Vec<Recipient<'_>>, RequestError> {
    if let Some(odd) = list.iter().find(|r| !matches!(r.kind, Some(1..=3))) {
        return Err(invalid(format!("recipient type {:?} is not 1, 2 or 3", odd.kind)));
    }
    check_uids(list.iter().filter(|r| r.kind == Some(1)))?;
    Ok(list)
}

fn check_uids<'l, 'a: 'l>(mut list: impl Iterator<Item = &'l Recipient<'a>>) -> Result<(), RequestError> {
    if list.any(|r| r.id.len() > ID_TEXT_MAX) {
        return Err(invalid(format!("a uid exceeds {ID_TEXT_MAX} octets")));
    }
    Ok(())
}
