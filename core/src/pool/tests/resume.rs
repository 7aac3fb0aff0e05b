//! The supervisor is started again with the state of the one before.

use super::*;
use crate::{Adopted, CircuitState, ReleaseGate, Resume};

/// What is found of the engine.
#[derive(Clone, Copy)]
enum Found {
    Alive,
    Ended(ExitStatus),
    Nothing,
}

/// The supervisor dies now and is started again a little later; no effect that was out is answered.
fn restart(stage: &mut Stage, found: Found) {
    let state = serde_json::to_string(&stage.host).expect("the state can be written");
    stage.host = serde_json::from_str(&state).expect("the state can be read");
    let engine = stage.host.view().pool(stage.pool).and_then(|pool| pool.engine);
    stage.open.clear();
    stage.now = stage.now + SECOND * 3;
    let mut resume = Resume { epoch: 2, ..Resume::default() };
    if let Some(engine) = engine {
        let engine = EngineRef { pool: stage.pool, incarnation: engine.incarnation };
        match found {
            Found::Alive => resume.alive.push(Adopted { engine, pid: 4242 }),
            Found::Ended(status) => resume.ended.push((engine, status)),
            Found::Nothing => {}
        }
    }
    stage.forget();
    stage.feed(Input::Resume(Box::new(resume)));
}

#[test]
fn an_adopted_ready_pool_stays_ready_keeps_its_leases_and_is_probed_at_once() {
    let mut stage = Stage::ready();
    let lease = stage.lease();
    let engine = stage.engine();
    restart(&mut stage, Found::Alive);
    assert_eq!((stage.engine(), stage.asks()), (engine, [Ask::Probe].into()));
    assert!(stage.view().health.ready);
    assert_eq!(stage.end_lease(lease), Answer::LeaseEnded);
    stage.assert_conserved();
}

#[test]
fn counters_circuits_and_the_window_survive() {
    let mut stage = Stage::ready();
    for _ in 0..4 {
        stage.crash(ExitStatus::Code(1));
        stage.tick_until(Due::GateOpens);
        stage.settle();
    }
    stage.crash(ExitStatus::Code(1));
    let before = stage.view();
    let counters = (before.crashes_total, before.restart_count, before.failures, before.circuits);
    restart(&mut stage, Found::Nothing);
    let after = stage.view();
    assert_eq!((after.crashes_total, after.restart_count, after.failures, after.circuits), counters);
    assert_eq!(
        (after.circuits[0].state, stage.spawns()),
        (CircuitState::Open, 0),
        "no way round the breaker"
    );
}

#[test]
fn an_engine_that_ended_meanwhile_is_a_crash_like_any_other() {
    for (found, class) in [
        (Found::Ended(ExitStatus::Signal(11)), CrashClass::Signal(11)),
        (Found::Nothing, CrashClass::Unknown),
    ] {
        let mut stage = Stage::ready();
        stage.lease();
        restart(&mut stage, found);
        stage.settle();
        assert_eq!(stage.crashes_heard(), [class]);
        assert_eq!((stage.view().lease_totals.lost, stage.phase()), (1, PhaseName::Waiting));
    }
}

#[test]
fn a_drain_goes_on_under_its_own_deadline() {
    let mut stage = Stage::ready();
    stage.lease();
    let drain = stage.drain_within(SECOND * 10);
    let deadline = stage.view().drain_deadline;
    restart(&mut stage, Found::Alive);
    assert_eq!((stage.phase(), stage.view().drain_deadline), (PhaseName::Draining, deadline));
    stage.pass(SECOND * 7);
    stage.exits(ExitStatus::Signal(15));
    stage.settle();
    assert!(matches!(stage.outcome(drain), Some(Outcome::ForceStopped { .. })));
}

#[test]
fn a_signal_that_may_not_have_been_sent_is_sent_again() {
    let mut stage = Stage::ready();
    stage.accepted(Verb::Stop);
    restart(&mut stage, Found::Alive);
    assert_eq!(stage.signals(), [Signal::Graceful]);
    stage.pass(SECOND * 5);
    assert_eq!(stage.signals(), [Signal::Graceful, Signal::KillTree]);
    restart(&mut stage, Found::Alive);
    assert_eq!(stage.signals(), [Signal::KillTree]);
}

#[test]
fn a_spawn_that_was_never_acknowledged_is_adopted_or_tried_again_uncharged() {
    for found in [Found::Alive, Found::Nothing] {
        let mut stage = Stage::new(|_| {});
        stage.preload();
        stage.settle_until(PhaseName::Starting);
        let first = stage.engine();
        restart(&mut stage, found);
        stage.settle();
        assert_eq!((stage.phase(), stage.view().crashes_total), (PhaseName::Ready, 0));
        assert_eq!(stage.engine() == first, matches!(found, Found::Alive));
    }
}

