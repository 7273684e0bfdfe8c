//! Which fields a header has: one JSON object into typed fields.
//!
//! serde's derive will not do: keys match without regard to case here, the last of a repeated key
//! counts, and a field of a wrong type is an error whichever op it would belong to. So the visitor is
//! ours; strings without escapes are borrowed from the input.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Not one JSON object with fields of the right types, in valid UTF-8. The text is for our log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HeaderError(pub String);

/// An entry of `for` or `notefor`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recipient<'a> {
    /// A uid, or a group's name.
    pub id: Cow<'a, str>,
    /// Which of them: 1 uid, 2 group with the sender, 3 group without.
    pub kind: Option<u64>,
}

macro_rules! fields {
    ($($(#[$doc:meta])* $key:literal $name:ident: $type:ty = $via:ty;)*) => {
        /// The fields of a request, as they came: `None` is absent or `null`.
        #[derive(Clone, PartialEq, Eq, Debug, Default)]
        pub struct Header<'a> {
            $($(#[$doc])* pub $name: Option<$type>,)*
        }

        #[allow(non_camel_case_types)]
        enum Key { $($name,)* Unknown }

        impl Key {
            fn of(lower: &[u8]) -> Key {
                $(if lower == $key.as_bytes() { return Key::$name; })*
                Key::Unknown
            }
        }

        impl<'de> Visitor<'de> for HeaderVisitor {
            type Value = Header<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header<'de>, A::Error> {
                let mut header = Header::default();
                while let Some(key) = map.next_key::<Key>()? {
                    match key {
                        $(Key::$name => header.$name = map.next_value::<Option<$via>>()?.map(|v| v.0),)*
                        Key::Unknown => { map.next_value::<IgnoredAny>()?; }
                    }
                }
                Ok(header)
            }
        }
    };
}

fields! {
    /// Which request this is, in one of the two numberings.
    "op" op: u64 = Int;
    /// The request's id, or the id of the message that is acked, or the protocol version.
    "id" id: Cow<'a, str> = Text<'de>;
    /// Login: who.
    "uid" uid: Cow<'a, str> = Text<'de>;
    /// Login: the secret of the device.
    "node" node: Cow<'a, str> = Text<'de>;
    /// Register, UserEdit: label of a new device.
    "newnode" new_node: Cow<'a, str> = Text<'de>;
    /// Register, UserEdit, GroupEdit: another name.
    "newalias" new_alias: Cow<'a, str> = Text<'de>;
    /// Register: a third party's token. Only its presence is kept.
    "oidc" oidc: () = Anything;
    /// OhiEdit: add, drop or init. Ack: anything.
    "type" kind: Cow<'a, str> = Text<'de>;
    /// The group's name.
    "gid" gid: Cow<'a, str> = Text<'de>;
    /// GroupEdit: join, alias, drop, set or moderator. Reach: block, allow or clear.
    "act" act: Cow<'a, str> = Text<'de>;
    /// An alias of the sender.
    "from" from: Cow<'a, str> = Text<'de>;
    /// An alias of somebody.
    "to" to: Cow<'a, str> = Text<'de>;
    /// Recipients.
    "for" recipients: Vec<Recipient<'a>> = Recipients<'de>;
    /// PostNotify: recipients of the note alone.
    "notefor" note_recipients: Vec<Recipient<'a>> = Recipients<'de>;
    /// PostNotify: not to the sender's other nodes.
    "fornotself" not_self: bool = Flag;
    /// Octets of data that follow the header.
    "datalen" data_len: u64 = Int;
    /// Octets of the data that are a secondary header.
    "datahead" data_head: u64 = Int;
    /// The sender's checksum of the data.
    "datasum" data_sum: u64 = Int;
    /// PostNotify: octets of the data that are the note.
    "notelen" note_len: u64 = Int;
    /// Register: an invite code. GroupEdit: who may invite.
    "invite" invite: Loose<Cow<'a, str>> = LooseText<'de>;
    /// UserEdit: an alias to be given up.
    "dropalias" drop_alias: Loose<Cow<'a, str>> = LooseText<'de>;
    /// UserEdit: the number of a node to be dropped.
    "dropnode" drop_node: Loose<Cow<'a, str>> = LooseText<'de>;
    /// UserEdit, Invite: how often.
    "uses" uses: Loose<u64> = LooseInt;
    /// UserEdit, Invite: how long.
    "expires" expires: Loose<Cow<'a, str>> = LooseText<'de>;
    /// Cork: how long.
    "until" until: Loose<Cow<'a, str>> = LooseText<'de>;
    /// Reach: any or none.
    "policy" policy: Loose<Cow<'a, str>> = LooseText<'de>;
    /// GroupEdit: moderator or member.
    "role" role: Loose<Cow<'a, str>> = LooseText<'de>;
    /// GroupEdit: who may post.
    "post" post: Loose<Cow<'a, str>> = LooseText<'de>;
    /// GroupEdit: who may see the roster.
    "roster" roster: Loose<Cow<'a, str>> = LooseText<'de>;
    /// Ask: about what.
    "what" what: Loose<Cow<'a, str>> = LooseText<'de>;
    /// Ask: where to go on.
    "cursor" cursor: Loose<Cow<'a, str>> = LooseText<'de>;
    /// PostNotify: octets of the note that are a secondary header.
    "notehead" note_head: u64 = Int;
    /// PostNotify: the sender's checksum of the note.
    "notesum" note_sum: u64 = Int;
}

impl<'a> Header<'a> {
    /// Reads a header without its length prefix.
    ///
    /// # Errors
    /// [`HeaderError`] for anything but one JSON object, in UTF-8, whose known keys have values of their types.
    pub fn parse(octets: &'a [u8]) -> Result<Header<'a>, HeaderError> {
        // As text, so that invalid UTF-8 is found even in what is skipped.
        let text = std::str::from_utf8(octets).map_err(|e| HeaderError(e.to_string()))?;
        let mut json = serde_json::Deserializer::from_str(text);
        let header = json.deserialize_map(HeaderVisitor).map_err(|e| HeaderError(e.to_string()))?;
        json.end().map_err(|e| HeaderError(e.to_string()))?;
        Ok(header)
    }
}

struct HeaderVisitor;

/// The longest key we know, in octets.
const KEY_MAX: usize = 10;

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Key, D::Error> {
        struct KeyVisitor;
        impl Visitor<'_> for KeyVisitor {
            type Value = Key;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_str<E: de::Error>(self, key: &str) -> Result<Key, E> {
                let mut lower = [0; KEY_MAX];
                let Some(lower) = lower.get_mut(..key.len()) else { return Ok(Key::Unknown) };
                lower.copy_from_slice(key.as_bytes());
                lower.make_ascii_lowercase();
                Ok(Key::of(lower))
            }
        }
        deserializer.deserialize_str(KeyVisitor)
    }
}

struct Text<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text<'de>, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

/// A non-negative integer of 63 bits; `4.0` and `4e0` are not integers.
struct Int(u64);

impl<'de> Deserialize<'de> for Int {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Int, D::Error> {
        let value = u64::deserialize(deserializer)?;
        if i64::try_from(value).is_err() {
            return Err(de::Error::custom("a number of more than 63 bits"));
        }
        Ok(Int(value))
    }
}

/// A value of a key that the drafts do not know: a program may have one of its own by that name, which is nobody's
/// business unless the request is one that uses it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Loose<T> {
    /// Of the right type.
    Right(T),
    /// Of another.
    Wrong,
}

