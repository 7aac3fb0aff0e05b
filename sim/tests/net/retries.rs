//! Commands whose answers are lost: given again under the same key until one is answered, each is carried out
//! once.

use std::time::Duration;

use pool_manager_core::PhaseName;

use crate::caller::{Answer, Ask, Caller};
use crate::determinism::play_all;
use crate::dice::Dice;
use crate::log::now;
use crate::stage::Stage;
use crate::supervisor::{POOLS, SUPERVISOR, Supervisor};

/// Commands that are given, one after the other.
const COMMANDS: u64 = 6;
const END: Duration = Duration::from_secs(90);

/// One operator without patience, under weather; commands restarts and reloads.
pub(crate) fn play(seed: u64) -> Vec<String> {
    let mut stage = Stage::new(seed);
    stage.weather("operator", SUPERVISOR, Duration::from_secs(3), Duration::from_secs(30));
    let (supervisor, log) = (stage.supervisor.clone(), stage.log.clone());
    stage.host("operator", move || {
        let operator = Operator {
            supervisor: supervisor.clone(),
            caller: Caller::new("operator", log.clone()),
            dice: Dice::new(seed, 1),
        };
        operator.run()
    });
    stage.run_to_end_of("operator", END);
    stage.log.lines()
}

struct Operator {
    supervisor: Supervisor,
    caller: Caller,
    dice: Dice,
}

impl Operator {
    async fn run(mut self) -> turmoil::Result {
        self.all_ready().await;
        for number in 1..=COMMANDS {
            let pool = *self.dice.pick(&POOLS);
            let (verb, body) = match self.dice.below(2) {
                0 => ("restart", String::new()),
                _ => ("reload", format!(r#"{{"model":"model-{number}"}}"#)),
            };
            let command = Ask::new("POST", format!("/v1/pools/{pool}/{verb}"), body);
            let command = command.key(&format!("command-{number}"));
            let answer = self.until_answered(&command, true).await;
            assert!(matches!(answer.status, 200 | 202), "it is the only one: {}", answer.json);
            let operation = answer.json["id"].clone();
            let question = Ask::get(format!("/v1/operations/{operation}?wait=2s"));
            loop {
                let ended = self.until_answered(&question, false).await;
                if ended.json["state"] != "running" {
                    assert_eq!(ended.json["state"], "completed", "{}", ended.json);
                    break;
                }
            }
            let again = self.until_answered(&command, true).await;
            assert_eq!(
                (again.status, &again.json["id"]),
                (200, &operation),
                "the same key, the same operation"
            );
            let started = self.supervisor.truth.events();
            let started = started.iter().filter(|fact| fact.kind == "operation_started").count() as u64;
            // Beside the first starts of the pools, which nobody commanded.
            assert_eq!(started, number, "each command began one operation");
        }
        self.all_ready().await;
        let engines = self.supervisor.truth.events();
        let engines = engines.iter().filter(|fact| fact.kind == "engine_spawned").count() as u64;
        assert_eq!(engines, POOLS.len() as u64 + COMMANDS, "each command made one engine");
        Ok(())
    }

    /// Gives a command until it is answered. Whoever is hasty hangs up when the request has hardly been sent.
    async fn until_answered(&mut self, ask: &Ask, hasty: bool) -> Answer {
        loop {
            let hasty = (hasty && !self.dice.one_in(5)).then(|| self.dice.millis(1, 25));
            let ask = ask.clone().patience(self.dice.millis(100, 4000)).hasty(hasty);
            match self.caller.send(&ask).await {
                Ok(answer) => return answer,
                Err(_) => tokio::time::sleep(self.dice.millis(1, 1500)).await,
            }
        }
    }

    async fn all_ready(&mut self) {
        let deadline = now() + Duration::from_secs(20);
        // The supervisor's host starts in the same instant as this one.
        tokio::time::sleep(Duration::from_millis(50)).await;
        let driver = self.supervisor.driver().expect("it runs");
        loop {
            let ready = driver.read(|host, _| {
                host.view().pools().all(|pool| pool.phase == PhaseName::Ready && pool.operation.is_none())
            });
            if ready.await.expect("it runs") {
                return;
            }
            assert!(now() < deadline, "the pools do not become ready");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

#[test]
fn a_command_given_again_under_its_key_is_carried_out_once() {
    play_all(play);
}
