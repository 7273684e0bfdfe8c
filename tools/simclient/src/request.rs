//! What a member says, in the 2020 numbering. Every function appends one frame.

use mnm::wire::HeaderWriter;

/// The protocol's revision, first on every link.
pub(crate) fn tmtprev(out: &mut Vec<u8>) {
    out.extend_from_slice(&HeaderWriter::new().text("id", "1").number("op", 0).finish());
}

/// A new account with one device.
pub(crate) fn register(out: &mut Vec<u8>) {
    out.extend_from_slice(&HeaderWriter::new().text("newnode", "simclient").number("op", 1).finish());
}

/// An account that exists.
pub(crate) fn login(out: &mut Vec<u8>, uid: &str, node: &str) {
    out.extend_from_slice(&HeaderWriter::new().text("node", node).number("op", 2).text("uid", uid).finish());
}

/// A message to one user; its data of `size` octets must follow.
pub(crate) fn post(out: &mut Vec<u8>, id: &str, to: &str, size: u64) {
    let recipients = |out: &mut Vec<u8>| {
        // A uid is base32: nothing in it needs an escape.
        out.extend_from_slice(b"[{\"id\":\"");
        out.extend_from_slice(to.as_bytes());
        out.extend_from_slice(b"\",\"type\":1}]");
    };
    let header = HeaderWriter::new().number("datalen", size).raw("for", recipients).text("id", id).number("op", 7);
    out.extend_from_slice(&header.finish());
}

/// The message has arrived.
pub(crate) fn ack(out: &mut Vec<u8>, id: &str) {
    out.extend_from_slice(&HeaderWriter::new().text("id", id).number("op", 10).text("type", "ok").finish());
}

/// The link is alive.
pub(crate) fn pulse(out: &mut Vec<u8>) {
    out.extend_from_slice(&HeaderWriter::new().number("op", 11).finish());
}

/// Good-bye.
pub(crate) fn quit(out: &mut Vec<u8>) {
    out.extend_from_slice(&HeaderWriter::new().number("op", 12).finish());
}

#[cfg(test)]
mod tests {
    use super::*;
    use mnm::wire::{Dialect, Request, RequestLimits};

    #[test]
    fn the_relay_reads_what_was_meant() {
        type Write = fn(&mut Vec<u8>);
        let writers: [(Write, &str); 7] = [
            (tmtprev, "TmtpRev"),
            (register, "Register"),
            (|out| login(out, "u", "n"), "Login"),
            (|out| post(out, "p1", "u", 5), "Post"),
            (|out| ack(out, "m"), "Ack"),
            (pulse, "Pulse"),
            (quit, "Quit"),
        ];
        let mut dialect = Dialect::default();
        for (write, name) in writers {
            let mut out = Vec::new();
            write(&mut out);
            let request = Request::parse(&out[4..], &mut dialect, &RequestLimits::default());
            assert!(format!("{request:?}").starts_with(&format!("Ok({name}")), "{name}: {request:?}");
        }
    }
}
