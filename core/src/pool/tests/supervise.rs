//! Restarting under policy: circuits, window, storms, the operator's verbs, the limiter, and every gate.

use super::*;
use crate::{CircuitKind, CircuitState, HostProblem, Memory, ReleaseGate, RestartPolicy, Storm, Wanted};

const OOM: LogClass = LogClass::GpuOutOfMemory;

/// A ready pool with this restart policy, changed in the open.
fn ready(change: impl FnOnce(&mut RestartPolicy)) -> Stage {
    Stage::ready_with(|spec| change(&mut spec.policy.restart))
}

/// A ready pool whose restarts nothing but the window spaces.
fn ready_with_window_only() -> Stage {
    ready(|restart| {
        restart.backoff_initial = Duration::ZERO;
        restart.backoff_floor = Duration::ZERO;
        restart.backoff_cap = Duration::ZERO;
        restart.circuit_failures = 0;
        restart.storm_restarts = 0;
    })
}

/// Crashes and lets the next start by policy become ready.
fn crash_and_recover(stage: &mut Stage, times: u32) {
    for _ in 0..times {
        stage.crash(ExitStatus::Code(1));
        recover(stage);
    }
}

fn recover(stage: &mut Stage) {
    while stage.phase() != PhaseName::Ready {
        if stage.open.is_empty() {
            stage.tick();
        }
        stage.settle();
    }
}

fn states(stage: &Stage) -> [CircuitState; 2] {
    stage.view().circuits.map(|circuit| circuit.state)
}

fn changes(stage: &Stage) -> Vec<(CircuitKind, CircuitState, Option<Duration>)> {
    let change = |event: &Event| {
        let EventKind::CircuitChanged { circuit, to, open_for, .. } = &event.kind else { return None };
        Some((*circuit, *to, *open_for))
    };
    stage.events.iter().filter_map(change).collect()
}

/// The general circuit is open, and nothing runs.
fn open() -> Stage {
    let mut stage = Stage::ready();
    crash_and_recover(&mut stage, 4);
    stage.crash(ExitStatus::Code(1));
    assert_eq!(states(&stage), [CircuitState::Open, CircuitState::Closed]);
    stage
}

#[test]
fn the_fifth_failure_in_a_row_opens_the_circuit_and_nothing_is_scheduled() {
    let mut stage = open();
    assert_eq!(stage.heard(|kind| matches!(kind, EventKind::RestartScheduled { .. })), 4);
    assert_eq!(stage.heard(|kind| matches!(kind, EventKind::RestartPrevented { .. })), 1);
    assert!(stage.view().failed);
    let until = stage.view().gates.and_then(|gates| gates.circuit_until);
    assert_eq!(until, Some(stage.now + SECOND * 300));
    stage.forget();
    stage.pass(SECOND * 299);
    assert_eq!(stage.spawns(), 0);
}

#[test]
fn after_its_time_one_trial_starts_and_closes_the_circuit_when_it_was_stable_for_60_s() {
    let mut stage = open();
    stage.forget();
    stage.pass(SECOND * 300);
    stage.settle_until(PhaseName::Starting);
    assert_eq!((states(&stage)[0], stage.spawns()), (CircuitState::HalfOpen, 1));
    stage.settle();
    stage.pass_healthy(SECOND * 59);
    assert_eq!(states(&stage)[0], CircuitState::HalfOpen, "not stable yet");
    stage.pass_healthy(SECOND);
    assert_eq!(states(&stage)[0], CircuitState::Closed);
    assert_eq!(stage.view().circuits[0].failures, 0);
}

#[test]
fn a_trial_that_fails_doubles_the_open_time() {
    let mut stage = open();
    stage.pass(SECOND * 300);
    stage.settle();
    stage.forget();
    stage.crash(ExitStatus::Code(1));
    assert_eq!(changes(&stage), [(CircuitKind::General, CircuitState::Open, Some(SECOND * 600))]);
}

