//! The site that users get: the program itself, its log on stderr, links over TLS.
#![allow(clippy::disallowed_methods, reason = "clients live in real time")]

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{fs, thread};

use rustix::net::{AddressFamily, SocketType};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::site::{Link, Received, Site, Stop};

/// How long anything may take that must happen; generous, since the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(20);
/// What a restart may take: clients that find nobody wait for seconds and then twice as long.
const STOP_MAX: Duration = Duration::from_secs(3);

/// The program with a configuration and data of its own, in a directory that goes with it.
pub(crate) struct Process {
    directory: TempDir,
    child: Child,
    log: Log,
    address: SocketAddr,
    born: Instant,
}

impl Process {
    /// Starts the program. `settings` go over the configuration of a test site, objects into objects.
    pub(crate) fn start(settings: &Value) -> Result<Process, String> {
        let directory = TempDir::new().map_err(|error| error.to_string())?;
        let mut config = json!({
            "listen": {"net": "tcp", "laddr": "127.0.0.1:0"}, "name": "test site", "log": "debug", "data": directory.path().join("data"),
        });
        merge(&mut config, settings);
        fs::write(directory.path().join("mnm.conf"), config.to_string()).map_err(|error| error.to_string())?;
        let log = Log::default();
        let (child, address) = spawn(directory.path(), &log)?;
        Ok(Process { directory, child, log, address, born: Instant::now() })
    }

    /// Where the relay listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its number with the system.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The configuration that it was started with.
    pub(crate) fn config(&self) -> PathBuf {
        self.directory.path().join("mnm.conf")
    }

    /// Where it keeps everything.
    pub(crate) fn data_directory(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Changes settings for the next start, as in [`start`](Self::start).
    pub(crate) fn configure(&self, settings: &Value) {
        let mut config = serde_json::from_slice(&fs::read(self.config()).expect("it is there")).expect("it is JSON");
        merge(&mut config, settings);
        fs::write(self.config(), config.to_string()).expect("it can be written");
    }

    /// Ends the relay.
    pub(crate) fn end(&mut self, stop: Stop) -> Result<(), String> {
        match stop {
            Stop::Kill => {
                self.signal(rustix::process::Signal::KILL);
                self.wait(PATIENCE).map(drop)
            }
            Stop::Clean => {
                self.signal(rustix::process::Signal::TERM);
                match self.wait(STOP_MAX)? {
                    status if status.success() => Ok(()),
                    status => Err(format!("the relay ended with {status}")),
                }
            }
        }
    }

    /// Starts it again on the same data.
    pub(crate) fn begin(&mut self) -> Result<(), String> {
        (self.child, self.address) = spawn(self.directory.path(), &self.log)?;
        Ok(())
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        // A relay that has gone already is found by the wait that follows.
        let _ = rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal);
    }

    /// Waits until it has ended by itself.
    pub(crate) fn wait(&mut self, within: Duration) -> Result<std::process::ExitStatus, String> {
        match self.log.wait_for(within, |line| (line == END).then_some(())) {
            Some(()) => self.child.wait().map_err(|error| error.to_string()),
            None => Err(format!("the relay did not end within {within:?}")),
        }
    }
}

impl Site for Process {
    fn connect(&mut self, from: Option<IpAddr>) -> Result<Box<dyn Link>, String> {
        let link = socket(from, self.address).and_then(TlsLink::over);
        link.map(|link| Box::new(link) as Box<dyn Link>).map_err(|error| format!("cannot connect: {error}"))
    }

    fn operator(&mut self, line: &str) -> Result<String, String> {
        if !self.log_says("ready", PATIENCE) {
            return Err("the relay is not ready".into());
        }
        let path = self.data_directory().join("control.sock");
        let talk = || {
            let mut socket = UnixStream::connect(&path)?;
            socket.set_read_timeout(Some(PATIENCE))?;
            socket.write_all(format!("{line}\n").as_bytes())?;
            let mut answer = String::new();
            BufReader::new(socket).read_line(&mut answer)?;
            Ok(answer.trim_end().to_owned())
        };
        talk().map_err(|error: io::Error| format!("{}: {error}", path.display()))
    }

    fn restart(&mut self, stop: Stop) -> Result<(), String> {
        self.end(stop)?;
        self.begin()
    }

    fn now(&self) -> Duration {
        self.born.elapsed()
    }

    fn date(&self) -> i64 {
        i64::try_from(time::OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000).expect("some centuries fit")
    }

    /// The machine may be busy.
    fn date_slack(&self) -> i64 {
        15_000
    }

