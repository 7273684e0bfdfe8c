//! TLS without sockets, with the relay's own configuration: what one core can encrypt, decrypt and agree upon.
//!
//! Records by rustls' unbuffered interface, as the relay uses it, but many for each call; handshakes by the buffered one, of which
//! each side's time is taken apart. Processor time, not the clock's.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mnm::base::Wall;
use mnm::certificate;
use mnm::config::Config;
use mnm_client::{KeyExchange, Trust, tls_config};
use rustls::pki_types::ServerName;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, UnbufferedStatus};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, ServerConfig, ServerConnection};
use time::OffsetDateTime;

use super::Figure;
use crate::measure::processor;

/// A post of 100 octets with its header, or its delivery.
const SMALL: usize = 270;
/// The most that one record takes.
pub(super) const LARGE: usize = 16 << 10;

pub(super) const SEAL_SMALL: &str = "TLS: records of 270 B encrypted, a core";
pub(super) const OPEN_SMALL: &str = "TLS: records of 270 B decrypted, a core";
pub(super) const SEAL_LARGE: &str = "TLS: records of 16 KiB encrypted, a core";
pub(super) const OPEN_LARGE: &str = "TLS: records of 16 KiB decrypted, a core";
pub(super) const FULL: &str = "TLS: full handshakes, the server's side, a core";
pub(super) const RESUMED: &str = "TLS: resumed handshakes, the server's side, a core";

const TIME: Duration = Duration::from_millis(500);
/// Octets for one call.
const BATCH: usize = 64 << 10;

pub(super) fn measure(base: &Path) -> Vec<Figure> {
    let server = server_config(base);
    let mut figures = Vec::new();
    let records = [(SMALL, SEAL_SMALL, OPEN_SMALL), (LARGE, SEAL_LARGE, OPEN_LARGE)];
    for (size, seal, open) in records {
        let (sealed, opened) = Pair::new(&server).records(size);
        figures.extend([Figure::new(seal, "a second", sealed), Figure::new(open, "a second", opened)]);
    }
    let (sealed, opened) = Pair::new(&server).records(1024);
    figures.push(Figure::new("TLS: records of 1 KiB encrypted, a core", "a second", sealed));
    figures.push(Figure::new("TLS: records of 1 KiB decrypted, a core", "a second", opened));
    let (by_server, by_client) = handshakes(&server, HandshakeKind::Full);
    figures.push(Figure::new(FULL, "a second", by_server));
    figures.push(Figure::new("TLS: full handshakes, the client's side, a core", "a second", by_client));
    let (by_server, by_client) = handshakes(&server, HandshakeKind::Resumed);
    figures.push(Figure::new(RESUMED, "a second", by_server));
    figures.push(Figure::new("TLS: resumed handshakes, the client's side, a core", "a second", by_client));
    figures
}

/// As a relay with a certificate of its own serves.
pub(crate) fn server_config(base: &Path) -> Arc<ServerConfig> {
    let config = Config { data: base.join("certificate"), ..Config::default() };
    let now = Wall(u64::try_from(OffsetDateTime::now_utc().unix_timestamp_nanos()).expect("a date after 1970"));
    certificate::open_all(&config, now).expect("a certificate can be made").remove(0).tls
}

pub(crate) fn client_connection(config: &Arc<ClientConfig>) -> ClientConnection {
    ClientConnection::new(config.clone(), ServerName::try_from("localhost").expect("a name")).expect("the configuration can serve")
}

/// A server whose records are counted, and its client.
struct Pair {
    server: UnbufferedServerConnection,
    client: ClientConnection,
}

impl Pair {
    fn new(config: &Arc<ServerConfig>) -> Pair {
        let server = UnbufferedServerConnection::new(config.clone()).expect("the configuration can serve");
        let client = client_connection(&tls_config(&Trust::Any, false, KeyExchange::Hybrid).expect("any certificate will do"));
        let mut pair = Pair { server, client };
        let mut wire = Vec::new();
        while pair.client.is_handshaking() || pair.client.wants_write() {
            while pair.client.wants_write() {
                pair.client.write_tls(&mut wire).expect("memory takes it");
            }
            let mut out = Vec::new();
            let used = pair.take(&mut wire, &mut out);
            wire.drain(..used);
            give(&mut pair.client, &out);
        }
        pair
    }

