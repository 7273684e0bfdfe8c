//! Certificates: made, kept, refused with a reason, and good for a handshake.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;

use log::Level;
use mnm::base::Wall;
use mnm::certificate::{self, Identity, OpenError};
use mnm::config::{CertificatePaths, Config, Listen, Remark};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, NamedGroup, ProtocolVersion, RootCertStore, ServerConnection};
use tempfile::TempDir;

/// 2026-01-01, so that no test ages.
const NOW: Wall = Wall(1_767_225_600_000_000_000);

fn mode(file: &Path) -> u32 {
    fs::metadata(file).unwrap().permissions().mode() & 0o777
}

fn own_config(data: &Path, addresses: &[&str]) -> Config {
    let listen = addresses.iter().map(|address| Listen::from_flag(address, None).unwrap()).collect();
    Config { data: data.to_path_buf(), listen, ..Config::default() }
}

fn open(config: &Config) -> Result<Identity, OpenError> {
    Ok(certificate::open_all(config, NOW)?.remove(0))
}

/// An operator's certificate in files.
struct Files {
    directory: TempDir,
    paths: CertificatePaths,
}

impl Files {
    fn new(chain: &str, key: &str) -> Files {
        let directory = tempfile::tempdir().unwrap();
        let paths = CertificatePaths { chain: directory.path().join("c.pem"), key: directory.path().join("k.pem") };
        fs::write(&paths.chain, chain).unwrap();
        fs::write(&paths.key, key).unwrap();
        fs::set_permissions(&paths.key, fs::Permissions::from_mode(0o600)).unwrap();
        Files { directory, paths }
    }

    fn config(&self, address: &str) -> Config {
        let listen = vec![Listen::from_flag(address, Some(self.paths.clone())).unwrap()];
        Config { data: self.directory.path().join("data"), listen, ..Config::default() }
    }
}

/// A certificate for `names` from a small authority, with its key; the authority's own certificate last.
fn issued(names: &[&str], from: i32, to: i32) -> (String, KeyPair, CertificateDer<'static>) {
    issued_until(names, (from, 1, 1), (to, 1, 1))
}

fn issued_until(names: &[&str], from: (i32, u8, u8), to: (i32, u8, u8)) -> (String, KeyPair, CertificateDer<'static>) {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut leaf = CertificateParams::new(names.iter().map(|name| name.to_string()).collect::<Vec<_>>()).unwrap();
    leaf.distinguished_name = rcgen::DistinguishedName::new();
    (leaf.not_before, leaf.not_after) = (date_time_ymd(from.0, from.1, from.2), date_time_ymd(to.0, to.1, to.2));
    let leaf = leaf.signed_by(&key, &authority).unwrap();
    (leaf.pem(), key, authority.der().clone())
}

#[test]
fn the_relays_own_is_made_once_and_kept() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("deep/data");
    let config = own_config(&data, &["relay.example.org:8443", "[2001:db8::7]:8443"]);
    assert!(certificate::inspect(&config.listen[0], &config, NOW).unwrap().is_none());
    assert!(!data.exists(), "looking must not make anything");

    let identities = certificate::open_all(&config, NOW).unwrap();
    assert!(Arc::ptr_eq(&identities[0].tls, &identities[1].tls), "addresses with one certificate share tickets");
    let first = &identities[0].certificate;
    assert!(first.made_now && first.self_signed);
    for name in ["relay.example.org", "2001:db8::7", "localhost", "127.0.0.1", "::1"] {
        assert!(first.covers(name), "{name} is not in {:?}", first.names);
    }
    assert!(!first.covers("example.org"));
    assert!(first.not_before.unix_timestamp() < 1_767_225_600 && first.not_after.year() == 2035);
    assert_eq!(first.remarks, []);
    assert_eq!((mode(&data), mode(&first.paths.key)), (0o700, 0o600));
    let mut left: Vec<_> = fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["mnm.crt", "mnm.key"]);

    let again = open(&config).unwrap().certificate;
    assert!(!again.made_now);
    assert_eq!(again.fingerprint, first.fingerprint);
    assert_eq!(certificate::inspect(&config.listen[0], &config, NOW).unwrap().unwrap().fingerprint, first.fingerprint);

    let elsewhere = open(&own_config(&data, &["other.example.org:1"])).unwrap().certificate;
    assert_eq!(elsewhere.fingerprint, first.fingerprint, "a new name must not change what members have seen");
    assert!(elsewhere.remarks[0].sentence.contains("does not name other.example.org"), "{:?}", elsewhere.remarks);
}

