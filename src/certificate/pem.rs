//! Reading PEM files, and saying what is in them when it is not what was expected.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use rustls::pki_types::pem::{self, PemObject, SectionKind};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::ConfigError;

/// All certificates of a file, at least one.
pub(super) fn read_chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let text = read(file, "certificate")?;
    let chain = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>().map_err(|error| broken(file, &error))?;
    if chain.is_empty() { Err(lacking(file, &text, Wanted::Certificate)) } else { Ok(chain) }
}

/// The first private key of a file, in PKCS#8, PKCS#1 or SEC1 form.
pub(super) fn read_key(file: &Path) -> Result<PrivateKeyDer<'static>, ConfigError> {
    let text = read(file, "private key")?;
    match PrivateKeyDer::pem_slice_iter(&text).next() {
        Some(Ok(key)) => Ok(key),
        Some(Err(error)) => Err(broken(file, &error)),
        None => Err(lacking(file, &text, Wanted::Key)),
    }
}

#[derive(Clone, Copy)]
enum Wanted {
    Certificate,
    Key,
}

fn read(file: &Path, what: &str) -> Result<Vec<u8>, ConfigError> {
    fs::read(file).map_err(|error| match error.kind() {
        ErrorKind::NotFound => {
            ConfigError::about_file(file, format!("the {what} is not there"), "correct the path, or put the file in place")
        }
        ErrorKind::PermissionDenied => {
            ConfigError::about_file(file, format!("the {what} may not be read ({error})"), "give the user that runs mnm read access")
        }
        _ => ConfigError::about_file(file, format!("the {what} cannot be read ({error})"), "correct the path"),
    })
}

fn broken(file: &Path, error: &pem::Error) -> ConfigError {
    let shown = |octets: &[u8]| String::from_utf8_lossy(octets).trim().escape_debug().to_string();
    let why = match error {
        pem::Error::MissingSectionEnd { end_marker } => format!("it ends before the line -----END {}-----", shown(end_marker)),
        pem::Error::IllegalSectionStart { line } => format!("the line {} begins nothing", shown(line)),
        other => other.to_string(),
    };
    ConfigError::about_file(file, format!("is damaged PEM ({why})"), "copy it again from its source")
}

/// What the file holds instead of what was wanted.
fn lacking(file: &Path, text: &[u8], wanted: Wanted) -> ConfigError {
    let kinds: Vec<SectionKind> = <(SectionKind, Vec<u8>)>::pem_slice_iter(text).filter_map(Result::ok).map(|(kind, _)| kind).collect();
    let holds = |kind: fn(&SectionKind) -> bool| kinds.iter().any(kind);
    let is_key = |kind: &SectionKind| matches!(kind, SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey);
    let says = |words: &str| text.windows(words.len()).any(|window| window == words.as_bytes());
    let (expected, openssl) = match wanted {
        Wanted::Certificate => ("a certificate (-----BEGIN CERTIFICATE-----)", "x509"),
        Wanted::Key => ("a private key (-----BEGIN PRIVATE KEY-----)", "pkey"),
    };
    let shown = file.display();
    let (trouble, cure) = match wanted {
        _ if text.is_empty() => ("is empty".to_string(), format!("expected {expected} in PEM form")),
        Wanted::Key if says("ENCRYPTED") => (
            "holds a private key under a passphrase, which nobody can type at start".into(),
            format!("take it off: openssl pkey -in {shown} -out plain.key"),
        ),
        Wanted::Key if holds(|kind| *kind == SectionKind::Certificate) => {
            ("holds a certificate where a private key is expected".into(), "certPath and keyPath may be swapped".into())
        }
        Wanted::Certificate if holds(is_key) => {
            ("holds a private key where a certificate is expected".into(), "certPath and keyPath may be swapped".into())
        }
        Wanted::Certificate if holds(|kind| *kind == SectionKind::Csr) => {
            ("holds a request for a certificate, not the certificate".into(), "use the file that the authority sent back".into())
        }
        // Every DER certificate and key is an ASN.1 SEQUENCE.
        _ if text.first() == Some(&0x30) => {
            ("is binary (DER), not PEM".into(), format!("convert it: openssl {openssl} -inform der -in {shown} -out converted.pem"))
        }
        Wanted::Certificate | Wanted::Key => ("holds nothing of use".into(), format!("expected {expected} in PEM form")),
    };
    ConfigError::about_file(file, trouble, cure)
}