    /// The server takes these octets; how many of them it is done with.
    fn take(&mut self, wire: &mut [u8], out: &mut Vec<u8>) -> usize {
        let mut used = 0;
        loop {
            let UnbufferedStatus { mut discard, state, .. } = self.server.process_tls_records(&mut wire[used..]);
            let mut done = false;
            match state.expect("an honest client") {
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(record) = traffic.next_record() {
                        discard += record.expect("an honest client").discard;
                    }
                }
                ConnectionState::EncodeTlsData(mut data) => {
                    let Err(EncodeError::InsufficientSize(size)) = data.encode(&mut []) else { panic!("it needs some space") };
                    let start = out.len();
                    out.resize(start + size.required_size, 0);
                    let written = data.encode(&mut out[start..]).expect("the space it wants");
                    out.truncate(start + written);
                }
                ConnectionState::TransmitTlsData(data) => data.done(),
                _ => done = true,
            }
            used += discard;
            if done {
                return used;
            }
        }
    }

    /// Records that the server encrypts and decrypts in a second.
    fn records(mut self, size: usize) -> (f64, f64) {
        let plain = vec![0x5a; size];
        let batch = BATCH / size;
        let (mut sealing, mut opening, mut count) = (Duration::ZERO, Duration::ZERO, 0);
        let mut out = vec![0; 2 * BATCH];
        let mut wire = Vec::new();
        while sealing + opening < TIME {
            sealing += processor(|| self.seal(&plain, batch, &mut out)).0;
            wire.clear();
            for _ in 0..batch {
                self.client.writer().write_all(&plain).expect("memory takes it");
                self.client.write_tls(&mut wire).expect("memory takes it");
            }
            let (took, used) = processor(|| self.take(&mut wire, &mut Vec::new()));
            opening += took;
            assert_eq!(used, wire.len(), "whole records are taken whole");
            count += batch;
        }
        (count as f64 / sealing.as_secs_f64(), count as f64 / opening.as_secs_f64())
    }

    fn seal(&mut self, plain: &[u8], records: usize, out: &mut [u8]) {
        let ConnectionState::WriteTraffic(mut traffic) = self.server.process_tls_records(&mut []).state.expect("a sound connection") else {
            panic!("nothing else is to be done");
        };
        let mut at = 0;
        for _ in 0..records {
            at += traffic.encrypt(plain, &mut out[at..]).expect("space enough");
        }
    }
}

/// The client takes all of these octets.
pub(crate) fn give(client: &mut ClientConnection, mut octets: &[u8]) {
    while !octets.is_empty() {
        client.read_tls(&mut octets).expect("memory can be read");
        client.process_new_packets().expect("an honest server");
    }
}

/// Handshakes of this kind in a second of the server's time, and of the client's; what comes right behind them, tickets, included.
fn handshakes(server: &Arc<ServerConfig>, kind: HandshakeKind) -> (f64, f64) {
    let config = tls_config(&Trust::Any, kind == HandshakeKind::Resumed, KeyExchange::Hybrid).expect("any certificate will do");
    // The first one has nothing to resume.
    handshake(server, &config);
    let (mut by_server, mut by_client, mut count) = (Duration::ZERO, Duration::ZERO, 0);
    while by_server + by_client < TIME {
        let (server_time, client_time, found) = handshake(server, &config);
        assert_eq!(found, Some(kind), "the configurations allow for it");
        by_server += server_time;
        by_client += client_time;
        count += 1;
    }
    (f64::from(count) / by_server.as_secs_f64(), f64::from(count) / by_client.as_secs_f64())
}

fn handshake(server: &Arc<ServerConfig>, client: &Arc<ClientConfig>) -> (Duration, Duration, Option<HandshakeKind>) {
    let mut to_server = Vec::new();
    let (mut by_client, mut client) = processor(|| {
        let mut client = client_connection(client);
        client.write_tls(&mut to_server).expect("memory takes it");
        client
    });
    let (mut by_server, mut server) = processor(|| ServerConnection::new(server.clone()).expect("the configuration can serve"));
    while !to_server.is_empty() {
        let (took, to_client) = processor(|| answer(&mut server, &to_server));
        by_server += took;
        to_server.clear();
        let (took, ()) = processor(|| {
            give(&mut client, &to_client);
            while client.wants_write() {
                client.write_tls(&mut to_server).expect("memory takes it");
            }
        });
        by_client += took;
    }
    (by_server, by_client, client.handshake_kind())
}

fn answer(server: &mut ServerConnection, mut octets: &[u8]) -> Vec<u8> {
    while !octets.is_empty() {
        server.read_tls(&mut octets).expect("memory can be read");
        server.process_new_packets().expect("an honest client");
    }
    let mut out = Vec::new();
    while server.wants_write() {
        server.write_tls(&mut out).expect("memory takes it");
    }
    out
}
