//! Reads a transcript into steps. The format is described in `tests/transcripts/README.md`.

use std::fmt;
use std::net::IpAddr;

use serde_json::Value;

use super::text;

/// Which numbering of the ops a run uses, and what the relay is told about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// The relay finds out; the transcript uses the numbers of 2020.
    Auto,
    Draft2018,
    Draft2020,
}

impl Dialect {
    pub(crate) const ALL: [Dialect; 3] = [Dialect::Auto, Dialect::Draft2020, Dialect::Draft2018];

    /// As the configuration has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Dialect::Auto => "auto",
            Dialect::Draft2018 => "2018",
            Dialect::Draft2020 => "2020",
        }
    }

    /// The number of an op; `None` if this draft does not have it. Those of the extensions are the same in all.
    pub(crate) fn op(self, name: &str) -> Option<u64> {
        const FIRST_EXTENSION: u64 = 16;
        if let Some(number) = (FIRST_EXTENSION..).zip(["Ask", "Reach", "Cork", "Invite"]).find(|(_, known)| *known == name) {
            return Some(number.0);
        }
        let names = ["TmtpRev", "Register", "Login", "UserEdit", "OhiEdit", "GroupInvite", "GroupEdit", "Post"];
        let own: &[&str] = match self {
            Dialect::Draft2018 => &["Ping", "Ack", "Pulse", "Quit"],
            Dialect::Auto | Dialect::Draft2020 => &["PostNotify", "Ping", "Ack", "Pulse", "Quit"],
        };
        names.iter().chain(own).position(|known| *known == name).map(|number| number as u64)
    }
}

/// A whole file.
#[derive(Debug)]
pub(crate) struct Transcript {
    /// The first line: the rule in words.
    pub(crate) rule: String,
    pub(crate) dialects: Vec<Dialect>,
    /// Whether one run is enough: where time is what it is about.
    pub(crate) once: bool,
    /// Whether it is for the core alone, whose time flies: where hours or days are what it is about.
    pub(crate) core: bool,
    /// The relay is known to do otherwise, and how: it must fail.
    pub(crate) differs: Option<String>,
    pub(crate) config: Value,
    pub(crate) steps: Vec<(usize, Step)>,
}

/// One line, or one block.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Connect { link: String, from: Option<IpAddr> },
    Greet { link: String, from: Option<IpAddr> },
    Member { link: String, alias: Option<String>, code: Option<String> },
    Login { link: String, of: String },
    Node { link: String, of: String },
    Group { gid: String, members: Vec<String> },
    Operator { command: String, answer: String },
    Send { link: String, frame: Template },
    Raw { link: String, bytes: String },
    Expect { link: String, frames: Vec<Expected> },
    Closed { link: String, after: Option<f64>, within: Option<f64> },
    ClosedSaying { link: String, reason: String },
    Idle { link: String, seconds: Option<f64> },
    Acks { link: String, ids: Vec<String> },
    Lists { link: String, question: String, entries: usize, pages: bool },
    Settle(String),
    Quits(String),
    Ignore(String),
    Cut(String),
    Close(String),
    Vanish(String),
    Pass(f64),
    Clock(f64),
    Restart { kill: bool },
    DataLacks(String),
    DataFilesNotNamed(String),
    DataShrinksBelow(u64),
    LogSays(String),
    Cases(Cases),
}

/// What is sent: a header as it is written, and data.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    pub(crate) head: String,
    pub(crate) data: String,
}

/// What must come: a header, and data (`None`: any).
#[derive(Debug, Clone)]
pub(crate) struct Expected {
    pub(crate) line: usize,
    pub(crate) head: String,
    pub(crate) data: Option<String>,
    /// The protocol leaves open whether it comes.
    pub(crate) maybe: bool,
}

/// Many small trials, each on a link of its own.
#[derive(Debug, Clone)]
pub(crate) struct Cases {
    pub(crate) start: Start,
    pub(crate) cases: Vec<Case>,
}

