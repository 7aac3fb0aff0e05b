//! `GET /v1/pools/{id}/logs?tail=N`: the last lines of the newest incarnation's log, as plain text.

use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use super::Shared;
use super::fields::{Parameters, Segments};
use super::problem::Problem;

/// Lines when the caller names no number.
const DEFAULT_LINES: usize = 100;
/// Most lines one answer has.
const MOST_LINES: usize = 10_000;
/// Most bytes one answer has; older lines are left out.
const MOST_BYTES: u64 = 1024 * 1024;

pub(super) async fn tail(
    State(shared): State<Arc<Shared>>,
    Segments(pool): Segments<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    let lines = Parameters::read(uri.query(), &["tail"])?.count("tail", MOST_LINES)?;
    // Also makes sure that the name is a pool's, and so is safe as a directory's.
    let pool = shared.pool(&pool).await?.id;
    let nothing = || {
        let detail = format!("pool `{pool}` has no log: no engine of it was started here");
        Problem::new(StatusCode::NOT_FOUND, "no-log", "No log", detail)
    };
    let folder = shared.api.logs.as_ref().ok_or_else(nothing)?.join(&pool);
    let lines = lines.unwrap_or(DEFAULT_LINES);
    // A disk may be slow; nobody else waits for it.
    let read = tokio::task::spawn_blocking(move || {
        let Some((incarnation, path)) = newest(&folder)? else { return Ok(None) };
        Ok::<_, std::io::Error>(Some((incarnation, last_lines(&path, lines)?)))
    });
    let text = match read.await {
        Ok(Ok(text)) => text,
        Ok(Err(error)) => {
            let detail = format!("the log of pool `{pool}` cannot be read: {error}");
            return Err(Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "log-unreadable",
                "Log unreadable",
                detail,
            ));
        }
        Err(_) => return Err(Problem::shutting_down()),
    };
    let (incarnation, text) = text.ok_or_else(nothing)?;
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8".to_owned()),
        (header::HeaderName::from_static("x-incarnation"), incarnation),
    ];
    Ok((headers, text).into_response())
}

/// The log of the latest incarnation: `<epoch>.<n>.log`, compared as numbers.
fn newest(folder: &Path) -> std::io::Result<Option<(String, PathBuf)>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        entries => entries?,
    };
    let mut newest = None;
    for entry in entries {
        let path = entry?.path();
        let incarnation = path.file_name().and_then(|name| name.to_str()).and_then(incarnation_of);
        newest = newest.max(incarnation.map(|incarnation| (incarnation, path)));
    }
    Ok(newest.map(|((epoch, n), path)| (format!("{epoch}.{n}"), path)))
}

fn incarnation_of(file_name: &str) -> Option<(u32, u32)> {
    let (epoch, n) = file_name.strip_suffix(".log")?.split_once('.')?;
    Some((epoch.parse().ok()?, n.parse().ok()?))
}

fn last_lines(path: &Path, lines: usize) -> std::io::Result<String> {
    let mut file = std::fs::File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(MOST_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(MOST_BYTES).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let ends = text.trim_end_matches('\n').rmatch_indices('\n').map(|(at, _)| at + 1);
    let start = if lines == 0 { text.len() } else { ends.take(lines).nth(lines - 1).unwrap_or(0) };
    Ok(text.get(start..).unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_of_the_newest_log_by_number() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(newest(&folder.path().join("none")).unwrap(), None);
        assert_eq!(newest(folder.path()).unwrap(), None);
        for name in ["2.9.log", "2.10.log", "1.99.log", "notes.txt", "x.y.log"] {
            std::fs::write(folder.path().join(name), "a\nb\nc\n").unwrap();
        }
        let (incarnation, path) = newest(folder.path()).unwrap().unwrap();
        assert_eq!(incarnation, "2.10");
        for (lines, text) in [(0, ""), (1, "c\n"), (2, "b\nc\n"), (3, "a\nb\nc\n"), (9, "a\nb\nc\n")] {
            assert_eq!(last_lines(&path, lines).unwrap(), text, "{lines} lines");
        }
    }
}
