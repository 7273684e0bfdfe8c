//! The relay locks itself in: once everything is open, the system lets it write below its data directory and nowhere else, read only what it
//! may have to read again, and neither listen nor connect anywhere (Landlock, landlock(7)).
//!
//! So a fault in whatever reads from strangers cannot be made use of to read the operator's files or to call home. A kernel without it is no
//! reason not to start, and is told; the unit that comes with the package does the same from outside, and more.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr,
    RulesetError, RulesetStatus,
};

use crate::config::{Config, MetricsPlace};

/// What the rules are written for: files (1), renames between directories (2), truncation (3), TCP (4). Older kernels hold what they know.
const KNOWN: ABI = ABI::V4;

/// What may be read besides the relay's own: names and time zones are looked up there, the process reads of itself, and a
/// static program has its randomness from a file.
const SYSTEM: [&str; 9] = ["/etc", "/proc", "/usr", "/lib", "/lib64", "/run/systemd/resolve", "/dev/null", "/dev/random", "/dev/urandom"];

/// Whether it is locked in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Confinement {
    in_force: bool,
}

impl Confinement {
    /// It is not.
    pub(super) fn none() -> Confinement {
        Confinement { in_force: false }
    }

    pub(super) fn is_in_force(self) -> bool {
        self.in_force
    }

    /// From here on, for this thread and those that it starts; there is no way back.
    pub(super) fn begin(config: &Config) -> Confinement {
        match lock(&config.data, &readable(config), &sockets(config)) {
            Ok(RulesetStatus::FullyEnforced) => {
                log::info!("confined by Landlock: writes below {} only, opens no connection", config.data.display());
                Confinement { in_force: true }
            }
            Ok(RulesetStatus::PartiallyEnforced) => {
                log::info!("confined by Landlock as far as this kernel knows it: writes below {} only", config.data.display());
                Confinement { in_force: true }
            }
            Ok(RulesetStatus::NotEnforced) => {
                log::info!("not confined: this kernel has no Landlock, or it is off");
                Confinement::none()
            }
            Err(error) => {
                log::warn!("not confined: {error}");
                Confinement::none()
            }
        }
    }
}

/// The directories of what a reload reads.
fn readable(config: &Config) -> BTreeSet<PathBuf> {
    let certificates = config.listen.iter().filter_map(|listen| listen.certificate.as_ref());
    let files = certificates.flat_map(|paths| [paths.chain.as_path(), paths.key.as_path()]).chain(config.file.as_deref());
    let mut directories: BTreeSet<PathBuf> = files.map(parent).collect();
    if config.file.is_none() {
        // Where the configuration would be looked for.
        directories.insert(PathBuf::from("."));
    }
    // An ACME client keeps its files elsewhere, and links to the newest; a configuration may be such a link, too.
    let real = |path: &Path| path.canonicalize().ok().map(|path| parent(&path));
    let targets: Vec<PathBuf> = config
        .listen
        .iter()
        .filter_map(|listen| listen.certificate.as_ref())
        .flat_map(|paths| [real(&paths.chain), real(&paths.key)])
        .chain([config.file.as_deref().and_then(real)])
        .flatten()
        .collect();
    directories.extend(targets);
    directories.extend(SYSTEM.iter().map(PathBuf::from));
    directories
}

/// The directories of sockets that are removed in the end.
fn sockets(config: &Config) -> BTreeSet<PathBuf> {
    let metrics = config.metrics.as_ref().and_then(|metrics| match &metrics.place {
        MetricsPlace::Socket(path) => Some(path.as_path()),
        MetricsPlace::Address(_) => None,
    });
    config.listen.iter().filter_map(|listen| listen.unix.as_deref()).chain(metrics).map(parent).collect()
}

fn parent(path: &Path) -> PathBuf {
    let parent = path.parent().unwrap_or(Path::new("/"));
    if parent.as_os_str().is_empty() { PathBuf::from(".") } else { parent.to_path_buf() }
}

fn lock(data: &Path, readable: &BTreeSet<PathBuf>, sockets: &BTreeSet<PathBuf>) -> Result<RulesetStatus, RulesetError> {
    let mut rules = Ruleset::default().handle_access(AccessFs::from_all(KNOWN))?.handle_access(AccessNet::from_all(KNOWN))?.create()?;
    rules = allow(rules, data, AccessFs::from_all(KNOWN) & !AccessFs::Execute)?;
    for path in readable {
        rules = allow(rules, path, AccessFs::from_read(KNOWN))?;
    }
    for path in sockets {
        rules = allow(rules, path, AccessFs::RemoveFile | AccessFs::MakeSock)?;
    }
    Ok(rules.restrict_self()?.ruleset)
}

/// What is not there needs no rule.
fn allow(rules: RulesetCreated, path: &Path, access: impl Into<BitFlags<AccessFs>>) -> Result<RulesetCreated, RulesetError> {
    // Of a file only what files have can be allowed.
    let access = if path.is_dir() { access.into() } else { access.into() & AccessFs::from_file(KNOWN) };
    match PathFd::new(path) {
        Ok(file) => rules.add_rule(PathBeneath::new(file, access)),
        Err(_) => Ok(rules),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::ErrorKind;
    use std::net::TcpListener;
    use std::thread;

    /// Confinement is a thread's, so that a test's own thread can try it.
    #[test]
    fn nothing_is_written_elsewhere_and_nobody_is_called() {
        let (data, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (inside, outside) = (data.path().join("a"), other.path().join("b"));
        fs::write(&outside, "secret").unwrap();
        // Of a site whose configuration is in the data directory.
        let config = Config { data: data.path().to_path_buf(), file: Some(data.path().join("mnm.conf")), ..Config::default() };
        let (data_path, outside_too) = (data.path().to_path_buf(), outside.clone());
        let tried = thread::spawn(move || {
            let status = lock(&data_path, &readable(&config), &BTreeSet::new()).unwrap();
            fs::write(&inside, "x").unwrap();
            fs::rename(&inside, data_path.join("c")).unwrap();
            fs::remove_file(data_path.join("c")).unwrap();
            let denied = |result: std::io::Result<()>| result.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied);
            let trials = [
                denied(fs::write(&outside_too, "y")),
                denied(fs::read(&outside_too).map(drop)),
                denied(fs::write("/etc/mnm-was-here", "z")),
                denied(TcpListener::bind("127.0.0.1:0").map(drop)),
            ];
            // The process reads of itself, and a static program has its randomness from a file.
            let needed = ["/etc/passwd", "/proc/self/statm", "/dev/null", "/dev/urandom", "/dev/random"];
            (status, needed.map(|path| fs::File::open(path).is_ok()), trials)
        });
        let (status, reads, trials) = tried.join().unwrap();
        match status {
            RulesetStatus::FullyEnforced => assert_eq!(trials, [true; 4], "{status:?}"),
            RulesetStatus::PartiallyEnforced => assert_eq!(trials[..3], [true; 3], "{status:?}"),
            RulesetStatus::NotEnforced => eprintln!("this kernel has no Landlock: nothing was tried"),
        }
        assert_eq!(reads, [true; 5]);
        assert_eq!(fs::read_to_string(outside).unwrap(), "secret");
    }
}
