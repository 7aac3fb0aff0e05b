//! Makes an engine process: one clone that shares memory with the daemon until the new process
//! executes its program. Called by the spawn thread only; it blocks until the program runs.
//!
//! The only file with `unsafe`. Why not `std::process::Command`: a `pre_exec` hook makes it fork, which
//! takes three times as long with a large parent, and without the hook the dispositions, limits and
//! session below cannot be set.
//!
//! Between clone and exec the child shares our memory while our other threads run. Hence the rules for
//! `child`: raw system calls, no allocation, no lock, nothing that can panic, and a stack of its own.
//! `clone3` is asked first; container runtimes often refuse it (their seccomp profiles answer ENOSYS), and
//! then plain `clone` does the same: what it lacks, resetting signal handlers, the child does
//! anyway, because neither call resets *ignored* signals.
#![expect(unsafe_code, reason = "cloning with shared memory has no safe wrapper")]

use std::arch::asm;
use std::ffi::{CString, NulError, OsStr, c_char, c_int, c_long, c_ulong, c_void};
use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;

use nix::fcntl::{FcntlArg, fcntl};

use crate::linux::pidfd::PidFd;
use crate::linux::proc;

/// What to execute. Made before the clone, because the child must not allocate.
#[derive(Clone)]
pub struct Program {
    argv: Vec<CString>,
    env: Vec<CString>,
    working_dir: Option<CString>,
    core_dumps: bool,
}

impl fmt::Debug for Program {
    /// Without the environment: its values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program").field("argv", &self.argv).finish_non_exhaustive()
    }
}

impl Program {
    /// A program by its absolute path (the first of `argv`), with the whole environment it gets.
    ///
    /// # Errors
    /// An argument, variable or path with a NUL byte in it.
    pub fn new<'a>(
        argv: &[String],
        env: impl IntoIterator<Item = (&'a OsStr, &'a OsStr)>,
        working_dir: Option<&Path>,
        core_dumps: bool,
    ) -> Result<Self, NulError> {
        let pair = |(name, value): (&OsStr, &OsStr)| {
            CString::new([name.as_bytes(), b"=", value.as_bytes()].concat())
        };
        Ok(Self {
            argv: argv.iter().map(|arg| CString::new(arg.as_str())).collect::<Result<_, _>>()?,
            env: env.into_iter().map(pair).collect::<Result<_, _>>()?,
            working_dir: working_dir.map(|dir| CString::new(dir.as_os_str().as_bytes())).transpose()?,
            core_dumps,
        })
    }
}

/// What the daemon was started with and an engine is given back, whatever the daemon changed for itself.
#[derive(Clone, Debug)]
pub struct Inherited {
    limits: Vec<Limit>,
    nice: i32,
    umask: u32,
}

/// One resource limit, by the kernel's number for it.
#[derive(Clone, Copy, Debug)]
struct Limit {
    resource: c_int,
    value: libc::rlimit64,
}

/// `RLIM_NLIMITS` on the architectures below.
const RESOURCES: c_int = 16;

impl Inherited {
    /// What this process has now. To be called before the daemon raises a limit or changes its mask.
    ///
    /// # Errors
    /// `/proc` is not mounted.
    pub fn capture() -> io::Result<Self> {
        Ok(Self {
            limits: (0..RESOURCES).filter_map(limit_of).collect(),
            nice: proc::own_nice()?,
            umask: proc::own_umask()?,
        })
    }

    /// The limits of an engine. A core limit of 1 rather than 0, because 0 does not stop a `core_pattern`
    /// that is a pipe.
    fn limits_for(&self, program: &Program) -> Vec<Limit> {
        let mut limits = self.limits.clone();
        for limit in &mut limits {
            if !program.core_dumps && limit.resource == libc::RLIMIT_CORE.cast_signed() {
                let most = limit.value.rlim_max.min(1);
                limit.value = libc::rlimit64 { rlim_cur: most, rlim_max: most };
            }
        }
        limits
    }
}

fn limit_of(resource: c_int) -> Option<Limit> {
    let mut value = libc::rlimit64 { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: a null new limit changes nothing; `value` is written by the kernel and outlives the call.
    let done = unsafe { libc::prlimit64(0, resource.cast_unsigned(), ptr::null(), &raw mut value) };
    (done == 0).then_some(Limit { resource, value })
}

/// A process that runs its program.
#[derive(Debug)]
pub struct Child {
    /// Its pid, which is also its session and its process group.
    pub pid: u32,
    /// The handle that cannot come to mean another process.
    pub pidfd: PidFd,
}

/// Why there is no process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloneError {
    /// What failed.
    pub step: Step,
    /// The operating system's error number.
    pub errno: i32,
}