#[test]
fn what_a_crash_left_is_completed() {
    let directory = tempfile::tempdir().unwrap();
    let config = own_config(directory.path(), &["127.0.0.1:0"]);
    fs::write(directory.path().join("mnm.key.new"), "half a k").unwrap();
    open(&config).unwrap();
    let key = fs::read(directory.path().join("mnm.key")).unwrap();
    assert_eq!(mode(&directory.path().join("mnm.key")), 0o600);

    fs::remove_file(directory.path().join("mnm.crt")).unwrap();
    assert!(open(&config).unwrap().certificate.made_now);
    assert_eq!(fs::read(directory.path().join("mnm.key")).unwrap(), key, "a key that is there is kept");

    fs::remove_file(directory.path().join("mnm.key")).unwrap();
    let error = open(&config).err().unwrap().to_string();
    assert!(error.contains("mnm.key: the key of") && error.contains("restore it"), "{error}");
}

#[test]
fn an_unwritable_data_directory_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let error = open(&own_config(&file.join("data"), &[":0"])).err().unwrap().to_string();
    assert!(error.starts_with(file.to_str().unwrap()), "{error}");

    // Nothing can be made in /proc, not even by root.
    let error = open(&own_config(Path::new("/proc/mnm"), &[":0"])).err().unwrap().to_string();
    assert!(error.starts_with("/proc/mnm: cannot be written") && error.contains("--data"), "{error}");
}

#[test]
fn bad_files_are_told_apart() {
    let (chain, key, _) = issued(&["relay.example.org"], 2025, 2035);
    let key = key.serialize_pem();
    let (_, other, _) = issued(&["relay.example.org"], 2025, 2035);
    let sealed = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let request = chain.replace("CERTIFICATE", "CERTIFICATE REQUEST");
    let cut = &chain[..chain.len() / 2];
    let not_x509 = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let cases: &[(&str, &str, &[&str])] = &[
        ("", &key, &["c.pem: is empty", "BEGIN CERTIFICATE"]),
        (&chain, "", &["k.pem: is empty", "BEGIN PRIVATE KEY"]),
        ("hello", &key, &["c.pem: holds nothing of use"]),
        (&chain, "hello", &["k.pem: holds nothing of use"]),
        (&key, &key, &["c.pem: holds a private key where a certificate", "swapped"]),
        (&chain, &chain, &["k.pem: holds a certificate where a private key", "swapped"]),
        (&request, &key, &["c.pem: holds a request"]),
        (&chain, &sealed, &["k.pem: holds a private key under a passphrase", "openssl pkey -in"]),
        ("0\u{1}", &key, &["c.pem: is binary (DER)", "openssl x509 -inform der"]),
        (&chain, "0\u{1}", &["k.pem: is binary (DER)", "openssl pkey -inform der"]),
        (cut, &key, &["c.pem: is damaged PEM (it ends before the line -----END CERTIFICATE-----)"]),
        (not_x509, &key, &["c.pem: its first certificate cannot be read"]),
        (&chain, &other.serialize_pem(), &["k.pem: is not the key of", "c.pem"]),
    ];
    for (chain, key, fragments) in cases {
        let files = Files::new(chain, key);
        let error = open(&files.config(":0")).err().unwrap_or_else(|| panic!("taken, not {fragments:?}")).to_string();
        assert!(!error.contains('\n'), "{error}");
        for fragment in *fragments {
            assert!(error.contains(fragment), "{error}\nlacks: {fragment}");
        }
    }
}

#[test]
fn missing_files_are_named() {
    let (chain, key, _) = issued(&["relay.example.org"], 2025, 2035);
    let files = Files::new(&chain, &key.serialize_pem());
    fs::remove_file(&files.paths.key).unwrap();
    let error = open(&files.config(":0")).err().unwrap().to_string();
    assert!(error.contains("k.pem: the private key is not there"), "{error}");
    symlink("c.pem", &files.paths.key).unwrap();
    fs::remove_file(&files.paths.chain).unwrap();
    let error = open(&files.config(":0")).err().unwrap().to_string();
    assert!(error.contains("c.pem: the certificate is not there"), "{error}");
}

