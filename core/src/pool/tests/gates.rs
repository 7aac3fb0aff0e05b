//! Every gate with its time in the view, the start limiter's order, and what versions rise on.

use super::*;
use crate::{Gates, HostProblem, ReleaseGate};

/// A pool that loads longer than the limiter exempts, ready.
pub(super) fn slow_to_load() -> Stage {
    let mut stage = Stage::new(|_| {});
    stage.preload();
    load_slowly(&mut stage);
    assert_eq!((stage.phase(), stage.view().load_time), (PhaseName::Ready, Some(SECOND * 10)));
    stage.forget();
    stage
}

/// From wherever the start is to Ready, in 10 s.
fn load_slowly(stage: &mut Stage) {
    stage.settle_until(PhaseName::Starting);
    stage.answer_one(Ask::Spawn);
    stage.answer_one(Ask::Write(FileKind::Pid));
    stage.pass(SECOND * 10);
    stage.settle();
}

fn gates(stage: &Stage) -> Gates {
    *stage.view().gates.expect("it waits")
}

fn held(stage: &mut Stage) {
    stage.answer(Ask::Release, Completion::Released(ReleaseAnswer::Held));
}

#[test]
fn a_restart_whose_release_is_looked_at_many_times_is_one_restart_for_the_limiter() {
    let mut stage = slow_to_load();
    stage.crash(ExitStatus::Code(1));
    stage.tick_until(Due::GateOpens);
    let asked = stage.now;
    while stage.now < asked + SECOND * 10 {
        held(&mut stage);
        assert_eq!(gates(&stage).limiter_until, None, "after {:?}", stage.now.since(asked));
        stage.tick();
    }
    stage.settle();
    assert_eq!(stage.phase(), PhaseName::Ready, "free at last");
    assert_eq!(stage.host.facts().host.limiter_restarts_nanos.len(), 1);
}

#[test]
fn the_restarts_of_all_pools_fill_the_limiter_and_the_next_says_until_when_it_waits() {
    let mut stage = slow_to_load();
    let first = stage.now;
    for _ in 0..6 {
        stage.crash(ExitStatus::Code(1));
        stage.command(Verb::ResetBreaker);
        stage.tick_until(Due::GateOpens);
        load_slowly(&mut stage);
    }
    stage.crash(ExitStatus::Code(1));
    stage.command(Verb::ResetBreaker);
    stage.tick_until(Due::GateOpens);
    let until = gates(&stage).limiter_until.expect("six restarts were enough");
    assert!(until > stage.now && until.since(first) > SECOND * 300, "five minutes after the first one");
    assert_eq!(stage.view().next, Some((until, Due::GateOpens)));
    stage.preload();
    assert_eq!(stage.phase(), PhaseName::Waiting, "a preload joins");
    stage.tick_until(Due::GateOpens);
    stage.settle();
    assert_eq!((stage.now, stage.phase()), (until, PhaseName::Ready));
}

#[test]
fn a_backoff_and_a_release_are_gates_with_their_times() {
    let mut stage = Stage::ready();
    stage.crash(ExitStatus::Code(1));
    let backoff = gates(&stage).backoff_until.expect("it backs off");
    assert_eq!(stage.view().next, Some((backoff, Due::GateOpens)));
    stage.tick();
    assert_eq!(gates(&stage).release, ReleaseGate::Asked { since: stage.now });
    let since = stage.now;
    stage.pass(SECOND);
    held(&mut stage);
    assert_eq!(gates(&stage).release, ReleaseGate::Held { since });
    assert_eq!(stage.view().next, Some((stage.now + Duration::from_millis(250), Due::GateOpens)));
}