/// The parts of making a process that can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Step {
    /// Preparing in the daemon: descriptors, the child's stack.
    Prepare,
    /// The clone itself.
    Clone,
    /// Giving the child its session.
    Session,
    /// Connecting its standard streams and closing everything else.
    Descriptors,
    /// Entering the working directory.
    WorkingDir,
    /// Executing the program.
    Exec,
}

impl fmt::Display for CloneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.step {
            Step::Prepare => "preparing a process",
            Step::Clone => "making a process",
            Step::Session => "giving the process its session",
            Step::Descriptors => "connecting the process's output",
            Step::WorkingDir => "entering the working directory",
            Step::Exec => "executing the program",
        };
        write!(f, "{what}: {}", io::Error::from_raw_os_error(self.errno))
    }
}

impl std::error::Error for CloneError {}

/// Starts `program` with standard output and error in `output` and nothing else open. Returns when it runs.
///
/// # Errors
/// What failed and why; no process is left behind then.
pub fn spawn(program: &Program, inherited: &Inherited, output: BorrowedFd<'_>) -> Result<Child, CloneError> {
    spawn_by(SystemCall::Newest, program, inherited, output)
}

/// Which system call makes the child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SystemCall {
    /// `clone3`, and plain `clone` where that is refused.
    Newest,
    /// Plain `clone`, as under a container's seccomp profile.
    #[cfg(test)]
    Plain,
}

fn spawn_by(
    by: SystemCall,
    program: &Program,
    inherited: &Inherited,
    output: BorrowedFd<'_>,
) -> Result<Child, CloneError> {
    let preparing = |error: io::Error| CloneError { step: Step::Prepare, errno: errno_of(&error) };
    let input = File::open("/dev/null").and_then(|null| above_stdio(&null)).map_err(preparing)?;
    let output = above_stdio(&output).map_err(preparing)?;
    let mut stack = ChildStack::new().map_err(preparing)?;
    let argv = pointers(&program.argv);
    let env = pointers(&program.env);
    let limits = inherited.limits_for(program);
    let path = program.argv.first().ok_or(CloneError { step: Step::Exec, errno: libc::ENOENT })?;

    let mut plan = Plan {
        path: path.as_ptr(),
        argv: argv.as_ptr(),
        env: env.as_ptr(),
        working_dir: program.working_dir.as_ref().map_or(ptr::null(), |dir| dir.as_ptr()),
        input: input.as_raw_fd(),
        output: output.as_raw_fd(),
        limits: limits.as_ptr(),
        limit_count: limits.len(),
        nice: inherited.nice,
        umask: inherited.umask,
        failed: None,
    };
    let made = clone_child(by, &mut plan, &mut stack);
    let (pid, pidfd) = made.map_err(|errno| CloneError { step: Step::Clone, errno })?;
    match plan.failed {
        None => Ok(Child { pid, pidfd }),
        Some((step, errno)) => {
            // It has left our memory and is about to end; nothing can keep it.
            let _ = pidfd.reap_blocking();
            Err(CloneError { step, errno })
        }
    }
}

/// Everything the child needs, in memory that stays put until it has executed its program.
struct Plan {
    path: *const c_char,
    argv: *const *const c_char,
    env: *const *const c_char,
    working_dir: *const c_char,
    input: c_int,
    output: c_int,
    limits: *const Limit,
    limit_count: usize,
    nice: c_int,
    umask: u32,
    /// Written by the child, read by the parent after the child has left its memory.
    failed: Option<(Step, i32)>,
}

/// Clones with every signal blocked, so that no handler of ours ever runs in the child.
fn clone_child(by: SystemCall, plan: &mut Plan, stack: &mut ChildStack) -> Result<(u32, PidFd), i32> {
    let mut pidfd: c_int = -1;
    let before = set_mask(u64::MAX);
    let made = match by {
        SystemCall::Newest => match clone3(plan, stack, &mut pidfd) {
            refused if REFUSALS.contains(&refused) => plain_clone(plan, stack, &mut pidfd),
            made => made,
        },
        #[cfg(test)]
        SystemCall::Plain => plain_clone(plan, stack, &mut pidfd),
    };
    set_mask(before);
    match u32::try_from(made) {
        // SAFETY: the kernel made this descriptor for us and nobody else knows it.
        Ok(pid) => Ok((pid, PidFd::from(unsafe { OwnedFd::from_raw_fd(pidfd) }))),
        Err(_) => Err(i32::try_from(-made).unwrap_or(libc::EIO)),
    }
}

