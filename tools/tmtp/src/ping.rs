//! Short texts to somebody of whom only an alias is known.

use std::time::Duration;

use mnm_client::request::TEXT_MAX_UTF16;

use crate::Failure;
use crate::cli::Speak;
use crate::home::Place;
use crate::send::tell;
use crate::session::{Purpose, Session};

pub(crate) fn ping(place: &Place, timeout: Duration, to: &str, text: &str, speak: &Speak) -> Result<(), Failure> {
    check_text(text)?;
    let mut session = Session::open(place, Purpose::Request, timeout, None)?;
    let from = session.alias(speak.from.as_deref())?;
    let ack = session.client.ping(&from, to, text).map_err(|e| session.failure(e))?;
    session.close();
    tell(&ack, speak.json.json)
}

/// The relay ends the link of who sends a longer one, with a reason that tells nobody how long it may be.
pub(crate) fn check_text(text: &str) -> Result<(), Failure> {
    let units = text.encode_utf16().count();
    if units > TEXT_MAX_UTF16 {
        return Err(Failure::Usage(format!("a text of {units} characters: it may have {TEXT_MAX_UTF16}; `tmtp send` takes more")));
    }
    Ok(())
}
