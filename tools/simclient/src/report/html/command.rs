//! The command line that repeats a test.

use crate::summary::Summary;

/// `simclient`, the scenario and every setting, quoted for a shell. A setting without a value is an option without one.
pub(super) fn command(summary: &Summary) -> String {
    let mut words = vec!["simclient".to_owned()];
    if !summary.scenario.is_empty() {
        words.push(quoted(&summary.scenario));
    }
    // Where the relay is shapes no test and so is no setting, but whoever repeats it wants to reach the same.
    if !summary.address.is_empty() && !summary.settings.contains_key("addr") {
        words.push(option("addr", &summary.address));
    }
    words.extend(summary.settings.iter().map(|(name, value)| option(name, value)));
    words.join(" ")
}

fn option(name: &str, value: &str) -> String {
    match value {
        "" => quoted(&format!("--{name}")),
        // Else it would be read as an option itself.
        _ if value.starts_with('-') => quoted(&format!("--{name}={value}")),
        _ => format!("{} {}", quoted(&format!("--{name}")), quoted(value)),
    }
}

/// The word as a POSIX shell takes it for one.
fn quoted(word: &str) -> String {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "-_./:=,@%+".contains(character);
    if !word.is_empty() && word.chars().all(is_plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_repeats_the_settings() {
        let settings = [("members", "100"), ("reconnect", ""), ("server-name", "it's here; rm *"), ("shift", "-5")];
        let summary = Summary {
            scenario: "pairs".to_owned(),
            address: "127.0.0.1:8443".to_owned(),
            settings: settings.map(|(option, value)| (option.to_owned(), value.to_owned())).into(),
            ..Summary::default()
        };
        assert_eq!(
            command(&summary),
            r"simclient pairs --addr 127.0.0.1:8443 --members 100 --reconnect --server-name 'it'\''s here; rm *' --shift=-5"
        );
        assert_eq!(command(&Summary::default()), "simclient");
    }
}
