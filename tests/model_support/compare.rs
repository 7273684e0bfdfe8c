//! What came on each link is what the model predicts for it.

use super::*;

impl World {
    /// What came since somebody last looked is what the model says.
    pub(super) fn compare(&mut self, step: &str) {
        let _ = writeln!(self.log, "{step}");
        let mut predicted = std::mem::take(&mut self.model.sent);
        let links: Vec<(NodeNo, LinkId)> = self.links.iter().map(|(node, link)| (*node, *link)).collect();
        for (node, link) in links {
            let came = self.core().take(link);
            let predicted = predicted.remove(&node).unwrap_or_default();
            if let Err(trouble) = self.compare_link(came.clone(), predicted.clone()) {
                let mut what = format!("node {node}: {trouble}\npredicted:\n");
                for out in &predicted {
                    let _ = match out {
                        Out::Message(message) => writeln!(what, "  message {message} {}", self.model.messages[*message].header),
                        other => writeln!(what, "  {other:?}"),
                    };
                }
                what += "came:\n";
                came.iter().for_each(|frame| _ = writeln!(what, "  {} + {} octets", frame.header, frame.data.len()));
                self.fail(&what);
            }
            if self.core().closed.contains(&link) {
                self.fail(&format!("node {node}: its link was closed"));
            }
        }
        if !predicted.is_empty() {
            self.fail(&format!("the model sends to who is not there: {predicted:?}"));
        }
        let ended = self.ended.clone();
        if let Some((link, frames)) = self.core().sent.iter().find(|(link, _)| ended.contains(link)) {
            let what = format!("{link:?} has ended and gets {frames:?}");
            self.fail(&what);
        }
    }

    pub(super) fn compare_link(&mut self, came: Vec<Frame>, predicted: Vec<Out>) -> Result<(), String> {
        let begins: Vec<&str> = came.iter().map(|frame| frame.text("op")).take(2).collect();
        if predicted.iter().any(|out| matches!(out, Out::Plain(header) if header["op"] == "info")) && begins != ["tmtprev", "info"] {
            return Err("`tmtprev` and `info` come before everything".to_owned());
        }
        let (mut messages, mut others): (Vec<Frame>, Vec<Frame>) =
            came.into_iter().partition(|frame| frame.header.get("headsum").is_some());
        let mut due = Vec::new();
        for out in &predicted {
            if let Out::Message(message) = out {
                due.push(*message);
                continue;
            }
            let Some(at) = others.iter().position(|frame| frame.data.is_empty() && self.is(out, frame.header.clone())) else {
                return Err(format!("{out:?} did not come"));
            };
            let frame = others.remove(at);
            if let Out::Ack { outcome: Ok(Done { message: Some(message), .. }), .. } = out {
                self.stamp(*message, &frame.header["msgid"], &frame.header["posted"], None)?;
            }
        }
        if let Some(frame) = others.first() {
            return Err(format!("{} came and was not predicted", frame.header));
        }
        // When messages are delivered again on the same link, the `user` messages may come first as they did in the queue, or
        // where they were the first time: both keep each sender's order. New ones are sorted so already.
        if due.iter().any(|message| self.stamps.contains_key(message)) {
            messages.sort_by_key(|frame| frame.header["op"] != "user");
            due.sort_by_key(|message| self.model.messages[*message].header["op"] != "user");
        }
        if messages.len() != due.len() {
            return Err(format!("{} messages came, {} were predicted", messages.len(), due.len()));
        }
        due.into_iter().zip(messages).try_for_each(|(message, frame)| self.compare_message(message, frame))
    }

