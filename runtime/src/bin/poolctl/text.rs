//! Documents in words: one pool, `why`, the daemon's health, a lease that was ended.

use pool_manager::control::{HealthReport, LeaseEnded, PoolStatus, Why, brief};

pub(crate) fn pool(pool: &PoolStatus) -> String {
    let mut lines = Lines::default();
    let leases = pool.leases;
    lines.add("pool", &pool.id);
    lines.add("state", format!("{} for {}", pool.state, brief(pool.since_seconds)));
    lines.add("wanted", if pool.wanted_up { "up" } else { "down" });
    let version = pool.catalog.engine_version.as_deref().unwrap_or_default();
    lines.add("engine", format!("{} {version}", pool.catalog.engine));
    lines.add("model", &pool.catalog.model);
    lines.add(
        "devices",
        if pool.device_mask.is_empty() { "none".to_owned() } else { pool.device_mask.join(",") },
    );
    lines.add_some("url", pool.url.clone());
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
    lines.add_some("last error", pool.last_error.as_ref().map(|error| error.verdict.text.clone()));
    let failures =
        format!("{} in all, {} in a row, {} restarts", pool.crashes_total, pool.failures, pool.restart_count);
    lines.add("crashes", failures);
    lines.add_some("last start took", pool.load_seconds.map(brief));
    lines.add_some(
        "next",
        pool.next.as_ref().map(|next| format!("in {}: {}", brief(next.in_seconds), next.text)),
    );
    lines.text
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

    fn add_some(&mut self, name: &str, value: Option<String>) {
        if let Some(value) = value {
            self.add(name, value);
        }
    }
}
