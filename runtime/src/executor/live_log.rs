//! Follows the logs of engines that live, and tells the driver of lines that may doom one: errors of CUDA, and its
//! memory that ran out. What a log says after its engine's end is the evidence executor's.
//!
//! One thread looks at every live engine's log a few times a second; at rest that is one `stat` each. A log is read
//! from a bounded number of bytes a look; what an engine writes faster than that for long is passed over, and the
//! evidence after its end is found all the same. A log on a disk that hangs holds up only this thread.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use pool_manager_core::{EngineRef, LogClass, LogEvidence};

use crate::executor::engines::Engines;
use crate::executor::log_lines::LogLines;
use crate::executor::{Completions, log_class};

/// Time between two looks. The core waits 10 s for what else speaks against a suspect engine.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Most that is read of one log in one look.
const MOST_BYTES: u64 = 512 * 1024;
/// A log further behind than this is read from near its end.
const MOST_BEHIND: u64 = 8 * 1024 * 1024;

/// The handle to the thread, which ends when it is dropped.
#[derive(Debug)]
pub struct LiveLogs {
    _stop: Sender<()>,
}

impl LiveLogs {
    /// Follows the engines of this table from now on.
    ///
    /// # Errors
    /// No thread.
    pub fn start(engines: Engines, completions: Completions) -> io::Result<Self> {
        log_class::prepare();
        let (stop, stopped) = mpsc::channel();
        let follower = Follower { engines, completions, logs: BTreeMap::new() };
        thread::Builder::new().name("live-logs".into()).spawn(move || follower.work(&stopped))?;
        Ok(Self { _stop: stop })
    }
}

struct Follower {
    engines: Engines,
    completions: Completions,
    logs: BTreeMap<EngineRef, LiveLog>,
}

impl Follower {
    fn work(mut self, stopped: &Receiver<()>) {
        while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(LOOK_EVERY) {
            self.look();
        }
    }

    fn look(&mut self) {
        let live = self.engines.live();
        let known: BTreeSet<EngineRef> = live.iter().map(|process| process.engine).collect();
        self.logs.retain(|engine, _| known.contains(engine));
        for process in live {
            let log = self.logs.entry(process.engine).or_default();
            match log.read_on(&process.log) {
                Ok(found) => {
                    for line in found {
                        self.completions.log_line(process.engine, line);
                    }
                }
                Err(error) => log.complain(process.engine, &process.log, &error),
            }
        }
    }
}

/// One log, read as far as it goes.
#[derive(Debug)]
struct LiveLog {
    lines: LogLines,
    complained: bool,
}

impl Default for LiveLog {
    fn default() -> Self {
        Self { lines: LogLines::at(0, false), complained: false }
    }
}

impl LiveLog {
    /// What is new in the log: the first line of each class that matters. An engine in trouble says the same
    /// over and over.
    fn read_on(&mut self, path: &Path) -> io::Result<Vec<LogEvidence>> {
        let length = fs::metadata(path)?.len();
        if length < self.lines.position() {
            // Somebody truncated it.
            self.lines = LogLines::at(0, false);
        }
        if length - self.lines.position() > MOST_BEHIND {
            self.lines = LogLines::at(length - MOST_BYTES, true);
        }
        let mut found: Vec<LogEvidence> = Vec::new();
        if length == self.lines.position() {
            return Ok(found);
        }
        let mut log = File::open(path)?;
        log.seek(SeekFrom::Start(self.lines.position()))?;
        let mut bytes = Vec::new();
        log.take(MOST_BYTES).read_to_end(&mut bytes)?;
        self.lines.take(&bytes, &mut |line| {
            if may_doom(line.class) && found.iter().all(|before| before.class != line.class) {
                found.push(line);
            }
        });
        Ok(found)
    }

    fn complain(&mut self, engine: EngineRef, path: &Path, error: &io::Error) {
        if !std::mem::replace(&mut self.complained, true) {
            tracing::warn!(%engine, log = %path.display(), %error, "the log of a live engine cannot be read");
        }
    }
}

/// Whether the line matters while the engine lives; the others only explain an end.
const fn may_doom(class: LogClass) -> bool {
    match class {
        LogClass::CudaError | LogClass::GpuOutOfMemory => true,
        LogClass::AddressInUse
        | LogClass::DriverMismatch
        | LogClass::ModelLoad
        | LogClass::NoDevice
        | LogClass::WorkerDied => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const LINE: &str = "CUDA error: unspecified launch failure\n";

    fn read(log: &mut LiveLog, file: &tempfile::NamedTempFile) -> Vec<(LogClass, u64)> {
        let found = log.read_on(file.path()).expect("readable");
        found.into_iter().map(|line| (line.class, line.offset)).collect()
    }

    #[test]
    fn a_look_hands_on_the_first_of_each_class_and_nothing_twice() -> io::Result<()> {
        let (mut file, mut log) = (tempfile::NamedTempFile::new()?, LiveLog::default());
        write!(file, "Error: ShardCannotStart\n{LINE}{LINE}CUDA out of memory.\nCUDA err")?;
        let first = [(LogClass::CudaError, 24), (LogClass::GpuOutOfMemory, 24 + 2 * LINE.len() as u64)];
        assert_eq!(read(&mut log, &file), first);
        assert_eq!(read(&mut log, &file), []);
        let at = file.as_file().metadata()?.len() - 8;
        writeln!(file, "or: unspecified launch failure")?;
        assert_eq!(read(&mut log, &file), [(LogClass::CudaError, at)]);
        Ok(())
    }

    #[test]
    fn a_log_that_grows_too_fast_is_read_in_bounded_bites_from_near_its_end() -> io::Result<()> {
        let (mut file, mut log) = (tempfile::NamedTempFile::new()?, LiveLog::default());
        let flood = "x".repeat(usize::try_from(MOST_BYTES).unwrap_or(usize::MAX));
        for _ in 0..=MOST_BEHIND / MOST_BYTES {
            write!(file, "{LINE}{flood}")?;
        }
        write!(file, "\n{LINE}")?;
        let length = file.as_file().metadata()?.len();
        assert_eq!(read(&mut log, &file), [(LogClass::CudaError, length - LINE.len() as u64)]);
        write!(file, "{flood}{flood}\n{LINE}")?;
        assert_eq!(read(&mut log, &file), [], "a bite of the line");
        assert_eq!(log.lines.position(), length + MOST_BYTES);
        assert_eq!(read(&mut log, &file), [], "the rest of it");
        assert_eq!(read(&mut log, &file).len(), 1);
        Ok(())
    }

    #[test]
    fn a_truncated_log_is_read_from_its_beginning() -> io::Result<()> {
        let (mut file, mut log) = (tempfile::NamedTempFile::new()?, LiveLog::default());
        write!(file, "hello\nhello\nhello\nhello\nhello\nhello\nhello\nhello\n")?;
        assert_eq!(read(&mut log, &file), []);
        file.as_file().set_len(0)?;
        file.rewind()?;
        write!(file, "{LINE}")?;
        assert_eq!(read(&mut log, &file), [(LogClass::CudaError, 0)]);
        Ok(())
    }
}
