//! Tables: aligned columns without frames; on a terminal coloured, and wrapped to its width.

use std::io::IsTerminal;

use crate::control::{LeaseList, PoolList, PoolStatus, brief};
use comfy_table::{Cell, Color, ContentArrangement, Table, presets};

/// Terminals at least this wide get a table that fits them.
const LEAST_COLUMNS: u16 = 60;

/// Every pool, a row each.
#[must_use]
pub fn pools(list: &PoolList) -> String {
    if list.pools.is_empty() {
        return "no pools are configured\n".to_owned();
    }
    let on_terminal = std::io::stdout().is_terminal();
    let coloured = on_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let mut table =
        empty(on_terminal, ["POOL", "STATE", "SINCE", "MODEL", "LEASES", "PID", "CRASHES", "NOTE"]);
    for pool in &list.pools {
        let state = Cell::new(&pool.state);
        let pid = pool.engine.as_ref().and_then(|engine| engine.pid);
        table.add_row([
            Cell::new(&pool.id),
            if coloured { state.fg(colour(pool)) } else { state },
            Cell::new(brief(pool.since_seconds)),
            Cell::new(model(pool)),
            Cell::new(format!("{}/{}", pool.leases.active, pool.leases.slots)),
            Cell::new(pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string())),
            Cell::new(pool.crashes_total),
            Cell::new(note(pool)),
        ]);
    }
    finished(&table)
}

/// A pool's leases, a row each.
#[must_use]
pub fn leases(list: &LeaseList) -> String {
    if list.leases.is_empty() {
        return format!("{}: no active leases, {} asks wait\n", list.pool, list.queued);
    }
    let on_terminal = std::io::stdout().is_terminal();
    let mut table = empty(on_terminal, ["LEASE", "HOLDER", "PRIORITY", "AGE", "EXPIRES IN"]);
    for lease in &list.leases {
        table.add_row([
            lease.id.clone(),
            lease.holder.clone(),
            format!("{:?}", lease.priority).to_lowercase(),
            brief(lease.granted_seconds),
            lease.expires_in_seconds.map_or_else(|| "with the engine".to_owned(), brief),
        ]);
    }
    finished(&table)
}

/// What an operator wants to know beside the state, in a few words.
fn note(pool: &PoolStatus) -> String {
    if let Some(drain) = &pool.drain {
        return format!("deadline in {}", brief(drain.deadline_in_seconds));
    }
    if let Some(gate) = pool.gates.first() {
        return match gate.in_seconds {
            Some(wait) => format!("{}, {}", gate.gate, brief(wait)),
            None => gate.gate.clone(),
        };
    }
    if pool.ready {
        return String::new();
    }
    let held = pool.held.map(|held| held.label().to_owned());
    let error = pool.last_error.as_ref().filter(|_| pool.wanted_up).map(|error| error.verdict.text.clone());
    held.into_iter().chain(error).collect::<Vec<_>>().join(": ")
}

/// The model's own name: a path's last part.
fn model(pool: &PoolStatus) -> &str {
    pool.catalog.model.rsplit('/').next().unwrap_or_default()
}

fn colour(pool: &PoolStatus) -> Color {
    match (pool.ready, pool.held.is_some()) {
        (true, _) => Color::Green,
        (false, true) => Color::Red,
        (false, false) if pool.wanted_up || pool.live => Color::Yellow,
        (false, false) => Color::Reset,
    }
}

fn empty<const COLUMNS: usize>(on_terminal: bool, header: [&str; COLUMNS]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(header);
    // On a narrow terminal, or one that does not say how wide it is, the terminal's own wrapping
    // reads better than columns of single letters.
    let wide = on_terminal && table.width().is_some_and(|columns| columns >= LEAST_COLUMNS);
    let arrangement = if wide { ContentArrangement::Dynamic } else { ContentArrangement::Disabled };
    table.set_content_arrangement(arrangement);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
}

/// The table's lines without blanks at their ends.
fn finished(table: &Table) -> String {
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}
