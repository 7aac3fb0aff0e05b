//! Finds out about an end. The driver hands it [`Effect::CollectEvidence`]; the log is read on a thread
//! that may wait, and what is known when the time is over is the answer.
//!
//! A log has ended when nothing of the engine is left that could write to it: the line that names
//! the cause often comes after the exit of the first process.
//!
//! [`Effect::CollectEvidence`]: pool_manager_core::Effect::CollectEvidence

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pool_manager_core::{Completion, EffectId, EngineRef, EvidenceReport, LogEvidence};
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout_at};

use crate::executor::engines::{Engines, Process};
use crate::executor::log_lines::LogLines;
use crate::executor::{Completions, log_class};

/// The end of a log says why it ended; what comes before is not read.
const MOST_BYTES: u64 = 1024 * 1024;
/// How often a log is looked at while something may still write to it.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Collects evidence. Needs a tokio runtime when it is made.
#[derive(Clone, Debug)]
pub struct EvidenceExecutor {
    engines: Engines,
    completions: Completions,
    runtime: Handle,
}

impl EvidenceExecutor {
    /// For the engines of this table. Panics outside a tokio runtime.
    #[must_use]
    pub fn new(engines: Engines, completions: Completions) -> Self {
        log_class::prepare();
        Self { engines, completions, runtime: Handle::current() }
    }

    /// Finds out about an engine that has ended, in the background. Completed by `Evidence` after `within` at
    /// the latest.
    pub fn collect(&self, id: EffectId, engine: EngineRef, within: Duration) {
        let deadline = Instant::now() + within;
        let completions = self.completions.clone();
        let process = self.engines.get(engine);
        self.runtime.spawn(async move {
            let log = match process {
                Some(process) => follow_to_the_end(&process, deadline).await,
                None => Vec::new(),
            };
            // Engines have no counter of their own yet.
            let report = EvidenceReport { log, oom_kill: None };
            completions.completed(id, Completion::Evidence(Box::new(report)));
        });
    }
}

async fn follow_to_the_end(process: &Process, deadline: Instant) -> Vec<LogEvidence> {
    let found = Found::default();
    let (log, filled) = (process.log.clone(), found.clone());
    let opened = tokio::task::spawn_blocking(move || Follower::open(&log, filled));
    let mut follower = match timeout_at(deadline, opened).await {
        Ok(Ok(Ok(follower))) => follower,
        Ok(Ok(Err(error))) => {
            tracing::warn!(engine = %process.engine, log = %process.log.display(), %error, "log cannot be read");
            return Vec::new();
        }
        // The runtime ends, or the disk does not answer in time.
        Ok(Err(_)) | Err(_) => return Vec::new(),
    };
    let follow = async {
        loop {
            // Looked at first: what is written before the last writer goes must be read after it.
            let ended = process.is_gone();
            let read = tokio::task::spawn_blocking(move || follower.read_on(ended).map(|()| follower)).await;
            match read {
                Ok(Ok(_)) if ended => return,
                Ok(Ok(back)) => follower = back,
                Ok(Err(error)) => {
                    tracing::warn!(engine = %process.engine, log = %process.log.display(), %error, "log cannot be read");
                    return;
                }
                Err(_stopped) => return,
            }
            tokio::select! {
                biased;
                () = process.gone() => {}
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
        }
    };
    // Late or not: what was found is the answer.
    let _ = timeout_at(deadline, follow).await;
    found.lines().clone()
}

/// What a follower has found so far; shared, because its thread may be stuck when the time is over.
#[derive(Clone, Debug, Default)]
struct Found(Arc<Mutex<Vec<LogEvidence>>>);

impl Found {
    fn lines(&self) -> MutexGuard<'_, Vec<LogEvidence>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, line: LogEvidence) {
        let mut lines = self.lines();
        if lines.len() < EvidenceReport::MOST_LINES {
            lines.push(line);
        }
    }
}

/// Reads a log and classifies its lines.
#[derive(Debug)]
struct Follower {
    log: File,
    lines: LogLines,
    found: Found,
}

impl Follower {
    fn open(path: &Path, found: Found) -> io::Result<Self> {
        let mut log = File::open(path)?;
        let offset = log.metadata()?.len().saturating_sub(MOST_BYTES);
        let mut mid_line = false;
        if offset > 0 {
            log.seek(SeekFrom::Start(offset - 1))?;
            let mut before = [0];
            log.read_exact(&mut before)?;
            mid_line = before != *b"\n";
        }
        Ok(Self { log, lines: LogLines::at(offset, mid_line), found })
    }

    /// Reads what is there now. `ended`: nothing will follow, so the last line counts without its end.
    fn read_on(&mut self, ended: bool) -> io::Result<()> {
        let mut bytes = Vec::new();
        // A writer faster than this reader must not keep it for ever.
        self.log.by_ref().take(MOST_BYTES).read_to_end(&mut bytes)?;
        self.lines.take(&bytes, &mut |line| self.found.add(line));
        if ended {
            self.lines.end(&mut |line| self.found.add(line));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pool_manager_core::LogClass;
    use std::io::Write;

    fn line(class: LogClass, offset: u64) -> LogEvidence {
        LogEvidence { class, offset }
    }

    #[test]
    fn lines_are_found_in_order_with_their_offsets_as_they_are_written() -> io::Result<()> {
        let mut log = tempfile::NamedTempFile::new()?;
        write!(log, "hello\nCUDA error: unspecified launch failure\nmain: exiting due to mod")?;
        let found = Found::default();
        let mut follower = Follower::open(log.path(), found.clone())?;
        follower.read_on(false)?;
        assert_eq!(*found.lines(), [line(LogClass::CudaError, 6)]);
        write!(log, "el loading error\nError: ShardCannotStart")?;
        follower.read_on(false)?;
        assert_eq!(found.lines().len(), 2, "an unfinished line may still change");
        follower.read_on(true)?;
        let text = std::fs::read_to_string(log.path())?;
        let at = |words| text.find(words).expect("it was written") as u64;
        let load = line(LogClass::ModelLoad, at("main:"));
        assert_eq!(found.lines()[1..], [load, line(LogClass::WorkerDied, at("Error: Shard"))]);
        Ok(())
    }

    #[test]
    fn only_the_end_of_a_long_log_is_read_and_not_from_within_a_line() -> io::Result<()> {
        let mut log = tempfile::NamedTempFile::new()?;
        let early = "CUDA error: too early to matter\n";
        let filler = "x".repeat(usize::try_from(MOST_BYTES).unwrap_or(usize::MAX) - 10);
        // The last mebibyte begins inside the second line, at the words that would match.
        let last = "CUDA out of memory.\n";
        write!(log, "{early}{filler}\n{last}")?;
        let found = Found::default();
        Follower::open(log.path(), found.clone())?.read_on(true)?;
        let offset = (early.len() + filler.len() + 1) as u64;
        assert_eq!(*found.lines(), [line(LogClass::GpuOutOfMemory, offset)]);
        Ok(())
    }

    #[test]
    fn no_more_lines_are_kept_than_add_something() -> io::Result<()> {
        let mut log = tempfile::NamedTempFile::new()?;
        for _ in 0..3 * EvidenceReport::MOST_LINES {
            writeln!(log, "CUDA out of memory.")?;
        }
        let found = Found::default();
        Follower::open(log.path(), found.clone())?.read_on(true)?;
        assert_eq!(found.lines().len(), EvidenceReport::MOST_LINES);
        assert_eq!(found.lines()[0].offset, 0);
        Ok(())
    }
}
