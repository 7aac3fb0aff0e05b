//! What the disk does: to the journal, to PID and handoff files, to models.
//!
//! A config file that is half written (D7) never becomes an input: the runtime reads it whole or refuses it.

pub(super) mod file_trouble;
pub(super) mod journal_corrupt;
pub(super) mod journal_fails;
pub(super) mod journal_sync;
pub(super) mod model_changes;
pub(super) mod model_missing;
pub(super) mod stage_trouble;
