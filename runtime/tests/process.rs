//! Real processes through the Linux layer and its executors: what an engine is started with, how its
//! end is seen, and that nothing of it is left.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use pool_manager::executor::Completions;
use pool_manager::executor::engines::Engines;
use pool_manager::executor::evidence::EvidenceExecutor;
use pool_manager::executor::release::ReleaseExecutor;
use pool_manager::executor::signal::SignalExecutor;
use pool_manager::executor::spawn::SpawnExecutor;
use pool_manager::gpu::{self, Gpu, GpuError, GpuRoom};
use pool_manager::launch::{Endpoint, Launch, Launches, ModelSource};
use pool_manager::linux::listener::{ListenerOwner, listener_is_ours};
use pool_manager::linux::proc;
use pool_manager::linux::state_dir::{StateDir, StateDirError};
use pool_manager_core::{
    CatalogEntry, Completion, EffectId, EngineRef, EvidenceReport, ExitStatus, Incarnation, Input, LogClass,
    PerformanceHints, PoolName, PoolUid, ReleaseAnswer, Signal, SpawnError, Spawned, SpecHash,
};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::timeout;

/// Longer than anything here takes; a test that reaches it has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// The executors over a state directory of their own.
struct Bench {
    state: StateDir,
    engines: Engines,
    launches: Launches,
    spawner: SpawnExecutor,
    signals: SignalExecutor,
    completions: Completions,
    inputs: UnboundedReceiver<Input>,
    next: u32,
    _dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let state = StateDir::open(&dir.path().join("state")).expect("a usable state directory");
        let (sender, inputs) = tokio::sync::mpsc::unbounded_channel();
        let completions = Completions::new(sender);
        let (engines, launches) = (Engines::new(state.path()), Launches::default());
        let spawner =
            SpawnExecutor::start(engines.clone(), launches.clone(), state.logs_dir(), completions.clone())
                .expect("a spawn thread");
        let signals = SignalExecutor::new(engines.clone());
        Self { state, engines, launches, spawner, signals, completions, inputs, next: 0, _dir: dir }
    }

    /// Asks for an engine that runs a shell script.
    async fn shell(&mut self, script: &str) -> (EngineRef, u32) {
        let (engine, made) = self.spawn(launch(&["/bin/sh", "-c", script])).await;
        (engine, made.expect("the shell runs").pid)
    }

    async fn spawn(&mut self, launch: Launch) -> (EngineRef, Result<Spawned, SpawnError>) {
        self.next += 1;
        let incarnation = Incarnation { epoch: self.state.epoch(), n: self.next };
        let engine = EngineRef { pool: PoolUid(1), incarnation };
        let spec = SpecHash(u64::from(self.next));
        self.launches.insert(spec, launch);
        self.spawner.spawn(self.effect(), engine, spec);
        let Completion::Spawned(made) = self.completion().await else { panic!("not an answer to a spawn") };
        (engine, made)
    }

    async fn input(&mut self) -> Input {
        timeout(PATIENCE, self.inputs.recv()).await.expect("an input comes").expect("the queue is open")
    }

    async fn completion(&mut self) -> Completion {
        let id = self.effect();
        let input = self.input().await;
        let Input::Completed { effect, result } = input else { panic!("not a completion: {input:?}") };
        assert_eq!(effect, id);
        result
    }

    async fn exit_of(&mut self, engine: EngineRef) -> ExitStatus {
        let input = self.input().await;
        let Input::Exited { engine: ended, status } = input else { panic!("not an exit: {input:?}") };
        assert_eq!(ended, engine);
        status
    }

    async fn gone(&self, engine: EngineRef) {
        let process = self.engines.get(engine).expect("known until another takes its place");
        timeout(PATIENCE, process.gone()).await.expect("everything of the engine goes");
    }

    /// What the engine has written, once it has written a whole line.
    async fn first_line(&self, engine: EngineRef) -> String {
        let log = self.engines.get(engine).expect("the engine is known").log.clone();
        eventually("the engine writes a line", || {
            fs::read_to_string(&log).ok().and_then(|text| Some(text.split_once('\n')?.0.to_owned()))
        })
        .await
    }

    async fn evidence(&mut self, engine: EngineRef, within: Duration) -> EvidenceReport {
        let executor = EvidenceExecutor::new(self.engines.clone(), self.completions.clone());
        executor.collect(self.effect(), engine, within);
        let Completion::Evidence(report) = self.completion().await else { panic!("not evidence") };
        *report
    }

    async fn release(&mut self, port: u16) -> ReleaseAnswer {
        self.release_of(Some(port), &[], NO_GPUS).await
    }

    async fn release_of(&mut self, port: Option<u16>, devices: &[&str], gpus: Gpus) -> ReleaseAnswer {
        let spec = SpecHash(u64::MAX);
        let readiness = port.map_or(Endpoint::None, |port| Endpoint::Tcp { port });
        let device_mask = devices.iter().map(|device| (*device).to_owned()).collect();
        let wanted = Launch { readiness, device_mask, check_devices: true, ..launch(&["/bin/true"]) };
        self.launches.insert(spec, wanted);
        let (engines, launches) = (self.engines.clone(), self.launches.clone());
        let room = GpuRoom::with_patience(gpus, Duration::from_secs(1));
        ReleaseExecutor::new(engines, launches, room, self.completions.clone()).check(self.effect(), spec);
        let Completion::Released(answer) = self.completion().await else { panic!("not a release answer") };
        answer
    }

    fn effect(&self) -> EffectId {
        EffectId { pool: PoolUid(1), sequence: u64::from(self.next) }
    }
}

