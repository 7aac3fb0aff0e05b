//! A model as it lies on this host: its files, their stamp, and their digest. Used by the provisioner alone; reads
//! only.
//!
//! Digests are remembered by path, size, time of change and inode, so that one life of the daemon reads a model
//! once, however often its pool starts.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pool_manager_core::{ModelStamp, StageError};
use sha2::{Digest as _, Sha256};
use xxhash_rust::xxh3::Xxh3Default;

use super::{Digest, Failure, Fault, Watch};

/// A folder deeper than this is a loop of links, not a model.
const DEEPEST: u32 = 16;
/// A folder of more files than this is not a model.
const MOST_FILES: usize = 100_000;

/// What lies at a model's path.
#[derive(Debug)]
pub(super) struct Present {
    /// Sorted by path.
    files: Vec<ModelFile>,
    /// `None`: the model is that one file.
    folder: Option<PathBuf>,
}

#[derive(Debug)]
struct ModelFile {
    path: PathBuf,
    identity: Identity,
}

/// What changes when a file's content does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    bytes: u64,
    /// Seconds and nanoseconds.
    changed: (i64, i64),
}

impl Identity {
    fn of(found: &Metadata) -> Self {
        let changed = (found.mtime(), found.mtime_nsec());
        Self { device: found.dev(), inode: found.ino(), bytes: found.len(), changed }
    }
}

/// Looks what lies there; `None`: nothing.
///
/// The error: something lies there that cannot be a model, or may not be read.
pub(super) fn look(path: &Path) -> Result<Option<Present>, Fault> {
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(path, &error)),
    };
    if found.is_file() {
        File::open(path).map_err(|error| unreadable(path, &error))?;
        let file = ModelFile { path: path.to_owned(), identity: Identity::of(&found) };
        return Ok(Some(Present { files: vec![file], folder: None }));
    }
    // Opening anything else could wait for ever, as a FIFO does.
    if !found.is_dir() {
        return Err(unreadable(path, &io::Error::other("it is neither a file nor a folder")));
    }
    let mut files = Vec::new();
    list(path, DEEPEST, &mut files).map_err(|error| unreadable(path, &error))?;
    files.sort_by(|one, other| one.path.as_os_str().as_bytes().cmp(other.path.as_os_str().as_bytes()));
    Ok(Some(Present { files, folder: Some(path.to_owned()) }))
}

/// Nothing lies there.
pub(super) fn missing(path: &Path) -> Fault {
    let why = format!("the model {} is not there; put it there or correct the pool's model", path.display());
    Fault { error: StageError::Missing, why }
}

fn unreadable(path: &Path, error: &io::Error) -> Fault {
    let why = format!(
        "the model {} cannot be read: {error}; correct the pool's model or let the daemon read it",
        path.display()
    );
    let error = match error.raw_os_error() {
        Some(errno @ (libc::EIO | libc::ESTALE | libc::ENOMEM | libc::EMFILE | libc::ENFILE)) => {
            StageError::Io(errno)
        }
        Some(_) | None => StageError::Missing,
    };
    Fault { error, why }
}

/// Follows links, as model caches lay their files out with them.
fn list(folder: &Path, depth: u32, files: &mut Vec<ModelFile>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().as_bytes().starts_with(b".") {
            continue;
        }
        let path = entry.path();
        let found = fs::metadata(&path)?;
        if found.is_dir() {
            let depth = depth.checked_sub(1).ok_or_else(|| io::Error::from_raw_os_error(libc::ELOOP))?;
            list(&path, depth, files)?;
        } else if found.is_file() {
            files.push(ModelFile { path, identity: Identity::of(&found) });
        }
        if files.len() > MOST_FILES {
            return Err(io::Error::other("it holds too many files"));
        }
    }
    Ok(())
}

