//! What a header asks for: fields into one closed enum, parsed once and trusted after.

use std::borrow::Cow;

use super::dialect::{Dialect, Op};
use super::header::{Header, HeaderError, Recipient};
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
    /// Another alias.
    Alias(Cow<'a, str>),
    /// Another device with this label.
    Node(Cow<'a, str>),
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
}

/// One request of a client, as it can be meant.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the fields are the contract's, by its names")]
pub enum Request<'a> {
    TmtpRev,
    Register { new_node: Cow<'a, str>, new_alias: Option<Cow<'a, str>>, token: bool },
    Login { uid: Cow<'a, str>, node: Cow<'a, str> },
    UserEdit { id: Cow<'a, str>, edit: Edit<'a> },
    OhiEdit { id: Cow<'a, str>, users: Vec<Recipient<'a>>, act: OhiAct },
    GroupInvite { id: Cow<'a, str>, gid: Cow<'a, str>, from: Cow<'a, str>, to: Cow<'a, str>, body: Body },
    GroupEdit { id: Cow<'a, str>, gid: Cow<'a, str>, act: GroupAct<'a> },
    Post { id: Cow<'a, str>, to: Vec<Recipient<'a>>, body: Body },
    PostNotify { id: Cow<'a, str>, to: Vec<Recipient<'a>>, note_to: Vec<Recipient<'a>>, note: Body, not_self: bool, body: Body },
    Ping { id: Cow<'a, str>, to: Cow<'a, str>, from: Option<Cow<'a, str>>, body: Body },
    Ack { id: Cow<'a, str> },
    Pulse,
    Quit,
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
            | Request::Quit => Body::default(),
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
            Request::Register { new_node, new_alias, token } => {
                Request::Register { new_node: own(new_node), new_alias: new_alias.map(own), token }
            }
            Request::Login { uid, node } => Request::Login { uid: own(uid), node: own(node) },
            Request::UserEdit { id, edit } => {
                let edit = match edit {
                    Edit::Alias(alias) => Edit::Alias(own(alias)),
                    Edit::Node(label) => Edit::Node(own(label)),
                };
                Request::UserEdit { id: own(id), edit }
            }
            Request::OhiEdit { id, users, act } => Request::OhiEdit { id: own(id), users: own_all(users), act },
            Request::GroupInvite { id, gid, from, to, body } => {
                Request::GroupInvite { id: own(id), gid: own(gid), from: own(from), to: own(to), body }
            }
            Request::GroupEdit { id, gid, act } => {
                let act = match act {
                    GroupAct::Join(alias) => GroupAct::Join(alias.map(own)),
                    GroupAct::Alias(alias) => GroupAct::Alias(own(alias)),
                    GroupAct::Drop(alias) => GroupAct::Drop(own(alias)),
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
        },
        Op::Login => Request::Login { uid: required("uid", header.uid, ID_TEXT_MAX)?, node: required("node", header.node, ID_TEXT_MAX)? },
        Op::UserEdit => {
            let edit = match (header.new_alias, header.new_node) {
                (Some(alias), None) => Edit::Alias(non_empty("newalias", alias)?),
                (None, Some(label)) => Edit::Node(self::label(Some(label))?),
                _ => return Err(invalid("UserEdit takes exactly one of newalias and newnode")),
            };
            Request::UserEdit { id: required("id", header.id, REQUEST_ID_MAX)?, edit }
        }
        Op::OhiEdit => {
            let act = match header.kind.as_deref() {
                Some("add") => OhiAct::Add,
                Some("drop") => OhiAct::Drop,
                Some("init") => OhiAct::Init,
                _ => return Err(invalid("OhiEdit's type is add, drop or init")),
            };
            let id = request_id()?;
            let users = recipients("for", header.recipients, limits)?;
            if users.is_empty() {
                return Err(invalid("for is empty"));
            }
            Request::OhiEdit { id, users, act }
        }
        Op::GroupInvite => Request::GroupInvite {
            id: request_id()?,
            gid: required("gid", header.gid, usize::MAX)?,
            from: required("from", header.from, usize::MAX)?,
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
                _ => return Err(invalid("GroupEdit's act is join, alias or drop")),
            },
        },
        Op::Post => {
            if body.len == 0 {
                return Err(invalid("Post without data"));
            }
            Request::Post { id: request_id()?, to: typed(recipients("for", header.recipients, limits)?)?, body }
        }
        Op::PostNotify => post_notify(header, body, limits)?,
        Op::Ping => {
            let from = header.from.clone().map(|from| non_empty("from", from)).transpose()?;
            if from.is_none() && dialect != Dialect::Draft2018 {
                return Err(invalid("from is missing"));
            }
            Request::Ping { id: request_id()?, to: required("to", header.to, usize::MAX)?, from, body: text_body(body)? }
        }
        Op::Ack => {
            let id = request_id()?;
            required("type", header.kind, usize::MAX)?;
            Request::Ack { id }
        }
        Op::Pulse => Request::Pulse,
        Op::Quit => Request::Quit,
    })
}

fn post_notify<'a>(header: Header<'a>, body: Body, limits: &RequestLimits) -> Result<Request<'a>, RequestError> {
    let len = header.note_len.filter(|&len| len > 0).ok_or_else(|| invalid("notelen is missing or 0"))?;
    let head = header.note_head.unwrap_or(0);
    let note = Body { len, head, sum: checksum("notesum", header.note_sum)? };
    if head > len {
        return Err(invalid("notehead exceeds notelen"));
    }
    let id = required("id", header.id, REQUEST_ID_MAX)?;
    let to = typed(recipients("for", header.recipients, limits)?)?;
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
    if list.iter().any(|r| r.kind == Some(1) && r.id.len() > ID_TEXT_MAX) {
        return Err(invalid(format!("a uid exceeds {ID_TEXT_MAX} octets")));
    }
    Ok(list)
}