const FLAGS: c_int = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD;
/// Not a flag of plain `clone`: beyond 32 bits.
const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;
/// What seccomp profiles answer to a call they do not know; old ones the second.
const REFUSALS: [isize; 2] = [-(libc::ENOSYS as isize), -(libc::EPERM as isize)];

fn clone3(plan: &mut Plan, stack: &mut ChildStack, pidfd: &mut c_int) -> isize {
    let mut arguments = CloneArguments {
        flags: u64::from(FLAGS.cast_unsigned()) | CLONE_CLEAR_SIGHAND,
        pidfd: ptr::from_mut(pidfd).expose_provenance() as u64,
        exit_signal: u64::from(libc::SIGCHLD.cast_unsigned()),
        stack: stack.base.expose_provenance() as u64,
        stack_size: ChildStack::SIZE as u64,
        ..CloneArguments::default()
    };
    let at = (&raw mut arguments).expose_provenance();
    // SAFETY: the flags and the stack are as `raw_clone` wants them; plan, stack and arguments outlive the call,
    // which lasts until the child has left our memory (CLONE_VFORK).
    unsafe { raw_clone(libc::SYS_clone3, [at, size_of::<CloneArguments>(), 0, 0, 0], plan) }
}

fn plain_clone(plan: &mut Plan, stack: &mut ChildStack, pidfd: &mut c_int) -> isize {
    let flags = (FLAGS | libc::SIGCHLD) as usize;
    let (top, pidfd) = (stack.top().expose_provenance(), ptr::from_mut(pidfd).expose_provenance());
    // SAFETY: as in `clone3`.
    unsafe { raw_clone(libc::SYS_clone, [flags, top, pidfd, 0, 0], plan) }
}

