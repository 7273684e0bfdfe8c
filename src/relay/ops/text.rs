//! The short text of a Ping or GroupInvite.

use crate::limits::TEXT_MAX_UTF16;
use crate::record::Payload;
use crate::relay::session::Reason;

/// # Errors
/// The reason to end the link with: not UTF-8, or longer than 140 UTF-16 units.
pub(super) fn check(payload: &Payload<'_>) -> Result<(), Reason> {
    let Payload::Inline(octets) = payload else { return Err(Reason::DataTooLong) };
    let text = std::str::from_utf8(octets).map_err(|_| Reason::NotUtf8)?;
    if text.encode_utf16().count() > TEXT_MAX_UTF16 {
        return Err(Reason::DataTooLong);
    }
    Ok(())
}
