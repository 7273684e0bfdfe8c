//! What a peer sends, up to the request it is taken for.

use std::borrow::Cow;

use super::super::Prng;
use crate::limits::{HEADER_MAX, HEADER_MIN, ID_TEXT_MAX, LABEL_MAX, RECIPIENTS_MAX, REQUEST_ID_MAX, TEXT_MAX_BYTES};
use crate::wire::{Body, Dialect, Edit, FrameError, FrameReader, GroupAct, HeaderWriter, OhiAct, Piece, ReachList, Recipient, Request};
use crate::wire::{RequestError, RequestLimits, write_json};

/// How much a string grows at most when it is escaped: `<` takes six octets.
const ESCAPE: usize = 6;
/// Recipients that a strict operator allows.
const FEW: usize = 2;

/// What became of an input.
#[derive(PartialEq, Debug)]
enum End {
    /// It was used up.
    Open {
        in_frame: bool,
        body_left: u64,
    },
    Frame(FrameError),
    Request(RequestError),
}

/// One frame, as far as it came.
#[derive(PartialEq, Debug)]
struct Taken {
    header: Vec<u8>,
    request: Request<'static>,
    dialect: Dialect,
    body: Vec<u8>,
}

/// The octets of a link from its begin, frame by frame, for every numbering that a link may start with.
///
/// # Panics
/// If it matters how the input was cut; if a frame is not what its length announced; if a request breaks a bound, or is not the
/// same when it is written again.
pub fn frames(data: &[u8]) {
    for dialect in [Dialect::Unlatched, Dialect::Draft2018, Dialect::Draft2020] {
        let (taken, end) = read(dialect, [data]);
        check_places(data, &taken, &end);
        for frame in &taken {
            check_bounds(&frame.request);
            check_strict(frame, dialect);
            check_rewritten(frame);
        }
        let cut = pieces(data);
        assert_eq!((taken, end), read(dialect, cut.iter().copied()), "an input that is cut means the same");
    }
}

/// Reads as the server does, up to the first fault.
fn read<'a>(mut dialect: Dialect, input: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Taken>, End) {
    let mut reader = FrameReader::new();
    let mut taken: Vec<Taken> = Vec::new();
    for mut rest in input {
        loop {
            let announced = match reader.next(&mut rest) {
                Err(error) => return (taken, End::Frame(error)),
                Ok(None) => break,
                Ok(Some(Piece::Body(octets))) => {
                    assert!(!octets.is_empty(), "a piece of nothing");
                    taken.last_mut().expect("a body follows its header").body.extend_from_slice(octets);
                    continue;
                }
                Ok(Some(Piece::Header(header))) => match Request::parse(header, &mut dialect, &RequestLimits::default()) {
                    Err(error) => return (taken, End::Request(error)),
                    Ok(request) => {
                        let announced = request.body().len;
                        let request = request.into_owned();
                        taken.push(Taken { header: header.to_vec(), request, dialect, body: Vec::new() });
                        announced
                    }
                },
            };
            if announced > 0 {
                reader.expect_body(announced);
            }
        }
        assert!(rest.is_empty(), "a reader that wants more has used up what it had");
    }
    (taken, End::Open { in_frame: reader.in_frame(), body_left: reader.body_left() })
}

/// The input in pieces of chance sizes, small ones most often, and none at all now and then.
fn pieces(data: &[u8]) -> Vec<&[u8]> {
    let mut prng = Prng::new(u64::from(crc32c::crc32c(data)));
    let (mut rest, mut pieces) = (data, Vec::new());
    while !rest.is_empty() {
        let most = *prng.pick(&[1, 4, 20, 500]);
        let (piece, more) = rest.split_at(prng.index(most + 1).min(rest.len()));
        pieces.push(piece);
        rest = more;
    }
    pieces
}

