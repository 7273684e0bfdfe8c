//! Where a relay is, and by what its certificate is judged.

use rustls::pki_types::ServerName;

use crate::{Error, Trust};

/// A relay's address and the trust in its certificate.
#[derive(Clone, Debug)]
pub struct Site {
    /// `host:port`, or the path of a Unix socket.
    pub address: String,
    /// The name that its certificate should bear.
    pub server_name: ServerName<'static>,
    /// Which certificates are accepted.
    pub trust: Trust,
}

impl Site {
    /// A relay at `host:port`. In the form that client programs show, a leading `=` stands for a certificate of the relay's own
    /// (accepted whatever it is until [`trusting`](Site::trusting) says otherwise), `+` for one that an authority known to
    /// this system has issued. Without either it is as with `=`.
    ///
    /// # Errors
    /// [`Error::Usage`] if there is no port, or the host is no name and no address.
    ///
    /// ```
    /// # use mnm_client::{Site, Trust};
    /// let site = Site::new("+relay.example:8443")?;
    /// assert_eq!((site.address.as_str(), site.trust), ("relay.example:8443", Trust::System));
    /// assert!(Site::new("relay.example").is_err());
    /// # Ok::<(), mnm_client::Error>(())
    /// ```
    pub fn new(text: &str) -> Result<Site, Error> {
        let (trust, address) = match (text.strip_prefix('+'), text.strip_prefix('=')) {
            (Some(rest), _) => (Trust::System, rest),
            (None, Some(rest)) => (Trust::Any, rest),
            (None, None) => (Trust::Any, text),
        };
        let wrong = |why: &str| Error::Usage(format!("address {text:?}: {why}; it should be HOST:PORT, for instance relay.example:8443"));
        let (host, port) = address.rsplit_once(':').ok_or_else(|| wrong("it has no port"))?;
        if port.parse::<u16>().is_err() {
            return Err(wrong("its port is no number up to 65535"));
        }
        let host = host.trim_matches(['[', ']']);
        let server_name = ServerName::try_from(host.to_owned()).map_err(|_| wrong("its host is neither a name nor an address"))?;
        Ok(Site { address: address.to_owned(), server_name, trust })
    }

    /// The same with another trust.
    #[must_use]
    pub fn trusting(self, trust: Trust) -> Site {
        Site { trust, ..self }
    }

    /// The same, with a certificate that should bear another name than the address's host.
    ///
    /// # Errors
    /// [`Error::Usage`] if that is no name and no address.
    pub fn named(self, name: &str) -> Result<Site, Error> {
        let server_name =
            ServerName::try_from(name.to_owned()).map_err(|_| Error::Usage(format!("{name:?} is neither a host name nor an address")))?;
        Ok(Site { server_name, ..self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_in_all_their_forms() {
        for (text, address, trust) in [
            ("127.0.0.1:8443", "127.0.0.1:8443", Trust::Any),
            ("=localhost:1", "localhost:1", Trust::Any),
            ("+[::1]:443", "[::1]:443", Trust::System),
        ] {
            let site = Site::new(text).unwrap();
            assert_eq!((site.address.as_str(), site.trust), (address, trust));
        }
        for wrong in ["", "host", "host:", "host:65536", ":80", "a b:80"] {
            assert!(Site::new(wrong).is_err(), "{wrong}");
        }
    }
}
