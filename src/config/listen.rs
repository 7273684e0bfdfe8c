//! Where the relay listens, as text and as socket addresses.
//!
//! Nothing is bound here: the net does that, with the addresses from [`Listen::candidates`].

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};

use super::error::{PROGRAM, in_program};
use super::reader::At;
use super::{ConfigError, below};

/// What a `laddr` looks like, for complaints.
const FORM: &str = "host:port, [v6 address]:port or :port";

/// What to do about an address without TLS.
const PLAIN_CURE: &str =
    "leave it out: members' secrets cross the network; only a socket of this machine (\"net\": \"unix\") may do without";

/// One address to listen on.
#[derive(Debug, Clone)]
pub struct Listen {
    /// A socket in the file system, instead of an address of the Internet: then `host` is empty and `port` 0.
    pub unix: Option<PathBuf>,
    /// Whether links speak TLS. Without it only on a socket in the file system, where a program beside the relay has ended TLS already.
    pub tls: bool,
    /// Host name or address, an IPv6 address without its brackets; empty for all interfaces.
    pub host: String,
    /// 0 lets the system choose.
    pub port: u16,
    /// The operator's certificate; `None` for the one the relay makes itself.
    pub certificate: Option<CertificatePaths>,
    /// Where this was said, `(file or "command line", key or flag)`: for complaints once it is used.
    pub(super) said: (String, String),
}

/// Two are equal when they mean the same, wherever it was said.
impl PartialEq for Listen {
    fn eq(&self, other: &Listen) -> bool {
        let parts = |listen: &Listen| (listen.unix.clone(), listen.tls, listen.host.clone(), listen.port, listen.certificate.clone());
        parts(self) == parts(other)
    }
}

impl Eq for Listen {}

/// The files of an operator's certificate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CertificatePaths {
    /// PEM, the leaf first, then the intermediates.
    pub chain: PathBuf,
    /// PEM, one private key.
    pub key: PathBuf,
}

impl Default for Listen {
    /// `127.0.0.1:8443`: nobody but this machine hears a relay that nobody configured, and no privilege is needed.
    fn default() -> Listen {
        let said = ("the built-in defaults".into(), "listen.laddr".into());
        Listen { unix: None, tls: true, host: Ipv4Addr::LOCALHOST.to_string(), port: 8443, certificate: None, said }
    }
}

impl Listen {
    /// An address of the Internet, for a program that contains the relay. Port 0 lets the system choose. TLS, with a certificate that the
    /// relay makes itself unless [`certificate`](Self::certificate) is set. An IPv6 address with a scope (`fe80::1%2`) is refused by
    /// [`Config::check`](super::Config::check), as it is in a file.
    ///
    /// ```
    /// use mnm::config::Listen;
    ///
    /// let here = Listen::at(([127, 0, 0, 1], 0));
    /// let everywhere = Listen::at("[::]:8443".parse::<std::net::SocketAddr>()?);
    /// assert_eq!((here.address().as_str(), everywhere.address().as_str()), ("127.0.0.1:0", "[::]:8443"));
    /// # Ok::<(), std::net::AddrParseError>(())
    /// ```
    pub fn at(address: impl Into<SocketAddr>) -> Listen {
        let address = address.into();
        let host = match address {
            // Kept, so that it can be refused.
            SocketAddr::V6(six) if six.scope_id() != 0 => format!("{}%{}", six.ip(), six.scope_id()),
            _ => address.ip().to_string(),
        };
        Listen { host, port: address.port(), said: by_program(), ..Listen::default() }
    }

    /// A socket in the file system, of at most 107 octets; the same. Set [`tls`](Self::tls) to false where it is not wanted.
    pub fn in_file(path: impl Into<PathBuf>) -> Listen {
        Listen { unix: Some(path.into()), host: String::new(), port: 0, said: by_program(), ..Listen::default() }
    }

