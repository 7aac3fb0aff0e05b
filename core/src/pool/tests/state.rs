//! The state itself: its size, and that it can be cloned, compared, written and read back.

use super::*;
use crate::pool::Pool;

#[test]
fn an_input_is_small() {
    assert!(size_of::<Input>() <= 64, "{} bytes", size_of::<Input>());
}

#[test]
fn a_fresh_pool_takes_at_most_two_kibibytes() {
    // What a pool keeps beside its own struct when it is registered: the strings of its spec.
    let spec = spec("a");
    let catalog = &spec.engine.catalog;
    let strings = spec.name.as_str().len() + catalog.engine.len() + catalog.model.len();
    let all = size_of::<Pool>() + strings;
    assert!(all <= 2048, "{} bytes, {all} with its strings", size_of::<Pool>());
}

/// A host with leases, a queue, a drain and a crash behind it.
fn busy() -> Stage {
    let mut stage = Stage::ready_with(|spec| spec.policy.lease.slots = 2);
    stage.leases(2);
    stage.crash_saying(ExitStatus::Signal(6), &[LogClass::CudaError]);
    stage.tick_until(Due::GateOpens);
    stage.settle();
    stage.leases(2);
    stage.ask_lease(Priority::Batch, None);
    stage.pass_healthy(SECOND * 7);
    stage.drain();
    stage
}

#[test]
fn a_host_reads_back_what_it_wrote() {
    let stage = busy();
    let text = serde_json::to_string(&stage.host).expect("a host can be written");
    let back: Host = serde_json::from_str(&text).expect("and read");
    assert!(back == stage.host);
}

#[test]
fn equal_hosts_do_equal_things() {
    let mut one = busy();
    let mut other = busy();
    assert!(one.host == other.host);
    let copy = one.clone_host();
    for stage in [&mut one, &mut other] {
        stage.tick_until(Due::KillGrace);
    }
    assert!(one.host == other.host && one.effects == other.effects && one.events == other.events);
    assert!(copy != one.host, "a copy has its own state");
}

#[test]
fn a_deadline_that_is_not_due_does_not_fire() {
    let mut stage = Stage::ready();
    let before = stage.clone_host();
    stage.feed(Input::Timer);
    assert!(stage.host == before);
}

#[test]
fn stale_news_are_told_and_change_nothing() {
    let mut stage = Stage::ready();
    let before = stage.clone_host();
    let engine = EngineRef { incarnation: Incarnation { epoch: 1, n: 99 }, ..stage.engine() };
    stage.feed(Input::Exited { engine, status: ExitStatus::Code(1) });
    let effect = EffectId { pool: stage.pool, sequence: 999 };
    stage.complete(effect, Completion::Probed(ProbeAnswer::Refused));
    stage.complete(EffectId { pool: PoolUid(9), sequence: 1 }, Completion::Probed(ProbeAnswer::Refused));
    assert_eq!(stage.heard(|kind| *kind == EventKind::StaleInput), 3);
    assert!(stage.host == before);
}

#[test]
fn a_fingerprint_is_of_the_state_and_of_the_time_left() {
    let print = |stage: &Stage| stage.host.fingerprint(stage.now);
    let mut stage = busy();
    let (before, empty) = (print(&stage), Host::new(HostConfig::default(), 7, Time::ZERO));
    assert_ne!(before, empty.fingerprint(Time::ZERO));
    assert_eq!(before, stage.clone_host().fingerprint(stage.now));
    stage.now = stage.now + SECOND / 10;
    assert_ne!(print(&stage), before, "less time is left");
    // A host that comes to the same an hour later, and with other numbers, is in the same state.
    let fresh = Stage::ready();
    let mut old = Stage::ready();
    old.lease();
    old.drain();
    old.pass(SECOND * 60);
    old.exits(ExitStatus::Signal(15));
    old.settle();
    old.pass(SECOND * 3600);
    old.preload();
    old.settle_until(PhaseName::Starting);
    old.pass(SECOND);
    old.settle();
    assert_eq!(print(&old), print(&fresh));
}

#[test]
fn only_what_is_not_answered_is_awaited() {
    let mut stage = Stage::ready();
    stage.tick_until(Due::ProbeSend);
    let probe = stage.open.first().expect("a probe is out").0;
    assert!(stage.host.view().awaits(probe));
    stage.probed(ProbeAnswer::Healthy);
    assert!(!stage.host.view().awaits(probe));
    assert!(!stage.host.view().awaits(EffectId { pool: PoolUid(9), ..probe }));
}
