//! The PID file and the handoff file of one engine: what should be on disk, what is believed to be,
//! and the next thing to do about the difference.
//!
//! At most one action per file is under way, so a quick drain and undrain cannot overtake each other.
//! A stop waits for no disk: should a write be under way when it begins, the signal goes out at once and
//! the removal follows the write's answer, so readers may for that long find a file of an engine that was
//! told to end. Before the pool is at rest both files are gone.

use serde::{Deserialize, Serialize};

use crate::effect::FileKind;

/// Both files of a pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Files {
    pid: File,
    handoff: File,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct File {
    wanted: bool,
    /// Believed: a failed action counts as done, so that a sick disk cannot hold a pool up. `None`: whoever
    /// would know is gone.
    there: Option<bool>,
    busy: bool,
}

/// What to do about a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileAction {
    Remove,
    Write,
}

impl Files {
    /// Says whether a file should exist.
    pub(crate) fn want(&mut self, kind: FileKind, wanted: bool) {
        self.file_mut(kind).wanted = wanted;
    }

    /// Begins the next action on a file, if one is needed and none is under way.
    pub(crate) fn begin(&mut self, kind: FileKind) -> Option<FileAction> {
        let file = self.file_mut(kind);
        if file.busy || file.is_as_wanted() {
            return None;
        }
        file.busy = true;
        file.there = Some(file.wanted);
        Some(if file.wanted { FileAction::Write } else { FileAction::Remove })
    }

    /// The action under way ended, well or not.
    pub(crate) fn done(&mut self, kind: FileKind) {
        self.file_mut(kind).busy = false;
    }

    /// Whoever carried out the actions under way is gone, and nobody knows how they ended: they are done again.
    pub(crate) const fn interrupted(&mut self) {
        self.pid = self.pid.interrupted();
        self.handoff = self.handoff.interrupted();
    }

    /// Of a file nobody knows whether it is there: what is wanted of it is done again.
    pub(crate) const fn recall(&mut self, kind: FileKind, wanted: bool) {
        *self.file_mut(kind) = File { wanted, there: None, busy: false };
    }

    /// Whether a file is as wanted and nothing is under way.
    pub(crate) const fn is_settled(&self, kind: FileKind) -> bool {
        let file = match kind {
            FileKind::Handoff => self.handoff,
            FileKind::Pid => self.pid,
        };
        !file.busy && file.is_as_wanted()
    }

    const fn file_mut(&mut self, kind: FileKind) -> &mut File {
        match kind {
            FileKind::Handoff => &mut self.handoff,
            FileKind::Pid => &mut self.pid,
        }
    }
}

impl Default for File {
    fn default() -> Self {
        Self { wanted: false, there: Some(false), busy: false }
    }
}

impl File {
    const fn interrupted(self) -> Self {
        let there = if self.busy { None } else { self.there };
        Self { there, busy: false, ..self }
    }

    const fn is_as_wanted(self) -> bool {
        matches!((self.there, self.wanted), (Some(true), true) | (Some(false), false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_mind_waits_for_the_action_under_way() {
        let mut files = Files::default();
        files.want(FileKind::Handoff, true);
        assert_eq!(files.begin(FileKind::Handoff), Some(FileAction::Write));
        files.want(FileKind::Handoff, false);
        assert_eq!(files.begin(FileKind::Handoff), None);
        files.done(FileKind::Handoff);
        assert!(!files.is_settled(FileKind::Handoff));
        assert_eq!(files.begin(FileKind::Handoff), Some(FileAction::Remove));
        files.done(FileKind::Handoff);
        assert!(files.is_settled(FileKind::Handoff));
        assert_eq!(files.begin(FileKind::Pid), None, "the other file was not touched");
    }

    #[test]
    fn what_was_under_way_when_nobody_looked_is_done_again_whatever_is_wanted_now() {
        for wanted in [true, false] {
            let mut files = Files::default();
            files.want(FileKind::Pid, true);
            files.begin(FileKind::Pid);
            files.interrupted();
            files.want(FileKind::Pid, wanted);
            assert!(!files.is_settled(FileKind::Pid));
            assert!(files.begin(FileKind::Pid).is_some());
        }
    }
}