/// The frames stand in the input one after the other, each as long as it says.
fn check_places(data: &[u8], taken: &[Taken], end: &End) {
    let mut rest = data;
    for (i, frame) in taken.iter().enumerate() {
        let (prefix, more) = rest.split_at(4);
        let size = usize::from_str_radix(std::str::from_utf8(prefix).expect("hex digits"), 16).expect("hex digits");
        assert!((HEADER_MIN..=HEADER_MAX).contains(&size) && frame.header.len() == size, "a header of {size} octets");
        let (header, more) = more.split_at(size);
        assert_eq!(frame.header, header);
        let (body, more) = more.split_at(frame.body.len());
        assert_eq!(frame.body, body);
        rest = more;
        let missing = frame.request.body().len - body.len() as u64;
        let last = i + 1 == taken.len();
        match end {
            End::Open { body_left, .. } if last => assert_eq!(missing, *body_left),
            _ => assert_eq!(missing, 0, "a frame began in the data of another"),
        }
    }
    if let End::Open { in_frame, body_left } = end {
        assert_eq!(*in_frame, *body_left > 0 || !rest.is_empty());
        assert!(*body_left == 0 || rest.is_empty());
    }
}

fn check_bounds(request: &Request<'_>) {
    let body = request.body();
    assert!(body.head <= body.len && body.len <= i64::MAX as u64);
    match request {
        Request::TmtpRev | Request::Pulse | Request::Quit => {}
        Request::Register { new_node, new_alias, token: _, invite } => {
            check_label(new_node);
            assert!(!matches!(invite.as_deref(), Some("")));
            assert!(!matches!(new_alias.as_deref(), Some("" | "_")));
        }
        Request::Login { uid, node } => {
            check_text(uid, ID_TEXT_MAX);
            check_text(node, ID_TEXT_MAX);
        }
        Request::UserEdit { id, edit } => {
            check_text(id, REQUEST_ID_MAX);
            match edit {
                Edit::Alias { alias, uses, .. } => {
                    check_text(alias, HEADER_MAX);
                    assert!(uses.is_none_or(|uses| uses <= i64::MAX as u64));
                }
                Edit::DropAlias(alias) => check_text(alias, HEADER_MAX),
                Edit::DropNode { node, of } => {
                    check_text(node, HEADER_MAX);
                    of.iter().for_each(|uid| check_text(uid, ID_TEXT_MAX));
                }
                Edit::Node(label) => check_label(label),
            }
        }
        Request::OhiEdit { id, users, act: _ } => {
            check_text(id, REQUEST_ID_MAX);
            check_users(users);
        }
        Request::GroupInvite { id, gid, from, to, body } => {
            check_text(id, REQUEST_ID_MAX);
            check_text(gid, HEADER_MAX);
            check_text(to, HEADER_MAX);
            from.iter().for_each(|from| check_text(from, HEADER_MAX));
            assert!(body.len <= TEXT_MAX_BYTES as u64);
        }
        Request::GroupEdit { id, gid, act } => {
            check_text(id, REQUEST_ID_MAX);
            check_text(gid, HEADER_MAX);
            match act {
                GroupAct::Join(alias) => alias.iter().for_each(|alias| check_text(alias, HEADER_MAX)),
                GroupAct::Alias(alias) | GroupAct::Drop(alias) => check_text(alias, HEADER_MAX),
                GroupAct::Set { invite, post, roster } => assert!(invite.is_some() || post.is_some() || roster.is_some()),
                GroupAct::Moderator { to, role } => [to, role].into_iter().for_each(|text| check_text(text, HEADER_MAX)),
            }
        }
        Request::Post { id, to, body } => {
            check_text(id, REQUEST_ID_MAX);
            check_recipients(to);
            assert!(body.len > 0);
        }
        Request::PostNotify { id, to, note_to, note, not_self, body } => {
            check_text(id, REQUEST_ID_MAX);
            check_recipients(to);
            check_recipients(note_to);
            assert!(0 < note.len && note.head <= note.len && note.len < body.len && body.head <= body.len - note.len);
            assert!(!to.is_empty() || !not_self, "a message to nobody");
        }
        Request::Ping { id, to, from, body } => {
            check_text(id, REQUEST_ID_MAX);
            check_text(to, HEADER_MAX);
            from.iter().for_each(|from| check_text(from, HEADER_MAX));
            assert!(body.len <= TEXT_MAX_BYTES as u64);
        }
        Request::Ack { id } => check_text(id, REQUEST_ID_MAX),
        Request::Ask { id, what, .. } => {
            check_text(id, REQUEST_ID_MAX);
            check_text(what, HEADER_MAX);
        }
        Request::Reach { id, list, policy } => {
            check_text(id, REQUEST_ID_MAX);
            assert!(list.is_some() || policy.is_some());
            list.iter().for_each(|list| check_users(&list.users));
        }
        Request::Cork { id, until, users } => {
            check_text(id, REQUEST_ID_MAX);
            assert!(until.is_some() || users.is_none());
            users.iter().for_each(|users| check_users(users));
        }
        Request::Invite { id, .. } => check_text(id, REQUEST_ID_MAX),
    }
}

