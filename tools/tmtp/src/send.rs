//! `send`: a message, or one for each line.

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::time::Duration;

use mnm_client::{Ack, Recipient, request::RECIPIENTS_MAX};
use serde_json::json;

use crate::cli::Send;
use crate::home::Place;
use crate::profile::Profile;
use crate::session::{Purpose, Session};
use crate::source::{Data, Line, Lines, Source};
use crate::text::shown;
use crate::wake::Wake;
use crate::{Failure, out};

/// What recipients may have of a header's 64 KiB: as many uids as a post may name, and some groups.
const RECIPIENTS_SIZE_MAX: usize = 60_000;
/// What stands around each of them.
const AROUND: usize = 24;
/// What a character of a name may grow to when it is written as JSON.
const ESCAPED: usize = 6;
/// How often a link is looked after while no line comes; it looks after itself meanwhile.
const IDLE: Duration = Duration::from_secs(60);

/// To whom, and what.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Plan {
    uids: Vec<String>,
    groups: Vec<String>,
    source: Option<Source>,
}

pub(crate) fn send(place: &Place, timeout: Duration, args: &Send) -> Result<(), Failure> {
    let profile = Profile::load(place)?;
    let plan = plan(&profile, args, io::stdin().is_terminal())?;
    let mut recipients: Vec<Recipient<'_>> = plan.uids.iter().map(|uid| Recipient::user(uid)).collect();
    recipients.extend(plan.groups.iter().map(|gid| Recipient::group(gid)));
    let sizes = plan.uids.iter().map(|uid| uid.len() + AROUND).chain(plan.groups.iter().map(|gid| ESCAPED * gid.len() + AROUND));
    if recipients.len() > RECIPIENTS_MAX || sizes.sum::<usize>() > RECIPIENTS_SIZE_MAX {
        return Err(Failure::Usage("too many recipients for one message; send it in several".to_owned()));
    }
    match &plan.source {
        Some(source) => one(place, timeout, args, &recipients, source),
        None => lines(place, timeout, args, &recipients),
    }
}

