//! From a configuration to a running relay.

use super::confinement::Confinement;
use super::control::Control;
use super::door::Door;
use super::host::{Address, Host, Served};
use super::manager::Manager;
use super::reload::{Reloader, stamps_of};
use super::shell::Shell;
use super::web::{State, Web};
use super::{Clock, Facts, Listeners, RunError, Server, recover_watched, settings};
use crate::base::{OsEntropy, Wall};
use crate::certificate::{self, Identity};
use crate::config::{Config, ConfigError, DataPlace};
use crate::limits::DESCRIPTORS_RESERVED;
use crate::net::{self, Bound, PeerSocket, Poller};
use crate::record::{Mode, Override, SiteRecord};
use crate::relay::Relay;
use crate::store::{Directory, Exchange, Options};
use crate::wire::RequestLimits;

pub(super) type Tcp = Server<PeerSocket, Directory>;

/// Reads the configuration again, for a reload.
pub type Again<'a> = Box<dyn FnMut() -> Result<Config, ConfigError> + 'a>;

/// Runs the relay until SIGINT or SIGTERM, for a process that is the relay and nothing else: it takes the process's signals and as many
/// descriptors as there are, takes sockets from the service manager and tells it how it fares, has the system confine it to its own files,
/// and reads its configuration again when it is told to.
///
/// # Errors
/// [`RunError`]; what was acked is durable in any case.
pub fn run(config: &Config, again: Again<'_>) -> Result<(), RunError> {
    start(config, again, Manager::of_process(), None)
}

/// Runs the relay as a part of another program, until that [wants it to end](super::Mailbox::stop). `ready` is called once, when clients
/// are served. The thread that calls this is the relay's until the end; [`crate::embed`] makes one.
///
/// # Errors
/// As for [`run`].
pub fn run_within(config: &Config, ready: &mut dyn FnMut(Served)) -> Result<(), RunError> {
    let again = || {
        Err(ConfigError::new(
            "this relay",
            "is a part of another program, which has given it its configuration",
            "start it anew from there",
        ))
    };
    start(config, Box::new(again), Manager::none(), Some(ready))
}

/// `host` is told that clients are served, if the relay is a part of another program: then it leaves alone what is the process's.
fn start(config: &Config, again: Again<'_>, manager: Manager, host: Option<&mut dyn FnMut(Served)>) -> Result<(), RunError> {
    let is_service = host.is_none();
    let clock = Clock::start();
    let descriptors = if is_service { descriptors()? } else { usable(net::descriptor_limit())? };
    DataPlace::look(&config.data)?;
    let stamps = stamps_of(config);
    // The certificate first: it makes the data directory, with the right mode.
    let identities = certificate::open_all(config, clock.now().wall)?;
    let disk = Directory::open(&config.data)?;
    Exchange::check_none(&config.data)?;
    if let Some(remark) = DataPlace::look(&config.data)?.remark() {
        log::log!(remark.level, "{remark}");
    }
    let Listening { entries, bound, addresses } = listen(config, &identities, is_service)?;
    // Signals before the log is read, so that one that comes meanwhile ends the program as one that comes later.
    let mut poller = Poller::new(bound)?;
    if is_service {
        poller.watch_signals()?;
    }
    let mut web = Web::open(config, &mut poller, clock.now()).map_err(RunError::Address)?;
    let control = Control::open(&config.data, &mut poller);
    let confinement = if is_service { Confinement::begin(config) } else { Confinement::none() };
    let options = Options { segment_bytes: config.limits.segment_bytes };
    // Each time that some MiB of the log are read.
    let mut meanwhile = |done: usize, total: usize| {
        manager.recovering(100 * done as u64 / total.max(1) as u64);
        web.meanwhile(&mut poller, clock.now(), (done, total));
    };
    let facts = recover_watched(disk, options, Box::new(OsEntropy), &mut meanwhile)?;
    tell_what_was_read(&facts);
    tell_who_may_register(config, facts.ledger.site(), clock.now().wall);
    let mut server = equip(config, facts, options);
    let reloader = Reloader::new(config, again, entries, (&identities, stamps), confinement, clock.now());
    let door = Door::new(reloader.ways(), config.limits, descriptors);
    server.time_commits(Box::new(move || clock.now().mono));
    web.set_state(State::Ready);
    log::info!("ready");
    manager.ready(&format!("serving {} members", server.relay().ledger().user_count()));
    let started = clock.now();
    let mut shell = Shell { server, poller, door, control, web, reloader, manager, host: Host::none(), clock, drain: None, started };
    if let Some(ready) = host {
        let (mailbox, host) = Host::of_thread(&shell.poller)?;
        shell.host = host;
        ready(Served { addresses, mailbox });
    }
    shell.serve()
}

