//! The strict runner: whatever is undefined, skipped, empty or missing is a failure.
//!
//! cucumber 0.23 would let several of these pass in silence: `fail_on_skipped` is lost when a writer is
//! set after it, and nothing to run counts as success. Test targets call [`main`].

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cucumber::gherkin::{Scenario, StepType};
use cucumber::writer::{Basic, Summarize};
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

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every scenario that was selected passed, and there was one.
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

/// The whole of a test target: arguments from the command line, features from the environment or from
/// `scenarios/`, a fresh backend for every scenario.
pub fn main(backend: fn() -> Box<dyn Backend>) -> ExitCode {
    let arguments = Arguments::parsed();
    let verdict = match feature_path(&|name| std::env::var_os(name).map(PathBuf::from)) {
        Ok(features) => run(&features, arguments, backend),
        Err(reason) => Verdict::Failed { reason },
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
    Ok(package.join("scenarios"))
}

/// Runs the features of a file or folder, one scenario after the other.
#[must_use]
pub fn run(features: &Path, arguments: Arguments, backend: fn() -> Box<dyn Backend>) -> Verdict {
    if !features.exists() {
        return Verdict::Failed { reason: format!("no such feature file or folder: {}", features.display()) };
    }
    let writer = Basic::stdout().summarized();
    let run = PoolWorld::cucumber()
        .with_writer(writer)
        // After the writer: before it, it would be lost.
        .fail_on_skipped()
        .max_concurrent_scenarios(1)
        .before(move |_, _, _, world| async move { world.backend = Some(backend()) }.boxed_local())
        .after(|_, _, scenario, _, _| async move { must_assert(scenario) }.boxed_local())
        .with_cli(arguments)
        .run(features.to_owned());
    judge(&futures::executor::block_on(run))
}

/// A scenario without a Then proves nothing.
fn must_assert(scenario: &Scenario) {
    let asserts = scenario.steps.iter().any(|step| step.ty == StepType::Then);
    assert!(asserts, "the scenario {:?} asserts nothing: it has no Then", scenario.name);
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

type SummarizedWriter = cucumber::writer::Normalize<PoolWorld, Basic>;
