//! The event stream under weather: a follower that resumes behind the last event it saw misses nothing and sees
//! nothing twice, also over a restart of the supervisor, which it is told of.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::BodyExt;

use crate::caller::Caller;
use crate::determinism::play_all;
use crate::dice::Dice;
use crate::log::{Log, now};
use crate::router::{Books, Manner, Router};
use crate::stage::{Fault, Stage};
use crate::supervisor::{HEARTBEAT, SUPERVISOR};
use crate::truth::Fact;

const CALM: Duration = Duration::from_secs(22);
const END: Duration = Duration::from_secs(34);

/// What a follower was told, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Event(Fact),
    Resync,
    /// All pools, as of behind this event.
    Snapshot {
        epoch: u32,
        number: u64,
    },
}

type Tale = Arc<Mutex<Vec<Told>>>;

/// Two followers under weather; a router, dying engines and perhaps a restart of the supervisor make the news.
pub(crate) fn play(seed: u64) -> Vec<String> {
    let mut stage = Stage::new(seed);
    let tales = [Tale::default(), Tale::default()];
    for (number, tale) in tales.iter().enumerate() {
        let name = format!("follower-{number}");
        let (log, tale, host) = (stage.log.clone(), Arc::clone(tale), name.clone());
        stage.host(&name, move || {
            let follower = Follower {
                caller: Caller::new(&host, log.clone()),
                name: host.clone(),
                log: log.clone(),
                tale: Arc::clone(&tale),
                dice: Dice::new(seed, 50 + number as u64),
            };
            follower.run()
        });
        stage.weather(&name, SUPERVISOR, Duration::from_secs(1), CALM);
    }
    let (log, books) = (stage.log.clone(), Books::default());
    let patience = Duration::from_secs(3);
    let manner =
        Manner { name: "router".to_owned(), until: Duration::from_secs(12), patience, sheltered: false };
    stage.host("router", move || {
        Router::new(manner.clone(), Dice::new(seed, 7), books.clone(), log.clone(), 0).run()
    });
    for _ in 0..4 {
        let (at, place) = (stage.dice.millis(2000, 26_000), stage.dice.below(2) as usize);
        stage.at(at, Fault::EngineDies(place));
    }
    if stage.dice.one_in(2) {
        let crash = stage.dice.millis(13_000, 20_000);
        stage.at(crash, Fault::Crash(SUPERVISOR.to_owned()));
        let back = crash + stage.dice.millis(5, 3000);
        stage.at(back, Fault::Bounce(SUPERVISOR.to_owned()));
    }
    stage.run_until(END);
    for tale in tales {
        check(&tale.lock().unwrap(), &stage.supervisor.truth.events());
    }
    stage.log.lines()
}

/// Nothing missing, nothing twice, in order, and all of it true.
fn check(tale: &[Told], truth: &[Fact]) {
    assert!(matches!(tale.first(), Some(Told::Snapshot { .. })), "a stream begins with a snapshot");
    let last = truth.last().expect("something happened");
    let mut at = (0, 0);
    for told in tale {
        match told {
            Told::Snapshot { epoch, number } => at = (*epoch, *number),
            Told::Resync => assert!(at.0 < last.epoch, "only a restart makes a stream begin anew"),
            Told::Event(fact) => {
                assert_eq!((fact.epoch, fact.number), (at.0, at.1 + 1), "a gap or a repeat: {fact:?}");
                assert!(truth.contains(fact), "never happened: {fact:?}");
                at = (fact.epoch, fact.number);
            }
        }
    }
    assert_eq!(at, (last.epoch, last.number), "in calm the stream tells everything");
}

struct Follower {
    name: String,
    caller: Caller,
    log: Log,
    tale: Tale,
    dice: Dice,
}

impl Follower {
    async fn run(mut self) -> turmoil::Result {
        let mut last_seen = None;
        while now() < END {
            self.log.say(&self.name, format_args!("follows behind {last_seen:?}"));
            let why = self.follow(&mut last_seen).await;
            self.log.say(&self.name, why);
            self.caller.hang_up();
            tokio::time::sleep(self.dice.millis(10, 600)).await;
        }
        Ok(())
    }

    /// One connection, until it ends, is silent for too long, or is left on a whim.
    async fn follow(&mut self, last_seen: &mut Option<String>) -> &'static str {
        let silence = HEARTBEAT * 2;
        let opened = self.caller.open("/v1/events", last_seen.as_deref());
        let mut body = match tokio::time::timeout(silence, opened).await {
            Ok(Ok(response)) if response.status() == 200 => response.into_body(),
            Ok(Ok(_)) => return "refused",
            Ok(Err(_)) | Err(_) => return "not opened",
        };
        let mut text = String::new();
        loop {
            let frame = match tokio::time::timeout(silence, body.frame()).await {
                Ok(Some(Ok(frame))) => frame,
                Ok(Some(Err(_)) | None) => return "torn",
                Err(_) => return "silent",
            };
            let Ok(data) = frame.into_data() else { continue };
            text.push_str(std::str::from_utf8(&data).expect("the stream is text"));
            while let Some((block, rest)) = text.split_once("\n\n") {
                self.take(block, last_seen);
                text = rest.to_owned();
            }
            if now() < CALM && self.dice.one_in(40) {
                return "left";
            }
        }
    }

    fn take(&self, block: &str, last_seen: &mut Option<String>) {
        let field = |name: &str| {
            let line = block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.map(str::trim_start)
        };
        let Some(kind) = field("event") else { return };
        self.log.say(&self.name, format_args!("{kind} {}", field("data").unwrap_or_default()));
        let id = field("id").map(|id| {
            let (epoch, number) = id.split_once('-').expect("an id is epoch and number");
            (epoch.parse().unwrap(), number.parse().unwrap())
        });
        let told = match (kind, id) {
            ("resync", None) => Told::Resync,
            ("snapshot", Some((epoch, number))) => Told::Snapshot { epoch, number },
            (kind, Some((epoch, number))) => Told::Event(Fact { epoch, number, kind: kind.to_owned() }),
            (kind, None) => panic!("{kind} has no id"),
        };
        self.tale.lock().unwrap().push(told);
        if let Some(id) = field("id") {
            *last_seen = Some(id.to_owned());
        }
    }
}

#[test]
fn a_stream_that_is_resumed_has_no_gap_and_no_repeat() {
    play_all(play);
}