struct LooseText<'a>(Loose<Cow<'a, str>>);

impl<'de> Deserialize<'de> for LooseText<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<LooseText<'de>, D::Error> {
        Ok(LooseText(read_loosely(deserializer, |Text(text)| text)?))
    }
}

struct LooseInt(Loose<u64>);

impl<'de> Deserialize<'de> for LooseInt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<LooseInt, D::Error> {
        Ok(LooseInt(read_loosely(deserializer, |Int(number)| number)?))
    }
}

/// Passes over a value as over that of an unknown key, and only then looks at it.
fn read_loosely<'de, D: Deserializer<'de>, V: Deserialize<'de>, T>(deserializer: D, open: fn(V) -> T) -> Result<Loose<T>, D::Error> {
    let raw = <&RawValue>::deserialize(deserializer)?;
    Ok(serde_json::from_str::<V>(raw.get()).map_or(Loose::Wrong, |value| Loose::Right(open(value))))
}

struct Flag(bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Flag, D::Error> {
        bool::deserialize(deserializer).map(Flag)
    }
}

struct Anything(());

impl<'de> Deserialize<'de> for Anything {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Anything, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Anything(()))
    }
}

struct Recipients<'a>(Vec<Recipient<'a>>);

impl<'de> Deserialize<'de> for Recipients<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Recipients<'de>, D::Error> {
        struct ListVisitor;
        impl<'de> Visitor<'de> for ListVisitor {
            type Value = Recipients<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of recipients")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Recipients<'de>, A::Error> {
                let mut recipients = Vec::new();
                while let Some(recipient) = list.next_element::<Recipient<'de>>()? {
                    recipients.push(recipient);
                }
                Ok(Recipients(recipients))
            }
        }
        deserializer.deserialize_seq(ListVisitor)
    }
}