/// The source is opened first: standard input may take its time, and a link should not wait for it.
fn one(place: &Place, timeout: Duration, args: &Send, to: &[Recipient<'_>], source: &Source) -> Result<(), Failure> {
    let data = source.open()?;
    let head = args.name.clone().or_else(|| source.name()).map(|name| head(&name));
    if data.is_empty() && head.is_none() {
        return Err(Failure::Usage("nothing to send: a message needs at least one octet".to_owned()));
    }
    let mut session = Session::open(place, Purpose::Request, timeout, None)?;
    let posted = match data {
        Data::Memory(octets) => session.client.post(to, head.as_deref(), &octets[..]),
        Data::File(file) => session.client.post(to, head.as_deref(), file),
    };
    let ack = posted.map_err(|e| session.failure(e))?;
    session.close();
    tell(&ack, args.json.json)
}

fn lines(place: &Place, timeout: Duration, args: &Send, to: &[Recipient<'_>]) -> Result<(), Failure> {
    let head = args.name.as_deref().map(head);
    let mut session = Session::open(place, Purpose::Request, timeout, None)?;
    let wake = Wake::new()?;
    let lines = Lines::read(wake.bell());
    let mut number = 0u64;
    loop {
        // Before looking: what rings after this is seen by the next look or wakes.
        wake.hush();
        match lines.next()? {
            Line::End => break,
            Line::NotYet => session.client.tend_until(wake.fd(), IDLE).map_err(|e| session.failure(e))?,
            Line::Next(line) => {
                number += 1;
                if line.is_empty() {
                    continue;
                }
                let ack = session.client.post(to, head.as_deref(), &line[..]).map_err(|e| at_line(number, session.failure(e)))?;
                tell(&ack, args.json.json)?;
            }
        }
    }
    session.close();
    Ok(())
}

fn at_line(number: u64, failure: Failure) -> Failure {
    match failure {
        Failure::Refused(text) => Failure::Refused(format!("line {number}, and nothing after it was sent: {text}")),
        Failure::Unreachable(text) => Failure::Unreachable(format!("line {number}, and nothing after it was sent: {text}")),
        other => other,
    }
}

/// What the relay said of a message that it took.
pub(crate) fn tell(ack: &Ack, as_json: bool) -> Result<(), Failure> {
    if !ack.full.is_empty() || ack.full_more > 0 {
        let mut named: Vec<String> = ack.full.iter().map(|alias| shown(alias)).collect();
        if ack.full_more > 0 {
            named.push(format!("{} more", ack.full_more));
        }
        out::note(format_args!("these members miss it, since their queues are full: {}", named.join(", ")));
    }
    if as_json {
        return out::json(&json!({"msgid": ack.msg_id, "posted": ack.posted, "full": ack.full, "fullmore": ack.full_more}));
    }
    out::line(ack.msg_id.as_deref().unwrap_or(""))
}

/// The secondary header that tells a recipient's tmtp a file's name.
fn head(name: &str) -> String {
    json!({"tmtp": {"name": name}}).to_string()
}

/// Sorts the arguments: who is it for, and what is to be sent. `None` as the source: each line of standard input.
fn plan(profile: &Profile, args: &Send, at_terminal: bool) -> Result<Plan, Failure> {
    let mut who = args.who.clone();
    let source = match (&args.message, &args.file, args.lines) {
        (Some(text), _, _) => Some(Source::Text(text.clone())),
        (None, Some(path), _) => Some(Source::File(path.clone())),
        (None, None, true) => {
            who.pop_if(|last| last == "-");
            None
        }
        (None, None, false) => Some(last_argument(profile, &mut who, !args.groups.is_empty(), at_terminal)?),
    };
    if who.is_empty() && args.groups.is_empty() {
        return Err(Failure::Usage("for whom? name a contact, a uid or a --group".to_owned()));
    }
    let uids = who.iter().map(|who| profile.uid_of(who).ok_or_else(|| unknown(who))).collect::<Result<_, _>>()?;
    Ok(Plan { uids, groups: args.groups.clone(), source })
}

fn last_argument(profile: &Profile, who: &mut Vec<String>, has_group: bool, at_terminal: bool) -> Result<Source, Failure> {
    if who.pop_if(|last| last == "-").is_some() {
        return Ok(Source::Stdin);
    }
    // With nobody else to send it to, a last argument that nobody knows was meant for somebody.
    if (who.len() > 1 || has_group)
        && let Some(file) = who.pop_if(|last| profile.uid_of(last).is_none())
    {
        return Ok(Source::File(PathBuf::from(file)));
    }
    if at_terminal {
        return Err(Failure::Usage("what? name a file, a text with -m, or - for standard input".to_owned()));
    }
    Ok(Source::Stdin)
}

fn unknown(who: &str) -> Failure {
    let who = shown(who);
    Failure::Usage(format!(
        "{who}: neither a contact nor a uid; `tmtp who` lists contacts, `tmtp who add NAME UID` adds one, and `tmtp ping {who:?}` reaches an alias"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Parser;
    use crate::cli::{Cli, Command};
    use crate::profile::KeptTrust;

    const BOB: &str = "D%QWS5SM9Y6XM1HZFYN4J9X6CJ%6YBT1";

    fn planned(line: &[&str]) -> Result<Plan, Failure> {
        let account = mnm_client::Account { uid: "%".repeat(32), node: "%".repeat(40) };
        let mut profile = Profile::new("h:1", KeptTrust::System, "mnm", account, "");
        profile.contacts.insert("bob".to_owned(), BOB.to_owned());
        let Command::Send(args) = Cli::try_parse_from([&["tmtp", "send"], line].concat()).unwrap().command else { panic!() };
        plan(&profile, &args, false)
    }

    #[test]
    fn the_last_argument_is_the_file_unless_it_is_somebody() {
        let file = |path: &str| Some(Source::File(PathBuf::from(path)));
        for (line, people, source) in [
            (&["bob", "a.pdf"][..], 1, file("a.pdf")),
            (&["bob", BOB], 2, Some(Source::Stdin)),
            (&["bob", "-"], 1, Some(Source::Stdin)),
            (&["bob"], 1, Some(Source::Stdin)),
            (&["--group", "wonderland", "a.pdf"], 0, file("a.pdf")),
            (&["--group", "wonderland", "bob"], 1, Some(Source::Stdin)),
            (&["bob", "-m", "-x"], 1, Some(Source::Text("-x".to_owned()))),
            (&["bob", "-f", "bob"], 1, file("bob")),
            (&["bob", "--lines"], 1, None),
            (&["bob", "-", "--many"], 1, None),
        ] {
            let plan = planned(line).unwrap();
            assert_eq!((plan.uids.len(), plan.source), (people, source), "{line:?}");
        }
        for line in [&["-m", "x"][..], &["eve"], &["eve", "-m", "x"], &["-"], &["eve", "a.pdf"]] {
            assert!(matches!(planned(line), Err(Failure::Usage(_))), "{line:?}");
        }
    }
}