    fn put_clock(&mut self, _: f64) -> Result<(), String> {
        Err("this clock is everybody's".into())
    }

    fn pass(&mut self, time: Duration) {
        thread::sleep(time);
    }

    fn data(&self) -> Vec<(String, Vec<u8>)> {
        let mut found = Vec::new();
        // A file may go while we look: compaction does that.
        walk(&self.data_directory(), &mut |path| {
            let name = path.strip_prefix(self.data_directory()).expect("below it").to_string_lossy().into_owned();
            found.push((name, fs::read(path).unwrap_or_default()));
        });
        found
    }

    fn data_size(&self) -> u64 {
        use std::os::unix::fs::MetadataExt;
        let mut blocks = 0;
        walk(&self.data_directory(), &mut |path| blocks += fs::metadata(path).map_or(0, |meta| meta.blocks()));
        blocks * 512
    }

    fn log_says(&mut self, words: &str, within: Duration) -> bool {
        self.log.wait_for(within, |line| line.contains(words).then_some(())).is_some()
    }

    fn log(&self) -> String {
        self.log.lines().join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(rustix::process::Signal::KILL);
        let _ = self.child.wait();
    }
}

fn spawn(directory: &Path, log: &Log) -> Result<(Child, SocketAddr), String> {
    log.lines().push(LIFE.into());
    let mut child = Command::new(env!("CARGO_BIN_EXE_mnm"))
        .arg("--config")
        .arg(directory.join("mnm.conf"))
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start the relay: {error}"))?;
    log.follow(child.stderr.take().expect("piped"));
    // Only lines of this life: an earlier one had another port.
    match log.wait_for(PATIENCE, |line| line.split("=127.0.0.1:").nth(1).map(port)) {
        Some(port) => Ok((child, SocketAddr::from(([127, 0, 0, 1], port)))),
        None => {
            let _ = child.kill();
            let _ = child.wait();
            Err(format!("the relay did not say where it listens:\n{}", log.lines().join("\n")))
        }
    }
}

fn port(text: &str) -> u16 {
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_default()
}

pub(crate) fn walk(directory: &Path, found: &mut impl FnMut(&Path)) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { walk(&path, found) } else { found(&path) }
    }
}

pub(crate) fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            from.iter().for_each(|(key, value)| merge(into.entry(key).or_insert(Value::Null), value));
        }
        (into, from) => *into = from.clone(),
    }
}

/// What begins the life of a relay in its log.
const LIFE: &str = "--- started";
/// What ends it: nobody writes to its stderr any more.
const END: &str = "--- ended";

/// The lines of a relay's log as they come.
#[derive(Clone, Default)]
struct Log(Arc<(Mutex<Vec<String>>, Condvar)>);