#[test]
fn an_asked_end_leaves_the_trial_unspent() {
    let mut stage = open();
    stage.pass(SECOND * 300);
    stage.settle();
    stage.accepted(Verb::Stop);
    stage.exits(ExitStatus::Signal(15));
    stage.settle();
    assert_eq!((states(&stage)[0], stage.phase()), (CircuitState::HalfOpen, PhaseName::Stopped));
    stage.preload();
    stage.settle();
    stage.pass_healthy(SECOND * 60);
    assert_eq!(states(&stage)[0], CircuitState::Closed);
}

#[test]
fn an_open_circuit_refuses_preload_and_restart_but_a_ready_pool_is_preloaded() {
    let mut stage = open();
    let refused = Refusal::CircuitOpen { retry_after: SECOND * 300 };
    assert_eq!(stage.refused(Verb::Preload), refused);
    assert_eq!(stage.refused(Verb::Restart), refused);
    assert_eq!(stage.command(Verb::AllowRestart), Answer::Done);
    stage.settle();
    let preload = stage.preload();
    assert_eq!(stage.outcome(preload), Some(Outcome::Completed));
}

#[test]
fn a_preload_that_waits_hears_of_the_circuit_that_opens_under_it() {
    let mut stage = Stage::starting_with(|spec| spec.policy.restart.circuit_failures = 2);
    stage.crash(ExitStatus::Code(1));
    let preload = stage.preload();
    stage.tick_until(Due::GateOpens);
    stage.settle_until(PhaseName::Starting);
    stage.answer_one(Ask::Spawn);
    stage.crash(ExitStatus::Code(1));
    assert_eq!(stage.failure(preload), Some(CrashClass::Exit(1)));
}

#[test]
fn cuda_errors_open_their_own_circuit_and_a_restart_needs_both() {
    let mut stage = Stage::ready();
    for _ in 0..5 {
        recover(&mut stage);
        stage.crash_saying(ExitStatus::Signal(6), &[LogClass::CudaError]);
    }
    assert_eq!(states(&stage), [CircuitState::Closed, CircuitState::Open]);
    stage.forget();
    stage.pass(SECOND * 299);
    assert_eq!(stage.spawns(), 0);
}

#[test]
fn a_reset_closes_both_and_the_window_stays() {
    let mut stage = open();
    let restarts = stage.view().restarts_in_window;
    assert_eq!(stage.command(Verb::ResetBreaker), Answer::Done);
    assert_eq!(states(&stage), [CircuitState::Closed; 2]);
    assert_eq!((stage.view().failures, stage.view().restarts_in_window), (0, restarts));
    stage.tick_until(Due::GateOpens);
    stage.settle();
    assert_eq!(stage.phase(), PhaseName::Ready, "the backoff was left, and has passed");
    stage.forget();
    stage.crash(ExitStatus::Code(1));
    let first =
        stage.heard(|kind| matches!(kind, EventKind::RestartScheduled { base, .. } if *base == SECOND));
    assert_eq!(first, 1, "normal policy from the first step on");
}

#[test]
fn an_allowed_restart_is_one_and_its_crash_counts_for_nothing_but_the_total() {
    let mut stage = open();
    let before = stage.view().circuits;
    let (failures, total) = (stage.view().failures, stage.view().crashes_total);
    stage.forget();
    assert_eq!(stage.command(Verb::AllowRestart), Answer::Done);
    stage.settle();
    assert_eq!((stage.phase(), stage.spawns()), (PhaseName::Ready, 1));
    stage.crash(ExitStatus::Code(1));
    assert_eq!((stage.view().circuits, stage.view().failures), (before, failures));
    assert_eq!(stage.view().crashes_total, total + 1);
    assert!(stage.view().failed);
    stage.pass(SECOND * 200);
    assert_eq!(stage.spawns(), 1, "exactly one");
}