    /// What a file could not say is refused to a program too.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self.unix.is_some() {
            return Ok(());
        }
        if !self.tls {
            return Err(in_program(format!("listen is {}, without TLS", self.address()), PLAIN_CURE));
        }
        let wrong = |trouble| in_program(format!("listen {trouble}"), format!("expected {FORM}"));
        split(&self.address()).map(|_| ()).map_err(wrong)
    }

    /// Reads `--listen ADDR`.
    ///
    /// # Errors
    /// When `text` is not an address.
    pub fn from_flag(text: &str, certificate: Option<CertificatePaths>) -> Result<Listen, ConfigError> {
        let said = ("command line".to_string(), "--listen".to_string());
        let wrong = |trouble| ConfigError::new(&said.0, format!("--listen {trouble}"), format!("expected {FORM}"));
        let (host, port) = split(text).map_err(wrong)?;
        Ok(Listen { unix: None, tls: true, host, port, certificate, said })
    }

    /// Reads `listen`: one object or a list of them.
    pub(super) fn read_all(at: &At<'_>, base: &Path) -> Result<Vec<Listen>, ConfigError> {
        let mut all: Vec<Listen> = Vec::new();
        for item in at.one_or_more("{\"laddr\": \"host:port\"}")? {
            let listen = Listen::read(&item, base)?;
            let same = |earlier: &&Listen| (earlier.port != 0 || earlier.unix.is_some()) && earlier.address() == listen.address();
            if let Some(earlier) = all.iter().find(same) {
                return Err(item.error(format_args!("repeats {}", earlier.said.1), "list each address once"));
            }
            all.push(listen);
        }
        if all.is_empty() {
            return Err(at.error("is an empty list", "expected at least one address, or leave the key out"));
        }
        Ok(all)
    }

    fn read(at: &At<'_>, base: &Path) -> Result<Listen, ConfigError> {
        let mut fields = at.fields()?;
        let unix = fields.get("net").map(|at| at.word(&[("tcp", false), ("unix", true)])).transpose()?.unwrap_or_default();
        let laddr = fields.get("laddr");
        let chain = fields.get("certPath").map(|at| at.text("the path of a PEM file")).transpose()?;
        let key = fields.get("keyPath").map(|at| at.text("the path of a PEM file")).transpose()?;
        let tls = fields.get("tls");
        fields.finish()?;

        let Some(laddr) = laddr else {
            return Err(at.error("lacks laddr", format!("expected {FORM}")));
        };
        let (unix, (host, port)) = match unix {
            true => (Some(below(base, socket_path(&laddr)?)), (String::new(), 0)),
            false => {
                let wrong = |trouble| laddr.error(trouble, format!("expected {FORM}"));
                (None, split(laddr.text(FORM)?).map_err(wrong)?)
            }
        };
        let tls = match &tls {
            Some(at) if !at.flag()? && unix.is_none() => {
                return Err(at.error("is false", PLAIN_CURE));
            }
            Some(at) => at.flag()?,
            None => true,
        };
        let certificate = match (chain, key) {
            (Some(chain), Some(key)) => Some(CertificatePaths { chain: below(base, chain), key: below(base, key) }),
            (None, None) => None,
            (Some(_), None) => return Err(at.error("has certPath without keyPath", "give both, or neither for a self-signed certificate")),
            (None, Some(_)) => return Err(at.error("has keyPath without certPath", "give both, or neither for a self-signed certificate")),
        };
        let said = (at.file().display().to_string(), laddr.path().to_string());
        Ok(Listen { unix, tls, host, port, certificate, said })
    }

    /// Whether this means all interfaces.
    pub fn is_wildcard(&self) -> bool {
        self.unix.is_none() && (self.host.is_empty() || self.host.parse().is_ok_and(|ip: IpAddr| ip.is_unspecified()))
    }

    /// Whether the host is a name, which may have several addresses.
    pub fn is_name(&self) -> bool {
        !self.host.is_empty() && self.host.parse::<IpAddr>().is_err()
    }

    /// The address as one would write it, `host:port`, or `unix:PATH`.
    pub fn address(&self) -> String {
        match &self.unix {
            Some(path) => format!("unix:{}", path.display()),
            None => join(&self.host, self.port),
        }
    }

    /// The addresses of the Internet that may be bound; never empty, but for a socket in the file system.
    ///
    /// `:port` gives `[::]`, which takes IPv4 as well wherever the system has both, then `0.0.0.0` for where it has not.
    /// A host name gives all its addresses, IPv4 first; it is asked of the resolver here, which may take seconds.
    ///
    /// # Errors
    /// When a host name has no address.
    pub fn candidates(&self) -> Result<Vec<SocketAddr>, ConfigError> {
        if self.unix.is_some() {
            return Ok(Vec::new());
        }
        if self.host.is_empty() {
            return Ok(vec![(Ipv6Addr::UNSPECIFIED, self.port).into(), (Ipv4Addr::UNSPECIFIED, self.port).into()]);
        }
        let unknown = |why: String| {
            self.error(format!("names the host {:?}, which has no address ({why})", self.host), "correct the name, or use an IP address")
        };
        let found: Vec<SocketAddr> = match (self.host.as_str(), self.port).to_socket_addrs() {
            Ok(found) => ipv4_first(found.collect()),
            Err(error) => return Err(unknown(error.to_string())),
        };
        if found.is_empty() { Err(unknown("the resolver knows none".into())) } else { Ok(found) }
    }

    /// The sentence for a failure to bind, with what to do about it.
    pub fn bind_error(&self, error: &io::Error) -> ConfigError {
        let cure = match error.kind() {
            ErrorKind::AddrInUse if self.unix.is_some() => {
                "stop the program that listens there (another mnm?), or choose another path".into()
            }
            _ if self.unix.is_some() => "choose a path in a directory that is there and that the user that runs mnm may write to".into(),
            ErrorKind::AddrInUse => "stop the program that listens there (another mnm?), or choose another port".into(),
            ErrorKind::PermissionDenied if self.port < 1024 => {
                "choose a port from 1024 up, or allow this one: setcap cap_net_bind_service=+ep on the mnm program".into()
            }
            ErrorKind::AddrNotAvailable => format!("use an address that this machine has, or :{} for all", self.port),
            // EMFILE and ENFILE, the same on every Unix.
            _ if matches!(error.raw_os_error(), Some(24 | 23)) => "raise the limit of open files (ulimit -n)".into(),
            _ => "choose another address".to_string(),
        };
        self.error(format!("is {}, which cannot be listened on ({error})", self.address()), cure)
    }

    /// The sentence for an address that an earlier entry has taken.
    pub fn overlap_error(&self, earlier: &Listen) -> ConfigError {
        let trouble = format!("is {}, which {} ({}) takes already", self.address(), earlier.said.1, earlier.address());
        self.error(trouble, "keep one of the two, or give one another port")
    }

    fn error(&self, trouble: String, cure: impl Into<String>) -> ConfigError {
        ConfigError::new(&self.said.0, format!("{} {trouble}", self.said.1), cure)
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address())
    }
}