/// `struct clone_args` as of Linux 5.7; the group field is for children born into a cgroup.
#[derive(Default)]
#[repr(C)]
struct CloneArguments {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// A clone whose child goes straight to [`child`] on its new stack. The call is written out because the
/// child returns from the system call on an empty stack: no compiled function may be returned from there.
///
/// # Safety
/// The system call must be a clone with CLONE_VM, CLONE_VFORK and a stack of its own, and `plan` must be
/// valid until it returns.
#[cfg(target_arch = "x86_64")]
unsafe fn raw_clone(number: c_long, arguments: [usize; 5], plan: *mut Plan) -> isize {
    let [first, second, third, fourth, fifth] = arguments;
    let result: isize;
    // SAFETY: the caller's promise; in the parent only the result and what the kernel clobbers change.
    unsafe {
        asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r12",
            "call r13",
            "ud2",
            "2:",
            inlateout("rax") number as isize => result,
            in("rdi") first,
            in("rsi") second,
            in("rdx") third,
            in("r10") fourth,
            in("r8") fifth,
            in("r12") plan,
            in("r13") child as *const () ,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    result
}

/// As on x86-64. On this architecture plain `clone` takes its last two arguments the other way
/// round; both are zero.
///
/// # Safety
/// As on x86-64.
#[cfg(target_arch = "aarch64")]
unsafe fn raw_clone(number: c_long, arguments: [usize; 5], plan: *mut Plan) -> isize {
    let [first, second, third, fourth, fifth] = arguments;
    let result: isize;
    // SAFETY: the caller's promise; in the parent only the result changes.
    unsafe {
        asm!(
            "svc 0",
            "cbnz x0, 2f",
            "mov x29, xzr",
            "mov x0, x20",
            "blr x21",
            "brk 1",
            "2:",
            inlateout("x0") first as isize => result,
            in("x1") second,
            in("x2") third,
            in("x3") fourth,
            in("x4") fifth,
            in("x8") number,
            in("x20") plan,
            in("x21") child as *const (),
        );
    }
    result
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!(
    "pool-manager starts engines on x86-64 and aarch64 only: `raw_clone` has to be written for this one"
);

/// What the child does until its program runs. Runs in our memory: see the top of the file.
///
/// # Safety
/// Only for a freshly cloned child, with a valid plan.
unsafe extern "C" fn child(plan: *mut Plan) -> ! {
    // SAFETY: the parent is suspended until this process has left its memory, so nobody else uses the plan.
    let plan = unsafe { &mut *plan };
    give_back(plan);
    let failed = match prepare(plan) {
        Err(failed) => failed,
        Ok(()) => {
            // Last, in a session of its own: a Ctrl-C at the daemon's terminal is not for it.
            default_signals();
            // SAFETY: null-terminated arrays of C strings that the parent keeps alive.
            let errno =
                unsafe { call(libc::SYS_execve, plan.path.addr(), plan.argv.addr(), plan.env.addr(), 0) };
            (Step::Exec, errno)
        }
    };
    plan.failed = Some(failed);
    loop {
        // SAFETY: ends this process and no other: it is a thread group of its own.
        unsafe { call(libc::SYS_exit_group, 127, 0, 0, 0) };
    }
}

/// The part whose failure means that there is no engine.
fn prepare(plan: &Plan) -> Result<(), (Step, i32)> {
    let (input, output) = (plan.input as usize, plan.output as usize);
    step(Step::Session, libc::SYS_setsid, 0, 0, 0)?;
    step(Step::Descriptors, libc::SYS_dup3, input, 0, 0)?;
    step(Step::Descriptors, libc::SYS_dup3, output, 1, 0)?;
    step(Step::Descriptors, libc::SYS_dup3, output, 2, 0)?;
    let close_on_exec = libc::CLOSE_RANGE_CLOEXEC as usize;
    step(Step::Descriptors, libc::SYS_close_range, 3, u32::MAX as usize, close_on_exec)?;
    if !plan.working_dir.is_null() {
        step(Step::WorkingDir, libc::SYS_chdir, plan.working_dir.addr(), 0, 0)?;
    }
    Ok(())
}

fn step(step: Step, number: c_long, first: usize, second: usize, third: usize) -> Result<(), (Step, i32)> {
    // SAFETY: numbers of descriptors and a path of the plan; nothing that could harm the parent.
    match unsafe { call(number, first, second, third, 0) } {
        0 => Ok(()),
        errno => Err((step, errno)),
    }
}

/// Every signal as a program expects it. An engine started under an ignored TERM would ignore ours.
fn default_signals() {
    // Handler SIG_DFL, no flags, no restorer, empty mask: all zero.
    let default = [0_u64; 4];
    let nothing_blocked = 0_u64;
    for signal in 1..=64 {
        // SAFETY: the table is this process's own (no CLONE_SIGHAND); KILL and STOP refuse, which is right.
        unsafe { call(libc::SYS_rt_sigaction, signal, (&raw const default).addr(), 0, SIGNAL_SET_BYTES) };
    }
    let mask = (&raw const nothing_blocked).addr();
    // SAFETY: the mask is this thread's own; no handler is left that could run.
    unsafe { call(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK as usize, mask, 0, SIGNAL_SET_BYTES) };
}

/// The part that is done as well as the system allows: an engine with the daemon's niceness is still an engine.
fn give_back(plan: &Plan) {
    const OOM_SCORE: &[u8] = b"/proc/self/oom_score_adj\0";
    // SAFETY: constants and the plan's own memory; a descriptor opened here is marked close-on-exec.
    unsafe {
        let flags = libc::O_WRONLY | libc::O_CLOEXEC;
        let path = OOM_SCORE.as_ptr();
        let file = libc::syscall(libc::SYS_openat, libc::AT_FDCWD, path, flags, 0);
        if file >= 0 {
            libc::syscall(libc::SYS_write, file, b"0".as_ptr(), 1_usize);
        }
        libc::syscall(libc::SYS_setpriority, libc::PRIO_PROCESS, 0, plan.nice);
        libc::syscall(libc::SYS_umask, plan.umask);
        let mut next = 0;
        while next < plan.limit_count {
            let limit = &*plan.limits.wrapping_add(next);
            let nothing: *mut c_void = ptr::null_mut();
            libc::syscall(libc::SYS_prlimit64, 0, limit.resource, &raw const limit.value, nothing);
            next = next.wrapping_add(1);
        }
    }
}

/// A raw system call: 0, or the error number. The only memory it touches is this thread's errno, which
/// belongs to the suspended parent thread and is restored by nobody because nobody reads it.
///
/// # Safety
/// That of the system call.
unsafe fn call(number: c_long, first: usize, second: usize, third: usize, fourth: usize) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        if libc::syscall(number, first, second, third, fourth) < 0 { *libc::__errno_location() } else { 0 }
    }
}

const SIGNAL_SET_BYTES: usize = 8;

/// Replaces the calling thread's signal mask, libc's internal signals included; returns the old one.
fn set_mask(mask: u64) -> u64 {
    let mut before = 0_u64;
    // SAFETY: two masks of the size given that outlive the call. It cannot fail with these arguments.
    unsafe {
        let how = libc::SIG_SETMASK;
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            how,
            &raw const mask,
            &raw mut before,
            SIGNAL_SET_BYTES as c_ulong,
        );
    }
    before
}

