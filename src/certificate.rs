//! The certificate the relay shows to clients: the operator's, or one it makes for itself.
//!
//! A client program takes the relay's address with a sign before it: `=` for a self-signed certificate, which it accepts
//! as it is and whose fingerprint members should compare, `+` for one that an authority issued, which it verifies.
//!
//! With no certificate configured, the first start makes a self-signed one in the data directory and later starts reuse
//! it, so that the fingerprint stays what members have seen. What keeps the relay from starting is a [`ConfigError`]; what
//! clients may stumble over (expiry, a name that is missing, a key that others can read) is a [`Remark`].
//!
//! Not here: when to look for a renewed one (the server does), revocation, client certificates, and the choice among several by the name that
//! a client asks for.

mod chain;
mod own;
mod pem;
mod provider;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{error, fmt, io};

use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate, X509Version};

use crate::base::Wall;
use crate::config::{CertificatePaths, Config, ConfigError, Listen, Remark, join};

pub use own::{OWN_CHAIN, OWN_KEY};

/// A certificate that ends within this is remarked: those of most authorities are renewed a month before.
const ENDS_SOON: Duration = Duration::days(14);

/// What TMTP is called where several protocols share a port.
pub const ALPN: &[u8] = b"tmtp";

/// A certificate, checked, and ready to serve.
pub struct Certificate {
    /// The leaf first, then whatever the file holds behind it. Never empty.
    pub chain: Vec<CertificateDer<'static>>,
    /// Whether the leaf names itself as its issuer: clients cannot verify it and must be told `=`.
    pub self_signed: bool,
    /// SHA-256 of the leaf.
    pub fingerprint: [u8; 32],
    /// The leaf is good from then on.
    pub not_before: OffsetDateTime,
    /// The leaf is good until then.
    pub not_after: OffsetDateTime,
    /// The names and addresses the leaf is good for, as text; the common name if it lists none.
    pub names: Vec<String>,
    /// Whether it was made just now.
    pub made_now: bool,
    /// Where it is kept.
    pub paths: CertificatePaths,
    /// What the operator should be told.
    pub remarks: Vec<Remark>,
    key: PrivateKeyDer<'static>,
}

/// What stands behind one address: see [`open_all`].
pub struct Identity {
    /// The certificate shown there.
    pub certificate: Arc<Certificate>,
    /// The same, as rustls wants it. Addresses that share a certificate share this, tickets included.
    pub tls: Arc<ServerConfig>,
}

/// Why there is no certificate to serve with.
#[derive(Debug)]
pub enum OpenError {
    /// The operator's: a file is not what it should be, or may not be read or written.
    Config(ConfigError),
    /// The disk's: no room for the relay's own.
    DiskFull {
        /// What was to be written.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Config(error) => error.fmt(f),
            OpenError::DiskFull { file, source } => write!(f, "{}: cannot be written ({source}); free some disk space", file.display()),
        }
    }
}

impl error::Error for OpenError {}

impl From<ConfigError> for OpenError {
    fn from(error: ConfigError) -> OpenError {
        OpenError::Config(error)
    }
}

/// Opens the certificate of each address of the configuration, in their order, and makes the relay's own if it is needed
/// and not there yet.
///
/// # Errors
/// When a file is unreadable or is not what it should be, a key is not its certificate's, or the relay's own cannot be
/// written.
pub fn open_all(config: &Config, now: Wall) -> Result<Vec<Identity>, OpenError> {
    let mut opened: BTreeMap<CertificatePaths, (Arc<Certificate>, Arc<ServerConfig>)> = BTreeMap::new();
    let mut identities = Vec::with_capacity(config.listen.len());
    for listen in &config.listen {
        let paths = paths_for(listen, config);
        if !opened.contains_key(&paths) {
            let certificate = match listen.certificate {
                Some(_) => load(&paths, now)?,
                None => own::open_or_make(&paths, &own_names(config), now)?,
            };
            let tls = certificate.server_config()?;
            opened.insert(paths.clone(), (Arc::new(certificate), tls));
        }
        let (certificate, tls) = &opened[&paths];
        identities.push(Identity { certificate: certificate.clone(), tls: tls.clone() });
    }
    Ok(identities)
}

/// What the operator should be told of the certificates, each once, and of the names they lack.
pub fn remarks(config: &Config, identities: &[Identity]) -> Vec<Remark> {
    let mut seen = BTreeSet::new();
    let mut remarks = Vec::new();
    for (listen, Identity { certificate, .. }) in config.listen.iter().zip(identities) {
        if seen.insert(&certificate.paths) {
            remarks.extend(certificate.remarks.iter().cloned());
        }
        remarks.extend(certificate.name_remark(listen));
    }
    remarks
}

/// Opens the certificate of one address but makes nothing: `None` if the relay's own is not there yet.
///
/// # Errors
/// As for [`open_all`].
pub fn inspect(listen: &Listen, config: &Config, now: Wall) -> Result<Option<Certificate>, ConfigError> {
    let paths = paths_for(listen, config);
    if listen.certificate.is_none() && !own::is_there(&paths)? {
        return Ok(None);
    }
    let certificate = load(&paths, now)?;
    certificate.server_config()?;
    Ok(Some(certificate))
}