fn check_text(text: &str, max: usize) {
    assert!(!text.is_empty() && text.len() <= max, "a text of {} octets", text.len());
}

/// A control character of one octet has become a sign of three.
fn check_label(label: &str) {
    check_text(label, 3 * LABEL_MAX);
    assert!(!label.contains(char::is_control));
}

fn check_users(users: &[Recipient<'_>]) {
    assert!(!users.is_empty() && users.len() <= RECIPIENTS_MAX);
    users.iter().for_each(|user| check_text(&user.id, ID_TEXT_MAX));
}

fn check_recipients(list: &[Recipient<'_>]) {
    assert!(list.len() <= RECIPIENTS_MAX);
    for recipient in list {
        match recipient.kind {
            Some(1) => check_text(&recipient.id, ID_TEXT_MAX),
            Some(2 | 3) => check_text(&recipient.id, HEADER_MAX),
            other => panic!("a recipient of type {other:?}"),
        }
    }
}

/// An operator who allows fewer recipients refuses some requests, and changes none.
fn check_strict(frame: &Taken, begin: Dialect) {
    let strict = RequestLimits { recipients_max: FEW };
    let mut dialect = if begin == Dialect::Unlatched { frame.dialect } else { begin };
    let most = match &frame.request {
        Request::OhiEdit { users: list, .. }
        | Request::Post { to: list, .. }
        | Request::Reach { list: Some(ReachList { users: list, .. }), .. }
        | Request::Cork { users: Some(list), .. } => list.len(),
        Request::PostNotify { to, note_to, .. } => to.len().max(note_to.len()),
        _ => 0,
    };
    match Request::parse(&frame.header, &mut dialect, &strict) {
        Ok(request) => assert!(request == frame.request && most <= FEW),
        Err(error) => assert!(matches!(error, RequestError::InvalidHeader(_)) && most > FEW, "{error:?}"),
    }
}

/// A request that is written canonically, in the numbering that its link speaks by now, is the same request.
fn check_rewritten(frame: &Taken) {
    if frame.header.len() * ESCAPE + 1000 > HEADER_MAX {
        return;
    }
    let written = write(&frame.request, frame.dialect);
    let mut rest = &written[..];
    let mut reader = FrameReader::new();
    let Ok(Some(Piece::Header(header))) = reader.next(&mut rest) else { panic!("a header that is written is read") };
    let mut dialect = frame.dialect;
    let again = Request::parse(header, &mut dialect, &RequestLimits::default());
    assert_eq!(again.as_ref(), Ok(&frame.request), "{}", String::from_utf8_lossy(header));
    assert_eq!(write(again.as_ref().expect("just compared"), dialect), written);
}

/// The header of a request, its keys in order. Where both numberings fit, as with a link that is not latched, the newer.
fn write(request: &Request<'_>, dialect: Dialect) -> Vec<u8> {
    let shift = u64::from(dialect != Dialect::Draft2018);
    let Body { len, head, sum } = request.body();
    let with_data = |writer: HeaderWriter| {
        let writer = writer.non_zero("datahead", head).non_zero("datalen", len);
        writer.non_zero("datasum", sum.into())
    };
    let writer = HeaderWriter::new();
    let writer = match request {
        Request::TmtpRev => writer.text("id", "1").number("op", 0),
        Request::Register { new_node, new_alias, token, invite } => {
            let writer = writer.optional("invite", invite.as_deref()).optional("newalias", new_alias.as_deref()).text("newnode", new_node);
            let writer = if *token { writer.raw("oidc", |out| out.extend_from_slice(b"{}")) } else { writer };
            writer.number("op", 1)
        }
        Request::Login { uid, node } => writer.text("node", node).number("op", 2).text("uid", uid),
        Request::UserEdit { id, edit } => {
            let op = |writer: HeaderWriter| writer.number("op", 3);
            match edit {
                Edit::Alias { alias, uses, expires } => {
                    let writer = op(writer.optional("expires", expires.as_deref()).text("id", id).text("newalias", alias));
                    match uses {
                        Some(uses) => writer.number("uses", *uses),
                        None => writer,
                    }
                }
                Edit::Node(label) => op(writer.text("id", id).text("newnode", label)),
                Edit::DropAlias(alias) => op(writer.text("dropalias", alias).text("id", id)),
                Edit::DropNode { node, of } => op(writer.text("dropnode", node).text("id", id)).optional("uid", of.as_deref()),
            }
        }
        Request::OhiEdit { id, users, act } => list(writer, "for", users).text("id", id).number("op", 4).text("type", OhiAct::word(*act)),
        Request::GroupInvite { id, gid, from, to, .. } => {
            with_data(writer).optional("from", from.as_deref()).text("gid", gid).text("id", id).number("op", 5).text("to", to)
        }
        Request::GroupEdit { id, gid, act: GroupAct::Set { invite, post, roster } } => {
            let writer = writer.text("act", "set").text("gid", gid).text("id", id).optional("invite", invite.as_deref());
            writer.number("op", 6).optional("post", post.as_deref()).optional("roster", roster.as_deref())
        }
        Request::GroupEdit { id, gid, act: GroupAct::Moderator { to, role } } => {
            let writer = writer.text("act", "moderator").text("gid", gid).text("id", id).number("op", 6);
            writer.text("role", role).text("to", to)
        }
        Request::GroupEdit { id, gid, act } => {
            let (word, alias, to) = match act {
                GroupAct::Join(alias) => ("join", alias.as_deref(), None),
                GroupAct::Alias(alias) => ("alias", Some(alias.as_ref()), None),
                GroupAct::Drop(to) => ("drop", None, Some(to.as_ref())),
                GroupAct::Set { .. } | GroupAct::Moderator { .. } => unreachable!("written above"),
            };
            let writer = writer.text("act", word).text("gid", gid).text("id", id).optional("newalias", alias);
            writer.number("op", 6).optional("to", to)
        }
        Request::Post { id, to, .. } => list(with_data(writer), "for", to).text("id", id).number("op", 7),
        Request::PostNotify { id, to, note_to, note, not_self, .. } => {
            let writer = list(with_data(writer), "for", to).raw("fornotself", |out| out.extend_from_slice(not_self.to_string().as_bytes()));
            let writer = list(writer.text("id", id), "notefor", note_to).non_zero("notehead", note.head).number("notelen", note.len);
            writer.non_zero("notesum", note.sum.into()).number("op", 8)
        }
        Request::Ping { id, to, from, .. } => {
            with_data(writer).optional("from", from.as_deref()).text("id", id).number("op", 8 + shift).text("to", to)
        }
        Request::Ack { id } => writer.text("id", id).number("op", 9 + shift).text("type", "ok"),
        Request::Pulse => writer.number("op", 10 + shift),
        Request::Quit => writer.number("op", 11 + shift),
        Request::Ask { id, what, cursor, gid } => {
            let writer = writer.optional("cursor", cursor.as_deref()).optional("gid", gid.as_deref());
            writer.text("id", id).number("op", 16).text("what", what)
        }
        Request::Reach { id, list: named, policy } => {
            let writer = match named {
                Some(named) => list(writer.text("act", &named.act), "for", &named.users),
                None => writer,
            };
            writer.text("id", id).number("op", 17).optional("policy", policy.as_deref())
        }
        Request::Cork { id, until, users } => {
            let writer = match users {
                Some(users) => list(writer, "for", users),
                None => writer,
            };
            writer.text("id", id).number("op", 18).optional("until", until.as_deref())
        }
        Request::Invite { id, uses, expires, gid } => {
            let writer = writer.optional("expires", expires.as_deref()).optional("gid", gid.as_deref());
            let writer = writer.text("id", id).number("op", 19);
            match uses {
                Some(uses) => writer.number("uses", *uses),
                None => writer,
            }
        }
    };
    writer.finish()
}

fn list(writer: HeaderWriter, key: &'static str, list: &[Recipient<'_>]) -> HeaderWriter {
    let entry = |recipient: &Recipient<'_>| {
        let id = serde_json::Value::from(Cow::as_ref(&recipient.id));
        let kind = recipient.kind.map(|kind| ("type".to_owned(), kind.into()));
        serde_json::Value::Object([("id".to_owned(), id)].into_iter().chain(kind).collect())
    };
    writer.raw(key, |out| write_json(out, &list.iter().map(entry).collect()))
}
