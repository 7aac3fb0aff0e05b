//! A download while it is not whole: `<name>.partial` beside the model, and `<name>.partial.json`, which says what it
//! is a part of. Used by the provisioner alone.
//!
//! Whoever writes it holds its lock, also against another daemon that shares the folder.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::statvfs::statvfs;
use pool_manager_core::StageError;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use xxhash_rust::xxh3::xxh3_64;

use super::{Digest, Failure, Fault, Watch, local};

/// How often a lock that somebody else holds is tried again.
const TRY_AGAIN: Duration = Duration::from_millis(250);

/// A download that is ours to go on with.
#[derive(Debug)]
pub(super) struct Partial {
    file: Flock<File>,
    path: PathBuf,
    target: PathBuf,
    length: u64,
    /// Of the first `length` bytes; `None`: nobody asks for it, or it is not known.
    hash: Option<Sha256>,
}

/// What a partial file is a part of.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Origin {
    /// The address may be a secret.
    url_xxh3: u64,
    /// What `If-Range` asks for: a strong ETag or a time of change.
    pub(super) validator: Option<String>,
}

impl Origin {
    pub(super) fn new(url: &str, validator: Option<String>) -> Self {
        Self { url_xxh3: xxh3_64(url.as_bytes()), validator }
    }

    pub(super) fn is_of(&self, url: &str) -> bool {
        self.url_xxh3 == xxh3_64(url.as_bytes())
    }
}

impl Partial {
    /// Opens what is there, or begins; waits while somebody else downloads the same model.
    pub(super) fn lock(target: &Path, watch: &dyn Watch) -> Result<Self, Failure> {
        let path = beside(target, ".partial");
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|error| Fault::io("making the folder", folder, &error))?;
        }
        let fault = |doing, error: &io::Error| Fault::io(doing, &path, error);
        let mut seen = None;
        loop {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false).mode(0o644);
            let file = options.open(&path).map_err(|error| fault("opening it", &error))?;
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(file) => {
                    let ours = file.metadata().map_err(|error| fault("looking at it", &error))?;
                    // Whoever held the lock may have finished, and this file is the model now.
                    if fs::metadata(&path).is_ok_and(|there| there.ino() == ours.ino()) {
                        let target = target.to_owned();
                        return Ok(Self { file, path, target, length: ours.len(), hash: None });
                    }
                }
                Err((file, Errno::EWOULDBLOCK | Errno::EINTR)) => {
                    let length = file.metadata().map(|found| found.len()).ok();
                    if seen.replace(length).is_some_and(|before| before != length) && !watch.moved()
                        || !watch.pause(TRY_AGAIN)
                    {
                        return Err(Failure::Abandoned);
                    }
                }
                Err((_, errno)) => return Err(fault("locking it", &errno.into()).into()),
            }
        }
    }

    /// How much of this model is there already, from an earlier download.
    pub(super) fn length_at(target: &Path) -> u64 {
        fs::metadata(beside(target, ".partial")).map_or(0, |found| found.len())
    }

    pub(super) const fn length(&self) -> u64 {
        self.length
    }

    /// What it is a part of, where that is known.
    pub(super) fn origin(&self) -> Option<Origin> {
        serde_json::from_slice(&fs::read(self.origin_path()).ok()?).ok()
    }

    /// Begins at the first byte.
    pub(super) fn restart(&mut self, origin: &Origin, hashed: bool) -> Result<(), Fault> {
        let described = serde_json::to_vec(origin).map_err(io::Error::other);
        // The file is empty before it is said what it is a part of: what is found after a crash between the two
        // is never taken for a part of something else.
        let begun = self.file.set_len(0).and_then(|()| self.file.rewind()).and(described);
        begun
            .and_then(|described| fs::write(self.origin_path(), described))
            .map_err(|error| Fault::io("writing it", &self.path, &error))?;
        self.length = 0;
        self.hash = hashed.then(Sha256::new);
        Ok(())
    }

    /// Goes on after the last byte; the digest needs those before it to be read once.
    pub(super) fn resume(&mut self, hashed: bool, watch: &dyn Watch) -> Result<(), Failure> {
        if hashed && self.hash.is_none() {
            let fault = |error: io::Error| Fault::io("reading it", &self.path, &error);
            let mut content = self.file.try_clone().map_err(fault)?;
            content.rewind().map_err(fault)?;
            let mut hash = Sha256::new();
            local::hash_on(&mut content, &mut hash, self.length, &self.path, watch)?;
            self.hash = Some(hash);
        }
        let at = self.file.seek(SeekFrom::Start(self.length));
        at.map(drop).map_err(|error| Fault::io("writing it", &self.path, &error).into())
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        if let Err(error) = self.file.write_all(bytes) {
            let fault = Fault::io("writing it", &self.path, &error);
            if fault.error == StageError::NoSpace {
                // A disk that is left full stops more than this model.
                self.remove();
            }
            return Err(fault);
        }
        self.length += bytes.len() as u64;
        if let Some(hash) = &mut self.hash {
            hash.update(bytes);
        }
        Ok(())
    }

    /// Of what is there; `None`: it was not asked for.
    pub(super) fn digest(&self) -> Option<Digest> {
        self.hash.as_ref().map(|hash| hash.clone().finalize().into())
    }

    /// Makes it the model. After this returns the model is there also after a power failure.
    pub(super) fn finish(self) -> Result<(), Fault> {
        let done = self.file.sync_all().and_then(|()| fs::rename(&self.path, &self.target));
        done.map_err(|error| Fault::io("putting it in its place", &self.target, &error))?;
        // The model is there; what is left of the download harms nobody.
        let _ = fs::remove_file(self.origin_path());
        let folder = self.target.parent().unwrap_or(Path::new("/"));
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(|error| Fault::io("syncing it", folder, &error))
    }

    /// It can never become the model.
    pub(super) fn remove(&self) {
        for path in [&self.origin_path(), &self.path] {
            if let Err(error) = fs::remove_file(path)
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!("{} cannot be removed: {error}; remove it by hand", path.display());
            }
        }
    }

    /// Nothing is left of a download that never brought a byte.
    pub(super) fn remove_if_empty(&self) {
        if self.length == 0 {
            self.remove();
        }
    }

    fn origin_path(&self) -> PathBuf {
        beside(&self.target, ".partial.json")
    }
}

/// Whether the disk below a path has room for so many bytes more.
pub(super) fn room_for(target: &Path, bytes: u64) -> Result<(), Fault> {
    let below = target.ancestors().skip(1).find_map(|folder| statvfs(folder).ok());
    let Some(disk) = below else { return Ok(()) };
    let free = disk.blocks_available().saturating_mul(disk.fragment_size());
    if bytes <= free {
        return Ok(());
    }
    let why = format!(
        "the model {} needs {bytes} bytes more than it has, and the disk has {free} free; make room there",
        target.display()
    );
    Err(Fault { error: StageError::NoSpace, why })
}

fn beside(target: &Path, suffix: &str) -> PathBuf {
    let mut path = target.as_os_str().to_owned();
    // A path that ends with a slash still names the file.
    while path.len() > 1 && path.as_bytes().ends_with(b"/") {
        path = std::ffi::OsStr::from_bytes(&path.as_bytes()[..path.len() - 1]).to_owned();
    }
    path.push(suffix);
    path.into()
}
