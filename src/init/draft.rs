//! What a site is to be: said by flags, answered, taken over from a configuration that is replaced, or by default. Whatever is set
//! is checked at once, as far as that changes nothing.

use std::path::{Component, Path, PathBuf};

use log::LevelFilter;

use crate::base::Wall;
use crate::certificate;
use crate::cli::Init;
use crate::config::{CertificatePaths, Config, ConfigError, DEFAULT_FILE, DataPlace, Listen, Overrides, SYSTEM_FILE};
use crate::record::Mode;
use crate::server::{Listeners, Refusal};

/// Where a relay keeps its data that this machine runs as a service.
const SYSTEM_DATA: &str = "/var/lib/mnm";
const PLACE: &str = "command line";

/// What a site is to be.
pub(super) struct Draft {
    /// Where the configuration is to be written.
    pub(super) file: PathBuf,
    pub(super) name: String,
    /// Never empty.
    pub(super) listen: Vec<String>,
    /// `None` for one that the relay makes itself.
    pub(super) certificate: Option<CertificatePaths>,
    /// As seen from the current directory.
    pub(super) data: PathBuf,
    pub(super) register: Mode,
    pub(super) metrics: Option<String>,
    pub(super) log: Option<LevelFilter>,
    /// What was said by flags, and need not be asked.
    pub(super) said: Said,
    /// What to tell though nothing is wrong.
    pub(super) notes: Vec<String>,
}

/// Which of the questions are answered by flags.
#[derive(Clone, Copy)]
pub(super) struct Said {
    pub(super) name: bool,
    pub(super) listen: bool,
    pub(super) certificate: bool,
    pub(super) data: bool,
}

impl Draft {
    /// What the flags say, over what the replaced file says, over the defaults.
    ///
    /// # Errors
    /// If there is a configuration that is not to be replaced, or a flag says what cannot be meant.
    pub(super) fn new(overrides: &Overrides, wishes: &Init, now: Wall) -> Result<Draft, ConfigError> {
        let file = overrides.config.clone().unwrap_or_else(|| DEFAULT_FILE.into());
        let is_there = std::fs::symlink_metadata(&file).is_ok();
        if is_there && !wishes.force {
            let kept = super::file::backup_of(&file);
            let cure = format!("give --force to replace it (it is kept as {}), or name another with --config", kept.display());
            return Err(ConfigError::about_file(&file, "is there already", cure));
        }
        let said = Said {
            name: wishes.name.is_some(),
            listen: !overrides.listen.is_empty(),
            certificate: wishes.cert.is_some(),
            data: overrides.data.is_some(),
        };
        let mut draft = Draft::by_default(file, said);
        if is_there {
            draft.take_over();
        }
        draft.obey(overrides, wishes, now)?;
        Ok(draft)
    }

    fn by_default(file: PathBuf, said: Said) -> Draft {
        let standard = Config::default();
        let beside = file.parent().unwrap_or(Path::new("")).join("data");
        let data = if is_system(&file) { SYSTEM_DATA.into() } else { beside };
        Draft {
            name: standard.name,
            listen: standard.listen.iter().map(Listen::address).collect(),
            certificate: None,
            data,
            register: Mode::Invite,
            metrics: None,
            log: None,
            said,
            notes: Vec::new(),
            file,
        }
    }

    /// What the file says that is replaced: or the accounts of a site would be lost sight of.
    fn take_over(&mut self) {
        match Config::read(&self.file) {
            Ok(old) => {
                self.name = old.name;
                self.certificate = old.listen.first().and_then(|listen| listen.certificate.clone());
                self.listen = old.listen.iter().map(Listen::address).collect();
                self.data = old.data;
            }
            Err(error) => self.notes.push(format!("nothing was taken over from the old configuration: {error}")),
        }
    }

    fn obey(&mut self, overrides: &Overrides, wishes: &Init, now: Wall) -> Result<(), ConfigError> {
        if let Some(name) = &wishes.name {
            self.set_name(name)?;
        }
        if self.said.listen {
            self.set_listen(&overrides.listen)?;
        }
        if let (Some(chain), Some(key)) = (&wishes.cert, &wishes.key) {
            self.set_certificate(Some(CertificatePaths { chain: chain.clone(), key: key.clone() }), now)?;
        }
        if let Some(data) = &overrides.data {
            self.set_data(data)?;
        }
        self.register = wishes.register.unwrap_or(self.register);
        self.metrics.clone_from(&wishes.metrics);
        self.log = overrides.log;
        Ok(())
    }

