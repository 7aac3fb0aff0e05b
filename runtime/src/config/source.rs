//! Where a pool's model is fetched from: the keys `model_url` and `model_token_file`. Called while the pool's table is
//! read.

use std::path::Path;

use ureq::http::Uri;

use super::host_files::HostFiles;
use super::reader::Reader;
use crate::launch::ModelSource;

/// Reads both keys; `token_file` is the absolute path that the second holds. No fault shows the URL or the token:
/// either may be a secret.
pub(super) fn read(
    keys: &Reader<'_>,
    model: Option<&str>,
    token_file: Option<&Path>,
    files: &dyn HostFiles,
) -> ModelSource {
    const TOKEN: &str = "model_token_file";
    let url = url(keys, model);
    if keys.has(TOKEN) && !keys.has("model_url") {
        keys.error(TOKEN, "has no meaning without model_url; remove it");
    }
    let token =
        token_file.and_then(|path| files.model_token(path).map_err(|why| keys.error(TOKEN, why)).ok()?);
    if keys.has(TOKEN) && url.as_deref().is_some_and(|url| !is_private(url)) {
        let why = "the token goes there unencrypted; write an https:// address";
        keys.faults.warn(&keys.place("model_url"), why);
    }
    ModelSource { url, token: token.map(|token| token.expose().to_owned()) }
}

fn url(keys: &Reader<'_>, model: Option<&str>) -> Option<String> {
    let url = keys.string("model_url")?;
    let uri = url.parse::<Uri>().ok().filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")));
    if uri.and_then(|uri| uri.host().map(str::is_empty)).unwrap_or(true) {
        keys.error("model_url", "is not an http:// or https:// address");
    }
    // A model that is wrong in itself is reported as such.
    if !keys.has("model") || model.is_some_and(|model| !model.starts_with('/')) {
        keys.error("model_url", "needs model to be an absolute path: the file to put the download in");
    }
    Some(url)
}

/// Whether nobody on the way can read what is sent.
fn is_private(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else { return true };
    uri.scheme_str() == Some("https") || matches!(uri.host(), Some("localhost" | "127.0.0.1" | "[::1]"))
}
