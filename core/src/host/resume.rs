//! The supervisor was started again: the state goes on, with the engines that live or without.

use alloc::vec::Vec;

use crate::deadline::DeadlineIndex;
use crate::event::EventKind;
use crate::host::Host;
use crate::id::EngineRef;
use crate::input::{Adopted, Resume};
use crate::pool::Pool;

impl Host {
    /// This state outlived the supervisor that made it: every pool goes on with the engine that lives, or without.
    /// Processes that no pool knows are killed: nobody else would.
    pub(super) fn resume(&mut self, resume: &Resume) {
        self.config.epoch = resume.epoch;
        self.closing = None;
        self.orphaned_spawns.clear();
        self.books.limiter.interrupted();
        self.deadlines = DeadlineIndex::default();
        for (uid, pool) in &self.pools {
            self.deadlines.refile(*uid, None, pool.next_deadline().map(|(at, _)| at));
        }
        let known = |engine: EngineRef| {
            let pool = self.pools.get(&engine.pool);
            pool.and_then(Pool::known_engine).is_some_and(|known| known.incarnation == engine.incarnation)
        };
        let (ours, strays): (Vec<Adopted>, Vec<Adopted>) =
            resume.alive.iter().partition(|adopted| known(adopted.engine));
        let ended = resume.ended.iter().filter(|(engine, _)| known(*engine)).count();
        self.tell(EventKind::Resumed {
            adopted: u32::try_from(ours.len()).unwrap_or(u32::MAX),
            ended: u32::try_from(ended).unwrap_or(u32::MAX),
        });
        for stray in strays {
            self.kill_orphan(stray.engine);
        }
        self.in_every_pool(|pool, cx| pool.resume(cx, &ours, &resume.ended));
        self.version += 1;
    }
}
