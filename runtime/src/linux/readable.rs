//! Waiting on a descriptor through tokio. Used for pidfds and the timerfd.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Watches a descriptor until it can be read. Needs a tokio runtime.
#[expect(
    deprecated,
    reason = "deprecated because a type may close or change its descriptor while it is watched; an OwnedFd cannot, \
              and the replacement is `unsafe`"
)]
pub(super) fn watch(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(fd, Interest::READABLE)
}