/// The child's stack, with an unreadable page below it.
struct ChildStack {
    mapping: *mut c_void,
    base: *mut u8,
}

impl ChildStack {
    /// The child needs a few hundred bytes; unoptimised builds some thousand.
    const SIZE: usize = 64 * 1024;
    /// At least one page on every configuration of the two architectures.
    const GUARD: usize = 64 * 1024;

    fn new() -> io::Result<Self> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK;
        // SAFETY: a new anonymous mapping at a place of the kernel's choice.
        let mapping =
            unsafe { libc::mmap(ptr::null_mut(), Self::GUARD + Self::SIZE, libc::PROT_NONE, flags, -1, 0) };
        if mapping == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = mapping.cast::<u8>().wrapping_add(Self::GUARD);
        let stack = Self { mapping, base };
        // SAFETY: the upper part of the mapping made above, which nobody uses yet.
        let opened = unsafe { libc::mprotect(base.cast(), Self::SIZE, libc::PROT_READ | libc::PROT_WRITE) };
        if opened == 0 { Ok(stack) } else { Err(io::Error::last_os_error()) }
    }

    /// Stacks grow down; page-aligned, and so aligned as both calling conventions want it.
    fn top(&mut self) -> *mut u8 {
        self.base.wrapping_add(Self::SIZE)
    }
}

impl Drop for ChildStack {
    fn drop(&mut self) {
        // SAFETY: our own mapping; the child has left our memory before `spawn` returns.
        unsafe { libc::munmap(self.mapping, Self::GUARD + Self::SIZE) };
    }
}

/// A copy that cannot be overwritten while 0, 1 and 2 are put in place.
fn above_stdio(fd: &impl AsFd) -> io::Result<OwnedFd> {
    let copy = fcntl(fd, FcntlArg::F_DUPFD_CLOEXEC(3))?;
    // SAFETY: the descriptor was made by this call and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect()
}

fn errno_of(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(libc::EIO)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pool_manager_core::ExitStatus;

    /// Runs a shell script by one system call; how it ended and what it wrote.
    fn shell(by: SystemCall, script: &str) -> (ExitStatus, String) {
        let argv = ["/bin/sh", "-c", script].map(str::to_owned);
        let program = Program::new(&argv, [], Some(Path::new("/")), false).expect("no NUL");
        let log = tempfile::NamedTempFile::new().expect("a temporary file");
        let inherited = Inherited::capture().expect("/proc is mounted");
        let child = spawn_by(by, &program, &inherited, log.as_file().as_fd()).expect("the shell runs");
        let status = loop {
            if let Some(status) = child.pidfd.reap().expect("a child of ours") {
                break status;
            }
            std::thread::yield_now();
        };
        (status, std::fs::read_to_string(log.path()).expect("readable"))
    }

    #[test]
    fn both_system_calls_make_the_same_child() {
        // The program that prints the masks is the child itself: a shell that waits has masks of its own.
        let script = "pwd; ls /proc/$$/fd; exec grep -E '^Sig(Blk|Ign)' /proc/self/status";
        let newest = shell(SystemCall::Newest, script);
        assert_eq!(newest, shell(SystemCall::Plain, script));
        let none = "0000000000000000";
        let expected = format!("/\n0\n1\n2\nSigBlk:\t{none}\nSigIgn:\t{none}\n");
        assert_eq!(newest, (ExitStatus::Code(0), expected));
        assert_eq!(shell(SystemCall::Plain, "exit 9").0, ExitStatus::Code(9));
    }

    #[test]
    fn both_system_calls_tell_why_a_program_cannot_run() {
        let program = Program::new(&["/nowhere/at/all".to_owned()], [], None, false).expect("no NUL");
        let log = tempfile::tempfile().expect("a temporary file");
        let inherited = Inherited::capture().expect("/proc is mounted");
        for by in [SystemCall::Newest, SystemCall::Plain] {
            let refused = spawn_by(by, &program, &inherited, log.as_fd()).expect_err("no such program");
            assert_eq!(refused, CloneError { step: Step::Exec, errno: libc::ENOENT });
        }
    }

    #[test]
    fn the_callers_signal_mask_is_as_before() {
        let mask = || std::fs::read_to_string("/proc/thread-self/status").expect("readable");
        let blocked =
            |status: String| status.lines().find(|line| line.starts_with("SigBlk")).map(str::to_owned);
        let before = blocked(mask());
        shell(SystemCall::Newest, "exit 0");
        assert_eq!(blocked(mask()), before);
    }
}
