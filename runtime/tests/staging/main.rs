//! Models are made present and verified: through the stage executor, over real HTTP on a loopback port.

mod downloads;
mod local;
mod server;
mod sharing;
mod tls;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pool_manager::executor::Completions;
use pool_manager::executor::stage::StageExecutor;
use pool_manager::launch::{Endpoint, Launch, ModelSource};
use pool_manager::staging::{Network, Pace, Provisioner};
use pool_manager_core::{
    CatalogEntry, Completion, EffectId, Input, ModelStamp, PerformanceHints, PoolName, PoolUid, Preflight,
    StageError,
};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Longer than anything here takes; a test that reaches it has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// An executor, and a folder for models.
struct Bench {
    folder: tempfile::TempDir,
    stager: StageExecutor,
    inputs: UnboundedReceiver<Input>,
    asked: u64,
}

impl Bench {
    fn new() -> Self {
        let (queue, inputs) = unbounded_channel();
        let pace = Pace {
            failures: 2,
            pause: Duration::from_millis(1),
            longest_pause: Duration::from_millis(4),
            silence: PATIENCE,
        };
        let stager = StageExecutor::new(Provisioner::over(direct(), pace), Completions::new(queue));
        Self { folder: tempfile::tempdir().expect("a folder"), stager, inputs, asked: 0 }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Names in the folder of models, sorted.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).expect("a folder");
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("readable").file_name().into_string().expect("UTF-8")).collect();
        names.sort();
        names
    }

    fn begin(&mut self, launch: Launch) -> EffectId {
        self.asked += 1;
        let id = EffectId { pool: PoolUid(1), sequence: self.asked };
        self.stager.stage(id, Arc::new(launch));
        id
    }

    /// How a staging ended, and how often it was said to move.
    fn end(&mut self, id: EffectId) -> (Result<ModelStamp, StageError>, u32) {
        let mut moved = 0;
        loop {
            let input = self.input();
            if let Input::Completed { effect, result: Completion::Staged(result) } = input
                && effect == id
            {
                return (result, moved);
            }
            let Input::StageProgress { effect } = input else { panic!("not expected: {input:?}") };
            moved += u32::from(effect == id);
        }
    }

    fn stage(&mut self, launch: Launch) -> Result<ModelStamp, StageError> {
        let id = self.begin(launch);
        self.end(id).0
    }

    fn preflight(&mut self, launch: Launch) -> Result<Preflight, StageError> {
        self.asked += 1;
        let id = EffectId { pool: PoolUid(1), sequence: self.asked };
        self.stager.preflight(id, Arc::new(launch));
        let input = self.input();
        let Input::Completed { effect, result: Completion::Preflighted(result) } = input else {
            panic!("not a preflight: {input:?}")
        };
        assert_eq!(effect, id);
        result
    }

    fn input(&mut self) -> Input {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let next = runtime.block_on(async { tokio::time::timeout(PATIENCE, self.inputs.recv()).await });
        next.expect("an input comes").expect("the queue is open")
    }
}

/// Past any proxy that the environment of the tests may name.
fn direct() -> Network {
    Network { proxy: None, ..Network::default() }
}

/// What is stated of a model.
#[derive(Default)]
struct Stated {
    path: PathBuf,
    url: Option<String>,
    digest: Option<String>,
    bytes: Option<u64>,
    token: Option<String>,
}

fn launch(stated: Stated) -> Launch {
    let Stated { path, url, digest, bytes, token } = stated;
    Launch {
        pool: PoolName::new("test").expect("a name"),
        argv: vec!["/bin/sh".into()],
        env: Vec::new(),
        working_dir: None,
        model_path: Some(path),
        model_source: ModelSource { url, token },
        hints: PerformanceHints::default(),
        readiness: Endpoint::None,
        liveness: Endpoint::None,
        url: None,
        catalog: CatalogEntry {
            id: None,
            engine: "e".into(),
            engine_version: None,
            model: "m".into(),
            digest,
        },
        size_bytes: bytes,
        device_mask: Vec::new(),
        check_devices: false,
        slots: 1,
        core_dumps: false,
    }
}

fn digest_of(content: &[u8]) -> String {
    let hex: String = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// The stamp of a stated digest: its first 64 bits.
fn stamp_of(digest: &str) -> ModelStamp {
    let first = digest.strip_prefix("sha256:").and_then(|hex| hex.get(..16)).expect("a digest");
    ModelStamp(u64::from_str_radix(first, 16).expect("hex"))
}

/// Bytes that differ everywhere, more than one read takes.
fn model() -> Vec<u8> {
    (0_u32..300_000).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

fn write(path: &Path, content: &[u8]) {
    fs::File::create(path).and_then(|mut file| file.write_all(content)).expect("a file");
}