/// Reads a certificate with its key and looks it over.
///
/// # Errors
/// When a file is unreadable, is not PEM, holds the wrong kind of thing or nothing, or the leaf is not X.509.
pub fn load(paths: &CertificatePaths, now: Wall) -> Result<Certificate, ConfigError> {
    let chain = pem::read_chain(&paths.chain)?;
    let key = pem::read_key(&paths.key)?;
    let unparsable = |why: String| {
        ConfigError::about_file(
            &paths.chain,
            format!("its first certificate cannot be read ({why})"),
            "replace it with an X.509 certificate",
        )
    };
    let (_, leaf) = X509Certificate::from_der(&chain[0]).map_err(|error| unparsable(error.to_string()))?;
    if leaf.version() != X509Version::V3 {
        let trouble = format!("is a certificate of X.509 version {}, which TLS clients do not take", leaf.version().0.saturating_add(1));
        let cure = "issue a version 3 certificate, with the relay's names as subjectAltName (openssl x509 -req with -extfile makes one)";
        return Err(ConfigError::about_file(&paths.chain, trouble, cure));
    }
    let mut certificate = Certificate {
        self_signed: leaf.subject().as_raw() == leaf.issuer().as_raw(),
        fingerprint: Sha256::digest(&chain[0]).into(),
        not_before: leaf.validity().not_before.to_datetime(),
        not_after: leaf.validity().not_after.to_datetime(),
        names: names_of(&leaf),
        made_now: false,
        paths: paths.clone(),
        remarks: Vec::new(),
        chain,
        key,
    };
    certificate.remarks = certificate.look_over(now);
    Ok(certificate)
}

impl Certificate {
    /// TLS 1.3 and 1.2 with this certificate; session tickets, so that a returning client is cheap; no early data, which
    /// could be replayed. Who offers protocols (ALPN) must offer `tmtp`; existing client programs offer none, and are taken.
    ///
    /// # Errors
    /// When the key is not the certificate's, or is of a kind that TLS has no use for.
    pub fn server_config(&self) -> Result<Arc<ServerConfig>, ConfigError> {
        let refused = |error: rustls::Error| self.refusal(&error);
        let builder =
            ServerConfig::builder_with_provider(Arc::new(provider::provider())).with_safe_default_protocol_versions().map_err(refused)?;
        let mut config = builder.with_no_client_auth().with_single_cert(self.chain.clone(), self.key.clone_key()).map_err(refused)?;
        config.ticketer = provider::ticketer().map_err(refused)?;
        config.max_early_data_size = 0;
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.ignore_client_order = true;
        // A device comes back on one link, and gets the next ticket then.
        config.send_tls13_tickets = 1;
        Ok(Arc::new(config))
    }

    fn refusal(&self, error: &rustls::Error) -> ConfigError {
        let CertificatePaths { chain, key } = &self.paths;
        match error {
            rustls::Error::InconsistentKeys(_) => ConfigError::about_file(
                key,
                format!("is not the key of the first certificate in {}", chain.display()),
                "give the key that the certificate was issued for; in a chain the relay's own certificate comes first",
            ),
            _ => ConfigError::about_file(
                chain,
                format!("cannot be used with {} ({error})", key.display()),
                "use a key of a kind that TLS clients take: RSA of 2048 bits or more, ECDSA on P-256, P-384 or P-521, or Ed25519",
            ),
        }
    }

    /// The fingerprint as people compare it: `SHA-256 AA:BB:…`.
    pub fn fingerprint_text(&self) -> String {
        let octets: Vec<String> = self.fingerprint.iter().map(|octet| format!("{octet:02X}")).collect();
        format!("SHA-256 {}", octets.join(":"))
    }

    /// The address as client programs take it: `=host:port` or `+host:port`.
    ///
    /// `port` is what the socket got. Where all interfaces are meant, or clients would look for another name than that of
    /// the address, the host is a name of the certificate.
    pub fn client_address(&self, listen: &Listen, port: u16) -> String {
        let sign = if self.self_signed { '=' } else { '+' };
        let host = match listen.is_wildcard() {
            true => self.public_name(),
            false if self.self_signed || self.covers(&listen.host) => listen.host.clone(),
            false => self.dns_name().unwrap_or_else(|| listen.host.clone()),
        };
        format!("{sign}{}", join(&host, port))
    }

    /// That clients who take the configured host name would refuse the certificate. An address may be the relay's own side
    /// of something that clients know by a name, so it is not remarked.
    pub fn name_remark(&self, listen: &Listen) -> Option<Remark> {
        let refused = !self.self_signed && listen.is_name() && !self.covers(&listen.host);
        refused.then(|| {
            let (file, host) = (self.paths.chain.display(), &listen.host);
            let names = self.names.join(", ");
            Remark::warn(format!(
                "{file}: the certificate is good for {names} and not for {host}, so clients that connect there refuse it; have one issued for that name"
            ))
        })
    }

