//! Orphans of engines become our children (we are a subreaper) and are reaped here when they end. Engines
//! themselves are reaped by the spawn executor through their pidfd; this must never take one of theirs.

use std::io;

use nix::errno::Errno;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::getsid;
use rustix::process::{Pid, WaitId, WaitIdOptions};

use crate::linux::proc;

/// Makes this process the parent of every descendant whose own parent ended.
///
/// # Errors
/// What the operating system says; no Linux since 3.4 refuses.
pub fn become_subreaper() -> io::Result<()> {
    Ok(nix::sys::prctl::set_child_subreaper(true)?)
}

/// Reaps ended children that are neither engines nor our own helpers; returns how many.
///
/// The kernel names one ended child at a time, and an engine that is not reaped yet again and again. At an
/// engine this stops; the caller comes again when that engine is reaped, and keeps engines from
/// being made meanwhile: a new one is not known yet.
pub fn reap_strays(is_engine: impl Fn(u32) -> bool) -> usize {
    let mut reaped = 0;
    loop {
        match any_ended_child() {
            Ok(None) => return reaped,
            Ok(Some(pid)) if is_engine(pid) => return reaped,
            Ok(Some(pid)) if is_stray(pid) && reap(pid) => reaped += 1,
            Ok(Some(_)) | Err(_) => return reaped + reap_listed_strays(is_engine),
        }
    }
}

/// As [`reap_strays`], by the list of children: slower, but nothing hides what comes after it.
pub fn reap_listed_strays(is_engine: impl Fn(u32) -> bool) -> usize {
    let ended = proc::own_children().into_iter().filter(|child| child.is_ended() && !is_engine(child.pid));
    ended.filter(|child| is_stray(child.pid) && reap(child.pid)).count()
}

/// Children in our own session were made by the daemon for itself, and somebody waits for them.
fn is_stray(pid: u32) -> bool {
    let own_session = getsid(None).map_or(0, |session| session.as_raw().cast_unsigned());
    proc::stat(pid).is_some_and(|child| child.session != own_session)
}

/// `None`: no child has ended. An error also for an end that nix has no name for.
fn any_ended_child() -> Result<Option<u32>, Errno> {
    let options = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    match waitid(Id::All, options) {
        Ok(status) => Ok(status.pid().map(|pid| pid.as_raw().cast_unsigned())),
        Err(Errno::ECHILD) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Only for a zombie of ours: until it is reaped its pid cannot mean another process.
fn reap(pid: u32) -> bool {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return false };
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
    matches!(rustix::process::waitid(WaitId::Pid(pid), options), Ok(Some(_)))
}
