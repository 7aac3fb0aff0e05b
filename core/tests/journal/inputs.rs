//! Every input there is, in every form. A variant that is added does not compile here until it is in the list.

use std::time::Duration;

use pool_manager_core::journal::input_name;
use pool_manager_core::{
    Adopted, CommandId, Completion, Correlation, EffectId, EngineRef, EvidenceReport, ExitStatus, FileError,
    Holder, Incarnation, Input, LeaseId, LogClass, LogEvidence, ModelStamp, OnDrainTimeout, PoolUid,
    Preflight, Priority, ProbeAnswer, ReleaseAnswer, Reload, ReloadTarget, Resume, SpawnError, Spawned,
    StageError, Verb,
};

use crate::samples::{engine_spec, pool_spec};

const POOL: PoolUid = PoolUid(3);
const CORRELATION: Correlation = Correlation([0x0123_4567_89ab_cdef, u64::MAX]);
const EFFECT: EffectId = EffectId { pool: POOL, sequence: 1 << 40 };

const fn engine(pool: u32, n: u32) -> EngineRef {
    EngineRef { pool: PoolUid(pool), incarnation: Incarnation { epoch: 2, n } }
}

/// Every input in every form, the packed ones among the others and in a row.
pub(crate) fn every_input() -> Vec<Input> {
    let mut inputs: Vec<Input> = verbs().into_iter().map(command).collect();
    inputs.extend(leases());
    inputs.extend(completions().into_iter().map(|result| Input::Completed { effect: EFFECT, result }));
    for status in statuses() {
        inputs.push(Input::Timer);
        inputs.push(Input::Exited { engine: engine(3, 4), status });
    }
    inputs.extend(log_classes().map(|class| Input::LogLine {
        engine: engine(3, 4),
        class,
        offset: u64::MAX,
    }));
    inputs.extend([
        Input::GpuFault { pool: POOL, xid: 79 },
        Input::Gap { by: Duration::new(3600, 999_999_999) },
        Input::Register { command: CommandId(9), correlation: CORRELATION, spec: Box::new(pool_spec()) },
        Input::Resume(Box::new(Resume {
            epoch: 3,
            alive: vec![Adopted { engine: engine(1, 1), pid: 4_194_304 }],
            ended: statuses().map(|status| (engine(2, 7), status)).to_vec(),
        })),
        Input::Resume(Box::default()),
        Input::Shutdown { correlation: CORRELATION },
        Input::StageProgress { effect: EFFECT },
        Input::Stalled,
    ]);
    inputs
}

fn command(verb: Verb) -> Input {
    Input::Command { command: CommandId(u64::MAX), correlation: CORRELATION, pool: POOL, verb }
}

/// The inputs that are packed, so that every bit of the tag is once set and once not.
pub(crate) fn leases() -> Vec<Input> {
    let ask = |command, pool, token: [u64; 2], priority, ttl| Input::LeaseAsk {
        command: CommandId(command),
        correlation: Correlation(token),
        pool: PoolUid(pool),
        holder: Holder(token.map(|half| half & 0xff)),
        priority,
        ttl,
    };
    let end = |command, engine, sequence| Input::LeaseEnd {
        command: CommandId(command),
        lease: LeaseId { engine, sequence },
    };
    let renew = |command, engine, ttl| Input::LeaseRenew {
        command: CommandId(command),
        lease: LeaseId { engine, sequence: 12 },
        ttl,
    };
    let minute = Some(Duration::from_secs(60));
    vec![
        ask(1, 3, [7, 8], Priority::Interactive, None),
        ask(2, 3, [7, 9], Priority::Batch, minute),
        ask(9, 4, [7, 8], Priority::Batch, minute),
        ask(u64::MAX, 4, [u64::MAX, 9], Priority::Interactive, Some(Duration::MAX)),
        ask(0, 4, [1, 1], Priority::Interactive, Some(Duration::ZERO)),
        Input::Timer,
        end(1, engine(4, 1), 12),
        end(2, engine(4, 1), 11),
        end(7, engine(4, 2), u64::MAX),
        end(8, engine(u32::MAX, u32::MAX), 0),
        renew(9, engine(4, 2), Some(Duration::ZERO)),
        renew(11, engine(4, 2), minute),
        renew(12, engine(3, 2), None),
        Input::LeaseWithdraw { pool: PoolUid(3), ask: CommandId(2) },
        Input::LeaseWithdraw { pool: PoolUid(4), ask: CommandId(13) },
        Input::Timer,
    ]
}

fn verbs() -> Vec<Verb> {
    let reload = |to, deadline, on_drain_timeout, force| {
        Verb::Reload(Box::new(Reload { to, deadline, on_drain_timeout, force }))
    };
    let minute = Some(Duration::from_secs(60));
    vec![
        Verb::AllowRestart,
        Verb::Deregister,
        Verb::Drain { deadline: None },
        Verb::Drain { deadline: minute },
        Verb::Preload,
        reload(ReloadTarget::Back, None, None, false),
        reload(ReloadTarget::Back, minute, Some(OnDrainTimeout::Abort), true),
        reload(ReloadTarget::Spec(engine_spec()), None, Some(OnDrainTimeout::Force), false),
        Verb::ResetBreaker,
        Verb::Restart,
        Verb::Stop,
        Verb::Undrain,
    ]
}

