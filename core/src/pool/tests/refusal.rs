//! Every refusal with its type, and the time to try again that is computed from what is known.

use super::*;
use crate::{OperationKind, Wanted};

/// A ready pool with one lease, the engine of which took 1 s to load.
fn leased() -> Stage {
    let mut stage = Stage::ready();
    stage.lease();
    stage
}

fn not_ready(phase: PhaseName, retry_after: Duration) -> Refusal {
    Refusal::NotReady { phase, retry_after }
}

#[test]
fn a_pool_that_is_not_there_is_unknown_to_every_command() {
    let mut stage = Stage::ready();
    stage.pool = PoolUid(77);
    let verbs = [Verb::Preload, Verb::Restart, Verb::Stop, Verb::Deregister, Verb::Undrain];
    for verb in verbs.into_iter().chain([Verb::AllowRestart, Verb::ResetBreaker]) {
        assert_eq!(stage.refused(verb), Refusal::UnknownPool);
    }
    assert_eq!(stage.lease_refusal(), Refusal::UnknownPool);
}

#[test]
fn a_draining_pool_says_how_long_until_its_deadline() {
    let mut stage = leased();
    stage.drain_within(SECOND * 30);
    stage.pass(SECOND * 10);
    assert_eq!(stage.lease_refusal(), Refusal::Draining { retry_after: SECOND * 20 });
}

#[test]
fn a_restart_and_a_reload_say_what_is_left_of_the_drain_and_the_load_time_seen() {
    let verbs = [Verb::Restart, Verb::Reload(Box::new(reload::to_spec(2)))];
    for verb in verbs {
        let mut stage = leased();
        stage.accepted(verb.clone());
        if stage.is_open(Ask::Preflight) {
            stage.answer_one(Ask::Preflight);
        }
        stage.pass(SECOND * 10);
        let refusal = stage.lease_refusal();
        assert_eq!(refusal, Refusal::Reloading { retry_after: SECOND * 51 }, "{verb:?}");
    }
}

#[test]
fn a_full_pool_says_how_long_its_queue_waits() {
    let mut stage = Stage::ready_with(|spec| {
        spec.policy.lease.slots = 1;
        spec.policy.lease.queue = 0;
        spec.policy.lease.queue_wait = SECOND * 7;
    });
    stage.lease();
    assert_eq!(stage.lease_refusal(), Refusal::Full { retry_after: SECOND * 7 });
}

#[test]
fn a_pool_that_loads_for_the_first_time_counts_its_start_time_out_down() {
    let mut stage = Stage::new(|spec| spec.policy.start.timeout = SECOND * 100);
    assert_eq!(stage.lease_refusal(), not_ready(PhaseName::Stopped, SECOND * 100));
    stage.preload();
    assert_eq!(stage.lease_refusal(), not_ready(PhaseName::Staging, SECOND * 100));
    stage.settle_until(PhaseName::Starting);
    stage.pass(SECOND * 4);
    assert_eq!(stage.lease_refusal(), not_ready(PhaseName::Starting, SECOND * 96));
}

#[test]
fn a_waiting_pool_says_when_its_gate_opens_and_how_long_it_loaded() {
    let mut stage = leased();
    stage.crash(ExitStatus::Code(1));
    let backoff = stage.view().gates.and_then(|gates| gates.backoff_until).expect("it waits");
    let retry_after = backoff.since(stage.now) + SECOND;
    assert_eq!(stage.lease_refusal(), not_ready(PhaseName::Waiting, retry_after));
}

#[test]
fn an_engine_that_ends_or_is_suspect_is_not_ready() {
    let mut stage = leased();
    let engine = stage.engine();
    stage.feed(Input::LogLine { engine, class: LogClass::CudaError, offset: 1 });
    assert_eq!(stage.lease_refusal(), not_ready(PhaseName::Ready, SECOND * 10), "until it is cleared");
    stage.exits(ExitStatus::Code(1));
    assert_eq!(stage.lease_refusal(), not_ready(PhaseName::Ended, SECOND));
}

#[test]
fn a_held_pool_is_not_ready() {
    let mut stage = Stage::new(|_| {});
    stage.preload();
    stage.answer(Ask::Stage, Completion::Staged(Err(StageError::Missing)));
    assert!(matches!(stage.lease_refusal(), Refusal::NotReady { phase: PhaseName::Held, .. }));
}

