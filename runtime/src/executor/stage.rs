//! Makes models present and verified. The driver hands it `Stage`, `Preflight` and `CancelStage`; the work itself
//! is the provisioner's (`staging`), on a thread for each model.
//!
//! Pools that want the same model share one thread, and so one download. A model may lie on a network
//! file system that hangs. Then the thread hangs with it: the core's stall deadline answers for it, and the daemon's
//! exit does not wait for it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::AtFlags;
use nix::unistd::{AccessFlags, faccessat};
use pool_manager_core::{Completion, EffectId, ModelStamp, Preflight, StageError};

use crate::executor::Completions;
use crate::launch::Launch;
use crate::staging::{Failure, Fault, Provisioner, Wanted, Watch};

/// The core hears of progress at most this often: it only begins its patience anew.
const PROGRESS_EVERY: Duration = Duration::from_secs(2);

/// Carries out staging; clones share the work.
#[derive(Clone, Debug)]
pub struct StageExecutor(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    provisioner: Provisioner,
    completions: Completions,
    /// What is under way. Locked before the askers of a job.
    jobs: Mutex<BTreeMap<Wanted, Arc<Job>>>,
    /// Who waits for a look at a model. One entry, one thread.
    looks: Mutex<BTreeMap<Wanted, Vec<Asker>>>,
}

/// One model on its way.
#[derive(Debug)]
struct Job {
    asked: Mutex<Asked>,
    nobody_left: Condvar,
}

#[derive(Debug)]
struct Asked {
    askers: Vec<Asker>,
    progress_said: Option<Instant>,
}

#[derive(Debug)]
struct Asker {
    id: EffectId,
    launch: Arc<Launch>,
}

impl StageExecutor {
    /// With this provisioner.
    #[must_use]
    pub fn new(provisioner: Provisioner, completions: Completions) -> Self {
        Self(Arc::new(Shared { provisioner, completions, jobs: Mutex::default(), looks: Mutex::default() }))
    }

    /// Says what staging would need, in the background; one look answers all who ask while it goes on, so that a
    /// disk that hangs holds one thread. Completed by `Preflighted`.
    pub fn preflight(&self, id: EffectId, launch: Arc<Launch>) {
        let shared = &self.0;
        let wanted = match Wanted::of(&launch) {
            Ok(wanted) => wanted,
            Err(fault) => return shared.preflighted(id, Err(say(&launch, fault))),
        };
        let asker = Asker { id, launch };
        let mut looks = shared.looks();
        if let Some(askers) = looks.get_mut(&wanted) {
            askers.push(asker);
            return;
        }
        looks.insert(wanted.clone(), vec![asker]);
        drop(looks);
        let (looker, model) = (Arc::clone(shared), wanted.clone());
        let look = move || looker.look(&model, || looker.provisioner.preflight(&model));
        if let Err(error) = thread::Builder::new().name("preflight".to_owned()).spawn(look) {
            while let Some(asker) = shared.next_preflight(&wanted) {
                shared.preflighted(asker.id, Err(no_thread(&error)));
            }
        }
    }

    /// Makes the model present and verified, in the background. Completed by `Staged`, unless it is cancelled; until
    /// then `StageProgress` is sent now and then while bytes move.
    pub fn stage(&self, id: EffectId, launch: Arc<Launch>) {
        let shared = &self.0;
        let wanted = match Wanted::of(&launch) {
            Ok(wanted) => wanted,
            Err(fault) => return shared.completed(id, Err(say(&launch, fault))),
        };
        let asker = Asker { id, launch };
        let mut jobs = shared.jobs();
        if let Some(job) = jobs.get(&wanted) {
            job.asked().askers.push(asker);
            return;
        }
        let asked = Asked { askers: vec![asker], progress_said: None };
        let job = Arc::new(Job { asked: Mutex::new(asked), nobody_left: Condvar::new() });
        jobs.insert(wanted.clone(), Arc::clone(&job));
        drop(jobs);
        let (worker, model) = (Arc::clone(shared), wanted.clone());
        let work = move || worker.work(&model, &job, |watch| worker.provisioner.provide(&model, watch));
        if let Err(error) = thread::Builder::new().name("stage".to_owned()).spawn(work) {
            shared.finish(&wanted, &|_| Err(no_thread(&error)));
        }
    }