#[test]
fn an_allowed_engine_that_is_stable_for_60_s_closes_the_circuits_and_is_like_any_other() {
    let mut stage = open();
    stage.command(Verb::AllowRestart);
    stage.settle();
    stage.pass_healthy(SECOND * 60);
    assert_eq!(states(&stage)[0], CircuitState::Closed);
    let failures = stage.view().failures;
    stage.crash(ExitStatus::Code(1));
    assert_eq!(stage.view().failures, failures + 1);
}

#[test]
fn a_restart_allowed_ahead_of_time_is_the_one_after_the_next_end() {
    let mut stage = Stage::ready();
    assert_eq!(stage.command(Verb::AllowRestart), Answer::Done);
    assert!(stage.view().restart_allowed);
    stage.crash(ExitStatus::Code(1));
    assert_eq!(stage.view().gates.and_then(|gates| gates.backoff_until), None, "no backoff");
    stage.settle();
    assert!(!stage.view().restart_allowed);
    stage.crash(ExitStatus::Code(1));
    assert!(stage.view().gates.and_then(|gates| gates.backoff_until).is_some(), "once");
}

#[test]
fn a_restart_allowed_during_a_hold_is_the_one_after_it() {
    let mut stage = ready(|restart| restart.circuit_failures = 1);
    stage.crash(ExitStatus::Code(1));
    stage.command(Verb::AllowRestart);
    stage.settle_until(PhaseName::Starting);
    stage.answer(Ask::Spawn, Completion::Spawned(Err(SpawnError::Denied)));
    stage.command(Verb::AllowRestart);
    assert_eq!((stage.phase(), stage.view().restart_allowed), (PhaseName::Held, true));
    stage.tick_until(Due::Recheck);
    stage.settle();
    assert_eq!((stage.phase(), stage.view().circuits[0].state), (PhaseName::Ready, CircuitState::Open));
    assert!(!stage.view().restart_allowed);
}

#[test]
fn a_restart_that_is_allowed_twice_before_it_came_is_one() {
    let mut stage = open();
    stage.command(Verb::AllowRestart);
    assert_eq!(stage.command(Verb::AllowRestart), Answer::Done);
    assert!(!stage.view().restart_allowed);
    stage.settle();
    stage.forget();
    stage.crash(ExitStatus::Code(1));
    stage.pass(SECOND * 100);
    assert_eq!(stage.spawns(), 0);
}

#[test]
fn an_allowance_is_kept_while_a_reload_tries_its_model() {
    let mut stage = ready(|_| {});
    reload::reload(&mut stage, reload::to_spec(2));
    reload::until_stopping(&mut stage);
    stage.exits(ExitStatus::Code(0));
    stage.settle_until(PhaseName::Waiting);
    assert_eq!(stage.command(Verb::AllowRestart), Answer::Done);
    assert!(stage.view().restart_allowed, "a candidate needs none");
}

#[test]
fn an_allowed_restart_goes_on_waiting_for_what_holds_its_gpu() {
    let mut stage = ready(|_| {});
    stage.crash(ExitStatus::Code(1));
    stage.tick_until(Due::GateOpens);
    stage.answer(Ask::Release, Completion::Released(ReleaseAnswer::Held));
    let held = stage.view().gates.map(|gates| gates.release);
    assert!(matches!(held, Some(ReleaseGate::Held { .. })));
    stage.now = stage.now + SECOND / 10;
    stage.command(Verb::AllowRestart);
    assert_eq!(stage.view().gates.map(|gates| gates.release), held, "since the same moment");
}

#[test]
fn an_allowance_that_a_hold_used_up_is_there_after_the_next_hold() {
    let mut stage = ready(|restart| restart.circuit_failures = 1);
    stage.crash(ExitStatus::Code(1));
    stage.command(Verb::AllowRestart);
    while stage.view().held.is_none() {
        stage.answer(Ask::Release, Completion::Released(ReleaseAnswer::Held));
        stage.tick();
    }
    assert_eq!(stage.view().held, Some(crate::HoldReason::NotReleased));
    assert!(stage.view().restart_allowed);
    stage.settle();
    assert_eq!((stage.phase(), stage.view().circuits[0].state), (PhaseName::Ready, CircuitState::Open));
    assert!(!stage.view().restart_allowed);
}

