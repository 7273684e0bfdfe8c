//! From a configuration to a running relay, and its loop over the operating system.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::control::Control;
use super::door::Door;
use super::web::{State, Web};
use super::{Clock, Facts, Listeners, Server, recover_watched};
use crate::base::{OsEntropy, Wall};
use crate::certificate::{self, OpenError};
use crate::config::{self, Config, ConfigError, DataPlace};
use crate::ledger::ReplayError;
use crate::limits::DESCRIPTORS_RESERVED;
use crate::net::{self, Bound, Poller, Ready, TcpSocket, TlsConfig};
use crate::record::{Mode, Override, SiteRecord};
use crate::relay::{Lookalikes, NameRules, Quotas, Relay, Settings, Timeouts};
use crate::store::{Directory, Exchange, Options, StoreError};
use crate::wire::reply::Site;
use crate::wire::{Dialect, RequestLimits};

/// Why the relay did not start, or stopped.
#[derive(Debug)]
pub enum RunError {
    /// The operator's: something in the configuration.
    Config(ConfigError),
    /// The disk's: the log.
    Store(StoreError),
    /// Ours, or a newer version's: the log is intact but makes no sense.
    Replay(ReplayError),
    /// The system's: polling itself failed.
    Loop(io::Error),
}

impl RunError {
    /// The exit status of the program: 1 configuration, 3 log, 4 system, 5 disk, 6 another instance. (2 is for wrong usage.)
    pub fn exit_status(&self) -> u8 {
        match self {
            RunError::Config(_) => 1,
            RunError::Store(error) => error.exit_status(),
            RunError::Replay(_) => 3,
            RunError::Loop(_) => 4,
        }
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunError::Config(error) => error.fmt(f),
            RunError::Store(error) => error.fmt(f),
            RunError::Replay(error) => write!(
                f,
                "the log is intact but cannot be replayed: {error}; keep the data directory and use the version of mnm that wrote it"
            ),
            RunError::Loop(error) if net::is_out_of_descriptors(error) => {
                write!(f, "the event loop failed: {error}; raise the limit of open files (ulimit -n)")
            }
            RunError::Loop(error) => write!(f, "the event loop failed: {error}; restart the relay"),
        }
    }
}

impl std::error::Error for RunError {}

impl From<ConfigError> for RunError {
    fn from(error: ConfigError) -> RunError {
        RunError::Config(error)
    }
}

impl From<OpenError> for RunError {
    fn from(error: OpenError) -> RunError {
        match error {
            OpenError::Config(error) => RunError::Config(error),
            OpenError::DiskFull { file, source } => {
                RunError::Store(StoreError::Failed { action: "write", file: file.display().to_string(), source })
            }
        }
    }
}

impl From<StoreError> for RunError {
    fn from(error: StoreError) -> RunError {
        RunError::Store(error)
    }
}

impl From<ReplayError> for RunError {
    fn from(error: ReplayError) -> RunError {
        RunError::Replay(error)
    }
}

impl From<io::Error> for RunError {
    fn from(error: io::Error) -> RunError {
        RunError::Loop(error)
    }
}

pub(super) type Tcp = Server<TcpSocket, Directory>;

/// Runs the relay until SIGINT or SIGTERM.
///
/// # Errors
/// [`RunError`]; what was acked is durable in any case.
pub fn run(config: &Config) -> Result<(), RunError> {
    run_and_tell(config, |_| {})
}

