//! One TLS connection over a socket that does not block. What goes out in one turn is one write, as far as the socket takes it.

use std::io::{BufRead, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use crate::driver::Outcome;

/// Octets asked for by one read.
pub(crate) const READ: usize = 256 << 10;

pub(crate) struct Link {
    socket: TcpStream,
    tls: ClientConnection,
    /// Decrypted and not yet understood.
    pub(crate) inbox: Vec<u8>,
    /// To be encrypted by the next flush.
    pub(crate) out: Vec<u8>,
}

/// TLS 1.3 with one cipher suite and one key exchange, which all servers have: none of them shall win by its preferences. Full handshakes.
pub(crate) fn tls_config(certificate: CertificateDer<'static>) -> Outcome<Arc<ClientConfig>> {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites = vec![aws_lc_rs::cipher_suite::TLS13_AES_256_GCM_SHA384];
    provider.kx_groups = vec![aws_lc_rs::kx_group::X25519];
    let mut roots = RootCertStore::empty();
    roots.add(certificate).map_err(|e| format!("the certificate: {e}"))?;
    let builder = ClientConfig::builder_with_provider(Arc::new(provider)).with_protocol_versions(&[&rustls::version::TLS13]);
    let mut config = builder.map_err(|e| format!("TLS 1.3: {e}"))?.with_root_certificates(roots).with_no_client_auth();
    config.resumption = rustls::client::Resumption::disabled();
    Ok(Arc::new(config))
}

impl Link {
    pub(crate) fn connect(address: SocketAddr, config: &Arc<ClientConfig>, registry: &Registry, token: Token) -> Outcome<Link> {
        let mut socket = TcpStream::connect(address).map_err(|e| format!("connect to {address}: {e}"))?;
        registry.register(&mut socket, token, Interest::READABLE | Interest::WRITABLE).map_err(|e| format!("epoll: {e}"))?;
        let name = ServerName::try_from("localhost").expect("a name");
        let mut tls = ClientConnection::new(config.clone(), name).map_err(|e| format!("TLS: {e}"))?;
        // The workload's windows bound what waits.
        tls.set_buffer_limit(None);
        Ok(Link { socket, tls, inbox: Vec::new(), out: Vec::new() })
    }

    /// Reads what there is into `inbox`; whether the server has closed the link.
    ///
    /// # Errors
    /// The link is broken.
    pub(crate) fn receive(&mut self, scratch: &mut [u8], is_ending: bool) -> Outcome<bool> {
        loop {
            match self.socket.read(scratch) {
                Ok(0) => return Ok(true),
                Ok(count) => {
                    self.open(&scratch[..count])?;
                    // epoll tells of whatever comes after a read that did not fill its buffer.
                    if count < scratch.len() && !is_ending {
                        return Ok(false);
                    }
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("read: {error}")),
            }
        }
    }

    fn open(&mut self, mut cipher: &[u8]) -> Outcome<()> {
        while !cipher.is_empty() {
            self.tls.read_tls(&mut cipher).map_err(|e| format!("TLS: {e}"))?;
            self.tls.process_new_packets().map_err(|e| format!("TLS: {e}"))?;
            let mut reader = self.tls.reader();
            // An end of the plain text is told again by the socket.
            while let Ok(plain @ [_, ..]) = reader.fill_buf() {
                self.inbox.extend_from_slice(plain);
                let count = plain.len();
                reader.consume(count);
            }
        }
        Ok(())
    }

    /// Encrypts `out` and writes until all is written or the socket is full.
    ///
    /// # Errors
    /// The link is broken.
    pub(crate) fn flush(&mut self) -> Outcome<()> {
        if !self.out.is_empty() && !self.tls.is_handshaking() {
            self.tls.writer().write_all(&self.out).map_err(|e| format!("TLS: {e}"))?;
            self.out.clear();
        }
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut self.socket) {
                Ok(_) => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("write: {error}")),
            }
        }
        Ok(())
    }

    /// Says in TLS that nothing follows.
    pub(crate) fn close(&mut self) {
        self.tls.send_close_notify();
        // It is a courtesy, and the link is at its end.
        let _ = self.flush();
    }
}