/// A relay with these facts and without links.
pub(super) fn equip(config: &Config, Facts { store, ledger, .. }: Facts<Directory>, options: Options) -> Tcp {
    let settings = settings(config);
    let dialect = settings.dialect;
    let relay = Relay::new(settings, ledger, Box::new(OsEntropy));
    Server::new(relay, store, options, request_limits(config), dialect)
}

pub(super) fn request_limits(config: &Config) -> RequestLimits {
    RequestLimits { recipients_max: config.limits.recipients_max }
}

/// How many descriptors there are for us, as many as the system lets us have.
///
/// # Errors
/// When they are too few for a single link.
pub fn descriptors() -> Result<u64, ConfigError> {
    usable(net::raise_descriptor_limit())
}

/// How many of so many descriptors are for us.
fn usable(limit: u64) -> Result<u64, ConfigError> {
    // What others left open is taken. A few the reserve can bear; were many counted on, strangers could take what the log needs.
    let inherited = net::inherited_descriptors();
    let granted = limit.saturating_sub(inherited.saturating_sub(DESCRIPTORS_RESERVED / 2));
    log::debug!("file descriptors: {granted}; {inherited} were open before");
    if granted <= DESCRIPTORS_RESERVED {
        let trouble =
            format!("may open {granted} files, and keeps {DESCRIPTORS_RESERVED} for the log and the listeners, so none is left for a link");
        return Err(ConfigError::new("this process", trouble, "raise the limit of open files (ulimit -n)"));
    }
    Ok(granted)
}

fn tell_what_was_read(Facts { ledger, recovery, .. }: &Facts<Directory>) {
    log::info!(
        "replayed {} records of {} octets: {} members, {} messages waiting{}",
        recovery.records,
        recovery.bytes,
        ledger.user_count(),
        ledger.message_count(),
        if recovery.clean { "" } else { " (the last run did not end cleanly)" }
    );
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

/// What is listened on.
#[derive(Default)]
struct Listening {
    /// For each socket the entry of the configuration that it belongs to.
    entries: Vec<usize>,
    bound: Vec<Bound>,
    /// Those of the Internet.
    addresses: Vec<Address>,
}

/// Binds every configured address, or takes the sockets that the service manager has opened instead, and says where clients find us. Each
/// listener goes with the entry of the configuration that it belongs to.
fn listen(config: &Config, identities: &[Identity], is_service: bool) -> Result<Listening, RunError> {
    let mut listeners = Listeners::new(&config.listen);
    if !(is_service && listeners.take_handed_over()?) {
        for entry in 0..config.listen.len() {
            listeners.bind(entry)?;
        }
    }
    let mut listening = Listening::default();
    for (entry, socket) in listeners.into_bound() {
        let (listen, identity) = (&config.listen[entry], &identities[entry]);
        match socket.address()? {
            Some(address) => {
                identity.certificate.start_lines(listen, address).iter().for_each(|line| log::info!("{line}"));
                listening.addresses.push(Address {
                    socket: address,
                    client: identity.certificate.client_address(listen, address.port()),
                    fingerprint: identity.certificate.fingerprint,
                });
            }
            None => log::info!("listening on {}{}", socket.name()?, if listen.tls { "" } else { ", without TLS" }),
        }
        listening.entries.push(entry);
        listening.bound.push(socket);
    }
    for remark in certificate::remarks(config, identities) {
        log::log!(remark.level, "{remark}");
    }
    Ok(listening)
}
