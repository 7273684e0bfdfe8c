//! By the links that are there: in the pure core, and of a real relay, whose loop and sockets count as well.

use mnm::base::LinkId;
use mnm_client::Recipient;

use super::site::{self, DATA, Said, Site, somebody, uid};
use super::{Costs, memory, rounds};
use crate::Plan;
use crate::measure::processor;
use crate::print::Table;
use crate::relay::Relay;

/// Requests that are timed at once.
const SOME: u32 = 1000;
const TURNS: usize = 1000;

pub(super) fn table() -> Table {
    super::table("links, without sockets: nanoseconds each", &[100, 10_000, 100_000], measure)
}

fn measure(size: u32) -> Costs {
    let mut costs = Costs::default();
    for _ in 0..rounds(size) {
        let (mut site, links) = build(size);
        let (took, ()) = processor(|| (0..TURNS).for_each(|_| site.idle_turn()));
        costs.time("a turn without work", took, TURNS);
        let one = |nth: u32| somebody(nth, size);
        let posts: Vec<Said> = (0..SOME).map(|nth| site::post(links[one(nth) as usize], Recipient::user(&uid(one(nth + 1))))).collect();
        site.time(&mut costs, "post", &posts, DATA);
        site.ack(&mut costs, "ack", usize::MAX);
        let more: Vec<Vec<u8>> = (0..SOME).map(|nth| site::login(size + nth)).collect();
        let more = site.enter(&mut costs, "login", &more);
        site.leave(&mut costs, "leave", &more);
    }
    if size >= 10_000 {
        costs.add("memory of the core, B a link with its member", memory(EACH, size), 1.0);
    }
    costs
}

pub(super) const EACH: &str = "link";

/// A site with so many members who are there, and some who are not; the links.
pub(super) fn build(size: u32) -> (Site, Vec<LinkId>) {
    let mut site = Site::new(size + SOME, 1, 0);
    let logins: Vec<Vec<u8>> = (0..size).map(site::login).collect();
    let links = site.enter(&mut Costs::default(), "", &logins);
    site.ack(&mut Costs::default(), "", usize::MAX);
    (site, links)
}

/// A relay in a process of its own, all members posting.
pub(super) fn on_the_wire(plan: &Plan) -> Table {
    super::table("links, over TLS, all of them posting", &[100, 1000, 10_000], |links| {
        let relay = Relay::start(&plan.base);
        let summary = relay.serve(&format!("pairs --members {links} --window 1 --size 100 --time {}", plan.seconds));
        let used = summary.relay.unwrap_or_default();
        let mut costs = Costs::default();
        costs.add("processor time of the relay, µs a message", used.cpu_us_per_message, 1.0);
        costs.add("messages a second", summary.delivered_per_second, 1.0);
        costs.add(
            "memory beyond the empty relay, KiB a link",
            (relay.memory().resident_max - relay.empty.resident) as f64 / 1024.0,
            f64::from(links),
        );
        costs
    })
}
