//! The timeline of a rehearsal for a terminal: a row per pool, a cell per stretch of time. A cell shows the worst
//! that happened in it, so a short outage of a long run is still seen.

use std::fmt::Write;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use pool_manager_core::Time;

use super::{Outcome, PoolOutcome, State};

/// Rows of `columns` cells, a scale and a legend; with colours or without.
#[must_use]
pub fn draw(outcome: &Outcome, columns: usize, coloured: bool) -> String {
    let names = outcome.pools.iter().map(|pool| pool.pool.chars().count()).max().unwrap_or(0);
    let cells = columns.saturating_sub(names + 2).max(20);
    let lasts = Duration::from_secs(outcome.simulated_seconds);
    let mut drawn = String::new();
    for pool in &outcome.pools {
        let row: String = (0..cells).map(|cell| painted(worst(pool, lasts, cell, cells), coloured)).collect();
        // Writing to a String cannot fail.
        let _ = writeln!(drawn, "{:names$}  {row}", pool.pool);
    }
    let end = humantime::format_duration(lasts).to_string();
    let _ = writeln!(drawn, "{:names$}  0{end:>width$}", "", width = cells - 1);
    let legend: Vec<String> = State::ALL
        .into_iter()
        .map(|state| format!("{} {}", painted(Some(state), coloured), state.label()))
        .collect();
    let _ = writeln!(drawn, "{:names$}  {}", "", legend.join("  "));
    drawn
}

/// The worst state that the pool was in during a cell; `None`: it was not there.
fn worst(pool: &PoolOutcome, lasts: Duration, cell: usize, cells: usize) -> Option<State> {
    let share = |part: usize| {
        let nanos = lasts.as_nanos() * part as u128 / cells.max(1) as u128;
        Time::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    };
    let (from, to) = (share(cell), share(cell + 1));
    let seen = pool.timeline.iter().filter(|segment| segment.from < to && segment.to > from);
    seen.map(|segment| segment.state).max_by_key(|state| badness(*state))
}

/// What a person must see first.
const fn badness(state: State) -> u8 {
    match state {
        State::Stopped => 0,
        State::Serving => 1,
        State::Draining => 2,
        State::Loading => 3,
        State::Waiting => 4,
        State::Held => 5,
    }
}

fn painted(state: Option<State>, coloured: bool) -> String {
    let Some(state) = state else { return " ".to_owned() };
    let (glyph, colour) = match state {
        State::Serving => ('█', AnsiColor::Green),
        State::Loading => ('▒', AnsiColor::Cyan),
        State::Waiting => ('░', AnsiColor::Yellow),
        State::Draining => ('▄', AnsiColor::Blue),
        State::Held => ('✗', AnsiColor::Red),
        State::Stopped => ('·', AnsiColor::BrightBlack),
    };
    let style = Style::new().fg_color(Some(colour.into()));
    if coloured { format!("{style}{glyph}{style:#}") } else { glyph.to_string() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::Segment;
    use super::*;

    #[test]
    fn a_cell_shows_the_worst_that_happened_in_it() {
        let at = |secs| Time::ZERO + Duration::from_secs(secs);
        let segment = |state, from, to| Segment { state, from: at(from), to: at(to) };
        let pool = PoolOutcome {
            pool: "chat".to_owned(),
            availability_per_100_000: 0,
            outages: 1,
            longest_outage: Duration::from_secs(1),
            first_ready: None,
            crashes: BTreeMap::new(),
            storms: 0,
            time_in: BTreeMap::new(),
            leases: BTreeMap::new(),
            timeline: vec![
                segment(State::Loading, 0, 10),
                segment(State::Serving, 10, 55),
                segment(State::Waiting, 55, 56),
                segment(State::Serving, 56, 100),
            ],
        };
        let outcome =
            Outcome { seed: 1, simulated_seconds: 100, steps: 0, faults: BTreeMap::new(), pools: vec![pool] };
        let drawn = draw(&outcome, 26, false);
        assert_eq!(drawn.lines().next(), Some("chat  ▒▒█████████░████████"));
    }
}