impl Present {
    /// Of all files together.
    pub(super) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.identity.bytes).sum()
    }

    /// Made of the paths, sizes and times of change.
    pub(super) fn stamp(&self) -> ModelStamp {
        let mut hash = Xxh3Default::new();
        for file in &self.files {
            let Identity { bytes, changed: (seconds, nanoseconds), .. } = file.identity;
            hash.update(file.path.as_os_str().as_bytes());
            hash.update(&[0]);
            hash.update(&bytes.to_le_bytes());
            hash.update(&seconds.to_le_bytes());
            hash.update(&nanoseconds.to_le_bytes());
        }
        ModelStamp(hash.digest())
    }
}

/// The digests that are known of files.
#[derive(Debug, Default)]
pub(super) struct Verified {
    files: Mutex<BTreeMap<PathBuf, (Identity, Digest)>>,
}

impl Verified {
    /// The digest, if every file's is known.
    pub(super) fn known_digest(&self, present: &Present) -> Option<Digest> {
        let digests: Option<Vec<Digest>> =
            present.files.iter().map(|file| self.known_digest_of(file)).collect();
        Some(combined(present, &digests?))
    }

    /// The digest; files that were not read before are.
    pub(super) fn digest(&self, present: &Present, watch: &dyn Watch) -> Result<Digest, Failure> {
        let mut digests = Vec::new();
        for file in &present.files {
            digests.push(match self.known_digest_of(file) {
                Some(digest) => digest,
                None => self.read(file, watch)?,
            });
        }
        Ok(combined(present, &digests))
    }

    /// This is the digest of the file that lies there now.
    pub(super) fn remember_file(&self, path: &Path, digest: Digest) {
        if let Ok(found) = fs::metadata(path) {
            self.files().insert(path.to_owned(), (Identity::of(&found), digest));
        }
    }

    fn known_digest_of(&self, file: &ModelFile) -> Option<Digest> {
        let files = self.files();
        files.get(&file.path).filter(|(identity, _)| *identity == file.identity).map(|(_, digest)| *digest)
    }

    fn read(&self, file: &ModelFile, watch: &dyn Watch) -> Result<Digest, Failure> {
        let mut content = File::open(&file.path).map_err(|error| unreadable(&file.path, &error))?;
        let mut hash = Sha256::new();
        hash_on(&mut content, &mut hash, u64::MAX, &file.path, watch)?;
        let digest = hash.finalize().into();
        // A file that was written to meanwhile has no digest to be remembered.
        let now = content.metadata().map_err(|error| unreadable(&file.path, &error))?;
        if Identity::of(&now) == file.identity {
            self.files().insert(file.path.clone(), (file.identity, digest));
        }
        Ok(digest)
    }

    fn files(&self) -> MutexGuard<'_, BTreeMap<PathBuf, (Identity, Digest)>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads on in a file, at most so many bytes, into a hash.
pub(super) fn hash_on(
    content: &mut File,
    hash: &mut Sha256,
    most: u64,
    path: &Path,
    watch: &dyn Watch,
) -> Result<(), Failure> {
    let mut buffer = vec![0; 1 << 20];
    let mut content = content.take(most);
    loop {
        let read = match content.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Fault::io("reading it", path, &error).into()),
        };
        hash.update(buffer.get(..read).unwrap_or_default());
        if !watch.moved() {
            return Err(Failure::Abandoned);
        }
    }
}

/// Of a file, its own; of a folder, that of the list which `sha256sum` prints of its files.
fn combined(present: &Present, digests: &[Digest]) -> Digest {
    let folder = match (&present.folder, digests) {
        (Some(folder), _) => folder,
        (None, digests) => return digests.first().copied().unwrap_or_default(),
    };
    let mut hash = Sha256::new();
    for (file, digest) in present.files.iter().zip(digests) {
        for byte in digest {
            hash.update(format!("{byte:02x}"));
        }
        hash.update(b"  ");
        let name = file.path.strip_prefix(folder).unwrap_or(&file.path);
        hash.update(name.as_os_str().as_bytes());
        hash.update(b"\n");
    }
    hash.finalize().into()
}