#[test]
fn a_problem_of_the_host_is_a_gate_with_the_time_of_the_next_look() {
    let stranger = ReleaseAnswer::PortStranger { port: 8080, pid: Some(9) };
    for answer in [ReleaseAnswer::NoDevice, ReleaseAnswer::DriverMismatch, stranger] {
        let mut stage = Stage::new(|spec| spec.autostart = true);
        stage.answer_one(Ask::Stage);
        stage.answer(Ask::Release, Completion::Released(answer));
        let recheck = stage.now + SECOND * 30;
        let expected = match answer {
            ReleaseAnswer::NoDevice => ReleaseGate::HostProblem { problem: HostProblem::NoDevice, recheck },
            ReleaseAnswer::PortStranger { port, pid } => ReleaseGate::PortStranger { port, pid, recheck },
            ReleaseAnswer::DriverMismatch | ReleaseAnswer::Free | ReleaseAnswer::Held => {
                ReleaseGate::HostProblem { problem: HostProblem::DriverMismatch, recheck }
            }
        };
        assert_eq!(gates(&stage).release, expected);
        assert_eq!(stage.view().next, Some((recheck, Due::GateOpens)));
    }
}

#[test]
fn the_gate_that_opens_last_decides() {
    let mut stage = Stage::ready_with(|spec| {
        spec.policy.restart.circuit_failures = 1;
        spec.policy.restart.circuit_open = SECOND * 40;
    });
    stage.crash(ExitStatus::Code(1));
    let gates = gates(&stage);
    let (backoff, circuit) = (gates.backoff_until.expect("both"), gates.circuit_until.expect("both"));
    assert!(backoff < circuit);
    stage.forget();
    stage.tick_until(Due::CircuitHalfOpen);
    assert_eq!((stage.now, stage.asks()), (circuit, [Ask::Release].into()));
}

#[test]
fn no_gate_but_the_release_holds_what_an_operator_asks_for() {
    let mut stage = Stage::ready();
    stage.crash(ExitStatus::Code(1));
    stage.accepted(Verb::Stop);
    stage.preload();
    stage.answer_one(Ask::Stage);
    let Gates { backoff_until, window_until, circuit_until, limiter_until, release } = gates(&stage);
    assert_eq!([backoff_until, window_until, circuit_until, limiter_until], [None; 4]);
    assert_eq!(release, ReleaseGate::Asked { since: stage.now });
}

#[test]
fn a_version_rises_on_gates_circuits_phase_spec_and_health_and_not_on_leases() {
    let mut stage = Stage::ready_with(|spec| spec.policy.restart.circuit_failures = 1);
    let version = |stage: &Stage| stage.host.view().version();
    let mut seen = version(&stage);
    let lease = stage.lease();
    stage.end_lease(lease);
    stage.command(Verb::AllowRestart);
    assert_eq!(version(&stage), seen, "neither leases nor an allowance");
    let mut rises = |stage: &Stage, what: &str| {
        assert!(version(stage) > seen, "{what}");
        seen = version(stage);
    };
    let engine = stage.engine();
    stage.feed(Input::LogLine { engine, class: LogClass::CudaError, offset: 1 });
    rises(&stage, "health");
    stage.exits(ExitStatus::Code(1));
    rises(&stage, "phase");
    stage.settle_files();
    rises(&stage, "circuit");
    held(&mut stage);
    rises(&stage, "gate");
    stage.command(Verb::ResetBreaker);
    rises(&stage, "circuit closed");
    stage.accepted(Verb::Reload(Box::new(reload::to_spec(2))));
    stage.settle();
    rises(&stage, "spec");
}

/// Another pool, on these GPUs.
fn register_on(stage: &mut Stage, name: &str, device_mask: Vec<String>) -> PoolUid {
    let mut other = spec(name);
    (other.engine.port, other.engine.device_mask) = (None, device_mask);
    let Answer::Registered { pool } = stage.register(other) else { panic!("it has no port") };
    pool
}