/// As [`run`]; tells the addresses on which clients are served, once they are. For programs that contain a relay, and let
/// the system choose its port.
///
/// # Errors
/// As for [`run`].
pub fn run_and_tell(config: &Config, ready: impl FnOnce(&[SocketAddr])) -> Result<(), RunError> {
    let clock = Clock::start();
    let descriptors = descriptors()?;
    DataPlace::look(&config.data)?;
    // The certificate first: it makes the data directory, with the right mode.
    let identities = certificate::open_all(config, clock.now().wall)?;
    let disk = Directory::open(&config.data)?;
    Exchange::check_none(&config.data)?;
    if let Some(remark) = DataPlace::look(&config.data)?.remark() {
        log::log!(remark.level, "{remark}");
    }
    let (bound, tls) = listen(config, &identities)?;
    let addresses = bound.iter().map(Bound::address).collect::<io::Result<Vec<SocketAddr>>>()?;
    // Before the log is read, so that a signal that comes meanwhile ends the program as one that comes later.
    let mut poller = Poller::new(bound)?;
    let mut web = Web::open(config, &mut poller, clock.now())?;
    let control = Control::open(&config.data, &mut poller);
    let options = Options { segment_bytes: config.limits.segment_bytes };
    // Each time that some MiB of the log are read.
    let mut meanwhile = |done, total| web.meanwhile(&mut poller, clock.now(), (done, total));
    let facts = recover_watched(disk, options, Box::new(OsEntropy), &mut meanwhile)?;
    let Facts { ledger, recovery, .. } = &facts;
    log::info!(
        "replayed {} records of {} octets: {} members, {} messages waiting{}",
        recovery.records,
        recovery.bytes,
        ledger.user_count(),
        ledger.message_count(),
        if recovery.clean { "" } else { " (the last run did not end cleanly)" }
    );
    tell_who_may_register(config, ledger.site(), clock.now().wall);
    let mut server = equip(config, facts, options);
    server.time_commits(Box::new(move || clock.now().mono));
    web.set_state(State::Ready);
    log::info!("ready");
    ready(&addresses);
    serve(server, poller, Door::new(tls, descriptors), control, web, &clock)
}

/// A relay with these facts and without links.
pub(super) fn equip(config: &Config, Facts { store, ledger, .. }: Facts<Directory>, options: Options) -> Tcp {
    let settings = settings(config);
    let dialect = settings.dialect;
    let relay = Relay::new(settings, ledger, Box::new(OsEntropy));
    Server::new(relay, store, options, RequestLimits { recipients_max: config.limits.recipients_max }, dialect)
}

/// How many descriptors there are for us, as many as the system lets us have.
///
/// # Errors
/// When they are too few for a single link.
pub fn descriptors() -> Result<u64, ConfigError> {
    // What others left open is taken. A few the reserve can bear; were many counted on, strangers could take what the log needs.
    let inherited = net::inherited_descriptors();
    let granted = net::raise_descriptor_limit().saturating_sub(inherited.saturating_sub(DESCRIPTORS_RESERVED / 2));
    log::debug!("file descriptors: {granted}; {inherited} were open before");
    if granted <= DESCRIPTORS_RESERVED {
        let trouble =
            format!("may open {granted} files, and keeps {DESCRIPTORS_RESERVED} for the log and the listeners, so none is left for a link");
        return Err(ConfigError::new("this process", trouble, "raise the limit of open files (ulimit -n)"));
    }
    Ok(granted)
}

/// The relay's settings, from the configuration.
pub fn settings(config: &Config) -> Settings {
    let limits = &config.limits;
    let auth_by = serde_json::Value::Array(config.authby.iter().map(config::AuthBy::greeting).collect());
    Settings {
        site: Site { name: config.name.clone(), auth_by: config.auth_required.then_some(auth_by) },
        token_required: config.auth_required,
        register: match config.register {
            config::Register::Open => Mode::Open,
            config::Register::Invite => Mode::Invite,
            config::Register::Closed => Mode::Closed,
        },
        names: NameRules {
            min_chars: config.names.min_chars,
            reserved: config.names.reserved.clone(),
            lookalikes: match config.names.lookalikes {
                config::Lookalikes::Allow => Lookalikes::Allow,
                config::Lookalikes::Refuse => Lookalikes::Refuse,
                config::Lookalikes::Strict => Lookalikes::Strict,
            },
        },
        quotas: Quotas {
            pings: limits.pings_per_day,
            failed_pings: limits.failed_pings,
            queue_messages: limits.queue_messages,
            queue_bytes: limits.queue_bytes,
            group_members: limits.group_members,
            groups: limits.groups_per_member,
            aliases: limits.aliases_per_member,
            nodes: limits.nodes_per_member,
            member_invites: limits.member_invites,
            wrong_codes: limits.wrong_codes_per_hour,
        },
        dialect: match config.dialect {
            config::Dialect::Auto => Dialect::Unlatched,
            config::Dialect::Draft2018 => Dialect::Draft2018,
            config::Dialect::Draft2020 => Dialect::Draft2020,
        },
        timeouts: Timeouts {
            login: limits.login_timeout,
            idle: limits.idle_timeout,
            redelivery: limits.redelivery_timeout,
            takeover: limits.takeover_silence,
            stall: limits.stall_timeout,
            linger: limits.linger_timeout,
        },
        window: limits.window_deliveries,
        message_max: limits.message_max_bytes,
        ..Settings::default()
    }
}

