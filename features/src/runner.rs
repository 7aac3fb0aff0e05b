//! The strict runner: whatever is undefined, skipped, empty or missing is a failure.
//!
//! cucumber 0.23 would let several of these pass in silence: `fail_on_skipped` is lost when a writer is
//! set after it, and nothing to run counts as success. Test targets call [`main`].
//!
//! Every scenario runs once under every seed. At the end each gets one line with a hash of all its runs, so
//! that two runs of the same code can be compared by their output: no clock is in it, and no random order.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;

use cucumber::event::ScenarioFinished;
use cucumber::gherkin::{Feature, Scenario, StepType};
use cucumber::writer::basic::Coloring;
use cucumber::writer::{Basic, Summarize, Verbosity};
use cucumber::{World as _, WriterExt as _, cli};
use futures::FutureExt as _;

use crate::backend::Backend;
use crate::world::PoolWorld;

/// What is given on the command line: `--tags`, `--name` and cucumber's own.
pub type Arguments = cli::Opts<
    cucumber::parser::basic::Cli,
    cucumber::runner::basic::Cli,
    cucumber::writer::basic::Cli,
    cli::Empty,
>;

/// Makes the host of one scenario from a seed.
pub type MakeBackend = fn(u64) -> Box<dyn Backend>;

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every scenario that was selected passed, under every seed, and there was one.
    Passed {
        /// How many.
        scenarios: usize,
    },
    /// Something failed; the summary above it says what.
    Failed {
        /// In one line.
        reason: String,
    },
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed { scenarios } => write!(f, "{scenarios} scenarios passed"),
            Self::Failed { reason } => write!(f, "FAILED: {reason}"),
        }
    }
}

/// A whole run.
#[derive(Clone, Debug)]
pub struct Report {
    /// How it ended.
    pub verdict: Verdict,
    /// Every scenario that was run, by place.
    pub scenarios: Vec<ScenarioResult>,
}

/// One scenario, under every seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScenarioResult {
    /// The feature file, relative to where the runner looked, and the scenario's line in it.
    pub place: (String, usize),
    /// Its name.
    pub name: String,
    /// Its tags and its feature's, without `@`.
    pub tags: Vec<String>,
    /// Whether it passed under every seed.
    pub passed: bool,
    /// What its runs were, as one number; `None` where runs are never the same.
    pub hash: Option<u64>,
}

impl fmt::Display for ScenarioResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (file, line) = &self.place;
        let mark = if self.passed { "" } else { "  FAILED" };
        match self.hash {
            Some(hash) => write!(f, "{hash:016x}  {file}:{line}  {}{mark}", self.name),
            None => write!(f, "{file}:{line}  {}{mark}", self.name),
        }
    }
}

/// The seed of a run that names none: any does, for scenarios say what must hold whatever the order of
/// simultaneous things.
const FIRST_SEED: u64 = 42;

/// The whole of a test target: arguments from the command line, features and seeds from the environment, a
/// fresh backend for every scenario.
pub fn main(backend: MakeBackend) -> ExitCode {
    let arguments = Arguments::parsed();
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let verdict = match (feature_path(&variable), seeds(&|name| std::env::var(name).ok())) {
        (Ok(features), Ok(seeds)) => {
            let report = run(&features, &arguments, seeds, backend);
            report.scenarios.iter().for_each(|scenario| println!("{scenario}"));
            report.verdict
        }
        (Err(reason), _) | (_, Err(reason)) => Verdict::Failed { reason },
    };
    println!("{verdict}");
    match verdict {
        Verdict::Passed { .. } => ExitCode::SUCCESS,
        Verdict::Failed { .. } => ExitCode::FAILURE,
    }
}

/// The file or folder to run: `BDD_FEATURE_PATH`, or the older `LLORCH_BDD_FEATURE_PATH`, as it stands or
/// relative to the workspace; without either, all scenarios.
///
/// # Errors
/// One line that says which variable names something that is not there.
pub fn feature_path(variable: &dyn Fn(&str) -> Option<PathBuf>) -> Result<PathBuf, String> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let workspace = package.parent().unwrap_or(package);
    for name in ["BDD_FEATURE_PATH", "LLORCH_BDD_FEATURE_PATH"] {
        let Some(path) = variable(name).filter(|path| !path.as_os_str().is_empty()) else { continue };
        // Joining an absolute path gives that path.
        let found =
            [path.clone(), workspace.join(&path), package.join(&path)].into_iter().find(|p| p.exists());
        return found.ok_or_else(|| {
            format!("{name}={} is not there: give a .feature file or a folder of them", path.display())
        });
    }
    Ok(scenarios())
}

/// Where all scenarios are.
#[must_use]
pub fn scenarios() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios")
}

/// The seeds to run under: `FEATURES_SEEDS` of them, or the one that `FEATURES_SEED` names; without either,
/// one.
///
/// # Errors
/// One line that says which variable holds no number.
pub fn seeds(variable: &dyn Fn(&str) -> Option<String>) -> Result<Range<u64>, String> {
    let number = |name: &str| match variable(name) {
        Some(text) => {
            text.parse::<u64>().map(Some).map_err(|_| format!("{name}={text} is not a number: give one"))
        }
        None => Ok(None),
    };
    match (number("FEATURES_SEED")?, number("FEATURES_SEEDS")?) {
        (Some(seed), _) => Ok(seed..seed + 1),
        (None, Some(0)) => Err("FEATURES_SEEDS=0 would prove nothing: give 1 or more".to_owned()),
        (None, count) => Ok(FIRST_SEED..FIRST_SEED + count.unwrap_or(1)),
    }
}