#[test]
fn a_gpu_is_not_used_when_its_engine_turns_out_to_be_stuck_while_the_check_is_under_way() {
    let devices = || alloc::vec![String::from("0")];
    let mut stage = Stage::ready_with(|spec| spec.engine.device_mask = devices());
    let first = stage.pool;
    let second = register_on(&mut stage, "b", devices());
    stage.pool = second;
    stage.preload();
    stage.answer_one(Ask::Stage);
    assert!(stage.is_open(Ask::Release));
    stage.pool = first;
    stage.accepted(Verb::Stop);
    stage.tick_until(Due::StuckWait);
    stage.pool = second;
    let spawns = stage.spawns();
    stage.answer_one(Ask::Release);
    assert_eq!((stage.view().held, stage.spawns()), (Some(crate::HoldReason::Quarantine), spawns));
    stage.pool = first;
    stage.exits(ExitStatus::Signal(9));
    stage.pool = second;
    assert_eq!(stage.phase(), PhaseName::Waiting);
}

#[test]
fn a_backoff_is_waited_out_although_a_hold_came_between() {
    let devices = || alloc::vec![String::from("0")];
    let mut stage = Stage::ready_with(|spec| {
        spec.engine.device_mask = devices();
        (spec.policy.restart.backoff_initial, spec.policy.restart.backoff_floor) = (SECOND * 60, SECOND * 60);
    });
    let first = stage.pool;
    let second = register_on(&mut stage, "b", devices());
    stage.pool = second;
    stage.preload();
    stage.settle();
    stage.accepted(Verb::Stop);
    stage.tick_until(Due::StuckWait);
    stage.pool = first;
    stage.crash(ExitStatus::Code(1));
    let until = stage.view().gates.and_then(|gates| gates.backoff_until).expect("it waits");
    // A reload is not kept from trying by a backoff, but by the GPU.
    reload::reload(&mut stage, reload::to_spec_on(2, devices()));
    stage.settle();
    assert_eq!(stage.view().held, Some(crate::HoldReason::Quarantine));
    stage.pool = second;
    stage.exits(ExitStatus::Signal(9));
    stage.pool = first;
    assert_eq!(stage.view().gates.and_then(|gates| gates.backoff_until), Some(until));
    stage.tick_until(Due::GateOpens);
    assert_eq!(stage.now, until);
    stage.settle();
    assert_eq!(stage.phase(), PhaseName::Ready);
    assert_eq!(stage.host.facts().pools.first().map(|pool| pool.supervision.backoff_until_nanos), Some(None));
}

#[test]
fn a_stuck_candidate_holds_its_own_gpus_whatever_took_over_from_its_reload() {
    let devices = |device: &str| alloc::vec![String::from(device)];
    let mut stage = Stage::ready_with(|spec| spec.engine.device_mask = devices("0"));
    reload::reload(&mut stage, reload::to_spec_on(2, devices("1")));
    stage.settle_until(PhaseName::Stopping);
    stage.exits(ExitStatus::Code(0));
    stage.settle_until(PhaseName::Starting);
    stage.answer_one(Ask::Spawn);
    stage.drain();
    let facts = stage.host.facts().pools.remove(0);
    assert_eq!(facts.candidate.map(|candidate| candidate.device_mask), Some(devices("1")));
    assert_eq!(facts.engine.map(|engine| engine.spec_hash), Some(2));
    stage.tick_until(Due::StuckWait);
    assert_eq!(stage.view().held, Some(crate::HoldReason::Stuck));
    for (name, device, held) in [("b", "1", Some(crate::HoldReason::Quarantine)), ("c", "0", None)] {
        let pool = register_on(&mut stage, name, devices(device));
        let stuck = core::mem::replace(&mut stage.pool, pool);
        stage.preload();
        stage.settle();
        assert_eq!(stage.view().held, held, "on GPU {device}");
        stage.pool = stuck;
    }
    stage.exits(ExitStatus::Signal(9));
    stage.settle();
    assert_eq!(stage.host.facts().pools.first().map(|pool| pool.candidate.is_some()), Some(false));
}
