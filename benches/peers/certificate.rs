//! The one certificate that all servers show, and the generator's trust in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ClientConfig;

use crate::driver::Outcome;
use crate::link;

pub(crate) struct Certificate {
    pub(crate) chain: PathBuf,
    pub(crate) key: PathBuf,
    /// Accepts it, and no other.
    pub(crate) trust: Arc<ClientConfig>,
}

impl Certificate {
    /// Makes a self-signed one (ECDSA, P-256) for localhost.
    pub(crate) fn make(directory: &Path) -> Outcome<Certificate> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).map_err(|e| format!("a certificate: {e}"))?;
        let write = |name: &str, text: String| {
            let file = directory.join(name);
            fs::write(&file, text).map_err(|e| format!("{}: {e}", file.display()))?;
            Ok::<_, String>(file)
        };
        let chain = write("certificate.pem", made.cert.pem())?;
        let key = write("key.pem", made.signing_key.serialize_pem())?;
        Ok(Certificate { chain, key, trust: link::tls_config(made.cert.der().clone())? })
    }
}