    /// Stops a staging; what was fetched is kept. One that others still wait for goes on for them.
    pub fn cancel(&self, id: EffectId) {
        for job in self.0.jobs().values() {
            job.take(id);
        }
    }
}

impl Shared {
    fn look(&self, wanted: &Wanted, preflight: impl FnOnce() -> Result<Preflight, Fault>) {
        let _panic = LookPanic { shared: self, wanted };
        let found = preflight();
        // The entry stays while programs are looked at, which may hang as well.
        while let Some(asker) = self.next_preflight(wanted) {
            let found = check_program(&asker.launch).and_then(|()| found.clone());
            self.preflighted(asker.id, found.map_err(|fault| say(&asker.launch, fault)));
        }
    }

    /// Who is to be answered next; with nobody left the look is over.
    fn next_preflight(&self, wanted: &Wanted) -> Option<Asker> {
        let mut looks = self.looks();
        let next = looks.get_mut(wanted).and_then(Vec::pop);
        if next.is_none() {
            looks.remove(wanted);
        }
        next
    }

    fn preflighted(&self, id: EffectId, found: Result<Preflight, StageError>) {
        self.completions.completed(id, Completion::Preflighted(found));
    }

    fn looks(&self) -> MutexGuard<'_, BTreeMap<Wanted, Vec<Asker>>> {
        self.looks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(
        &self,
        wanted: &Wanted,
        job: &Job,
        provide: impl FnOnce(&dyn Watch) -> Result<ModelStamp, Failure>,
    ) {
        let _panic = StagePanic { shared: self, wanted, job };
        // Before the long part, for those who ask now; and at the end, for all. Not under the lock, since a disk may
        // hang and the driver must not.
        let asking: Vec<_> =
            job.asked().askers.iter().map(|asker| (asker.id, Arc::clone(&asker.launch))).collect();
        for (id, launch) in asking {
            if let Err(fault) = check_program(&launch)
                && job.take(id)
            {
                self.completed(id, Err(say(&launch, fault)));
            }
        }
        let watcher = Watcher { shared: self, wanted, job };
        if watcher.is_left_alone() {
            return;
        }
        match provide(&watcher) {
            Ok(stamp) => self.finish(wanted, &|asker| {
                check_program(&asker.launch).map(|()| stamp).map_err(|fault| say(&asker.launch, fault))
            }),
            Err(Failure::Fault(fault)) => {
                self.finish(wanted, &|asker| Err(say(&asker.launch, fault.clone())));
            }
            // Its last asker took it out of the table.
            Err(Failure::Abandoned) => {}
        }
    }

    fn finish(&self, wanted: &Wanted, result: &dyn Fn(&Asker) -> Result<ModelStamp, StageError>) {
        let job = self.jobs().remove(wanted);
        // Out of the table, it is asked by nobody more.
        let askers = job.map(|job| std::mem::take(&mut job.asked().askers));
        for asker in askers.iter().flatten() {
            self.completed(asker.id, result(asker));
        }
    }

    fn completed(&self, id: EffectId, result: Result<ModelStamp, StageError>) {
        self.completions.completed(id, Completion::Staged(result));
    }

    fn jobs(&self) -> MutexGuard<'_, BTreeMap<Wanted, Arc<Job>>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Job {
    /// Takes an asker out; false: it was not among them.
    fn take(&self, id: EffectId) -> bool {
        let mut asked = self.asked();
        let before = asked.askers.len();
        asked.askers.retain(|asker| asker.id != id);
        if asked.askers.is_empty() {
            self.nobody_left.notify_all();
        }
        asked.askers.len() < before
    }

    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers for a thread that panics: its job would stay in the table, and whoever asks for the model from then on would
/// wait beside it for ever.
struct StagePanic<'a> {
    shared: &'a Shared,
    wanted: &'a Wanted,
    job: &'a Job,
}