fn completions() -> Vec<Completion> {
    let log = log_classes().map(|class| LogEvidence { class, offset: 1 << 33 }).to_vec();
    let stamp = ModelStamp(u64::MAX);
    let mut all = vec![
        Completion::Evidence(Box::default()),
        Completion::Evidence(Box::new(EvidenceReport { log, oom_kill: Some(true) })),
        Completion::Evidence(Box::new(EvidenceReport { log: vec![], oom_kill: Some(false) })),
        Completion::FileDone(Ok(())),
        Completion::FileDone(Err(FileError::Io(28))),
        Completion::FileDone(Err(FileError::TimedOut)),
        Completion::Preflighted(Ok(Preflight { stamp: None, fetch: true })),
        Completion::Preflighted(Ok(Preflight { stamp: Some(stamp), fetch: false })),
        Completion::Spawned(Ok(Spawned { pid: 12_345 })),
        Completion::Staged(Ok(stamp)),
    ];
    all.extend(probe_answers().map(Completion::Probed));
    all.extend(release_answers().map(Completion::Released));
    all.extend(spawn_errors().map(|error| Completion::Spawned(Err(error))));
    all.extend(stage_errors().map(|error| Completion::Staged(Err(error))));
    all.extend(stage_errors().map(|error| Completion::Preflighted(Err(error))));
    all
}

fn statuses() -> [ExitStatus; 3] {
    [ExitStatus::Code(-1), ExitStatus::Signal(9), ExitStatus::Unknown]
}

fn log_classes() -> [LogClass; 7] {
    [
        LogClass::AddressInUse,
        LogClass::CudaError,
        LogClass::DriverMismatch,
        LogClass::GpuOutOfMemory,
        LogClass::ModelLoad,
        LogClass::NoDevice,
        LogClass::WorkerDied,
    ]
}

fn probe_answers() -> [ProbeAnswer; 6] {
    [
        ProbeAnswer::Healthy,
        ProbeAnswer::Loading,
        ProbeAnswer::Refused,
        ProbeAnswer::Stranger,
        ProbeAnswer::TimedOut,
        ProbeAnswer::Unhealthy { status: 503 },
    ]
}

fn release_answers() -> [ReleaseAnswer; 6] {
    [
        ReleaseAnswer::DriverMismatch,
        ReleaseAnswer::Free,
        ReleaseAnswer::Held,
        ReleaseAnswer::NoDevice,
        ReleaseAnswer::PortStranger { port: 8080, pid: None },
        ReleaseAnswer::PortStranger { port: u16::MAX, pid: Some(7) },
    ]
}

fn spawn_errors() -> [SpawnError; 5] {
    [
        SpawnError::Denied,
        SpawnError::Io(5),
        SpawnError::NotFound,
        SpawnError::NoResources,
        SpawnError::TimedOut,
    ]
}

fn stage_errors() -> [StageError; 7] {
    [
        StageError::BadDigest,
        StageError::BadSize,
        StageError::Fetch(404),
        StageError::Io(5),
        StageError::Missing,
        StageError::NoSpace,
        StageError::Stalled,
    ]
}

/// The variant's number and how many there are; a new variant does not compile until it is here, and fails the
/// test below until it is in the list.
fn variant(input: &Input) -> usize {
    match input {
        Input::Command { .. } => 0,
        Input::Completed { .. } => 1,
        Input::Exited { .. } => 2,
        Input::GpuFault { .. } => 3,
        Input::Gap { .. } => 4,
        Input::LeaseAsk { .. } => 5,
        Input::LeaseEnd { .. } => 6,
        Input::LeaseRenew { .. } => 7,
        Input::LeaseWithdraw { .. } => 8,
        Input::LogLine { .. } => 9,
        Input::Register { .. } => 10,
        Input::Resume(_) => 11,
        Input::Shutdown { .. } => 12,
        Input::StageProgress { .. } => 13,
        Input::Stalled => 14,
        Input::Timer => 15,
    }
}

fn variant_of_verb(verb: &Verb) -> usize {
    match verb {
        Verb::AllowRestart => 0,
        Verb::Deregister => 1,
        Verb::Drain { .. } => 2,
        Verb::Preload => 3,
        Verb::Reload(_) => 4,
        Verb::ResetBreaker => 5,
        Verb::Restart => 6,
        Verb::Stop => 7,
        Verb::Undrain => 8,
    }
}

fn variant_of_completion(result: &Completion) -> usize {
    match result {
        Completion::Evidence(_) => 0,
        Completion::FileDone(_) => 1,
        Completion::Preflighted(_) => 2,
        Completion::Probed(_) => 3,
        Completion::Released(_) => 4,
        Completion::Spawned(_) => 5,
        Completion::Staged(_) => 6,
    }
}

#[test]
fn the_list_has_every_variant() {
    fn all<T>(values: &[T], variant: impl Fn(&T) -> usize, count: usize) {
        let seen: std::collections::BTreeSet<usize> = values.iter().map(variant).collect();
        assert_eq!(seen, (0..count).collect());
    }
    all(&every_input(), variant, 16);
    all(&verbs(), variant_of_verb, 9);
    all(&completions(), variant_of_completion, 7);
}

#[test]
fn every_input_has_the_name_that_people_read_in_a_divergence() {
    let names: std::collections::BTreeSet<&str> = every_input().iter().map(input_name).collect();
    let expected = [
        "allow_restart",
        "deregister",
        "drain",
        "evidence",
        "exited",
        "file_done",
        "gap",
        "gpu_fault",
        "lease_ask",
        "lease_end",
        "lease_renew",
        "lease_withdraw",
        "log_line",
        "preflighted",
        "preload",
        "probed",
        "register",
        "released",
        "reload",
        "reset_breaker",
        "restart",
        "resume",
        "shutdown",
        "spawned",
        "stage_progress",
        "staged",
        "stalled",
        "stop",
        "timer",
        "undrain",
    ];
    assert_eq!(names.into_iter().collect::<Vec<_>>(), expected);
}