#[test]
fn an_open_circuit_counts_down() {
    let mut stage = Stage::ready_with(|spec| spec.policy.restart.circuit_failures = 1);
    stage.crash(ExitStatus::Code(1));
    stage.pass(SECOND * 100);
    let refused = Refusal::CircuitOpen { retry_after: SECOND * 200 };
    assert_eq!([stage.refused(Verb::Preload), stage.refused(Verb::Restart)], [refused.clone(), refused]);
}

#[test]
fn a_lower_operation_is_told_which_runs() {
    let mut stage = leased();
    stage.drain();
    assert_eq!(stage.refused(Verb::Preload), Refusal::Busy { with: OperationKind::Drain });
    assert_eq!(stage.refused(Verb::Restart), Refusal::Busy { with: OperationKind::Drain });
}

#[test]
fn an_undrain_is_refused_before_a_drain_and_after_the_first_signal() {
    let mut stage = Stage::ready();
    assert_eq!(stage.refused(Verb::Undrain), Refusal::NotDraining);
    stage.drain();
    assert_eq!((stage.phase(), stage.refused(Verb::Undrain)), (PhaseName::Stopping, Refusal::TooLate));
}

#[test]
fn what_a_pool_does_not_have_cannot_be_asked_of_it() {
    let mut stage = Stage::ready();
    let back = crate::Reload { to: crate::ReloadTarget::Back, ..reload::to_spec(2) };
    assert_eq!(stage.refused(Verb::Reload(Box::new(back))), Refusal::NoPrevious);
    let never = LeaseId { engine: stage.engine(), sequence: 99 };
    assert_eq!(stage.end_lease(never), Answer::Refused(Refusal::UnknownLease));
    assert_eq!(stage.renew(never, None), Answer::Refused(Refusal::UnknownLease));
    stage.accepted(Verb::Stop);
    assert!(matches!(stage.view().wanted, Wanted::Down(_)));
    assert_eq!(stage.refused(Verb::AllowRestart), Refusal::NotWanted);
}

#[test]
fn a_name_or_port_of_another_pool_is_taken_and_by_whom_is_said() {
    let mut stage = Stage::new(|_| {});
    let by = stage.pool;
    assert_eq!(stage.register(spec("a")), Answer::Refused(Refusal::NameTaken { by }));
    assert_eq!(stage.register(spec("b")), Answer::Refused(Refusal::PortTaken { port: 8080, by }));
}

#[test]
fn a_reload_to_a_port_of_another_pool_is_refused_and_so_is_a_way_back_to_one() {
    let on_port = |port| {
        let mut ask = reload::to_spec(2);
        let crate::ReloadTarget::Spec(spec) = &mut ask.to else { panic!("to_spec names a spec") };
        spec.port = Some(port);
        Verb::Reload(Box::new(ask))
    };
    let mut stage = Stage::ready();
    let by = stage.pool;
    let mut other = spec("b");
    other.engine.port = Some(8081);
    let Answer::Registered { pool } = stage.register(other) else { panic!("another port is free") };
    stage.pool = pool;
    assert_eq!(stage.refused(on_port(8080)), Refusal::PortTaken { port: 8080, by });
    stage.accepted(on_port(8082));
    let mut third = spec("c");
    third.engine.port = Some(8082);
    let taken = Refusal::PortTaken { port: 8082, by: pool };
    assert_eq!(stage.register(third.clone()), Answer::Refused(taken), "a reload is on its way there");
    stage.settle();
    stage.pass(SECOND);
    stage.settle();
    assert_eq!(stage.view().spec.port, Some(8082));
    third.engine.port = Some(8081);
    let Answer::Registered { pool: by } = stage.register(third) else { panic!("8081 is free again") };
    let back = crate::Reload { to: crate::ReloadTarget::Back, ..reload::to_spec(2) };
    let refusal = stage.refused(Verb::Reload(Box::new(back)));
    assert_eq!(refusal, Refusal::PortTaken { port: 8081, by });
}

#[test]
fn a_supervisor_that_goes_down_refuses_everything() {
    let mut stage = leased();
    stage.shutdown();
    let reload = Verb::Reload(Box::new(reload::to_spec(2)));
    let verbs = [Verb::Preload, Verb::Restart, reload, Verb::Stop, Verb::Undrain, Verb::Deregister];
    for verb in verbs.into_iter().chain([Verb::AllowRestart, Verb::ResetBreaker]) {
        assert_eq!(stage.refused(verb), Refusal::ShuttingDown);
    }
    assert_eq!(stage.lease_refusal(), Refusal::ShuttingDown);
    assert_eq!(stage.register(spec("b")), Answer::Refused(Refusal::ShuttingDown));
}
