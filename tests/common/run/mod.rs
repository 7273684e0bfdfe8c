//! Plays a transcript against a site, and watches what must hold in every one: that an id always means the same message,
//! that ids rise, that a link says nothing that was not expected.

mod cases;
mod expect;
mod fit;
mod people;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hasher};
use std::net::IpAddr;
use std::time::Duration;

use serde_json::{Value, json};

use super::frame::{Frame, Intake, canonical, decode, judge_code, write_time};
use super::site::{Link, Received, Site, Stop};
use super::text::{self, Later};
use super::transcript::{Dialect, Expected, Step, Template, Transcript, numbered, shorthand};
use fit::Fit;

/// How long to wait for what must come; generous, since the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long to wait for what must not come, where no request can prove it.
const QUIET: Duration = Duration::from_millis(60);
/// How much earlier than it should a timer may seem to fire, by the rounding of clocks.
const CLOCK_SLACK: f64 = 0.02;
/// How much of what went over the links a failure shows.
const TRACE: usize = 14;
/// How much of a frame is written octet by octet.
const OCTETS: usize = 700;

/// How what is sent is cut into writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pieces {
    /// Each frame is one write.
    Frames,
    /// Each octet is one write (of a long frame, its beginning).
    Octets,
    /// All that is sent on a link in a row is one write.
    Joined,
}

/// One way to play a transcript.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Way {
    pub(crate) dialect: Dialect,
    pub(crate) pieces: Pieces,
}

/// Plays a transcript.
pub(crate) fn play(transcript: &Transcript, site: &mut dyn Site, way: Way) -> Result<(), Failure> {
    let mut run = Run {
        site,
        way,
        line: 0,
        links: BTreeMap::new(),
        values: BTreeMap::new(),
        messages: BTreeMap::new(),
        highest: String::new(),
        codes: BTreeSet::new(),
        barriers: 0,
        trials: 0,
        trace: Vec::new(),
    };
    run.steps(transcript).map_err(|trouble| {
        let last = run.trace.len().saturating_sub(TRACE);
        let before = run.trace.split_off(last).join("\n    ");
        Failure { trouble: format!("line {}: {trouble}", run.line), before }
    })
}

/// Why a transcript does not hold.
pub(crate) struct Failure {
    /// The line, and what was wrong.
    pub(crate) trouble: String,
    /// What went over the links before.
    pub(crate) before: String,
}

/// How far a link has come, as its client sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Connected,
    Greeted,
    LoggedIn,
}

struct Client {
    link: Box<dyn Link>,
    intake: Intake,
    stage: Stage,
    /// Nobody looks at what else comes.
    ignored: bool,
    /// Written, but held back so that it goes in one piece.
    held: Vec<u8>,
    last_sent: Duration,
    /// Ids of messages that came on this link.
    seen: BTreeSet<String>,
    /// Posts whose note has come.
    notified: BTreeSet<String>,
    /// By sender, the latest id that came for the first time.
    latest: BTreeMap<String, String>,
    /// By request id, the highest message id anyone had seen when it was sent.
    floors: BTreeMap<String, String>,
    latest_posted: String,
}

enum Got {
    Frame(Frame),
    Closed,
    Nothing,
}

struct Run<'a> {
    site: &'a mut dyn Site,
    way: Way,
    line: usize,
    links: BTreeMap<String, Client>,
    values: BTreeMap<String, Value>,
    /// What each message id has meant: header, hash of the data.
    messages: BTreeMap<String, (String, u64)>,
    highest: String,
    /// Uids and nodeids that were given out.
    codes: BTreeSet<String>,
    barriers: u64,
    trials: u64,
    trace: Vec<String>,
}

type Done = Result<(), String>;

/// A frame that must come, or may.
struct Due {
    line: usize,
    head: Value,
    data: Option<Vec<u8>>,
    maybe: bool,
}

