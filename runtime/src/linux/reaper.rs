//! Orphans of engines become our children (we are a subreaper) and are reaped here when they end. Engines
//! themselves are reaped by the spawn executor through their pidfd; this must never take one of theirs.

use std::io;

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
/// Goes by the list of children, because a wait for any child would name the same unreaped engine again and again.
/// Children in our own session were made by the daemon for itself and somebody waits for them.
/// The caller keeps engines from being made meanwhile: a new one is not tracked yet.
pub fn reap_strays(is_engine: impl Fn(u32) -> bool) -> usize {
    let own_session = getsid(None).map_or(0, |session| session.as_raw().cast_unsigned());
    let ended = proc::own_children().into_iter().filter(|child| child.is_ended());
    let strays = ended.filter(|child| child.session != own_session && !is_engine(child.pid));
    strays.filter(|child| reap(child.pid)).count()
}

/// Only for a zombie of ours: until it is reaped its pid cannot mean another process.
fn reap(pid: u32) -> bool {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return false };
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
    matches!(rustix::process::waitid(WaitId::Pid(pid), options), Ok(Some(_)))
}