impl Drop for StagePanic<'_> {
    fn drop(&mut self) {
        if !thread::panicking() {
            return;
        }
        let mut jobs = self.shared.jobs();
        // An abandoned job may have a successor.
        if jobs.get(self.wanted).is_some_and(|job| std::ptr::eq(Arc::as_ptr(job), self.job)) {
            jobs.remove(self.wanted);
        }
        drop(jobs);
        let askers = std::mem::take(&mut self.job.asked().askers);
        for asker in askers {
            self.shared.completed(asker.id, Err(say(&asker.launch, panicked())));
        }
    }
}

/// The same for a look.
struct LookPanic<'a> {
    shared: &'a Shared,
    wanted: &'a Wanted,
}

impl Drop for LookPanic<'_> {
    fn drop(&mut self) {
        if !thread::panicking() {
            return;
        }
        while let Some(asker) = self.shared.next_preflight(self.wanted) {
            self.shared.preflighted(asker.id, Err(say(&asker.launch, panicked())));
        }
    }
}

/// A job's askers as the provisioner sees them.
struct Watcher<'a> {
    shared: &'a Shared,
    wanted: &'a Wanted,
    job: &'a Job,
}

impl Watcher<'_> {
    /// Whether nobody wants the model any more. Then the job is out of the table, so that whoever asks
    /// from now on begins another.
    fn is_left_alone(&self) -> bool {
        if !self.job.asked().askers.is_empty() {
            return false;
        }
        let mut jobs = self.shared.jobs();
        let alone = self.job.asked().askers.is_empty();
        if alone {
            jobs.remove(self.wanted);
        }
        alone
    }
}

impl Watch for Watcher<'_> {
    fn moved(&self) -> bool {
        let mut asked = self.job.asked();
        let is_due = asked.progress_said.is_none_or(|said| said.elapsed() >= PROGRESS_EVERY);
        if is_due {
            asked.progress_said = Some(Instant::now());
            for asker in &asked.askers {
                self.shared.completions.stage_progress(asker.id);
            }
        }
        drop(asked);
        !self.is_left_alone()
    }

    fn pause(&self, time: Duration) -> bool {
        let waited =
            self.job.nobody_left.wait_timeout_while(self.job.asked(), time, |asked| !asked.askers.is_empty());
        drop(waited);
        !self.is_left_alone()
    }
}

/// The core only needs to know what kind of thing is wrong; a person needs the path, and whose it is.
fn say(launch: &Launch, fault: Fault) -> StageError {
    tracing::warn!(pool_id = %launch.pool, "{}", fault.why);
    fault.error
}

fn no_thread(error: &io::Error) -> StageError {
    tracing::warn!(%error, "no thread to look for a model");
    StageError::Io(error.raw_os_error().unwrap_or(libc::EAGAIN))
}

fn panicked() -> Fault {
    let why =
        "the look for the model ended in a panic, which the log above shows; please report it".to_owned();
    Fault { error: StageError::Io(libc::EIO), why }
}

/// A model is of no use to a program that is not there.
fn check_program(launch: &Launch) -> Result<(), Fault> {
    let program = launch.argv.first().map_or("", String::as_str);
    executable(Path::new(program)).map_err(|error| Fault {
        error: StageError::Missing,
        why: format!("the program {program} cannot be executed: {error}; correct the pool's argv"),
    })
}