#[test]
fn what_clients_may_stumble_over_is_remarked() {
    for (from, to, fragment) in [(2020, 2025, "expired on 2025-01-01; renew it"), (2027, 2030, "not valid before 2027-01-01")] {
        let (chain, key, _) = issued(&["relay.example.org"], from, to);
        let files = Files::new(&chain, &key.serialize_pem());
        let remarks = open(&files.config(":0")).unwrap().certificate.remarks.clone();
        assert!(remarks.iter().any(|remark| remark.sentence.contains(fragment)), "{remarks:?}");
    }
    // NOW is 2026-01-01.
    for (to, ends) in [((2026, 1, 14), true), ((2026, 1, 16), false)] {
        let (chain, key, _) = issued_until(&["relay.example.org"], (2025, 1, 1), to);
        let remarks = open(&Files::new(&chain, &key.serialize_pem()).config(":0")).unwrap().certificate.remarks.clone();
        let told = remarks.iter().any(|remark| remark.level == Level::Warn && remark.sentence.contains("ends on 2026-01-14; renew it"));
        assert_eq!(told, ends, "{remarks:?}");
    }
    let (chain, key, _) = issued(&["relay.example.org"], 2025, 2035);
    let files = Files::new(&chain, &key.serialize_pem());
    let open_key = |bits| {
        fs::set_permissions(&files.paths.key, fs::Permissions::from_mode(bits)).unwrap();
        let remarks = open(&files.config(":0")).unwrap().certificate.remarks.clone();
        remarks.iter().any(|remark| remark.sentence.contains("open to every user"))
    };
    assert!(open_key(0o644));
    assert!(!open_key(0o640));
}

#[test]
fn clients_are_told_the_right_sign_and_name() {
    let (chain, key, _) = issued(&["*.example.org", "192.0.2.1", "relay.example.org"], 2025, 2035);
    let files = Files::new(&chain, &key.serialize_pem());
    let told = |address: &str, port| {
        let config = files.config(address);
        open(&config).unwrap().certificate.client_address(&config.listen[0], port)
    };
    assert_eq!(told(":0", 8443), "+relay.example.org:8443");
    assert_eq!(told("192.0.2.1:0", 7), "+192.0.2.1:7");
    assert_eq!(told("other.example.org:0", 7), "+other.example.org:7", "the wildcard covers it");
    assert_eq!(told("[::1]:0", 7), "+relay.example.org:7", "clients would not find this address in the certificate");
    assert_eq!(told("relay:0", 7), "+relay.example.org:7");

    let directory = tempfile::tempdir().unwrap();
    let config = own_config(directory.path(), &["127.0.0.1:0"]);
    let own = open(&config).unwrap().certificate;
    assert_eq!(own.client_address(&config.listen[0], 9), "=127.0.0.1:9");
    let lines = own.start_lines(&config.listen[0], "127.0.0.1:9".parse().unwrap()).join("\n");
    assert!(lines.contains("=127.0.0.1:9") && lines.contains("made just now"), "{lines}");
    let fingerprint = own.fingerprint_text();
    assert!(lines.contains(&fingerprint), "{lines}");
    assert_eq!(fingerprint.len(), "SHA-256 ".len() + 32 * 3 - 1);
    assert!(fingerprint.starts_with(&format!("SHA-256 {:02X}:{:02X}:", own.fingerprint[0], own.fingerprint[1])), "{fingerprint}");
    assert!(own.covers("LOCALHOST"));
}

#[test]
fn a_host_name_that_the_certificate_lacks_is_remarked() {
    let (chain, key, _) = issued(&["relay.example.org"], 2025, 2035);
    let files = Files::new(&chain, &key.serialize_pem());
    let remarks = |address: &str| {
        let config = files.config(address);
        certificate::remarks(&config, &certificate::open_all(&config, NOW).unwrap())
    };
    let lacking =
        |remark: &Remark| remark.level == Level::Warn && remark.sentence.contains("is good for relay.example.org and not for chat.");
    assert!(remarks("chat.example.org:1").iter().any(lacking));
    for fine in ["relay.example.org:1", "127.0.0.1:1", ":1"] {
        assert!(!remarks(fine).iter().any(|remark| remark.sentence.contains("is good for")), "{fine}");
    }
}

#[test]
fn a_chain_in_disorder_is_remarked() {
    let (leaf, key, authority) = issued(&["relay.example.org"], 2025, 2035);
    let (_, _, stranger) = issued(&["relay.example.org"], 2025, 2035);
    let pem = |der: &CertificateDer<'_>| {
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", data_encoding::BASE64.encode(der))
    };
    // The stranger's authority has the same name and another key.
    for (next, good) in [(authority, true), (stranger, false)] {
        let files = Files::new(&format!("{leaf}{}", pem(&next)), &key.serialize_pem());
        let remarks = open(&files.config(":0")).unwrap().certificate.remarks.clone();
        let told = remarks.iter().any(|remark| remark.sentence.contains("certificate 1 in it is not signed by certificate 2"));
        assert_eq!(told, !good, "{remarks:?}");
    }
}

