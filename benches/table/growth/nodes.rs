//! By the devices of one member.

use mnm_client::Recipient;

use super::Costs;
use super::site::{self, DATA, Said, Site, uid};
use crate::print::Table;

/// Members, each with so many devices.
const MEMBERS: u32 = 200;

pub(super) fn table() -> Table {
    let mut table = super::table("the devices of a member: nanoseconds each", &[1, 10, 100], measure);
    table.notes.push("Each device gets each message, and the notice of each login.".to_owned());
    table
}

fn measure(nodes: u32) -> Costs {
    let mut costs = Costs::default();
    for _ in 0..10 {
        let mut site = Site::new(MEMBERS, nodes, 0);
        let logins: Vec<Vec<u8>> = (0..MEMBERS / 2).map(site::login).collect();
        let links = site.enter(&mut costs, "login", &logins);
        site.ack(&mut costs, "ack", usize::MAX);
        let posts: Vec<Said> = links.iter().zip(MEMBERS / 2..).map(|(&link, to)| site::post(link, Recipient::user(&uid(to)))).collect();
        let took = site.say_all(&posts, DATA);
        costs.time("post to a member who is away", took, posts.len());
        costs.time("  the same, each of the devices", took, posts.len() * nodes as usize);
        site.leave(&mut costs, "leave", &links);
    }
    costs
}
