//! The servers: how each is configured and started, and what it promises.
//!
//! Each gets one process, an empty directory on the disk in question, a free port of loopback, and the same certificate. Limits that the
//! workload would meet are raised, and logs are quiet; all else is as the program's makers chose.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use rustls::ClientConfig;

use crate::certificate::Certificate;
use crate::driver::Outcome;
use crate::process::{self, Process};
use crate::redis::PASSWORD;

/// How long a start may take.
const START_MAX: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(10);

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Kind {
    /// This project's relay
    Mnm,
    /// Mosquitto, saving its state every second
    Mosquitto,
    /// Redis, appendfsync always
    RedisAlways,
    /// Redis, appendfsync everysec
    RedisEverysec,
    /// Mosquitto, saving its state when its package does
    MosquittoDefault,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Protocol {
    Tmtp,
    Mqtt,
    Redis,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Mnm => "mnm",
            Kind::Mosquitto => "mosquitto",
            Kind::RedisAlways => "redis-always",
            Kind::RedisEverysec => "redis-everysec",
            Kind::MosquittoDefault => "mosquitto-default",
        }
    }

    pub(crate) fn protocol(self) -> Protocol {
        match self {
            Kind::Mnm => Protocol::Tmtp,
            Kind::Mosquitto | Kind::MosquittoDefault => Protocol::Mqtt,
            Kind::RedisAlways | Kind::RedisEverysec => Protocol::Redis,
        }
    }

    /// What a poster who has an ack may rely on.
    pub(crate) fn promise(self) -> &'static str {
        match self {
            Kind::Mnm | Kind::RedisAlways => "on disk (fsync before the ack)",
            Kind::RedisEverysec => "in memory; fsync within about 1 s",
            Kind::Mosquitto => "in memory; snapshot every 1 s",
            Kind::MosquittoDefault => "in memory; snapshot every 30 min",
        }
    }

    fn program(self) -> &'static str {
        match self.protocol() {
            Protocol::Tmtp => env!("CARGO_BIN_EXE_mnm"),
            Protocol::Mqtt => "mosquitto",
            Protocol::Redis => "redis-server",
        }
    }

    /// Whether the program is there.
    pub(crate) fn is_installed(self) -> bool {
        self.protocol() == Protocol::Tmtp || process::find(self.program()).is_some()
    }

    /// The program and its version.
    pub(crate) fn version(self) -> String {
        let argument = if self.protocol() == Protocol::Mqtt { "-h" } else { "--version" };
        let program = process::find(self.program()).unwrap_or_else(|| self.program().into());
        let said = Command::new(program).arg(argument).output().map(|output| output.stdout).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        // Redis adds its hash and how it was built.
        let line = said.lines().next().unwrap_or("unknown");
        line.split(" sha=").next().unwrap_or(line).to_owned()
    }

    /// Writes the configuration; the command that starts the server with it.
    fn command(self, port: u16, site: &Site, directory: &Path) -> Outcome<Command> {
        let certificate = &site.certificate;
        let (mut config, arguments) = match self {
            Kind::Mnm => (mnm_config(port, certificate), &["--log", "warn", "--config"][..]),
            Kind::Mosquitto => (mosquitto_config(port, certificate, directory, 1), &["-c"][..]),
            Kind::MosquittoDefault => (mosquitto_config(port, certificate, directory, 1800), &["-c"][..]),
            Kind::RedisAlways => (redis_config(port, certificate, directory, "always"), &[][..]),
            Kind::RedisEverysec => (redis_config(port, certificate, directory, "everysec"), &[][..]),
        };
        let more = match self.protocol() {
            Protocol::Tmtp => &[][..],
            Protocol::Mqtt => &site.mosquitto_lines,
            Protocol::Redis => &site.redis_lines,
        };
        more.iter().for_each(|line| config += &format!("{line}\n"));
        let file = directory.join("bench.conf");
        fs::write(&file, config).map_err(|e| format!("{}: {e}", file.display()))?;
        let program = process::find(self.program()).unwrap_or_else(|| self.program().into());
        let mut command = Command::new(program);
        command.args(arguments).arg(file);
        Ok(command)
    }
}

