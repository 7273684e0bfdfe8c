//! What a request is answered with.

use std::collections::BTreeSet;

use serde_json::Value;

use super::MessageNo;

/// A request's answer.
pub type Outcome = Result<Done, Refusal>;

/// What was done, as far as the answer tells.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Done {
    /// The message that the ack names.
    pub message: Option<MessageNo>,
    /// Members who miss it, each by the aliases under which the named groups list them; and one without aliases for each
    /// who misses it in a group that does not show the sender who is in it.
    pub full: Vec<BTreeSet<String>>,
    /// A `result` comes in place of the ack.
    pub result: Option<Listing>,
}

impl Done {
    pub(super) fn nothing() -> Outcome {
        Ok(Done::default())
    }

    pub(super) fn posted(message: MessageNo) -> Outcome {
        Ok(Done { message: Some(message), ..Done::default() })
    }
}

/// The list of a `result`, without what only the relay can know: times of the past, the code that it chose.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Listing {
    /// What was asked for.
    pub what: String,
    /// The entries.
    pub entries: Vec<Value>,
    /// Whether the protocol says in which order.
    pub ordered: bool,
}

/// What an error says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// Whatever it likes.
    Any,
    /// Just this.
    Words(String),
    /// Something that begins so, and ends with a time.
    Until(String),
    /// What is said of an alias, a user or a group that is unknown: first what, then its name.
    Unknown(&'static str, String),
    /// That a queue is full.
    Full,
}

impl Refusal {
    /// The gravest of several, if they are all of one kind; else it may be any of them.
    pub(super) fn first(found: &[Refusal]) -> Result<(), Refusal> {
        match found {
            [] => Ok(()),
            [first, rest @ ..] => Err(if rest.iter().all(|other| other == first) { first.clone() } else { Refusal::Any }),
        }
    }
}
