//! The supervisor is started again with another version: only the Facts are known of the one before.

use super::*;
use crate::journal::Facts;
use crate::{Adopted, CircuitState, DownBy, Resume, Wanted};

/// Goes through the Facts, as text, and resumes with the engine alive or not.
fn restart(stage: &mut Stage, alive: bool) {
    let text = serde_json::to_string(&stage.host.facts()).expect("facts can be written");
    let facts: Facts = serde_json::from_str(&text).expect("facts can be read");
    let engine = stage.host.view().pool(stage.pool).and_then(|pool| pool.engine);
    stage.now = stage.now + SECOND * 3;
    stage.host = Host::from_facts(HostConfig::default(), &facts, stage.now);
    assert_eq!(stage.host.facts().pools.len(), facts.pools.len());
    stage.open.clear();
    stage.forget();
    let engine = engine.filter(|_| alive).map(|engine| engine.incarnation);
    let adopted = |incarnation| Adopted { engine: EngineRef { pool: stage.pool, incarnation }, pid: 4242 };
    let alive = engine.map(adopted).into_iter().collect();
    stage.feed(Input::Resume(Box::new(Resume { epoch: 2, alive, ended: Vec::new() })));
}

#[test]
fn facts_of_a_host_made_of_facts_are_those_facts() {
    let mut stage = Stage::ready();
    stage.leases(3);
    stage.crash(ExitStatus::Code(1));
    let facts = stage.host.facts();
    let mut again = Host::from_facts(HostConfig::default(), &facts, stage.now).facts();
    again.host.now_nanos = facts.host.now_nanos;
    assert_eq!(again, facts);
}

#[test]
fn an_engine_that_was_ready_serves_on_with_its_leases() {
    let mut stage = Stage::ready();
    let lease = stage.lease();
    restart(&mut stage, true);
    assert!(stage.view().health.ready);
    assert!(stage.asks().contains(&Ask::Probe));
    assert_eq!(stage.end_lease(lease), Answer::LeaseEnded);
    stage.assert_conserved();
    let next = stage.lease();
    assert!(next.sequence > lease.sequence);
}

#[test]
fn an_engine_that_was_loading_goes_on_loading_and_one_that_was_stopped_is_stopped() {
    let mut stage = Stage::starting();
    restart(&mut stage, true);
    stage.settle();
    assert_eq!(stage.phase(), PhaseName::Ready);

    stage.accepted(Verb::Stop);
    restart(&mut stage, true);
    assert_eq!((stage.phase(), stage.signals()), (PhaseName::Stopping, [Signal::Graceful].into()));
    stage.exits(ExitStatus::Signal(15));
    stage.settle();
    assert_eq!((stage.phase(), stage.view().wanted), (PhaseName::Stopped, Wanted::Down(DownBy::Stop)));
}

#[test]
fn a_drain_that_was_interrupted_is_still_what_is_wanted() {
    let mut stage = Stage::ready();
    stage.lease();
    stage.drain();
    restart(&mut stage, true);
    assert_eq!(stage.phase(), PhaseName::Draining);
    stage.pass(SECOND * 60);
    stage.exits(ExitStatus::Signal(15));
    stage.settle();
    assert_eq!((stage.phase(), stage.view().lease_totals.cut), (PhaseName::Stopped, 1));
}

#[test]
fn what_was_wanted_down_after_a_start_that_failed_is_not_started() {
    let mut stage = Stage::new(|spec| spec.autostart = true);
    stage.settle_until(PhaseName::Starting);
    // It ended before anyone heard that it began, and before anyone knows why, it is not wanted any more.
    stage.exits(ExitStatus::Code(1));
    stage.drain();
    assert_eq!(stage.phase(), PhaseName::Ended);
    restart(&mut stage, false);
    stage.settle();
    assert_eq!((stage.phase(), stage.spawns()), (PhaseName::Stopped, 0));
}

#[test]
fn a_candidate_is_ended_and_the_committed_spec_started() {
    let mut stage = Stage::ready();
    stage.accepted(Verb::Reload(Box::new(reload::to_spec(2))));
    stage.settle_until(PhaseName::Stopping);
    stage.exits(ExitStatus::Code(0));
    stage.settle_until(PhaseName::Starting);
    stage.answer_one(Ask::Spawn);
    restart(&mut stage, true);
    assert_eq!(stage.phase(), PhaseName::Stopping);
    stage.exits(ExitStatus::Signal(15));
    stage.settle();
    assert_eq!((stage.phase(), stage.view().spec.hash), (PhaseName::Ready, SpecHash(1)));
    assert_eq!(stage.view().crashes_total, 0);
}

