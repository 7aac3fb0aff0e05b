//! Why a pool is as it is, what happens next and when, and what can be done: whole sentences for a
//! person who was woken up.

use pool_manager_core::{CircuitState, HoldReason, OperationKind, PhaseName};
use serde::{Deserialize, Serialize};

use super::status::{CircuitStatus, PoolStatus, RestartStatus};
use super::words::{self, brief, count};

/// The answer to `why`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Why {
    /// The pool.
    pub id: String,
    /// Its state, as in its status.
    pub state: String,
    /// How long it has been in it.
    pub since_seconds: f64,
    /// What is the matter, in one sentence.
    pub summary: String,
    /// What led to it, most important first.
    pub because: Vec<String>,
    /// What happens next by itself, and when.
    pub next: Vec<String>,
    /// What can be done about it.
    pub actions: Vec<Action>,
}

/// One thing an operator can do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// The command.
    pub command: String,
    /// What it does.
    pub effect: String,
}

impl Why {
    pub(super) fn of(pool: &PoolStatus) -> Self {
        Self {
            id: pool.id.clone(),
            state: pool.state.clone(),
            since_seconds: pool.since_seconds,
            summary: summary(pool),
            because: because(pool),
            next: next(pool),
            actions: actions(pool),
        }
    }
}

fn summary(pool: &PoolStatus) -> String {
    let (id, since) = (&pool.id, brief(pool.since_seconds));
    let leases = pool.leases;
    match pool.phase {
        PhaseName::Stopped => format!("{id} has been stopped for {since}."),
        PhaseName::Staging => format!("{id} has been making its model present for {since}."),
        PhaseName::Waiting if pool.state == "failed" => {
            format!(
                "{id} failed {since} ago: a circuit is open, and no start is tried until it is half-open."
            )
        }
        PhaseName::Waiting => format!("{id} has been waiting to start for {since}."),
        PhaseName::Starting => {
            format!("The engine of {id} has been starting for {since} and is not ready yet.")
        }
        PhaseName::Ready if pool.suspect => {
            format!("{id} takes no new work: its engine logged a CUDA error that is not confirmed yet.")
        }
        PhaseName::Ready => format!(
            "{id} has been ready for {since}: {} of {} in use, {} waiting.",
            leases.active,
            count(leases.slots, "slot"),
            count(leases.queued, "ask")
        ),
        PhaseName::Draining => format!(
            "{id} has been draining for {since}: it takes no new work and waits for {}.",
            count(leases.active, "active lease")
        ),
        PhaseName::Stopping => {
            format!("The engine of {id} was told to end {since} ago and has not ended yet.")
        }
        PhaseName::Ended => format!("The engine of {id} ended {since} ago; its end is being explained."),
        PhaseName::Held => format!("{id} failed {since} ago and is held: no start is tried."),
    }
}

fn because(pool: &PoolStatus) -> Vec<String> {
    let mut because = Vec::new();
    because.extend(pool.held.map(|reason| held(reason).to_owned()));
    if let Some(operation) = &pool.operation {
        let took = brief(operation.took_seconds);
        because.push(format!(
            "Operation {}, {}, has been running for {took}.",
            operation.id,
            operation.kind.label()
        ));
    }
    if pool.doomed {
        because.push("A CUDA error of its engine is confirmed, so it is drained and ended.".to_owned());
    }
    if let Some(by) = pool.down_by {
        because.push(format!("No engine is wanted: {}.", words::down_by(by)));
    }
    because.extend(pool.gates.iter().map(|gate| format!("A start waits: {}.", gate.text)));
    if let Some(error) = &pool.last_error {
        let tense = if pool.ready { "The engine before this one" } else { "The last engine" };
        let ago = brief(error.ago_seconds);
        because.push(format!("{tense} failed {ago} ago: {}.", error.verdict.text));
        let log = error.incarnation.as_ref().map(|incarnation| format!("{incarnation}.log"));
        because.extend(error.verdict.evidence.iter().map(|fact| match (fact.log_offset, &log) {
            (Some(offset), Some(log)) => format!("Evidence: {} (byte {offset} of {log}).", fact.text),
            (Some(_), None) | (None, _) => format!("Evidence: {}.", fact.text),
        }));
    }
    if pool.last_error.as_ref().is_some_and(|error| error.verdict.class == "stage_failed") {
        because.push(format!("Its model is {}.", pool.catalog.model));
    }
    if let Some(remedy) = pool.last_error.as_ref().and_then(|error| error.verdict.remedy.as_ref()) {
        because.push(format!("What helps: {remedy}."));
    }
    if pool.failures > 0 {
        because.push(format!(
            "It has failed {} in a row, and {} in all.",
            count(pool.failures, "time"),
            count(pool.crashes_total, "time")
        ));
    }
    because.extend(pool.circuits.iter().filter_map(circuit));
    because.extend(restarts(pool));
    if let (None, Some(last)) = (&pool.operation, &pool.last_operation) {
        let ago = last.ended_seconds.map(brief).unwrap_or_default();
        because.push(format!("The last operation ended {ago} ago: {}.", last.text));
    }
    because
}

