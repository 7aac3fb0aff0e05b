//! Seeds over threads. Outcomes are handed on in the order of their seeds, so that what is printed does not depend
//! on how many threads there are or which is faster.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::one::{How, Outcome};

/// What is over sooner needs no progress bar.
const BAR_AFTER: Duration = Duration::from_secs(2);

/// Runs every seed and hands on what came of it, in order, until `take` says that it has seen enough.
pub(super) fn in_order(seeds: Range<u64>, jobs: usize, how: &How<'_>, mut take: impl FnMut(Outcome) -> bool) {
    let next = AtomicU64::new(seeds.start);
    // Nobody begins a seed from here on.
    let end = AtomicU64::new(seeds.end);
    let mut bar = Bar::new(seeds.end - seeds.start);
    thread::scope(|scope| {
        let (send, outcomes) = mpsc::channel();
        for _ in 0..jobs {
            let (send, next, end) = (send.clone(), &next, &end);
            scope.spawn(move || {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end.load(Ordering::Relaxed) || send.send(how.run(seed)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(send);
        let mut early = BTreeMap::new();
        let mut due = seeds.start;
        for outcome in outcomes {
            early.insert(outcome.seed, outcome);
            while let Some(outcome) = early.remove(&due) {
                due += 1;
                bar.advance();
                if !take(outcome) {
                    end.store(0, Ordering::Relaxed);
                    return;
                }
            }
        }
    });
    bar.0.finish_and_clear();
}

/// On a terminal only, and only where there is something to wait for.
struct Bar(ProgressBar, Instant);

impl Bar {
    fn new(seeds: u64) -> Self {
        let bar = ProgressBar::with_draw_target(Some(seeds), ProgressDrawTarget::hidden());
        if let Ok(style) =
            ProgressStyle::with_template("{bar:40} {pos} of {len} seeds, {per_sec}, {eta} left")
        {
            bar.set_style(style);
        }
        Self(bar, Instant::now())
    }

    fn advance(&mut self) {
        self.0.inc(1);
        if self.0.is_hidden() && std::io::stderr().is_terminal() && self.1.elapsed() > BAR_AFTER {
            self.0.set_draw_target(ProgressDrawTarget::stderr_with_hz(5));
        }
    }
}