#[test]
fn keys_and_certificates_that_tls_has_no_use_for_name_what_it_has() {
    // Made with openssl, since rcgen makes nothing of the kind; the keys are of no use for anything.
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/certificates");
    for (name, fragments) in [
        ("v1", ["X.509 version 1", "issue a version 3 certificate"]),
        ("rsa1024", ["cannot be used", "RSA of 2048 bits or more, ECDSA on P-256, P-384 or P-521, or Ed25519"]),
        ("secp256k1", ["cannot be used", "RSA of 2048 bits or more, ECDSA on P-256, P-384 or P-521, or Ed25519"]),
    ] {
        let read = |ending: &str| fs::read_to_string(folder.join(format!("{name}.{ending}"))).unwrap();
        let error =
            open(&Files::new(&read("crt"), &read("key")).config(":0")).err().unwrap_or_else(|| panic!("{name} is taken")).to_string();
        fragments.iter().for_each(|fragment| assert!(error.contains(fragment), "{error}\nlacks: {fragment}"));
    }
}

#[test]
fn wildcards_cover_one_label() {
    let (chain, key, _) = issued(&["*.example.org"], 2025, 2035);
    let files = Files::new(&chain, &key.serialize_pem());
    let certificate = open(&files.config(":0")).unwrap().certificate;
    assert!(certificate.covers("a.example.org"));
    assert!(!certificate.covers("a.b.example.org") && !certificate.covers("example.org"));
}

/// Shakes hands in memory; the client trusts `root` and nothing else.
fn shake(
    identity: &Identity,
    root: CertificateDer<'static>,
    name: &str,
    alpn: &[&[u8]],
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> ClientConnection {
    let mut roots = RootCertStore::empty();
    roots.add(root).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    let name = ServerName::try_from(name.to_string()).unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut server = ServerConnection::new(identity.tls.clone()).unwrap();
    while client.is_handshaking() || server.is_handshaking() || server.wants_write() {
        let mut wire = Vec::new();
        client.write_tls(&mut wire).unwrap();
        server.read_tls(&mut wire.as_slice()).unwrap();
        server.process_new_packets().unwrap();
        let mut wire = Vec::new();
        server.write_tls(&mut wire).unwrap();
        client.read_tls(&mut wire.as_slice()).unwrap();
        client.process_new_packets().unwrap();
    }
    client
}

#[test]
fn a_client_shakes_hands() {
    let directory = tempfile::tempdir().unwrap();
    let config = own_config(directory.path(), &["127.0.0.1:0"]);
    // The client verifies against the real clock, so this one certificate is made by it.
    #[allow(clippy::disallowed_methods, reason = "the client that verifies reads the real clock, too")]
    let real = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
    let identity = certificate::open_all(&config, Wall(u64::try_from(real).unwrap())).unwrap().remove(0);
    let root = identity.certificate.chain[0].clone();

    assert!(identity.tls.ticketer.enabled());
    assert_eq!((identity.tls.max_early_data_size, &identity.tls.alpn_protocols), (0, &vec![certificate::ALPN.to_vec()]));

    let client = shake(&identity, root.clone(), "localhost", &[], &[&rustls::version::TLS13]);
    assert_eq!(client.protocol_version(), Some(ProtocolVersion::TLSv1_3));
    assert_eq!(client.negotiated_key_exchange_group().unwrap().name(), NamedGroup::X25519MLKEM768);
    assert_eq!(client.tls13_tickets_received(), 1);
    assert_eq!(client.alpn_protocol(), None, "who offers no protocol is taken all the same");
    // The client's own first choice is AES-256.
    let suite = client.negotiated_cipher_suite().unwrap().suite();
    assert_eq!(suite, identity.tls.crypto_provider().cipher_suites[0].suite());
    assert_ne!(suite, rustls::CipherSuite::TLS13_AES_256_GCM_SHA384);

    let old = shake(&identity, root, "127.0.0.1", &[b"h2", b"tmtp"], &[&rustls::version::TLS12]);
    assert_eq!((old.protocol_version(), old.alpn_protocol()), (Some(ProtocolVersion::TLSv1_2), Some(certificate::ALPN)));
}

#[test]
fn a_chain_and_the_older_key_forms_serve() {
    let (chain, _, _) = issued(&["relay.example.org"], 2025, 2035);
    // What `openssl ecparam -genkey` writes: the curve's name first, which is not a key.
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let leaf = CertificateParams::new(vec!["relay.example.org".into()]).unwrap().self_signed(&key).unwrap();
    let key = format!("-----BEGIN EC PARAMETERS-----\nBgUrgQQAIg==\n-----END EC PARAMETERS-----\n{}", key.serialize_pem());
    let files = Files::new(&format!("{}{chain}", leaf.pem()), &key);
    let certificate = open(&files.config(":0")).unwrap().certificate;
    assert_eq!(certificate.chain.len(), 2);
    assert!(certificate.self_signed);
}