    /// Whether a frame without date is the predicted one.
    pub(super) fn is(&self, out: &Out, mut header: Value) -> bool {
        match out {
            Out::Plain(predicted) => {
                if let Some(list) = header.get_mut("ohi").and_then(Value::as_array_mut) {
                    list.sort_by_key(|uid| self.model.users.iter().position(|user| user.uid == uid.as_str().unwrap_or("")));
                }
                header == *predicted
            }
            Out::Ack { id, outcome: Ok(Done { result: Some(listing), .. }) } => {
                header["op"] == "result" && header["id"] == **id && header["what"] == *listing.what && self.is_listing(&header, listing)
            }
            Out::Ack { id, outcome } => {
                let full = outcome.as_ref().map(|done| &done.full[..]).unwrap_or_default();
                let hidden = full.iter().filter(|aliases| aliases.is_empty()).count();
                let mut comes = |key: &str| header.as_object_mut().and_then(|map| map.remove(key)).is_some();
                if comes("full") != (full.len() > hidden) || comes("fullmore") != (hidden > 0) {
                    return false;
                }
                let mut keys = vec!["op", "id"];
                keys.extend(if outcome.is_err() { vec!["error"] } else { vec![] });
                keys.extend(if let Ok(Done { message: Some(_), .. }) = outcome { vec!["msgid", "posted"] } else { vec![] });
                let same = header["op"] == "ack" && header["id"] == **id && header.as_object().is_some_and(|map| map.len() == keys.len());
                let says = |refusal: &Refusal| {
                    let error = header["error"].as_str().unwrap_or_default();
                    match refusal {
                        Refusal::Any => true,
                        Refusal::Words(words) => error == words,
                        Refusal::Until(words) => error.starts_with(words.as_str()),
                        Refusal::Unknown(what, name) => error.ends_with(&format!("{what} {name} is unknown")),
                        Refusal::Full => error.ends_with(" is full, try again later"),
                    }
                };
                same && keys.iter().all(|key| header[*key].is_string()) && outcome.as_ref().err().is_none_or(says)
            }
            Out::Message(_) => false,
        }
    }

    /// Whether a result has these entries, besides what only the relay can know.
    pub(super) fn is_listing(&self, header: &Value, listing: &Listing) -> bool {
        let mut came = header["list"].as_array().cloned().unwrap_or_default();
        for entry in came.iter_mut().filter_map(Value::as_object_mut) {
            ["made", "seen", "oldest", "code"].iter().for_each(|key| _ = entry.remove(*key));
        }
        let mut predicted = listing.entries.clone();
        for entries in [&mut came, &mut predicted] {
            if listing.what == "aliases" {
                *entries = self.model.in_order(entries, |entry| entry["alias"].as_str().unwrap_or_default());
            } else if !listing.ordered {
                entries.sort_by_key(Value::to_string);
            }
        }
        came == predicted
    }

    pub(super) fn compare_message(&mut self, message: MessageNo, frame: Frame) -> Result<(), String> {
        let mut header = frame.header;
        let mut take = |key: &str| header.as_object_mut().and_then(|map| map.remove(key)).unwrap_or_default();
        let (id, posted, headsum) = (take("id"), take("posted"), take("headsum"));
        self.stamp(message, &id, &posted, headsum.as_u64())?;
        let mut predicted = self.model.messages[message].header.clone();
        // A label of the node is better than "tbd", and both are right.
        if predicted["op"] == "login" && header["node"] == "tbd" {
            predicted["node"] = json!("tbd");
        }
        if let Some(node) = predicted["nodeid"].as_str().and_then(|secret| secret.strip_prefix("secret of ")) {
            let node = node.parse::<NodeNo>().expect("a node's number");
            let secret = header["nodeid"].as_str().ok_or("no nodeid")?.to_owned();
            predicted["nodeid"] = json!(self.secrets.entry(node).or_insert(secret));
        }
        for key in ["postid", "first", "last"] {
            if let Some(post) = predicted[key].as_str().and_then(|id| id.strip_prefix("id of ")) {
                let post = post.parse::<MessageNo>().expect("a message's number");
                self.stamp(post, &header[key], &Value::Null, None)?;
                predicted[key] = header[key].clone();
            }
        }
        if header != predicted || frame.data != self.model.messages[message].data {
            return Err(format!("predicted message {message} {predicted}, came {header}"));
        }
        Ok(())
    }

    /// The id, date and sum of a message are always the same; ids rise with the messages.
    pub(super) fn stamp(&mut self, message: MessageNo, id: &Value, posted: &Value, headsum: Option<u64>) -> Result<(), String> {
        let id = id.as_str().ok_or("no id")?;
        let below = self.stamps.range(..message).next_back().is_none_or(|(_, stamp)| *stamp.id < *id);
        let above = self.stamps.range(message + 1..).next().is_none_or(|(_, stamp)| *stamp.id > *id);
        let digits = id.len() == 16 && id.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        let stamp = self.stamps.entry(message).or_insert_with(|| Stamp { id: id.to_owned(), ..Stamp::default() });
        let posted = posted.as_str().unwrap_or(&stamp.posted).to_owned();
        if !below || !above || !digits || stamp.id != id {
            return Err(format!("{id} as the id of message {message}, which has {}", stamp.id));
        }
        if !stamp.posted.is_empty() && stamp.posted != posted || stamp.headsum.is_some() && headsum.is_some() && stamp.headsum != headsum {
            return Err(format!("message {message} has another date or sum than before"));
        }
        stamp.posted = posted;
        stamp.headsum = stamp.headsum.or(headsum);
        Ok(())
    }
}
