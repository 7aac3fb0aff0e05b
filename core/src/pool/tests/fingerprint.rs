//! Each part of a pool decides its future by itself: a pool that differs in one of them has another fingerprint.

use super::*;
use crate::drain::Drain;
use crate::errand::Errand;
use crate::fingerprint::{Fingerprint, all_differ};
use crate::gate::Gates;
use crate::journal::{ActiveLeaseFacts, LeaseFacts};
use crate::ladder::Ladder;
use crate::lease::LeaseBook;
use crate::limiter::Limiter;
use crate::liveness::Liveness;
use crate::operation::{Operation, OperationKind};
use crate::phase::{Ended, Engine, Held, Phase, Serving, StartCause, Stopping, Trouble, Waiting};
use crate::pool::{Drained, Pool, Running};
use crate::reload::{Progress, Reloading};
use crate::signs::Signs;
use crate::{LimiterPolicy, OnDrainTimeout, ReleaseGate, StopCause, Verdict, Wanted};

const NOW: Time = Time::from_nanos(1_000_000_000_000);

fn pool() -> Pool {
    let facts = Stage::new(|_| {}).host.facts();
    Pool::recall(facts.pools.first().expect("one pool"), NOW).expect("a good name")
}

fn print(pool: &Pool) -> u64 {
    let mut to = Fingerprint::new(NOW);
    pool.write_fingerprint(&mut to, &Limiter::new(LimiterPolicy::default()));
    to.finish()
}

fn with(change: impl FnOnce(&mut Pool)) -> u64 {
    let mut pool = pool();
    change(&mut pool);
    print(&pool)
}

fn in_phase(phase: Phase) -> u64 {
    with(|pool| pool.phase = phase)
}

fn engine() -> Engine {
    let incarnation = Incarnation { epoch: 1, n: 1 };
    let (cause, signs) = (StartCause::Asked, Signs::default());
    Engine { incarnation, pid: Some(7), spawned: NOW, ready_since: None, cause, signs }
}

/// An engine in every state that matters to what comes.
fn engines() -> Vec<Engine> {
    let line = LogEvidence { class: LogClass::CudaError, offset: 1 };
    let signs = Signs::default().cuda_error(line, NOW);
    [
        engine(),
        Engine { pid: None, ..engine() },
        Engine { ready_since: Some(NOW), ..engine() },
        Engine { cause: StartCause::Automatic, ..engine() },
        Engine { signs, ..engine() },
    ]
    .into()
}

fn leases(sequences: &[u64]) -> LeaseBook {
    let incarnation = engine().incarnation.into();
    let active = |sequence: &u64| ActiveLeaseFacts { sequence: *sequence, incarnation, ..Default::default() };
    LeaseBook::recall(&LeaseFacts { active: sequences.iter().map(active).collect(), ..LeaseFacts::default() })
}

fn serving() -> Serving {
    Serving { engine: engine(), liveness: Liveness::begin(NOW, 0), trouble: Trouble::None }
}

