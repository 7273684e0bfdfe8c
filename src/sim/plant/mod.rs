//! Bugs to plant, one for each oracle: a check that never fails proves nothing.
//!
//! Most spoil what the relay decided before it is granted, as a bug in the relay would.

mod extended;

use self::extended::Spy;
use crate::base::{LinkId, Seq};
use crate::record::{CursorRecord, Mark, Mode, Record, Standing};
use crate::relay::{Effect, Settings};

/// A bug.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Plant {
    /// None.
    #[default]
    Nothing,
    /// A recipient is left out of a message's record.
    LostRecipient,
    /// A message goes to the link before the one it is for.
    Misrouted,
    /// Two deliveries to one link change places.
    Swapped,
    /// A message goes out twice.
    Doubled,
    /// Answers do not wait for the disk.
    OpenGate,
    /// The disk says that it has synced and has not.
    LyingDisk,
    /// A request's records are two batches.
    SplitBatch,
    /// A user's record is not written.
    UnwrittenFact,
    /// A cursor's record forgets what was acked.
    BlankCursor,
    /// Records are never forgotten.
    Hoarding,
    /// Nobody is told that somebody came or went.
    Unseen,
    /// Who is invited is written down as barred.
    WrongStanding,
    /// Links are never cut.
    Patience,
    /// The window is one wider than was set.
    WideWindow,
    /// Messages never leave.
    Mute,
    /// Acks of requests say another id.
    WrongAnswer,
    /// The relay panics at its fiftieth decision.
    Panic,
    /// Whoever is blocked gets through to a queue.
    Trespass,
    /// Who pings somebody who has blocked them is told so.
    Tactless,
    /// Who is blocked is still seen.
    Glimpse,
    /// After a restart those who were blocked are not.
    LostBlock,
    /// Anybody may register, whatever the site says.
    OpenDoor,
    /// One more wrong code is heard from an address.
    LooseGuesses,
    /// After a restart a code has a use more.
    EndlessCode,
    /// A refusal that should be written down, so that its time does not tell what it was, is not.
    QuietRefusal,
    /// A node that was dropped keeps its link.
    Lingering,
    /// The link of a node that was dropped gets what comes next.
    Ghost,
    /// After a restart a node that was dropped is there again.
    LivingNode,
    /// After a restart all accounts may do everything.
    EqualRoles,
    /// After a restart an alias has a use more.
    EndlessAlias,
    /// What should be kept back goes out at once.
    Leaking,
    /// What should be kept back is written down as if it were not.
    Unheld,
    /// What was kept back does not come.
    Stuck,
    /// What was kept back comes after something else.
    HeldLast,
    /// After a restart a cork is another.
    LostCork,
    /// A queue takes one message more than it may.
    LooseQueue,
    /// Who missed something is told a wrong number.
    Miscounted,
    /// After a restart nobody has missed anything.
    LostMissed,
    /// One ping more is accepted.
    LoosePings,
    /// After a restart a group has its old rules.
    LostRules,
}

/// Does what a [`Plant`] says to effects.
pub(super) struct Saboteur {
    plant: Plant,
    count: u64,
    last_link: Option<LinkId>,
    late: Vec<Effect>,
    spy: Spy,
}

impl Plant {
    pub(super) fn saboteur(self) -> Saboteur {
        Saboteur { plant: self, count: 0, last_link: None, late: Vec::new(), spy: Spy::default() }
    }

    pub(super) fn spoil_settings(self, settings: &mut Settings) {
        match self {
            Plant::WideWindow => settings.window += 1,
            Plant::OpenDoor => settings.register = Mode::Open,
            Plant::LooseGuesses => settings.quotas.wrong_codes += 1,
            Plant::LooseQueue => settings.quotas.queue_messages += 1,
            Plant::LoosePings => settings.quotas.pings += 1,
            _ => {}
        }
    }
}

impl Saboteur {
    /// Strikes now and then, so that there is something to spoil.
    fn strikes(&mut self) -> bool {
        self.count += 1;
        self.count % 5 == 4
    }

