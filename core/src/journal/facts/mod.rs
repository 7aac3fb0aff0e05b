//! Facts: what every later version must still be able to read of a host when it knows nothing of the State
//! that was written beside it. JSON, with structs of their own, so that nothing inside the core can change
//! them by accident.
//!
//! Rules, kept by `tests/golden/`: a field is never renamed, never changes its meaning, and is never needed
//! but for a pool's uid and name; a field that is missing has its default, a field or word that is not known
//! is passed over. Times are nanoseconds on the core's clock, as [`Time::as_nanos`](crate::Time::as_nanos).
//!
//! A host that is made of Facts keeps these promises, whatever else it cannot know:
//!
//! 1. nothing is named twice: the next uid is above `registered` and every uid here, the next operation above
//!    `operations_issued`, the next incarnation above `incarnation` and [`PoolFacts::engine`] (a higher epoch
//!    is enough), the next lease of a pool above [`LeaseFacts::sequence_high_water`];
//! 2. wanted is as it was; a pool that was wanted down is not started;
//! 3. an engine of `engine` that has been signalled is being stopped, and its end is `asked` or what
//!    `stop_cause` says; one that had been ready stays ready, any other one is starting; `Resume` says
//!    which of them live;
//! 4. granted = completed + expired + cut + lost + active, for the leases the Facts know. Those granted since
//!    are in no total: sequences up to the high-water are skipped, and whoever ends one hears *ended before*.
//!    Of an incarnation that does not live, active leases are lost; the others get one grace. Facts that were
//!    cut short ([`Folded::cut_short`](super::Folded::cut_short)) may have missed asks: skip a million more;
//! 5. circuits, failures, restart times and storms are as they were, so that a restart of the supervisor is
//!    no way around a breaker; what lies in the future stays there;
//! 6. an operation that ran ends as interrupted with `Resume`, if its kind is a known word; no effect is
//!    outstanding; every pool's deadlines follow from its phase;
//! 7. PID and handoff file are believed to be absent where they are wanted and present where they are not, so that
//!    they are written or removed again;
//! 8. an engine that a reload tried (its `spec_hash` is not the pool's) and one that is doomed are stopped, and the
//!    committed spec is started;
//! 9. pools are in uid order, names and ports are used once; of two pools with one name the later is dropped
//!    (Facts of two hosts were mixed).

mod engine;
mod lease;
mod operation;
mod supervision;

pub use engine::{EngineFacts, IncarnationFacts, RunFacts, StartedBy};
pub use lease::{ActiveLeaseFacts, LeaseFacts};
pub use operation::OperationFacts;
pub use supervision::{CircuitFacts, LastErrorFacts, SupervisionFacts};

use alloc::string::String;
use alloc::vec::Vec;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};

use crate::phase::{DownBy, HoldReason};
use crate::spec::Policy;

/// The version of this form. Raised only when an older reader would misunderstand it; more fields do not.
pub const FACTS_VERSION: u32 = 1;

/// What is known of a whole host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// [`FACTS_VERSION`] of the writer.
    pub facts_version: u32,
    /// What is known of the host but its pools.
    pub host: HostFacts,
    /// Every pool, by uid.
    pub pools: Vec<PoolFacts>,
}

/// What pools of a host share.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostFacts {
    /// The time of the last input.
    pub now_nanos: u64,
    /// The start of the supervisor that wrote them.
    pub epoch: u32,
    /// Decides every jitter; a host keeps it for life.
    pub seed: u64,
    /// The highest pool uid given out.
    pub registered: u32,
    /// The highest operation number given out.
    pub operations_issued: u64,
    /// Whether the supervisor was going down: whoever cleans up after it looks here.
    pub shutting_down: bool,
    /// Automatic restarts that the start limiter still counts, oldest first.
    pub limiter_restarts_nanos: Vec<u64>,
}

/// What changed since the Facts at the beginning of a segment: the host's part, and one pool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FactsUpdate {
    /// [`FACTS_VERSION`] of the writer.
    pub facts_version: u32,
    /// Takes the place of what was known of the host.
    pub host: HostFacts,
    /// A pool that is new or changed.
    pub pool: Option<PoolFacts>,
    /// The uid of a pool that was deregistered.
    pub forgotten: Option<u32>,
}