#[test]
fn counters_circuits_and_the_last_error_survive() {
    let mut stage = Stage::ready();
    for _ in 0..4 {
        stage.crash(ExitStatus::Code(1));
        stage.tick_until(Due::GateOpens);
        stage.settle();
    }
    stage.crash(ExitStatus::Signal(11));
    let before = stage.view();
    let counters = (before.crashes_total, before.restart_count, before.failures, before.circuits);
    let window = before.restarts_in_window;
    let error = before.last_error.cloned();
    restart(&mut stage, false);
    stage.settle();
    let after = stage.view();
    assert_eq!((after.crashes_total, after.restart_count, after.failures, after.circuits), counters);
    assert_eq!((after.restarts_in_window, after.last_error.cloned()), (window, error));
    assert_eq!((after.circuits[0].state, stage.spawns()), (CircuitState::Open, 0));
}

#[test]
fn what_is_gone_is_gone_and_what_is_wanted_is_started() {
    let mut stage = Stage::ready();
    stage.lease();
    restart(&mut stage, false);
    stage.settle();
    assert_eq!(stage.view().lease_totals.lost, 1);
    assert_eq!(stage.crashes_heard(), [CrashClass::Unknown]);

    let mut stage = Stage::new(|_| {});
    restart(&mut stage, false);
    stage.settle();
    assert_eq!(stage.phase(), PhaseName::Stopped, "down never spawns");
}

#[test]
fn an_end_that_was_not_recorded_yet_is_recorded_and_its_files_are_removed() {
    let mut stage = Stage::ready();
    stage.exits(ExitStatus::Code(1));
    restart(&mut stage, false);
    assert!(stage.asks().contains(&Ask::Remove(FileKind::Pid)));
    stage.settle();
    assert_eq!((stage.crashes_heard().len(), stage.view().crashes_total), (1, 1));
}

#[test]
fn a_doomed_engine_gets_its_drain_and_is_ended() {
    let mut stage = Stage::ready();
    stage.lease();
    let engine = stage.engine();
    stage.feed(Input::LogLine { engine, class: LogClass::CudaError, offset: 1 });
    stage.probed(ProbeAnswer::Refused);
    restart(&mut stage, true);
    assert_eq!(stage.phase(), PhaseName::Draining);
    stage.pass(SECOND * 10);
    stage.crash(ExitStatus::Signal(15));
    assert_eq!(stage.crashes_heard(), [CrashClass::Cuda(None)]);
    assert_eq!(stage.view().lease_totals.lost, 1);
}

#[test]
fn an_allowed_engine_is_still_one_that_counts_for_nothing() {
    let mut stage = Stage::ready();
    stage.command(Verb::AllowRestart);
    stage.crash(ExitStatus::Code(1));
    stage.settle();
    let failures = stage.view().failures;
    restart(&mut stage, true);
    stage.crash(ExitStatus::Code(1));
    assert_eq!(stage.view().failures, failures);
}

#[test]
fn an_operation_that_ran_was_interrupted_and_can_be_asked_for() {
    let mut stage = Stage::ready();
    stage.lease();
    let drain = stage.drain();
    restart(&mut stage, true);
    assert_eq!(stage.outcome(drain), Some(Outcome::Interrupted));
    let told = |kind: &EventKind| matches!(kind, EventKind::OperationEnded { operation, outcome: Outcome::Interrupted, .. } if *operation == drain);
    assert_eq!(stage.heard(told), 1);
    assert_eq!(stage.view().operation.map(|operation| operation.id), None);
    restart(&mut stage, true);
    assert!(stage.host.view().operation(drain).is_none(), "only what runs is in the Facts");
}

#[test]
fn a_load_goes_on_under_its_time_out() {
    let mut stage = Stage::starting();
    let spawned = stage.now;
    restart(&mut stage, true);
    stage.tick_until(Due::StartTimeout);
    assert_eq!(stage.now, spawned + SECOND * 120);
}