    pub(super) fn spoil(&mut self, effects: &mut Vec<Effect>) {
        match self.plant {
            Plant::Nothing
            | Plant::LyingDisk
            | Plant::WideWindow
            | Plant::OpenGate
            | Plant::OpenDoor
            | Plant::LooseGuesses
            | Plant::LooseQueue
            | Plant::LoosePings => {}
            Plant::LostRecipient => self.records(effects, |record| match record {
                Record::Message(message) if message.to.len() > 1 => message.to.pop().is_some(),
                _ => false,
            }),
            Plant::BlankCursor => self.records(effects, |record| match record {
                Record::Cursor(cursor) => {
                    let blank = Mark::default;
                    *cursor = CursorRecord { node: cursor.node, normal: blank(), priority: blank(), held: blank(), seen: cursor.seen };
                    true
                }
                _ => false,
            }),
            Plant::WrongStanding => self.records(effects, |record| match record {
                Record::Member(member) if member.standing == Standing::Invited => {
                    member.standing = Standing::Barred;
                    true
                }
                _ => false,
            }),
            Plant::Misrouted => {
                for effect in effects {
                    let Effect::Deliver { link, .. } = effect else { continue };
                    let right = *link;
                    if let Some(other) = self.last_link.filter(|other| *other != right) {
                        *link = other;
                    }
                    self.last_link = Some(right);
                }
            }
            Plant::Swapped => {
                let places: Vec<usize> = (0..effects.len()).filter(|at| matches!(effects[*at], Effect::Deliver { .. })).collect();
                for pair in places.windows(2) {
                    if let (Effect::Deliver { link: one, .. }, Effect::Deliver { link: other, .. }) = (&effects[pair[0]], &effects[pair[1]])
                        && one == other
                    {
                        effects.swap(pair[0], pair[1]);
                        return;
                    }
                }
            }
            Plant::Doubled => {
                let twice = effects.iter().find(|effect| matches!(effect, Effect::Deliver { .. })).cloned();
                if self.strikes() {
                    effects.extend(twice);
                }
            }
            Plant::SplitBatch => effects.iter_mut().for_each(|effect| {
                if let Effect::Append { end, .. } = effect {
                    *end = true;
                }
            }),
            Plant::UnwrittenFact => effects.retain(|effect| {
                let is_user =
                    matches!(effect, Effect::Append { payload, end: false, .. } if matches!(Record::decode(payload), Ok(Record::User(_))));
                !is_user
            }),
            Plant::Hoarding => effects.retain(|effect| !matches!(effect, Effect::Forget { .. })),
            Plant::Patience => effects.retain(|effect| !matches!(effect, Effect::Cut { .. })),
            Plant::Unseen => self.frames(effects, r#""op":"ohi""#, |_| false),
            Plant::Mute => effects.retain(|effect| !matches!(effect, Effect::Deliver { .. })),
            Plant::WrongAnswer => self.frames(effects, r#""op":"ack""#, |frame| {
                let at = frame.windows(2).position(|pair| pair == br"\u").unwrap_or(frame.len() - 3);
                frame[at + 2] ^= 1;
                true
            }),
            Plant::Panic => {
                self.count += effects.len() as u64;
                assert!(self.count < 50, "a planted panic");
            }
            plant => self.spy.spoil(plant, effects),
        }
    }

    /// Spoils what was decided rightly: what goes wrong here is the server's fault, not the relay's.
    pub(super) fn spoil_grants(&mut self, effects: &mut Vec<Effect>) {
        if self.plant != Plant::OpenGate {
            return;
        }
        // Records are written a little late, and answers do not wait for them.
        let (appends, others): (Vec<Effect>, Vec<Effect>) = effects.drain(..).partition(|effect| matches!(effect, Effect::Append { .. }));
        self.late.extend(appends);
        if self.strikes() {
            effects.append(&mut self.late);
        }
        effects.extend(others);
        for effect in effects {
            if let Effect::Send { after, .. } = effect {
                *after = Seq::ZERO;
            }
        }
    }

    /// Changes records.
    fn records(&mut self, effects: &mut [Effect], mut change: impl FnMut(&mut Record<'_>) -> bool) {
        for effect in effects {
            let Effect::Append { payload, .. } = effect else { continue };
            let Ok(mut record) = Record::decode(payload) else { continue };
            if change(&mut record) {
                let spoilt = record.encode();
                *payload = spoilt;
            }
        }
    }

    /// Changes frames of a kind, or drops those for which `keep` says no.
    fn frames(&mut self, effects: &mut Vec<Effect>, kind: &str, mut keep: impl FnMut(&mut Vec<u8>) -> bool) {
        effects.retain_mut(|effect| {
            let Effect::Send { frame, .. } = effect else { return true };
            !frame.windows(kind.len()).any(|window| window == kind.as_bytes()) || keep(frame)
        });
    }
}
