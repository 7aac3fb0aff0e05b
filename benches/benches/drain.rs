//! The core's share of leases and drains: no clock, thread or socket of ours is inside the measured part.
//!
//! `cargo bench -p pool-manager-benches`; `-- --test` runs each once. Real figures need the release profile,
//! which `cargo bench` uses.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use pool_manager_core::{
    Answer, CatalogEntry, CommandId, Completion, Correlation, Effect, EngineSpec, Holder, Host, HostConfig,
    Input, LeaseId, ModelStamp, PerformanceHints, Policy, PoolName, PoolSpec, PoolUid, Preflight, Priority,
    ProbeAnswer, ReleaseAnswer, Signal, Spawned, SpecHash, Time, Verb,
};

criterion_group! {
    name = drain;
    // Short by default: these run beside other work, and the spread is small.
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(20);
    targets = leases, drains
}
criterion_main!(drain);

/// One ask and one end, each drained of effects and events: the hot path of a router.
fn leases(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("lease_ask_and_end");
    for pools in [8, 1000] {
        let mut bench = Bench::with_ready_pools(pools);
        let mut turn = 0;
        group.bench_function(format!("{pools}_pools"), |bencher| {
            bencher.iter(|| {
                turn = (turn + 1) % bench.pools.len();
                let pool = bench.pools[turn];
                let lease = bench.lease(pool);
                bench.end(black_box(lease));
            });
        });
    }
    group.finish();
}