#[test]
fn whatever_was_under_way_is_asked_afresh_in_every_phase() {
    let phases = [PhaseName::Staging, PhaseName::Waiting, PhaseName::Starting, PhaseName::Ready];
    for phase in phases {
        let mut stage = Stage::new(|_| {});
        let preload = stage.preload();
        stage.settle_until(phase);
        restart(&mut stage, Found::Alive);
        stage.settle();
        assert_eq!(
            (stage.phase(), stage.outcome(preload)),
            (PhaseName::Ready, Some(Outcome::Completed)),
            "{phase:?}"
        );
    }
}

#[test]
fn a_start_that_asked_for_release_asks_again_and_is_seen_to() {
    let mut stage = gates::slow_to_load();
    stage.crash(ExitStatus::Code(1));
    stage.tick_until(Due::GateOpens);
    restart(&mut stage, Found::Nothing);
    let gates = stage.view().gates.expect("it waits");
    assert_eq!(
        (stage.asks(), gates.release),
        ([Ask::Release].into(), ReleaseGate::Asked { since: stage.now })
    );
    assert_eq!(
        stage.host.facts().host.limiter_restarts_nanos.len(),
        1,
        "the same restart is not counted twice"
    );
}

#[test]
fn the_end_of_an_engine_is_explained_and_tidied_up_after_all() {
    let mut stage = Stage::ready();
    stage.exits(ExitStatus::Code(1));
    restart(&mut stage, Found::Nothing);
    let asks = stage.asks();
    for ask in [Ask::Evidence, Ask::Remove(FileKind::Pid), Ask::Remove(FileKind::Handoff)] {
        assert!(asks.contains(&ask), "{ask:?} is asked again: {asks:?}");
    }
    stage.settle();
    assert_eq!(stage.phase(), PhaseName::Ready, "its backoff passed meanwhile");
}

#[test]
fn a_reload_goes_on_from_where_it_was() {
    for answered in 0..3 {
        let mut stage = Stage::ready();
        let operation = stage.accepted(Verb::Reload(Box::new(reload::to_spec(2))));
        for ask in [Ask::Preflight, Ask::Stage].into_iter().take(answered) {
            stage.answer_one(ask);
        }
        restart(&mut stage, Found::Alive);
        if stage.phase() != PhaseName::Stopping {
            stage.settle_until(PhaseName::Stopping);
        }
        stage.exits(ExitStatus::Code(0));
        stage.settle();
        assert_eq!((stage.outcome(operation), stage.phase()), (Some(Outcome::Completed), PhaseName::Ready));
        assert_eq!(stage.view().spec.hash, SpecHash(2));
    }
}

#[test]
fn a_shutdown_is_over_and_what_is_wanted_comes_up_again() {
    for stopped in [false, true] {
        let mut stage = Stage::ready();
        stage.lease();
        stage.shutdown();
        if stopped {
            stage.pass(SECOND * 60);
            stage.exits(ExitStatus::Signal(15));
            stage.settle();
            assert_eq!(stage.phase(), PhaseName::Stopped);
        }
        restart(&mut stage, Found::Alive);
        stage.settle();
        assert_eq!(stage.phase(), PhaseName::Ready);
        assert!(!stage.host.view().is_closing());
    }
}

#[test]
fn processes_that_no_pool_knows_are_killed() {
    let mut stage = Stage::ready();
    let stray = EngineRef { pool: PoolUid(9), incarnation: Incarnation { epoch: 1, n: 1 } };
    let alive = [Adopted { engine: stray, pid: 99 }, Adopted { engine: stage.engine(), pid: 4242 }].into();
    stage.forget();
    stage.feed(Input::Resume(Box::new(Resume { epoch: 2, alive, ended: Vec::new() })));
    let signals: Vec<_> =
        stage.effects.iter().filter(|effect| matches!(effect, Effect::Signal { .. })).cloned().collect();
    assert_eq!(signals, [Effect::Signal { engine: stray, signal: Signal::KillTree }]);
}

#[test]
fn waiting_lease_asks_are_dropped_because_their_callers_are_gone() {
    let mut stage = Stage::ready_with(|spec| spec.policy.lease.slots = 1);
    stage.lease();
    let ask = stage.ask_lease(Priority::Interactive, None);
    restart(&mut stage, Found::Alive);
    assert_eq!((stage.view().leases_queued, stage.replies.get(&ask)), (0, None));
}

