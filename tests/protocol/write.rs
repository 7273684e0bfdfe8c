//! For authors: fills in what the relay says.
//!
//! `bob <` stands for the next frame to bob, `bob > ....{...}` wants its length, `$bob.uid` and `$bob.node` are what bob registered
//! with, `$node` the newest secret of a node, `$code` the newest invite code, and `$last` the id of the newest message to that link.

use std::collections::BTreeMap;

use serde_json::Value;

use super::exact::{Script, Stage};
use super::example::{self, What, escape, parts};

/// The document with every frame of the relay as it comes.
pub(crate) fn rewrite(text: &str) -> String {
    let mut out = Vec::new();
    let mut lines = text.lines().enumerate().map(|(at, line)| (at + 1, line)).peekable();
    let mut author = Author { stage: Stage::new(), values: BTreeMap::new(), seed: 1 };
    while let Some((_, line)) = lines.next() {
        out.push(line.to_owned());
        if line != "```tmtp" {
            if line.starts_with("```") {
                out.extend(lines.by_ref().map(|(_, line)| line.to_owned()).take_while(|line| line != "```"));
                out.push("```".into());
            }
            continue;
        }
        while let Some((number, line)) = lines.next_if(|(_, line)| *line != "```") {
            let later = lines.clone().map(|(_, line)| line).take_while(|line| !line.starts_with("site "));
            out.push(author.line(number, line, later));
        }
        out.extend(author.stage.rest().into_iter().map(|(name, frame)| match frame {
            Some(frame) => format!("{name} < {}", escape(&frame)),
            None => format!("{name} is closed"),
        }));
        out.extend(lines.next().map(|(_, fence)| fence.to_owned()));
    }
    out.join("\n") + "\n"
}

struct Author {
    stage: Stage,
    values: BTreeMap<String, String>,
    seed: u64,
}

impl Author {
    fn line<'a>(&mut self, number: usize, line: &str, later: impl Iterator<Item = &'a str>) -> String {
        let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
        if !line.starts_with('#') && rest.starts_with('<') {
            let frame = match self.stage.next(name) {
                Ok(frame) => frame,
                Err(nothing) => return format!("# {name} gets {nothing}"),
            };
            self.note(name, &frame);
            return format!("{name} < {}", escape(&frame));
        }
        let mut line = line.to_owned();
        if let Some(octets) = rest.strip_prefix("> ") {
            let mut octets = octets.replace("$last", self.values.get(&format!("{name}.last")).map_or("$last", |id| id));
            self.values.iter().for_each(|(key, value)| octets = octets.replace(&format!("${key}"), value));
            if let Some(frame) = octets.strip_prefix("....") {
                let end = serde_json::Deserializer::from_str(frame).into_iter::<Value>();
                let mut values = end;
                values.next().expect("a header").unwrap_or_else(|error| panic!("line {number}: {error}"));
                octets = format!("{:04x}{frame}", values.byte_offset());
            }
            line = format!("{name} > {octets}");
        }
        let Some(what) = example::what(number, &line) else { return line };
        match &what {
            What::Site(config) => {
                let frames: Vec<Vec<u8>> = later
                    .filter(|line| {
                        line.contains(" < ") && line.split(' ').nth(1) == Some("<") && line.starts_with(|c: char| c.is_ascii_lowercase())
                    })
                    .filter_map(|line| match example::what(0, line) {
                        Some(What::Gets(_, octets)) => Some(octets),
                        _ => None,
                    })
                    .collect();
                self.seed += 1;
                self.values.clear();
                let mut script = Script::of(frames.iter().map(|frame| &frame[..]));
                script.seed = self.seed;
                self.stage.open_site(config, script);
            }
            What::At(date) => self.stage.put_clock(*date),
            What::Connects(name) => self.stage.connect(name),
            What::Sends(name, octets) => self.stage.send(name, octets),
            What::Gets(..) => unreachable!("taken above"),
            What::Closes(name) => self.stage.close(name),
            What::IsClosed(name) => {
                if let Err(other) = self.stage.is_closed(name) {
                    return format!("# {name} is not closed, but gets {other}");
                }
            }
        }
        line
    }

    fn note(&mut self, name: &str, frame: &[u8]) {
        let header: Value = serde_json::from_str(parts(frame).expect("a frame").header).expect("JSON");
        let mut put = |key: String, value: &Value| {
            if let Some(value) = value.as_str() {
                self.values.insert(key, value.to_owned());
            }
        };
        if header["op"] == "registered" {
            put(format!("{name}.uid"), &header["uid"]);
            put(format!("{name}.node"), &header["nodeid"]);
        }
        if header.get("headsum").is_some() {
            put(format!("{name}.last"), &header["id"]);
        }
        put("node".into(), &header["nodeid"]);
        put("code".into(), &header["list"][0]["code"]);
    }
}