#[test]
fn a_backoff_is_waited_out_although_a_reload_met_a_port_that_was_taken() {
    let stranger = || Completion::Released(ReleaseAnswer::PortStranger { port: 8080, pid: None });
    for is_allowed in [false, true] {
        let mut stage = ready(|restart| {
            (restart.backoff_initial, restart.backoff_floor) = (SECOND * 60, SECOND * 60);
        });
        stage.crash(ExitStatus::Code(1));
        let until = stage.view().gates.and_then(|gates| gates.backoff_until);
        reload::reload(&mut stage, reload::to_spec(2));
        stage.answer_one(Ask::Preflight);
        stage.answer_one(Ask::Stage);
        if is_allowed {
            stage.command(Verb::AllowRestart);
        }
        stage.answer(Ask::Release, stranger());
        let waits = stage.view().gates.and_then(|gates| gates.backoff_until);
        assert_eq!(waits, if is_allowed { None } else { until });
        stage.tick_until(Due::GateOpens);
        stage.settle();
        if !is_allowed {
            assert_eq!((stage.phase(), stage.spawns()), (PhaseName::Waiting, 0), "the port is free, in vain");
            stage.tick_until(Due::GateOpens);
            assert_eq!(Some(stage.now), until);
            stage.settle();
        }
        assert_eq!((stage.phase(), stage.view().restart_allowed), (PhaseName::Ready, false));
    }
}

#[test]
fn an_allowance_that_was_kept_is_the_one_that_is_given_to_a_start_that_waits() {
    let mut stage = ready(|restart| restart.circuit_failures = 1);
    stage.command(Verb::AllowRestart);
    stage.drain();
    stage.exits(ExitStatus::Signal(15));
    stage.settle();
    stage.preload();
    stage.settle_until(PhaseName::Waiting);
    assert!(stage.view().restart_allowed, "kept for the end that did not come");
    stage.command(Verb::AllowRestart);
    stage.settle();
    assert_eq!((stage.phase(), stage.view().restart_allowed), (PhaseName::Ready, false));
    stage.crash(ExitStatus::Code(1));
    stage.forget();
    stage.pass(SECOND * 100);
    assert_eq!(stage.spawns(), 0, "one restart, not two");
}

#[test]
fn there_is_no_restart_to_allow_where_none_is_wanted() {
    let mut stage = Stage::new(|_| {});
    assert_eq!(stage.refused(Verb::AllowRestart), Refusal::NotWanted);
}

#[test]
fn an_allowed_restart_still_waits_for_the_release() {
    let mut stage = open();
    stage.command(Verb::AllowRestart);
    stage.answer(Ask::Release, Completion::Released(ReleaseAnswer::Held));
    assert!(matches!(stage.view().gates.map(|gates| gates.release), Some(ReleaseGate::Held { .. })));
    assert_eq!(stage.phase(), PhaseName::Waiting);
}

#[test]
fn ten_restarts_fill_the_window_and_the_next_waits_for_it() {
    let mut stage = ready_with_window_only();
    let first = stage.now;
    crash_and_recover(&mut stage, 10);
    assert_eq!(stage.view().restarts_in_window, 10);
    stage.crash(ExitStatus::Code(1));
    let until = stage.view().gates.and_then(|gates| gates.window_until);
    assert_eq!(until, Some(first + SECOND * 60));
    assert_eq!(stage.heard(|kind| matches!(kind, EventKind::RestartHeldBack { restarts: 10, .. })), 1);
    stage.tick_until(Due::GateOpens);
    assert_eq!(stage.now, first + SECOND * 60);
    stage.settle();
    assert_eq!(stage.phase(), PhaseName::Ready);
}

