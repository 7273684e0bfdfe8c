//! What the operator decides: the file `mnm.conf`, and the flags that overrule it.
//!
//! The file is JSON in the shape that the Go server of the same protocol reads, so its configuration can be given as it
//! is; `#` keys are comments, keys match without regard to case, and everything has a default. A mistake stops the start
//! with one sentence ([`ConfigError`]); what is merely worth knowing becomes a [`Remark`].
//!
//! Read at start, and again when the operator says so: `differences` tells what that would change. Not here: environment variables, and any
//! reading of the certificates that are named (see [`crate::certificate`]).

mod auth;
mod data;
mod differences;
mod error;
mod limits;
mod listen;
mod membership;
mod metrics;
mod node;
mod reader;

use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use log::LevelFilter;

pub use auth::AuthBy;
pub use data::DataPlace;
pub use differences::Difference;
pub use error::{ConfigError, Remark};
pub use limits::Limits;
pub use listen::{CertificatePaths, Listen, join};
pub use membership::{Lookalikes, Names, Register};
pub use metrics::{Metrics, MetricsPlace};

use crate::limits::NAME_MAX;
use node::Node;
use reader::{At, read_as_in_file};

/// The file that is read when no other is named, in the current directory.
pub const DEFAULT_FILE: &str = "mnm.conf";
/// The file that is read where there is none of those: that of the relay which this machine runs as a service.
pub const SYSTEM_FILE: &str = "/etc/mnm/mnm.conf";
const DEFAULT_DATA: &str = "./data";
const DATA: &str = "the path of a directory";
const SITE_NAME: &str = "expected 1 to 255 octets without control characters";
const _: () = assert!(NAME_MAX == 255, "what is said is true");

/// The words for a log level, in the file and on the command line.
pub const LOG_LEVELS: [(&str, LevelFilter); 5] = [
    ("error", LevelFilter::Error),
    ("warn", LevelFilter::Warn),
    ("info", LevelFilter::Info),
    ("debug", LevelFilter::Debug),
    ("trace", LevelFilter::Trace),
];

/// How a line of the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// `key=value`, for people and for what reads journals.
    #[default]
    Logfmt,
    /// One JSON object a line.
    Json,
}

/// Which draft's numbering of the ops is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    /// Each link is latched by the first request that only one draft can mean.
    #[default]
    Auto,
    /// The 2018 draft on every link.
    Draft2018,
    /// The 2020 draft on every link.
    Draft2020,
}

/// Everything the operator decides, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The file this came from; `None` for the built-in defaults.
    pub file: Option<PathBuf>,
    /// What the site calls itself to clients: 1 to 255 octets, no control characters.
    pub name: String,
    /// The directory of everything the relay keeps. A relative path begins at the current directory.
    pub data: PathBuf,
    /// Where to listen. Empty only for a relay within another program, which may do without.
    pub listen: Vec<Listen>,
    /// Whether only those may register for whom a service in `authby` vouches.
    pub auth_required: bool,
    /// The services that vouch for members.
    pub authby: Vec<AuthBy>,
    /// Who may register, unless the operator has changed that since with `mnm ctl register`.
    pub register: Register,
    /// The site's rules for names.
    pub names: Names,
    /// Which draft links are held to.
    pub dialect: Dialect,
    /// The most talkative level that is logged.
    pub log: LevelFilter,
    /// How its lines are written.
    pub log_format: LogFormat,
    /// Where the relay tells how it does, if anywhere.
    pub metrics: Option<Metrics>,
    /// Bounds, with their defaults where the file says nothing.
    pub limits: Limits,
    /// What the operator should be told at start.
    pub remarks: Vec<Remark>,
}

/// What the command line overrules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// The configuration file, instead of [`DEFAULT_FILE`].
    pub config: Option<PathBuf>,
    /// The data directory, relative to the current directory.
    pub data: Option<PathBuf>,
    /// Addresses to listen on, instead of all configured ones; they keep the first one's certificate.
    pub listen: Vec<String>,
    /// The log level.
    pub log: Option<LevelFilter>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            file: None,
            name: "mnm".into(),
            data: below(Path::new(""), DEFAULT_DATA),
            listen: vec![Listen::default()],
            auth_required: false,
            authby: Vec::new(),
            register: Register::default(),
            names: Names::default(),
            dialect: Dialect::default(),
            log: LevelFilter::Info,
            log_format: LogFormat::default(),
            metrics: None,
            limits: Limits::default(),
            remarks: Vec::new(),
        }
    }
}

