//! The relay's own layer over TLS: what it makes of the ceilings.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use mnm::net::{Layer, Sealed};
use rustls::ClientConnection;

use super::Steps;
use crate::ceilings::tls::{client_connection, give, server_config};
use crate::measure::processor;
use mnm_client::{KeyExchange, Trust, tls_config};

/// Records that are timed at once: a link is read with a buffer of so many octets.
const BATCH: usize = 64 << 10;
const ROUNDS: usize = 200;

pub(super) fn all(steps: &mut Steps, base: &Path) {
    let config = server_config(base);
    for size in [270, 1024, 16 << 10] {
        let layer = Layer::tls(config.clone()).expect("the configuration can serve");
        let client = client_connection(&tls_config(&Trust::Any, false, KeyExchange::Hybrid).expect("any certificate will do"));
        let (sealed, opened) = measure(layer, client, size);
        steps.timed(&format!("record of {size} B sealed by the TLS layer"), size, sealed);
        steps.timed(&format!("record of {size} B opened by the TLS layer"), size, opened);
    }
}

/// Nanoseconds that one record takes, out and in.
fn measure(mut layer: Layer, mut client: ClientConnection, size: usize) -> (f64, f64) {
    let (mut wire, mut out) = (Vec::new(), Sealed::default());
    while client.is_handshaking() || client.wants_write() {
        while client.wants_write() {
            client.write_tls(&mut wire).expect("memory takes it");
        }
        layer.open(&mut wire, &mut out, &mut |_| ()).expect("an honest client");
        wire.clear();
        give(&mut client, out.octets());
        out.clear();
    }
    let plain = vec![0x5a; size];
    let batch = BATCH / size;
    let (mut sealing, mut opening) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..ROUNDS {
        out.clear();
        sealing += processor(|| (0..batch).for_each(|_| layer.seal(&plain, &mut out).expect("a sound link"))).0;
        wire.clear();
        for _ in 0..batch {
            client.writer().write_all(&plain).expect("memory takes it");
            client.write_tls(&mut wire).expect("memory takes it");
        }
        let mut octets = 0;
        opening += processor(|| layer.open(&mut wire, &mut out, &mut |part| octets += part.len()).expect("an honest client")).0;
        assert_eq!(octets, batch * size, "all of it came through");
    }
    let each = |time: Duration| time.as_secs_f64() * 1e9 / (batch * ROUNDS) as f64;
    (each(sealing), each(opening))
}
