//! By the members of a group.

use mnm_client::Recipient;
use mnm_client::request::{self, GroupChange};

use super::Costs;
use super::site::{self, DATA, GROUP, Said, Site, alias};
use crate::print::Table;

/// One message goes to 65 536 devices at most, guests and all.
const LARGEST: u32 = 60_000;
/// Who will be invited.
const GUESTS: u32 = 10;

pub(super) fn table() -> Table {
    let mut table = super::table("the members of a group: nanoseconds each", &[100, 1000, 10_000, LARGEST], measure);
    table
        .notes
        .push("All of a group is told of an invitation and of who joins, as the protocol wants it: those grow with the group.".to_owned());
    table
}

fn measure(size: u32) -> Costs {
    let mut costs = Costs::default();
    let mut site = Site::new(size + GUESTS, 1, size);
    let founder = site.enter(&mut Costs::default(), "", &[site::login(0)])[0];
    site.deliveries.clear();
    let count = (1_000_000 / size).clamp(10, 1000) as usize;
    let posts: Vec<Said> = vec![site::post(founder, Recipient::group(GROUP)); count];
    let took = site.say_all(&posts, DATA);
    costs.time("post to the group, all away", took, count);
    costs.time("  the same, each delivery", took, count * size as usize);
    let present = present(&mut site, size);
    let took = site.say_all(&posts[..10], DATA);
    costs.time("post to the group, 100 there, each delivery", took, 10 * size as usize);
    site.ack(&mut costs, "ack", usize::MAX);
    let invites: Vec<Said> = (0..GUESTS).map(|guest| invitation(founder, size + guest)).collect();
    site.time(&mut costs, "invite", &invites, b"");
    site.deliveries.clear();
    join(&mut site, size, &mut costs);
    site.leave(&mut costs, "leave the site", &present);
    costs
}

/// A hundred members log in; of what was posted before, they take all.
fn present(site: &mut Site, size: u32) -> Vec<mnm::base::LinkId> {
    let logins: Vec<Vec<u8>> = (1..100.min(size)).map(site::login).collect();
    let links = site.enter(&mut Costs::default(), "", &logins);
    site.ack(&mut Costs::default(), "", usize::MAX);
    links
}

fn invitation(founder: mnm::base::LinkId, guest: u32) -> Said {
    let mut frame = Vec::new();
    request::group_invite(&mut frame, "1", GROUP, &alias(0), &alias(guest), 0);
    (founder, frame)
}

fn join(site: &mut Site, size: u32, costs: &mut Costs) {
    let logins: Vec<Vec<u8>> = (0..GUESTS).map(|guest| site::login(size + guest)).collect();
    let links = site.enter(costs, "login of an invited one", &logins);
    let mut frame = Vec::new();
    request::group_edit(&mut frame, "1", GROUP, GroupChange::Join(None));
    let joins: Vec<Said> = links.iter().map(|&link| (link, frame.clone())).collect();
    site.time(costs, "join", &joins, b"");
    site.deliveries.clear();
}