impl Config {
    /// Reads the file that was named, or [`DEFAULT_FILE`] if it exists, or [`SYSTEM_FILE`] if that does, or takes the defaults; then
    /// overrules.
    ///
    /// # Errors
    /// When a file is unreadable or says what cannot be meant, or a flag does.
    pub fn load(overrides: &Overrides) -> Result<Config, ConfigError> {
        Config::load_in(Path::new(""), Path::new(SYSTEM_FILE), overrides)
    }

    /// The same for another current directory, which matters for [`DEFAULT_FILE`] and its absence only, and for another
    /// [`SYSTEM_FILE`].
    ///
    /// # Errors
    /// As for [`Config::load`].
    pub fn load_in(directory: &Path, system: &Path, overrides: &Overrides) -> Result<Config, ConfigError> {
        let usual = [below(directory, DEFAULT_FILE), system.to_path_buf()];
        let mut config = match overrides.config.as_ref().or_else(|| usual.iter().find(|file| is_there(file))) {
            Some(file) => Config::read(file)?,
            None => Config { data: below(directory, DEFAULT_DATA), ..Config::default() },
        };
        config.overrule(overrides)?;
        Ok(config)
    }

    /// Reads a file.
    ///
    /// # Errors
    /// When it is unreadable or says what cannot be meant.
    pub fn read(file: &Path) -> Result<Config, ConfigError> {
        let unreadable = |error: std::io::Error| match error.kind() {
            ErrorKind::NotFound => ConfigError::about_file(file, "there is no such file", "name an existing one with --config"),
            ErrorKind::InvalidData => ConfigError::about_file(file, "is not UTF-8 text", "save it as UTF-8"),
            _ => ConfigError::about_file(file, format!("cannot be read ({error})"), "make it readable, or name another with --config"),
        };
        Config::parse(&fs::read_to_string(file).map_err(unreadable)?, file)
    }

    /// Reads a text as if it stood in `file`, whose directory is where its relative paths begin.
    ///
    /// # Errors
    /// When the text is not JSON (with line and column), or a key is unknown or repeated, or a value has the wrong type
    /// or is out of range (with the key's full path).
    pub fn parse(text: &str, file: &Path) -> Result<Config, ConfigError> {
        let document = Node::parse(text, file)?;
        let base = file.parent().unwrap_or(Path::new(""));
        let mut fields = At::root(file, text, &document).fields()?;
        let standard = Config::default();

        let name = fields.get("name").as_ref().map(site_name).transpose()?;
        let data = fields.get("data").map(|at| at.text(DATA)).transpose()?;
        let listen = fields.get("listen").map(|at| Listen::read_all(&at, base)).transpose()?;
        let auth_required = fields.get("auth").map(|at| at.flag()).transpose()?.unwrap_or_default();
        let authby = fields.get("authby").map(|at| AuthBy::read_all(&at)).transpose()?.unwrap_or_default();
        let register = fields.get("register").map(|at| at.word(&membership::REGISTER)).transpose()?.unwrap_or_default();
        let names = fields.get("names").map(|at| Names::read(&at)).transpose()?.unwrap_or_default();
        let dialects = [("auto", Dialect::Auto), ("2018", Dialect::Draft2018), ("2020", Dialect::Draft2020)];
        let dialect = fields.get("dialect").map(|at| at.word(&dialects)).transpose()?.unwrap_or_default();
        let log = fields.get("log").map(|at| at.word(&LOG_LEVELS)).transpose()?;
        let formats = [("logfmt", LogFormat::Logfmt), ("json", LogFormat::Json)];
        let log_format = fields.get("log_format").map(|at| at.word(&formats)).transpose()?.unwrap_or_default();
        let metrics = fields.get("metrics").map(|at| Metrics::read(&at, base)).transpose()?.flatten();
        let limits = fields.get("limits").map(|at| Limits::read(&at)).transpose()?.unwrap_or_default();
        let ntp = fields.get("ntp").as_ref().map(pass_over_ntp).transpose()?;
        fields.finish()?;

        let ntp_remark =
            ntp.map(|()| Remark::info("ntp is not used: message ids go on from the log, so no time server is needed to start"));
        let remarks = ntp_remark.into_iter().chain(AuthBy::remarks(auth_required, &authby)).collect();
        Ok(Config {
            file: Some(file.to_path_buf()),
            name: name.unwrap_or(standard.name),
            data: below(base, data.unwrap_or(DEFAULT_DATA)),
            listen: listen.unwrap_or(standard.listen),
            auth_required,
            authby,
            register,
            names,
            dialect,
            log: log.unwrap_or(standard.log),
            log_format,
            metrics,
            limits,
            remarks,
        })
    }

