//! Times and spans of strikes are rounded as coarsely as the failure allows: a reader of `5s` asks less than one
//! of `4s 821ms 377us`.

use std::time::Duration;

use toml::{Table, Value};

use super::Search;
use crate::plan::{Failure, Plan, Strike};

/// From coarse to fine.
const GRAINS: [Duration; 5] = [
    Duration::from_secs(60),
    Duration::from_secs(10),
    Duration::from_secs(1),
    Duration::from_millis(100),
    Duration::from_millis(1),
];

impl<R: FnMut(&Plan) -> Option<Failure>> Search<R> {
    pub(super) fn round_times(&mut self) {
        for number in 0..self.best.strikes.len() {
            let Ok(table) = Table::try_from(&self.best.strikes[number]) else { continue };
            let spans: Vec<(String, Duration)> = table
                .iter()
                .filter_map(|(key, value)| {
                    Some((key.clone(), humantime::parse_duration(value.as_str()?).ok()?))
                })
                .collect();
            for (key, span) in spans {
                self.round(number, &key, span);
            }
        }
    }

    fn round(&mut self, number: usize, key: &str, span: Duration) {
        for grain in GRAINS {
            let rounded = [down(span, grain), up(span, grain)];
            if rounded[0] == span
                || rounded.into_iter().any(|rounded| self.take_rounded(number, key, rounded))
            {
                return;
            }
        }
    }

    fn take_rounded(&mut self, number: usize, key: &str, rounded: Duration) -> bool {
        let Ok(mut table) = Table::try_from(&self.best.strikes[number]) else { return false };
        table.insert(key.to_owned(), Value::String(humantime::format_duration(rounded).to_string()));
        let Ok(strike) = table.try_into::<Strike>() else { return false };
        let mut plan = self.best.clone();
        plan.strikes[number] = strike;
        plan.setup.lasts = plan.setup.lasts.max(plan.strikes[number].at);
        self.take(plan)
    }
}

/// The next whole second; never nothing.
pub(super) fn whole_seconds(span: Duration) -> Duration {
    up(span, Duration::from_secs(1)).max(Duration::from_secs(1))
}

fn down(span: Duration, grain: Duration) -> Duration {
    let grains = span.as_nanos() / grain.as_nanos();
    grain.saturating_mul(u32::try_from(grains).unwrap_or(u32::MAX))
}

fn up(span: Duration, grain: Duration) -> Duration {
    let down = down(span, grain);
    if down == span { span } else { down + grain }
}