fn by_program() -> (String, String) {
    (PROGRAM.to_owned(), "listen".to_owned())
}

/// The path of a socket: the system takes no more than 107 octets (unix(7)).
fn socket_path<'a>(at: &At<'a>) -> Result<&'a str, ConfigError> {
    const EXPECTED: &str = "the path of a socket, as \"/run/mnm/mnm.sock\"";
    let path = at.text(EXPECTED)?;
    if path.contains(':') && !path.contains('/') {
        return Err(at.error(format_args!("is {path:?}, an address"), format!("expected {EXPECTED}")));
    }
    if path.len() > 107 || path.contains('\0') {
        return Err(at.error(format_args!("has {} octets", path.len()), "expected a path of at most 107 octets without NUL"));
    }
    Ok(path)
}

/// `host:port`, an IPv6 address in brackets.
pub fn join(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// As the Go server chooses, so that a name means the same here. Otherwise the resolver's order stays.
fn ipv4_first(mut found: Vec<SocketAddr>) -> Vec<SocketAddr> {
    found.sort_by_key(SocketAddr::is_ipv6);
    found.dedup();
    found
}

/// Takes `host:port` apart; the error continues the sentence that begins with the key.
fn split(text: &str) -> Result<(String, u16), String> {
    if text.contains("://") {
        return Err(format!("is {text:?}, but takes an address without a scheme or a path"));
    }
    let Some((host, port)) = text.rsplit_once(':') else { return Err(format!("is {text:?}, without a port")) };
    let in_brackets = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let well_formed = match in_brackets {
        Some(inner) if inner.contains('%') => return Err(format!("is {text:?}, an address that holds on one interface only (%)")),
        Some(inner) => inner.parse::<Ipv6Addr>().is_ok(),
        None if host.contains(':') => return Err(format!("is {text:?}, an IPv6 address without its brackets")),
        None => host.is_empty() || host.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_')),
    };
    if !well_formed {
        return Err(format!("is {text:?}, whose host is neither a name nor an address"));
    }
    let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    match port.parse() {
        Ok(port) if digits => Ok((in_brackets.unwrap_or(host).to_string(), port)),
        _ => Err(format!("is {text:?}, whose port is not a number from 0 to 65535")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_come_apart() {
        for (text, host, port) in [
            (":443", "", 443),
            ("127.0.0.1:0", "127.0.0.1", 0),
            ("[::1]:8443", "::1", 8443),
            ("relay.example.org:65535", "relay.example.org", 65535),
        ] {
            assert_eq!(split(text), Ok((host.to_string(), port)), "{text}");
            assert_eq!(join(host, port), text);
        }
    }

    #[test]
    fn bad_addresses_say_why() {
        for (text, why) in [
            ("443", "without a port"),
            ("localhost", "without a port"),
            ("::1:443", "brackets"),
            ("[relay]:443", "neither a name nor an address"),
            ("*:443", "neither a name nor an address"),
            ("[fe80::1%2]:443", "one interface only"),
            ("https://relay:443", "without a scheme"),
            ("relay:", "port is not"),
            ("relay:+1", "port is not"),
            ("relay:65536", "port is not"),
        ] {
            assert!(split(text).unwrap_err().contains(why), "{text}: {:?}", split(text));
        }
    }

    #[test]
    fn all_interfaces_means_both_families() {
        let all = Listen::from_flag(":443", None).unwrap();
        assert!(all.is_wildcard());
        assert_eq!(all.candidates().unwrap(), ["[::]:443".parse().unwrap(), "0.0.0.0:443".parse().unwrap()]);
        let v4 = Listen::from_flag("0.0.0.0:443", None).unwrap();
        assert!(v4.is_wildcard());
        assert_eq!(v4.candidates().unwrap(), ["0.0.0.0:443".parse().unwrap()]);
    }

    #[test]
    fn names_are_resolved_ipv4_first() {
        let found = Listen::from_flag("localhost:7", None).unwrap().candidates().unwrap();
        assert!(found.iter().all(|address| address.ip().is_loopback() && address.port() == 7), "{found:?}");
        let [six, four, other]: [SocketAddr; 3] = ["[::1]:7", "127.0.0.1:7", "127.0.0.2:7"].map(|text| text.parse().unwrap());
        assert_eq!(ipv4_first(vec![six, four, four, other]), [four, other, six]);
    }

    #[test]
    fn a_taken_port_names_its_flag_and_the_cure() {
        let listen = Listen::from_flag("127.0.0.1:443", None).unwrap();
        let in_use = listen.bind_error(&ErrorKind::AddrInUse.into()).to_string();
        assert!(in_use.starts_with("command line: --listen is 127.0.0.1:443"), "{in_use}");
        assert!(in_use.contains("another port"), "{in_use}");
        let denied = listen.bind_error(&ErrorKind::PermissionDenied.into()).to_string();
        assert!(denied.contains("1024") && denied.contains("cap_net_bind_service"), "{denied}");
    }
}
