//! Which certificates are accepted.
//!
//! A load tester's relay is usually its own, with a certificate it made for itself: by default any will
//! do. A pinned digest or an authority's certificate restores the usual safety. That the peer has the
//! certificate's key is checked in every case.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme};
use sha2::{Digest, Sha256};

use crate::Failure;
use crate::cli::{Fingerprint, Options};

/// The TLS side of the options.
pub(crate) fn config(options: &Options) -> Result<Arc<ClientConfig>, Failure> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = match &options.ca {
        Some(path) => authority(path, &provider)?,
        None => Arc::new(Pinned { fingerprint: options.fingerprint, provider: provider.clone() }),
    };
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().expect("the provider serves TLS 1.2 and 1.3");
    let mut config = builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    // Members are different people: none could resume another's session.
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

fn authority(path: &Path, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, Failure> {
    let trouble = |e: &dyn std::fmt::Display| Failure::Usage(format!("--ca {}: {e}", path.display()));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|e| trouble(&e))? {
        roots.add(certificate.map_err(|e| trouble(&e))?).map_err(|e| trouble(&e))?;
    }
    let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    Ok(builder.build().map_err(|e| trouble(&e))?)
}

fn another_certificate(found: &Fingerprint) -> rustls::Error {
    let digits: String = found.iter().map(|octet| format!("{octet:02x}")).collect();
    let error: Box<dyn std::error::Error + Send + Sync> = format!("its fingerprint is {digits}").into();
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