/// Runs the features of a file or folder, one scenario after the other, under one seed after the other.
#[must_use]
pub fn run(features: &Path, arguments: &Arguments, seeds: Range<u64>, backend: MakeBackend) -> Report {
    let mut results = BTreeMap::new();
    let mut verdict = Verdict::Failed { reason: "no seed was given".to_owned() };
    if !features.exists() {
        let reason = format!("no such feature file or folder: {}", features.display());
        return Report { verdict: Verdict::Failed { reason }, scenarios: Vec::new() };
    }
    for seed in seeds.clone() {
        // The first seed's output is shown; another's only when it failed.
        let output = Output { shown: seed == seeds.start, kept: Rc::default() };
        let of_seed = run_once(features, arguments, seed, backend, output.clone());
        let failed = matches!(of_seed.0, Verdict::Failed { .. });
        if failed && !output.shown {
            print!("{}", String::from_utf8_lossy(&output.kept.borrow()));
        }
        of_seed.1.into_iter().for_each(|result| merge(&mut results, result));
        verdict = of_seed.0;
        if let Verdict::Failed { reason } = &mut verdict {
            reason.push_str(&format!(" (seed {seed})"));
            break;
        }
    }
    Report { verdict, scenarios: results.into_values().collect() }
}

type Results = BTreeMap<(String, usize), ScenarioResult>;

fn run_once(
    features: &Path,
    arguments: &Arguments,
    seed: u64,
    backend: MakeBackend,
    output: Output,
) -> (Verdict, Vec<ScenarioResult>) {
    let writer = Basic::new(output, Coloring::Auto, Verbosity::Default).summarized();
    let results: Rc<RefCell<Vec<ScenarioResult>>> = Rc::default();
    let (kept, root) = (Rc::clone(&results), features.to_owned());
    let run = PoolWorld::cucumber()
        .with_writer(writer)
        // After the writer: before it, it would be lost.
        .fail_on_skipped()
        .max_concurrent_scenarios(1)
        .before(move |_, _, _, world| async move { world.backend = Some(backend(seed)) }.boxed_local())
        .after(move |feature, _, scenario, finished, world| {
            let result = result_of(&root, feature, scenario, finished, world.as_deref());
            kept.borrow_mut().push(result);
            async move { must_assert(scenario) }.boxed_local()
        })
        .with_cli(arguments.clone())
        .run(features.to_owned());
    let verdict = judge(&futures::executor::block_on(run));
    let results = results.take();
    (verdict, results)
}

fn result_of(
    root: &Path,
    feature: &Feature,
    scenario: &Scenario,
    finished: &ScenarioFinished,
    world: Option<&PoolWorld>,
) -> ScenarioResult {
    let path = feature.path.as_deref().unwrap_or(Path::new(""));
    let relative = path.strip_prefix(root).ok().filter(|path| !path.as_os_str().is_empty());
    let file = relative.or(path.file_name().map(Path::new)).unwrap_or(path);
    ScenarioResult {
        place: (file.display().to_string(), scenario.position.line),
        name: scenario.name.clone(),
        tags: feature.tags.iter().chain(&scenario.tags).cloned().collect(),
        passed: asserts(scenario) && matches!(finished, ScenarioFinished::StepPassed),
        hash: world.and_then(|world| world.backend.as_ref()?.fingerprint()),
    }
}

/// One more run of the same scenario.
fn merge(results: &mut Results, result: ScenarioResult) {
    match results.get_mut(&result.place) {
        None => {
            results.insert(result.place.clone(), result);
        }
        Some(known) => {
            known.passed &= result.passed;
            // As in FNV: the order of the seeds matters.
            known.hash = known
                .hash
                .zip(result.hash)
                .map(|(all, one)| all.rotate_left(5).wrapping_mul(0x0000_0100_0000_01b3) ^ one);
        }
    }
}

fn asserts(scenario: &Scenario) -> bool {
    scenario.steps.iter().any(|step| step.ty == StepType::Then)
}

/// A scenario without a Then proves nothing.
fn must_assert(scenario: &Scenario) {
    assert!(asserts(scenario), "the scenario {:?} asserts nothing: it has no Then", scenario.name);
}

fn judge<W>(summary: &W) -> Verdict
where
    W: cucumber::writer::Stats<PoolWorld> + std::ops::Deref<Target = Summarize<SummarizedWriter>>,
{
    let scenarios = summary.scenarios_stats();
    let failed = |reason: String| Verdict::Failed { reason };
    if summary.parsing_errors() > 0 {
        return failed(format!("{} feature files could not be read", summary.parsing_errors()));
    }
    if summary.execution_has_failed() || scenarios.failed > 0 {
        return failed(format!("{} scenarios failed", scenarios.failed.max(1)));
    }
    if summary.skipped_steps() > 0 || scenarios.skipped > 0 {
        return failed(format!("{} scenarios were skipped", scenarios.skipped.max(1)));
    }
    if scenarios.passed == 0 || summary.passed_steps() == 0 {
        return failed("no scenario was run: does the path, tag or name fit any?".to_owned());
    }
    Verdict::Passed { scenarios: scenarios.passed }
}

type SummarizedWriter = cucumber::writer::Normalize<PoolWorld, Basic<Output>>;

/// Shows what is written, or keeps it until it is known whether anybody wants to see it.
#[derive(Clone, Debug)]
struct Output {
    shown: bool,
    kept: Rc<RefCell<Vec<u8>>>,
}

impl io::Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.shown {
            return io::stdout().write(bytes);
        }
        self.kept.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.shown { io::stdout().flush() } else { Ok(()) }
    }
}