/// From the input that empties the pool to the TERM effect. With leases in flight the drain was asked
/// before, and all leases but the last have ended.
fn drains(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("last_input_to_term");
    for leases in [0, 1, 1000] {
        let bench = Bench::with_ready_pools(1);
        let prepare = || prepared_drain(&bench, leases);
        group.bench_function(format!("{leases}_leases"), |bencher| {
            bencher.iter_batched(
                prepare,
                |(mut bench, input)| {
                    bench.feed(input);
                    assert!(bench.termed, "the drain ends with TERM");
                    bench
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
    let mut group = criterion.benchmark_group("deadline_to_term");
    for leases in [1, 1000] {
        let bench = Bench::with_ready_pools(1);
        group.bench_function(format!("{leases}_leases_cut"), |bencher| {
            bencher.iter_batched(
                || {
                    let mut bench = bench.clone();
                    for _ in 0..leases {
                        bench.lease(bench.pools[0]);
                    }
                    bench.feed(drain_command(&bench));
                    bench.now = bench.now + Duration::from_secs(60);
                    bench
                },
                |mut bench| {
                    bench.feed(Input::Timer);
                    assert!(bench.termed, "the deadline ends in TERM");
                    bench
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

/// A host one input away from TERM, and that input.
fn prepared_drain(bench: &Bench, leases: u32) -> (Bench, Input) {
    let mut bench = bench.clone();
    let held: Vec<LeaseId> = (0..leases).map(|_| bench.lease(bench.pools[0])).collect();
    let Some((last, others)) = held.split_last() else {
        let command = drain_command(&bench);
        return (bench, command);
    };
    bench.feed(drain_command(&bench));
    others.iter().for_each(|lease| bench.end(*lease));
    assert!(!bench.termed, "one lease is left");
    (bench, Input::LeaseEnd { command: CommandId(0), lease: *last })
}

fn drain_command(bench: &Bench) -> Input {
    Input::Command {
        command: CommandId(0),
        correlation: Correlation([0, 0]),
        pool: bench.pools[0],
        verb: Verb::Drain { deadline: Some(Duration::from_secs(60)) },
    }
}

/// A host, driven as a driver drives it; executors answer at once.
#[derive(Clone)]
struct Bench {
    host: Host,
    now: Time,
    pools: Vec<PoolUid>,
    granted: Option<LeaseId>,
    termed: bool,
}

impl Bench {
    fn with_ready_pools(count: u32) -> Self {
        let host = Host::new(HostConfig::default(), 1, Time::ZERO);
        let mut bench = Self { host, now: Time::ZERO, pools: Vec::new(), granted: None, termed: false };
        for number in 0..count {
            let spec = Box::new(spec(number));
            let correlation = Correlation([0, 0]);
            bench.feed(Input::Register { command: CommandId(0), correlation, spec });
        }
        let ready = bench.host.view().pools().filter(|pool| pool.health.ready).count();
        assert_eq!(ready, count as usize, "every pool is ready");
        bench
    }

    fn lease(&mut self, pool: PoolUid) -> LeaseId {
        self.feed(Input::LeaseAsk {
            command: CommandId(0),
            correlation: Correlation([0, 0]),
            pool,
            holder: Holder([0, 0]),
            priority: Priority::Interactive,
            ttl: None,
        });
        self.granted.take().expect("a ready pool with free slots grants leases")
    }

    fn end(&mut self, lease: LeaseId) {
        self.feed(Input::LeaseEnd { command: CommandId(0), lease });
    }

    /// Feeds one input and whatever its effects lead to at once.
    fn feed(&mut self, input: Input) {
        self.host.handle(self.now, input);
        // A Vec that stays empty allocates nothing, so the lease path pays nothing for it.
        let mut answers = Vec::new();
        while let Some(effect) = self.host.poll_effect() {
            answers.extend(self.carry_out(effect));
        }
        while let Some(event) = self.host.poll_event() {
            black_box(event);
        }
        answers.into_iter().for_each(|answer| self.feed(answer));
    }

    fn carry_out(&mut self, effect: Effect) -> Option<Input> {
        let (effect, result) = match effect {
            Effect::CheckRelease { id, .. } => (id, Completion::Released(ReleaseAnswer::Free)),
            Effect::Probe { id, .. } => (id, Completion::Probed(ProbeAnswer::Healthy)),
            Effect::RemoveFile { id, .. } | Effect::WriteFile { id, .. } => {
                (id, Completion::FileDone(Ok(())))
            }
            Effect::Spawn { id, .. } => (id, Completion::Spawned(Ok(Spawned { pid: 1 }))),
            Effect::Stage { id, spec, .. } => (id, Completion::Staged(Ok(ModelStamp(spec.0)))),
            Effect::Preflight { id, spec, .. } => {
                let stamp = Some(ModelStamp(spec.0));
                (id, Completion::Preflighted(Ok(Preflight { stamp, fetch: false })))
            }
            Effect::CancelStage { .. } | Effect::CollectEvidence { .. } | Effect::Exit => return None,
            Effect::Reply { answer, .. } => {
                match *answer {
                    Answer::Granted { lease, .. } => self.granted = Some(lease),
                    Answer::Registered { pool } => self.pools.push(pool),
                    Answer::Accepted { .. }
                    | Answer::Done
                    | Answer::LeaseEnded
                    | Answer::LeaseEndedBefore { .. }
                    | Answer::Refused(_)
                    | Answer::Renewed { .. }
                    | Answer::Withdrawn => {}
                }
                return None;
            }
            Effect::Signal { signal, .. } => {
                self.termed |= signal == Signal::Graceful;
                return None;
            }
        };
        Some(Input::Completed { effect, result })
    }
}

fn spec(number: u32) -> PoolSpec {
    let mut policy = Policy::default();
    policy.lease.slots = 2000;
    PoolSpec {
        name: PoolName::new(&format!("pool-{number}")).expect("letters, a dash and digits are a name"),
        engine: EngineSpec {
            hash: SpecHash(number.into()),
            catalog: CatalogEntry {
                id: None,
                engine: "stub-engine".to_owned(),
                engine_version: None,
                model: "model".to_owned(),
                digest: None,
            },
            device_mask: Vec::new(),
            port: None,
            hints: PerformanceHints::default(),
        },
        policy,
        autostart: true,
    }
}
