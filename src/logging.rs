//! The log of the program: one line for one event, on stderr, as logfmt or as JSON.
//!
//! What happened is `msg`, with whatever belongs to it as keys behind it: `link` is a connection's place and its number since the start,
//! `user` the first characters of a uid, `node` a device's number. No secret and nothing of a message's content is ever given to it. Where the system's
//! journal reads, each line begins with its priority, and the journal's own time is enough.
//!
//! Members can bring lines about as fast as they can log in and out. Of lines about links (those with the key `link`) only so many
//! are written in a while; how many were left out is told.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use env_logger::Builder;
use log::kv::{Error, Key, Value, VisitSource};
use log::{Level, LevelFilter, Record};
use time::OffsetDateTime;

use crate::config::LogFormat;
use crate::limits::{LOG_LINES_PER_PERIOD, LOG_PERIOD};

/// Begins to log. To be called once, by a program: whoever embeds the relay has a logger of its own.
pub fn begin(level: LevelFilter, format: LogFormat) {
    let style = Style { format, journal: is_journal() };
    let share = Mutex::new(Share::default());
    Builder::new()
        // What is let through is `log`'s own maximum, which can be changed while the relay runs.
        .filter_level(LevelFilter::Trace)
        .format(move |out, record| {
            let now = now();
            let left_out = match share.lock().unwrap_or_else(PoisonError::into_inner).admit(is_about_a_link(record), record.level(), now) {
                Admission::Refused => return Ok(()),
                Admission::Granted { left_out } => left_out,
            };
            if left_out > 0 {
                let sentence =
                    format_args!("{left_out} lines about links were left out, more than {LOG_LINES_PER_PERIOD} in {LOG_PERIOD:?}");
                writeln!(out, "{}", style.line(&Record::builder().level(Level::Warn).args(sentence).build(), now))?;
            }
            writeln!(out, "{}", style.line(record, now))
        })
        .init();
    log::set_max_level(level);
}

#[allow(clippy::disallowed_methods, reason = "a line says when it was written, whatever time the turn has")]
fn now() -> SystemTime {
    SystemTime::now()
}

/// Whether stderr is the system's journal: it says so itself.
fn is_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    rustix::fs::fstat(rustix::stdio::stderr()).is_ok_and(|stat| stream == format!("{}:{}", stat.st_dev, stat.st_ino))
}

fn is_about_a_link(record: &Record<'_>) -> bool {
    record.key_values().get(Key::from("link")).is_some()
}

/// How many lines about links may still be written.
#[derive(Debug, Default)]
struct Share {
    period: Option<SystemTime>,
    written: u32,
    left_out: u64,
}

#[derive(Debug, PartialEq, Eq)]
enum Admission {
    Refused,
    /// It may be written, after it was told how many were not.
    Granted {
        left_out: u64,
    },
}

impl Share {
    /// Who asks for `debug` or more wants all of them.
    fn admit(&mut self, about_a_link: bool, level: Level, now: SystemTime) -> Admission {
        let over = self.period.is_none_or(|begun| now.duration_since(begun).map_or(true, |age| age >= LOG_PERIOD));
        if over {
            (self.period, self.written) = (Some(now), 0);
        }
        if about_a_link && level <= Level::Info {
            if self.written >= LOG_LINES_PER_PERIOD {
                self.left_out += 1;
                return Admission::Refused;
            }
            self.written += 1;
        }
        let left_out = if over { std::mem::take(&mut self.left_out) } else { 0 };
        Admission::Granted { left_out }
    }
}

#[derive(Debug, Clone, Copy)]
struct Style {
    format: LogFormat,
    journal: bool,
}

impl Style {
    fn line(self, record: &Record<'_>, now: SystemTime) -> String {
        let mut line = Line { text: String::new(), json: self.format == LogFormat::Json, first: true };
        if self.journal {
            let _ = write!(line.text, "<{}>", priority(record.level()));
        }
        if line.json {
            line.text.push('{');
        }
        if !self.journal {
            line.text_field("time", &timestamp(now));
        }
        line.text_field("level", &record.level().as_str().to_ascii_lowercase());
        line.text_field("msg", &record.args().to_string());
        // It writes into a text, which does not fail.
        let _ = record.key_values().visit(&mut line);
        if line.json {
            line.text.push('}');
        }
        line.text
    }
}

/// As syslog numbers them, which the journal reads (sd-daemon(3)).
fn priority(level: Level) -> u8 {
    match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    }
}

fn timestamp(now: SystemTime) -> String {
    let time = OffsetDateTime::UNIX_EPOCH + now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let (date, (hour, minute, second, milli)) = (time.date(), time.time().as_hms_milli());
    format!("{:04}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z", date.year(), u8::from(date.month()), date.day())
}

