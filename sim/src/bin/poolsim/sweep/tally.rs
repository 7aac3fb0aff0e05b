//! What a sweep adds up to, for people and for programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use pool_manager_sim::fault::FAMILIES;
use pool_manager_sim::marks::{Mark, Marks};
use serde_json::{Value, json};

use super::one::{Failed, Outcome};
use crate::failure::Found;

/// The sum of all outcomes so far.
#[derive(Debug)]
pub(super) struct Tally {
    jobs: usize,
    begun: Instant,
    cpu_begun: Duration,
    wall: Duration,
    cpu: Duration,
    seeds: u64,
    steps: u64,
    simulated: Duration,
    struck: BTreeMap<&'static str, u64>,
    marks: Marks,
    failures: Vec<Failed>,
    differs: Vec<(u64, String)>,
}

impl Tally {
    pub(super) fn begin(jobs: usize) -> Self {
        Self {
            jobs,
            begun: Instant::now(),
            cpu_begun: cpu_time(),
            wall: Duration::ZERO,
            cpu: Duration::ZERO,
            seeds: 0,
            steps: 0,
            simulated: Duration::ZERO,
            // Every family, so that one which never struck is seen.
            struck: FAMILIES.iter().map(|family| (family.name, 0)).collect(),
            marks: Marks::default(),
            failures: Vec::new(),
            differs: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, outcome: Outcome) {
        self.seeds += 1;
        match outcome.result {
            Ok(report) => {
                self.steps += report.steps;
                self.simulated += report.simulated;
                self.marks.union(&report.marks);
                for (family, times) in report.struck {
                    *self.struck.entry(family).or_default() += times;
                }
            }
            Err(failed) => {
                self.steps += failed.failure.step;
                self.simulated += failed.failure.at;
                for strike in &failed.plan.strikes {
                    *self.struck.entry(strike.fault.name()).or_default() += 1;
                }
                self.failures.push(*failed);
            }
        }
        self.differs.extend(outcome.differs.map(|differs| (outcome.seed, differs)));
    }

    /// All seeds are done; what follows does not count as their time.
    pub(super) fn stop_clock(&mut self) {
        (self.wall, self.cpu) = (self.begun.elapsed(), cpu_time().saturating_sub(self.cpu_begun));
    }

    pub(super) fn failures(&self) -> Vec<Failed> {
        self.failures.clone()
    }

    pub(super) const fn different(&self) -> bool {
        !self.differs.is_empty()
    }

    /// Marks that never fired, by name.
    pub(super) fn unfired(&self) -> Vec<String> {
        self.marks.unfired().map(|mark| mark.to_string()).collect()
    }

    /// For programs.
    pub(super) fn json(&self, found: &[Found]) -> String {
        let differs = self.differs.iter().map(|(seed, differs)| json!({"seed": seed, "difference": differs}));
        let said = json!({
            "seeds": self.seeds,
            "steps": self.steps,
            "simulated_seconds": self.simulated.as_secs(),
            "faults": self.struck,
            "marks_fired": self.marks.fired().map(|mark| mark.to_string()).collect::<Vec<_>>(),
            "marks_unfired": self.unfired(),
            "violations": found.iter().map(Found::json).collect::<Vec<_>>(),
            "not_deterministic": differs.collect::<Value>(),
            "steps_per_second": self.per_second(self.steps).round(),
            "seeds_per_second": self.per_second(self.seeds),
            "per": "second of processor time, so for one core",
            "wall_seconds": self.wall.as_secs_f64(),
            "processor_seconds": self.cpu.as_secs_f64(),
            "jobs": self.jobs,
        });
        format!("{said}\n")
    }

    /// For people. Marks are named where they were `demanded`.
    pub(super) fn text(&self, found: &[Found], demanded: bool) -> String {
        let mut said: String = found.iter().map(|found| found.text() + "\n").collect();
        for (seed, differs) in &self.differs {
            // A string takes any text.
            let _ = writeln!(said, "not deterministic: seed {seed}, {differs}\n");
        }
        let strikes: u64 = self.struck.values().sum();
        let families = self.struck.values().filter(|times| **times > 0).count();
        let simulated = humantime::format_duration(Duration::from_secs(self.simulated.as_secs()));
        let _ = writeln!(said, "{} seeds, {} steps, {simulated} simulated", self.seeds, grouped(self.steps));
        let _ =
            writeln!(said, "{} strikes of {families} families out of {}", grouped(strikes), FAMILIES.len());
        let _ = writeln!(
            said,
            "{} steps/s and {:.1} seeds/s on one core; {:.1} s on {} at once",
            grouped(self.per_second(self.steps).round() as u64),
            self.per_second(self.seeds),
            self.wall.as_secs_f64(),
            self.jobs,
        );
        let (all, unfired) = (Mark::all().count(), self.unfired());
        let _ = writeln!(said, "{} of {all} coverage marks fired", all - unfired.len());
        let is_missed = demanded && found.is_empty() && self.differs.is_empty() && !unfired.is_empty();
        if is_missed {
            let _ = writeln!(said, "never: {}", unfired.join(", "));
            let _ =
                writeln!(said, "MARKS MISSED: take more seeds, or find out what keeps these from happening");
            return said;
        }
        let _ = match (found.len(), self.differs.len()) {
            (0, 0) => writeln!(said, "nothing is broken"),
            (0, _) => writeln!(said, "NOT DETERMINISTIC"),
            (found, _) => writeln!(said, "BROKEN: {found} of {} seeds", self.seeds),
        };
        said
    }

    fn per_second(&self, count: u64) -> f64 {
        count as f64 / self.cpu.as_secs_f64().max(1e-9)
    }
}

/// Processor time of the whole process; nothing where the kernel will not say.
fn cpu_time() -> Duration {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).map(Duration::from).unwrap_or_default()
}

/// `1 234 567`, as people read it.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut said = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            said.push(' ');
        }
        said.push(digit);
    }
    said
}

#[cfg(test)]
mod tests {
    #[test]
    fn large_numbers_are_read_in_groups() {
        assert_eq!(
            ["7", "123", "1 234", "1 234 567"],
            [7, 123, 1234, 1_234_567].map(super::grouped).map(String::leak)
        );
    }
}
