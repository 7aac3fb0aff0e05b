//! The `[control]` section: where the control API listens and who may use it.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use super::errors::{ConfigErrors, Faults, Place};
use super::host_files::{HostFiles, OnDisk};
use super::reader::Reader;

/// Where the control API listens and who may use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlConfig {
    /// Address and port; port 0 lets the system choose one.
    pub listen: SocketAddr,
    /// Holds the token that may do everything. Always there beyond loopback; `None` on loopback:
    /// whoever is on this host may do everything.
    pub admin_token_file: Option<PathBuf>,
    /// Holds the token that may only look. Never there without an admin token.
    pub read_token_file: Option<PathBuf>,
    file: String,
}

/// The tokens as they stand in their files now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// May do everything.
    pub admin: Option<Secret>,
    /// May only look.
    pub read: Option<Secret>,
}

/// Text that is never shown: its `Debug` hides it, and it has no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub(super) fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The text itself. Compare tokens in constant time.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl ControlConfig {
    /// Reads the token files. They are not kept in the config, so that a reload sees a new token.
    ///
    /// # Errors
    /// One line for each file that is missing, too short or open to every user of the host.
    pub fn read_tokens(&self) -> Result<Tokens, ConfigErrors> {
        let faults = Faults::new(&self.file);
        let place = |key: &str| Place { line: None, key: format!("control.{key}") };
        let tokens = self.tokens(&OnDisk::new(), &faults, place);
        faults.into_result().map(|_| tokens)
    }

    fn tokens(&self, files: &dyn HostFiles, faults: &Faults, place: impl Fn(&str) -> Place) -> Tokens {
        let token = |key: &str, path: &Option<PathBuf>| {
            let read = files.token(path.as_ref()?);
            read.map_err(|why| faults.error(&place(key), why)).ok().flatten()
        };
        let tokens = Tokens {
            admin: token("admin_token_file", &self.admin_token_file),
            read: token("read_token_file", &self.read_token_file),
        };
        if tokens.read.is_some() && tokens.read == tokens.admin {
            faults.error(
                &place("read_token_file"),
                "holds the same token as admin_token_file; write another one",
            );
        }
        tokens
    }
}

/// Reads the section and has a look at the token files.
pub(super) fn read(keys: Reader<'_>, file: &str, files: &dyn HostFiles) -> ControlConfig {
    let control = ControlConfig {
        listen: listen(&keys),
        admin_token_file: token_file(&keys, "admin_token_file"),
        read_token_file: token_file(&keys, "read_token_file"),
        file: file.to_owned(),
    };
    let admin = keys.has("admin_token_file");
    if !control.listen.ip().is_loopback() && !admin {
        let address = control.listen;
        keys.error("listen", format!("{address} can be reached from other hosts; set control.admin_token_file too, or listen on 127.0.0.1"));
    } else if keys.has("read_token_file") && !admin {
        keys.error(
            "read_token_file",
            "without admin_token_file everybody on this host may do everything anyway; set both or none",
        );
    }
    // Only looked at here, so that a bad token file is found with everything else.
    let _tokens = control.tokens(files, keys.faults, |key| keys.place(key));
    keys.finish();
    control
}

fn listen(keys: &Reader<'_>) -> SocketAddr {
    let default = SocketAddr::from((Ipv4Addr::LOCALHOST, 7070));
    let Some(text) = keys.string("listen") else { return default };
    text.parse().unwrap_or_else(|_| {
        let shown = super::errors::quoted(&text);
        keys.error("listen", format!("{shown} is not an address; write IP and port like \"127.0.0.1:7070\""));
        default
    })
}

/// The path is shown in a fault only if it is one: somebody may have written the token itself.
fn token_file(keys: &Reader<'_>, key: &'static str) -> Option<PathBuf> {
    let path = keys.string(key)?;
    if !Path::new(&path).is_absolute() {
        keys.error(key, "is not an absolute path; write the path of the file that holds the token");
        return None;
    }
    Some(PathBuf::from(path))
}
