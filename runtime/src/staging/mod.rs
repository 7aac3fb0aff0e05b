//! The model provisioner: makes a model present and verified on this host. Called by the stage executor, on a
//! thread that may wait; knows nothing of effects. Touches the model's own path, and beside it `<name>.partial`
//! and `<name>.partial.json` while a download is under way.
//!
//! A model is a file or a folder. What is stated of it is checked: the size in bytes, and the digest. The digest of a
//! folder is that of the list of its files' digests, as this prints it (names that begin with a dot are left out):
//!
//! ```text
//! cd MODEL && find -L . -name '.?*' -prune -o -type f -printf '%P\0' | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum
//! ```

mod download;
mod local;
mod partial;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pool_manager_core::{ModelStamp, Preflight, StageError};
use ureq::config::RedirectAuthHeaders;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Proxy};
use xxhash_rust::xxh3::xxh3_64;

use crate::launch::Launch;
use local::{Present, Verified};
use partial::Partial;

/// SHA-256 of something.
pub type Digest = [u8; 32];

/// A model as it is to be: what two pools must have in common to share one download.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wanted {
    /// Its name; all there is to know where it has no path.
    name: String,
    path: Option<PathBuf>,
    url: Option<String>,
    token: Option<String>,
    bytes: Option<u64>,
    digest: Option<Digest>,
}

impl Wanted {
    /// What this launch needs.
    ///
    /// # Errors
    /// Its digest is of a kind that cannot be checked.
    pub fn of(launch: &Launch) -> Result<Self, Fault> {
        let digest = launch.catalog.digest.as_deref().map(|text| {
            parse_digest(text).ok_or_else(|| Fault {
                error: StageError::BadDigest,
                why: format!("the digest {text:?} cannot be checked; write sha256: and 64 hex digits"),
            })
        });
        let source = &launch.model_source;
        Ok(Self {
            name: launch.catalog.model.clone(),
            path: launch.model_path.clone(),
            url: source.url.clone(),
            token: source.token.clone(),
            bytes: launch.size_bytes,
            digest: digest.transpose()?,
        })
    }

    /// The stamp that the digest or, where nothing else can be known, the name gives.
    fn stamp(&self) -> Option<ModelStamp> {
        let of_name = || self.path.is_none().then(|| ModelStamp(xxh3_64(self.name.as_bytes())));
        self.digest.as_ref().map(stamp_of_digest).or_else(of_name)
    }
}

impl fmt::Debug for Wanted {
    /// Not the URL nor the token: both may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wanted").field("name", &self.name).field("path", &self.path).finish_non_exhaustive()
    }
}

/// Why a model is not there as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// For the core.
    pub error: StageError,
    /// For a person: one line that names the file and what to do. Holds no secret.
    pub why: String,
}

impl Fault {
    fn io(doing: &str, path: &Path, error: &io::Error) -> Self {
        let why = format!("{}: {doing} failed: {error}", path.display());
        let error = match error.raw_os_error() {
            Some(libc::ENOSPC | libc::EDQUOT) => StageError::NoSpace,
            Some(errno) => StageError::Io(errno),
            None => StageError::Io(libc::EIO),
        };
        Self { error, why }
    }
}

/// How provisioning ended without a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nobody wants it any more.
    Abandoned,
    /// It cannot be had.
    Fault(Fault),
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Whoever wants a model, as long work sees them.
pub trait Watch {
    /// Bytes moved. False: nobody wants the model any more.
    fn moved(&self) -> bool;
    /// Waits; returns early, with false, when nobody wants the model any more.
    fn pause(&self, time: Duration) -> bool;
}

/// How patient a download is.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Attempts in a row that may break off without a byte gained; the next is the failure. One that merely
    /// waits is not counted: how long a model may stand still is the core's to say.
    pub failures: u32,
    /// The first pause after a broken attempt; doubled each time.
    pub pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
    /// A connection that brings no byte for this long is made anew.
    pub silence: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            failures: 5,
            pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(30),
            silence: Duration::from_secs(30),
        }
    }
}

/// How models are reached.
#[derive(Clone, Debug)]
pub struct Network {
    /// Whose certificates are believed. Default: those this host believes.
    pub authorities: RootCerts,
    /// Default: what `HTTPS_PROXY`, `NO_PROXY` and their kin say.
    pub proxy: Option<Proxy>,
}

impl Default for Network {
    fn default() -> Self {
        Self { authorities: RootCerts::PlatformVerifier, proxy: Proxy::try_from_env() }
    }
}

/// Provides models.
#[derive(Debug)]
pub struct Provisioner {
    agent: Agent,
    pace: Pace,
    verified: Verified,
}

impl Provisioner {
    /// Over this host's network.
    #[must_use]
    pub fn new(pace: Pace) -> Self {
        Self::over(Network::default(), pace)
    }

