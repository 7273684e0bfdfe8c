//! Octets to requests, replies to octets.

use mnm::base::Seq;
use mnm::wire::reply::{self, Full, Message, Std};
use mnm::wire::{Body, Dialect, FrameReader, Header, HeaderWriter, Piece, Request, RequestLimits};
use mnm_client::{Recipient, Reply, request};

use super::Steps;

const UID: &str = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";
const NODE: &str = "MFRGGZDFMZTWQ2LKNNWG23TPOBYXE43UOV3HO6DZ";
const POSTED: &str = "2026-11-26T18:00:00.123Z";
const PREFIX: usize = 4;

/// What a member says: the header is found, its fields are, and they are understood; the last includes the middle one.
pub(super) fn requests(steps: &mut Steps) {
    let data = request::Data { len: 100, ..request::Data::default() };
    let uids: Vec<String> = (0..10).map(|no| format!("{}{no}", &UID[1..])).collect();
    let ten: Vec<Recipient<'_>> = uids.iter().map(|uid| Recipient::user(uid)).collect();
    let post = written(|out| request::post(out, "p1234567", &[Recipient::user(UID)], data));
    let all = [
        ("Post", post.clone()),
        ("Post to 10", written(|out| request::post(out, "p1234567", &ten, data))),
        ("Ack", written(|out| request::ack(out, "188add8cbe0ca2fb"))),
        ("Login", written(|out| request::login(out, UID, NODE))),
        ("Register", written(|out| request::register(out, "phone", Some("alice liddell"), None))),
        ("Ping", written(|out| request::ping(out, "p1", "alice liddell", "bob the builder", 20))),
        ("GroupInvite", written(|out| request::group_invite(out, "p1", "a group of many", "alice liddell", "bob the builder", 0))),
        ("Pulse", written(request::pulse)),
    ];
    steps.step("frame of a Post found", post.len(), || {
        let mut input = &post[..];
        match FrameReader::new().next(&mut input) {
            Ok(Some(Piece::Header(header))) => header.len(),
            other => panic!("a whole header is found: {other:?}"),
        }
    });
    steps.step("header of a Post parsed", post.len(), || Header::parse(&post[PREFIX..]).expect("a header").op);
    for (what, frame) in &all {
        let limits = RequestLimits::default();
        steps.step(&format!("request {what} parsed"), frame.len(), || {
            let mut dialect = Dialect::Draft2020;
            Request::parse(&frame[PREFIX..], &mut dialect, &limits).expect("the client writes what can be meant").body()
        });
    }
}

/// What the relay says, and what a client makes of it.
pub(super) fn replies(steps: &mut Steps) {
    let seq = Seq(0x188a_dd8c_be0c_a2fb);
    let std = Std { from: UID, id: seq, posted: POSTED };
    let delivery = Message::Delivery { body: Body { len: 100, head: 0, sum: 0 }, notify: None };
    let full = Full::default();
    let mut step = |what: &str, write: &dyn Fn() -> Vec<u8>| steps.step(what, write().len(), write);
    step("ack written", &|| reply::ack("p1234567", Some((seq, POSTED)), &full));
    step("ack with an error written", &|| reply::ack_error("p1234567", "gid: group is unknown"));
    step("info written", &|| reply::info(&[]));
    step("registered written", &|| reply::registered(NODE, UID, None));
    step("delivery written, with headsum", &|| delivery.frame(std));
    let header = || HeaderWriter::new().number("datalen", 100).text("from", UID).text("id", "188add8cbe0ca2fb").text("op", "delivery");
    step("the same fields without headsum", &|| header().text("posted", POSTED).finish());
    step("the same fields with it", &|| header().text("posted", POSTED).finish_with_headsum());
    let frame = delivery.frame(std);
    let header = &frame[PREFIX..];
    steps.step("delivery read by a client, headsum verified", frame.len(), || {
        let reply = Reply::parse(header).expect("a canonical header");
        assert!(reply.headsum_holds(header));
        reply.data_len
    });
}

fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out);
    out
}
