//! Who comes: links, members, their nodes, groups, and the operator.

use super::*;

impl Run<'_> {
    pub(super) fn connect(&mut self, name: &str, from: Option<IpAddr>) -> Done {
        let client = Client {
            link: self.site.connect(from)?,
            intake: Intake::default(),
            stage: Stage::Connected,
            ignored: false,
            held: Vec::new(),
            last_sent: self.site.now(),
            seen: BTreeSet::new(),
            notified: BTreeSet::new(),
            latest: BTreeMap::new(),
            floors: BTreeMap::new(),
            latest_posted: String::new(),
        };
        match self.links.insert(name.into(), client) {
            None => Ok(()),
            Some(_) => Err(format!("{name} is connected already")),
        }
    }

    pub(super) fn greet(&mut self, name: &str, from: Option<IpAddr>) -> Done {
        self.connect(name, from)?;
        self.request(name, json!({"op": 0, "id": "1"}), b"")?;
        self.let_go(None);
        self.take(name, json!({"features": "*", "id": "1", "name": "*", "op": "tmtprev"}))
    }

    pub(super) fn member(&mut self, name: &str, alias: Option<&str>, code: Option<&str>) -> Done {
        self.connect(name, None)?;
        self.request(name, json!({"op": 0, "id": "1"}), b"")?;
        let label = format!("device of {name}");
        let mut request = json!({"op": 1, "newnode": label});
        if let Some(alias) = alias {
            request["newalias"] = alias.into();
            self.values.insert(format!("{name}.alias"), alias.into());
        }
        if let Some(code) = code {
            request["invite"] = self.value(code)?;
        }
        self.request(name, request, b"")?;
        self.let_go(None);
        self.take(name, json!({"features": "*", "id": "1", "name": "*", "op": "tmtprev"}))?;
        self.take(name, json!({"nodeid": format!("${name}.node"), "op": "registered", "uid": format!("${name}.uid")}))?;
        self.take(name, json!({"info": "login ok", "op": "info"}))
    }

    pub(super) fn login(&mut self, name: &str, of: &str) -> Done {
        self.connect(name, None)?;
        let (uid, node) = (self.value(&format!("{of}.uid"))?, self.value(&format!("{of}.node"))?);
        self.request(name, json!({"op": 0, "id": "1"}), b"")?;
        self.request(name, json!({"op": 2, "uid": uid, "node": node}), b"")?;
        self.let_go(None);
        self.take(name, json!({"features": "*", "id": "1", "name": "*", "op": "tmtprev"}))?;
        self.take(name, json!({"info": "login ok", "op": "info"}))
    }

    /// Makes another node, logs it in, and lets all the user's links read what that brings.
    pub(super) fn node(&mut self, name: &str, of: &str) -> Done {
        let label = format!("device {name}");
        self.request(of, json!({"op": 3, "id": "new node", "newnode": label}), b"")?;
        self.let_go(None);
        let mut node = None;
        let mut acked = false;
        while !acked || node.is_none() {
            let frame = self.frame_from(of)?;
            match frame.str("op") {
                "ack" if frame.str("id") == "new node" && frame.head.get("error").is_none() => acked = true,
                "user" if frame.str("newnode") == label => {
                    node = Some(frame.str("nodeid").to_string());
                    self.ack(of, frame.str("id"))?;
                }
                _ => return Err(format!("{of} wanted a new node and got {}", canonical(&frame.head))),
            }
        }
        judge_code(node.as_deref().unwrap_or_default(), 40)?;
        let uid = self.value(&format!("{of}.uid"))?;
        self.values.insert(format!("{name}.uid"), uid.clone());
        self.values.insert(format!("{name}.node"), node.into());
        self.login(name, name)?;
        let own = |link: &&String| self.values.get(&format!("{link}.uid")) == Some(&uid);
        let links: Vec<String> = self.links.keys().filter(own).cloned().collect();
        links.iter().try_for_each(|link| self.settle(link))
    }

    /// The first makes the group, the others join; all that this brings them is read.
    pub(super) fn group(&mut self, gid: &str, members: &[String]) -> Done {
        let (first, others) = members.split_first().ok_or("a group of somebody")?;
        let from = self.value(&format!("{first}.alias"))?;
        for other in others {
            let to = self.value(&format!("{other}.alias"))?;
            self.request(first, json!({"op": 5, "id": "group", "gid": gid, "from": from, "to": to}), b"")?;
            members.iter().try_for_each(|member| self.settle(member))?;
            self.request(other, json!({"op": 6, "id": "group", "gid": gid, "act": "join"}), b"")?;
            self.settle(other)?;
            members.iter().try_for_each(|member| self.settle(member))?;
        }
        Ok(())
    }

    /// The answer must have what is expected, and may have more.
    pub(super) fn operator(&mut self, command: &str, due: &str) -> Done {
        let line = self.filled(command)?;
        self.trace.push(format!("operator > {line}"));
        let answer = self.site.operator(&line)?;
        self.trace.push(format!("operator < {answer}"));
        let due: Value = serde_json::from_str(due).map_err(|error| error.to_string())?;
        let mut got: Value = serde_json::from_str(&answer).map_err(|error| format!("{error}: {answer}"))?;
        if let (Some(due), Some(got)) = (due.as_object(), got.as_object_mut()) {
            got.retain(|key, _| due.contains_key(key));
        }
        let mut fit = self.fit();
        fit.fits(&due, &got).map_err(|trouble| format!("{line} was answered {answer}: {trouble}"))?;
        self.values = fit.values;
        Ok(())
    }
}