#[test]
fn an_engine_that_was_being_stopped_for_its_health_is_stopped() {
    let mut stage = Stage::ready();
    for _ in 0..3 {
        stage.tick_until(Due::ProbeSend);
        stage.probed(ProbeAnswer::Refused);
    }
    assert_eq!((stage.phase(), stage.view().wanted), (PhaseName::Stopping, Wanted::Up));
    restart(&mut stage, true);
    assert_eq!((stage.phase(), stage.signals()), (PhaseName::Stopping, [Signal::Graceful].into()));
    stage.crash(ExitStatus::Signal(15));
    assert_eq!(stage.crashes_heard(), [CrashClass::Unhealthy]);
}

#[test]
fn a_backoff_is_waited_out_and_a_hold_goes_on() {
    let mut stage = Stage::ready_with(|spec| spec.policy.restart.backoff_initial = SECOND * 30);
    assert_eq!(stage.host.facts().pools.first().map(|pool| pool.load_time_nanos), Some(Some(1_000_000_000)));
    stage.crash(ExitStatus::Code(1));
    let until = stage.view().gates.and_then(|gates| gates.backoff_until);
    restart(&mut stage, false);
    assert_eq!(stage.phase(), PhaseName::Waiting);
    assert_eq!(stage.view().gates.and_then(|gates| gates.backoff_until), until);
    assert_eq!(stage.view().next.map(|(at, _)| at), until);

    let mut stage = Stage::new(|_| {});
    stage.preload();
    stage.settle_until(PhaseName::Starting);
    stage.spawn_fails(SpawnError::NotFound);
    assert_eq!(stage.view().held, Some(crate::HoldReason::Config));
    restart(&mut stage, false);
    assert_eq!((stage.view().held, stage.spawns()), (Some(crate::HoldReason::Config), 0));
    stage.drain();
    restart(&mut stage, false);
    assert_eq!((stage.phase(), stage.asks()), (PhaseName::Stopped, Vec::new()));
}

#[test]
fn a_start_that_was_asked_for_stages_again_whatever_backoff_there_was() {
    let mut stage = Stage::ready();
    stage.crash(ExitStatus::Code(1));
    while stage.view().held.is_none() {
        stage.tick();
        if stage.is_open(Ask::Release) {
            stage.answer(Ask::Release, Completion::Released(ReleaseAnswer::Held));
        }
    }
    stage.preload();
    assert_eq!(stage.phase(), PhaseName::Staging);
    restart(&mut stage, false);
    assert_eq!(stage.asks(), [Ask::Stage]);
}

#[test]
fn the_candidate_is_known_until_its_end_is_explained() {
    let mut stage = Stage::ready();
    reload::reload(&mut stage, reload::to_spec(2));
    reload::until_stopping(&mut stage);
    stage.exits(ExitStatus::Code(0));
    stage.settle_until(PhaseName::Starting);
    stage.answer_one(Ask::Spawn);
    stage.exits(ExitStatus::Code(1));
    stage.drain();
    assert_eq!(stage.phase(), PhaseName::Ended);
    let pool = stage.host.facts().pools.remove(0);
    assert_eq!(pool.engine.map(|engine| engine.spec_hash), Some(2));
    assert_eq!(pool.candidate.map(|candidate| candidate.hash), Some(2));
}

#[test]
fn nothing_is_named_twice() {
    let mut stage = Stage::ready();
    let drain = stage.drain();
    restart(&mut stage, true);
    let another = stage.register(spec("b").without_port());
    assert_eq!(another, Answer::Registered { pool: PoolUid(2) });
    let stop = stage.accepted(Verb::Stop);
    assert!(stop > drain);
}

#[test]
fn of_two_pools_with_one_port_or_name_the_later_is_left_out() {
    let mut stage = Stage::ready_with(|spec| spec.engine.port = Some(8001));
    let mut other = spec("b");
    other.engine.port = Some(8002);
    stage.register(other);
    stage.register(spec("c").without_port());
    stage.register(spec("d").without_port());
    let mut facts = stage.host.facts();
    let recalled = |facts: &Facts| {
        let host = Host::from_facts(HostConfig::default(), facts, Time::ZERO);
        host.view().pools().map(|pool| pool.uid.0).collect::<Vec<_>>()
    };
    assert_eq!(recalled(&facts), [1, 2, 3, 4]);
    facts.pools.get_mut(1).expect("pool b").spec.port = Some(8001);
    assert_eq!(recalled(&facts), [1, 3, 4]);
    facts.pools.get_mut(3).expect("pool d").name = String::from("c");
    assert_eq!(recalled(&facts), [1, 3], "nor of two with one name");
}

impl PoolSpec {
    fn without_port(mut self) -> Self {
        self.engine.port = None;
        self
    }
}