impl<'de> Deserialize<'de> for Recipient<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Recipient<'de>, D::Error> {
        struct EntryVisitor;
        impl<'de> Visitor<'de> for EntryVisitor {
            type Value = Recipient<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a recipient")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Recipient<'de>, A::Error> {
                let (mut id, mut kind) = (None, None);
                while let Some(Text(key)) = map.next_key()? {
                    if key.eq_ignore_ascii_case("id") {
                        id = map.next_value::<Option<Text<'de>>>()?.map(|v| v.0);
                    } else if key.eq_ignore_ascii_case("type") {
                        kind = map.next_value::<Option<Int>>()?.map(|v| v.0);
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                let id = id.ok_or_else(|| de::Error::missing_field("id"))?;
                Ok(Recipient { id, kind })
            }
        }
        deserializer.deserialize_map(EntryVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Header<'_>, HeaderError> {
        Header::parse(text.as_bytes())
    }

    #[test]
    fn keys_match_in_any_case_and_the_last_one_counts() {
        let header =
            parse(r#"{"Op":7,"ID":"a","DataLen":4,"FORNOTSELF":true,"id":"b","For":[{"Id":"u","TYPE":1}],"new":{"op":[1]}}"#).unwrap();
        assert_eq!(header.op, Some(7));
        assert_eq!(header.id.as_deref(), Some("b"));
        assert_eq!(header.data_len, Some(4));
        assert_eq!(header.not_self, Some(true));
        assert_eq!(header.recipients, Some(vec![Recipient { id: "u".into(), kind: Some(1) }]));
        assert_eq!(parse(r#"{"id":"a","id":null}"#).unwrap().id, None);
    }

    #[test]
    fn plain_strings_are_borrowed_and_escapes_are_read() {
        assert!(matches!(parse(r#"{"id":"plain"}"#).unwrap().id, Some(Cow::Borrowed("plain"))));
        assert_eq!(parse(r#"{"\u0069d":"a\u0000\u00e9\n"}"#).unwrap().id.as_deref(), Some("a\0é\n"));
    }

    #[test]
    fn wrong_types_are_errors_whatever_the_op() {
        for bad in [
            r#"{"op":"7"}"#,
            r#"{"op":7.0}"#,
            r#"{"op":7e0}"#,
            r#"{"op":-1}"#,
            r#"{"datalen":9223372036854775808}"#,
            r#"{"datalen":1e3}"#,
            r#"{"id":5}"#,
            r#"{"id":["a"]}"#,
            r#"{"fornotself":1}"#,
            r#"{"for":{}}"#,
            r#"{"for":[null]}"#,
            r#"{"for":["u"]}"#,
            r#"{"for":[{"type":1}]}"#,
            r#"{"for":[{"id":1}]}"#,
            r#"{"for":[{"id":"u","type":"1"}]}"#,
            r#"{"op":0"#,
            r#"{"op":0}x"#,
            r#"{"op":0,}"#,
            r#"[]"#,
            r#""op""#,
            "nonsense",
            "",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(Header::parse(b"{\"x\":\"\xff\"}").is_err());
        assert_eq!(parse(r#" {"datalen":9223372036854775807 } "#).unwrap().data_len, Some(i64::MAX as u64));
    }

    #[test]
    fn keys_that_the_drafts_do_not_know_may_be_anything() {
        let header = parse(r#"{"uses":"3","expires":[1,{"a":null}],"role":{"x":1.5},"what":-1,"post":true,"cursor":null}"#).unwrap();
        assert_eq!((header.uses, header.expires, header.role), (Some(Loose::Wrong), Some(Loose::Wrong), Some(Loose::Wrong)));
        assert_eq!((header.what, header.post, header.cursor), (Some(Loose::Wrong), Some(Loose::Wrong), None));
        let header = parse(r#"{"Uses":3,"EXPIRES":"t\u006fday"}"#).unwrap();
        assert_eq!((header.uses, header.expires), (Some(Loose::Right(3)), Some(Loose::Right("today".into()))));
        assert_eq!(parse(r#"{"uses":9223372036854775808}"#).unwrap().uses, Some(Loose::Wrong));
        for odd in [r#"{"post":1e999}"#, r#"{"role":"\ud800"}"#, r#"{"x":1e999}"#] {
            assert!(parse(odd).is_ok(), "{odd}");
        }
        assert!(parse(r#"{"uses":}"#).is_err() && parse(r#"{"uses":[1}"#).is_err());
    }

    #[test]
    fn deep_nesting_in_what_is_skipped_harms_nobody() {
        let deep = format!("{{\"x\":{}{}}}", "[".repeat(30_000), "]".repeat(30_000));
        let _ = parse(&deep);
    }
}