fn circuit(circuit: &CircuitStatus) -> Option<String> {
    let name = circuit.circuit.label();
    match circuit.state {
        CircuitState::Closed => None,
        CircuitState::HalfOpen => Some(format!(
            "Circuit `{name}` is half-open: the next start, or the one that runs, is its trial."
        )),
        CircuitState::Open => {
            let left = circuit.in_seconds.map(brief).unwrap_or_default();
            let times = count(circuit.failures, "failure");
            Some(format!("Circuit `{name}` is open for {left} more, after {times} in a row or a storm."))
        }
    }
}

fn restarts(pool: &PoolStatus) -> Vec<String> {
    let RestartStatus { in_window, window_seconds, most_in_window, allowed, storms, oom_storms } =
        &pool.restarts;
    let mut lines = Vec::new();
    if *in_window > 0 {
        let times = count(*in_window, "time");
        let window = brief(*window_seconds);
        let most = if *most_in_window == 0 {
            "any number is allowed".to_owned()
        } else {
            format!("{most_in_window} are allowed")
        };
        lines.push(format!("It was restarted {times} within the last {window}; {most}."));
    }
    if *storms + *oom_storms > 0 {
        let (restarts, memory) = (count(*storms, "restart storm"), count(*oom_storms, "out-of-memory storm"));
        lines.push(format!("It has had {restarts} and {memory}."));
    }
    if *allowed {
        lines.push("An operator lets the next restart pass backoff, window and circuits.".to_owned());
    }
    lines
}

const fn held(reason: HoldReason) -> &'static str {
    match reason {
        HoldReason::Config => "It cannot start as configured, and trying again would not help.",
        HoldReason::NotReleased => "Ports or GPUs of the last engine did not come free in time.",
        HoldReason::Quarantine => {
            "An engine of another pool outlived KILL and still holds a GPU of this one's mask."
        }
        HoldReason::Stuck => {
            "The engine outlived KILL: it hangs in the kernel, most often in the GPU's driver, so its GPUs cannot be used."
        }
    }
}

fn next(pool: &PoolStatus) -> Vec<String> {
    let mut next = Vec::new();
    for gate in &pool.gates {
        if let Some(wait) = gate.in_seconds {
            next.push(format!("In {} the gate `{}` opens or is looked at again.", brief(wait), gate.gate));
        }
    }
    if let Some(load) = pool.load_seconds.filter(|_| pool.phase == PhaseName::Starting) {
        next.push(format!("The last start took {}.", brief(load)));
    }
    if let Some(drain) = &pool.drain {
        let gives_up = pool.operation.as_ref().is_some_and(|operation| match operation.kind {
            OperationKind::Restart | OperationKind::Reload => true,
            OperationKind::Preload
            | OperationKind::Drain
            | OperationKind::Stop
            | OperationKind::Deregister
            | OperationKind::Shutdown => false,
        });
        let end = if gives_up {
            "the drain is given up and the engine serves on"
        } else {
            "what is still in flight is cut and the engine stopped"
        };
        next.push(format!("In {}, at the drain's deadline, {end}.", brief(drain.deadline_in_seconds)));
    }
    if let Some(due) = &pool.next
        && next.is_empty()
    {
        next.push(format!("In {}: {}.", brief(due.in_seconds), due.text));
    }
    if let (PhaseName::Draining, true) = (pool.phase, pool.leases.active > 0) {
        next.push("When the last lease ends, the drain is over at once.".to_owned());
    }
    if pool.held == Some(HoldReason::Stuck) {
        next.push("When the process ends after all, the hold is lifted.".to_owned());
    }
    if next.is_empty() {
        next.push("Nothing happens by itself.".to_owned());
    }
    next
}

