//! What a fleet needs of the system before it can start.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use mnm_client::Trust;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use crate::Failure;
use crate::cli::Options;

/// Where the relay is, and the name its certificate should bear.
pub(super) fn relay_of(options: &Options) -> Result<(SocketAddr, ServerName<'static>), Failure> {
    let usage = |what: &dyn std::fmt::Display| Failure::Usage(format!("--addr {}: {what}", options.addr));
    let addr = options.addr.to_socket_addrs().map_err(|e| usage(&e))?.next().ok_or_else(|| usage(&"no address"))?;
    let host = options.addr.rsplit_once(':').map_or(options.addr.as_str(), |(host, _)| host);
    let name = options.server_name.as_deref().unwrap_or(host.trim_matches(['[', ']']));
    let name = ServerName::try_from(name.to_owned()).map_err(|e| usage(&e))?;
    Ok((addr, name))
}

/// A link costs a descriptor: takes as many as the system grants.
pub(super) fn allow_descriptors(members: usize) -> Result<(), Failure> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let needed = members as u64 + 32;
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // What the system says to this shows in the comparison below.
    let _ = setrlimit(Resource::Nofile, limit);
    match getrlimit(Resource::Nofile).current {
        Some(granted) if granted < needed => {
            Err(Failure::Usage(format!("--members {members}: the system grants {granted} descriptors (ulimit -n), {needed} are needed")))
        }
        Some(_) | None => Ok(()),
    }
}

/// The TLS side of the options. Members are different people: none could resume another's session.
pub(super) fn tls_of(options: &Options) -> Result<Arc<ClientConfig>, Failure> {
    let trust = match (&options.ca, options.fingerprint) {
        (Some(path), _) => Trust::Authorities(path.clone()),
        (None, Some(fingerprint)) => Trust::Fingerprint(fingerprint),
        (None, None) => Trust::Any,
    };
    mnm_client::tls_config(&trust, false).map_err(|e| Failure::Usage(e.to_string()))
}
