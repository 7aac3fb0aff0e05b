//! The state directory: proved usable, locked for one daemon, and numbered anew at each start. Opened once by
//! the daemon, before anything else; blocks for up to three seconds.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use crate::linux::proc;

/// The state directory of the one daemon that uses it; the lock is held until this is dropped.
#[derive(Debug)]
pub struct StateDir {
    path: PathBuf,
    epoch: u32,
    _lock: Flock<File>,
}

/// How long a lock may take to come free: a dying daemon's last child holds it until it has executed its program.
const LOCK_PATIENCE: Duration = Duration::from_secs(3);
const LOCK_RETRY: Duration = Duration::from_millis(50);
/// Routers of other users read PID and handoff files.
const OPEN_DIR: u32 = 0o755;
/// Logs can hold prompts: they are the daemon's alone.
const PRIVATE_DIR: u32 = 0o700;
const PRIVATE_FILE: u32 = 0o600;

impl StateDir {
    /// Creates what is missing, makes sure that it can be written, takes the lock and raises the epoch.
    ///
    /// # Errors
    /// One line that says what is wrong with which path and what to do.
    pub fn open(path: &Path) -> Result<Self, StateDirError> {
        create(path, OPEN_DIR)?;
        let path = fs::canonicalize(path).map_err(|error| StateDirError::Unusable {
            path: path.into(),
            action: "find",
            error,
        })?;
        let parts = [
            (path.clone(), OPEN_DIR),
            (path.join("run"), OPEN_DIR),
            (path.join("handoff"), OPEN_DIR),
            (path.join("logs"), PRIVATE_DIR),
        ];
        for (part, mode) in parts {
            create(&part, mode)?;
            prove_writable(&part)?;
        }
        let lock = lock(&path.join("lock"))?;
        let epoch = raise_epoch(&path)?;
        Ok(Self { path, epoch, _lock: lock })
    }

    /// The directory, absolute and without symbolic links.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// This start of the daemon: higher than every one before it that used this directory.
    #[must_use]
    pub const fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Where PID files are.
    #[must_use]
    pub fn run_dir(&self) -> PathBuf {
        self.path.join("run")
    }

    /// Where handoff files are.
    #[must_use]
    pub fn handoff_dir(&self) -> PathBuf {
        self.path.join("handoff")
    }

    /// Where engines' logs are, a directory for each pool.
    #[must_use]
    pub fn logs_dir(&self) -> PathBuf {
        self.path.join("logs")
    }
}

/// Why the daemon cannot use a state directory.
#[derive(Debug)]
pub enum StateDirError {
    /// The epoch file does not hold a number that can be raised.
    BadEpoch {
        /// The file.
        path: PathBuf,
    },
    /// Another daemon uses the directory.
    Locked {
        /// The lock file.
        path: PathBuf,
        /// The daemon that wrote its pid into it.
        pid: Option<u32>,
        /// The name of the program that process runs; `None`: it is gone or may not be seen.
        command: Option<String>,
    },
    /// Something in the way is no directory.
    NotADirectory {
        /// What is in the way.
        path: PathBuf,
    },
    /// The operating system refused.
    Unusable {
        /// The file or directory.
        path: PathBuf,
        /// What was to be done with it.
        action: &'static str,
        /// What the operating system said.
        error: io::Error,
    },
}

impl fmt::Display for StateDirError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadEpoch { path } => write!(
                f,
                "{} does not hold the number of the last start; write one into it that is larger \
                 than every `<epoch>.<n>.log` under logs/ and smaller than {}",
                path.display(),
                u32::MAX
            ),
            Self::Locked { path, pid: Some(pid), command: Some(command) } => write!(
                f,
                "{} is locked by process {pid} ({command}); stop that daemon first or use another \
                 state directory",
                path.display()
            ),
            Self::Locked { path, pid: Some(pid), command: None } => write!(
                f,
                "{} is locked for process {pid}, which is gone or hidden; `fuser {0}` shows who \
                 holds it",
                path.display()
            ),
            Self::Locked { path, pid: None, .. } => write!(
                f,
                "{} is locked by an unknown process; `fuser {0}` shows who holds it",
                path.display()
            ),
            Self::NotADirectory { path } => write!(
                f,
                "{} is not a directory; move it away or configure another state directory",
                path.display()
            ),
            Self::Unusable { path, action, error } => write!(
                f,
                "cannot {action} {}: {error}; make it writable for this user or configure another \
                 state directory",
                path.display()
            ),
        }
    }
}

impl std::error::Error for StateDirError {}

