//! Blocks of cases: many small trials, each on a link of its own, all told in one report.

use serde_json::{Value, json};

use super::{Done, Got, PATIENCE, QUIET, Run, Stage, request_id, shown};
use crate::common::text::{self, is_like};
use crate::common::transcript::{Case, Cases, Outcome, Sent, Start};

impl Run<'_> {
    /// Plays all trials, so that one report shows every row that fails.
    pub(super) fn cases(&mut self, cases: &Cases) -> Done {
        let mut failures = Vec::new();
        for case in &cases.cases {
            self.line = case.line;
            self.trials += 1;
            let me = format!("case{}", self.trials);
            let result =
                self.begin(&me, cases.start, &format!("case {} of {}", self.trials, case.line)).and_then(|()| self.case(&me, case));
            if let Err(trouble) = result {
                let sent = self.trace.iter().rev().find(|line| line.starts_with(&format!("{me} > ")) && !line.contains("barrier"));
                failures.push(format!("line {}: {trouble}\n    after {}", case.line, sent.map_or("nothing", String::as_str)));
            }
            if let Some(client) = self.links.remove(&me) {
                client.link.close();
            }
        }
        if failures.is_empty() { Ok(()) } else { Err(format!("{} cases fail:\n  {}", failures.len(), failures.join("\n  "))) }
    }

    fn begin(&mut self, me: &str, start: Start, alias: &str) -> Done {
        for name in ["me.uid", "me.node", "me.alias"] {
            self.values.remove(name);
        }
        match start {
            Start::Connected => self.connect(me, None),
            Start::Greeted => self.greet(me, None),
            Start::Member => {
                self.member(me, Some(alias), None)?;
                self.values.insert("me.alias".into(), alias.into());
                for what in ["uid", "node"] {
                    let value = self.value(&format!("{me}.{what}"))?;
                    self.values.insert(format!("me.{what}"), value);
                }
                Ok(())
            }
        }
    }

    fn case(&mut self, me: &str, case: &Case) -> Done {
        if let Some(before) = &case.before {
            let bytes = self.frame(before)?;
            self.note_request(me, &bytes)?;
            self.send(me, &bytes)?;
            let id = self.barrier(me)?;
            while self.frame_from(me)?.str("id") != id {}
        }
        let (bytes, id) = match &case.sent {
            Sent::Frame(frame) => {
                let bytes = self.frame(frame)?;
                self.note_request(me, &bytes)?;
                let id = request_id(&bytes).unwrap_or_default();
                (bytes, id)
            }
            Sent::Raw(raw) => (text::data(&self.filled(raw)?)?, String::new()),
        };
        self.send(me, &bytes)?;
        self.let_go(None);
        let logged_in = self.client(me)?.stage == Stage::LoggedIn;
        let barrier = (case.outcomes.contains(&Outcome::Nothing) && logged_in).then(|| self.barrier(me)).transpose()?;
        let within = if case.outcomes.contains(&Outcome::Nothing) && !logged_in { QUIET } else { PATIENCE };
        let mut messages = 0;
        let outcome = loop {
            match self.next(me, within)? {
                Got::Nothing if within == PATIENCE => return Err("nothing came".into()),
                Got::Nothing => break Outcome::Nothing,
                Got::Closed => break Outcome::Closed,
                Got::Frame(frame) if frame.is_message() => messages += 1,
                Got::Frame(frame) if frame.str("op") == "quit" => {
                    self.fit().fits(&json!({"error": "*", "op": "quit"}), &frame.head)?;
                    break Outcome::Quit(frame.str("error").into());
                }
                Got::Frame(frame) if frame.str("op") == "ack" && Some(frame.str("id")) == barrier.as_deref() => break Outcome::Nothing,
                Got::Frame(frame) if frame.str("op") == "ack" => {
                    if frame.str("id") != id {
                        return Err(format!("an ack with another id: {}", shown(&frame.text)));
                    }
                    break match (frame.head.get("error").and_then(Value::as_str), frame.head.get("msgid")) {
                        (Some(error), _) => Outcome::AckError(Some(error.into())),
                        (None, Some(_)) => Outcome::AckPosted,
                        (None, None) => Outcome::Ack,
                    };
                }
                Got::Frame(frame) => break Outcome::Reply(frame.str("op").into()),
            }
        };
        if !case.outcomes.iter().any(|due| accepts(due, &outcome)) {
            return Err(format!("{outcome:?}, due {:?}", case.outcomes));
        }
        match outcome {
            Outcome::Quit(_) => self.closed(me, None, None),
            Outcome::AckError(_) | Outcome::Nothing if messages > 0 => Err("something happened all the same".into()),
            Outcome::AckError(_) => self.idle(me, None),
            Outcome::Ack | Outcome::AckPosted => self.settle(me),
            Outcome::Reply(op) if op == "registered" => {
                self.take(me, json!({"info": "login ok", "op": "info"}))?;
                self.settle(me)
            }
            Outcome::Closed | Outcome::Nothing | Outcome::Reply(_) => Ok(()),
        }
    }
}

fn accepts(due: &Outcome, got: &Outcome) -> bool {
    match (due, got) {
        (Outcome::Ack, Outcome::AckPosted) | (Outcome::AckError(None), Outcome::AckError(_)) => true,
        (Outcome::AckError(Some(due)), Outcome::AckError(Some(got))) => is_like(due, got),
        _ => due == got,
    }
}