/// A GPU library that says what it is told to.
#[derive(Clone, Copy, Debug)]
struct Gpus(fn() -> Result<Vec<Gpu>, GpuError>);

const NO_GPUS: Gpus = Gpus(|| Err(GpuError::NoLibrary("libnvidia-ml.so.1 is not there".into())));

impl gpu::Gpus for Gpus {
    fn list(&self) -> Result<Vec<Gpu>, GpuError> {
        self.0()
    }
}

fn launch(argv: &[&str]) -> Launch {
    Launch {
        pool: PoolName::new("test").expect("a pool name"),
        argv: argv.iter().map(|arg| (*arg).to_owned()).collect(),
        env: vec![("GREETING".into(), "hello".into())],
        working_dir: None,
        model_path: None,
        model_source: ModelSource::default(),
        hints: PerformanceHints::default(),
        readiness: Endpoint::None,
        liveness: Endpoint::None,
        url: None,
        catalog: CatalogEntry {
            id: None,
            engine: "test".into(),
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

/// Looks until there is something; for what has no event to wait for, such as a file another process writes.
async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = look() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("{what}: not in time"))
}

fn lives(pid: u32) -> bool {
    proc::stat(pid).is_some_and(|process| !process.is_ended())
}

fn status_of(pid: u32, field: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process exists");
    let line = status.lines().find(|line| line.starts_with(field)).expect("the field exists");
    line[field.len()..].trim().to_owned()
}

#[tokio::test]
async fn exit_codes_and_signals_are_told_apart() {
    let mut bench = Bench::new();
    let (engine, _) = bench.shell("exit 7").await;
    assert_eq!(bench.exit_of(engine).await, ExitStatus::Code(7));
    // A real-time signal: not every library has a name for it.
    for signal in [9, 11, 40] {
        let (engine, _) = bench.shell(&format!("kill -{signal} $$")).await;
        assert_eq!(bench.exit_of(engine).await, ExitStatus::Signal(signal));
    }
    let (engine, _) = bench.shell("exit 143").await;
    assert_eq!(
        bench.exit_of(engine).await,
        ExitStatus::Code(143),
        "a code that looks like a signal is a code"
    );
}

#[tokio::test]
async fn an_engine_leads_its_session_and_has_nothing_open_but_its_streams() {
    let mut bench = Bench::new();
    let held: Vec<_> = (0..8).map(|_| fs::File::open("/dev/zero").expect("readable")).collect();
    // Stopped, because a program that goes on may open a file of its own (its locale's) at any moment.
    let (engine, pid) = bench.shell("echo ready; kill -STOP $$").await;
    bench.first_line(engine).await;
    let process = proc::stat(pid).expect("it runs");
    assert_eq!((process.session, process.group, process.parent), (pid, pid, std::process::id()));
    let mut open: Vec<(String, PathBuf)> = fs::read_dir(format!("/proc/{pid}/fd"))
        .expect("readable")
        .flatten()
        .map(|fd| (fd.file_name().to_string_lossy().into_owned(), fs::read_link(fd.path()).expect("a link")))
        .collect();
    open.sort();
    let log = bench.engines.get(engine).expect("known").log.clone();
    let expected = [("0", Path::new("/dev/null")), ("1", &log), ("2", &log)];
    assert_eq!(open, expected.map(|(fd, path)| (fd.to_owned(), path.to_owned())));
    assert_eq!(log, bench.state.logs_dir().join(format!("test/{}.log", engine.incarnation)));
    bench.signals.signal(engine, Signal::Graceful);
    assert_eq!(bench.exit_of(engine).await, ExitStatus::Signal(15));
    drop(held);
}

/// Runs its second half in a process that ignores signals, blocks nothing and has low limits.
#[test]
fn dispositions_and_limits_are_not_inherited_from_the_daemon() {
    const INNER: &str = "POOL_MANAGER_TEST_INNER";
    if std::env::var_os(INNER).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(under_ignored_signals());
        return;
    }
    let own = std::env::current_exe().expect("this test");
    let script = "trap '' TERM HUP INT QUIT USR1 CHLD; umask 027; exec \"$0\" \"$@\"";
    let mut shell = Command::new("/bin/sh");
    shell
        .args(["-c", script])
        .arg(own)
        .args(["--exact", "dispositions_and_limits_are_not_inherited_from_the_daemon"]);
    shell.env(INNER, "1").env("NOTIFY_SOCKET", "/run/none").env("LISTEN_FDS", "1").env("WATCHDOG_USEC", "1");
    let output = shell.output().expect("the shell runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

async fn under_ignored_signals() {
    let own = std::process::id();
    assert_ne!(status_of(own, "SigIgn:"), "0000000000000000", "this process ignores TERM");
    let mut bench = Bench::new();
    let print = "env; ulimit -c; umask; echo end; exec sleep 1000";
    let (engine, pid) = bench.shell(print).await;
    let log = bench.engines.get(engine).expect("known").log.clone();
    let printed = eventually("the engine prints", || {
        fs::read_to_string(&log).ok().filter(|text| text.ends_with("end\n"))
    })
    .await;
    for field in ["SigIgn:", "SigBlk:", "SigCgt:"] {
        eventually(field, || (status_of(pid, field) == "0000000000000000").then_some(())).await;
    }
    let lines: Vec<&str> = printed.lines().collect();
    let marker = format!("POOL_MANAGER_ENGINE=test/{}", engine.incarnation);
    let state = format!("POOL_MANAGER_STATE={}", bench.state.path().display());
    for expected in [marker.as_str(), &state, "SPT_NOENV=1", "GREETING=hello"] {
        assert!(lines.contains(&expected), "{expected} in {printed}");
    }
    for hidden in ["NOTIFY_SOCKET", "LISTEN_FDS", "WATCHDOG_USEC"] {
        assert!(!printed.contains(hidden), "{hidden} in {printed}");
    }
    // In half-kilobyte blocks as dash counts, one byte is none of them; the true number is in /proc.
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).expect("it runs");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("there is one");
    let values: Vec<&str> = core.split_ascii_whitespace().collect();
    assert!(matches!(values[4..6], ["1", "1"] | ["0", "0"]), "{core}");
    assert!(lines.contains(&"0027"), "the file mode mask the daemon was started with: {printed}");
    bench.signals.signal(engine, Signal::Graceful);
    assert_eq!(bench.exit_of(engine).await, ExitStatus::Signal(15), "TERM is not ignored");
}

#[tokio::test]
async fn what_cannot_be_executed_has_a_typed_error_and_leaves_nothing() {
    let mut bench = Bench::new();
    let dir = tempfile::tempdir().expect("a temporary directory");
    let plain = dir.path().join("plain");
    fs::write(&plain, "no program").expect("writable");
    fs::set_permissions(&plain, fs::Permissions::from_mode(0o644)).expect("ours");
    let nonsense = dir.path().join("nonsense");
    fs::write(&nonsense, "no program\n").expect("writable");
    fs::set_permissions(&nonsense, fs::Permissions::from_mode(0o755)).expect("ours");
    let text = |path: &Path| path.display().to_string();
    let cases = [
        (text(&dir.path().join("missing")), SpawnError::NotFound),
        (text(&plain.join("below")), SpawnError::NotFound),
        (text(&nonsense), SpawnError::NotFound),
        (text(&plain), SpawnError::Denied),
        (text(dir.path()), SpawnError::Denied),
        ("with\0nul".to_owned(), SpawnError::Io(22)),
    ];
    for (program, expected) in cases {
        let (engine, made) = bench.spawn(launch(&[&program])).await;
        assert_eq!(made, Err(expected), "{program}");
        assert!(bench.engines.get(engine).is_none());
    }
    let nowhere = Launch { working_dir: Some("/nowhere/at/all".into()), ..launch(&["/bin/true"]) };
    assert_eq!(bench.spawn(nowhere).await.1, Err(SpawnError::NotFound));
    // A child that executed nothing has its thread's name still.
    let unreaped = proc::own_children().into_iter().filter(|child| {
        fs::read_to_string(format!("/proc/{}/comm", child.pid)).is_ok_and(|name| name.trim() == "spawn")
    });
    assert_eq!(unreaped.collect::<Vec<_>>(), [], "a failed child is reaped");
    let (engine, _) = bench.shell("exit 0").await;
    assert_eq!(bench.exit_of(engine).await, ExitStatus::Code(0), "the spawn thread goes on");
}

#[tokio::test]
async fn the_working_directory_is_the_launchs() {
    let mut bench = Bench::new();
    let there = Launch { working_dir: Some("/usr".into()), ..launch(&["/bin/sh", "-c", "pwd -P"]) };
    let (engine, _) = bench.spawn(there).await;
    assert_eq!(bench.first_line(engine).await, "/usr");
}

#[tokio::test]
async fn a_stopped_engine_gets_its_term() {
    let mut bench = Bench::new();
    let (engine, pid) =
        bench.shell("trap 'exit 3' TERM; echo ready; kill -STOP $$; while :; do sleep 1; done").await;
    bench.first_line(engine).await;
    eventually("it stops", || proc::stat(pid).filter(|process| process.state == 'T')).await;
    bench.signals.signal(engine, Signal::Graceful);
    assert_eq!(bench.exit_of(engine).await, ExitStatus::Code(3), "it had its grace");
}

#[tokio::test]
async fn a_tree_is_killed_with_those_who_left_the_session() {
    let mut bench = Bench::new();
    // One grandchild in the group, one with a session of its own, one whose parent is gone as well.
    let script = "sleep 1001 & in_group=$!; setsid sleep 1002 & own_session=$!; \
                  orphan=$(setsid sh -c 'sleep 1003 >/dev/null 2>&1 & echo $!'); \
                  echo $in_group $own_session $orphan; wait";
    let (engine, pid) = bench.shell(script).await;
    let pids: Vec<u32> =
        bench.first_line(engine).await.split(' ').map(|pid| pid.parse().expect("a pid")).collect();
    assert_eq!(pids.len(), 3);
    eventually("the grandchild leaves", || proc::stat(pids[1]).filter(|process| process.session != pid))
        .await;
    assert!(pids.iter().all(|pid| lives(*pid)));
    bench.signals.signal(engine, Signal::KillTree);
    assert_eq!(bench.exit_of(engine).await, ExitStatus::Signal(9));
    bench.gone(engine).await;
    assert!(pids.iter().all(|pid| !lives(*pid)), "{pids:?}");
}

#[tokio::test]
async fn orphans_do_not_outlive_their_engine() {
    let mut bench = Bench::new();
    let (bystander, its_pid) = bench.shell("exec sleep 1000").await;
    // The orphan leads a session of its own.
    let (engine, pid) = bench.shell("setsid sleep 1001 & sleep 1002 & echo $! && exit 5").await;
    let in_group: u32 = bench.first_line(engine).await.parse().expect("a pid");
    assert_eq!(bench.exit_of(engine).await, ExitStatus::Code(5));
    bench.gone(engine).await;
    assert!(!lives(in_group));
    let left =
        proc::all().into_iter().filter(|process| !process.is_ended() && process.session == pid).count();
    assert_eq!(left, 0);
    let marker = format!("test/{}", engine.incarnation);
    let marked = |pid: u32| {
        proc::environment_value(pid, "POOL_MANAGER_ENGINE").as_ref() == Some(&marker)
            && proc::environment_value(pid, "POOL_MANAGER_STATE")
                == Some(bench.state.path().display().to_string())
    };
    assert_eq!(proc::pids().into_iter().filter(|pid| marked(*pid)).count(), 0);
    assert!(lives(its_pid), "another engine is left alone");
    bench.signals.signal(bystander, Signal::KillTree);
    assert_eq!(bench.exit_of(bystander).await, ExitStatus::Signal(9));
}

#[tokio::test]
async fn signals_after_the_end_reach_nobody() {
    let mut bench = Bench::new();
    let (engine, _) = bench.shell("exit 0").await;
    assert_eq!(bench.exit_of(engine).await, ExitStatus::Code(0));
    bench.gone(engine).await;
    bench.signals.signal(engine, Signal::Graceful);
    bench.signals.signal(engine, Signal::KillTree);
    let unknown = EngineRef { pool: PoolUid(99), ..engine };
    bench.signals.signal(unknown, Signal::KillTree);
    let (next, pid) = bench.shell("exec sleep 1000").await;
    assert!(lives(pid));
    bench.signals.signal(next, Signal::Graceful);
    assert_eq!(bench.exit_of(next).await, ExitStatus::Signal(15));
}

#[tokio::test]
async fn evidence_names_class_and_place_and_no_text() {
    let mut bench = Bench::new();
    let (engine, _) = bench
        .shell("echo starting; echo 'RuntimeError: CUDA error: unspecified launch failure'; exit 1")
        .await;
    assert_eq!(bench.exit_of(engine).await, ExitStatus::Code(1));
    let report = bench.evidence(engine, PATIENCE).await;
    assert_eq!(report.log.len(), 1);
    assert_eq!((report.log[0].class, report.log[0].offset), (LogClass::CudaError, 9));
    assert_eq!(report.oom_kill, None);
}

#[tokio::test]
async fn evidence_answers_in_time_with_what_it_has() {
    let mut bench = Bench::new();
    let (engine, _) = bench.shell("echo 'CUDA error: out of memory'; exec sleep 1000").await;
    bench.first_line(engine).await;
    // It lives, so its log has no end.
    let report = bench.evidence(engine, Duration::from_millis(50)).await;
    assert_eq!(report.log.len(), 1);
    assert_eq!(report.log[0].class, LogClass::GpuOutOfMemory);
    bench.signals.signal(engine, Signal::KillTree);
    assert_eq!(bench.exit_of(engine).await, ExitStatus::Signal(9));
}

#[tokio::test]
async fn a_port_is_held_by_an_engine_and_free_after_it() {
    let mut bench = Bench::new();
    // The listener belongs to a grandchild with a session of its own.
    let listens = env!("CARGO_BIN_EXE_stub-engine");
    let script = format!("setsid {listens} --port 0 2>/dev/null & wait");
    let (engine, pid) = bench.shell(&script).await;
    let said = bench.first_line(engine).await;
    let port = said.rsplit(':').next().and_then(|port| port.parse().ok()).expect("`listening on HOST:PORT`");
    assert_eq!(listener_is_ours(port, pid), ListenerOwner::Ours);
    let (bystander, its_pid) = bench.shell("exec sleep 1000").await;
    assert!(matches!(listener_is_ours(port, its_pid), ListenerOwner::Stranger { pid: Some(_) }));
    bench.signals.signal(bystander, Signal::KillTree);
    assert_eq!(bench.exit_of(bystander).await, ExitStatus::Signal(9));
    assert_eq!(bench.release(port).await, ReleaseAnswer::Held);
    bench.signals.signal(engine, Signal::KillTree);
    assert_eq!(bench.exit_of(engine).await, ExitStatus::Signal(9));
    assert_eq!(bench.release(port).await, ReleaseAnswer::Free);
    assert_eq!(listener_is_ours(port, pid), ListenerOwner::Nobody);
}

#[tokio::test]
async fn two_hundred_engines_leave_no_descriptor_and_no_zombie() {
    let mut bench = Bench::new();
    let (first, _) = bench.shell("exit 0").await;
    bench.exit_of(first).await;
    bench.gone(first).await;
    let mut pids = Vec::new();
    let before = pidfds();
    for _ in 0..200 {
        let (engine, made) = bench.spawn(launch(&["/bin/true"])).await;
        pids.push(made.expect("it runs").pid);
        assert_eq!(bench.exit_of(engine).await, ExitStatus::Code(0));
        bench.gone(engine).await;
    }
    assert!(pids.iter().all(|pid| proc::stat(*pid).is_none()), "no zombies");
    // Other tests run beside this one; two hundred would show.
    assert!(pidfds() < before + 100, "{} pidfds before, {} after", before, pidfds());
}

/// Descriptors of this process that are pidfds.
fn pidfds() -> usize {
    let links = fs::read_dir("/proc/self/fd")
        .expect("readable")
        .flatten()
        .filter_map(|fd| fs::read_link(fd.path()).ok());
    links.filter(|link| link.to_string_lossy().contains("pidfd")).count()
}

#[test]
fn one_daemon_for_each_state_directory() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let first = StateDir::open(dir.path()).expect("usable");
    let refused = StateDir::open(dir.path()).expect_err("locked");
    assert!(
        matches!(refused, StateDirError::Locked { pid: Some(pid), .. } if pid == std::process::id()),
        "{refused}"
    );
    let text = refused.to_string();
    let own = proc::name(std::process::id()).expect("a name");
    assert!(text.contains(&format!("process {} ({own})", std::process::id())), "{text}");
    drop(first);
    assert_eq!(StateDir::open(dir.path()).expect("free again").epoch(), 2);
}

