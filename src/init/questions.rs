//! The few questions whose answers nobody else knows. What cannot be meant is told at once, and asked again.

use std::io::{self, Write};
use std::path::Path;

use super::Talk;
use super::draft::Draft;
use crate::base::Wall;
use crate::config::{CertificatePaths, ConfigError};

/// Asks for what no flag has said.
///
/// # Errors
/// If nobody answers any more.
pub(super) fn ask(draft: &mut Draft, mut talk: Talk<'_>, now: Wall) -> Result<(), ConfigError> {
    let talk = &mut talk;
    if !draft.said.name {
        let shown = draft.name.clone();
        question(talk, "What does the site call itself?", &shown, |answer| draft.set_name(answer))?;
    }
    if !draft.said.listen {
        let shown = draft.listen.join(" ");
        let text = "On which address does it listen? 127.0.0.1:8443 is for this machine alone, :443 for everybody.";
        question(talk, text, &shown, |answer| draft.set_listen(&answer.split_whitespace().collect::<Vec<_>>()))?;
    }
    if !draft.said.certificate {
        ask_certificate(draft, talk, now)?;
    }
    if !draft.said.data {
        let shown = draft.data.display().to_string();
        question(talk, "In which directory does it keep accounts and messages?", &shown, |answer| draft.set_data(Path::new(answer)))?;
    }
    Ok(())
}

fn ask_certificate(draft: &mut Draft, talk: &mut Talk<'_>, now: Wall) -> Result<(), ConfigError> {
    const SELF_SIGNED: &str = "self-signed";
    let shown = draft.certificate.as_ref().map_or(SELF_SIGNED.to_owned(), |paths| paths.chain.display().to_string());
    let text = "Which certificate (a PEM file) does it show? Without one it makes its own.";
    let before = draft.certificate.clone();
    // The file and its key are good or not together, so a wrong pair is asked for from the start.
    loop {
        let chain = hear(talk, text, &shown)?;
        let paths = match (chain.as_str(), &before) {
            (SELF_SIGNED, _) => None,
            (chain, Some(before)) if Path::new(chain) == before.chain => Some(before.clone()),
            (chain, _) => {
                let beside = Path::new(chain).with_extension("key").display().to_string();
                Some(CertificatePaths { chain: chain.into(), key: hear(talk, "Where is its private key?", &beside)?.into() })
            }
        };
        match draft.set_certificate(paths, now) {
            Ok(()) => return Ok(()),
            Err(error) => say(talk, &format!("{}\n", sentence(&error)))?,
        }
    }
}

fn question(
    talk: &mut Talk<'_>,
    text: &str,
    shown: &str,
    mut take: impl FnMut(&str) -> Result<(), ConfigError>,
) -> Result<(), ConfigError> {
    loop {
        match take(&hear(talk, text, shown)?) {
            Ok(()) => return Ok(()),
            Err(error) => say(talk, &format!("{}\n", sentence(&error)))?,
        }
    }
}

/// An answer; `shown` for an empty one.
fn hear(talk: &mut Talk<'_>, text: &str, shown: &str) -> Result<String, ConfigError> {
    say(talk, &format!("{text} [{shown}] "))?;
    let mut line = String::new();
    match talk.hear.read_line(&mut line) {
        Ok(0) => Err(unanswered("the questions were not answered")),
        Ok(_) => Ok(Some(line.trim()).filter(|line| !line.is_empty()).unwrap_or(shown).to_owned()),
        Err(error) => Err(unanswered(&format!("an answer cannot be read ({error})"))),
    }
}

fn say(talk: &mut Talk<'_>, text: &str) -> Result<(), ConfigError> {
    let said = |say: &mut dyn Write| -> io::Result<()> {
        say.write_all(text.as_bytes())?;
        say.flush()
    };
    said(talk.say).map_err(|error| unanswered(&format!("a question cannot be asked ({error})")))
}

fn unanswered(trouble: &str) -> ConfigError {
    ConfigError::new("mnm init", trouble, "answer them, or give --yes to take the defaults")
}

/// What is wrong with an answer: of a flag nobody has spoken.
fn sentence(error: &ConfigError) -> String {
    let flags = ["--name ", "--listen ", "--data "];
    match flags.iter().find_map(|flag| error.trouble().strip_prefix(flag)) {
        Some(trouble) => format!("That {trouble}; {}.", error.cure()),
        None => format!("{error}."),
    }
}
