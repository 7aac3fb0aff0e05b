//! Compares what routers believe with the core's own books, from inside the supervisor's process: no network
//! stands between.

use std::collections::BTreeMap;
use std::time::Duration;

use pool_manager_core::{Holder, LeaseEnding, LeaseTotals};

use crate::log::{Log, now};
use crate::router::Books;
use crate::supervisor::{POOLS, SLOTS, Supervisor};

/// One pool's leases in the core, at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    pub(crate) active: Vec<(String, Holder)>,
    pub(crate) queued: u32,
    pub(crate) totals: LeaseTotals,
}

impl Ledger {
    /// Conservation, no more than there are slots, and one lease a holder: a key is a holder here.
    fn check(&self, pool: &str) {
        let Self { active, totals, .. } = self;
        let LeaseTotals { granted, completed, expired, cut, lost } = *totals;
        let ended = completed + expired + cut + lost;
        assert_eq!(granted, ended + active.len() as u64, "{pool}: granted = ended + active, always");
        assert!(active.len() <= SLOTS as usize, "{pool}: {} active, {SLOTS} slots", active.len());
        let mut by_holder = BTreeMap::new();
        for (id, holder) in active {
            let before = by_holder.insert(holder.0, id);
            assert_eq!(before, None, "{pool}: two leases for one key, beside {id}");
        }
    }
}

/// Every pool's ledger now, by name; `None` while no supervisor runs.
pub(crate) async fn read(supervisor: &Supervisor) -> Option<BTreeMap<&'static str, Ledger>> {
    let driver = supervisor.driver()?;
    let ledgers = driver.read(|host, _| {
        let view = host.view();
        let ledger = |name: &'static str| {
            let uid = view.uid_of(name)?;
            let pool = view.pool(uid)?;
            let active = view.leases(uid).map(|lease| (lease.id.to_string(), lease.holder)).collect();
            Some((name, Ledger { active, queued: pool.leases_queued, totals: pool.lease_totals }))
        };
        POOLS.into_iter().filter_map(ledger).collect::<BTreeMap<_, _>>()
    });
    let ledgers = ledgers.await.ok()?;
    ledgers.iter().for_each(|(pool, ledger)| ledger.check(pool));
    Some(ledgers)
}

/// The software of a host that looks all the time: the invariants hold between any two inputs.
pub(crate) async fn watch(supervisor: Supervisor) -> turmoil::Result {
    loop {
        read(&supervisor).await;
        tokio::time::sleep(Duration::from_millis(70)).await;
    }
}

/// Every lease of the core is one that its holder can know of, and every lease that a holder must still have is
/// there.
pub(crate) fn compare(
    supervisor: &Supervisor,
    books: &Books,
    ledgers: &BTreeMap<&'static str, Ledger>,
    log: &Log,
) {
    let claims = books.claims();
    for (pool, Ledger { active, totals, .. }) in ledgers {
        log.say("auditor", format_args!("{pool} {active:?} {totals:?}"));
        let of_pool = || claims.iter().filter(|(_, claim)| claim.pool == *pool);
        let known = |id: &str| of_pool().find(|(_, claim)| claim.id.as_deref() == Some(id));
        let unheard = active.iter().filter(|(id, _)| known(id).is_none()).count() as u64;
        let unanswered: u64 = of_pool().map(|(_, claim)| claim.unanswered).sum();
        assert!(unheard <= unanswered, "{pool}: {unheard} leases nobody asked for");
        let ids = of_pool().filter(|(_, claim)| claim.id.is_some()).count() as u64;
        let granted = totals.granted;
        assert!(
            (ids..=ids + unanswered).contains(&granted),
            "{pool}: {granted} granted; {ids} heard of, {unanswered} asks unanswered"
        );
        for (id, _) in active {
            let Some((key, claim)) = known(id) else { continue };
            assert!(claim.may_live_until >= now(), "{pool}: {id} of {key} should have ended: {claim:?}");
        }
        for (key, claim) in of_pool().filter(|(_, claim)| claim.must_live_until > now()) {
            let id = claim.id.as_deref().expect("it was granted");
            let taken = match supervisor.truth.ended(id) {
                Some(LeaseEnding::Cut | LeaseEnding::Lost) => true,
                Some(LeaseEnding::Completed | LeaseEnding::Expired) | None => false,
            };
            let is_active = active.iter().any(|(active, _)| active == id);
            assert!(is_active || taken, "{pool}: {id} of {key} is gone too early: {claim:?}");
        }
    }
}
