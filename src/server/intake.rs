//! Where what the relay wants goes: records to the log, everything else to the gate.

use super::gate::Gate;
use crate::base::Seq;
use crate::relay::Effect;
use crate::store::{Disk, Store, StoreError};

/// Who looks on in a simulator: sees what the relay wants before it is granted, and may spoil it, to see whether that is noticed.
#[cfg(feature = "sim")]
pub type Bystander = Box<dyn FnMut(&mut Vec<Effect>)>;

/// The gate, and what went past it.
pub(super) struct Intake {
    pub(super) gate: Gate,
    /// Octets of records in this turn.
    pub(super) written: usize,
    /// Records and their octets, since the start.
    pub(super) appended: (u64, u64),
    #[cfg(feature = "sim")]
    pub(super) bystander: Option<Bystander>,
}

impl Intake {
    pub(super) fn new(durable: Seq) -> Intake {
        Intake {
            gate: Gate::new(durable),
            written: 0,
            appended: (0, 0),
            #[cfg(feature = "sim")]
            bystander: None,
        }
    }

    /// # Errors
    /// [`StoreError`], as for any append.
    pub(super) fn absorb<D: Disk>(&mut self, effects: &mut Vec<Effect>, store: &mut Store<D>) -> Result<(), StoreError> {
        #[cfg(feature = "sim")]
        if let Some(bystander) = &mut self.bystander {
            bystander(effects);
        }
        for effect in effects.drain(..) {
            match effect {
                Effect::Append { seq, payload, end } => {
                    self.written += payload.len();
                    self.appended.0 += 1;
                    self.appended.1 += payload.len() as u64;
                    store.append(seq, &payload, end)?;
                }
                other => self.gate.hold(other),
            }
        }
        Ok(())
    }
}
