//! S25: granted = completed + expired + cut + lost + active, and every term is what the clients' own books
//! say.

use pool_manager_core::{LeaseEnding, PoolView};

use super::{Observed, Oracle, Violation, hold};
use crate::clients::Book;

#[derive(Debug, Default)]
pub(super) struct LeaseConservation;

const NAME: &str = "S25: leases are conserved, by the clients' own books";

impl Oracle for LeaseConservation {
    fn pool(&mut self, pool: &PoolView<'_>, observed: Observed<'_>) -> Result<(), Violation> {
        let nobody = Book::default();
        let book = observed.clients.book(pool.uid).unwrap_or(&nobody);
        counts_agree(pool, book)?;
        let active = observed.view.leases(pool.uid).map(|lease| lease.id);
        hold(active.eq(book.active.iter().copied()), NAME, || {
            format!("pool {}: not the leases the clients hold: {:?}", pool.name, book.active)
        })?;
        let within = pool.leases_active <= pool.policy.lease.slots;
        hold(within, "S25: never more leases than slots", || format!("pool {}", pool.name))
    }
}

fn counts_agree(pool: &PoolView<'_>, book: &Book) -> Result<(), Violation> {
    let told = |how| book.told.get(&how).copied().unwrap_or(0);
    let totals = pool.lease_totals;
    let theirs = [
        ("granted", totals.granted, book.granted),
        ("completed", totals.completed, book.completed),
        ("expired", totals.expired, told(LeaseEnding::Expired)),
        ("cut", totals.cut, told(LeaseEnding::Cut)),
        ("lost", totals.lost, told(LeaseEnding::Lost)),
        ("active", pool.leases_active.into(), book.active.len() as u64),
    ];
    for (what, core, clients) in theirs {
        hold(core == clients, NAME, || {
            format!("pool {}: {what} {core}, but the clients count {clients}", pool.name)
        })?;
    }
    let ended = totals.completed + totals.expired + totals.cut + totals.lost;
    let sum = ended + u64::from(pool.leases_active);
    hold(totals.granted == sum, NAME, || {
        format!("pool {}: {totals:?} and active {}", pool.name, pool.leases_active)
    })
}
