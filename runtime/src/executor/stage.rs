//! Looks whether everything that a spawn needs is there: the model and the program. The driver calls
//! [`start`] for every stage effect.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use nix::fcntl::AtFlags;
use nix::unistd::{AccessFlags, faccessat};
use pool_manager_core::{Completion, EffectId, ModelStamp, Preflight, StageError};
use xxhash_rust::xxh3::xxh3_64;

use crate::executor::Completions;
use crate::launch::Launch;

/// Looks, on a thread of its own, and completes the effect with `Staged`.
///
/// A model may lie on a network file system that hangs. Then the thread hangs with it: the core's
/// stall deadline answers for it, and the daemon's exit does not wait for it.
pub fn start(id: EffectId, launch: Arc<Launch>, completions: Completions) {
    look(id, launch, completions, Completion::Staged);
}

/// Looks, on a thread of its own, and completes the effect with `Preflighted`: nothing is fetched, so what is
/// there now is what staging would find.
pub fn preflight(id: EffectId, launch: Arc<Launch>, completions: Completions) {
    look(id, launch, completions, |found| {
        Completion::Preflighted(found.map(|stamp| Preflight { stamp: Some(stamp), fetch: false }))
    });
}

fn look(
    id: EffectId,
    launch: Arc<Launch>,
    completions: Completions,
    answer: fn(Result<ModelStamp, StageError>) -> Completion,
) {
    let on_thread = completions.clone();
    let work = move || on_thread.completed(id, answer(check(&launch)));
    if let Err(error) = thread::Builder::new().name("stage".to_owned()).spawn(work) {
        tracing::warn!(%error, "no thread to look for a model");
        completions.completed(id, answer(Err(StageError::Stalled)));
    }
}

/// Whether the model can be read and the program can be executed. What is wrong is logged here with
/// its path; the core only needs to know that something is missing.
///
/// # Errors
/// [`StageError::Missing`].
pub fn check(launch: &Launch) -> Result<ModelStamp, StageError> {
    let pool = &launch.pool;
    if let Some(path) = &launch.model_path
        && let Err(error) = readable(path)
    {
        let path = path.display();
        tracing::warn!(pool_id = %pool, "the model {path} cannot be read: {error}; correct the pool's model or put it there");
        return Err(StageError::Missing);
    }
    let program = launch.argv.first().map_or("", String::as_str);
    if let Err(error) = executable(Path::new(program)) {
        tracing::warn!(pool_id = %pool, "the program {program} cannot be executed: {error}; correct the pool's argv");
        return Err(StageError::Missing);
    }
    Ok(stamp(launch))
}

/// Which bytes the model is: path, size and time of change; the name alone where it is not a path.
fn stamp(launch: &Launch) -> ModelStamp {
    let mut bytes = launch.catalog.model.as_bytes().to_vec();
    if let Some(found) = launch.model_path.as_ref().and_then(|path| fs::metadata(path).ok()) {
        bytes.extend(found.len().to_le_bytes());
        bytes.extend(found.mtime().to_le_bytes());
        bytes.extend(found.mtime_nsec().to_le_bytes());
    }
    ModelStamp(xxh3_64(&bytes))
}

/// A model is a file or, for engines that take one, a folder of files.
fn readable(path: &Path) -> io::Result<()> {
    let kind = fs::metadata(path)?.file_type();
    // Opening anything else could wait for ever, as a FIFO does.
    if !kind.is_file() && !kind.is_dir() {
        return Err(io::Error::other("it is neither a file nor a folder"));
    }
    File::open(path).map(drop)
}

fn executable(path: &Path) -> io::Result<()> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    Ok(faccessat(nix::fcntl::AT_FDCWD, path, AccessFlags::X_OK, AtFlags::AT_EACCESS)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    use pool_manager_core::{CatalogEntry, Input, PerformanceHints, PoolName, PoolUid};
    use tokio::sync::mpsc::unbounded_channel;

    use crate::launch::{Endpoint, ModelSource};

    fn launch(program: &Path, model: Option<PathBuf>) -> Launch {
        Launch {
            pool: PoolName::new("chat").expect("a name"),
            argv: vec![program.display().to_string(), "--serve".into()],
            env: Vec::new(),
            working_dir: None,
            model_path: model,
            model_source: ModelSource::default(),
            hints: PerformanceHints::default(),
            readiness: Endpoint::None,
            liveness: Endpoint::None,
            url: None,
            catalog: CatalogEntry {
                id: None,
                engine: "e".into(),
                engine_version: None,
                model: "m".into(),
                digest: None,
            },
            device_mask: Vec::new(),
            slots: 1,
            core_dumps: false,
        }
    }

    #[test]
    fn what_is_there_is_found_and_what_is_not_is_missing() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        let (program, plain, fifo) = (path("engine"), path("plain"), path("fifo"));
        fs::write(&program, "#!/bin/sh\n").expect("a file");
        fs::set_permissions(&program, Permissions::from_mode(0o755)).expect("its mode");
        fs::write(&plain, "weights").expect("a file");
        fs::set_permissions(&plain, Permissions::from_mode(0o644)).expect("its mode");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRUSR).expect("a FIFO");
        let model_folder = folder.path().to_owned();

        let missing = Err(StageError::Missing);
        let cases = [
            ("no model path", &program, None, Ok(())),
            ("a model file", &program, Some(&plain), Ok(())),
            ("a model folder", &program, Some(&model_folder), Ok(())),
            ("no model", &program, Some(&path("absent")), missing),
            ("a model below a file", &program, Some(&plain.join("x")), missing),
            ("a FIFO as a model", &program, Some(&fifo), missing),
            ("no program", &path("absent"), Some(&plain), missing),
            ("a program without the x bit", &plain, Some(&plain), missing),
            ("a folder as a program", &model_folder, Some(&plain), missing),
        ];
        for (what, program, model, expected) in cases {
            assert_eq!(check(&launch(program, model.cloned())).map(drop), expected, "{what}");
        }
    }

    #[test]
    fn a_stage_effect_is_completed_once() {
        let (queue, mut results) = unbounded_channel();
        let id = EffectId { pool: PoolUid(1), sequence: 7 };
        let launch = Arc::new(launch(Path::new("/bin/sh"), None));
        start(id, Arc::clone(&launch), Completions::new(queue));
        let staged = Input::Completed { effect: id, result: Completion::Staged(Ok(stamp(&launch))) };
        assert_eq!(results.blocking_recv(), Some(staged));
        assert_eq!(results.blocking_recv(), None);
    }
}
