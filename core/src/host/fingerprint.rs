//! What of a host decides its future: see `fingerprint`.

use crate::fingerprint::Fingerprint;
use crate::host::{Closing, Host};
use crate::pool::Books;
use crate::time::Time;

impl Host {
    /// 64 bits of what decides the future, seen from `now`: hosts that differ only by the names of ids, by a shift in
    /// time, or in what people read have one. For exhaustive search, between two inputs.
    #[must_use]
    pub fn fingerprint(&self, now: Time) -> u64 {
        let mut fingerprint = Fingerprint::new(now);
        self.write_fingerprint(&mut fingerprint);
        fingerprint.finish()
    }

    /// The same, for whoever goes on with the world around the host.
    pub fn write_fingerprint(&self, to: &mut Fingerprint) {
        let Self {
            config: _,
            seed: _,
            now: _,
            pools,
            // Both are made of the pools.
            names: _,
            deadlines: _,
            registered: _,
            // Drained between two inputs.
            outbox: _,
            books,
            closing,
            orphaned_spawns,
            version: _,
        } = self;
        // What became of leases and operations is kept for people.
        let Books { outcomes: _, endings: _, operations_issued: _, limiter, quarantine } = books;
        to.add(&pools.len());
        for pool in pools.values() {
            pool.write_fingerprint(to, limiter);
        }
        limiter.write_fingerprint(to);
        quarantine.write_fingerprint(to);
        match closing {
            None => to.add(&0_u8),
            Some(Closing::Draining) => to.add(&1_u8),
            Some(Closing::LateSpawns { until }) => {
                to.add(&2_u8);
                to.deadline(*until);
            }
            Some(Closing::Over) => to.add(&3_u8),
        }
        to.add(&orphaned_spawns.len());
        for (effect, engine) in orphaned_spawns {
            to.effect(*effect);
            to.engine(*engine);
        }
    }
}