/// How far a case's link has come when the trial begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    Connected,
    Greeted,
    Member,
}

#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) line: usize,
    /// Sent first, whatever its answer is.
    pub(crate) before: Option<Template>,
    pub(crate) sent: Sent,
    /// Any of these may be the answer.
    pub(crate) outcomes: Vec<Outcome>,
}

#[derive(Debug, Clone)]
pub(crate) enum Sent {
    Frame(Template),
    Raw(String),
}

/// How a trial ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// `quit` with this reason, and the end of the link.
    Quit(String),
    /// The end of the link without a word.
    Closed,
    /// An ack without error.
    Ack,
    /// The same with msgid and posted.
    AckPosted,
    /// An ack with an error, with this text if one is given; and nothing has happened.
    AckError(Option<String>),
    /// A reply of another op, then whatever follows it.
    Reply(String),
    /// Nothing comes, and the link goes on.
    Nothing,
}

/// What is wrong with a transcript, and where.
#[derive(Debug)]
pub(crate) struct Mistake {
    pub(crate) line: usize,
    pub(crate) what: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl Transcript {
    /// Reads a file's text.
    pub(crate) fn parse(file: &str) -> Result<Transcript, Mistake> {
        let rule = file.lines().next().and_then(|line| line.strip_prefix("# "));
        let rule = rule.ok_or(Mistake { line: 1, what: "the first line says the rule: `# ...`".into() })?.to_string();
        let dialects = Dialect::ALL.into();
        let mut transcript = Transcript { rule, dialects, once: false, core: false, differs: None, config: Value::Null, steps: Vec::new() };
        let lines = unrolled(file)?;
        let mut rest = &lines[..];
        while let Some((line, text)) = rest.first() {
            let block = rest[1..].iter().take_while(|(_, text)| text.starts_with(' ')).count();
            let step = transcript.line(*line, text, &rest[1..=block]).map_err(|mistake| match mistake {
                Mistake { line: 0, what } => Mistake { line: *line, what },
                mistake => mistake,
            })?;
            transcript.steps.extend(step.map(|step| (*line, step)));
            rest = &rest[1 + block..];
        }
        Ok(transcript)
    }

    fn line(&mut self, line: usize, text: &str, block: &[(usize, String)]) -> Result<Option<Step>, Mistake> {
        let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
        match first {
            "dialects" => {
                let named = |name: &str| Dialect::ALL.into_iter().find(|dialect| dialect.name() == name);
                self.dialects = rest.split(' ').map(named).collect::<Option<_>>().ok_or_else(|| wrong("auto, 2018 or 2020"))?;
            }
            "once" => self.once = true,
            "core" => self.core = true,
            "differs" => self.differs = Some(rest.into()),
            "config" => self.config = serde_json::from_str(rest).map_err(wrong)?,
            _ => {
                let step = if first == "cases" { Step::Cases(cases(rest, block)?) } else { step(line, first, rest, block)? };
                return Ok(Some(step));
            }
        }
        if block.is_empty() { Ok(None) } else { Err(wrong("nothing may be indented below this")) }
    }
}

/// A mistake in the line that is being read.
fn wrong(what: impl fmt::Display) -> Mistake {
    Mistake { line: 0, what: what.to_string() }
}

/// Lines that say something, with their numbers, `for` blocks and `${text*n}` written out.
fn unrolled(file: &str) -> Result<Vec<(usize, String)>, Mistake> {
    let mut out = Vec::new();
    let mut lines = file.lines().enumerate().map(|(at, text)| (at + 1, text)).filter(|(_, text)| {
        let text = text.trim_start();
        !text.is_empty() && !text.starts_with('#')
    });
    while let Some((line, text)) = lines.next() {
        let at = |what: String| Mistake { line, what };
        let Some(range) = text.strip_prefix("for i in ") else {
            out.push((line, text::unroll(text).map_err(at)?));
            continue;
        };
        let (from, to) = range.split_once("..").ok_or_else(|| at("for i in 1..20".into()))?;
        let number = |text: &str| text.parse::<u32>().map_err(|_| at("for i in 1..20".into()));
        let body: Vec<_> = lines.by_ref().take_while(|(_, text)| *text != "end").collect();
        for i in number(from)?..=number(to)? {
            for (line, text) in &body {
                let text = text.strip_prefix("  ").unwrap_or(text).replace("${i}", &i.to_string());
                out.push((*line, text::unroll(&text).map_err(|what| Mistake { line: *line, what })?));
            }
        }
    }
    Ok(out)
}

fn step(line: usize, first: &str, rest: &str, block: &[(usize, String)]) -> Result<Step, Mistake> {
    let (verb, object) = rest.split_once(' ').unwrap_or((rest, ""));
    let link = first.to_string();
    if verb == "<" && object == "in any order" {
        let frames = block.iter().map(|(line, text)| expected(*line, text.trim_start()));
        return Ok(Step::Expect { link, frames: frames.collect::<Result<_, _>>()? });
    }
    if !block.is_empty() {
        return Err(wrong("nothing may be indented below this"));
    }
    Ok(match (first, verb) {
        ("connect", link) => Step::Connect { link: link.into(), from: address(object)? },
        ("greet", link) => Step::Greet { link: link.into(), from: address(object)? },
        ("member", link) => {
            let (object, code) =
                object.rsplit_once("code $").map_or((object, None), |(object, code)| (object.trim_end(), Some(code.into())));
            let alias = object.strip_prefix("alias ").map(|alias| serde_json::from_str(alias).map_err(wrong));
            Step::Member { link: link.into(), alias: alias.transpose()?, code }
        }
        ("group", _) => {
            let (gid, members) = rest.rsplit_once(" of ").ok_or_else(|| wrong("group \"the group\" of A B C"))?;
            Step::Group { gid: serde_json::from_str(gid).map_err(wrong)?, members: members.split(' ').map(str::to_owned).collect() }
        }
        ("operator", _) => {
            let (command, answer) = rest.rsplit_once(" => ").ok_or_else(|| wrong("operator {...} => {...}"))?;
            for text in [command, answer] {
                serde_json::from_str::<Value>(text).map_err(wrong)?;
            }
            Step::Operator { command: command.into(), answer: answer.into() }
        }
        ("login", link) => Step::Login { link: link.into(), of: object.strip_prefix("as ").unwrap_or(link).into() },
        ("node", link) => Step::Node { link: link.into(), of: object.strip_prefix("of ").ok_or_else(|| wrong("node A2 of A"))?.into() },
        ("pass", seconds) => Step::Pass(number(seconds)?),
        ("clock", seconds) => Step::Clock(number(seconds)?),
        ("restart", _) => Step::Restart { kill: false },
        ("kill9", _) => Step::Restart { kill: true },
        ("data", "lacks") => Step::DataLacks(object.into()),
        ("data", "files") => {
            Step::DataFilesNotNamed(object.strip_prefix("not named ").ok_or_else(|| wrong("data files not named x"))?.into())
        }
        ("data", "shrinks") => {
            let size = object.strip_prefix("below ").and_then(|size| size.parse().ok());
            Step::DataShrinksBelow(size.ok_or_else(|| wrong("data shrinks below 1000000"))?)
        }
        ("log", "says") => Step::LogSays(object.into()),
        (_, ">" | ">!") => {
            let frame = template(object)?;
            if verb == ">" {
                lint(&frame).map_err(wrong)?;
            }
            Step::Send { link, frame }
        }
        (_, ">>") => Step::Raw { link, bytes: object.into() },
        (_, "<") if object.starts_with("closed saying ") => Step::ClosedSaying { link, reason: object["closed saying ".len()..].into() },
        (_, "<") if object.starts_with("closed") => {
            let mut words = object.split(' ').skip(1);
            let (mut after, mut within) = (None, None);
            while let Some(word) = words.next() {
                let seconds = Some(number(words.next().unwrap_or_default())?);
                match word {
                    "after" => after = seconds,
                    "within" => within = seconds,
                    _ => return Err(wrong("closed, closed after 0.5, closed within 2")),
                }
            }
            Step::Closed { link, after, within }
        }
        (_, "<") => Step::Expect { link, frames: vec![expected(line, object)?] },
        (_, "idle") => Step::Idle { link, seconds: (!object.is_empty()).then(|| number(object)).transpose()? },
        (_, "acks") => Step::Acks { link, ids: object.split(' ').map(|id| id.trim_start_matches('$').into()).collect() },
        (_, "lists" | "pages") => {
            let (question, entries) = object.rsplit_once(" => ").ok_or_else(|| wrong("A lists {...} => 1001"))?;
            serde_json::from_str::<Value>(question).map_err(wrong)?;
            Step::Lists { link, question: question.into(), entries: entries.parse().map_err(wrong)?, pages: verb == "pages" }
        }
        (_, "settle") => Step::Settle(link),
        (_, "quits") => Step::Quits(link),
        (_, "ignore") => Step::Ignore(link),
        (_, "cut") => Step::Cut(link),
        (_, "close") => Step::Close(link),
        (_, "vanish") => Step::Vanish(link),
        _ => return Err(wrong(format!("nothing known begins with `{first} {verb}`"))),
    })
}

/// `from 127.0.0.2`, or nothing.
fn address(text: &str) -> Result<Option<IpAddr>, Mistake> {
    match text.strip_prefix("from ") {
        Some(address) => address.parse().map(Some).map_err(wrong),
        None if text.is_empty() => Ok(None),
        None => Err(wrong("connect A, connect A from 127.0.0.2")),
    }
}

fn number(text: &str) -> Result<f64, Mistake> {
    text.parse().map_err(|_| wrong(format!("a number of seconds, not {text:?}")))
}

/// A header, and after one space data.
fn template(text: &str) -> Result<Template, Mistake> {
    let end = if text.starts_with('{') { text::value_end(text) } else { None };
    let (head, data) = text.split_at(end.unwrap_or(text.len()));
    if !data.is_empty() && !data.starts_with(' ') {
        return Err(wrong(format!("one space between header and data: {data:?}")));
    }
    text::data(data.get(1..).unwrap_or_default()).map_err(wrong)?;
    Ok(Template { head: head.into(), data: data.get(1..).unwrap_or_default().into() })
}

fn expected(line: usize, text: &str) -> Result<Expected, Mistake> {
    let (maybe, text) = text.strip_prefix("maybe ").map_or((false, text), |text| (true, text));
    let Template { head, data } = template(text).map_err(|mistake| Mistake { line, ..mistake })?;
    let at = |what: String| Mistake { line, what };
    let due: Value = serde_json::from_str(&shorthand(&head, Dialect::Draft2018).map_err(at)?).map_err(|error| at(error.to_string()))?;
    let data_len = due.get("datalen").and_then(Value::as_u64);
    if data != "*" && data_len.unwrap_or(0) != text::data(&data).map_err(at)?.len() as u64 {
        return Err(at("datalen does not fit the data".into()));
    }
    Ok(Expected { line, head, data: (data != "*").then_some(data), maybe })
}

/// What a sent frame must be so that the relay is not waiting for more: for those that were not meant to be wrong.
fn lint(frame: &Template) -> Result<(), String> {
    let known = Dialect::ALL.into_iter().find_map(|dialect| numbered(&frame.head, dialect).ok());
    let head = known.ok_or_else(|| format!("no draft has this op: {}", frame.head))?;
    let head = text::unescape(&head, false)?;
    let head: Value = serde_json::from_slice(&head).map_err(|error| format!("{error}: {}", frame.head))?;
    let len = |name: &str| {
        let fields = head.as_object().into_iter().flatten();
        fields.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_u64()).next_back().unwrap_or(Some(0))
    };
    let due = len("datalen").ok_or("datalen is no length")?;
    let data = text::data(&frame.data)?.len() as u64;
    if due == data { Ok(()) } else { Err(format!("datalen says {due}, the data has {data} octets (`>!` if that is meant)")) }
}

