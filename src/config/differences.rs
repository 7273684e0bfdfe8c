//! What differs between two configurations, key by key: what a reload is about.

use super::{Config, Listen};

/// One key whose value differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Its full path, as the file has it.
    pub key: String,
    /// What it was, as text.
    pub from: String,
    /// What it is.
    pub to: String,
    /// Whether a relay that runs can take it: otherwise it wants a restart.
    pub live: bool,
}

impl Config {
    /// What differs in `newer`, in the order of the shipped file.
    pub fn differences(&self, newer: &Config) -> Vec<Difference> {
        let (old, new) = (self.entries(), newer.entries());
        let mut found: Vec<Difference> = Vec::new();
        for ((key, from, live), (_, to, _)) in old.into_iter().zip(new) {
            if from != to {
                found.push(Difference { key: key.to_owned(), from, to, live });
            }
        }
        found.extend(self.listen.iter().filter_map(|listen| certificate_difference(listen, &newer.listen)));
        found
    }

    /// Every key but those of certificates, with its value as text, and whether it can be changed while the relay runs.
    fn entries(&self) -> Vec<(&'static str, String, bool)> {
        // A key that is added to one of these must be added here: the compiler says so.
        let Config {
            file: _,
            name,
            data,
            listen,
            auth_required,
            authby,
            register,
            names,
            dialect,
            log,
            log_format,
            metrics,
            limits,
            remarks: _,
        } = self;
        let addresses: Vec<String> =
            listen.iter().map(|listen| format!("{}{}", listen.address(), if listen.tls { "" } else { " without TLS" })).collect();
        let mut entries = vec![
            ("name", name.clone(), true),
            ("data", data.display().to_string(), false),
            ("listen", addresses.join(", "), false),
            ("auth", auth_required.to_string(), true),
            ("authby", authby.iter().map(|by| format!("{by:?}")).collect::<Vec<_>>().join(", "), true),
            ("register", format!("{register:?}").to_lowercase(), true),
            ("names", format!("{names:?}"), true),
            ("dialect", format!("{dialect:?}"), true),
            ("log", log.to_string().to_lowercase(), true),
            ("metrics", metrics.as_ref().map(ToString::to_string).unwrap_or_default(), false),
            ("log_format", format!("{log_format:?}").to_lowercase(), false),
        ];
        entries.extend(limits.entries());
        entries
    }
}

fn certificate_difference(listen: &Listen, newer: &[Listen]) -> Option<Difference> {
    let other = newer.iter().find(|other| other.address() == listen.address())?;
    let paths = |listen: &Listen| match &listen.certificate {
        Some(paths) => format!("{} with {}", paths.chain.display(), paths.key.display()),
        None => "self-signed".to_owned(),
    };
    let key = format!("listen {}: certificate", listen.address());
    (listen.certificate != other.certificate).then(|| Difference { key, from: paths(listen), to: paths(other), live: true })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn config(text: &str) -> Config {
        Config::parse(text, Path::new("/etc/mnm/mnm.conf")).unwrap()
    }

    #[test]
    fn each_key_that_differs_is_named_and_no_other() {
        let old = config(r#"{"listen":[{"laddr":":1"},{"laddr":":2"}]}"#);
        for (text, expected) in [
            (r#"{"listen":[{"laddr":":1"},{"laddr":":2"}]}"#, &[][..]),
            (r#"{"listen":[{"laddr":":1"},{"laddr":":3"}]}"#, &[("listen", false)]),
            (r#"{"listen":[{"laddr":":1","certPath":"c","keyPath":"k"},{"laddr":":2"}]}"#, &[("listen :1: certificate", true)]),
            (
                r#"{"name":"x","listen":[{"laddr":":1"},{"laddr":":2"}],"log":"debug","data":"/d","log_format":"json"}"#,
                &[("name", true), ("data", false), ("log", true), ("log_format", false)],
            ),
            (
                r#"{"listen":[{"laddr":":1"},{"laddr":":2"}],"limits":{"links_max":7,"idle_timeout_s":1.5,"segment_bytes":8388608}}"#,
                &[("limits.links_max", true), ("limits.idle_timeout_s", true), ("limits.segment_bytes", false)],
            ),
        ] {
            let found = old.differences(&config(text));
            let told: Vec<(&str, bool)> = found.iter().map(|difference| (difference.key.as_str(), difference.live)).collect();
            assert_eq!(told, expected, "{text}");
        }
    }
}
