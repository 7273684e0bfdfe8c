//! Where the relay is, and what the system must grant before the first connect.

use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use mnm_client::{KeyExchange, Site, Trust};
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::pki_types::ServerName;

use crate::Failure;
use crate::cli::Relay;

/// How long one of several addresses may take to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Where the relay is, and what its certificate is held against.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) addr: SocketAddr,
    pub(crate) server_name: ServerName<'static>,
    pub(crate) tls: Arc<ClientConfig>,
    resumes: bool,
}

impl Place {
    /// The place the options name. With `resumes` each member comes back to an earlier TLS session; else every link makes a
    /// full handshake, as different people do.
    pub(crate) fn of(relay: &Relay, resumes: bool, key_exchange: KeyExchange) -> Result<Place, Failure> {
        let usage = |what: &dyn std::fmt::Display| Failure::Usage(format!("--addr {}: {what}", relay.addr));
        let mut site = Site::new(&relay.addr).map_err(|e| usage(&e))?;
        if let Some(name) = &relay.server_name {
            site = site.named(name).map_err(|e| Failure::Usage(format!("--server-name: {e}")))?;
        }
        let trust = match (&relay.ca, relay.fingerprint) {
            (Some(path), _) => Trust::Authorities(path.clone()),
            (None, Some(fingerprint)) => Trust::Fingerprint(fingerprint),
            (None, None) => site.trust,
        };
        let tls = mnm_client::tls_config(&trust, resumes, key_exchange).map_err(|e| Failure::Usage(e.to_string()))?;
        let found: Vec<SocketAddr> = site.address.to_socket_addrs().map_err(|e| usage(&e))?.collect();
        // A name may have an address on which nobody listens: the first that answers is taken.
        let answers = |addr: &SocketAddr| found.len() == 1 || TcpStream::connect_timeout(addr, CONNECT_TIMEOUT).is_ok();
        let addr = found.iter().copied().find(answers).or(found.first().copied()).ok_or_else(|| usage(&"no address"))?;
        Ok(Place { addr, server_name: site.server_name, tls, resumes })
    }
}

impl Place {
    /// The TLS configuration of one more member. Sessions are not shared: a ticket is good for one link.
    pub(crate) fn tls_of_member(&self) -> Arc<ClientConfig> {
        if !self.resumes {
            return self.tls.clone();
        }
        let mut own = ClientConfig::clone(&self.tls);
        own.resumption = Resumption::in_memory_sessions(1);
        Arc::new(own)
    }
}

/// A link costs a descriptor: takes as many as the system grants.
pub(crate) fn allow_descriptors(links: usize) -> Result<(), Failure> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let needed = links as u64 + 64;
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // What the system says to this shows in the comparison below.
    let _ = setrlimit(Resource::Nofile, limit);
    match getrlimit(Resource::Nofile).current {
        Some(granted) if granted < needed => {
            Err(Failure::Usage(format!("{links} links: the system grants {granted} descriptors (ulimit -n), {needed} are needed")))
        }
        Some(_) | None => Ok(()),
    }
}
