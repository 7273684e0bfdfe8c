//! What should come, and that nothing else does.

use super::*;

impl Run<'_> {
    pub(super) fn take(&mut self, name: &str, due: Value) -> Done {
        let frame = self.frame_from(name)?;
        let mut fit = self.fit();
        fit.fits(&due, &frame.head).map_err(|trouble| differs(name, &trouble, &canonical(&due), &frame))?;
        self.values = fit.values;
        Ok(())
    }

    pub(super) fn fit(&self) -> Fit {
        Fit { values: self.values.clone(), date: self.site.date(), slack: self.site.date_slack() }
    }

    pub(super) fn expect(&mut self, name: &str, frames: &[Expected]) -> Done {
        let mut due = frames.iter().map(|expected| self.due(expected)).collect::<Result<Vec<_>, _>>()?;
        while due.iter().any(|due| !due.maybe) {
            let frame = self.frame_from(name)?;
            self.meet(name, &mut due, &frame)?;
        }
        if due.is_empty() {
            return Ok(());
        }
        // What may come is what comes before the answer to a question that is asked now.
        let barrier = self.barrier(name)?;
        loop {
            let frame = self.frame_from(name)?;
            if frame.str("op") == "ack" && frame.str("id") == barrier {
                return Ok(());
            }
            self.meet(name, &mut due, &frame)?;
        }
    }

    pub(super) fn due(&self, expected: &Expected) -> Result<Due, String> {
        let head = shorthand(&expected.head, self.way.dialect)?;
        let head: Value = serde_json::from_str(&head).map_err(|error| format!("{error}: {head}"))?;
        let data = expected.data.as_deref().map(text::data).transpose()?;
        Ok(Due { line: expected.line, head, data, maybe: expected.maybe })
    }

    /// Takes the first that fits the frame from what is due.
    pub(super) fn meet(&mut self, name: &str, due: &mut Vec<Due>, frame: &Frame) -> Done {
        let mut first = None;
        for at in 0..due.len() {
            let mut fit = self.fit();
            let same = fit.fits(&due[at].head, &frame.head).and_then(|()| match &due[at].data {
                Some(data) if *data != frame.data => Err(format!("the data is {}", shown(&frame.data))),
                _ => Ok(()),
            });
            match same {
                Ok(()) => {
                    self.values = fit.values;
                    due.remove(at);
                    return Ok(());
                }
                Err(what) => {
                    first.get_or_insert_with(|| (due[at].line, differs(name, &what, &canonical(&due[at].head), frame)));
                }
            }
        }
        let (line, what) = first.unwrap_or_else(|| (self.line, format!("{name} got what was not due: {}", shown(&frame.text))));
        self.line = line;
        Err(what)
    }

    /// The link ends without another word; both times are since it has sent something.
    pub(super) fn closed(&mut self, name: &str, after: Option<f64>, within: Option<f64>) -> Done {
        let since = self.client(name)?.last_sent;
        match self.next(name, PATIENCE)? {
            Got::Frame(frame) => Err(format!("{name} should be closed and got {}", canonical(&frame.head))),
            Got::Nothing => Err(format!("{name} is still open after {PATIENCE:?}")),
            Got::Closed => {
                let took = (self.site.now() - since).as_secs_f64();
                match (after.filter(|after| took + CLOCK_SLACK < *after), within.filter(|within| took > *within)) {
                    (Some(after), _) => Err(format!("{name} was closed after {took:.3} s already, not {after} s")),
                    (_, Some(within)) => Err(format!("{name} was closed after {took:.3} s only, not within {within} s")),
                    (None, None) => Ok(()),
                }
            }
        }
    }

    /// The link ends, with this reason or without a word.
    pub(super) fn closed_saying(&mut self, name: &str, reason: &str) -> Done {
        match self.next(name, PATIENCE)? {
            Got::Closed => Ok(()),
            Got::Frame(frame) if frame.head == json!({"error": reason, "op": "quit"}) => self.closed(name, None, None),
            Got::Frame(frame) => Err(format!("{name} should be closed and got {}", canonical(&frame.head))),
            Got::Nothing => Err(format!("{name} is still open after {PATIENCE:?}")),
        }
    }

    /// Nothing more comes. A link that is logged in is asked; of others we can only wait.
    pub(super) fn idle(&mut self, name: &str, seconds: Option<f64>) -> Done {
        let logged_in = self.client(name)?.stage == Stage::LoggedIn;
        let wait = seconds.map(Duration::from_secs_f64).or((!logged_in).then_some(QUIET));
        if let Some(wait) = wait {
            match self.next(name, wait)? {
                Got::Nothing => {}
                Got::Closed => return Err(format!("{name} was closed; nothing was due")),
                Got::Frame(frame) => return Err(format!("{name} got what was not due: {}", shown(&frame.text))),
            }
        }
        if !logged_in {
            return Ok(());
        }
        let id = self.barrier(name)?;
        let frame = self.frame_from(name)?;
        if frame.str("op") == "ack" && frame.str("id") == id {
            Ok(())
        } else {
            Err(format!("{name} got what was not due: {}", shown(&frame.text)))
        }
    }

    /// Asks for all pages of a list; how many entries, none of them twice, and how many pages there are.
    pub(super) fn list(&mut self, name: &str, question: &str) -> Result<(usize, usize), String> {
        let question = self.filled(question)?;
        let question: Value = serde_json::from_str(&question).map_err(|error| error.to_string())?;
        let mut seen: Vec<Value> = Vec::new();
        let (mut pages, mut cursor) = (0, None);
        while pages == 0 || cursor.is_some() {
            let mut ask = question.clone();
            (ask["op"], ask["id"]) = (self.op("Ask").into(), format!("page {pages}").into());
            if let Some(cursor) = cursor {
                ask["cursor"] = cursor;
            }
            self.request(name, ask, b"")?;
            let frame = self.frame_from(name)?;
            let list =
                frame.head["list"].as_array().filter(|list| !list.is_empty()).ok_or_else(|| format!("not a page: {}", frame.head))?;
            if frame.str("id") != format!("page {pages}") || frame.head["what"] != question["what"] {
                return Err(format!("not the page that was asked for: {}", shown(&frame.text)));
            }
            if let Some(twice) = list.iter().find(|entry| seen.contains(entry)) {
                return Err(format!("it comes twice: {twice}"));
            }
            seen.extend(list.iter().cloned());
            cursor = frame.head.get("cursor").cloned();
            pages += 1;
        }
        Ok((seen.len(), pages))
    }

    /// Reads and acks whatever is there.
    pub(super) fn settle(&mut self, name: &str) -> Done {
        loop {
            let id = self.barrier(name)?;
            let mut messages = 0;
            loop {
                let frame = self.frame_from(name)?;
                match frame.str("op") {
                    "ack" if frame.str("id") == id => break,
                    "quit" => return Err(format!("{name} got {}", shown(&frame.text))),
                    "ack" if frame.head.get("error").is_some() => return Err(format!("{name} got {}", shown(&frame.text))),
                    _ if frame.is_message() => {
                        self.ack(name, frame.str("id"))?;
                        messages += 1;
                    }
                    _ => {}
                }
            }
            if messages == 0 {
                return Ok(());
            }
        }
    }
}