#[test]
fn a_state_directory_on_a_read_only_mount_is_refused() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    // Root may write wherever bits say no, so the mount has to say it, in a namespace of its own.
    let script =
        "mount -t tmpfs -o ro none \"$1\" && exec \"$0\" --exact --nocapture open_the_state_directory_given";
    let mut shell = Command::new("unshare");
    shell.args(["--mount", "--map-root-user", "/bin/sh", "-c", script]);
    shell
        .arg(std::env::current_exe().expect("this test"))
        .arg(dir.path())
        .env("POOL_MANAGER_TEST_DIR", dir.path());
    let output = shell.output().expect("unshare is part of util-linux");
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if text.contains("unshare failed") {
        // Not by println: the test harness would keep it to itself.
        let line = format!("read-only state directory left out, no mount namespaces here: {text}\n");
        std::io::stderr().write_all(line.as_bytes()).expect("stderr");
        return;
    }
    assert!(text.contains("refused: cannot write in"), "{text}");
    assert!(text.contains("Read-only file system"), "{text}");
}

/// The inner half of the test above; on its own it opens nothing.
#[test]
fn open_the_state_directory_given() {
    let Some(path) = std::env::var_os("POOL_MANAGER_TEST_DIR") else { return };
    match StateDir::open(Path::new(&path)) {
        Ok(state) => panic!("opened {}", state.path().display()),
        Err(error) => println!("refused: {error}"),
    }
}