#[test]
fn of_every_phase() {
    let waits = |gates, cause| Phase::Waiting(Waiting { gates, cause });
    let until = Some(NOW + SECOND);
    let gates = Gates::default();
    let released = |release| waits(Gates { release, ..gates }, StartCause::Asked);
    let problem = crate::HostProblem::NoDevice;
    let stopping = Stopping { engine: engine(), cause: StopCause::Asked, ladder: Ladder::Termed };
    let mut phases = alloc::vec![
        Phase::Stopped,
        Phase::Staging(StartCause::Asked),
        Phase::Staging(StartCause::First),
        waits(gates, StartCause::Asked),
        waits(gates, StartCause::Allowed),
        waits(Gates { backoff_until: until, ..gates }, StartCause::Asked),
        waits(Gates { window_until: until, ..gates }, StartCause::Asked),
        waits(Gates { circuit_until: until, ..gates }, StartCause::Asked),
        waits(Gates { limiter_until: until, ..gates }, StartCause::Asked),
        released(ReleaseGate::Asked { since: NOW }),
        released(ReleaseGate::Held { since: NOW }),
        released(ReleaseGate::Held { since: NOW - SECOND }),
        released(ReleaseGate::HostProblem { problem, recheck: NOW }),
        released(ReleaseGate::PortStranger { port: 1, pid: None, recheck: NOW }),
        released(ReleaseGate::PortStranger { port: 1, pid: Some(1), recheck: NOW }),
        Phase::Draining(serving(), Drain::begin(NOW, SECOND)),
        Phase::Draining(serving(), Drain::begin(NOW, SECOND * 2)),
        Phase::Ready(Serving { trouble: Trouble::Suspect { until: NOW + SECOND }, ..serving() }),
        Phase::Ready(Serving { trouble: Trouble::Suspect { until: NOW + SECOND * 2 }, ..serving() }),
        Phase::Ready(Serving { trouble: Trouble::Doomed, ..serving() }),
        Phase::Ready(Serving { liveness: Liveness::begin(NOW - SECOND, 0), ..serving() }),
        Phase::Stopping(Stopping { cause: StopCause::Unhealthy, ..stopping }),
        Phase::Stopping(Stopping { ladder: Ladder::Killed, ..stopping }),
        Phase::Held(Held::Config { look: true }),
        Phase::Held(Held::Config { look: false }),
        Phase::Held(Held::NotReleased),
        Phase::Held(Held::Quarantine),
        Phase::Held(Held::Stuck(stopping)),
        Phase::Held(Held::Stuck(Stopping { cause: StopCause::Unhealthy, ..stopping })),
    ];
    for engine in engines() {
        phases.push(Phase::Starting(engine));
        phases.push(Phase::Ready(Serving { engine, ..serving() }));
        phases.push(Phase::Stopping(Stopping { engine, ..stopping }));
    }
    all_differ(&phases.into_iter().map(in_phase).collect::<Vec<_>>());
}

#[test]
fn of_an_end_that_is_being_explained() {
    let ended =
        Ended { engine: engine(), at: NOW, status: ExitStatus::Code(1), stopped_for: None, report: None };
    let report = |report| Ended { report: Some(report), ..ended.clone() };
    let seen = engines().pop().expect("one with signs");
    let all = [
        ended.clone(),
        Ended { engine: seen, ..ended.clone() },
        Ended { engine: Engine { cause: StartCause::Automatic, ..engine() }, ..ended.clone() },
        Ended { at: NOW - SECOND, ..ended.clone() },
        Ended { status: ExitStatus::Code(2), ..ended.clone() },
        Ended { stopped_for: Some(StopCause::Asked), ..ended.clone() },
        report(EvidenceReport::default()),
        report(EvidenceReport { oom_kill: Some(true), ..EvidenceReport::default() }),
        report(saying(&[LogClass::CudaError])),
    ];
    all_differ(&all.map(|ended| in_phase(Phase::Ended(ended))));
}