    /// The lines for the log once an address is bound.
    pub fn start_lines(&self, listen: &Listen, bound: SocketAddr) -> Vec<String> {
        let made = if self.made_now { ", made just now" } else { "" };
        let kind = if self.self_signed { "self-signed" } else { "issued by an authority" };
        vec![
            format!("listening on {bound}; clients take the address {}", self.client_address(listen, bound.port())),
            format!("certificate {} ({kind}{made}), good until {}", self.paths.chain.display(), self.not_after.date()),
            format!("certificate fingerprint {}", self.fingerprint_text()),
        ]
    }

    /// A name under which clients may find the relay: of the certificate if it has one, else this machine's.
    fn public_name(&self) -> String {
        let host_name = || own::host_name().filter(|name| self.self_signed || self.covers(name));
        // A wildcard or an address, which says at least what the name must be like.
        let any = || self.names.first().cloned();
        self.dns_name().or_else(host_name).or_else(any).unwrap_or_else(|| "localhost".into())
    }

    fn dns_name(&self) -> Option<String> {
        let is_public = |name: &&String| *name != "localhost" && !name.starts_with('*') && name.parse::<IpAddr>().is_err();
        self.names.iter().find(is_public).cloned()
    }

    /// Whether the certificate is good for a host, by name, address or a wildcard of one label.
    pub fn covers(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        self.names.iter().map(|name| name.to_ascii_lowercase()).any(|name| {
            let parent = name.strip_prefix("*.");
            name == host || parent.is_some_and(|parent| host.split_once('.').is_some_and(|(_, rest)| rest == parent))
        })
    }

    fn look_over(&self, now: Wall) -> Vec<Remark> {
        let file = self.paths.chain.display();
        let soon = now.0.saturating_add(ENDS_SOON.whole_nanoseconds() as u64);
        let now = i128::from(now.0);
        let ends = self.not_after.unix_timestamp_nanos();
        let mut remarks = Vec::new();
        if ends < i128::from(soon) {
            let cure = if self.self_signed { "remove it and its key to have a new one made, if it is the relay's own" } else { "renew it" };
            let verb = if ends < now { "expired" } else { "ends" };
            remarks.push(Remark::warn(format!("{file}: the certificate {verb} on {}; {cure}", self.not_after.date())));
        }
        if self.not_before.unix_timestamp_nanos() > now {
            let begins = self.not_before.date();
            remarks.push(Remark::warn(format!("{file}: the certificate is not valid before {begins}; check this machine's clock")));
        }
        if !self.self_signed && self.chain.len() == 1 {
            let cure = "if clients do not trust its issuer directly, put the intermediate certificates behind it (fullchain.pem)";
            remarks.push(Remark::info(format!("{file}: holds one certificate and no intermediate; {cure}")));
        }
        remarks.extend(chain::remark(&self.paths.chain, &self.chain));
        remarks.extend(readable_by_others(&self.paths.key));
        remarks
    }
}

/// Group access is left alone: key files that a group of services shares are common and meant.
fn readable_by_others(key: &Path) -> Option<Remark> {
    let mode = std::fs::metadata(key).ok()?.permissions().mode();
    let file = key.display();
    (mode & 0o007 != 0).then(|| Remark::warn(format!("{file}: the private key is open to every user of this machine; chmod 600 {file}")))
}

/// Where the certificate of an address is kept: the operator's, or the relay's own.
pub fn paths_for(listen: &Listen, config: &Config) -> CertificatePaths {
    let own = || CertificatePaths { chain: config.data.join(OWN_CHAIN), key: config.data.join(OWN_KEY) };
    listen.certificate.clone().unwrap_or_else(own)
}

/// The hosts of the addresses that will show the relay's own certificate.
fn own_names(config: &Config) -> Vec<String> {
    let served = config.listen.iter().filter(|listen| listen.certificate.is_none() && !listen.is_wildcard());
    served.map(|listen| listen.host.clone()).collect()
}

fn names_of(leaf: &X509Certificate<'_>) -> Vec<String> {
    let alternatives = leaf.subject_alternative_name().ok().flatten();
    let listed = alternatives.iter().flat_map(|extension| &extension.value.general_names);
    let names: Vec<String> = listed.filter_map(name_text).collect();
    if !names.is_empty() {
        return names;
    }
    leaf.subject().iter_common_name().filter_map(|name| name.as_str().ok()).map(str::to_string).collect()
}

fn name_text(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_string()),
        GeneralName::IPAddress(octets) => match octets.len() {
            4 => <[u8; 4]>::try_from(*octets).ok().map(|octets| IpAddr::from(octets).to_string()),
            16 => <[u8; 16]>::try_from(*octets).ok().map(|octets| IpAddr::from(octets).to_string()),
            _ => None,
        },
        _ => None,
    }
}