#[test]
fn operations_and_first_starts_do_not_fill_the_window() {
    let mut stage = ready_with_window_only();
    for _ in 0..12 {
        stage.accepted(Verb::Restart);
        stage.exits(ExitStatus::Signal(15));
        stage.settle();
    }
    assert_eq!((stage.view().restarts_in_window, stage.view().restart_count), (0, 0));
}

#[test]
fn more_than_five_restarts_are_worth_a_warning_and_ten_in_30_s_are_a_storm() {
    let mut stage = ready(|restart| {
        restart.backoff_initial = Duration::ZERO;
        restart.backoff_floor = Duration::ZERO;
        restart.backoff_cap = Duration::ZERO;
        restart.circuit_failures = 0;
    });
    crash_and_recover(&mut stage, 9);
    assert_eq!(stage.heard(|kind| matches!(kind, EventKind::RestartsFrequent { restarts: 6, .. })), 1);
    assert_eq!(stage.view().restart_storms, 0);
    crash_and_recover(&mut stage, 1);
    assert_eq!(stage.heard(|kind| matches!(kind, EventKind::StormBegan { storm: Storm::Restarts, .. })), 1);
    assert_eq!((stage.view().restart_storms, stage.phase()), (1, PhaseName::Ready));
    assert_eq!(states(&stage)[0], CircuitState::Open, "whatever its failures");
    stage.pass_healthy(SECOND * 60);
    assert_eq!(states(&stage)[0], CircuitState::Closed, "the engine that ran all along was stable");
}

#[test]
fn the_engine_that_runs_when_the_open_time_passes_is_the_trial() {
    let mut stage = ready(|restart| {
        restart.circuit_failures = 1;
        restart.circuit_open = SECOND * 30;
    });
    stage.crash(ExitStatus::Code(1));
    stage.command(Verb::AllowRestart);
    stage.settle();
    stage.pass_healthy(SECOND * 30);
    assert_eq!(states(&stage)[0], CircuitState::HalfOpen);
    stage.pass_healthy(SECOND * 30);
    assert_eq!(states(&stage)[0], CircuitState::Closed);
}

#[test]
fn five_out_of_memory_ends_in_60_s_are_a_storm_and_each_has_a_remedy() {
    let mut stage = ready_with_window_only();
    for _ in 0..5 {
        recover(&mut stage);
        stage.crash_saying(ExitStatus::Code(1), &[OOM]);
    }
    assert_eq!(
        stage.heard(|kind| matches!(kind, EventKind::StormBegan { storm: Storm::OutOfMemory, count: 5, .. })),
        1
    );
    for class in stage.crashes_heard() {
        let remedy = class.remedy().expect("there is one for every memory");
        assert!(remedy.contains("memory") || remedy.contains("smaller context"), "{remedy}");
    }
    assert_eq!(CrashClass::Exit(1).remedy(), None, "it depends");
    assert_eq!(stage.crashes_heard()[0], CrashClass::OutOfMemory(Memory::Gpu));
    assert_eq!(stage.view().oom_storms, 1);
}

#[test]
fn stable_runs_forgive_step_by_step() {
    let mut stage = Stage::ready();
    crash_and_recover(&mut stage, 3);
    stage.pass_healthy(SECOND * 300);
    assert_eq!((stage.view().failures, stage.view().circuits[0].failures), (0, 0));
    assert_eq!(stage.view().restart_count, 3, "not yet");
    stage.pass_healthy(SECOND * 300);
    let view = stage.view();
    assert_eq!((view.restart_count, view.restarts_in_window, view.crashes_total), (0, 0, 3));
}

