//! Who listens on a TCP port of this host. Used by the probe executor, which must not take a stranger's
//! answer for the engine's, and by the release check.
//!
//! Only listeners that a client on 127.0.0.1 or ::1 could reach count, of this network namespace.
//! Everything here reads `/proc` and belongs on a thread that may wait.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::linux::proc::{self, entry};
use crate::linux::tree::{ENGINE_VARIABLE, STATE_VARIABLE};

/// Whether an engine itself answers on its port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenerOwner {
    /// Every listener belongs to the engine's process tree.
    Ours,
    /// At least one listener does not (with SO_REUSEPORT there can be several).
    Stranger {
        /// The process that listens, where it may be seen.
        pid: Option<u32>,
    },
    /// Nothing listens.
    Nobody,
}

/// Whether the listeners on `port` belong to the tree of the engine with this pid: the engine, its
/// session, its descendants, and processes that carry its marker.
///
/// Where some process of the tree may not be looked into (it runs as another user and we are not root) and
/// the listener's owner cannot be seen either, the answer is `Ours`: an engine that would be refused
/// for ever although it is healthy is worse than a stranger that nobody can see. Where the whole tree
/// could be read, a listener without a visible owner is a stranger.
#[must_use]
pub fn listener_is_ours(port: u16, engine_pid: u32) -> ListenerOwner {
    let listeners = listeners(port);
    if listeners.is_empty() {
        return ListenerOwner::Nobody;
    }
    let mut sockets = sockets_of(engine_pid);
    if let Some(own) = sockets.as_ref()
        && listeners.iter().all(|inode| own.contains(inode))
    {
        return ListenerOwner::Ours;
    }
    for process in proc::all() {
        let relative = process.pid != engine_pid
            && (process.session == engine_pid || proc::descends_from(process.pid, engine_pid));
        if relative {
            sockets = sockets.zip(sockets_of(process.pid)).map(|(mut all, more)| {
                all.extend(more);
                all
            });
        }
    }
    for inode in listeners {
        if sockets.as_ref().is_some_and(|sockets| sockets.contains(&inode)) {
            continue;
        }
        match owner_of(inode) {
            Some(pid) if is_of_engine(pid, engine_pid) => {}
            Some(pid) => return ListenerOwner::Stranger { pid: Some(pid) },
            None if sockets.is_none() => {}
            None => return ListenerOwner::Stranger { pid: None },
        }
    }
    ListenerOwner::Ours
}

/// The inodes of the sockets that listen on `port` on an any or loopback address.
#[must_use]
pub fn listeners(port: u16) -> Vec<u64> {
    let tables = ["/proc/self/net/tcp", "/proc/self/net/tcp6"];
    tables
        .iter()
        .filter_map(|table| File::open(table).ok())
        .flat_map(|table| listening(table, port))
        .collect()
}

/// A process that has this socket open; the one with the lowest pid. `None`: none may be seen.
#[must_use]
pub fn owner_of(inode: u64) -> Option<u32> {
    proc::pids().into_iter().find(|pid| sockets_of(*pid).is_some_and(|sockets| sockets.contains(&inode)))
}

/// The inodes of a process's sockets; `None`: it may not be looked into, or is gone.
fn sockets_of(pid: u32) -> Option<Vec<u64>> {
    let socket = |fd: fs::DirEntry| {
        let target = fs::read_link(fd.path()).ok()?;
        target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    };
    Some(fs::read_dir(entry(pid, "fd")).ok()?.flatten().filter_map(socket).collect())
}

fn is_of_engine(pid: u32, engine_pid: u32) -> bool {
    let session = proc::stat(pid).map(|process| process.session);
    session == Some(engine_pid) || proc::descends_from(pid, engine_pid) || has_marker_of(pid, engine_pid)
}

fn has_marker_of(pid: u32, engine_pid: u32) -> bool {
    [ENGINE_VARIABLE, STATE_VARIABLE].into_iter().all(|name| {
        let theirs = proc::environment_value(engine_pid, name);
        theirs.is_some() && theirs == proc::environment_value(pid, name)
    })
}