impl Run<'_> {
    fn steps(&mut self, transcript: &Transcript) -> Done {
        for (line, step) in &transcript.steps {
            self.line = *line;
            if !matches!(step, Step::Send { .. } | Step::Raw { .. }) {
                self.let_go(None);
            }
            self.step(step)?;
        }
        self.let_go(None);
        let open: Vec<String> = self.links.iter().filter(|(_, client)| !client.ignored).map(|(name, _)| name.clone()).collect();
        open.iter().try_for_each(|name| self.idle(name, None).map_err(|trouble| format!("at the end, {name}: {trouble}")))
    }

    fn step(&mut self, step: &Step) -> Done {
        match step {
            Step::Connect { link, from } => self.connect(link, *from),
            Step::Greet { link, from } => self.greet(link, *from),
            Step::Member { link, alias, code } => self.member(link, alias.as_deref(), code.as_deref()),
            Step::Login { link, of } => self.login(link, of),
            Step::Node { link, of } => self.node(link, of),
            Step::Group { gid, members } => self.group(gid, members),
            Step::Operator { command, answer } => self.operator(command, answer),
            Step::Send { link, frame } => {
                let bytes = self.frame(frame)?;
                self.note_request(link, &bytes)?;
                self.send(link, &bytes)
            }
            Step::Raw { link, bytes } => {
                let bytes = text::data(&self.filled(bytes)?)?;
                self.send(link, &bytes)
            }
            Step::Expect { link, frames } => self.expect(link, frames),
            Step::Closed { link, after, within } => self.closed(link, *after, *within),
            Step::ClosedSaying { link, reason } => self.closed_saying(link, reason),
            Step::Idle { link, seconds } => self.idle(link, *seconds),
            Step::Acks { link, ids } => ids.iter().try_for_each(|id| {
                let id = self.value(id)?.as_str().ok_or("not an id")?.to_string();
                self.ack(link, &id)
            }),
            Step::Lists { link, question, entries, pages } => match self.list(link, question)? {
                (count, on) if count != *entries || (*pages && on == 1) => Err(format!("{count} entries on {on} pages")),
                _ => Ok(()),
            },
            Step::Settle(link) => self.settle(link),
            Step::Quits(link) => {
                self.request(link, json!({"op": self.op("Quit")}), b"")?;
                self.take(link, json!({"error": "logout ok", "op": "quit"}))?;
                self.closed(link, None, None)
            }
            Step::Ignore(link) => {
                self.client(link)?.ignored = true;
                Ok(())
            }
            Step::Cut(link) => {
                self.gone(link)?.link.cut();
                Ok(())
            }
            Step::Close(link) => {
                self.gone(link)?.link.close();
                Ok(())
            }
            Step::Vanish(link) => {
                self.gone(link)?.link.vanish();
                Ok(())
            }
            Step::Pass(seconds) => {
                self.site.pass(Duration::from_secs_f64(*seconds));
                Ok(())
            }
            Step::Clock(seconds) => self.site.put_clock(*seconds),
            Step::Restart { kill } => {
                self.trace.push(if *kill { "killed" } else { "restarted" }.into());
                self.site.restart(if *kill { Stop::Kill } else { Stop::Clean })?;
                self.links.clear();
                Ok(())
            }
            Step::DataLacks(text) => self.data_lacks(text),
            Step::DataFilesNotNamed(text) => {
                let text = self.filled(text)?;
                match self.site.data().iter().find(|(name, _)| name.contains(&text)) {
                    Some((name, _)) => Err(format!("a file is named {name}")),
                    None => Ok(()),
                }
            }
            Step::DataShrinksBelow(size) => self.data_shrinks(*size),
            Step::LogSays(words) => {
                if self.site.log_says(words, PATIENCE) {
                    Ok(())
                } else {
                    Err(format!("the log does not say {words:?}"))
                }
            }
            Step::Cases(cases) => self.cases(cases),
        }
    }

    // ---- links ----

    fn client(&mut self, name: &str) -> Result<&mut Client, String> {
        self.links.get_mut(name).ok_or_else(|| format!("no link {name}"))
    }

    fn gone(&mut self, name: &str) -> Result<Client, String> {
        self.trace.push(format!("{name} goes"));
        self.links.remove(name).ok_or_else(|| format!("no link {name}"))
    }

    // ---- sending ----

    fn op(&self, name: &str) -> u64 {
        self.way.dialect.op(name).expect("every draft has it")
    }

    fn frame(&mut self, frame: &Template) -> Result<Vec<u8>, String> {
        let head = text::unescape(&self.filled(&numbered(&frame.head, self.way.dialect)?)?, false)?;
        let mut bytes = format!("{:04x}", head.len()).into_bytes();
        bytes.extend(head);
        bytes.extend(text::data(&frame.data)?);
        Ok(bytes)
    }

    fn request(&mut self, name: &str, head: Value, data: &[u8]) -> Done {
        let head = head.to_string();
        let bytes = [format!("{:04x}{head}", head.len()).as_bytes(), data].concat();
        self.note_request(name, &bytes)?;
        self.send(name, &bytes)
    }

    fn note_request(&mut self, name: &str, frame: &[u8]) -> Done {
        let highest = self.highest.clone();
        let id = request_id(frame);
        self.client(name)?.floors.extend(id.map(|id| (id, highest)));
        Ok(())
    }

    fn send(&mut self, name: &str, bytes: &[u8]) -> Done {
        self.let_go(Some(name));
        self.trace.push(format!("{name} > {}", shown(bytes)));
        let (now, pieces) = (self.site.now(), self.way.pieces);
        let client = self.client(name)?;
        client.last_sent = now;
        match pieces {
            Pieces::Frames => client.link.send(bytes),
            Pieces::Joined => client.held.extend_from_slice(bytes),
            Pieces::Octets => {
                let (octets, rest) = bytes.split_at(bytes.len().min(OCTETS));
                octets.chunks(1).chain(rest.chunks(10_000)).for_each(|piece| client.link.send(piece));
            }
        }
        Ok(())
    }

    /// Writes what was held back, but not for the link that goes on sending.
    fn let_go(&mut self, but: Option<&str>) {
        let now = self.site.now();
        for (_, client) in self.links.iter_mut().filter(|(name, client)| Some(name.as_str()) != but && !client.held.is_empty()) {
            client.link.send(&std::mem::take(&mut client.held));
            client.last_sent = now;
        }
    }

    fn ack(&mut self, name: &str, id: &str) -> Done {
        self.request(name, json!({"op": self.op("Ack"), "id": id, "type": "ok"}), b"")?;
        self.let_go(None);
        Ok(())
    }

    /// Asks for something that cannot be done, whose answer shows that everything before it is over.
    fn barrier(&mut self, name: &str) -> Result<String, String> {
        self.barriers += 1;
        let id = format!("barrier {}", self.barriers);
        let head = json!({"op": 7, "id": id, "for": [{"id": "nobody", "type": 1}], "datalen": 1});
        self.request(name, head, b"x")?;
        self.let_go(None);
        Ok(id)
    }

    // ---- receiving ----

    fn next(&mut self, name: &str, within: Duration) -> Result<Got, String> {
        self.let_go(None);
        let end = self.site.now() + within;
        loop {
            let left = end.saturating_sub(self.site.now());
            let date = self.site.date();
            let client = self.client(name)?;
            client.intake.date = Some(date);
            if let Some(frame) = client.intake.frame().map_err(|trouble| format!("{name} got what no client can read: {trouble}"))? {
                self.trace.push(format!("{name} < {}", shown(&[&frame.text[..], b" ", &frame.data[..]].concat())));
                self.witness(name, &frame).map_err(|trouble| format!("{name}: {trouble}: {}", canonical(&frame.head)))?;
                return Ok(Got::Frame(frame));
            }
            match client.link.receive(left) {
                Received::Record(record) => client.intake.record(&record),
                Received::Nothing => return Ok(Got::Nothing),
                Received::Closed if client.intake.rest().is_empty() => {
                    self.links.remove(name);
                    self.trace.push(format!("{name} < closed"));
                    return Ok(Got::Closed);
                }
                Received::Closed => return Err(format!("{name} was closed within a frame: {}", shown(client.intake.rest()))),
            }
        }
    }

    fn frame_from(&mut self, name: &str) -> Result<Frame, String> {
        match self.next(name, PATIENCE)? {
            Got::Frame(frame) => Ok(frame),
            Got::Closed => Err(format!("{name} was closed; a frame was due")),
            Got::Nothing => Err(format!("{name} got nothing within {PATIENCE:?}; a frame was due")),
        }
    }

    /// What holds for every frame, whatever the transcript is about.
    fn witness(&mut self, name: &str, frame: &Frame) -> Done {
        let op = frame.str("op").to_string();
        let client = self.links.get_mut(name).expect("it has just received");
        match op.as_str() {
            "tmtprev" => client.stage = Stage::Greeted,
            "info" => client.stage = Stage::LoggedIn,
            "registered" => {
                for (code, len) in [(frame.str("uid"), 32), (frame.str("nodeid"), 40)] {
                    judge_code(code, len)?;
                    if !self.codes.insert(code.into()) {
                        return Err(format!("{code} was given out before"));
                    }
                }
            }
            _ if frame.is_message() && client.stage != Stage::LoggedIn => return Err("a message before info".into()),
            _ => {}
        }
        if op == "ack" {
            let keys: Vec<&str> = frame.head.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect();
            let known = matches!(
                keys[..],
                ["id", "op"]
                    | ["error", "id", "op"]
                    | ["id", "msgid", "op", "posted"]
                    | ["full", "id", "msgid", "op", "posted"]
                    | ["full", "fullmore", "id", "msgid", "op", "posted"]
                    | ["fullmore", "id", "msgid", "op", "posted"]
            );
            if !known {
                return Err("an ack has id, and msgid with posted (and full, and fullmore), or error".into());
            }
            if frame.head.get("error").is_some_and(|error| error.as_str().is_none_or(str::is_empty)) {
                return Err("an error says nothing".into());
            }
            let id = frame.str("msgid").to_string();
            if !id.is_empty() {
                // What was written raw has no floor.
                let floor = client.floors.get(frame.str("id")).map_or("", String::as_str);
                if *id <= *floor || id <= client.latest_posted {
                    return Err(format!("a message id that does not rise (above {floor} and {})", client.latest_posted));
                }
                client.latest_posted.clone_from(&id);
                self.highest = self.highest.clone().max(id);
            }
        } else if frame.is_message() {
            let (id, from) = (frame.str("id").to_string(), frame.str("from").to_string());
            let mut hasher = DefaultHasher::new();
            hasher.write(&frame.data);
            let meaning = (canonical(&frame.head), hasher.finish());
            let known = self.messages.entry(id.clone()).or_insert_with(|| meaning.clone());
            if *known != meaning {
                return Err(format!("this id was another message before: {}", known.0));
            }
            client.notified.insert(frame.str("postid").into());
            let new = client.seen.insert(id.clone());
            if new && client.notified.contains(&id) {
                return Err("a delivery behind its own notify".into());
            }
            if new && op != "user" {
                let latest = client.latest.entry(from).or_default();
                if id <= *latest {
                    return Err(format!("the same sender's {latest} came before it"));
                }
                latest.clone_from(&id);
            }
            self.highest = self.highest.clone().max(id);
        }
        Ok(())
    }

    // ---- values ----

    fn value(&self, name: &str) -> Result<Value, String> {
        self.values.get(name).cloned().ok_or_else(|| format!("${name} is not known yet"))
    }

    /// A text with its `$names` and moments filled in, as they stand inside a JSON text.
    fn filled(&mut self, text: &str) -> Result<String, String> {
        let mut dated = String::new();
        let mut rest = text;
        while let Some((before, later, behind)) = Later::find(rest) {
            let text = match later {
                Later::Written { name, how } => written(self.value(name)?.as_str().ok_or("not a text")?, how),
                Later::Moment { name, seconds, offset } => {
                    let date = self.site.date() + (seconds * 1000.0).round() as i64;
                    let time = offset.map_or_else(|| Ok(write_time(date)), |offset| in_offset(date, offset))?;
                    self.values.extend(name.map(|name| (name.to_owned(), time.clone().into())));
                    time
                }
            };
            dated.extend([before, &text]);
            rest = behind;
        }
        dated.push_str(rest);
        let mut out = String::new();
        let mut rest = &dated[..];
        while let Some(at) = rest.find('$') {
            out.push_str(&rest[..at]);
            let name = variable(&rest[at + 1..]);
            if name.is_empty() {
                out.push('$');
            } else {
                let value = canonical(&self.value(name)?);
                out.push_str(value.trim_matches('"'));
            }
            rest = &rest[at + 1 + name.len()..];
        }
        Ok(out + rest)
    }

    // ---- data ----

    fn data_lacks(&mut self, text: &str) -> Done {
        let text = self.filled(text)?;
        let mut needles = vec![text.clone().into_bytes()];
        needles.extend(judge_code(&text, text.len()).is_ok().then(|| decode(&text)));
        for (name, content) in self.site.data() {
            if needles.iter().any(|needle| content.windows(needle.len()).any(|window| window == needle)) {
                return Err(format!("{name} contains {text}"));
            }
        }
        Ok(())
    }

    fn data_shrinks(&mut self, size: u64) -> Done {
        let end = self.site.now() + PATIENCE;
        while self.site.data_size() > size {
            if self.site.now() > end {
                return Err(format!("the data still takes {} octets", self.site.data_size()));
            }
            self.site.pass(Duration::from_millis(20));
        }
        Ok(())
    }
}