/// What is known of a pool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolFacts {
    /// What the host calls it.
    pub uid: u32,
    /// What people call it.
    pub name: String,
    /// Whether an engine is wanted.
    #[serde(default)]
    pub wanted_up: bool,
    /// Who wanted it down.
    #[serde(default, deserialize_with = "if_known")]
    pub down_by: Option<DownBy>,
    /// Why it is held, if it is.
    #[serde(default, deserialize_with = "if_known")]
    pub held: Option<HoldReason>,
    /// What runs, or would.
    #[serde(default)]
    pub spec: EngineFacts,
    /// What `reload --back` brings.
    #[serde(default)]
    pub previous: Option<EngineFacts>,
    /// What the engine runs that a reload tries, or tried.
    #[serde(default)]
    pub candidate: Option<EngineFacts>,
    /// How it is supervised; `None` when it cannot be read: the defaults, until the config is read.
    #[serde(default, deserialize_with = "if_known")]
    pub policy: Option<Policy>,
    /// Which bytes the model of `spec` is.
    #[serde(default)]
    pub model_stamp: Option<u64>,
    /// The highest incarnation begun.
    #[serde(default)]
    pub incarnation: IncarnationFacts,
    /// The engine that exists, or is being made.
    #[serde(default)]
    pub engine: Option<RunFacts>,
    /// The last healthy answer.
    #[serde(default)]
    pub heartbeat_nanos: Option<u64>,
    /// Spawn to Ready, the last time.
    #[serde(default)]
    pub load_time_nanos: Option<u64>,
    /// The operation that runs.
    #[serde(default)]
    pub operation: Option<OperationFacts>,
    /// The last operation that ended.
    #[serde(default)]
    pub last_operation: Option<u64>,
    /// What supervision remembers.
    #[serde(default)]
    pub supervision: SupervisionFacts,
    /// Who uses the engine.
    #[serde(default)]
    pub leases: LeaseFacts,
}

impl Facts {
    /// Takes in what changed later.
    pub fn apply(&mut self, update: FactsUpdate) {
        self.host = update.host;
        if let Some(pool) = update.pool {
            match self.pools.binary_search_by_key(&pool.uid, |known| known.uid) {
                Ok(place) => {
                    if let Some(known) = self.pools.get_mut(place) {
                        *known = pool;
                    }
                }
                Err(place) => self.pools.insert(place, pool),
            }
        }
        if let Some(uid) = update.forgotten {
            self.pools.retain(|pool| pool.uid != uid);
        }
    }

    /// A pool by its uid.
    pub(super) fn pool_mut(&mut self, uid: u32) -> Option<&mut PoolFacts> {
        self.pools.iter_mut().find(|pool| pool.uid == uid)
    }
}

/// A later version may say what this one has no word for: that one value is unknown, the rest is readable.
fn if_known<'de, D, T>(from: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let value = serde_json::Value::deserialize(from)?;
    Ok(serde_json::from_value(value).ok())
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    #[test]
    fn a_pool_needs_a_uid_and_a_name_and_nothing_else() {
        let pool: PoolFacts = serde_json::from_str(r#"{"uid": 3, "name": "a"}"#).unwrap();
        assert_eq!(pool, PoolFacts { uid: 3, name: "a".into(), ..PoolFacts::default() });
        assert!(serde_json::from_str::<PoolFacts>(r#"{"uid": 3}"#).is_err());
    }

    #[test]
    fn what_a_later_version_added_is_passed_over() {
        let text = r#"{
            "uid": 3, "name": "a", "weather": {"rain": true},
            "wanted_up": false, "down_by": "astrologer",
            "policy": {"start": {"timeout": {"secs": 7, "nanos": 0}, "mood": 1}},
            "supervision": {"general": {"state": "ajar", "failures": 4}, "last_error": {
                "class": "gremlins", "verdict": {"class": "gremlins", "evidence": []}}}
        }"#;
        let pool: PoolFacts = serde_json::from_str(text).unwrap();
        assert_eq!(pool.down_by, None);
        let policy = pool.policy.unwrap();
        assert_eq!(policy.start.timeout, Duration::from_secs(7));
        assert_eq!(policy.stop, Policy::default().stop);
        let SupervisionFacts { general, last_error, .. } = pool.supervision;
        assert_eq!((general.state, general.failures), (None, 4));
        let last_error = last_error.unwrap();
        assert_eq!((last_error.class.as_str(), last_error.verdict), ("gremlins", None));
    }

    #[test]
    fn updates_replace_add_and_forget() {
        let pool = |uid, crashes_total| PoolFacts {
            uid,
            supervision: SupervisionFacts { crashes_total, ..SupervisionFacts::default() },
            ..PoolFacts::default()
        };
        let mut facts = Facts { pools: [pool(1, 0), pool(4, 0)].into(), ..Facts::default() };
        for changed in [pool(4, 9), pool(2, 5)] {
            facts.apply(FactsUpdate { pool: Some(changed), ..FactsUpdate::default() });
        }
        let host = HostFacts { registered: 4, ..HostFacts::default() };
        facts.apply(FactsUpdate { host, forgotten: Some(1), ..FactsUpdate::default() });
        assert_eq!(facts.pools, [pool(2, 5), pool(4, 9)]);
        assert_eq!(facts.host.registered, 4);
    }
}