/// The kernel lists listening sockets before all others, so a busy host's connections are never read.
fn listening(table: impl std::io::Read, port: u16) -> Vec<u64> {
    let lines = BufReader::new(table).lines().map_while(Result::ok);
    let sockets = lines.skip(1).map_while(|line| Socket::parse(&line)).take_while(Socket::is_listening);
    sockets
        .filter(|socket| socket.port == port && is_local(socket.address))
        .map(|socket| socket.inode)
        .collect()
}

/// One line of `/proc/net/tcp` or `tcp6`.
struct Socket {
    address: IpAddr,
    port: u16,
    state: u8,
    inode: u64,
}

impl Socket {
    /// `sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode …`.
    fn parse(line: &str) -> Option<Self> {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let (address, port) = fields.get(1)?.split_once(':')?;
        Some(Self {
            address: parse_address(address)?,
            port: u16::from_str_radix(port, 16).ok()?,
            state: u8::from_str_radix(fields.get(3)?, 16).ok()?,
            inode: fields.get(9)?.parse().ok()?,
        })
    }

    /// TCP_LISTEN.
    const fn is_listening(&self) -> bool {
        self.state == 10
    }
}

/// Words of 32 bits in the host's byte order, written as hexadecimal numbers.
fn parse_address(text: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let number = u32::from_str_radix(text.get(at * 8..at * 8 + 8)?, 16).ok()?;
        Some(number.to_ne_bytes())
    };
    match text.len() {
        8 => Some(IpAddr::V4(Ipv4Addr::from(word(0)?))),
        32 => {
            let bytes = [word(0)?, word(1)?, word(2)?, word(3)?].concat();
            let bytes: [u8; 16] = bytes.try_into().ok()?;
            Some(IpAddr::V6(Ipv6Addr::from(bytes)))
        }
        _ => None,
    }
}

fn is_local(address: IpAddr) -> bool {
    let address = address.to_canonical();
    address.is_unspecified() || address.is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0 100 0 0 10 0
   1: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 222 1 0 100 0 0 10 0
   2: 0500000A:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 333 1 0 100 0 0 10 0
   3: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 444 1 0 100 0 0 10 0
   4: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 555 1 0 100 0 0 10 0
";
    const TABLE6: &str = "\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 666 1 0 100 0 0 10 0
   1: 0000000000000000FFFF00000100007F:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 777 1 0 100 0 0 10 0
   2: B80D0120000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 888 1 0 100 0 0 10 0
";

    #[test]
    #[cfg(target_endian = "little")]
    fn only_local_listeners_on_the_port_count() {
        assert_eq!(listening(TABLE.as_bytes(), 8080), [111, 222]);
        assert_eq!(listening(TABLE6.as_bytes(), 8080), [666, 777]);
        assert!(listening(TABLE.as_bytes(), 80).is_empty());
    }

    #[test]
    fn our_own_listener_is_ours_and_a_closed_port_is_nobodys() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let own = std::process::id();
        assert_eq!(listeners(port).len(), 1);
        assert_eq!(listener_is_ours(port, own), ListenerOwner::Ours);
        drop(listener);
        // A child another test is just making has a copy of the socket until it executes its program.
        let patience = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while listener_is_ours(port, own) != ListenerOwner::Nobody {
            assert!(std::time::Instant::now() < patience, "nobody listens any more");
        }
    }

    #[test]
    fn a_listener_outside_the_tree_is_a_stranger() {
        let listener = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let mut other = std::process::Command::new("sleep").arg("60").spawn().expect("sleep runs");
        let stranger = ListenerOwner::Stranger { pid: Some(std::process::id()) };
        let found = listener_is_ours(port, other.id());
        other.kill().and_then(|()| other.wait()).expect("our own child");
        assert_eq!(found, stranger);
    }
}