    /// # Errors
    /// If a site cannot be called that.
    pub(super) fn set_name(&mut self, name: &str) -> Result<(), ConfigError> {
        // The configuration's own reader judges; what it says of the place is nobody's file.
        let document = serde_json::json!({ "name": name }).to_string();
        let wrong = |error: ConfigError| {
            let (_, trouble) = error.trouble().split_once("name ").unwrap_or(("", error.trouble()));
            ConfigError::new(PLACE, format!("--name {trouble}"), error.cure())
        };
        Config::parse(&document, &self.file).map_err(wrong)?;
        self.name = name.to_owned();
        Ok(())
    }

    /// Binds the addresses for a moment. That another program listens there is no error: it may be the relay that this one replaces.
    ///
    /// # Errors
    /// If one is no address, or none of this machine's.
    pub(super) fn set_listen<T: AsRef<str>>(&mut self, addresses: &[T]) -> Result<(), ConfigError> {
        let entries = addresses.iter().map(|address| Listen::from_flag(address.as_ref(), None)).collect::<Result<Vec<_>, _>>()?;
        let mut listeners = Listeners::new(&entries);
        let mut taken = Vec::new();
        for (entry, listen) in entries.iter().enumerate() {
            match listeners.bind(entry) {
                Ok(()) => {}
                Err(Refusal::Absent(error) | Refusal::Unfit(error)) => return Err(error),
                Err(Refusal::Taken(_)) => taken.push(listen.address()),
            }
        }
        self.notes.extend(taken.iter().map(|address| {
            format!("another program listens on {address} at the moment; if it is not the relay that is to be started anew, stop it")
        }));
        self.listen = entries.iter().map(Listen::address).collect();
        Ok(())
    }

    /// # Errors
    /// If the files are no certificate and its key, or cannot be read.
    pub(super) fn set_certificate(&mut self, paths: Option<CertificatePaths>, now: Wall) -> Result<(), ConfigError> {
        if let Some(paths) = &paths {
            let certificate = certificate::load(paths, now)?;
            certificate.server_config()?;
            self.notes.extend(certificate.remarks.iter().map(ToString::to_string));
            if is_system(&self.file) && super::file::is_private(&paths.key) {
                let key = paths.key.display();
                self.notes.push(format!(
                    "{key}: only its owner can read the key, and the service runs as a user of its own: give the key to a group, and the \
                     group to the service (systemctl edit mnm: SupplementaryGroups=GROUP below [Service])"
                ));
            }
        }
        self.certificate = paths;
        Ok(())
    }

    /// # Errors
    /// If it is no directory, and cannot become one.
    pub(super) fn set_data(&mut self, data: &Path) -> Result<(), ConfigError> {
        let place = DataPlace::look(data)?;
        place.check_writable()?;
        self.notes.extend(place.remark().map(|remark| remark.to_string()));
        self.data = data.to_path_buf();
        Ok(())
    }

    /// The text of the configuration, and what it means to the relay.
    ///
    /// # Errors
    /// If the relay would not take it.
    pub(super) fn settle(&self) -> Result<(String, Config), ConfigError> {
        DataPlace::look(&self.data)?.check_writable()?;
        let text = self.text();
        let config = Config::parse(&text, &self.file)?;
        Ok((text, config))
    }

    /// The file: what one decides, with what it means. [`Config`] has the defaults of all else.
    fn text(&self) -> String {
        let mut out = String::from("{\n");
        let mut say = |key: &str, comment: &str, value: serde_json::Value| {
            let comment = serde_json::Value::from(comment);
            out.push_str(&format!("  \"#{key}\": {comment},\n  \"{key}\": {value},\n\n"));
        };
        say("name", "What this site calls itself to client programs.", self.name.as_str().into());
        let data = self.written(&self.data);
        say("data", "Where accounts, messages and the certificate are kept. Nobody else needs access to it.", data.into());
        let comment = "One address or a list of them; \":443\" means all interfaces. Without certPath and keyPath (both PEM) a self-signed \
                       certificate is made in the data directory.";
        say("listen", comment, self.listen_value());
        let comment = "Who may register: open (whoever wants to), invite (who has a code; mnm invite makes them) or closed (nobody).";
        say("register", comment, self.register.word().into());
        if let Some(metrics) = &self.metrics {
            say("metrics", "Where figures about the relay are told.", metrics.as_str().into());
        }
        if let Some(log) = self.log {
            say("log", "error, warn, info, debug or trace.", log.as_str().to_ascii_lowercase().into());
        }
        let more = "Written by mnm init. There are more options, among them names and limits: mnm.conf of the sources and of the package's \
                    documentation (/usr/share/doc/mnm/examples) shows all with their defaults. Relative paths start at this file.";
        out.push_str(&format!("  \"#\": {}\n}}\n", serde_json::Value::from(more)));
        out
    }