    /// Over this network.
    #[must_use]
    pub fn over(network: Network, pace: Pace) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .redirect_auth_headers(RedirectAuthHeaders::SameHost)
            .timeout_resolve(Some(pace.silence))
            .timeout_connect(Some(pace.silence))
            .timeout_per_read(Some(pace.silence))
            .timeout_per_write(Some(pace.silence))
            .user_agent(concat!("pool-manager/", env!("CARGO_PKG_VERSION")))
            .proxy(network.proxy)
            .tls_config(TlsConfig::builder().root_certs(network.authorities).build());
        Self { agent: config.build().into(), pace, verified: Verified::default() }
    }

    /// What providing this model would need. Changes nothing, and reads no file's content.
    ///
    /// # Errors
    /// What is already known to be in the way.
    pub fn preflight(&self, wanted: &Wanted) -> Result<Preflight, Fault> {
        let Some(path) = &wanted.path else {
            return Ok(Preflight { stamp: wanted.stamp(), fetch: false });
        };
        let found = local::look(path)?;
        let wrong = match &found {
            Some(present) => self.wrong_at_sight(wanted, path, present),
            None => Some(local::missing(path)),
        };
        match (wrong, &wanted.url) {
            (None, _) => {
                let of_files = || found.map(|present| present.stamp());
                Ok(Preflight { stamp: wanted.stamp().or_else(of_files), fetch: false })
            }
            (Some(_), Some(_)) => {
                if let Some(bytes) = wanted.bytes {
                    partial::room_for(path, bytes.saturating_sub(Partial::length_at(path)))?;
                }
                Ok(Preflight { stamp: wanted.stamp(), fetch: true })
            }
            (Some(wrong), None) => Err(wrong),
        }
    }

    /// Makes the model present and verified. Blocks for as long as that takes.
    ///
    /// # Errors
    /// [`Failure`]. A download that was given up keeps what it has; one whose bytes turned out wrong does not.
    pub fn provide(&self, wanted: &Wanted, watch: &dyn Watch) -> Result<ModelStamp, Failure> {
        let Some(path) = &wanted.path else {
            // A name that the engine resolves itself; there is nothing here to look at.
            return Ok(ModelStamp(wanted.stamp().map_or(0, |stamp| stamp.0)));
        };
        let wrong = match self.verify(wanted, path, watch)? {
            Ok(stamp) => return Ok(stamp),
            Err(wrong) => wrong,
        };
        let Some(url) = &wanted.url else { return Err(wrong.into()) };
        let partial = Partial::lock(path, watch)?;
        // Somebody else may have fetched it while we waited for the lock.
        if let Ok(stamp) = self.verify(wanted, path, watch)? {
            partial.remove_if_empty();
            return Ok(stamp);
        }
        if wrong.error != StageError::Missing {
            tracing::warn!("{}; fetching it again", wrong.why);
        }
        let digest = download::download(&self.agent, &self.pace, wanted, url, partial, watch)?;
        if let Some(digest) = digest {
            self.verified.remember_file(path, digest);
        }
        self.verify(wanted, path, watch)?.map_err(Failure::Fault)
    }

    /// Whether the model is there as it should be; the inner error says what is wrong with it.
    fn verify(
        &self,
        wanted: &Wanted,
        path: &Path,
        watch: &dyn Watch,
    ) -> Result<Result<ModelStamp, Fault>, Failure> {
        let Some(present) = local::look(path)? else { return Ok(Err(local::missing(path))) };
        if let Some(wrong) = self.wrong_at_sight(wanted, path, &present) {
            return Ok(Err(wrong));
        }
        let Some(expected) = &wanted.digest else { return Ok(Ok(present.stamp())) };
        let digest = self.verified.digest(&present, watch)?;
        Ok(if digest == *expected { Ok(stamp_of_digest(expected)) } else { Err(bad_digest(path)) })
    }

    /// What can be told without reading: a wrong size, or a digest that was found wrong before.
    fn wrong_at_sight(&self, wanted: &Wanted, path: &Path, present: &Present) -> Option<Fault> {
        if let Some(bytes) = wanted.bytes.filter(|bytes| *bytes != present.bytes()) {
            return Some(bad_size(path, present.bytes(), bytes));
        }
        let known = self.verified.known_digest(present);
        (known.is_some() && wanted.digest.is_some() && known != wanted.digest).then(|| bad_digest(path))
    }
}

fn bad_size(path: &Path, is: u64, stated: u64) -> Fault {
    let why = format!(
        "the model {} has {is} bytes, not the {stated} that are stated; replace it or correct the stated size",
        path.display()
    );
    Fault { error: StageError::BadSize, why }
}

fn bad_digest(path: &Path) -> Fault {
    let why = format!(
        "the model {} does not add up to the stated digest; replace it or correct the digest",
        path.display()
    );
    Fault { error: StageError::BadDigest, why }
}

fn stamp_of_digest(digest: &Digest) -> ModelStamp {
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    ModelStamp(u64::from_be_bytes(first))
}

fn parse_digest(text: &str) -> Option<Digest> {
    let hex = text.strip_prefix("sha256:").filter(|hex| hex.len() == 64 && hex.is_ascii())?;
    let mut digest = [0; 32];
    for (byte, pair) in digest.iter_mut().zip(hex.as_bytes().chunks(2)) {
        // `from_str_radix` would take a sign.
        let pair = pair.iter().all(u8::is_ascii_hexdigit).then_some(pair)?;
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_read_or_refused_as_a_whole() {
        let hex = "00ff0a".to_owned() + &"7".repeat(58);
        let digest = parse_digest(&format!("sha256:{hex}")).expect("a digest");
        assert_eq!((digest[0], digest[1], digest[2], digest[31]), (0, 0xff, 0x0a, 0x77));
        assert_eq!(stamp_of_digest(&digest), ModelStamp(0x00ff_0a77_7777_7777));
        let signed = format!("sha256:+f{}", "7".repeat(62));
        for bad in ["", "sha256:", &hex, "sha512:00", &signed, &format!("sha256:{hex}0")] {
            assert_eq!(parse_digest(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_full_disk_is_told_from_other_errors() {
        let fault = |errno| Fault::io("writing", Path::new("/m"), &io::Error::from_raw_os_error(errno)).error;
        assert_eq!(fault(libc::ENOSPC), StageError::NoSpace);
        assert_eq!(fault(libc::EDQUOT), StageError::NoSpace);
        assert_eq!(fault(libc::EROFS), StageError::Io(libc::EROFS));
    }
}
