//! The files that tell others about an engine: `run/<pool>.pid` and `handoff/<pool>.json`. The
//! driver calls [`Files`] for every write and remove effect.
//!
//! One thread does all of it, in the order asked, so a remove never overtakes the write before it.
//! A reader sees a whole file or none: each is written under another name, synced, then renamed.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;

use pool_manager_core::{Completion, EffectId, EngineRef, FileError, FileKind, PoolName};

use crate::executor::Completions;
use crate::handoff::Handoff;
use crate::launch::Launch;

/// Writes and removes the files. Its thread ends after it was dropped and all that was asked is done;
/// nobody waits for that, since a disk may hang.
#[derive(Debug)]
pub struct Files {
    completions: Completions,
    queue: mpsc::Sender<Job>,
}

impl Files {
    /// Makes the folders `run` and `handoff` under `state_dir` where they are missing, removes what
    /// a crash left half-written there, and starts the thread. Call it with the state lock held.
    ///
    /// # Errors
    /// A folder cannot be made or read, or there is no thread to be had.
    pub fn open(state_dir: &Path, completions: Completions) -> io::Result<Self> {
        let folders = Folders { state_dir: state_dir.to_owned() };
        for kind in [FileKind::Pid, FileKind::Handoff] {
            let folder = folders.of(kind);
            fs::create_dir_all(&folder)?;
            remove_unfinished(&folder)?;
        }
        let (queue, jobs) = mpsc::channel();
        let worker = Worker { folders, completions: completions.clone(), owners: BTreeMap::new() };
        thread::Builder::new().name("files".to_owned()).spawn(move || worker.run(&jobs))?;
        Ok(Self { completions, queue })
    }

    /// Writes the PID file; completes the effect with `FileDone`.
    pub fn write_pid(&self, id: EffectId, engine: EngineRef, pool: &PoolName, pid: u32) {
        let text = format!("{pid}\n");
        self.ask(id, engine, pool, FileKind::Pid, Change::Write(text));
    }

    /// Writes the handoff file; completes the effect with `FileDone`.
    pub fn write_handoff(&self, id: EffectId, engine: EngineRef, launch: &Launch) {
        match Handoff::new(engine, launch).to_json() {
            Ok(text) => self.ask(id, engine, &launch.pool, FileKind::Handoff, Change::Write(text)),
            Err(error) => self.completions.completed(id, done(Err(io::Error::other(error)))),
        }
    }

    /// Removes a file, unless a newer engine has written it since; completes the effect with
    /// `FileDone`, also when there was none.
    pub fn remove(&self, id: EffectId, engine: EngineRef, pool: &PoolName, kind: FileKind) {
        self.ask(id, engine, pool, kind, Change::Remove);
    }

    fn ask(&self, id: EffectId, engine: EngineRef, pool: &PoolName, kind: FileKind, change: Change) {
        let job = Job { id, engine, pool: pool.clone(), kind, change };
        if self.queue.send(job).is_err() {
            self.completions.completed(id, done(Err(io::Error::other("the files thread is gone"))));
        }
    }
}

/// Where the files of a kind lie.
#[derive(Debug)]
struct Folders {
    state_dir: PathBuf,
}

impl Folders {
    fn of(&self, kind: FileKind) -> PathBuf {
        self.state_dir.join(match kind {
            FileKind::Pid => "run",
            FileKind::Handoff => "handoff",
        })
    }
}

#[derive(Debug)]
struct Job {
    id: EffectId,
    engine: EngineRef,
    pool: PoolName,
    kind: FileKind,
    change: Change,
}

#[derive(Debug)]
enum Change {
    Remove,
    Write(String),
}

#[derive(Debug)]
struct Worker {
    folders: Folders,
    completions: Completions,
    /// Which engine wrote a file last, of those that are there and were written in this run of the
    /// daemon. Older ones belong to engines that were adopted; any remove may have them.
    owners: BTreeMap<(PoolName, FileKind), EngineRef>,
}

impl Worker {
    fn run(mut self, jobs: &mpsc::Receiver<Job>) {
        while let Ok(job) = jobs.recv() {
            let id = job.id;
            let result = self.carry_out(job);
            self.completions.completed(id, done(result));
        }
    }

    fn carry_out(&mut self, job: Job) -> io::Result<()> {
        let Job { engine, pool, kind, change, .. } = job;
        let folder = self.folders.of(kind);
        let name = match kind {
            FileKind::Pid => format!("{pool}.pid"),
            FileKind::Handoff => format!("{pool}.json"),
        };
        let key = (pool, kind);
        let result = match change {
            Change::Write(text) => {
                // Before the write: one that fails late may still have renamed the file.
                self.owners.insert(key, engine);
                write_atomically(&folder, &name, text.as_bytes())
            }
            // Uids and incarnations only rise, so a greater owner is a newer engine.
            Change::Remove if self.owners.get(&key).is_some_and(|owner| *owner > engine) => Ok(()),
            Change::Remove => {
                let removed = remove_if_there(&folder.join(&name));
                if removed.is_ok() {
                    self.owners.remove(&key);
                }
                removed
            }
        };
        if let Err(error) = &result {
            let path = folder.join(name);
            tracing::warn!(
                "{} cannot be changed: {error}; make room there, or let the daemon write to it",
                path.display()
            );
        }
        result
    }
}

