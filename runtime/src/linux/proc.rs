//! What is read from `/proc` about processes. Readings are moments: whoever acts on one makes sure
//! first that the process is still the same (see `tree`).

use std::fs;
use std::io;
use std::path::PathBuf;

/// One process at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Its pid.
    pub pid: u32,
    /// One letter; see [`Self::is_ended`].
    pub state: char,
    /// Its parent's pid; 0 when the parent is not in our namespace.
    pub parent: u32,
    /// Its process group.
    pub group: u32,
    /// Its session.
    pub session: u32,
    /// Its own niceness.
    pub nice: i32,
    /// When it started, in clock ticks since boot; with the pid, its identity.
    pub started_ticks: u64,
}

impl Stat {
    /// Whether nothing of it runs any more: a zombie, or dead.
    #[must_use]
    pub const fn is_ended(&self) -> bool {
        matches!(self.state, 'Z' | 'X' | 'x')
    }

    /// Whether `other` is a later reading of the same process.
    #[must_use]
    pub const fn is_same_process(&self, other: &Self) -> bool {
        self.pid == other.pid && self.started_ticks == other.started_ticks
    }
}

/// The process with this pid; `None`: there is none, or it may not be seen.
#[must_use]
pub fn stat(pid: u32) -> Option<Stat> {
    parse_stat(&fs::read(entry(pid, "stat")).ok()?)
}

/// Every process that may be seen, in order of pid.
#[must_use]
pub fn all() -> Vec<Stat> {
    pids().into_iter().filter_map(stat).collect()
}

/// The pids of every process that may be seen, ascending.
#[must_use]
pub fn pids() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse().ok();
    let mut pids: Vec<u32> = entries.flatten().filter_map(number).collect();
    pids.sort_unstable();
    pids
}

/// The children of this process, zombies included.
#[must_use]
pub fn own_children() -> Vec<Stat> {
    let own = std::process::id();
    // Not every kernel is built with CONFIG_PROC_CHILDREN.
    let candidates = children_files().unwrap_or_else(pids);
    candidates.into_iter().filter_map(stat).filter(|process| process.parent == own).collect()
}

fn children_files() -> Option<Vec<u32>> {
    let mut children = Vec::new();
    for task in fs::read_dir("/proc/self/task").ok()?.flatten() {
        // A thread that has ended meanwhile has handed its children on; a kernel without the file has it nowhere.
        match fs::read_to_string(task.path().join("children")) {
            Ok(list) => {
                children.extend(list.split_ascii_whitespace().filter_map(|pid| pid.parse::<u32>().ok()))
            }
            Err(_) if task.path().exists() => return None,
            Err(_) => {}
        }
    }
    Some(children)
}

/// The value of a variable in the environment a process was started with; `None` also when it may not be read.
///
/// Can hang while the process is stuck in the kernel with its memory locked; never to be called on the driver.
#[must_use]
pub fn environment_value(pid: u32, name: &str) -> Option<String> {
    value_in(&fs::read(entry(pid, "environ")).ok()?, name)
}

fn value_in(environment: &[u8], name: &str) -> Option<String> {
    let mut variables = environment.split(|byte| *byte == 0);
    let value = variables.find_map(|variable| variable.strip_prefix(name.as_bytes())?.strip_prefix(b"="))?;
    String::from_utf8(value.to_vec()).ok()
}

/// The name of the program a process runs, at most 15 bytes. `None`: it is gone.
#[must_use]
pub fn name(pid: u32) -> Option<String> {
    let name = fs::read(entry(pid, "comm")).ok()?;
    Some(String::from_utf8_lossy(&name).trim_end().to_owned())
}

/// The real user id of a process.
#[must_use]
pub fn user(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(entry(pid, "status")).ok()?;
    status_field(&status, "Uid:")?.split_ascii_whitespace().next()?.parse().ok()
}

/// Whether this pid is `ancestor` or descends from it, now.
#[must_use]
pub fn descends_from(pid: u32, ancestor: u32) -> bool {
    let mut at = pid;
    // Chains are short; a bound, because parents can change while they are followed.
    for _ in 0..1024 {
        match at {
            _ if at == ancestor => return true,
            0 | 1 => return false,
            _ => at = stat(at).map_or(0, |process| process.parent),
        }
    }
    false
}

/// This process's niceness.
pub(crate) fn own_nice() -> io::Result<i32> {
    let stat = fs::read("/proc/self/stat")?;
    parse_stat(&stat).map(|stat| stat.nice).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// This process's file mode mask, read without changing it.
pub(crate) fn own_umask() -> io::Result<u32> {
    let status = fs::read_to_string("/proc/self/status")?;
    let mask = status_field(&status, "Umask:").and_then(|mask| u32::from_str_radix(mask.trim(), 8).ok());
    mask.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Where `/proc` keeps a file about a process.
pub(crate) fn entry(pid: u32, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/{name}"))
}

fn status_field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name))
}

/// proc(5): `pid (name) state ppid pgrp session …`; nice is field 19, the start time 22. The name
/// may hold anything, so everything is counted from its last parenthesis.
fn parse_stat(line: &[u8]) -> Option<Stat> {
    let open = line.iter().position(|byte| *byte == b'(')?;
    let close = line.iter().rposition(|byte| *byte == b')')?;
    let pid = std::str::from_utf8(line.get(..open)?).ok()?.trim().parse().ok()?;
    let rest = std::str::from_utf8(line.get(close + 1..)?).ok()?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    // Field 3, the state, is the first after the name.
    let field = |number: usize| fields.get(number - 3).copied();
    Some(Stat {
        pid,
        state: field(3)?.chars().next()?,
        parent: field(4)?.parse().ok()?,
        group: field(5)?.parse().ok()?,
        session: field(6)?.parse().ok()?,
        nice: field(19)?.parse().ok()?,
        started_ticks: field(22)?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_look_like_fields() {
        let line =
            b"4242 (evil) R 1 (x) S 10 4242 4242 0 -1 4194560 100 0 0 0 1 2 0 0 20 -5 1 0 777 1000 5\n";
        let expected = Stat {
            pid: 4242,
            state: 'S',
            parent: 10,
            group: 4242,
            session: 4242,
            nice: -5,
            started_ticks: 777,
        };
        assert_eq!(parse_stat(line), Some(expected));
        assert_eq!(parse_stat(b"4242 (short) S 1"), None);
    }

    #[test]
    fn a_variable_is_found_by_its_whole_name() {
        let environment = b"AB=1\0A=2=3\0A=4\0";
        assert_eq!(value_in(environment, "A").as_deref(), Some("2=3"));
        assert_eq!(value_in(environment, "B"), None);
    }

    #[test]
    fn we_see_ourselves() {
        let own = std::process::id();
        let me = stat(own).expect("this process exists");
        assert!(!me.is_ended());
        assert!(me.is_same_process(&stat(own).expect("this process still exists")));
        assert!(all().iter().any(|process| process.pid == own));
        assert!(descends_from(own, own) && descends_from(own, me.parent) && !descends_from(me.parent, own));
        assert_eq!(user(own), Some(nix::unistd::getuid().as_raw()));
        assert!(name(own).is_some_and(|name| !name.ends_with('\n')));
    }
}