#[test]
fn incarnations_of_the_next_epoch_are_higher() {
    let mut stage = Stage::ready();
    let before = stage.engine().incarnation;
    restart(&mut stage, Found::Nothing);
    stage.settle();
    stage.tick_until(Due::GateOpens);
    stage.settle();
    assert!(stage.engine().incarnation > before && stage.engine().incarnation.epoch == 2);
}

#[test]
fn a_signal_that_may_not_have_been_sent_is_waited_for_although_its_time_is_over() {
    // The restart takes 3 s; TERM of a drain that is over is waited for 1 s.
    let mut stage = Stage::ready();
    stage.lease();
    stage.command(Verb::Drain { deadline: Some(SECOND) });
    stage.tick_until(Due::DrainDeadline);
    restart(&mut stage, Found::Alive);
    let restarted = stage.now;
    assert_eq!(stage.signals(), [Signal::Graceful]);
    assert_eq!((stage.tick(), stage.now), (Due::KillGrace, restarted + SECOND));
    assert_eq!(stage.signals(), [Signal::Graceful, Signal::KillTree]);
}

#[test]
fn numbers_of_leases_that_a_lost_journal_may_have_missed_are_not_given_out_again() {
    let mut stage = Stage::ready();
    let state = stage.host.clone();
    let unknown = stage.lease();
    // The journal failed before that grant.
    stage.host = state;
    restart(&mut stage, Found::Alive);
    let known = stage.lease();
    assert_eq!(known.engine, unknown.engine);
    assert!(known.sequence > unknown.sequence + 1000, "{known} after {unknown}");
    assert_eq!(stage.end_lease(unknown), Answer::LeaseEndedBefore { how: None });
}

#[test]
fn readers_see_another_epoch_and_a_higher_version() {
    let mut stage = Stage::ready();
    let (epoch, version) = (stage.host.view().epoch(), stage.host.view().version());
    restart(&mut stage, Found::Alive);
    assert_eq!((epoch, stage.host.view().epoch()), (HostConfig::default().epoch, 2));
    assert!(stage.host.view().version() > version);
    let told = |kind: &EventKind| *kind == EventKind::Resumed { adopted: 1, ended: 0 };
    assert_eq!(stage.heard(told), 1);
}

#[test]
fn a_pool_that_is_down_stays_down() {
    let mut stage = Stage::new(|_| {});
    restart(&mut stage, Found::Nothing);
    assert_eq!((stage.phase(), stage.asks()), (PhaseName::Stopped, Vec::new()));
}

#[test]
fn a_lease_that_ran_out_meanwhile_can_be_renewed_for_ten_seconds() {
    let mut stage = Stage::ready_with(|spec| spec.policy.lease.ttl = SECOND);
    let lease = stage.lease();
    restart(&mut stage, Found::Alive);
    let expires = stage.host.view().leases(stage.pool).map(|lease| lease.expires).next();
    assert_eq!(expires, Some(Some(stage.now + SECOND * 10)));
    assert!(matches!(stage.renew(lease, None), Answer::Renewed { .. }));
}

#[test]
fn a_load_that_ran_out_meanwhile_gets_one_more_probe() {
    let mut stage = Stage::starting();
    stage.pass(SECOND * 119);
    restart(&mut stage, Found::Alive);
    let resumed = stage.now;
    stage.withhold(Ask::Probe);
    stage.tick_until(Due::StartTimeout);
    // The probe's own time-out of 2 s, and 1 s for its answer to arrive.
    assert_eq!(stage.now, resumed + SECOND * 3);
}

#[test]
fn observers_hear_of_a_spawn_that_nobody_had_heard_of() {
    let spawned = |stage: &Stage| stage.heard(|kind| matches!(kind, EventKind::EngineSpawned { pid: 4242 }));
    let mut stage = Stage::starting();
    restart(&mut stage, Found::Alive);
    assert_eq!(spawned(&stage), 0, "it was told before");
    let mut stage = Stage::new(|_| {});
    stage.preload();
    stage.settle_until(PhaseName::Starting);
    restart(&mut stage, Found::Alive);
    assert_eq!(spawned(&stage), 1);
}

#[test]
fn a_kill_is_repeated_and_has_its_whole_time_again() {
    let mut stage = Stage::ready();
    stage.accepted(Verb::Stop);
    stage.tick_until(Due::KillGrace);
    stage.pass(SECOND * 9);
    restart(&mut stage, Found::Alive);
    assert_eq!(stage.signals(), [Signal::KillTree]);
    let resumed = stage.now;
    stage.tick_until(Due::StuckWait);
    assert_eq!(stage.now, resumed + SECOND * 10);
}
