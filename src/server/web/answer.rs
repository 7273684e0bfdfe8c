//! What is answered: the page that was asked for, or why there is none.

use serde_json::json;

use super::State;
use super::exchange::{Asked, Fault};
use crate::relay::Now;
use crate::server::metrics::{Machine, Page, Teller};

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
/// The text format, by the number of its version.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";
const VERSION: &str = env!("CARGO_PKG_VERSION");
const INDEX: &str =
    "mnm, a private message relay\n\n/metrics  for Prometheus\n/health   200 while the relay lives\n/ready    200 while it serves\n";

/// What is known besides what the relay tells.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) state: State,
    /// Parts of the log that were read, and of how many.
    pub(super) headway: (usize, usize),
    pub(super) machine: Machine,
}

impl Scene {
    fn word(&self) -> &'static str {
        match self.state {
            State::Recovering => "recovering",
            State::Ready => "ready",
            State::Draining => "draining",
        }
    }
}

struct Answer {
    status: &'static str,
    kind: &'static str,
    body: String,
}

impl Answer {
    fn text(status: &'static str, body: impl Into<String>) -> Answer {
        Answer { status, kind: TEXT, body: body.into() }
    }

    /// All octets of it.
    fn write(&self, with_body: bool) -> Vec<u8> {
        let Answer { status, kind, body } = self;
        let length = body.len();
        let allow = if *status == NOT_ALLOWED { "Allow: GET, HEAD\r\n" } else { "" };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{allow}Cache-Control: no-store\r\nConnection: close\r\n\r\n"
        );
        if with_body { [head.as_bytes(), body.as_bytes()].concat() } else { head.into_bytes() }
    }
}

const OK: &str = "200 OK";
const NOT_ALLOWED: &str = "405 Method Not Allowed";

/// The octets of the answer.
pub(super) fn answer(asked: &Asked, scene: &Scene, now: Now, teller: Option<&dyn Teller>) -> Vec<u8> {
    let (answer, with_body) = match asked {
        Asked::Page { path, with_body } => (page(path, scene, now, teller), *with_body),
        Asked::Nothing(Fault::NotHttp) => (Answer::text("400 Bad Request", "this is no request of HTTP/1.1\n"), true),
        Asked::Nothing(Fault::TooLong) => (Answer::text("431 Request Header Fields Too Large", "the head is too long\n"), true),
        Asked::Nothing(Fault::Method) => (Answer::text(NOT_ALLOWED, "GET or HEAD\n"), true),
        Asked::Nothing(Fault::TooSlow) => (Answer::text("408 Request Timeout", "no request came in time\n"), true),
    };
    answer.write(with_body)
}

fn page(path: &str, scene: &Scene, now: Now, teller: Option<&dyn Teller>) -> Answer {
    match path {
        "/metrics" => Answer { status: OK, kind: METRICS, body: metrics(scene, now, teller) },
        "/health" => Answer { status: OK, kind: JSON, body: health(scene, now, teller) },
        "/ready" => {
            let (done, total) = scene.headway;
            let (status, body) = match scene.state {
                State::Ready => (OK, json!({ "ready": true })),
                State::Recovering => (UNAVAILABLE, json!({ "ready": false, "reason": scene.word(), "done": done, "of": total })),
                State::Draining => (UNAVAILABLE, json!({ "ready": false, "reason": scene.word() })),
            };
            Answer { status, kind: JSON, body: format!("{body}\n") }
        }
        "/" => Answer::text(OK, INDEX),
        _ => Answer::text("404 Not Found", "there is /metrics, /health and /ready\n"),
    }
}

const UNAVAILABLE: &str = "503 Service Unavailable";

fn health(scene: &Scene, now: Now, teller: Option<&dyn Teller>) -> String {
    let uptime = (now.mono.0 / 1_000_000) as f64 / 1e3;
    let mut health = json!({ "status": "ok", "state": scene.word(), "version": VERSION, "uptime_seconds": uptime });
    if let Some(told) = teller.map(Teller::health) {
        health["links"] = told.links.into();
        health["members"] = told.members.into();
        health["messages_waiting"] = told.messages_waiting.into();
    }
    format!("{health}\n")
}

fn metrics(scene: &Scene, now: Now, teller: Option<&dyn Teller>) -> String {
    let mut page = Page::default();
    page.tell_state(VERSION, scene.state == State::Ready);
    if scene.state == State::Recovering {
        page.tell_recovery(scene.headway);
    }
    if let Some(teller) = teller {
        teller.tell(&mut page, now);
    }
    scene.machine.tell(&mut page);
    page.into_text()
}