fn done(result: io::Result<()>) -> Completion {
    let errno = |error: io::Error| error.raw_os_error().unwrap_or(libc::EIO);
    Completion::FileDone(result.map_err(|error| FileError::Io(errno(error))))
}

/// After this returns, the file is there with this content, also after a power failure.
fn write_atomically(folder: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    let unfinished = folder.join(unfinished_name(name));
    let written = write_new(&unfinished, content).and_then(|()| fs::rename(&unfinished, folder.join(name)));
    if let Err(error) = written {
        // The first error is the one to report; what is left here is removed at the next start.
        let _ = fs::remove_file(&unfinished);
        return Err(error);
    }
    File::open(folder)?.sync_all()
}

fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    remove_if_there(path)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(path)?;
    // Routers of other users read these, whatever the daemon's umask says.
    file.set_permissions(Permissions::from_mode(0o644))?;
    file.write_all(content)?;
    file.sync_all()
}

/// The removal is not synced: after a power failure no engine lives, and a stop must not wait for the disk.
fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// No pool's name starts with a dot, so this is no pool's file.
fn unfinished_name(name: &str) -> String {
    format!(".{name}.unfinished")
}

fn remove_unfinished(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_ours =
            name.to_str().is_some_and(|name| name.starts_with('.') && name.ends_with(".unfinished"));
        if is_ours {
            remove_if_there(&entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use pool_manager_core::{CatalogEntry, Incarnation, Input, PerformanceHints, PoolUid};
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    use crate::launch::{Endpoint, ModelSource};

    struct Fixture {
        state: tempfile::TempDir,
        files: Files,
        results: UnboundedReceiver<Input>,
        asked: u64,
    }

    impl Fixture {
        fn new() -> Self {
            let state = tempfile::tempdir().expect("a folder");
            let (queue, results) = unbounded_channel();
            let files = Files::open(state.path(), Completions::new(queue)).expect("opens");
            Self { state, files, results, asked: 0 }
        }

        fn next_id(&mut self) -> EffectId {
            self.asked += 1;
            EffectId { pool: PoolUid(1), sequence: self.asked }
        }

        fn write_pid(&mut self, engine: EngineRef, pid: u32) {
            let id = self.next_id();
            self.files.write_pid(id, engine, &pool(), pid);
        }

        fn write_handoff(&mut self, engine: EngineRef) {
            let id = self.next_id();
            self.files.write_handoff(id, engine, &launch());
        }

        fn remove(&mut self, engine: EngineRef, kind: FileKind) {
            let id = self.next_id();
            self.files.remove(id, engine, &pool(), kind);
        }

        /// All completions, which must be one for each effect in order.
        fn results(&mut self) -> Vec<Result<(), FileError>> {
            let completion = |sequence| match self.results.blocking_recv() {
                Some(Input::Completed { effect, result: Completion::FileDone(result) }) => {
                    assert_eq!(effect.sequence, sequence);
                    result
                }
                other => panic!("not a completion: {other:?}"),
            };
            (1..=self.asked).map(completion).collect()
        }

        fn path(&self, name: &str) -> PathBuf {
            self.state.path().join(name)
        }

        fn names(&self, folder: &str) -> Vec<String> {
            let entries = fs::read_dir(self.path(folder)).expect("a folder");
            entries.map(|entry| entry.expect("readable").file_name().into_string().expect("UTF-8")).collect()
        }
    }

    fn pool() -> PoolName {
        PoolName::new("chat").expect("a name")
    }

    fn incarnation(n: u32) -> EngineRef {
        EngineRef { pool: PoolUid(1), incarnation: Incarnation { epoch: 3, n } }
    }

    fn launch() -> Launch {
        Launch {
            pool: pool(),
            argv: ["/bin/llama-server", "-m", "/models/a.gguf"].map(str::to_owned).to_vec(),
            env: vec![("HF_TOKEN".into(), "secret".into())],
            working_dir: None,
            model_path: Some("/models/a.gguf".into()),
            model_source: ModelSource::default(),
            hints: PerformanceHints::default(),
            readiness: Endpoint::None,
            liveness: Endpoint::None,
            url: Some("http://127.0.0.1:8080".into()),
            catalog: CatalogEntry {
                id: None,
                engine: "llama-server".into(),
                engine_version: None,
                model: "a".into(),
                digest: None,
            },
            size_bytes: None,
            device_mask: vec!["GPU-1".into()],
            check_devices: false,
            slots: 4,
            core_dumps: false,
        }
    }

    #[test]
    fn writes_what_readers_expect_and_leaves_nothing_else() {
        let mut fixture = Fixture::new();
        fixture.write_pid(incarnation(1), 4711);
        fixture.write_handoff(incarnation(1));
        assert_eq!(fixture.results(), [Ok(()), Ok(())]);
        assert_eq!(fs::read_to_string(fixture.path("run/chat.pid")).expect("a file"), "4711\n");
        let text = fs::read_to_string(fixture.path("handoff/chat.json")).expect("a file");
        assert!(!text.contains("secret"), "{text}");
        let handoff: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let expected = serde_json::json!({
            "engine": "llama-server", "engine_version": null, "url": "http://127.0.0.1:8080",
            "pool_id": "chat", "replica_id": "chat/3.1",
            "model": {"path": "/models/a.gguf", "digest": null},
            "flags": ["-m", "/models/a.gguf"], "device_mask": ["GPU-1"], "slots_total": 4,
            "catalog_id": null, "hints": {"tokens_per_second": null, "first_token_ms": null},
        });
        assert_eq!(handoff, expected);
        assert_eq!(fixture.names("run"), ["chat.pid"]);
        assert_eq!(fixture.names("handoff"), ["chat.json"]);
        for name in ["run/chat.pid", "handoff/chat.json"] {
            let mode = fs::metadata(fixture.path(name)).expect("a file").permissions().mode();
            assert_eq!(mode & 0o777, 0o644, "{name}");
        }
    }

    #[test]
    fn changes_are_made_in_the_order_asked() {
        let mut fixture = Fixture::new();
        for pid in 1..=50 {
            fixture.write_pid(incarnation(pid), pid);
            fixture.remove(incarnation(pid), FileKind::Pid);
        }
        fixture.write_pid(incarnation(51), 51);
        assert!(fixture.results().iter().all(Result::is_ok));
        assert_eq!(fs::read_to_string(fixture.path("run/chat.pid")).expect("a file"), "51\n");
    }

    #[test]
    fn an_old_engine_does_not_remove_the_file_of_a_newer_one() {
        let mut fixture = Fixture::new();
        fixture.write_handoff(incarnation(1));
        fixture.write_handoff(incarnation(2));
        fixture.remove(incarnation(1), FileKind::Handoff);
        assert_eq!(fixture.results(), [Ok(()); 3]);
        assert_eq!(fixture.names("handoff"), ["chat.json"]);
        fixture.asked = 0;
        fixture.remove(incarnation(2), FileKind::Handoff);
        fixture.results();
        assert!(fixture.names("handoff").is_empty());
    }

    #[test]
    fn a_newer_engine_removes_what_an_older_one_left() {
        let mut fixture = Fixture::new();
        fixture.write_pid(incarnation(1), 1);
        fixture.remove(incarnation(2), FileKind::Pid);
        fixture.remove(incarnation(2), FileKind::Pid);
        assert_eq!(fixture.results(), [Ok(()); 3], "also when there is nothing to remove");
        assert!(fixture.names("run").is_empty());
    }

    #[test]
    fn a_start_removes_half_written_files_and_keeps_whole_ones() {
        let state = tempfile::tempdir().expect("a folder");
        let run = state.path().join("run");
        fs::create_dir(&run).expect("a folder");
        for name in [".chat.pid.unfinished", "chat.pid", ".keep"] {
            fs::write(run.join(name), "1\n").expect("a file");
        }
        let (queue, _results) = unbounded_channel();
        let _files = Files::open(state.path(), Completions::new(queue)).expect("opens");
        let mut left: Vec<_> =
            fs::read_dir(&run).expect("a folder").flatten().map(|e| e.file_name()).collect();
        left.sort();
        assert_eq!(left, [".keep", "chat.pid"]);
    }

    #[test]
    fn a_failure_carries_its_error_number_and_the_next_effect_goes_on() {
        let mut fixture = Fixture::new();
        fs::remove_dir(fixture.path("handoff")).expect("empty");
        fixture.write_handoff(incarnation(1));
        fixture.remove(incarnation(1), FileKind::Handoff);
        fixture.write_pid(incarnation(1), 1);
        assert_eq!(fixture.results(), [Err(FileError::Io(libc::ENOENT)), Ok(()), Ok(())]);
    }

    #[test]
    fn a_rename_that_fails_leaves_nothing_behind() {
        let mut fixture = Fixture::new();
        fs::create_dir(fixture.path("run/chat.pid")).expect("a folder in the way");
        fixture.write_pid(incarnation(1), 1);
        assert_eq!(fixture.results(), [Err(FileError::Io(libc::EISDIR))]);
        assert_eq!(fixture.names("run"), ["chat.pid"]);
    }
}