    fn overrule(&mut self, overrides: &Overrides) -> Result<(), ConfigError> {
        if let Some(data) = &overrides.data {
            if data.as_os_str().is_empty() {
                return Err(ConfigError::new("command line", "--data is \"\", but must not be empty", "expected the path of a directory"));
            }
            self.data = data.clone();
        }
        if let Some(level) = overrides.log {
            self.log = level;
        }
        if !overrides.listen.is_empty() {
            let certificate = self.listen.first().and_then(|listen| listen.certificate.clone());
            let read = |text: &String| Listen::from_flag(text, certificate.clone());
            self.listen = overrides.listen.iter().map(read).collect::<Result<_, _>>()?;
        }
        Ok(())
    }

    /// Looks over what a program has put together, where a file would have been looked over as it was read: all that has a range.
    ///
    /// # Errors
    /// When a value is out of it.
    pub fn check(&self) -> Result<(), ConfigError> {
        read_as_in_file("name", &self.name.as_str().into(), site_name)?;
        read_as_in_file("data", &self.data.to_string_lossy().into(), |at| at.text(DATA).map(|_| ()))?;
        AuthBy::check(&self.authby)?;
        self.names.check()?;
        self.listen.iter().try_for_each(Listen::check)?;
        self.metrics.iter().try_for_each(Metrics::check)?;
        self.limits.check()
    }

    /// The same with its relative paths taken from the directory that `directory` tells. It is asked only where there are any, and for one
    /// of them.
    ///
    /// # Errors
    /// Those of `directory`.
    pub fn below<E>(mut self, directory: impl FnOnce(&Path) -> Result<PathBuf, E>) -> Result<Config, E> {
        let mut relative: Vec<&mut PathBuf> = self.paths_mut().filter(|path| path.is_relative()).collect();
        if let Some(first) = relative.first() {
            let directory = directory(first)?;
            relative.iter_mut().for_each(|path| **path = below(&directory, &**path));
        }
        Ok(self)
    }

    fn paths_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let listen = self.listen.iter_mut().flat_map(|Listen { unix, certificate, .. }| {
            let pair = certificate.iter_mut().flat_map(|CertificatePaths { chain, key }| [chain, key]);
            unix.iter_mut().chain(pair)
        });
        let metrics = self.metrics.iter_mut().filter_map(|metrics| match &mut metrics.place {
            MetricsPlace::Socket(path) => Some(path),
            MetricsPlace::Address(_) => None,
        });
        [&mut self.data].into_iter().chain(listen).chain(metrics)
    }

    /// Where this came from, for the log.
    pub fn origin(&self) -> String {
        self.file.as_ref().map_or("the built-in defaults".into(), |file| file.display().to_string())
    }
}

fn site_name(at: &At<'_>) -> Result<String, ConfigError> {
    let name = at.text("the site's name")?;
    if !is_site_name(name) {
        return Err(at.error(format_args!("is {}", node::quote(name)), SITE_NAME));
    }
    Ok(name.to_string())
}

fn is_site_name(name: &str) -> bool {
    name.len() <= NAME_MAX && !name.chars().any(char::is_control)
}

/// The Go server needed the time from outside for its ids. Checked all the same, so that a misspelling is told.
fn pass_over_ntp(at: &At<'_>) -> Result<(), ConfigError> {
    let mut fields = at.fields()?;
    if let Some(hosts) = fields.get("hosts") {
        hosts.items()?.iter().try_for_each(|host| host.any_text("a host name").map(|_| ()))?;
    }
    fields.get("retries").map(|at| at.integer(0..=u64::from(u32::MAX))).transpose()?;
    fields.finish()
}

/// Only a file that is not there is no file: one that may not be looked at must not be passed over in silence.
fn is_there(file: &Path) -> bool {
    !fs::symlink_metadata(file).is_err_and(|error| matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory))
}

/// A path as seen from `base`; an absolute one stays. `./` is dropped so that messages read well.
fn below(base: &Path, path: impl AsRef<Path>) -> PathBuf {
    let path = path.as_ref();
    let plain: PathBuf = path.components().filter(|part| *part != Component::CurDir).collect();
    let joined = base.join(plain);
    if joined.as_os_str().is_empty() { PathBuf::from(".") } else { joined }
}
