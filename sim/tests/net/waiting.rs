//! Clients that wait for a lease and go away: by hanging up, by crashing, and without a word. No ask of theirs
//! takes a slot that somebody else could have.

use std::time::Duration;

use crate::auditor;
use crate::caller::{Ask, Caller};
use crate::determinism::play_all;
use crate::dice::Dice;
use crate::log::now;
use crate::stage::{Fault, Stage};
use crate::supervisor::{SLOTS, SUPERVISOR, Supervisor};

/// The slots are taken; nobody waits yet.
const TAKEN: Duration = Duration::from_secs(4);
/// Who waits hangs up, crashes or is cut off between these two.
const GOING: (u64, u64) = (1000, 4000);
/// Who could be noticed to have gone has been. The queue's own wait is not over.
const GONE: Duration = Duration::from_millis(9200);
const END: Duration = Duration::from_secs(32);

/// One holder of all slots, and three who wait: each goes away in its own manner.
pub(crate) fn play(seed: u64) -> Vec<String> {
    let mut stage = Stage::new(seed);
    let log = stage.log.clone();
    for (number, name) in ["hangs-up", "crashes", "cut-off"].into_iter().enumerate() {
        let log = log.clone();
        let mut dice = Dice::new(seed, number as u64 + 1);
        let leaves = dice.millis(GOING.0, GOING.1);
        stage.host(name, move || waits(name, log.clone(), leaves));
        let (away, from) = (TAKEN + leaves, name.to_owned());
        match name {
            "crashes" => stage.at(away, Fault::Crash(from)),
            "cut-off" => stage.at(away, Fault::Cut(from, SUPERVISOR.to_owned())),
            _ => {}
        }
    }
    let (supervisor, log) = (stage.supervisor.clone(), stage.log.clone());
    stage.host("holder", move || holds(supervisor.clone(), Caller::new("holder", log.clone())));
    stage.run_to_end_of("holder", END);
    stage.log.lines()
}

async fn waits(name: &'static str, log: crate::log::Log, leaves: Duration) -> turmoil::Result {
    let mut caller = Caller::new(name, log);
    tokio::time::sleep(TAKEN).await;
    let ask = lease(name, 3);
    let patience = if name == "hangs-up" { leaves } else { Duration::from_secs(60) };
    let answer = caller.send(&ask.patience(patience)).await;
    assert!(answer.is_err(), "there is no slot for {name}: {answer:?}");
    Ok(())
}

fn lease(holder: &str, ttl_s: u64) -> Ask {
    Ask::new("POST", "/v1/pools/chat/leases", format!(r#"{{"holder":"{holder}","ttl":{ttl_s}}}"#))
}

async fn holds(supervisor: Supervisor, mut caller: Caller) -> turmoil::Result {
    tokio::time::sleep(Duration::from_secs(3)).await;
    let mut held = Vec::new();
    for number in 0..SLOTS {
        let granted = caller.send(&lease(&format!("holder-{number}"), 30)).await.expect("a good network");
        assert_eq!(granted.status, 201, "{}", granted.json);
        held.push(granted.text("id"));
    }
    assert!(now() < TAKEN, "the slots are taken in time");
    tokio::time::sleep_until(tokio::time::Instant::now() + (TAKEN + Duration::from_millis(500) - now()))
        .await;
    assert_eq!(queued(&supervisor).await, 3, "all three wait");

    tokio::time::sleep(GONE - now()).await;
    assert_eq!(queued(&supervisor).await, 1, "only the one that went without a word is still waited for");

    // Its ask is granted to nobody, or refused: the lease must end by its ttl, and the slot be free again.
    let ended = caller.send(&Ask::new("DELETE", format!("/v1/leases/{}", held[0]), "")).await;
    assert_eq!(ended.expect("a good network").status, 200);
    let next = caller.send(&lease("next", 3).patience(Duration::from_secs(8))).await.expect("a good network");
    assert_eq!(next.status, 201, "the slot came free: {}", next.json);

    tokio::time::sleep(Duration::from_secs(8)).await;
    let ledgers = auditor::read(&supervisor).await.expect("it runs");
    let chat = &ledgers["chat"];
    assert_eq!((chat.active.len(), chat.queued), (SLOTS as usize - 1, 0), "{chat:?}");
    assert_eq!(chat.totals.granted, u64::from(SLOTS) + 2, "the holder's, the dead one's, the next one's");
    assert_eq!((chat.totals.completed, chat.totals.expired), (1, 2), "{chat:?}");
    Ok(())
}

async fn queued(supervisor: &Supervisor) -> u32 {
    auditor::read(supervisor).await.expect("it runs")["chat"].queued
}

#[test]
fn an_ask_whose_client_went_away_takes_no_slot_for_good() {
    play_all(play);
}
