//! By the messages that wait for one device.

use mnm_client::Recipient;

use super::site::{self, DATA, Said, Site, uid};
use super::{Costs, memory, rounds};
use crate::print::Table;

const SENDER: u32 = 0;
const RECEIVER: u32 = 1;
/// As many as are timed at once.
const SOME: u32 = 1000;

pub(super) fn table() -> Table {
    super::table("the messages that wait for one device: nanoseconds each", &[100, 10_000, 1_000_000], measure)
}

fn measure(size: u32) -> Costs {
    let mut costs = Costs::default();
    for _ in 0..rounds(size) {
        let (mut site, some) = build(size);
        receive(&mut site, &some, &mut costs);
    }
    if size >= 10_000 {
        costs.add("memory, B a message that waits", memory(EACH, size), 1.0);
    }
    costs
}

pub(super) const EACH: &str = "message";

/// A site with so many messages in one queue, and some more to be posted there.
pub(super) fn build(size: u32) -> (Site, Vec<Said>) {
    let mut site = Site::new(2, 1, 0);
    let sender = site.enter(&mut Costs::default(), "", &[site::login(SENDER)])[0];
    site.deliveries.clear();
    let post = site::post(sender, Recipient::user(&uid(RECEIVER)));
    let some: Vec<Said> = (0..SOME.min(size / 4)).map(|_| post.clone()).collect();
    for _ in 0..size / some.len() as u32 {
        site.say_all(&some, DATA);
    }
    (site, some)
}

fn receive(site: &mut Site, some: &[Said], costs: &mut Costs) {
    site.time(costs, "post, receiver away", some, DATA);
    let links = site.enter(costs, "login, and a window of deliveries", &[site::login(RECEIVER)]);
    site.time(costs, "post, receiver there", some, DATA);
    site.ack(costs, "ack the oldest, next delivery", some.len());
    // The oldest of the window stays; the newest of it is acked again and again.
    let mut acks = 0;
    while acks < some.len()
        && let Some(newest) = site.deliveries.pop()
    {
        site.time(costs, "ack the newest, next delivery", &[site::ack(newest)], b"");
        acks += 1;
    }
    site.leave(costs, "leave", &links);
    site.deliveries.clear();
    let links = site.enter(costs, "login again", &[site::login(RECEIVER)]);
    site.leave(costs, "leave", &links);
}