fn mnm_config(port: u16, certificate: &Certificate) -> String {
    let (chain, key) = (certificate.chain.display(), certificate.key.display());
    let listen = format!(r#"{{"net": "tcp", "laddr": "127.0.0.1:{port}", "certPath": "{chain}", "keyPath": "{key}"}}"#);
    format!(r#"{{"name": "bench", "data": "./data", "listen": {listen}}}"#)
}

fn mosquitto_config(port: u16, certificate: &Certificate, directory: &Path, autosave_s: u32) -> String {
    // Started by root it would become somebody else, who may not read the certificate; for others the line means nothing. Its packets
    // are single writes: without nodelay a login waits for a delayed ack of TCP, and nothing else is faster.
    format!(
        "user root\nlistener {port} 127.0.0.1\ncertfile {}\nkeyfile {}\ntls_version tlsv1.3\nallow_anonymous true\n\
         persistence true\npersistence_location {}/\nautosave_interval {autosave_s}\nset_tcp_nodelay true\n\
         max_inflight_messages 0\nmax_queued_messages 0\nlog_type error\nlog_dest stderr\n",
        certificate.chain.display(),
        certificate.key.display(),
        directory.display()
    )
}

fn redis_config(port: u16, certificate: &Certificate, directory: &Path, fsync: &str) -> String {
    // No snapshots beside the log, and the log is written anew less often than by default: they would only cost. Small nodes since
    // streams here are short and lose their entries soon, and deleting from a large node takes long.
    format!(
        "bind 127.0.0.1\nport 0\ntls-port {port}\ntls-cert-file {}\ntls-key-file {}\ntls-ca-cert-file {}\ntls-auth-clients no\n\
         tls-protocols TLSv1.3\nrequirepass {PASSWORD}\ndir {}\nappendonly yes\nappendfsync {fsync}\nsave \"\"\nloglevel warning\n\
         auto-aof-rewrite-min-size 256mb\nstream-node-max-entries 8\n",
        certificate.chain.display(),
        certificate.key.display(),
        certificate.chain.display(),
        directory.display()
    )
}

/// What all servers share.
pub(crate) struct Site {
    /// Their directories are made in this one.
    pub(crate) base: PathBuf,
    pub(crate) certificate: Certificate,
    /// More lines for the peers' configurations.
    pub(crate) mosquitto_lines: Vec<String>,
    pub(crate) redis_lines: Vec<String>,
}

/// One that runs, in a directory that goes with it.
pub(crate) struct Server {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    pub(crate) tls: Arc<ClientConfig>,
    // Dropped last: the process must not miss it.
    _directory: tempfile::TempDir,
}

impl Server {
    /// Starts it with nothing in store, and waits until it listens.
    pub(crate) fn start(kind: Kind, site: &Site) -> Outcome<Server> {
        let directory = tempfile::Builder::new().prefix(kind.name()).tempdir_in(&site.base);
        let directory = directory.map_err(|e| format!("{}: {e}", site.base.display()))?;
        let address = free_address()?;
        let mut command = kind.command(address.port(), site, directory.path())?;
        let mut process = Process::start(&mut command, directory.path())?;
        let end = Instant::now() + START_MAX;
        while TcpStream::connect(address).is_err() {
            if let Some(words) = process.last_words() {
                return Err(format!("it does not start: {words}"));
            }
            if Instant::now() > end {
                return Err(format!("it does not listen within {START_MAX:?}"));
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(Server { process, address, tls: site.certificate.trust.clone(), _directory: directory })
    }
}

/// A port that was free a moment ago.
fn free_address() -> Outcome<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    listener.and_then(|listener| listener.local_addr()).map_err(|e| format!("a free port: {e}"))
}