fn actions(pool: &PoolStatus) -> Vec<Action> {
    let id = &pool.id;
    let action = |command: String, effect: &str| Action { command, effect: effect.to_owned() };
    let verb = |verb: &str, effect: &str| action(format!("poolctl {verb} {id}"), effect);
    let stop_trying = || verb("stop", "gives the start up");
    // Where no process was made, nothing was written.
    let ran = pool.engine.is_some()
        || pool
            .last_error
            .as_ref()
            .is_some_and(|error| !matches!(error.verdict.class.as_str(), "stage_failed" | "spawn_failed"));
    let logs = || ran.then(|| verb("logs", "shows what the engine wrote last"));
    let who_has_the_port = || {
        let port = pool.port?;
        Some(action(format!("ss -ltnp 'sport = :{port}'"), "shows who has the port; end it"))
    };
    let reset = || {
        let not_closed = pool.circuits.iter().any(|circuit| circuit.state != CircuitState::Closed);
        not_closed.then(|| verb("reset-breaker", "closes both circuits and forgets the failures"))
    };
    let back = || {
        let previous = pool.previous.as_ref()?;
        let effect = format!("drains it and puts {} back", previous.model);
        Some(action(format!("poolctl reload {id} --back"), &effect))
    };
    let shutting_down =
        pool.operation.as_ref().is_some_and(|operation| operation.kind == OperationKind::Shutdown);
    match pool.phase {
        PhaseName::Stopped => vec![verb("preload", "starts it")],
        PhaseName::Staging => vec![stop_trying()],
        PhaseName::Waiting => {
            let taken =
                pool.gates.iter().find(|gate| matches!(gate.gate.as_str(), "port_stranger" | "release"));
            let free_port = taken.and_then(|_| who_has_the_port());
            let now = pool
                .gates
                .iter()
                .any(|gate| matches!(gate.gate.as_str(), "backoff" | "window" | "circuit"))
                .then(|| verb("allow-restart", "lets this start pass backoff, window and circuits now"));
            free_port
                .into_iter()
                .chain(logs())
                .chain(now)
                .chain(reset())
                .chain(back())
                .chain([stop_trying()])
                .collect()
        }
        PhaseName::Starting => logs().into_iter().chain([stop_trying()]).collect(),
        PhaseName::Ready => [
            verb("drain", "takes it out of service without dropping work"),
            verb("restart", "drains it and starts it afresh"),
        ]
        .into_iter()
        .chain(reset())
        .chain(back())
        .collect(),
        PhaseName::Draining => {
            let mut actions = vec![verb("leases", "shows who is still using it")];
            if !shutting_down {
                actions.push(verb("stop", "cuts what is in flight and stops it now"));
            }
            if pool.operation.as_ref().is_some_and(|operation| operation.kind == OperationKind::Drain) {
                actions.insert(0, verb("undrain", "gives the drain up; it serves again"));
            }
            actions
        }
        PhaseName::Stopping | PhaseName::Ended => logs().into_iter().collect(),
        PhaseName::Held => match pool.held {
            Some(HoldReason::Stuck | HoldReason::Quarantine) => vec![action(
                "dmesg --level=err,warn | tail -50".to_owned(),
                "shows what the kernel says; often only a reboot of the host helps",
            )],
            Some(HoldReason::NotReleased) => {
                let who_has_the_gpus = action(
                    "nvidia-smi".to_owned(),
                    "shows which processes use the GPUs; end those that should not",
                );
                let who = who_has_the_port().into_iter().chain([who_has_the_gpus]);
                who.chain([verb("preload", "tries again now")]).collect()
            }
            Some(HoldReason::Config) | None => logs()
                .into_iter()
                .chain(back())
                .chain([verb("preload", "tries again, when the configuration is right")])
                .collect(),
        },
    }
}
