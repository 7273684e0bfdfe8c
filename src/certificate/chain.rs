//! Whether the certificates behind the first one lead from it to an authority.
//!
//! Clients find out when they verify; the operator should before. What is not judged here is whether anybody trusts the last.

use std::path::Path;

use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::config::Remark;

/// That a certificate is not signed by the next one in the file, of the first that is not.
pub(super) fn remark(file: &Path, chain: &[CertificateDer<'_>]) -> Option<Remark> {
    let at = chain.windows(2).position(|pair| !is_signed_by(&pair[0], &pair[1]))?;
    let (file, signed, signer) = (file.display(), at + 1, at + 2);
    Some(Remark::warn(format!(
        "{file}: certificate {signed} in it is not signed by certificate {signer}, so clients may refuse it; \
         the relay's own comes first, then the one that signed it, and so on (fullchain.pem)"
    )))
}

fn is_signed_by(signed: &[u8], signer: &[u8]) -> bool {
    let (Ok((_, signed)), Ok((_, signer))) = (X509Certificate::from_der(signed), X509Certificate::from_der(signer)) else {
        return false;
    };
    let key = &signer.public_key().subject_public_key.data;
    // Trying all is simpler than telling from the certificate which it is: a signature is good in one of them or in none.
    let algorithms = super::provider::verification();
    let (content, signature) = (signed.tbs_certificate.as_ref(), &signed.signature_value.data);
    signed.issuer().as_raw() == signer.subject().as_raw()
        && algorithms.all.iter().any(|algorithm| algorithm.verify_signature(key, content, signature).is_ok())
}
