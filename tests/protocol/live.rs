//! The same examples against the real program, over TLS: with its ids, its times and its secrets in the place of the document's.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde_json::{Value, json};

use super::binder::Binder;
use super::example::{Block, What, escape, parts};
use crate::common::frame::{Frame, Intake};
use crate::common::process::Process;
use crate::common::site::{Link, Received, Site};

/// How long anything may take that must happen.
const PATIENCE: Duration = Duration::from_secs(20);

struct OpenLink {
    link: Box<dyn Link>,
    intake: Intake,
    /// Replies and messages keep their order each, and have none between them.
    replies: VecDeque<Frame>,
    messages: VecDeque<Frame>,
    is_member: bool,
}

impl OpenLink {
    /// The next frame of this kind.
    fn next(&mut self, is_message: bool) -> Result<Frame, String> {
        loop {
            let waiting = if is_message { &mut self.messages } else { &mut self.replies };
            if let Some(frame) = waiting.pop_front() {
                return Ok(frame);
            }
            if !self.take_in(PATIENCE)? {
                return Err("the end of the link".into());
            }
        }
    }

    /// Takes what comes next; whether the link is still there.
    fn take_in(&mut self, within: Duration) -> Result<bool, String> {
        match self.link.receive(within) {
            Received::Record(record) => self.intake.record(&record),
            Received::Closed => return Ok(false),
            Received::Nothing => return Err("nothing".into()),
        }
        while let Some(frame) = self.intake.frame()? {
            if frame.is_message() { self.messages.push_back(frame) } else { self.replies.push_back(frame) }
        }
        Ok(true)
    }

    /// The first frame that nobody waited for.
    fn surplus(&self) -> Option<String> {
        let first = self.replies.front().or(self.messages.front())?;
        Some(String::from_utf8_lossy(&first.text).into_owned())
    }

    /// Asks for what cannot be told, and waits for the answer: all that came before is here then.
    fn probe(&mut self) -> Result<(), String> {
        let header = r#"{"op":16,"id":"is that all?","what":"nothing"}"#;
        self.link.send(format!("{:04x}{header}", header.len()).as_bytes());
        loop {
            if let Some(at) = self.replies.iter().position(|frame| frame.str("id") == "is that all?") {
                self.replies.remove(at);
                return Ok(());
            }
            if !self.take_in(PATIENCE)? {
                return Err("the end of the link, and no line says so".into());
            }
        }
    }
}

/// Replays all blocks; says where the document and the program differ first.
pub(crate) fn replay(blocks: &[Block]) -> Result<(), String> {
    let mut stage = Stage { site: None, binder: Binder::default(), links: BTreeMap::new() };
    for block in blocks {
        let mut line = 0;
        for step in &block.steps {
            line = step.line;
            stage.play(&step.what).map_err(|what| format!("line {line}: {what}"))?;
        }
        stage.end_block().map_err(|what| format!("line {line}: the block ends: {what}"))?;
    }
    Ok(())
}

struct Stage {
    site: Option<Process>,
    binder: Binder,
    links: BTreeMap<String, OpenLink>,
}

impl Stage {
    fn play(&mut self, what: &What) -> Result<(), String> {
        match what {
            What::Site(config) => {
                self.links.clear();
                self.binder = Binder::default();
                self.site = Some(Process::start(config)?);
            }
            What::At(date) => {
                let real = self.site().date();
                self.binder.set_clock(date.millis() as i64, real);
            }
            What::Connects(name) => {
                let link = self.site().connect(None)?;
                let (replies, messages) = (VecDeque::new(), VecDeque::new());
                let link = OpenLink { link, intake: Intake::default(), replies, messages, is_member: false };
                if self.links.insert(name.clone(), link).is_some() {
                    return Err(format!("{name} has a link already"));
                }
            }
            What::Sends(name, octets) => {
                let octets = self.translate(octets);
                self.link(name)?.link.send(&octets);
            }
            What::Gets(name, due) => {
                let parts = parts(due).ok_or("that is no frame")?;
                let header: Value = serde_json::from_str(parts.header).map_err(|error| error.to_string())?;
                let link = self.link(name)?;
                let frame = link.next(header.get("headsum").is_some()).map_err(|what| format!("{name} gets {what}"))?;
                link.is_member |= header["op"] == "info";
                let met = self.binder.meet(&header, &frame.head, &frame.text);
                met.map_err(|what| format!("{name} gets\n  {}\n{what}", escape(&frame.text)))?;
                if frame.data != parts.data {
                    return Err(format!("{name} gets the data {}", escape(&frame.data)));
                }
            }
            What::Closes(name) => {
                self.link(name)?;
                self.links.remove(name).expect("it is there").link.close();
            }
            What::IsClosed(name) => {
                let link = self.link(name)?;
                while link.take_in(PATIENCE)? {}
                if let Some(frame) = link.surplus() {
                    return Err(format!("{name} gets {frame} before the end"));
                }
                self.links.remove(name);
            }
        }
        Ok(())
    }

    fn site(&mut self) -> &mut Process {
        self.site.as_mut().expect("the first line is `site`")
    }

    fn link(&mut self, name: &str) -> Result<&mut OpenLink, String> {
        self.links.get_mut(name).ok_or(format!("{name} is not connected"))
    }

    /// A client's octets, with what is bound in the place of the document's: all of it is as long as before.
    fn translate(&mut self, octets: &[u8]) -> Vec<u8> {
        let Some(parts) = parts(octets) else { return octets.to_vec() };
        let header = self.binder.translate(parts.header);
        assert_eq!(header.len(), parts.header.len(), "values are as long as those of the document");
        [parts.length.as_bytes(), header.as_bytes(), parts.data].concat()
    }

    /// Nothing has come that no line shows.
    fn end_block(&mut self) -> Result<(), String> {
        // Twice: a request that has no answer may have reached others behind the first round.
        for _ in 0..2 {
            for (name, link) in self.links.iter_mut().filter(|(_, link)| link.is_member) {
                link.probe().map_err(|what| format!("{name} gets {what}"))?;
            }
        }
        for (name, link) in &mut self.links {
            if !link.is_member && !matches!(link.link.receive(Duration::ZERO), Received::Nothing) {
                return Err(format!("{name} gets something besides"));
            }
            if let Some(frame) = link.surplus() {
                return Err(format!("{name} gets besides\n  {frame}"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::frame::canonical;

    #[test]
    fn values_are_bound_one_to_one() {
        let mut binder = Binder::default();
        binder.set_clock(0, 1_000_000_000_000);
        let text = |id: &str, error: &str| json!({"id": id, "error": error, "op": "ack"});
        let mut meet = |due: &Value, got: &Value| binder.meet(due, got, canonical(got).as_bytes());
        let (a, b, c) = ("00000000000000aa", "00000000000000bb", "00000000000000cc");
        meet(&text(a, "x"), &text(b, "x")).unwrap();
        meet(&text(a, "x"), &text(b, "x")).unwrap();
        assert!(meet(&text(a, "x"), &text(c, "x")).is_err(), "another real id");
        assert!(meet(&text(c, "x"), &text(b, "x")).is_err(), "another id of the document");
        assert!(meet(&text(a, "x"), &text(b, "y")).is_err(), "another text");
        meet(&text("1", a), &text("1", b)).unwrap();
        assert!(meet(&text("1", "x"), &text("2", "x")).is_err(), "what is no id is what it is");
    }
}