/// Puts numbers for the names of ops.
pub(crate) fn numbered(head: &str, dialect: Dialect) -> Result<String, String> {
    let lower = head.to_ascii_lowercase();
    let Some(at) = lower.find("\"op\":").map(|at| at + 5) else { return Ok(head.into()) };
    let name: &str = head[at..].split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    if !name.starts_with(|c: char| c.is_ascii_uppercase()) {
        return Ok(head.into());
    }
    let op = dialect.op(name).ok_or_else(|| format!("{} has no {name}", dialect.name()))?;
    Ok(format!("{}{op}{}", &head[..at], &head[at + name.len()..]))
}

/// Writes out `std(A,m)`, `posted(m)` and `if2018(m)` in an expected header.
pub(crate) fn shorthand(head: &str, dialect: Dialect) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = head;
    loop {
        let found = ["std(", "posted(", "if2018("].into_iter().filter_map(|name| Some((rest.find(name)?, name))).min();
        let Some((at, name)) = found else { return Ok(out + rest) };
        out.push_str(&rest[..at]);
        let inner = &rest[at + name.len()..];
        let end = inner.find(')').ok_or_else(|| format!("{name} without an end"))?;
        match (name, inner[..end].split_once(',')) {
            ("std(", Some((from, id))) => {
                out.push_str(&format!(r#""from":"${from}.uid","headsum":"*","id":"${id}","posted":"${id}.posted""#));
            }
            ("posted(", None) => out.push_str(&format!(r#""msgid":"${0}","posted":"${0}.posted""#, &inner[..end])),
            ("if2018(", None) if dialect == Dialect::Draft2018 => {
                out.push_str(&format!(r#","msgid":"${0}","posted":"${0}.posted""#, &inner[..end]));
            }
            ("if2018(", None) => {}
            _ => return Err(format!("std(A,m), posted(m) or if2018(m): {rest}")),
        }
        rest = &inner[end + 1..];
    }
}

/// A block of trials. `> frame => outcome`, `>> raw => outcome`, or mutations `field = value value => outcome` of the
/// frame in the last `of` line, each behind the frame of the last `after` line.
fn cases(start: &str, block: &[(usize, String)]) -> Result<Cases, Mistake> {
    let start = match start {
        "connected" => Start::Connected,
        "greeted" => Start::Greeted,
        "member" => Start::Member,
        _ => return Err(wrong("cases connected, greeted or member")),
    };
    let mut cases = Vec::new();
    let (mut base, mut before) = (None, None);
    for (line, text) in block {
        let at = |what: String| Mistake { line: *line, what };
        let text = text.trim_start();
        if let Some(frame) = text.strip_prefix("of ") {
            let frame = template(frame).map_err(|mistake| at(mistake.what))?;
            lint(&frame).map_err(at)?;
            base = Some(frame);
            continue;
        }
        if let Some(frame) = text.strip_prefix("after ") {
            before = if frame == "-" { None } else { Some(template(frame).map_err(|mistake| at(mistake.what))?) };
            before.as_ref().map_or(Ok(()), lint).map_err(at)?;
            continue;
        }
        let (trial, outcomes) = text.rsplit_once(" => ").ok_or_else(|| at("a case ends with ` => outcome`".into()))?;
        let outcomes = outcomes.split(" | ").map(outcome).collect::<Result<Vec<_>, _>>().map_err(at)?;
        let mut case = |sent| cases.push(Case { line: *line, before: before.clone(), sent, outcomes: outcomes.clone() });
        if let Some(raw) = trial.strip_prefix(">> ") {
            case(Sent::Raw(raw.into()));
        } else if let Some(frame) = trial.strip_prefix("> ") {
            case(Sent::Frame(template(frame).map_err(|mistake| at(mistake.what))?));
        } else {
            let base = base.as_ref().ok_or_else(|| at("a field without an `of` line above".into()))?;
            let (field, values) = trial.split_once(" = ").ok_or_else(|| at("field = value".into()))?;
            for value in text::words(values).map_err(at)? {
                case(Sent::Frame(mutated(base, field, value).map_err(at)?));
            }
        }
    }
    if cases.is_empty() { Err(wrong("no cases")) } else { Ok(Cases { start, cases }) }
}

/// A frame with one field set (`-`: taken away).
fn mutated(base: &Template, field: &str, value: &str) -> Result<Template, String> {
    let mut fields = text::fields(&base.head)?;
    let at = fields.iter().position(|(key, _)| key == field);
    match (at, value) {
        (Some(at), "-") => drop(fields.remove(at)),
        (None, "-") => return Err(format!("{field} is not there to be taken away")),
        (Some(at), value) => fields[at].1 = value.into(),
        (None, value) => fields.push((field.into(), value.into())),
    }
    Ok(Template { head: text::object(&fields), data: base.data.clone() })
}

fn outcome(text: &str) -> Result<Outcome, String> {
    Ok(match text {
        "closed" => Outcome::Closed,
        "nothing" => Outcome::Nothing,
        "ack" => Outcome::Ack,
        "ack posted" => Outcome::AckPosted,
        "ack error" => Outcome::AckError(None),
        "tmtprev" | "registered" | "info" | "result" => Outcome::Reply(text.into()),
        _ => match (text.strip_prefix("quit "), text.strip_prefix("ack error ")) {
            (Some(reason), _) => Outcome::Quit(reason.into()),
            (_, Some(error)) => Outcome::AckError(Some(error.into())),
            _ => return Err(format!("not an outcome: {text}")),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_found_without_a_relay() {
        for (file, what) in [
            ("member A", "the first line"),
            ("# x\nmember A\nA > {\"op\":Post,\"datalen\":3} four", "datalen says 3"),
            ("# x\nA > {\"op\":Pots}", "no draft has this op"),
            ("# x\nA < {\"op\":\"ack\",\"datalen\":3} four", "datalen does not fit"),
            ("# x\nA < {\"op\":ack}", "expected value"),
            ("# x\ncases member\n  > {\"op\":Post} => quti x", "not an outcome"),
            ("# x\ncases member\n  of {\"op\":Post}\n  id = - => ack", "taken away"),
            ("# x\nA jumps", "nothing known"),
        ] {
            let mistake = Transcript::parse(file).unwrap_err().to_string();
            assert!(mistake.contains(what), "{mistake}");
        }
    }

    #[test]
    fn mutations() {
        let file = "# x\ncases member\n  of {\"op\":Post,\"id\":\"a\",\"for\":[]}\n  id = - null \"b c\" => quit x | ack";
        let transcript = Transcript::parse(file).unwrap();
        let Some((_, Step::Cases(cases))) = transcript.steps.first() else { panic!("no cases") };
        let heads: Vec<_> = cases.cases.iter().map(|case| if let Sent::Frame(frame) = &case.sent { &frame.head[..] } else { "" }).collect();
        assert_eq!(heads, [r#"{"op":Post,"for":[]}"#, r#"{"op":Post,"id":null,"for":[]}"#, r#"{"op":Post,"id":"b c","for":[]}"#]);
        assert_eq!(numbered(heads[0], Dialect::Draft2018).unwrap(), r#"{"op":7,"for":[]}"#);
        assert_eq!(numbered(r#"{"op":Quit}"#, Dialect::Draft2018).unwrap(), r#"{"op":11}"#);
        assert_eq!(numbered(r#"{"op":Quit}"#, Dialect::Auto).unwrap(), r#"{"op":12}"#);
    }
}