#[test]
fn of_an_operation_and_how_far_it_is() {
    let run = |kind, drained, progress: Option<Progress>| {
        let operation = Operation {
            id: OperationId(1),
            kind,
            pool: PoolUid(1),
            correlation: Correlation([0, 0]),
            started: NOW,
            ended: None,
        };
        let reload = progress.map(|progress| {
            Box::new(Reloading {
                target: spec("b").engine,
                patience: SECOND,
                on_drain_timeout: OnDrainTimeout::Abort,
                force: false,
                progress,
                stage_asked: NOW,
                engine_ended: None,
            })
        });
        Running { operation, drained, reload, recalled: false }
    };
    let (stamp, wanted_before) = (ModelStamp(1), Wanted::Up);
    let reload = |progress| run(OperationKind::Reload, None, Some(progress));
    let changed = |change: fn(&mut Reloading)| {
        let mut running = reload(Progress::Preflight);
        running.reload.as_deref_mut().map(change).expect("a reload");
        running
    };
    let lease =
        LeaseId { engine: EngineRef { pool: PoolUid(1), incarnation: engine().incarnation }, sequence: 1 };
    let verdict = Box::new(Verdict { class: CrashClass::Unknown, evidence: Vec::new() });
    let all = [
        run(OperationKind::Drain, None, None),
        run(OperationKind::Stop, None, None),
        run(OperationKind::Drain, Some(Drained::Emptied), None),
        run(OperationKind::Drain, Some(Drained::Cut(Vec::new())), None),
        run(OperationKind::Drain, Some(Drained::Cut([lease].into())), None),
        run(OperationKind::Drain, Some(Drained::EngineExited(Vec::new())), None),
        Running { recalled: true, ..run(OperationKind::Drain, None, None) },
        reload(Progress::Preflight),
        reload(Progress::Fetching),
        reload(Progress::Checking),
        reload(Progress::There { stamp }),
        reload(Progress::There { stamp: ModelStamp(2) }),
        reload(Progress::Candidate { stamp, wanted_before }),
        reload(Progress::RollingBack { verdict }),
        reload(Progress::SameModel),
        changed(|reload| reload.force = true),
        changed(|reload| reload.patience = SECOND * 2),
        changed(|reload| reload.on_drain_timeout = OnDrainTimeout::Force),
        changed(|reload| reload.target.hash = SpecHash(77)),
        changed(|reload| {
            reload.engine_ended =
                Some(Box::new(Verdict { class: CrashClass::Unknown, evidence: Vec::new() }));
        }),
    ];
    let mut prints: Vec<u64> =
        all.into_iter().map(|running| with(|pool| pool.running = Some(running))).collect();
    prints.push(with(|_| {}));
    all_differ(&prints);
}

#[test]
fn of_specs_and_of_what_supervision_remembers() {
    let long_ago = NOW - Duration::from_secs(900);
    all_differ(&[
        with(|_| {}),
        with(|pool| pool.spec.hash = SpecHash(77)),
        with(|pool| pool.spec.catalog.digest = Some(String::from("d"))),
        with(|pool| pool.spec.device_mask = [String::from("0")].into()),
        with(|pool| pool.spec.port = Some(77)),
        with(|pool| pool.stamp = Some(ModelStamp(1))),
        with(|pool| pool.previous = Some(Box::new(spec("b").engine))),
        with(|pool| pool.candidate = Some(Box::new(spec("b").engine))),
        with(|pool| pool.wanted = Wanted::Up),
        with(|pool| pool.gone = true),
        with(|pool| pool.load_time = Some(SECOND)),
        with(|pool| pool.deadlines.arm(Due::ProbeSend, NOW + SECOND)),
        with(|pool| {
            pool.abandoned_spawns.insert(1, engine().incarnation);
        }),
        with(|pool| {
            pool.errands.open(Errand::Probe);
        }),
        with(|pool| {
            pool.errands.open(Errand::Release);
        }),
        with(|pool| pool.leases = leases(&[1])),
        with(|pool| pool.leases = leases(&[1, 2])),
        with(|pool| pool.supervision.failures = 1),
        with(|pool| pool.supervision.allowed = true),
        with(|pool| pool.supervision.backoff_until = Some(NOW + SECOND)),
        with(|pool| {
            pool.supervision.window.record(NOW, &pool.policy.restart);
        }),
        with(|pool| {
            pool.supervision.circuits.failed(NOW, CrashClass::Unknown, true, &pool.policy.restart);
        }),
    ]);
    // For people, or over.
    let same = with(|_| {});
    assert_eq!(with(|pool| pool.supervision.crashes_total = 9), same);
    assert_eq!(with(|pool| pool.heartbeat = Some(NOW)), same);
    assert_eq!(with(|pool| pool.load_time = Some(Duration::from_secs(900))), same, "as slow as unknown");
    assert_eq!(
        with(|pool| {
            pool.supervision.window.record(long_ago, &pool.policy.restart);
        }),
        same
    );
}
