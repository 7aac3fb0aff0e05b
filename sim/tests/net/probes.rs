//! Probes over a bad network: slow, held up, cut, to a machine that has crashed and comes back. Each is answered
//! once and within its time-out (`supervisor` checks that), a dead engine is replaced, and in calm every pool is
//! ready again.

use std::time::Duration;

use pool_manager_core::PhaseName;

use crate::determinism::play_all;
use crate::log::now;
use crate::stage::{Fault, Stage};
use crate::supervisor::{POOLS, PROBE_TIMEOUT, SUPERVISOR, Supervisor};

const CALM: Duration = Duration::from_secs(25);
/// Ready again by then: a frozen engine is noticed, killed, waited for by backoff, and loads.
const END: Duration = Duration::from_secs(55);

pub(crate) fn play(seed: u64) -> Vec<String> {
    let mut stage = Stage::new(seed);
    for place in 0..POOLS.len() {
        let (engine, _) = Supervisor::engine(place);
        if stage.dice.one_in(2) {
            stage.weather(SUPERVISOR, &engine, Duration::from_secs(2), CALM);
        } else {
            let crash = Duration::from_secs(2) + stage.dice.millis(0, 12_000);
            let back = crash + stage.dice.millis(100, 11_000);
            stage.at(crash, Fault::Crash(engine.clone()));
            stage.at(back, Fault::Bounce(engine));
        }
    }
    let supervisor = stage.supervisor.clone();
    stage.host("witness", move || witness(supervisor.clone()));
    stage.run_to_end_of("witness", END);
    stage.log.lines()
}

/// In calm every pool becomes ready again; then no probe may be overdue.
async fn witness(supervisor: Supervisor) -> turmoil::Result {
    tokio::time::sleep(CALM).await;
    let driver = supervisor.driver().expect("it runs");
    loop {
        let ready = driver.read(|host, _| host.view().pools().all(|pool| pool.phase == PhaseName::Ready));
        if ready.await.expect("it runs") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // One more round of probes.
    tokio::time::sleep(PROBE_TIMEOUT * 2).await;
    let now = now();
    let probing = supervisor.probing.lock().unwrap();
    let overdue: Vec<_> = probing.iter().filter(|(_, (asked, _))| *asked + PROBE_TIMEOUT < now).collect();
    assert_eq!(overdue, [], "every probe was answered");
    Ok(())
}

#[test]
fn every_probe_is_answered_in_time_whatever_the_network_does() {
    let lines = play_all(play);
    // What no seed shows was not tried.
    for seen in ["Healthy after", "Loading after", "Refused after", "TimedOut after 2", "EngineEnded"] {
        assert!(lines.iter().any(|line| line.contains(seen)), "no seed shows `{seen}`");
    }
}