impl Log {
    fn lines(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn follow(&self, stderr: ChildStderr) {
        let log = self.clone();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                log.lines().push(line);
                log.0.1.notify_all();
            }
            log.lines().push(END.into());
            log.0.1.notify_all();
        });
    }

    /// The first thing found in the lines of this life.
    fn wait_for<T>(&self, within: Duration, find: impl Fn(&str) -> Option<T>) -> Option<T> {
        let end = Instant::now() + within;
        let mut lines = self.lines();
        loop {
            if let Some(found) = lines.iter().rev().take_while(|line| *line != LIFE).find_map(|line| find(line)) {
                return Some(found);
            }
            let left = end.checked_duration_since(Instant::now())?;
            lines = self.0.1.wait_timeout(lines, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Connects, from this address if one is given: all of 127.0.0.0/8 is this machine.
pub(crate) fn socket(from: Option<IpAddr>, to: SocketAddr) -> io::Result<TcpStream> {
    let Some(from) = from else { return TcpStream::connect_timeout(&to, PATIENCE) };
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None)?;
    rustix::net::bind(&socket, &SocketAddr::from((from, 0)))?;
    rustix::net::connect(&socket, &to)?;
    Ok(socket.into())
}

/// A client's end of a TLS link that sees where records begin and end.
pub(crate) struct TlsLink {
    socket: TcpStream,
    tls: ClientConnection,
    /// Ciphertext of records that are not decrypted yet.
    sealed: Vec<u8>,
    gone: bool,
}

impl TlsLink {
    pub(crate) fn connect(address: SocketAddr) -> io::Result<TlsLink> {
        TlsLink::over(TcpStream::connect_timeout(&address, PATIENCE)?)
    }

    /// The relay's own certificate, as it was shown.
    pub(crate) fn certificate(&self) -> Vec<u8> {
        self.tls.peer_certificates().expect("the handshake is done")[0].to_vec()
    }

    /// How many certificates were shown.
    pub(crate) fn chain_len(&self) -> usize {
        self.tls.peer_certificates().expect("the handshake is done").len()
    }

    pub(crate) fn over(socket: TcpStream) -> io::Result<TlsLink> {
        socket.set_nodelay(true)?;
        socket.set_write_timeout(Some(PATIENCE))?;
        // Small, so that a client that does not read is felt by the relay before megabytes have gone into buffers.
        rustix::net::sockopt::set_socket_recv_buffer_size(&socket, 64 << 10)?;
        let name = ServerName::try_from("localhost").expect("a name");
        let tls = ClientConnection::new(client_config(), name).map_err(io::Error::other)?;
        let mut link = TlsLink { socket, tls, sealed: Vec::new(), gone: false };
        while link.tls.is_handshaking() {
            link.flush()?;
            if link.tls.is_handshaking() && link.next_record(PATIENCE)?.is_none() {
                return Err(io::Error::new(ErrorKind::TimedOut, "no end of the handshake"));
            }
        }
        link.flush()?;
        Ok(link)
    }

    /// Reads one TLS record and hands it to the state machine; `None` when the time is over.
    fn next_record(&mut self, within: Duration) -> io::Result<Option<()>> {
        let end = Instant::now() + within;
        loop {
            if let Some(len) = self.sealed.get(3..5).map(|len| 5 + usize::from(u16::from_be_bytes([len[0], len[1]])))
                && self.sealed.len() >= len
            {
                let record: Vec<u8> = self.sealed.drain(..len).collect();
                let mut rest = &record[..];
                while !rest.is_empty() {
                    self.tls.read_tls(&mut rest)?;
                }
                self.tls.process_new_packets().map_err(io::Error::other)?;
                return Ok(Some(()));
            }
            let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else { return Ok(None) };
            self.socket.set_read_timeout(Some(left))?;
            let mut some = [0; 32 << 10];
            match self.socket.read(&mut some) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.sealed.extend_from_slice(&some[..count]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return Ok(None),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            self.tls.write_tls(&mut self.socket)?;
        }
        Ok(())
    }

    fn try_send(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let count = self.tls.writer().write(bytes)?;
            bytes = &bytes[count..];
            self.flush()?;
        }
        Ok(())
    }

    fn try_receive(&mut self, within: Duration) -> io::Result<Option<Vec<u8>>> {
        let end = Instant::now() + within;
        loop {
            let Some(()) = self.next_record(end.saturating_duration_since(Instant::now()))? else { return Ok(None) };
            let mut plain = Vec::new();
            match self.tls.reader().read_to_end(&mut plain) {
                Ok(_) => return if plain.is_empty() { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(Some(plain)) },
                Err(error) if error.kind() == ErrorKind::WouldBlock && plain.is_empty() => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Some(plain)),
                Err(error) => return Err(error),
            }
        }
    }
}

impl Link for TlsLink {
    fn send(&mut self, bytes: &[u8]) {
        // The other end may have closed; what it said before that is still to be read.
        let _ = self.try_send(bytes);
    }

    fn receive(&mut self, within: Duration) -> Received {
        if self.gone {
            return Received::Closed;
        }
        match self.try_receive(within) {
            Ok(Some(record)) => Received::Record(record),
            Ok(None) => Received::Nothing,
            Err(_) => {
                self.gone = true;
                Received::Closed
            }
        }
    }

    fn close(mut self: Box<Self>) {
        self.tls.send_close_notify();
        let _ = self.flush();
        self.vanish();
    }

    // Neither end waits for the last handle of the socket: a child that another thread is making may hold one for a moment.

    fn vanish(self: Box<Self>) {
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    fn cut(self: Box<Self>) {
        let _ = rustix::net::connect_unspec(&self.socket);
    }
}

/// The first octets of a client, of many that it has to say before it is understood.
pub(crate) fn client_hello() -> Vec<u8> {
    let name = ServerName::try_from("localhost").expect("a name");
    let mut tls = ClientConnection::new(client_config(), name).expect("a client");
    let mut hello = Vec::new();
    tls.write_tls(&mut hello).expect("a vector takes anything");
    hello
}

pub(crate) fn client_config() -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let trusting = Arc::new(Trusting(provider.clone()));
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    Arc::new(config.dangerous().with_custom_certificate_verifier(trusting).with_no_client_auth())
}

/// Takes any certificate: the relay has made its own a moment ago.
#[derive(Debug)]
struct Trusting(Arc<rustls::crypto::CryptoProvider>);

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
