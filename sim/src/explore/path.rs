//! The way to a state: which moves lead there, and which inputs they mean. A path is kept as the number of each move
//! among those of its state, and walked again when somebody wants to see it.

use std::fmt;

use pool_manager_core::{Input, Time};

use super::marks::Marks;
use super::moves::moves;
use super::state::State;
use super::step::Log;
use super::world::World;
use crate::oracle::Violation;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// When.
    pub at: Time,
    /// What happens, for people.
    pub what: String,
    /// What the host is told; `None`: nothing yet.
    pub input: Option<Input>,
}

/// A way to a broken property: the one that spends least, and of those one with fewest steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counterexample {
    /// What is broken.
    pub violation: Violation,
    /// From the first state on.
    pub steps: Vec<Step>,
}

impl Counterexample {
    /// Every input with its time, one JSON array a line: a core test feeds them to `Host::handle` in turn.
    #[must_use]
    pub fn inputs_as_json(&self) -> String {
        let inputs = self.steps.iter().filter_map(|step| {
            let input = step.input.as_ref()?;
            // An input is plain data; one that could not be written would only be missing here.
            serde_json::to_string(&(step.at, input)).ok()
        });
        inputs.fold(String::new(), |lines, line| lines + &line + "\n")
    }

    /// Walks the path again.
    pub(super) fn walk(world: &World, violation: Violation, choices: &[u16]) -> Self {
        let mut steps = registered(world);
        let Ok(mut state) = State::first(world) else { return Self { violation, steps } };
        let mut possible = Vec::new();
        for choice in choices {
            moves(&state, world, &mut possible);
            let Some((step, _)) = possible.get(usize::from(*choice)).copied() else { break };
            let mut log = Log::new();
            let went = catch(|| state.apply(step, world, &mut Marks::default(), Some(&mut log)));
            let input = log.pop().map(|(_, input)| input);
            let what = due(&step.to_string(), input.as_ref());
            steps.push(Step { at: state.now, what, input });
            if went.is_err() {
                break;
            }
        }
        Self { violation, steps }
    }
}

fn due(what: &str, input: Option<&Input>) -> String {
    if input.is_none() { format!("{what} (nobody is told)") } else { what.to_owned() }
}

fn registered(world: &World) -> Vec<Step> {
    let register = |(place, input)| Step {
        at: Time::ZERO,
        what: format!("pool {} is registered, wanted up", place + 1),
        input: Some(input),
    };
    world.registrations().enumerate().map(register).collect()
}

/// A panic of the core is a violation with the panic's text: it begins with the invariant's name.
pub(super) fn catch(step: impl FnOnce() -> Result<(), Violation>) -> Result<(), Violation> {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(step)) {
        Ok(result) => result,
        Err(payload) => {
            let text = payload.downcast_ref::<String>().cloned();
            let detail = text.or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            let invariant = "P01: the core does not panic";
            Err(Violation { invariant, detail: detail.unwrap_or_default() })
        }
    }
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.violation)?;
        for (number, Step { at, what, .. }) in self.steps.iter().enumerate() {
            writeln!(f, "  {:>3}. {at:>9}  {what}", number + 1)?;
        }
        Ok(())
    }
}
