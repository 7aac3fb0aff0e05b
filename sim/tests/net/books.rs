//! Leases under any weather: what routers believe and what the core has in its books agree, no key ever has two
//! leases, no slot and no connection is lost for good, and nobody on a good network is ever left without an
//! answer.

use std::cell::Cell;
use std::time::Duration;

use crate::auditor;
use crate::determinism::play_all;
use crate::dice::Dice;
use crate::router::{Books, Manner, Router};
use crate::stage::{Fault, Stage};
use crate::supervisor::SUPERVISOR;

/// Weather and routers rest from here on.
const CALM: Duration = Duration::from_secs(11);
/// The routers' last requests are over: every patience is shorter, and so is every wait in the queue.
const AUDIT: Duration = Duration::from_secs(21);
/// The longest life of a lease has passed since, and every idle connection's.
const END: Duration = Duration::from_secs(37);

/// Three routers under weather, one of which is restarted, and one on a good network.
pub(crate) fn play(seed: u64) -> Vec<String> {
    let mut stage = Stage::new(seed);
    let books = Books::default();
    for (number, sheltered) in [(0, true), (1, false), (2, false), (3, false)] {
        let name = format!("router-{number}");
        let patience = Duration::from_secs(if sheltered { 8 } else { 3 });
        let manner = Manner { name: name.clone(), until: CALM, patience, sheltered };
        let (log, books, starts) = (stage.log.clone(), books.clone(), Cell::new(0));
        stage.host(&name, move || {
            starts.set(starts.get() + 1);
            let dice = Dice::new(seed, 100 * starts.get() + number);
            Router::new(manner.clone(), dice, books.clone(), log.clone(), starts.get()).run()
        });
        if !sheltered {
            stage.weather(&name, SUPERVISOR, Duration::from_secs(1), CALM);
        }
    }
    let crash = Duration::from_secs(2) + stage.dice.millis(0, 7000);
    stage.at(crash, Fault::Crash("router-3".to_owned()));
    let back = crash + stage.dice.millis(10, 4000);
    stage.at(back, Fault::Bounce("router-3".to_owned()));
    if stage.dice.one_in(2) {
        let (at, place) = (stage.dice.millis(3000, 10_000), stage.dice.below(2) as usize);
        stage.at(at, Fault::EngineDies(place));
    }
    let supervisor = stage.supervisor.clone();
    stage.host("watcher", move || auditor::watch(supervisor.clone()));
    let (supervisor, log) = (stage.supervisor.clone(), stage.log.clone());
    stage.host("auditor", move || {
        let (supervisor, books, log) = (supervisor.clone(), books.clone(), log.clone());
        async move {
            tokio::time::sleep(AUDIT).await;
            let ledgers = auditor::read(&supervisor).await.expect("the supervisor runs");
            auditor::compare(&supervisor, &books, &ledgers, &log);
            tokio::time::sleep(END - AUDIT - Duration::from_secs(1)).await;
            let ledgers = auditor::read(&supervisor).await.expect("the supervisor runs");
            auditor::compare(&supervisor, &books, &ledgers, &log);
            let granted: u64 = ledgers.values().map(|ledger| ledger.totals.granted).sum();
            assert!(granted >= 5, "too little happened: {granted} leases");
            for (pool, ledger) in ledgers {
                assert!(ledger.active.is_empty(), "{pool}: leases outlived their time: {ledger:?}");
                assert_eq!(ledger.queued, 0, "{pool}: asks wait for nobody");
            }
            Ok(())
        }
    });
    stage.run_until(END);
    for host in ["router-0", "router-1", "router-2", "router-3", "auditor"] {
        assert!(!stage.is_running(host), "{host} has not come to its end");
    }
    stage.log.lines()
}

#[test]
fn the_books_of_routers_and_core_agree_in_any_weather() {
    play_all(play);
}