/// A code as somebody else might type it.
fn written(code: &str, how: &str) -> String {
    match how {
        "lower" => code.to_ascii_lowercase(),
        "bare" => code.replace('-', ""),
        _ => code.chars().flat_map(|c| [' ', c, '-']).collect(),
    }
}

/// A time with this offset from UTC, and more digits than the relay writes; or in whole seconds.
fn in_offset(date: i64, offset: &str) -> Result<String, String> {
    if offset == "seconds" {
        return Ok(write_time(date).split('.').next().unwrap_or_default().to_owned() + "Z");
    }
    let number = |range: std::ops::Range<usize>| offset.get(range).and_then(|digits| digits.parse::<i64>().ok());
    let (hours, minutes) = number(1..3).zip(number(4..6)).ok_or("an offset is +05:30")?;
    let by = (hours * 60 + minutes) * 60_000;
    let local = write_time(if offset.starts_with('-') { date - by } else { date + by });
    Ok(format!("{}456789{offset}", local.trim_end_matches('Z')))
}

/// The request's id as the relay must echo it; what serde_json cannot read, such as absurd numbers, is taken apart as text.
fn request_id(frame: &[u8]) -> Option<String> {
    let head = frame.get(4..)?;
    let id = |value: &Value| value.as_str().unwrap_or_default().to_string();
    match serde_json::Deserializer::from_slice(head).into_iter::<Value>().next()? {
        Ok(head) => {
            let fields = head.as_object()?.iter();
            fields.filter(|(key, _)| key.eq_ignore_ascii_case("id")).map(|(_, value)| id(value)).next_back()
        }
        Err(_) => {
            let head = std::str::from_utf8(head).ok()?;
            let fields = text::fields(&head[..text::value_end(head)?]).ok()?.into_iter();
            let value = fields.filter(|(key, _)| key.eq_ignore_ascii_case("id")).map(|(_, value)| value).next_back()?;
            serde_json::from_str(&value).ok().as_ref().map(id)
        }
    }
}

/// The name of a variable at the beginning of a text: `A`, `m1`, `A.uid`.
fn variable(text: &str) -> &str {
    if !text.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return "";
    }
    let word = |text: &str| text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len());
    let first = word(text);
    let second = text[first..].strip_prefix('.').map_or(0, word);
    if second > 0 { &text[..first + 1 + second] } else { &text[..first] }
}

fn differs(name: &str, trouble: &str, due: &str, frame: &Frame) -> String {
    format!("{name}: {trouble}\n    due:  {due}\n    came: {}", shown(&[&frame.text[..], b" ", &frame.data[..]].concat()))
}

/// Octets for a person.
fn shown(bytes: &[u8]) -> String {
    let text: String = bytes[..bytes.len().min(400)].escape_ascii().to_string().replace("\\\"", "\"");
    if bytes.len() > 400 { format!("{text}... ({} octets)", bytes.len()) } else { text }
}
