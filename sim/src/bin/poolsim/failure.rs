//! The report of a broken invariant: what broke, the smallest plan that shows it, and how to see it again.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use pool_manager_sim::plan::{Failure, Plan, Report, Run};
use pool_manager_sim::shrink;
use serde_json::{Value, json};

use crate::canary::Canary;
use crate::guard::guarded;
use crate::{VERSION, Verdict};

/// A failure as it is reported.
#[derive(Debug)]
pub(super) struct Found {
    /// Whose run it was; `None`: a plan's.
    pub(super) seed: Option<u64>,
    /// How the plan fails.
    pub(super) failure: Failure,
    /// The plan: the smallest there is, or the one that was drawn if it does not fail again.
    pub(super) plan: Plan,
    /// Runs that shrinking took; `None`: it was not shrunk.
    pub(super) runs: Option<u32>,
    /// The same plan did not fail again.
    pub(super) vanished: bool,
    /// Where the plan was written.
    pub(super) file: Option<PathBuf>,
    canary: Option<Canary>,
}

/// Runs a plan: what broke, if anything did.
pub(super) fn fails(plan: &Plan, canary: Option<Canary>) -> Option<Failure> {
    run(plan, canary).err()
}

/// Runs a plan to its end, with what is planted.
pub(super) fn run(plan: &Plan, canary: Option<Canary>) -> Result<(Report, Run), Failure> {
    let ran = guarded(|| {
        let mut run = Run::of(plan.clone());
        canary.iter().for_each(|canary| canary.plant(&mut run));
        run.to_end().map(|report| (report, run))
    });
    ran.unwrap_or_else(|what| Err(of_panic(what)))
}

/// A panic outside of [`Run::to_end`], where none may be.
pub(super) fn of_panic(what: String) -> Failure {
    Failure { invariant: "panic".to_owned(), what, ..Failure::default() }
}

impl Found {
    /// Shrinks what failed.
    pub(super) fn shrink(seed: Option<u64>, plan: Plan, failure: Failure, canary: Option<Canary>) -> Self {
        match shrink::shrink(&plan, |plan| fails(plan, canary)) {
            Some(shrunk) if shrunk.failure.invariant == failure.invariant => Self {
                seed,
                failure: shrunk.failure,
                plan: shrunk.plan,
                runs: Some(shrunk.runs),
                vanished: false,
                file: None,
                canary,
            },
            Some(_) | None => Self { seed, failure, plan, runs: None, vanished: true, file: None, canary },
        }
    }

    /// A failure that is reported as it was drawn.
    pub(super) const fn as_drawn(
        seed: Option<u64>,
        plan: Plan,
        failure: Failure,
        canary: Option<Canary>,
    ) -> Self {
        Self { seed, failure, plan, runs: None, vanished: false, file: None, canary }
    }

    /// Writes the plan into a folder, under a name of its own.
    pub(super) fn write_into(&mut self, folder: &Path) -> Result<(), String> {
        let from = self.seed.map_or_else(|| "plan".to_owned(), |seed| format!("seed-{seed}"));
        let file = folder.join(format!("{from}-{}.toml", self.failure.invariant));
        fs::create_dir_all(folder).map_err(|error| unwritable(folder, &error))?;
        self.write_to(file)
    }

    /// Writes the plan.
    pub(super) fn write_to(&mut self, file: PathBuf) -> Result<(), String> {
        let text = format!("# {}\n# found by poolsim {VERSION}\n\n{}", self.failure.what, self.plan);
        fs::write(&file, text).map_err(|error| unwritable(&file, &error))?;
        self.file = Some(file);
        Ok(())
    }

    /// What the exit code says of it.
    pub(super) fn verdict(&self) -> Verdict {
        match () {
            () if self.vanished => Verdict::NotDeterministic,
            () if self.failure.is_liveness() => Verdict::Stuck,
            () => Verdict::Unsafe,
        }
    }

    /// One command that shows it again.
    fn command(&self) -> Option<String> {
        let canary = match self.canary {
            Some(Canary::Safety) => " --canary safety",
            Some(Canary::Liveness) => " --canary liveness",
            Some(Canary::Determinism) | None => "",
        };
        self.file.as_ref().map(|file| format!("poolsim replay {} --trace{canary}", quoted(file)))
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let Failure { what, at, step, trace, .. } = &self.failure;
        let mut said = String::new();
        // A string takes any text.
        let _ = writeln!(said, "broken: {what}");
        if let Some(seed) = self.seed {
            let _ = writeln!(said, "  seed     {seed}");
        }
        let _ = writeln!(said, "  version  {VERSION}");
        let _ = writeln!(said, "  when     {} into the run, step {step}", humantime::format_duration(*at));
        if self.vanished {
            said.push_str(
                "  NOT DETERMINISTIC: the plan that was drawn does not fail when it is replayed. Compare the draws \
                 of two runs with `poolsim sweep --check-determinism`.\n",
            );
        }
        let _ = write!(said, "\nThe last steps (-> into the core, <- out of it):\n{trace}");
        let strikes = self.plan.strikes.len();
        let plan = indented(&self.plan.to_string());
        let _ = match self.runs {
            Some(runs) => {
                write!(said, "\nThe smallest plan, {strikes} strikes, found in {runs} runs:\n\n{plan}")
            }
            None => Ok(()),
        };
        if let (Some(file), Some(command)) = (&self.file, self.command()) {
            let _ = write!(said, "\nIt is in {}. To see it again:\n\n  {command}\n", file.display());
        }
        said
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        json!({
            "seed": self.seed,
            "invariant": self.failure.invariant,
            "what": self.failure.what,
            "at_seconds": self.failure.at.as_secs_f64(),
            "step": self.failure.step,
            "version": VERSION,
            "reproduced": !self.vanished,
            "plan": self.plan.to_string(),
            "plan_file": self.file,
            "replay": self.command(),
            "last_steps": self.failure.trace.lines().map(str::trim).collect::<Vec<_>>(),
        })
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("  {line}\n") }).collect()
}

fn unwritable(path: &Path, error: &std::io::Error) -> String {
    format!("{}: cannot be written: {error}; name another folder with --plans", path.display())
}

/// As a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-".contains(letter);
    if text.chars().all(is_plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}