/// Says which mode is in force, and warns where it lets strangers in.
fn tell_who_may_register(config: &Config, site: SiteRecord, now: Wall) {
    let configured = settings(config).register;
    let mode = site.mode_in_force(configured, now);
    let lasting = site.lasting_mode(configured);
    match site.change(configured) {
        None => log::info!("register: {}", mode.word()),
        Some(Override { until, .. }) if until > now => {
            log::info!("register: {}, by mnm ctl until {}; then {} again", mode.word(), until.to_rfc3339(), lasting.word());
        }
        Some(_) => log::info!("register: {}, by mnm ctl; the configuration says {}", mode.word(), configured.word()),
    }
    if mode == Mode::Open
        && let Some(remark) = config.open_to_strangers()
    {
        log::log!(remark.level, "{remark}");
    }
}

/// Binds every configured address, and says where clients find us. The TLS configurations go with the listeners.
fn listen(config: &Config, identities: &[certificate::Identity]) -> Result<(Vec<Bound>, Vec<TlsConfig>), RunError> {
    let mut listeners = Listeners::new(&config.listen);
    for entry in 0..config.listen.len() {
        listeners.bind(entry).map_err(ConfigError::from)?;
    }
    let mut bound = Vec::new();
    let mut tls = Vec::new();
    for (entry, socket) in listeners.into_bound() {
        let (listen, identity) = (&config.listen[entry], &identities[entry]);
        for line in identity.certificate.start_lines(listen, socket.address()?) {
            log::info!("{line}");
        }
        bound.push(socket);
        tls.push(identity.tls.clone());
    }
    for remark in certificate::remarks(config, identities) {
        log::log!(remark.level, "{remark}");
    }
    Ok((bound, tls))
}

/// The loop: wait, note who is ready, turn.
fn serve(mut server: Tcp, mut poller: Poller, mut door: Door, mut control: Control, mut web: Web, clock: &Clock) -> Result<(), RunError> {
    let mut ready = web.take_early();
    loop {
        let deadline =
            [server.next_deadline(), door.next_deadline(), control.next_deadline(), web.next_deadline()].into_iter().flatten().min();
        let timeout =
            if server.has_work() || !ready.is_empty() { Some(Duration::ZERO) } else { deadline.map(|at| at.since(clock.now().mono)) };
        poller.wait(timeout.map(round_up), &mut ready)?;
        let now = clock.now();
        ready.extend(door.rested(now).into_iter().map(Ready::Accept));
        for event in ready.drain(..) {
            match event {
                Ready::Link { .. } => {
                    note_link(&mut server, &event);
                }
                Ready::Accept(listener) => door.open(&mut server, &mut poller, listener, now),
                Ready::Knock => control.knock(now),
                Ready::Operator(slot) => control.wake(slot),
                Ready::WebKnock => web.knock(now),
                Ready::Web(slot) => web.wake(slot),
                Ready::Hangup => {
                    log::info!("SIGHUP: nothing is reloaded yet; restart to apply a changed configuration or certificate");
                }
                Ready::Stop => {
                    log::info!("stopping");
                    poller.stop_listening();
                    server.turn(now)?;
                    control.close(server.take_answers(), now);
                    server.stop(now)?;
                    log::info!("stopped");
                    return Ok(());
                }
            }
        }
        control.hear(&mut server, &mut poller, now)?;
        server.hear(now)?;
        // A post that comes while the disk is at work waits for that, and then for its own commit.
        if server.hears_more() {
            poller.wait(Some(Duration::ZERO), &mut ready)?;
            ready.retain(|event| !note_link(&mut server, event));
            server.hear(now)?;
        }
        server.conclude(now)?;
        control.answer(server.take_answers(), now);
        door.report(server.take_strangers(), now);
        web.turn(&mut poller, now, Some(&server));
    }
}

/// Notes what the poll has told of a link; whether it was about a link.
fn note_link(server: &mut Tcp, event: &Ready) -> bool {
    let Ready::Link { slot, readable, writable, ending } = *event else { return false };
    if ending {
        server.ending(slot);
    }
    server.ready(slot, readable, writable);
    true
}

/// Polling takes milliseconds: waiting a little too short would spin until the deadline.
fn round_up(wait: Duration) -> Duration {
    if wait.is_zero() { wait } else { wait + Duration::from_millis(1) }
}