/// A line in the making.
struct Line {
    text: String,
    json: bool,
    first: bool,
}

impl Line {
    fn text_field(&mut self, key: &str, value: &str) {
        self.key(key);
        if self.json || needs_quotes(value) {
            quote(&mut self.text, value);
        } else {
            self.text.push_str(value);
        }
    }

    fn key(&mut self, key: &str) {
        let between = if self.json { "," } else { " " };
        if !std::mem::take(&mut self.first) {
            self.text.push_str(between);
        }
        if self.json {
            quote(&mut self.text, key);
            self.text.push(':');
        } else {
            self.text.push_str(key);
            self.text.push('=');
        }
    }
}

impl<'kvs> VisitSource<'kvs> for Line {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        if let Some(number) = value.to_u64() {
            self.key(key.as_str());
            let _ = write!(self.text, "{number}");
        } else if let Some(flag) = value.to_bool() {
            self.key(key.as_str());
            let _ = write!(self.text, "{flag}");
        } else {
            self.text_field(key.as_str(), &value.to_string());
        }
        Ok(())
    }
}

fn needs_quotes(value: &str) -> bool {
    value.is_empty() || value.contains(|c: char| c == '"' || c == '=' || c == '\\' || c.is_whitespace() || c.is_control())
}

/// As a JSON string, which is what readers of logfmt take too. A line stays one line whatever is in it.
fn quote(out: &mut String, value: &str) {
    let text = serde_json::to_string(value).expect("a text can be written");
    for c in text.chars() {
        match c {
            // JSON lets these stand, and a terminal or a reader of lines may take them for more than they are.
            '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THEN: u64 = 1_795_651_200;

    fn at(millis: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(THEN) + Duration::from_millis(millis)
    }

    fn line(format: LogFormat, journal: bool, level: Level, msg: &str, keys: &[(&str, &str)]) -> String {
        let keys: Vec<(&str, &str)> = keys.to_vec();
        Style { format, journal }
            .line(&Record::builder().level(level).key_values(&keys.as_slice()).args(format_args!("{msg}")).build(), at(7))
    }

    #[test]
    fn an_event_is_one_line() {
        for (format, journal, level, msg, keys, expected) in [
            (LogFormat::Logfmt, false, Level::Info, "ready", &[][..], "time=2026-11-26T00:00:00.007Z level=info msg=ready"),
            (
                LogFormat::Logfmt,
                false,
                Level::Info,
                "logged in",
                &[("link", "3"), ("user", "N7NYNRCC")],
                "time=2026-11-26T00:00:00.007Z level=info msg=\"logged in\" link=3 user=N7NYNRCC",
            ),
            (LogFormat::Logfmt, true, Level::Warn, "a\nb \"c\" \u{1b}[2J\u{9b}", &[], r#"<4>level=warn msg="a\nb \"c\" \u001b[2J\u009b""#),
            (
                LogFormat::Json,
                false,
                Level::Error,
                "no = \"room\"",
                &[("disk", "")],
                r#"{"time":"2026-11-26T00:00:00.007Z","level":"error","msg":"no = \"room\"","disk":""}"#,
            ),
            (LogFormat::Json, true, Level::Debug, "x", &[], r#"<7>{"level":"debug","msg":"x"}"#),
        ] {
            assert_eq!(line(format, journal, level, msg, keys), expected);
        }
    }

    #[test]
    fn numbers_are_numbers() {
        let keys: &[(&str, u64)] = &[("link", 12)];
        let record = Record::builder().level(Level::Info).key_values(&keys).args(format_args!("x")).build();
        assert_eq!(Style { format: LogFormat::Json, journal: true }.line(&record, at(0)), r#"<6>{"level":"info","msg":"x","link":12}"#);
    }

    #[test]
    fn lines_about_links_have_a_share_and_others_none() {
        let mut share = Share::default();
        let granted = |left_out| Admission::Granted { left_out };
        for _ in 0..LOG_LINES_PER_PERIOD {
            assert_eq!(share.admit(true, Level::Info, at(0)), granted(0));
        }
        assert_eq!(share.admit(true, Level::Info, at(1)), Admission::Refused);
        assert_eq!(share.admit(true, Level::Warn, at(2)), Admission::Refused);
        assert_eq!(share.admit(true, Level::Debug, at(2)), granted(0), "who wants to see everything does");
        assert_eq!(share.admit(false, Level::Info, at(2)), granted(0));
        let later = 1 + LOG_PERIOD.as_millis() as u64;
        assert_eq!(share.admit(false, Level::Info, at(later)), granted(2), "what was left out is told");
        assert_eq!(share.admit(true, Level::Info, at(later)), granted(0));
        assert_eq!(share.admit(true, Level::Info, at(0)), granted(0), "a clock that is put back does not silence the log");
    }
}
