//! Groups of members who stand next to each other: the first of each makes it and invites the others.

use crate::crowd::{Crowd, Errand, Task, To};

/// Has the groups made, but for those that were made in an earlier test.
pub(super) fn found(crowd: &mut Crowd, size: usize, prefix: &str) {
    for founder in (0..crowd.len()).step_by(size) {
        let gid = name(crowd, prefix, founder, size);
        if !crowd.note_group(&gid, (founder..founder + size).collect()) {
            continue;
        }
        let from = crowd.alias(founder).to_owned();
        for member in founder + 1..founder + size {
            let task = Task::Invite { gid: gid.clone(), from: from.clone(), to: crowd.alias(member).to_owned() };
            crowd.send_on_errand(founder, Errand { task, then: Some((member, Task::Join { gid: gid.clone() })) });
        }
    }
}

/// Lets a member write to the others of its group; the audience's number.
pub(super) fn write_to(crowd: &mut Crowd, who: usize, size: usize, prefix: &str) -> u32 {
    let founder = who - who % size;
    let others = (founder..founder + size).filter(|other| *other != who).collect();
    crowd.add_audience(who, To::Group(name(crowd, prefix, founder, size)), others)
}

/// What the group of a founder is called: a test with groups of another size has others.
fn name(crowd: &Crowd, prefix: &str, founder: usize, size: usize) -> String {
    format!("{prefix} group {:06} of {size}", crowd.number(founder))
}
