//! Nothing leaves before it is durable: where effects wait for the disk.

use std::collections::VecDeque;

use crate::base::Seq;
use crate::relay::Effect;

/// Effects in the order of decision. One that waits holds up those behind it, so that a link's frames keep their order.
#[derive(Debug)]
pub(super) struct Gate {
    held: VecDeque<Effect>,
    /// What may be forgotten, after what: apart, since a cursor may release thousands at once, and their order among the
    /// frames is of no matter.
    needless: VecDeque<(Seq, Vec<Seq>)>,
    durable: Seq,
}

impl Gate {
    pub(super) fn new(durable: Seq) -> Gate {
        Gate { held: VecDeque::new(), needless: VecDeque::new(), durable }
    }

    pub(super) fn hold(&mut self, effect: Effect) {
        match effect {
            Effect::Forget { after, seqs } => self.needless.push_back((after, seqs)),
            other => self.held.push_back(other),
        }
    }

    /// Effects that wait, besides records that may be forgotten.
    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty() && self.needless.is_empty()
    }

    /// The next effect that may happen, now that the log is durable up to `durable`.
    ///
    /// # Panics
    /// If the durable end went back.
    pub(super) fn release(&mut self, durable: Seq) -> Option<Effect> {
        assert!(durable >= self.durable, "durable end went from {} back to {durable}", self.durable);
        self.durable = durable;
        if self.held.front().is_some_and(|first| after(first) <= durable) {
            return self.held.pop_front();
        }
        self.needless.front().filter(|(after, _)| *after <= durable)?;
        self.needless.pop_front().map(|(after, seqs)| Effect::Forget { after, seqs })
    }
}

fn after(effect: &Effect) -> Seq {
    match effect {
        Effect::Send { after, .. }
        | Effect::Deliver { after, .. }
        | Effect::Close { after, .. }
        | Effect::Answer { after, .. }
        | Effect::Forget { after, .. } => *after,
        Effect::Cut { .. } | Effect::Append { .. } => Seq::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::LinkId;

    fn send(after: u64) -> Effect {
        Effect::Send { link: LinkId { slot: 0, generation: 0 }, after: Seq(after), frame: Vec::new() }
    }

    #[test]
    fn effects_leave_in_order_and_never_before_what_they_follow_is_durable() {
        let mut gate = Gate::new(Seq(10));
        for after in [5, 12, 10, 13] {
            gate.hold(send(after));
        }
        assert_eq!(gate.release(Seq(10)), Some(send(5)));
        assert_eq!(gate.release(Seq(11)), None);
        assert_eq!(gate.release(Seq(12)), Some(send(12)));
        assert_eq!(gate.release(Seq(12)), Some(send(10)));
        assert_eq!(gate.release(Seq(12)), None);
        assert_eq!(gate.release(Seq(20)), Some(send(13)));
    }

    #[test]
    fn what_is_needless_waits_too_and_holds_nobody_up() {
        let mut gate = Gate::new(Seq(10));
        let needless = |after: u64| Effect::Forget { after: Seq(after), seqs: vec![Seq(1), Seq(2)] };
        for effect in [needless(12), send(11), needless(13)] {
            gate.hold(effect);
        }
        assert_eq!(gate.release(Seq(10)), None);
        assert_eq!([gate.release(Seq(11)), gate.release(Seq(11))], [Some(send(11)), None]);
        assert_eq!([gate.release(Seq(12)), gate.release(Seq(12))], [Some(needless(12)), None]);
        assert!(!gate.is_empty(), "needless effects wait, though nothing is there to be sent");
        assert_eq!(gate.release(Seq(13)), Some(needless(13)));
        assert!(gate.is_empty());
    }

    #[test]
    #[should_panic(expected = "back to")]
    fn a_durable_end_that_goes_back_is_a_bug() {
        let mut gate = Gate::new(Seq(10));
        gate.release(Seq(9));
    }
}
