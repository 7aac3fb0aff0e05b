//! What really happened: every event of the core, as the driver told its observer. Streams and books are
//! compared with it.

use std::sync::{Arc, Mutex};

use pool_manager_core::{Event, EventKind, LeaseEnding};

/// One event, numbered as the API numbers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fact {
    pub(crate) epoch: u32,
    pub(crate) number: u64,
    /// As the API calls it: `lease_ended`.
    pub(crate) kind: String,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Truth(Arc<Mutex<Facts>>);

#[derive(Debug, Default)]
struct Facts {
    events: Vec<Fact>,
    ended: Vec<(String, LeaseEnding)>,
}

impl Truth {
    pub(crate) fn record(&self, epoch: u32, event: &Event) {
        let mut facts = self.0.lock().unwrap();
        let number = facts.events.iter().filter(|fact| fact.epoch == epoch).count() as u64 + 1;
        facts.events.push(Fact { epoch, number, kind: kind(&event.kind) });
        if let EventKind::LeaseEnded { lease, how } = &event.kind {
            facts.ended.push((lease.to_string(), *how));
        }
    }

    pub(crate) fn events(&self) -> Vec<Fact> {
        self.0.lock().unwrap().events.clone()
    }

    /// How a lease ended that did not complete.
    pub(crate) fn ended(&self, lease: &str) -> Option<LeaseEnding> {
        self.0.lock().unwrap().ended.iter().find(|(id, _)| id == lease).map(|(_, how)| *how)
    }
}

/// The variant's name in the API's spelling.
fn kind(kind: &EventKind) -> String {
    let debug = format!("{kind:?}");
    let name = debug.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    let mut spelled = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !spelled.is_empty() {
            spelled.push('_');
        }
        spelled.extend(letter.to_lowercase());
    }
    spelled
}