#[tokio::test]
async fn a_start_waits_for_the_devices_of_its_mask_but_not_for_a_library_that_hangs() {
    let mut bench = Bench::new();
    let one = Gpus(|| Ok(vec![Gpu { index: 0, uuid: "GPU-0a".into(), mig: Some(Vec::new()) }]));
    assert_eq!(bench.release_of(None, &["0"], one).await, ReleaseAnswer::Free);
    assert_eq!(bench.release_of(None, &["GPU-0a"], one).await, ReleaseAnswer::Free);
    assert_eq!(bench.release_of(None, &["0", "1"], one).await, ReleaseAnswer::NoDevice);
    assert_eq!(bench.release_of(None, &["GPU-0b"], one).await, ReleaseAnswer::NoDevice);
    assert_eq!(bench.release_of(None, &["0"], NO_GPUS).await, ReleaseAnswer::NoDevice);
    assert_eq!(bench.release_of(None, &[], NO_GPUS).await, ReleaseAnswer::Free, "nobody is asked");
    let mismatch = Gpus(|| Err(GpuError::Driver("version mismatch".into())));
    assert_eq!(bench.release_of(None, &["0"], mismatch).await, ReleaseAnswer::DriverMismatch);
    let hangs = Gpus(|| {
        std::thread::park();
        Err(GpuError::Other("woken by nobody".into()))
    });
    assert_eq!(bench.release_of(None, &["0"], hangs).await, ReleaseAnswer::Free);
    // A port that is taken needs a person before any device does.
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = listener.local_addr().expect("its address").port();
    let answer = bench.release_of(Some(port), &["7"], one).await;
    assert!(matches!(answer, ReleaseAnswer::PortStranger { .. }), "{answer:?}");
}
