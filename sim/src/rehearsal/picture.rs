//! The timeline of a rehearsal as an SVG picture: a row per pool, every stretch at its true length, with what it
//! was when the pointer rests on it.

use std::fmt::Write;
use std::time::Duration;

use pool_manager_core::Time;

use super::{Outcome, PoolOutcome, Segment, State};

const WIDTH: u32 = 1200;
const NAMES: u32 = 160;
const FIGURES: u32 = 170;
const ROW: u32 = 34;
const BAR: u32 = 22;
const TOP: u32 = 56;

/// The picture, as the text of an SVG file.
#[must_use]
pub fn svg(outcome: &Outcome) -> String {
    let lasts = Duration::from_secs(outcome.simulated_seconds.max(1));
    let rows = u32::try_from(outcome.pools.len()).unwrap_or(u32::MAX / ROW);
    let height = TOP + rows * ROW + 64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"14\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"white\"/>\n\
         <text x=\"12\" y=\"28\" font-size=\"18\">{} of virtual time, seed {}</text>\n",
        humantime::format_duration(lasts),
        outcome.seed
    );
    for (row, pool) in (0..rows).zip(&outcome.pools) {
        draw_pool(&mut svg, pool, TOP + row * ROW, lasts);
    }
    draw_scale(&mut svg, TOP + rows * ROW + 14, lasts);
    draw_legend(&mut svg, TOP + rows * ROW + 44);
    svg.push_str("</svg>\n");
    svg
}

// Writing to a String cannot fail; so its answers are dropped below.

fn draw_pool(svg: &mut String, pool: &PoolOutcome, y: u32, lasts: Duration) {
    let text = y + BAR - 6;
    let name = escaped(&pool.pool);
    let _ = writeln!(svg, "<text x=\"{}\" y=\"{text}\" text-anchor=\"end\">{name}</text>", NAMES - 10);
    for segment in &pool.timeline {
        draw_segment(svg, segment, y, lasts);
    }
    let available = f64::from(pool.availability_per_100_000) / 1000.0;
    let longest = humantime::format_duration(Duration::from_secs(pool.longest_outage.as_secs()));
    let x = WIDTH - FIGURES + 10;
    let _ = writeln!(
        svg,
        "<text x=\"{x}\" y=\"{text}\" font-size=\"12\">{available:.3} %, longest {longest}</text>"
    );
}

fn draw_segment(svg: &mut String, segment: &Segment, y: u32, lasts: Duration) {
    let (from, to) = (place(segment.from, lasts), place(segment.to, lasts));
    let since = segment.from.since(Time::ZERO);
    let said = format!(
        "{} for {} from {}",
        segment.state.label(),
        humantime::format_duration(Duration::from_millis(millis(segment.span()))),
        humantime::format_duration(Duration::from_secs(since.as_secs())),
    );
    // At least a hair's breadth: an outage of a second must be seen in a day.
    let width = (to - from).max(if segment.state == State::Serving { 0.0 } else { 0.6 });
    let _ = writeln!(
        svg,
        "<rect x=\"{from:.2}\" y=\"{y}\" width=\"{width:.2}\" height=\"{BAR}\" fill=\"{}\">\
         <title>{said}</title></rect>",
        colour(segment.state)
    );
}

fn draw_scale(svg: &mut String, y: u32, lasts: Duration) {
    for tenth in 0..=10_u32 {
        let at = lasts * tenth / 10;
        let x = place(Time::ZERO + at, lasts);
        let said = humantime::format_duration(Duration::from_secs(at.as_secs()));
        let _ = writeln!(
            svg,
            "<text x=\"{x:.1}\" y=\"{y}\" font-size=\"11\" fill=\"#555\" text-anchor=\"middle\">{said}</text>"
        );
    }
}

fn draw_legend(svg: &mut String, y: u32) {
    for (place, state) in (0_u32..).zip(State::ALL) {
        let x = NAMES + place * 120;
        let _ = writeln!(
            svg,
            "<rect x=\"{x}\" y=\"{}\" width=\"14\" height=\"14\" fill=\"{}\"/>\
             <text x=\"{}\" y=\"{y}\">{}</text>",
            y - 12,
            colour(state),
            x + 20,
            state.label()
        );
    }
}

/// Where a moment stands, in units of the picture.
fn place(at: Time, lasts: Duration) -> f64 {
    let share = at.since(Time::ZERO).as_secs_f64() / lasts.as_secs_f64();
    f64::from(NAMES) + f64::from(WIDTH - NAMES - FIGURES) * share.min(1.0)
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Colours that people who see red and green alike can tell apart (Okabe and Ito's palette).
const fn colour(state: State) -> &'static str {
    match state {
        State::Serving => "#009e73",
        State::Loading => "#56b4e9",
        State::Waiting => "#e69f00",
        State::Draining => "#0072b2",
        State::Held => "#d55e00",
        State::Stopped => "#dddddd",
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
