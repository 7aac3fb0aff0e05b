//! An engine's processes, found and killed without a cgroup. Used by the signal and spawn executors, on
//! threads that may wait.
//!
//! A process belongs to an engine by its session or group, by its chain of parents, or by the marker in
//! its environment. One that left the session, lost its parent and cleaned its environment is not
//! found: best effort, and said so in the status.
//!
//! The leader must not have been reaped while a [`Tree`] is used: its pid names the session.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use nix::unistd::{getsid, getuid};
use pool_manager_core::{Incarnation, PoolName};
use rustix::process::Signal;

use crate::linux::pidfd::PidFd;
use crate::linux::proc::{self, Stat};

/// Names the engine a process belongs to: `<pool>/<epoch>.<n>`.
pub const ENGINE_VARIABLE: &str = "POOL_MANAGER_ENGINE";
/// Names the daemon the engine belongs to, by its state directory: two daemons may have pools of one name.
pub const STATE_VARIABLE: &str = "POOL_MANAGER_STATE";

/// What every process of one engine inherits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marker {
    engine: String,
    state: String,
}

impl Marker {
    /// The marker of one run of a pool's engine under the daemon with this state directory.
    #[must_use]
    pub fn new(pool: &PoolName, incarnation: Incarnation, state_dir: &Path) -> Self {
        Self { engine: format!("{pool}/{incarnation}"), state: state_dir.display().to_string() }
    }

    /// The environment variables that make it up.
    #[must_use]
    pub fn variables(&self) -> [(&'static str, &str); 2] {
        [(ENGINE_VARIABLE, &self.engine), (STATE_VARIABLE, &self.state)]
    }

    /// Whether a process carries it. A process that another user started does not count: everybody may
    /// put anything into the environment of programs they start.
    fn is_on(&self, pid: u32) -> bool {
        let carries = |(name, value)| proc::environment_value(pid, name).as_deref() == Some(value);
        self.variables().into_iter().all(carries) && proc::user(pid) == Some(getuid().as_raw())
    }
}

/// Whether a process carries the marker of some engine of the daemon with this state directory.
#[must_use]
pub fn is_marked_by(pid: u32, state_dir: &Path) -> bool {
    proc::environment_value(pid, ENGINE_VARIABLE).is_some()
        && proc::environment_value(pid, STATE_VARIABLE) == Some(state_dir.display().to_string())
}

/// The pids that belong to `leader` by session, group or descent, as far as `processes` tells.
#[must_use]
pub fn relatives(processes: &[Stat], leader: u32) -> BTreeSet<u32> {
    let close =
        |process: &&Stat| process.pid == leader || process.session == leader || process.group == leader;
    let found = processes.iter().filter(close).map(|process| process.pid).collect();
    with_descendants(processes, found)
}

fn with_descendants(processes: &[Stat], mut found: BTreeSet<u32>) -> BTreeSet<u32> {
    loop {
        let before = found.len();
        for process in processes {
            if found.contains(&process.parent) {
                found.insert(process.pid);
            }
        }
        if found.len() == before {
            return found;
        }
    }
}

/// What is to be killed.
#[derive(Clone, Copy, Debug)]
pub struct Tree<'a> {
    /// The engine's first process.
    pub leader: u32,
    /// When it started; nothing of its tree is older.
    pub started_ticks: u64,
    /// What its processes carry.
    pub marker: &'a Marker,
    /// The first processes of other engines, which are never part of it.
    pub spared: &'a [u32],
}

/// Enough for any tree that is not breeding faster than it can be stopped; that one is killed in rounds.
const MOST_SCANS: usize = 32;