#[test]
fn a_missing_device_or_driver_is_the_hosts_problem_and_is_looked_at_again() {
    let problems = [
        (ReleaseAnswer::NoDevice, HostProblem::NoDevice),
        (ReleaseAnswer::DriverMismatch, HostProblem::DriverMismatch),
    ];
    for (answer, problem) in problems {
        let mut stage = Stage::new(|_| {});
        let preload = stage.preload();
        stage.answer_one(Ask::Stage);
        stage.answer(Ask::Release, Completion::Released(answer));
        let class = CrashClass::HostProblem(problem);
        assert_eq!((stage.failure(preload), stage.phase()), (Some(class), PhaseName::Waiting));
        assert_eq!((stage.view().crashes_total, stage.view().failures), (0, 0), "not charged");
        for _ in 0..3 {
            stage.pass(SECOND * 30);
            stage.answer(Ask::Release, Completion::Released(answer));
        }
        assert_eq!(stage.crashes_heard().len(), 1, "said once");
        stage.pass(SECOND * 30);
        stage.settle();
        assert_eq!(stage.phase(), PhaseName::Ready);
    }
}

#[test]
fn two_engines_load_at_once_and_the_third_is_woken_when_one_is_ready() {
    let mut stage = Stage::new(|spec| spec.autostart = true);
    for name in ["b", "c"] {
        let mut another = spec(name);
        another.autostart = true;
        another.engine.port = None;
        stage.register(another);
    }
    let phases = |stage: &Stage| stage.host.view().pools().map(|pool| pool.phase).collect::<Vec<_>>();
    while let Some(at) = stage.open.iter().position(|(_, ask)| matches!(ask, Ask::Stage | Ask::Release)) {
        let (effect, ask) = stage.open.remove(at);
        stage.complete(effect, good_answer(ask));
    }
    assert_eq!(phases(&stage), [PhaseName::Starting, PhaseName::Starting, PhaseName::Waiting]);
    let third = stage.host.view().pool(PoolUid(3)).and_then(|pool| pool.gates.copied());
    assert!(third.is_some_and(|gates| gates.limiter_until.is_some()));
    stage.settle();
    assert_eq!(phases(&stage), [PhaseName::Ready; 3]);
}

#[test]
fn engines_known_to_load_fast_are_not_limited() {
    let mut stage = Stage::ready();
    for name in ["b", "c"] {
        let mut another = spec(name);
        another.autostart = true;
        another.engine.port = None;
        stage.register(another);
    }
    for _ in 0..2 {
        stage.answer_one(Ask::Stage);
        stage.answer_one(Ask::Release);
    }
    stage.crash(ExitStatus::Code(1));
    stage.tick_until(Due::GateOpens);
    stage.answer_one(Ask::Release);
    assert_eq!(stage.phase(), PhaseName::Starting, "although two others load");
}

#[test]
fn progress_of_a_staging_begins_its_patience_anew() {
    let mut stage = Stage::new(|_| {});
    stage.preload();
    let (staging, _) = stage.open[0];
    for _ in 0..10 {
        stage.pass(SECOND * 299);
        stage.feed(Input::StageProgress { effect: staging });
    }
    assert_eq!(stage.phase(), PhaseName::Staging);
    stage.pass(SECOND * 300);
    assert_eq!(stage.crashes_heard(), [CrashClass::StageFailed(StageError::Stalled)]);
    assert!(stage.effects.contains(&Effect::CancelStage { id: staging }));
    stage.forget();
    stage.feed(Input::StageProgress { effect: staging });
    assert_eq!(stage.heard(|kind| *kind == EventKind::StaleInput), 1);
}

#[test]
fn a_stop_cancels_the_staging() {
    let mut stage = Stage::new(|_| {});
    stage.preload();
    let (staging, _) = stage.open[0];
    stage.accepted(Verb::Stop);
    assert!(stage.effects.contains(&Effect::CancelStage { id: staging }));
    assert_eq!((stage.phase(), matches!(stage.view().wanted, Wanted::Down(_))), (PhaseName::Stopped, true));
}
