//! What a live engine writes into its log reaches the driver while the engine lives.

use std::fs;
use std::time::Duration;

use pool_manager::executor::Completions;
use pool_manager::executor::engines::Engines;
use pool_manager::executor::live_log::LiveLogs;
use pool_manager::executor::signal::SignalExecutor;
use pool_manager::executor::spawn::SpawnExecutor;
use pool_manager::launch::{Endpoint, Launch, Launches, ModelSource};
use pool_manager::linux::state_dir::StateDir;
use pool_manager_core::{
    CatalogEntry, Completion, EffectId, EngineRef, Incarnation, Input, LogClass, PerformanceHints, PoolName,
    PoolUid, Signal, SpecHash,
};
use tokio::sync::mpsc::UnboundedReceiver;

/// Longer than anything here takes; a test that reaches it has failed.
const PATIENCE: Duration = Duration::from_secs(30);
const ENGINE: EngineRef = EngineRef { pool: PoolUid(1), incarnation: Incarnation { epoch: 1, n: 1 } };

async fn next(inputs: &mut UnboundedReceiver<Input>) -> Input {
    tokio::time::timeout(PATIENCE, inputs.recv()).await.expect("an input comes").expect("the queue is open")
}

fn stub(plan: &[&str]) -> Launch {
    let mut argv = vec![env!("CARGO_BIN_EXE_stub-engine").to_owned(), "--port".into(), "0".into()];
    argv.extend(plan.iter().flat_map(|step| ["--at".to_owned(), (*step).to_owned()]));
    Launch {
        pool: PoolName::new("test").expect("a pool name"),
        argv,
        env: Vec::new(),
        working_dir: None,
        model_path: None,
        model_source: ModelSource::default(),
        hints: PerformanceHints::default(),
        readiness: Endpoint::None,
        liveness: Endpoint::None,
        url: None,
        catalog: CatalogEntry {
            id: None,
            engine: "stub".into(),
            engine_version: None,
            model: "m".into(),
            digest: None,
        },
        size_bytes: None,
        device_mask: Vec::new(),
        check_devices: false,
        slots: 1,
        core_dumps: false,
    }
}

#[tokio::test]
async fn a_cuda_line_of_a_live_engine_reaches_the_driver_through_garbage() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let state = StateDir::open(&dir.path().join("state")).expect("a usable state directory");
    let (queue, mut inputs) = tokio::sync::mpsc::unbounded_channel();
    let completions = Completions::new(queue);
    let (engines, launches) = (Engines::new(state.path()), Launches::default());
    let spawner =
        SpawnExecutor::start(engines.clone(), launches.clone(), state.logs_dir(), completions.clone())
            .expect("a spawn thread");
    let _logs = LiveLogs::start(engines.clone(), completions).expect("a thread");

    let plan = [
        "start=binary:3000000",
        "start=log:",
        "start=log:prompt: CUDA error: an illegal memory access was encountered",
        "start=log:main: exiting due to model loading error",
        "start+100ms=log:CUDA error: an illegal memory access was encountered",
        "start+100ms=log:current device: 0, in function ggml_backend_cuda_synchronize",
    ];
    launches.insert(SpecHash(1), stub(&plan));
    spawner.spawn(EffectId { pool: PoolUid(1), sequence: 1 }, ENGINE, SpecHash(1));
    let spawned = next(&mut inputs).await;
    assert!(matches!(spawned, Input::Completed { result: Completion::Spawned(Ok(_)), .. }), "{spawned:?}");

    let line = next(&mut inputs).await;
    let Input::LogLine { engine: ENGINE, class: LogClass::CudaError, offset } = line else {
        panic!("{line:?}")
    };
    let process = engines.get(ENGINE).expect("the engine is known");
    assert!(!process.has_exited(), "it was told while the engine lives");
    let log = fs::read(&process.log).expect("its log");
    let at = usize::try_from(offset).expect("a log fits in memory");
    assert!(log[at..].starts_with(b"CUDA error: an illegal memory access"), "at byte {offset}");
    assert_eq!(log[at - 1], b'\n');

    // Nothing else of that log was worth telling: the next input is the end.
    SignalExecutor::new(engines.clone()).signal(ENGINE, Signal::KillTree);
    let ended = next(&mut inputs).await;
    assert!(matches!(ended, Input::Exited { engine: ENGINE, .. }), "{ended:?}");
    tokio::time::timeout(PATIENCE, process.gone()).await.expect("everything of the engine goes");
}
