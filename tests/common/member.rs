//! A member, spoken for by hand: each request and what comes back, over any link. Everything that comes is judged.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};

use super::frame::{Frame, Intake};
use super::process::{TlsLink, merge};
use super::site::{Link, Received};

/// How long anything may take that must happen; generous, since the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a device logs in with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Account {
    pub(crate) uid: String,
    pub(crate) node: String,
}

/// A device that is logged in.
pub(crate) struct Member {
    link: Box<dyn Link>,
    intake: Intake,
    pub(crate) account: Account,
    /// What came while something else was waited for.
    waiting: VecDeque<Frame>,
    requests: u64,
}

fn reach(address: SocketAddr) -> Box<dyn Link> {
    Box::new(TlsLink::connect(address).expect("the relay can be reached"))
}

impl Member {
    /// A new account with one device.
    pub(crate) fn register(address: SocketAddr) -> Member {
        Member::register_with(address, &json!({})).expect("an account is made")
    }

    /// The same, with these fields in the request besides.
    ///
    /// # Errors
    /// The relay's reason not to make it.
    pub(crate) fn register_with(address: SocketAddr, fields: &Value) -> Result<Member, String> {
        let member = Member::greet(reach(address));
        let mut request = json!({"op": 1, "newnode": "a device"});
        merge(&mut request, fields);
        member.register_by(&request)
    }

    /// A new account with one device, over this link.
    pub(crate) fn register_over(link: Box<dyn Link>) -> Member {
        Member::greet(link).register_by(&json!({"op": 1, "newnode": "a device"})).expect("an account is made")
    }

    fn register_by(mut self, request: &Value) -> Result<Member, String> {
        let member = &mut self;
        member.say(request, b"");
        let registered = member.frame().expect("an answer comes");
        if registered.str("op") == "quit" {
            return Err(registered.str("error").to_owned());
        }
        let text = |key| registered.str(key).to_owned();
        member.account = Account { uid: text("uid"), node: text("nodeid") };
        assert_eq!(member.frame().expect("it is logged in").str("op"), "info");
        Ok(self)
    }

    /// A device that was here before.
    ///
    /// # Errors
    /// The relay's reason not to let it in.
    pub(crate) fn login(address: SocketAddr, account: &Account) -> Result<Member, String> {
        Member::login_over(reach(address), account)
    }

    /// The same over this link.
    ///
    /// # Errors
    /// The relay's reason not to let it in.
    pub(crate) fn login_over(link: Box<dyn Link>, account: &Account) -> Result<Member, String> {
        let mut member = Member::greet(link);
        member.account = account.clone();
        member.say(&json!({"op": 2, "uid": account.uid, "node": account.node}), b"");
        let answer = member.frame().expect("a login is answered");
        if answer.str("op") == "info" { Ok(member) } else { Err(answer.str("error").to_owned()) }
    }

    /// Somebody who has said which revision they speak, and nothing more.
    pub(crate) fn greet(link: Box<dyn Link>) -> Member {
        let account = Account { uid: String::new(), node: String::new() };
        let mut member = Member { link, intake: Intake::default(), account, waiting: VecDeque::new(), requests: 0 };
        member.say(&json!({"op": 0, "id": "1"}), b"");
        assert_eq!(member.frame().expect("a greeting is answered").str("op"), "tmtprev");
        member
    }

    /// Writes octets as they are.
    pub(crate) fn say_raw(&mut self, octets: &[u8]) {
        self.link.send(octets);
    }

    /// Writes a request, in one TLS record if it fits.
    pub(crate) fn say(&mut self, head: &Value, data: &[u8]) {
        self.say_in_pieces(head, data, usize::MAX);
    }

    /// Writes a request, with so many octets in each TLS record.
    fn say_in_pieces(&mut self, head: &Value, data: &[u8], most: usize) {
        let head = head.to_string();
        let frame = [format!("{:04x}{head}", head.len()).as_bytes(), data].concat();
        frame.chunks(most).for_each(|piece| self.link.send(piece));
    }

    /// From now on times are judged by this date, in milliseconds since 1970: that of a site with a calendar of its own.
    pub(crate) fn put_date(&mut self, date: i64) {
        self.intake.date = Some(date);
    }

