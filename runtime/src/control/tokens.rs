//! Bearer tokens: one that may look, one that may do everything. Compared in constant time (a
//! token's length is not kept secret), never shown.

use std::fmt;
use std::path::{Path, PathBuf};

use subtle::ConstantTimeEq;

/// The tokens of the API. Without any, everything is open.
#[derive(Clone, Default)]
pub struct Tokens {
    read_only: Option<String>,
    admin: Option<String>,
}

/// What a token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Access {
    Nothing,
    Read,
    Admin,
}

/// Why a token cannot be used.
#[derive(Debug)]
pub enum TokenError {
    /// A file could not be read.
    File(PathBuf, std::io::Error),
    /// A token is empty, or is not made of printable characters without spaces.
    Unusable(PathBuf),
}

impl Tokens {
    /// No tokens: everything is open. Right only on loopback.
    #[must_use]
    pub fn open() -> Self {
        Self::default()
    }

    /// The tokens themselves; surrounding white space does not count.
    #[must_use]
    pub fn new(read_only: Option<&str>, admin: Option<&str>) -> Self {
        let owned = |token: Option<&str>| token.map(|token| token.trim().to_owned());
        Self { read_only: owned(read_only), admin: owned(admin) }
    }

    /// Whether there is no token at all.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.read_only.is_none() && self.admin.is_none()
    }

    /// What whoever sent this `Authorization` header may do.
    pub(super) fn access(&self, authorization: Option<&str>) -> Access {
        if self.is_open() {
            return Access::Admin;
        }
        let Some(sent) = authorization.and_then(bearer) else { return Access::Nothing };
        let is = |token: &Option<String>| {
            token.as_ref().is_some_and(|token| token.as_bytes().ct_eq(sent.as_bytes()).into())
        };
        if is(&self.admin) {
            Access::Admin
        } else if is(&self.read_only) {
            Access::Read
        } else {
            Access::Nothing
        }
    }
}

/// Reads a token from a file, as the daemon and `poolctl` both do.
///
/// # Errors
/// [`TokenError`], which names the file.
pub fn read_token(path: &Path) -> Result<String, TokenError> {
    let text = std::fs::read_to_string(path).map_err(|error| TokenError::File(path.to_owned(), error))?;
    let token = text.trim();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(TokenError::Unusable(path.to_owned()));
    }
    Ok(token.to_owned())
}

fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    // An empty token is nobody's, also where one was configured empty by mistake.
    Some(token.trim()).filter(|token| scheme.eq_ignore_ascii_case("bearer") && !token.is_empty())
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |token: &Option<String>| if token.is_some() { "set" } else { "none" };
        f.debug_struct("Tokens")
            .field("read_only", &shown(&self.read_only))
            .field("admin", &shown(&self.admin))
            .finish()
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, error) => write!(f, "cannot read the token file {}: {error}", path.display()),
            Self::Unusable(path) => write!(
                f,
                "the token file {} must hold one token of printable characters without spaces",
                path.display()
            ),
        }
    }
}

impl std::error::Error for TokenError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_token_allows_its_own() {
        let tokens = Tokens::new(Some("look"), Some("do\n"));
        assert_eq!(tokens.access(None), Access::Nothing);
        assert_eq!(tokens.access(Some("Bearer look")), Access::Read);
        assert_eq!(tokens.access(Some("bearer do")), Access::Admin);
        for wrong in ["Bearer loo", "Bearer lookk", "Basic look", "look", "Bearer ", ""] {
            assert_eq!(tokens.access(Some(wrong)), Access::Nothing, "{wrong}");
        }
        assert_eq!(Tokens::open().access(None), Access::Admin);
        assert!(!format!("{tokens:?}").contains("look"));
        assert_eq!(Tokens::new(Some(""), None).access(Some("Bearer ")), Access::Nothing);
    }

    #[test]
    fn one_token_alone_closes_everything_it_does_not_open() {
        let tokens = Tokens::new(Some("look"), None);
        assert_eq!(tokens.access(Some("Bearer look")), Access::Read);
        assert_eq!(tokens.access(None), Access::Nothing);
    }

    #[test]
    fn a_token_file_must_hold_a_token() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        assert!(matches!(read_token(&path), Err(TokenError::File(..))));
        for unusable in ["", "\n", "two words\n"] {
            std::fs::write(&path, unusable).unwrap();
            assert!(matches!(read_token(&path), Err(TokenError::Unusable(_))), "{unusable:?}");
        }
        std::fs::write(&path, "good\n").unwrap();
        assert_eq!(read_token(&path).unwrap(), "good");
    }
}
