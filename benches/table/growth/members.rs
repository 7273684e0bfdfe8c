//! By the members of a site.

use mnm_client::{Recipient, request};

use super::site::{self, DATA, Said, Site, alias, somebody, uid};
use super::{Costs, memory, rounds};
use crate::print::Table;

pub(super) const EACH: &str = "member";

/// Members with an alias and a device each.
pub(super) fn build(size: u32) -> Site {
    Site::new(size, 1, 0)
}

/// Members who are there at one time.
const PRESENT: u32 = 1000;

pub(super) fn table() -> Table {
    let mut table = super::table("the members of a site: nanoseconds each", &[100, 10_000, 1_000_000], measure);
    table.notes.push("The notice of a login that a member's devices get is a part of it; its ack is not.".to_owned());
    table
}

fn measure(size: u32) -> Costs {
    let mut costs = Costs::default();
    for _ in 0..rounds(size) {
        live(&mut build(size), size, &mut costs);
    }
    if size >= 10_000 {
        costs.add("memory, B a member", memory(EACH, size), 1.0);
    }
    costs
}

fn live(site: &mut Site, size: u32, costs: &mut Costs) {
    let present = PRESENT.min(size / 2);
    let here = |nth: u32| somebody(nth % present, size);
    let away = |nth: u32| somebody(present + nth % present, size);
    let logins: Vec<Vec<u8>> = (0..present).map(|nth| site::login(here(nth))).collect();
    // The first logins after a start also make room for all that a member who is there has.
    let links = site.enter(costs, "login, the first after a start", &logins);
    site.ack(costs, "ack", usize::MAX);
    site.leave(costs, "leave", &links);
    let links = site.enter(costs, "login", &logins);
    site.ack(costs, "ack", usize::MAX);
    let each = |say: &dyn Fn(u32) -> Said| -> Vec<Said> { (0..present).map(say).collect() };
    let link = |nth: u32| links[nth as usize];
    let posts = each(&|nth| site::post(link(nth), Recipient::user(&uid(here(nth + 1)))));
    site.time(costs, "post to somebody who is there", &posts, DATA);
    site.ack(costs, "ack", usize::MAX);
    let posts = each(&|nth| site::post(link(nth), Recipient::user(&uid(away(nth)))));
    site.time(costs, "post to somebody who is away", &posts, DATA);
    let pings = each(&|nth| said(link(nth), |out| request::ping(out, "1", &alias(here(nth)), &alias(away(nth)), 0)));
    site.time(costs, "ping by alias", &pings, b"");
    let invites = each(&|nth| said(link(0), |out| request::group_invite(out, "1", "a new group", &alias(here(0)), &alias(away(nth)), 0)));
    site.time(costs, "invite by alias, into a group of one", &invites, b"");
    site.deliveries.clear();
    site.leave(costs, "leave", &links);
    let newcomers: Vec<Vec<u8>> = (0..present / 5).map(newcomer).collect();
    let links = site.enter(costs, "register, with an alias", &newcomers);
    site.leave(costs, "leave", &links);
}

fn newcomer(nth: u32) -> Vec<u8> {
    let mut frame = Vec::new();
    request::register(&mut frame, "phone", Some(&format!("newcomer {nth:05}")), None);
    frame
}

fn said(link: mnm::base::LinkId, write: impl FnOnce(&mut Vec<u8>)) -> Said {
    let mut frame = Vec::new();
    write(&mut frame);
    (link, frame)
}