    /// Writes octets as they are.
    pub(crate) fn say_octets(&mut self, octets: &[u8]) {
        self.link.send(octets);
    }

    /// The next frame, also of those that came while another was waited for; `None` when the link has ended.
    pub(crate) fn frame(&mut self) -> Option<Frame> {
        self.waiting.pop_front().or_else(|| self.fresh(PATIENCE).expect("something comes"))
    }

    /// The next frame from the link: outer `None` if none comes within the time, inner `None` when the link has ended.
    pub(crate) fn fresh(&mut self, within: Duration) -> Option<Option<Frame>> {
        loop {
            if let Some(frame) = self.intake.frame().expect("a sound frame") {
                return Some(Some(frame));
            }
            match self.link.receive(within) {
                Received::Record(record) => self.intake.record(&record),
                Received::Closed => return Some(None),
                Received::Nothing => return None,
            }
        }
    }

    /// Writes a post, and does not wait for its ack; its request id.
    pub(crate) fn post_only(&mut self, to: &str, data: &[u8]) -> String {
        self.post_in_pieces(to, data, usize::MAX)
    }

    /// The same, with so many octets in each TLS record.
    pub(crate) fn post_in_pieces(&mut self, to: &str, data: &[u8], most: usize) -> String {
        self.requests += 1;
        let id = format!("request {}", self.requests);
        self.say_in_pieces(&json!({"op": 7, "id": id, "for": [{"id": to, "type": 1}], "datalen": data.len()}), data, most);
        id
    }

    /// Waits for the answer to a request: the message's id, or "" where none was made.
    ///
    /// # Errors
    /// The relay's reason to refuse it.
    pub(crate) fn answer(&mut self, id: &str) -> Result<String, String> {
        loop {
            let frame = self.fresh(PATIENCE).expect("an answer comes").expect("the link is there");
            if frame.str("op") == "ack" && frame.str("id") == id {
                let error = frame.head.get("error").and_then(Value::as_str);
                return error.map_or_else(|| Ok(frame.str("msgid").to_owned()), |error| Err(error.to_owned()));
            }
            self.waiting.push_back(frame);
        }
    }

    /// Posts and waits for the ack; the message's id.
    pub(crate) fn post(&mut self, to: &str, data: &[u8]) -> String {
        let id = self.post_only(to, data);
        self.answer(&id).expect("a post is taken")
    }

    /// Shows this user to another.
    pub(crate) fn show_to(&mut self, other: &str) {
        self.say(&json!({"op": 4, "id": "show", "for": [{"id": other}], "type": "init"}), b"");
        self.answer("show").expect("presence is taken");
    }

    /// Acks a message.
    pub(crate) fn ack(&mut self, id: &str) {
        self.say(&json!({"op": 10, "id": id, "type": "ok"}), b"");
    }

    /// The next delivery, acked; other messages before it are acked too.
    pub(crate) fn delivery(&mut self) -> Frame {
        loop {
            let frame = self.frame().expect("the link is there");
            if frame.is_message() {
                self.ack(frame.str("id"));
            }
            if frame.str("op") == "delivery" {
                return frame;
            }
        }
    }

    /// Waits for news of another's presence: whether they are here.
    pub(crate) fn presence_of(&mut self, other: &str) -> bool {
        loop {
            let frame = self.frame().expect("the link is there");
            if frame.str("op") == "ohi" && frame.str("from") == other {
                return frame.head["status"] == 1;
            }
        }
    }

    /// Reads until the relay has closed the link.
    pub(crate) fn wait_closed(&mut self) {
        while self.frame().is_some() {}
    }

    /// Whether no delivery waits to be read, and none comes before the answer to a question that is asked now.
    pub(crate) fn is_quiet(&mut self) -> bool {
        self.say(&json!({"op": 4, "id": "quiet?", "for": [{"id": "nobody"}], "type": "add"}), b"");
        self.answer("quiet?").expect_err("there is no such user");
        self.waiting.iter().all(|frame| frame.str("op") != "delivery")
    }

    /// Closes the socket without a word of TMTP.
    pub(crate) fn close(self) -> Account {
        self.link.close();
        self.account
    }
}
