//! The words that leave the process, in metrics, logs, the API and files. Dashboards and scripts are built on
//! them, so a change here is a change for every operator.

use std::time::Duration;

use pool_manager_core::{
    CircuitKind, CircuitState, CrashClass, DrainOutcome, Due, EffectId, EngineRef, HoldReason, Incarnation,
    InvalidLeaseId, InvalidPoolName, LeaseEnding, LeaseId, OperationId, OperationKind, Outcome, PhaseName,
    PoolName, PoolUid, Storm, Time, signal_name,
};

const ENGINE: EngineRef = EngineRef { pool: PoolUid(3), incarnation: Incarnation { epoch: 2, n: 7 } };

#[test]
fn labels_of_circuits_and_storms() {
    assert_eq!([CircuitKind::General, CircuitKind::Cuda].map(CircuitKind::label), ["general", "cuda"]);
    let states = [CircuitState::Closed, CircuitState::Open, CircuitState::HalfOpen];
    assert_eq!(states.map(CircuitState::label), ["closed", "open", "half_open"]);
    assert_eq!(states.map(CircuitState::number), [0, 1, 2]);
    assert_eq!([Storm::OutOfMemory, Storm::Restarts].map(Storm::label), ["oom_storm", "restart_storm"]);
}

#[test]
fn labels_of_phases_and_holds() {
    let phases = PhaseName::ALL.map(PhaseName::label);
    assert_eq!(
        phases,
        ["stopped", "staging", "waiting", "starting", "ready", "draining", "stopping", "ended", "held"]
    );
    let holds = [HoldReason::Config, HoldReason::NotReleased, HoldReason::Quarantine, HoldReason::Stuck];
    assert_eq!(holds.map(HoldReason::label), ["config", "not_released", "quarantine", "stuck"]);
}

#[test]
fn labels_of_leases_and_drains() {
    let endings = [LeaseEnding::Completed, LeaseEnding::Cut, LeaseEnding::Expired, LeaseEnding::Lost];
    assert_eq!(endings.map(LeaseEnding::label), ["completed", "cut", "expired", "lost"]);
    let outcomes = [
        DrainOutcome::Completed,
        DrainOutcome::EngineExited,
        DrainOutcome::ForceStopped,
        DrainOutcome::Superseded,
        DrainOutcome::TimedOut,
        DrainOutcome::Undrained,
    ];
    let said = ["completed", "engine_exited", "force_stopped", "superseded", "timed_out", "undrained"];
    assert_eq!(outcomes.map(DrainOutcome::label), said);
}

#[test]
fn labels_of_operations_and_how_they_end() {
    let kinds = [
        OperationKind::Preload,
        OperationKind::Restart,
        OperationKind::Reload,
        OperationKind::Drain,
        OperationKind::Stop,
        OperationKind::Deregister,
        OperationKind::Shutdown,
    ];
    let said = ["preload", "restart", "reload", "drain", "stop", "deregister", "shutdown"];
    assert_eq!(kinds.map(OperationKind::label), said);
    let outcomes = [
        (Outcome::Completed, "completed"),
        (Outcome::EngineExited { lost: vec![] }, "engine_exited"),
        (Outcome::ForceStopped { cut: vec![] }, "force_stopped"),
        (Outcome::Interrupted, "interrupted"),
        (Outcome::Superseded { by: OperationKind::Stop }, "superseded"),
        (Outcome::Stuck, "stuck"),
        (Outcome::TimedOut, "timed_out"),
        (Outcome::Undrained, "undrained"),
    ];
    for (outcome, said) in outcomes {
        assert_eq!(outcome.label(), said);
    }
}

#[test]
fn what_happens_next_is_said_in_words() {
    let said = Due::ALL.map(Due::label);
    let expected = [
        (Due::CircuitHalfOpen, "circuit half-open"),
        (Due::DrainDeadline, "drain deadline"),
        (Due::GateOpens, "next start attempt"),
        (Due::KillGrace, "KILL"),
        (Due::LeaseExpiry, "lease expiry"),
        (Due::ProbeSend, "next probe"),
        (Due::StartTimeout, "start time-out"),
        (Due::StuckWait, "declared stuck"),
    ];
    for (due, words) in expected {
        assert_eq!(due.label(), words);
    }
    for (place, words) in said.iter().enumerate() {
        assert!(!words.is_empty() && !said[..place].contains(words), "{words:?} says one thing");
    }
}

#[test]
fn names_are_written_as_they_are_read() {
    assert_eq!(PoolName::new("chat").expect("a name").to_string(), "chat");
    assert_eq!(ENGINE.to_string(), "3/2.7");
    assert_eq!(OperationId(12).to_string(), "12");
    let lease = LeaseId { engine: ENGINE, sequence: 5 };
    assert_eq!(lease.to_string(), "3-2-7-5");
    assert_eq!("3-2-7-5".parse(), Ok(lease));
    let refused = InvalidLeaseId.to_string();
    assert_eq!(refused, "a lease id has the form <pool>-<epoch>-<n>-<sequence>");
    assert!(InvalidPoolName.to_string().starts_with("a pool name is 1 to 63 letters"));
    assert_eq!((Time::ZERO + Duration::from_millis(12_034)).to_string(), "12.034s");
    assert_eq!(EffectId { pool: PoolUid(1), sequence: 2 }.pool.to_string(), "1");
}

#[test]
fn ends_are_said_to_people_and_to_programs() {
    assert_eq!(CrashClass::Signal(11).to_string(), "signal SIGSEGV");
    assert_eq!(CrashClass::Signal(64).to_string(), "signal 64");
    assert_eq!(CrashClass::Exit(3).to_string(), "exit code 3");
    assert_eq!((CrashClass::Cuda(None).label(), CrashClass::Clean.label()), ("cuda", "clean"));
    let names: Vec<&str> = (1..=31).filter_map(signal_name).collect();
    assert_eq!(names.len(), 18, "{names:?}");
    assert_eq!((signal_name(9), signal_name(32)), (Some("SIGKILL"), None));
}
