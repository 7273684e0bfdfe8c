//! No octets from a peer may panic the TLS layer: hellos that are cut, mutated, fragmented, and followed by anything.

use std::sync::Arc;

use mnm::net::{Layer, Sealed, TlsConfig};
use proptest::prelude::*;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn server() -> TlsConfig {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config = rustls::ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().expect("versions");
    Arc::new(config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).expect("a key"))
}

fn client_hello() -> Vec<u8> {
    let config = rustls::ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().expect("versions");
    let config = config.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("a name");
    let mut client = rustls::ClientConnection::new(Arc::new(config), name).expect("a client");
    let mut hello = Vec::new();
    client.write_tls(&mut hello).expect("a hello");
    hello
}

/// Gives the layer these reads, and what a link does besides; it must end in an error or wait, never panic.
fn survive(config: &TlsConfig, reads: &[&[u8]]) {
    let mut layer = Layer::tls(config.clone()).expect("a layer");
    let mut out = Sealed::default();
    for read in reads {
        let mut wire = [layer.rest(), read].concat();
        if layer.open(&mut wire, &mut out, &mut |_| {}).is_err() {
            // The link is given up, but says goodbye on the way out.
            layer.close(&mut out);
            return;
        }
        if layer.is_ready() {
            let _ = layer.seal(b"a word", &mut out);
        }
    }
    layer.close(&mut out);
}

#[test]
fn a_fragment_of_a_hello_and_then_an_impossible_one() {
    let config = server();
    survive(&config, &[b"\x16\x03\x01\x00\x08\x01\x00\x00\x00\x01\x00\x00\x00"]);
    let hello = client_hello();
    let first: Vec<u8> = [b"\x16\x03\x01\x00\x20", &hello[5..37]].concat();
    for then in [
        &b"\x15\x03\x01\x00\x02\x02\x28"[..],
        b"\x14\x03\x01\x00\x01\x01",
        b"\x17\x03\x03\x00\x05hello",
        b"GET / HTTP/1.0\r\n\r\n",
        b"\x16\x03\x01\x00\x00",
    ] {
        survive(&config, &[&first, then]);
        survive(&config, &[&[&first[..], then].concat()]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn hellos_that_are_broken_in_any_way(
        fragment in 1..400usize,
        read in 1..600usize,
        flips in prop::collection::vec((0..2000usize, any::<u8>()), 0..6),
        tail in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        thread_local! {
            static FIXED: (TlsConfig, Vec<u8>) = (server(), client_hello());
        }
        FIXED.with(|(config, hello)| {
            // One record becomes many, each with a part of the handshake message.
            let mut wire: Vec<u8> = hello[5..].chunks(fragment).flat_map(|part| {
                [&[0x16, 3, 1, (part.len() >> 8) as u8, part.len() as u8], part].concat()
            }).collect();
            for (at, with) in flips {
                let at = at % wire.len();
                wire[at] ^= with;
            }
            wire.extend(tail);
            let reads: Vec<&[u8]> = wire.chunks(read).collect();
            survive(config, &reads);
        });
    }
}
