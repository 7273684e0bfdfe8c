//! Which certificates are accepted.
//!
//! A relay may well have a certificate that it made for itself: then a pinned digest is what proves it. That the peer has
//! the certificate's key is checked in every case.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, NamedGroup, OtherError, RootCertStore, SignatureScheme};
use sha2::{Digest, Sha256};

use crate::Error;

/// SHA-256 of a certificate in DER.
pub type Fingerprint = [u8; 32];

/// Which certificates are accepted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Trust {
    /// Any. For tests, and to learn a fingerprint at the first contact.
    #[default]
    Any,
    /// The one with this digest.
    Fingerprint(Fingerprint),
    /// Those that bear the site's name and are signed by one in this PEM file.
    Authorities(PathBuf),
    /// Those that bear the site's name and are signed by an authority that this system knows.
    System,
}

/// How both sides of a link come by a secret.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum KeyExchange {
    /// X25519 together with ML-KEM-768, which withstands quantum computers, where the relay has it.
    #[default]
    Hybrid,
    /// As programs do that are older than ML-KEM: it costs both sides less.
    Classical,
}

/// The TLS configuration for this trust. With `resume` a link that comes back may resume its session, which saves it
/// most of a handshake.
///
/// # Errors
/// [`Error::Usage`] if the authorities' certificates cannot be read.
pub fn config(trust: &Trust, resume: bool, key_exchange: KeyExchange) -> Result<Arc<ClientConfig>, Error> {
    let mut provider = aws_lc_rs::default_provider();
    if key_exchange == KeyExchange::Classical {
        provider.kx_groups.retain(|group| group.name() != NamedGroup::X25519MLKEM768);
    }
    let provider = Arc::new(provider);
    let verifier: Arc<dyn ServerCertVerifier> = match trust {
        Trust::Any => Arc::new(Pinned { fingerprint: None, provider: provider.clone() }),
        Trust::Fingerprint(fingerprint) => Arc::new(Pinned { fingerprint: Some(*fingerprint), provider: provider.clone() }),
        Trust::Authorities(path) => authorities(path, &provider)?,
        Trust::System => system(&provider)?,
    };
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().expect("the provider serves TLS 1.2 and 1.3");
    let mut config = builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    if !resume {
        config.resumption = Resumption::disabled();
    }
    Ok(Arc::new(config))
}

fn authorities(path: &Path, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, Error> {
    let trouble = |e: &dyn std::fmt::Display| Error::Usage(format!("authorities' certificates in {}: {e}", path.display()));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|e| trouble(&e))? {
        roots.add(certificate.map_err(|e| trouble(&e))?).map_err(|e| trouble(&e))?;
    }
    let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    Ok(builder.build().map_err(|e| trouble(&e))?)
}

fn system(provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, Error> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(found.certs);
    if usable == 0 {
        let why = found.errors.first().map_or_else(|| "it has none".to_owned(), ToString::to_string);
        return Err(Error::Usage(format!("this system's authorities (package ca-certificates): {why}; name a file, or pin a fingerprint")));
    }
    let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    Ok(builder.build().map_err(|e| Error::Usage(format!("this system's authorities: {e}")))?)
}

/// Reads a fingerprint: 64 hex digits in either case, colons allowed.
///
/// # Errors
/// What is wrong with it.
pub fn parse_fingerprint(text: &str) -> Result<Fingerprint, String> {
    let digits: Vec<u8> = text.chars().filter(|c| *c != ':').map(|c| c.to_digit(16).map_or(255, |d| d as u8)).collect();
    if digits.len() != 64 || digits.contains(&255) {
        return Err("64 hex digits, colons allowed".to_owned());
    }
    Ok(std::array::from_fn(|i| digits[2 * i] << 4 | digits[2 * i + 1]))
}

/// Writes a fingerprint as openssl and the relay do: upper-case pairs with colons.
pub fn write_fingerprint(fingerprint: &Fingerprint) -> String {
    fingerprint.iter().map(|octet| format!("{octet:02X}")).collect::<Vec<_>>().join(":")
}

fn another_certificate(found: &Fingerprint) -> rustls::Error {
    let error: Box<dyn std::error::Error + Send + Sync> = format!("its fingerprint is {}", write_fingerprint(found)).into();
    CertificateError::Other(OtherError(Arc::from(error))).into()
}

/// Accepts the certificate with one digest, or any.
#[derive(Debug)]
struct Pinned {
    fingerprint: Option<Fingerprint>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let found: Fingerprint = Sha256::digest(end_entity).into();
        match self.fingerprint {
            Some(wanted) if wanted != found => Err(another_certificate(&found)),
            Some(_) | None => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_read_with_and_without_colons() {
        assert!(parse_fingerprint(&"0aF".repeat(21)).is_err());
        assert_eq!(parse_fingerprint(&"0a".repeat(32)), Ok([10; 32]));
        assert_eq!(parse_fingerprint(&["0A"; 32].join(":")), Ok([10; 32]));
        assert!(parse_fingerprint(&"0g".repeat(32)).is_err());
        assert_eq!(parse_fingerprint(&write_fingerprint(&[0xa5; 32])), Ok([0xa5; 32]));
    }
}
