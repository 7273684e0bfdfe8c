//! Codes with which new members register.

use std::time::Duration;

use serde_json::Value;

use crate::group::text;
use crate::home::Place;
use crate::session::{Purpose, Session};
use crate::{Failure, out};

pub(crate) fn code(
    place: &Place,
    timeout: Duration,
    uses: Option<u64>,
    expires: Option<&str>,
    group: Option<&str>,
    as_json: bool,
) -> Result<(), Failure> {
    let mut session = Session::open(place, Purpose::Request, timeout, None)?;
    session.needs("invite", "make invite codes")?;
    let made = session.client.invite(uses, expires, group).map_err(|e| session.failure(e))?;
    session.close();
    if as_json { out::json(&Value::Object(made)) } else { out::line(text(&made, "code")) }
}
