//! A process that cannot be confused with another one: signalling it, waiting for its end, reading how it
//! ended, and only then reaping it. Used by the engine table and the executors.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use pool_manager_core::ExitStatus;
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions};

use crate::linux::readable;

/// A pidfd.
#[derive(Debug)]
pub struct PidFd(OwnedFd);

impl From<OwnedFd> for PidFd {
    fn from(fd: OwnedFd) -> Self {
        Self(fd)
    }
}

impl AsFd for PidFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl PidFd {
    /// The process that has this pid now. Whether it is the one that was meant must be looked at
    /// afterwards, when it can no longer change.
    ///
    /// # Errors
    /// ESRCH when there is none; also what the operating system says.
    pub fn open(pid: u32) -> io::Result<Self> {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidInput)?;
        Ok(Self(rustix::process::pidfd_open(pid, PidfdFlags::empty())?))
    }

    /// Sends a signal to this process alone.
    ///
    /// # Errors
    /// ESRCH when it was reaped; EPERM.
    pub fn send(&self, signal: Signal) -> io::Result<()> {
        Ok(rustix::process::pidfd_send_signal(&self.0, signal)?)
    }

    /// Ends when the process has ended, every thread of it.
    ///
    /// # Errors
    /// The pidfd cannot be watched (no descriptors left). Needs a tokio runtime.
    pub async fn exited(&self) -> io::Result<()> {
        readable::watch(self.0.try_clone()?)?.readable().await?.retain_ready();
        Ok(())
    }

    /// How a child of ours ended; it stays a zombie, so that its pid cannot be given away. `None`: it runs.
    ///
    /// # Errors
    /// ECHILD when it is no child of ours, or is reaped.
    pub fn peek(&self) -> io::Result<Option<ExitStatus>> {
        self.wait(WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT)
    }

    /// Gives the pid of an ended child back to the system. `None`: it runs and nothing was done.
    ///
    /// # Errors
    /// ECHILD when it is no child of ours, or is reaped.
    pub fn reap(&self) -> io::Result<Option<ExitStatus>> {
        self.wait(WaitIdOptions::EXITED | WaitIdOptions::NOHANG)
    }

    /// Waits for the end of a child and gives its pid back.
    pub(super) fn reap_blocking(&self) -> io::Result<Option<ExitStatus>> {
        self.wait(WaitIdOptions::EXITED)
    }

    fn wait(&self, options: WaitIdOptions) -> io::Result<Option<ExitStatus>> {
        let status = rustix::process::waitid(WaitId::PidFd(self.0.as_fd()), options)?;
        Ok(status.map(|status| match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => ExitStatus::Code(code),
            (None, Some(signal)) => ExitStatus::Signal(signal),
            (None, None) => ExitStatus::Unknown,
        }))
    }
}
