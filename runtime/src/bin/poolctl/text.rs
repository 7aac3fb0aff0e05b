//! Documents in words: one pool, `why`, the daemon's health, a lease that was ended.

use pool_manager::control::{
    CircuitStatus, HealthReport, HintStatus, LeaseEnded, PoolStatus, RestartStatus, Why, brief,
};

pub(crate) fn pool(pool: &PoolStatus) -> String {
    let mut lines = Lines::default();
    let leases = pool.leases;
    lines.add("pool", &pool.id);
    lines.add("state", format!("{} for {}", pool.state, brief(pool.since_seconds)));
    lines.add("wanted", if pool.wanted_up { "up" } else { "down" });
    lines.add_some("health", pool.suspect.then_some("suspect: a CUDA error in its log is not confirmed yet"));
    lines.add_some("health", pool.doomed.then_some("doomed: a CUDA error is confirmed"));
    let version = pool.catalog.engine_version.as_deref().unwrap_or_default();
    lines.add("engine", format!("{} {version}", pool.catalog.engine));
    lines.add("model", &pool.catalog.model);
    lines.add_some("catalog id", pool.catalog.id.as_ref());
    lines.add_some("digest", pool.catalog.digest.as_ref());
    lines.add_some("hints", hints(&pool.hints));
    lines.add_some("model before", pool.previous.as_ref().map(|entry| &entry.model));
    lines.add(
        "devices",
        if pool.device_mask.is_empty() { "none".to_owned() } else { pool.device_mask.join(",") },
    );
    lines.add_some("url", pool.url.as_ref());
    if let Some(engine) = &pool.engine {
        let pid = engine.pid.map_or_else(|| "not known yet".to_owned(), |pid| pid.to_string());
        lines.add("incarnation", &engine.incarnation);
        lines.add("pid", pid);
        lines.add("uptime", brief(engine.uptime_seconds));
    }
    lines.add(
        "leases",
        format!("{} of {} slots in use, {} asks wait", leases.active, leases.slots, leases.queued),
    );
    lines.add(
        "leases so far",
        format!(
            "{} granted, {} completed, {} expired, {} cut, {} lost",
            leases.granted, leases.completed, leases.expired, leases.cut, leases.lost
        ),
    );
    lines.add_some(
        "drain",
        pool.drain.as_ref().map(|drain| format!("deadline in {}", brief(drain.deadline_in_seconds))),
    );
    for gate in &pool.gates {
        let wait = gate.in_seconds.map(|wait| format!(", {} left", brief(wait))).unwrap_or_default();
        lines.add("waits for", format!("{}: {}{wait}", gate.gate, gate.text));
    }
    let running = pool.operation.as_ref();
    lines.add_some("operation", running.map(|operation| format!("{}: {}", operation.id, operation.text)));
    let last = pool.last_operation.as_ref();
    lines.add_some("last operation", last.map(|operation| format!("{}: {}", operation.id, operation.text)));
    lines.add_some("last error", pool.last_error.as_ref().map(|error| &error.verdict.text));
    let remedy = pool.last_error.as_ref().and_then(|error| error.verdict.remedy.as_ref());
    lines.add_some("what helps", remedy);
    let failures =
        format!("{} in all, {} in a row, {} restarts", pool.crashes_total, pool.failures, pool.restart_count);
    lines.add("crashes", failures);
    lines.add("restarts", restarts(&pool.restarts));
    for circuit in &pool.circuits {
        lines.add("circuit", circuit_line(circuit));
    }
    lines.add_some("last start took", pool.load_seconds.map(brief));
    lines.add_some(
        "next",
        pool.next.as_ref().map(|next| format!("in {}: {}", brief(next.in_seconds), next.text)),
    );
    lines.text
}

fn hints(hints: &HintStatus) -> Option<String> {
    let speed = hints.tokens_per_second.map(|tokens| format!("{tokens} tokens/s"));
    let first = hints.first_token_seconds.map(|first| format!("first token after {}", brief(first)));
    let known: Vec<String> = [speed, first].into_iter().flatten().collect();
    (!known.is_empty()).then(|| known.join(", "))
}

fn restarts(restarts: &RestartStatus) -> String {
    let window = brief(restarts.window_seconds);
    let most = match restarts.most_in_window {
        0 => String::new(),
        most => format!(" of at most {most}"),
    };
    let mut line = format!("{}{most} within the last {window}", restarts.in_window);
    for (count, storm) in [(restarts.storms, "restart"), (restarts.oom_storms, "out-of-memory")] {
        if count > 0 {
            line.push_str(&format!(", {storm} storms: {count}"));
        }
    }
    if restarts.allowed {
        line.push_str(", the next one is allowed by an operator");
    }
    line
}

fn circuit_line(circuit: &CircuitStatus) -> String {
    let left = circuit.in_seconds.map(|left| format!(" for {} more", brief(left))).unwrap_or_default();
    let opens_at = match circuit.opens_at {
        0 => String::new(),
        most => format!(" of {most}"),
    };
    let (name, state) = (circuit.circuit.label(), circuit.state.label());
    format!("{name}: {state}{left}, {}{opens_at} failures in a row", circuit.failures)
}

/// After `allow-restart`.
pub(crate) fn restart_allowed(pool: &PoolStatus) -> String {
    if pool.restarts.allowed {
        format!("{}: the next restart passes backoff, window and circuits, once\n", pool.id)
    } else {
        format!("{}: the restart that waited comes now; it is {}\n", pool.id, pool.state)
    }
}

/// After `reset-breaker`.
pub(crate) fn breaker_reset(pool: &PoolStatus) -> String {
    format!("{}: both circuits are closed and the failures forgotten; it is {}\n", pool.id, pool.state)
}

pub(crate) fn why(why: &Why) -> String {
    let mut text = format!("{}\n", why.summary);
    let mut section = |title: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            text.push_str(&format!("\n{title}:\n"));
            text.extend(lines.iter().map(|line| format!("  {line}\n")));
        }
    };
    section("Why", why.because.clone());
    section("Next", why.next.clone());
    let width = why.actions.iter().map(|action| action.command.chars().count()).max().unwrap_or(0);
    let actions = why.actions.iter().map(|action| format!("{:width$}  {}", action.command, action.effect));
    section("What you can do", actions.collect());
    text
}

pub(crate) fn health(health: &HealthReport) -> String {
    format!(
        "pool-managerd {} is {}: {} of {} pools ready, up for {} (start {})\n",
        health.version,
        health.status,
        health.pools_ready,
        health.pools_total,
        brief(health.uptime_seconds),
        health.epoch
    )
}

pub(crate) fn lease_ended(lease: &LeaseEnded) -> String {
    match (lease.already_ended, lease.how) {
        (false, _) => format!("{}: ended\n", lease.id),
        (true, Some(how)) => format!("{}: had ended before ({})\n", lease.id, how.label()),
        (true, None) => format!("{}: had ended before\n", lease.id),
    }
}

/// `name:  value`, aligned.
#[derive(Default)]
struct Lines {
    text: String,
}

impl Lines {
    fn add(&mut self, name: &str, value: impl AsRef<str>) {
        let name = format!("{name}:");
        self.text.push_str(format!("{name:<17} {}", value.as_ref()).trim_end());
        self.text.push('\n');
    }

    fn add_some(&mut self, name: &str, value: Option<impl AsRef<str>>) {
        if let Some(value) = value {
            self.add(name, value);
        }
    }
}