    fn listen_value(&self) -> serde_json::Value {
        let entry = |address: &String| {
            let mut entry = serde_json::json!({ "net": "tcp", "laddr": address });
            if let Some(CertificatePaths { chain, key }) = &self.certificate {
                entry["certPath"] = self.written(chain).into();
                entry["keyPath"] = self.written(key).into();
            }
            entry
        };
        match self.listen.as_slice() {
            [one] => entry(one),
            several => several.iter().map(entry).collect(),
        }
    }

    /// A path as it stands in the file, whose own directory is where relative ones start.
    fn written(&self, path: &Path) -> String {
        let base = self.file.parent().unwrap_or(Path::new(""));
        let below = path.strip_prefix(base).ok().filter(|rest| rest.is_relative() && rest.components().all(is_plain));
        let path = match below {
            Some(rest) => Path::new(".").join(rest.components().filter(|part| *part != Component::CurDir).collect::<PathBuf>()),
            None => std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()),
        };
        path.display().to_string()
    }
}

/// Nothing that leads out of where it starts.
fn is_plain(part: Component<'_>) -> bool {
    matches!(part, Component::Normal(_) | Component::CurDir)
}

/// Whether that is the configuration of the relay which this machine runs as a service.
pub(super) fn is_system(file: &Path) -> bool {
    file == Path::new(SYSTEM_FILE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Said = Said { name: false, listen: false, certificate: false, data: false };

    fn draft(file: &str) -> Draft {
        Draft::by_default(file.into(), NOTHING)
    }

    #[test]
    fn what_is_written_is_what_was_meant() {
        for (file, data, written) in [
            ("mnm.conf", "data", "./data"),
            ("./mnm.conf", "./data", "./data"),
            ("/etc/mnm/mnm.conf", "/var/lib/mnm", "/var/lib/mnm"),
            ("/srv/site/mnm.conf", "/srv/site/data/1", "./data/1"),
        ] {
            let mut draft = draft(file);
            draft.data = data.into();
            draft.name = "a \"site\" of ours \\ 語".into();
            assert_eq!(draft.written(&draft.data), written, "{file}");
            let config = Config::parse(&draft.text(), &draft.file).unwrap();
            assert_eq!((&config.name, std::path::absolute(&config.data).unwrap()), (&draft.name, std::path::absolute(data).unwrap()));
            assert_eq!(config.register, crate::config::Register::Invite);
            assert_eq!(config.listen, Config::default().listen);
        }
        // A file elsewhere, and data beside us: only the whole path means the same there.
        let mut elsewhere = draft("/etc/other/mnm.conf");
        elsewhere.data = "data".into();
        assert_eq!(elsewhere.written(&elsewhere.data), std::env::current_dir().unwrap().join("data").display().to_string());
        assert_eq!(draft("/etc/mnm/mnm.conf").data, Path::new("/var/lib/mnm"));
        assert_eq!(draft("/etc/other/mnm.conf").data, Path::new("/etc/other/data"));
    }

    #[test]
    fn addresses_and_their_certificate_are_written() {
        let mut draft = draft("mnm.conf");
        draft.listen = vec![":443".into(), "[::1]:8443".into()];
        draft.certificate = Some(CertificatePaths { chain: "tls/chain.pem".into(), key: "/etc/key.pem".into() });
        draft.register = Mode::Closed;
        draft.log = Some(LevelFilter::Debug);
        let config = Config::parse(&draft.text(), &draft.file).unwrap();
        assert_eq!(config.listen.iter().map(Listen::address).collect::<Vec<_>>(), draft.listen);
        assert!(config.listen.iter().all(|listen| listen.certificate == draft.certificate));
        assert_eq!((config.register, config.log), (crate::config::Register::Closed, LevelFilter::Debug));
    }

    #[test]
    fn figures_are_told_only_where_that_was_wanted() {
        let mut draft = draft("mnm.conf");
        assert!(!draft.text().contains("metrics"));
        draft.metrics = Some("127.0.0.1:9464".into());
        assert!(draft.text().contains("\n  \"metrics\": \"127.0.0.1:9464\",\n"), "{}", draft.text());
    }
}
