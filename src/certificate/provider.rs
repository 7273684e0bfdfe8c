//! Which cryptography TLS uses: aws-lc-rs, or ring where a build chooses it (`--no-default-features --features ring`), which is
//! smaller and needs no more than a C compiler, but lacks the post-quantum key exchange.

use std::sync::Arc;

#[cfg(feature = "aws-lc-rs")]
use rustls::crypto::aws_lc_rs as backend;
#[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
use rustls::crypto::ring as backend;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::server::ProducesTickets;
use rustls::{CipherSuite, Error};

#[cfg(not(any(feature = "aws-lc-rs", feature = "ring")))]
compile_error!("TLS needs cryptography: enable the feature aws-lc-rs (the default) or ring");

/// The algorithms, those first that cost this machine least: the relay chooses, since it does the work of all its links.
///
/// AES-128-GCM with SHA-256 before AES-256-GCM with SHA-384, whose hash no common processor has instructions for: it is a fifth of
/// what a login costs. Where the processor has none for AES either, ChaCha20-Poly1305 comes first.
pub(super) fn provider() -> CryptoProvider {
    let mut provider = backend::default_provider();
    let first = if has_aes() { CipherSuite::TLS13_AES_128_GCM_SHA256 } else { CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 };
    provider.cipher_suites.sort_by_key(|suite| suite.suite() != first);
    provider
}

/// Seals session tickets with keys of its own, which change every six hours and are never written anywhere.
pub(super) fn ticketer() -> Result<Arc<dyn ProducesTickets>, Error> {
    backend::Ticketer::new()
}

/// How signatures in certificates are verified.
pub(super) fn verification() -> WebPkiSupportedAlgorithms {
    backend::default_provider().signature_verification_algorithms
}

fn has_aes() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("aes");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("aes");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cheapest_suite_comes_first_and_none_is_lost() {
        let ours: Vec<_> = provider().cipher_suites.iter().map(|suite| suite.suite()).collect();
        let first = if has_aes() { CipherSuite::TLS13_AES_128_GCM_SHA256 } else { CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 };
        assert_eq!(ours[0], first);
        for suite in backend::default_provider().cipher_suites {
            assert!(ours.contains(&suite.suite()), "{:?} is lost", suite.suite());
        }
    }
}