fn create(path: &Path, mode: u32) -> Result<(), StateDirError> {
    match DirBuilder::new().recursive(true).mode(mode).create(path) {
        Ok(()) => Ok(()),
        Err(error) => match obstacle(path) {
            Some(path) => Err(StateDirError::NotADirectory { path }),
            None => Err(StateDirError::Unusable { path: path.into(), action: "create", error }),
        },
    }
}

/// The part of a path that exists and is no directory.
fn obstacle(path: &Path) -> Option<PathBuf> {
    path.ancestors().find(|part| part.metadata().is_ok_and(|found| !found.is_dir())).map(Path::to_path_buf)
}

/// Permission bits do not tell (read-only mounts, root, full disks): writing does.
fn prove_writable(dir: &Path) -> Result<(), StateDirError> {
    let path = dir.join(format!(".writable.{}", std::process::id()));
    let written = replace_contents(&path, b"pool-manager writes here\n");
    let removed = fs::remove_file(&path);
    written.and(removed).map_err(|error| StateDirError::Unusable {
        path: dir.into(),
        action: "write in",
        error,
    })
}

fn lock(path: &Path) -> Result<Flock<File>, StateDirError> {
    let refused = |error| StateDirError::Unusable { path: path.into(), action: "lock", error };
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(PRIVATE_FILE);
    let mut file = options.open(path).map_err(refused)?;
    let patience = Instant::now() + LOCK_PATIENCE;
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(mut lock) => {
                sign(&mut lock).map_err(refused)?;
                return Ok(lock);
            }
            Err((unlocked, Errno::EWOULDBLOCK)) if Instant::now() < patience => file = unlocked,
            Err((mut unlocked, Errno::EWOULDBLOCK)) => return Err(locked(path, &mut unlocked)),
            Err((_, errno)) => return Err(refused(errno.into())),
        }
        thread::sleep(LOCK_RETRY);
    }
}

/// Writes who holds the lock into it, for the one who does not get it.
fn sign(lock: &mut File) -> io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    writeln!(lock, "{}", std::process::id())
}

fn locked(path: &Path, lock: &mut File) -> StateDirError {
    let mut text = String::new();
    let pid = lock.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
    StateDirError::Locked { path: path.into(), pid, command: pid.and_then(proc::name) }
}

/// One more than the last start's number, on disk before it is used.
fn raise_epoch(dir: &Path) -> Result<u32, StateDirError> {
    let path = dir.join("epoch");
    let last = match fs::read_to_string(&path) {
        Ok(text) => text.trim().parse().ok(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some(0),
        Err(error) => return Err(StateDirError::Unusable { path, action: "read", error }),
    };
    let next = last.and_then(|last: u32| last.checked_add(1));
    let Some(next) = next else { return Err(StateDirError::BadEpoch { path }) };
    let temporary = dir.join("epoch.new");
    replace_contents(&temporary, format!("{next}\n").as_bytes())
        .and_then(|()| fs::rename(&temporary, &path))
        .and_then(|()| File::open(dir)?.sync_all())
        .map_err(|error| StateDirError::Unusable { path, action: "write", error })?;
    Ok(next)
}

fn replace_contents(path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(PRIVATE_FILE).open(path)?;
    file.write_all(contents)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn empty() -> tempfile::TempDir {
        tempfile::tempdir().expect("a temporary directory")
    }

    #[test]
    fn every_start_has_a_higher_epoch() {
        let dir = empty();
        let path = dir.path().join("a/b");
        for epoch in 1..=3 {
            let state = StateDir::open(&path).expect("usable");
            assert_eq!(state.epoch(), epoch);
            assert!(state.logs_dir().is_dir() && state.run_dir().is_dir() && state.handoff_dir().is_dir());
        }
        fs::write(path.join("epoch"), "4294967295").expect("writable");
        let refused = StateDir::open(&path).expect_err("the last number was used");
        assert!(matches!(refused, StateDirError::BadEpoch { .. }), "{refused}");
        fs::write(path.join("epoch"), "").expect("writable");
        let refused = StateDir::open(&path).expect_err("no number");
        assert!(refused.to_string().contains("a/b/epoch does not hold"), "{refused}");
    }

    #[test]
    fn what_is_in_the_way_is_named() {
        let dir = empty();
        let file = dir.path().join("file");
        fs::write(&file, "").expect("writable");
        for path in [file.clone(), file.join("below")] {
            let refused = StateDir::open(&path).expect_err("a file is in the way").to_string();
            assert!(refused.contains(&format!("{} is not a directory", file.display())), "{refused}");
            assert!(!refused.contains('\n'));
        }
        let taken = dir.path().join("taken");
        fs::create_dir(&taken).expect("writable");
        fs::write(taken.join("logs"), "").expect("writable");
        let refused = StateDir::open(&taken).expect_err("logs is a file").to_string();
        assert!(refused.contains("taken/logs is not a directory"), "{refused}");
    }
}
