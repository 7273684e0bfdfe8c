//! What members do once, before the test: make groups, join them, show that they are here.

use std::collections::VecDeque;

use mnm_client::request::{self, GroupChange, UserChange};

use crate::Failure;

/// One request, and who does what when it is done.
#[derive(Clone, Debug)]
pub(crate) struct Errand {
    pub(crate) task: Task,
    pub(crate) then: Option<(usize, Task)>,
}

/// A request that posts nothing of the test's.
#[derive(Clone, Debug)]
pub(crate) enum Task {
    Invite { gid: String, from: String, to: String },
    Join { gid: String },
    ShowPresence { uids: Vec<String> },
    TakeAlias { alias: String },
}

impl From<Task> for Errand {
    fn from(task: Task) -> Errand {
        Errand { task, then: None }
    }
}

impl Task {
    fn write(&self, out: &mut Vec<u8>, id: &str) {
        match self {
            Task::Invite { gid, from, to } => request::group_invite(out, id, gid, from, to, 0),
            Task::Join { gid } => request::group_edit(out, id, gid, GroupChange::Join(None)),
            Task::TakeAlias { alias } => {
                request::user_edit(out, id, UserChange::NewAlias { alias, uses: None, expires: None });
            }
            Task::ShowPresence { uids } => {
                let uids: Vec<&str> = uids.iter().map(String::as_str).collect();
                request::ohi_edit(out, id, &uids, "init");
            }
        }
    }
}

#[derive(Clone, Debug, Default)]
struct ToDo {
    waiting: VecDeque<Errand>,
    /// The first of `waiting` is under way, under this number.
    number: u64,
    under_way: bool,
}

/// Everybody's errands: each member does one at a time.
#[derive(Debug)]
pub(super) struct Errands {
    to_do: Vec<ToDo>,
    left: usize,
    refused: Option<String>,
    refusals: u64,
    /// The test has begun: a refusal is a fault and no longer the end.
    late: bool,
}

impl Errands {
    pub(super) fn new(members: usize) -> Errands {
        Errands { to_do: vec![ToDo::default(); members], left: 0, refused: None, refusals: 0, late: false }
    }

    pub(super) fn add(&mut self, who: usize, errand: Errand) {
        self.to_do[who].waiting.push_back(errand);
        self.left += 1;
    }

    pub(super) fn left(&self) -> Result<usize, Failure> {
        match &self.refused {
            Some(text) => Err(Failure::Connection(text.clone())),
            None => Ok(self.left),
        }
    }

    /// The test begins.
    pub(super) fn begin_test(&mut self) {
        self.late = true;
    }

    /// How many were refused in the test.
    pub(super) fn refused_late(&self) -> u64 {
        self.refusals
    }

    /// How many have no answer.
    pub(super) fn waiting(&self) -> u64 {
        self.left as u64
    }

    pub(super) fn fill(&mut self, who: usize, out: &mut Vec<u8>) {
        let to_do = &mut self.to_do[who];
        if let (Some(errand), false) = (to_do.waiting.front(), to_do.under_way) {
            to_do.under_way = true;
            errand.task.write(out, &format!("e{}", to_do.number));
        }
    }

    /// What was under way on the old link is asked again.
    pub(super) fn new_link(&mut self, who: usize) {
        self.to_do[who].under_way = false;
    }

    /// The relay has answered; who has something to send now. `None` if nothing was asked under that id.
    pub(super) fn answered(&mut self, who: usize, id: &str, error: Option<&str>, name: &str) -> Option<Vec<usize>> {
        let to_do = &mut self.to_do[who];
        if !to_do.under_way || id.strip_prefix('e')?.parse() != Ok(to_do.number) {
            return None;
        }
        to_do.under_way = false;
        to_do.number += 1;
        let Errand { task, then } = to_do.waiting.pop_front()?;
        self.left -= 1;
        // Somebody who has joined already need not be invited: an earlier test was cut short there.
        let is_done = matches!(task, Task::Invite { .. }) && error.is_some_and(|error| error.contains("joined"));
        if let Some(error) = error.filter(|_| !is_done) {
            self.refusals += u64::from(self.late);
            self.refused.get_or_insert(format!("{name}: the relay refuses {task:?}: {error}"));
        }
        let mut kicks = vec![who];
        if let Some((other, task)) = then {
            self.add(other, task.into());
            kicks.push(other);
        }
        Some(kicks)
    }
}