impl Tree<'_> {
    /// Stops whatever belongs to the tree until two scans agree, then kills it. Returns how many live
    /// processes were found: after 0, it is gone.
    ///
    /// Relatives go first and strays, which only the marker shows, after them: reading the
    /// environment of a process that is stuck in the kernel can hang, and must not keep the
    /// rest of the tree alive.
    #[must_use]
    pub fn kill(&self) -> usize {
        let relatives = self.kill_all(|processes| relatives(processes, self.leader));
        relatives + self.kill_all(|processes| with_descendants(processes, self.strays(processes)))
    }

    fn kill_all(&self, find: impl Fn(&[Stat]) -> BTreeSet<u32>) -> usize {
        let mut stopped: BTreeMap<(u32, u64), PidFd> = BTreeMap::new();
        for _ in 0..MOST_SCANS {
            let processes = proc::all();
            let members = find(&processes);
            let fresh = |process: &&Stat| {
                members.contains(&process.pid)
                    && self.may_be_killed(process)
                    && !stopped.contains_key(&(process.pid, process.started_ticks))
            };
            let fresh: Vec<Stat> = processes.iter().filter(fresh).copied().collect();
            if fresh.is_empty() {
                break;
            }
            stopped.extend(fresh.iter().filter_map(stop));
        }
        for process in stopped.values() {
            // A process that went meanwhile is what was wanted; one that may not be killed is found again.
            let _ = process.send(Signal::KILL);
        }
        stopped.len()
    }

    fn strays(&self, processes: &[Stat]) -> BTreeSet<u32> {
        let stray = |process: &&Stat| self.may_be_killed(process) && self.marker.is_on(process.pid);
        processes.iter().filter(stray).map(|process| process.pid).collect()
    }

    fn may_be_killed(&self, process: &Stat) -> bool {
        let own_session = getsid(None).map_or(0, |session| session.as_raw().cast_unsigned());
        process.pid > 1
            && process.session != own_session
            && process.pid != std::process::id()
            && process.started_ticks >= self.started_ticks
            && !self.spared.contains(&process.pid)
            && !process.is_ended()
    }
}

/// Stops one process. `None`: it is gone, perhaps with its pid given to another, which is left alone.
fn stop(process: &Stat) -> Option<((u32, u64), PidFd)> {
    let fd = PidFd::open(process.pid).ok()?;
    if !proc::stat(process.pid)?.is_same_process(process) {
        return None;
    }
    let _ = fd.send(Signal::STOP);
    Some(((process.pid, process.started_ticks), fd))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32, parent: u32, group: u32, session: u32) -> Stat {
        Stat { pid, state: 'S', parent, group, session, nice: 0, started_ticks: 10 }
    }

    #[test]
    fn relatives_are_found_by_session_and_by_descent_in_any_order() {
        let processes = [
            process(3, 12, 3, 3),    // a grandchild with a session of its own and a low pid
            process(10, 1, 10, 10),  // the leader
            process(11, 1, 10, 10),  // its session, but orphaned
            process(12, 10, 12, 12), // its child with a session of its own
            process(20, 1, 20, 20),  // somebody else
        ];
        assert_eq!(relatives(&processes, 10), BTreeSet::from([3, 10, 11, 12]));
    }

    #[test]
    fn never_init_ourselves_our_session_another_engine_or_anything_older() {
        let marker = Marker { engine: "a/1.1".into(), state: "/nowhere".into() };
        let tree = Tree { leader: 10, started_ticks: 10, marker: &marker, spared: &[30] };
        let own = proc::stat(std::process::id()).expect("this process exists");
        assert!(tree.may_be_killed(&process(10, 1, 10, 10)));
        assert!(!tree.may_be_killed(&process(1, 0, 1, 1)));
        assert!(!tree.may_be_killed(&own));
        assert!(!tree.may_be_killed(&process(40, 1, 40, own.session)));
        assert!(!tree.may_be_killed(&process(30, 1, 30, 30)));
        assert!(!tree.may_be_killed(&Stat { started_ticks: 9, ..process(10, 1, 10, 10) }));
        assert!(!tree.may_be_killed(&Stat { state: 'Z', ..process(10, 1, 10, 10) }));
    }
}