fn executable(path: &Path) -> io::Result<()> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    Ok(faccessat(nix::fcntl::AT_FDCWD, path, AccessFlags::X_OK, AtFlags::AT_EACCESS)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use pool_manager_core::{CatalogEntry, Input, PerformanceHints, PoolName, PoolUid};
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    use crate::launch::{Endpoint, ModelSource};
    use crate::staging::Pace;

    #[test]
    fn a_program_is_a_file_that_may_be_executed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        let (program, plain) = (path("engine"), path("plain"));
        for (path, mode) in [(&program, 0o755), (&plain, 0o644)] {
            fs::write(path, "#!/bin/sh\n").expect("a file");
            fs::set_permissions(path, Permissions::from_mode(mode)).expect("its mode");
        }
        let missing = Some(StageError::Missing);
        for (program, expected) in
            [(&program, None), (&plain, missing), (&path("absent"), missing), (&path("."), missing)]
        {
            let launch = launch(program);
            assert_eq!(check_program(&launch).err().map(|fault| fault.error), expected, "{program:?}");
        }
    }

    fn executor() -> (StageExecutor, UnboundedReceiver<Input>) {
        let (queue, inputs) = unbounded_channel();
        (StageExecutor::new(Provisioner::new(Pace::default()), Completions::new(queue)), inputs)
    }

    fn asker(sequence: u64) -> Asker {
        let id = EffectId { pool: PoolUid(1), sequence };
        Asker { id, launch: Arc::new(launch(Path::new("/bin/sh"))) }
    }

    #[test]
    fn a_panic_is_answered_and_the_model_can_be_asked_for_again() {
        let (executor, mut inputs) = executor();
        let (first, second) = (asker(1), asker(2));
        let (id, launch) = (second.id, Arc::clone(&second.launch));
        let wanted = Wanted::of(&launch).expect("it can be wanted");
        let asked = Asked { askers: vec![first, second], progress_said: None };
        let job = Arc::new(Job { asked: Mutex::new(asked), nobody_left: Condvar::new() });
        executor.0.jobs().insert(wanted.clone(), Arc::clone(&job));
        let shared = Arc::clone(&executor.0);
        let work = move || shared.work(&wanted, &job, |_| panic!("on purpose"));
        thread::spawn(work).join().expect_err("it panics");
        for sequence in [1, 2] {
            let effect = EffectId { sequence, ..id };
            let result = Completion::Staged(Err(StageError::Io(libc::EIO)));
            assert_eq!(inputs.try_recv(), Ok(Input::Completed { effect, result }));
        }
        let effect = EffectId { sequence: 3, ..id };
        executor.stage(effect, launch);
        let answered = inputs.blocking_recv().expect("an answer");
        assert!(
            matches!(answered, Input::Completed { effect: of, result: Completion::Staged(Ok(_)) } if of == effect)
        );
    }

    #[test]
    fn one_look_answers_all_who_ask_while_it_goes_on() {
        let (executor, mut inputs) = executor();
        for panics in [false, true] {
            let first = asker(1);
            let id = first.id;
            let wanted = Wanted::of(&first.launch).expect("it can be wanted");
            executor.0.looks().insert(wanted.clone(), vec![first]);
            let shared = Arc::clone(&executor.0);
            let (look_on, waiting) = std::sync::mpsc::channel::<()>();
            let found = Preflight { stamp: None, fetch: true };
            let look = move || {
                shared.look(&wanted, || {
                    waiting.recv().expect("the test lets it go on");
                    assert!(!panics, "on purpose");
                    Ok(found)
                });
            };
            let looker = thread::spawn(look);
            let second = asker(2);
            executor.preflight(second.id, second.launch);
            assert!(inputs.try_recv().is_err(), "nobody looks beside it");
            look_on.send(()).expect("it waits");
            assert_eq!(looker.join().is_err(), panics);
            let expected = if panics { Err(StageError::Io(libc::EIO)) } else { Ok(found) };
            for sequence in [2, 1] {
                let effect = EffectId { sequence, ..id };
                let result = Completion::Preflighted(expected);
                assert_eq!(inputs.try_recv(), Ok(Input::Completed { effect, result }));
            }
            assert!(executor.0.looks().is_empty(), "the next one looks anew");
        }
    }

    fn launch(program: &Path) -> Launch {
        Launch {
            pool: PoolName::new("chat").expect("a name"),
            argv: vec![program.display().to_string(), "--serve".into()],
            env: Vec::new(),
            working_dir: None,
            model_path: None,
            model_source: ModelSource::default(),
            hints: PerformanceHints::default(),
            readiness: Endpoint::None,
            liveness: Endpoint::None,
            url: None,
            catalog: CatalogEntry {
                id: None,
                engine: "e".into(),
                engine_version: None,
                model: "m".into(),
                digest: None,
            },
            size_bytes: None,
            device_mask: Vec::new(),
            check_devices: false,
            slots: 1,
            core_dumps: false,
        }
    }
}
