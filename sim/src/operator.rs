//! The operator: commands that nobody asked for, at moments nobody chose.

use std::time::Duration;

use pool_manager_core::Verb;

use crate::random::{Span, Stream};

/// How often an operator acts by themselves, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// Between two acts.
    pub every: Span,
    /// Drawn from with equal chances; a verb named twice is twice as likely.
    pub verbs: Vec<Verb>,
    /// Once in so many acts another command follows in the same instant; 0: never.
    pub hasty_one_in: u32,
}

impl Operator {
    /// Every verb that leaves the pool registered, drains with short and long deadlines.
    #[must_use]
    pub fn restless(every: Span) -> Self {
        let drain = |deadline| Verb::Drain { deadline };
        let verbs = vec![
            Verb::Preload,
            Verb::Preload,
            Verb::Preload,
            Verb::Restart,
            Verb::Stop,
            Verb::Undrain,
            Verb::AllowRestart,
            Verb::ResetBreaker,
            drain(None),
            drain(Some(Duration::ZERO)),
            drain(Some(Duration::from_millis(300))),
            drain(Some(Duration::from_secs(5))),
        ];
        Self { every, verbs, hasty_one_in: 4 }
    }

    pub(crate) fn draw(&self, stream: &mut Stream) -> Option<Verb> {
        stream.pick(&self.verbs).cloned()
    }
}
