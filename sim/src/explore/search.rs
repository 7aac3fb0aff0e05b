//! The search itself: states in the order of what was spent on the way, then of steps.

use std::collections::VecDeque;
use std::fmt;

use pool_manager_core::Fingerprint;

use super::always::Property;
use super::marks::{Mark, Marks};
use super::moves::{Move, moves};
use super::path::{Counterexample, catch};
use super::settle::Graph;
use super::state::State;
use super::table::{Budget, Searched, Table};
use super::world::World;
use crate::oracle::Violation;

/// How a search went that found nothing wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Different states.
    pub states: u32,
    /// Steps that were tried.
    pub transitions: u64,
    /// States that were expanded, some with several budgets.
    pub expansions: u64,
    /// Most steps on the way to a state.
    pub depth: u32,
    /// States in which everything is at rest as it should be.
    pub settled: u32,
    /// Most bytes of states that waited for their turn.
    pub waiting_bytes: u64,
    /// What was seen of what must be seen sometimes.
    pub marks: Vec<Mark>,
}

/// How far a search is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Different states so far.
    pub states: u32,
    /// Steps tried so far.
    pub transitions: u64,
    /// States that wait for their turn.
    pub waiting: u64,
    /// What was spent on the way to the states that are searched now.
    pub spent: u32,
}

/// What a search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// A property that always holds does not.
    Broken(Counterexample),
    /// From here nothing settles any more, though nothing else goes wrong.
    NeverSettles(Counterexample),
    /// The world is larger than [`World::most_states`].
    TooLarge {
        /// So many were found.
        states: u32,
    },
    /// What must happen sometimes never did: the search has not seen what it claims to.
    Unseen(Vec<Mark>),
}

/// Searches a world.
///
/// # Errors
/// What it found.
pub fn run(world: &World, progress: &mut dyn FnMut(Progress)) -> Result<Summary, Failure> {
    run_with(world, &[], progress)
}

/// Searches a world, with properties that must always hold besides those of the core.
///
/// # Errors
/// What it found.
pub fn run_with(
    world: &World,
    also: &[Property],
    progress: &mut dyn FnMut(Progress),
) -> Result<Summary, Failure> {
    let mut search = Search::new(world, also);
    search.begin()?;
    while let Some(waiting) = search.next() {
        search.expand(&waiting, progress)?;
    }
    search.finish()
}

/// Nothing came before the first state.
const NOWHERE: u32 = u32::MAX;
/// Steps between two reports of progress.
const REPORT_EVERY: u64 = 1 << 17;

struct Search<'a> {
    world: &'a World,
    also: &'a [Property],
    table: Table,
    searched: Vec<Searched>,
    expanded: Vec<bool>,
    visits: Vec<Visit>,
    /// States that wait for their turn, by what was spent on the way.
    tiers: Vec<VecDeque<Waiting>>,
    tier: usize,
    graph: Graph,
    marks: Marks,
    transitions: u64,
    expansions: u64,
    depth: u32,
    waiting_bytes: u64,
    most_waiting_bytes: u64,
    scratch: Fingerprint,
    /// What every state led to when it was first expanded, for [`World::check_fingerprints`].
    led_to: Vec<Option<u64>>,
}

/// A state at the end of one way to it.
#[derive(Clone, Copy, Debug)]
struct Visit {
    state: u32,
    from: u32,
    choice: u16,
}

#[derive(Debug)]
struct Waiting {
    bytes: Box<[u8]>,
    visit: u32,
    depth: u32,
    left: Budget,
}

impl<'a> Search<'a> {
    fn new(world: &'a World, also: &'a [Property]) -> Self {
        let all = Budget { faults: world.faults, acts: world.acts };
        Self {
            world,
            also,
            table: Table::new(),
            searched: Vec::new(),
            expanded: Vec::new(),
            visits: Vec::new(),
            tiers: (0..=all.total()).map(|_| VecDeque::new()).collect(),
            tier: 0,
            graph: Graph::default(),
            marks: Marks::default(),
            transitions: 0,
            expansions: 0,
            depth: 0,
            waiting_bytes: 0,
            most_waiting_bytes: 0,
            scratch: Fingerprint::default(),
            led_to: Vec::new(),
        }
    }

    fn begin(&mut self) -> Result<(), Failure> {
        let first = State::first(self.world).map_err(|violation| self.broken(violation, NOWHERE, None))?;
        let all = Budget { faults: self.world.faults, acts: self.world.acts };
        self.arrive(&first, NOWHERE, 0, 0, all);
        Ok(())
    }

    fn next(&mut self) -> Option<Waiting> {
        while let Some(tier) = self.tiers.get_mut(self.tier) {
            if let Some(waiting) = tier.pop_front() {
                self.waiting_bytes -= waiting.bytes.len() as u64;
                return Some(waiting);
            }
            self.tier += 1;
        }
        None
    }

    fn expand(&mut self, waiting: &Waiting, progress: &mut dyn FnMut(Progress)) -> Result<(), Failure> {
        let Waiting { bytes, visit, depth, left } = waiting;
        let number = self.visits[*visit as usize].state;
        if self.searched[number as usize].exceeds(*left) {
            // Since it was put here, the same state was reached with more left.
            return Ok(());
        }
        let Some(state) = State::unpack(bytes) else {
            let detail = "a state could not be read back".to_owned();
            let invariant = "P02: a state can be kept";
            return Err(self.broken(Violation { invariant, detail }, *visit, None));
        };
        let is_first = !std::mem::replace(&mut self.expanded[number as usize], true);
        self.expansions += 1;
        let mut possible = Vec::new();
        moves(&state, self.world, &mut possible);
        for (choice, (step, cost)) in (0_u16..).zip(possible) {
            let Some(left) = left.spend(cost) else { continue };
            let next = self.try_step(&state, step).map_err(|it| self.broken(it, *visit, Some(choice)))?;
            let to = self.arrive(&next, *visit, choice, depth + 1, left);
            if is_first && cost.total() == 0 {
                self.graph.add_step(number, to);
            }
            if self.world.check_fingerprints {
                self.check_fingerprint(to, &next).map_err(|it| self.broken(it, *visit, Some(choice)))?;
            }
            self.report(progress);
        }
        if self.table.len() > self.world.most_states {
            return Err(Failure::TooLarge { states: self.table.len() });
        }
        Ok(())
    }

    fn try_step(&mut self, state: &State, step: Move) -> Result<State, Violation> {
        let mut next = state.clone();
        let (world, also, marks) = (self.world, self.also, &mut self.marks);
        catch(|| {
            next.apply(step, world, marks, None)?;
            also.iter().try_for_each(|property| property(next.host.view()))
        })?;
        self.transitions += 1;
        Ok(next)
    }

    /// Numbers a state, and lets it wait for its turn unless it was searched with as much left.
    fn arrive(&mut self, state: &State, from: u32, choice: u16, depth: u32, left: Budget) -> u32 {
        let fingerprint = state.fingerprint(&mut self.scratch);
        let (number, is_new) = self.table.number(fingerprint);
        if is_new {
            self.searched.push(Searched::default());
            self.expanded.push(false);
            self.graph.add_state(state.is_settled());
        }
        let searched = &mut self.searched[number as usize];
        if searched.covers(left) {
            return number;
        }
        searched.add(left);
        let visit = u32::try_from(self.visits.len()).unwrap_or(NOWHERE);
        self.visits.push(Visit { state: number, from, choice });
        self.depth = self.depth.max(depth);
        let bytes = state.pack();
        self.waiting_bytes += bytes.len() as u64;
        self.most_waiting_bytes = self.most_waiting_bytes.max(self.waiting_bytes);
        let all = usize::from(self.world.faults) + usize::from(self.world.acts);
        if let Some(tier) = self.tiers.get_mut(all - left.total()) {
            tier.push_back(Waiting { bytes, visit, depth, left });
        }
        number
    }

    /// A state that is met again leads to the same states as when it was met first.
    fn check_fingerprint(&mut self, number: u32, state: &State) -> Result<(), Violation> {
        let mut possible = Vec::new();
        moves(state, self.world, &mut possible);
        let mut next = Vec::new();
        for (step, cost) in possible {
            let state = self.try_step(state, step)?;
            next.push((state.fingerprint(&mut self.scratch), cost.faults, cost.acts));
        }
        next.sort_unstable();
        let mut all = Fingerprint::default();
        all.add(&next);
        let all = all.finish();
        self.led_to.resize(self.searched.len(), None);
        let known = self.led_to[number as usize].get_or_insert(all);
        let invariant = "P03: states with one fingerprint lead to the same states";
        crate::oracle::hold(*known == all, invariant, || format!("state {number}"))
    }

    fn report(&self, progress: &mut dyn FnMut(Progress)) {
        if self.transitions.is_multiple_of(REPORT_EVERY) {
            let waiting = self.tiers.iter().map(|tier| tier.len() as u64).sum();
            let spent = u32::try_from(self.tier).unwrap_or(u32::MAX);
            let (states, transitions) = (self.table.len(), self.transitions);
            progress(Progress { states, transitions, waiting, spent });
        }
    }

    fn finish(self) -> Result<Summary, Failure> {
        if let Some(state) = self.graph.first_that_never_settles() {
            let visit = self.visits.iter().position(|visit| visit.state == state).unwrap_or_default();
            let visit = u32::try_from(visit).unwrap_or(NOWHERE);
            let invariant = "L00: from every state, with faults over, a settled state can be reached";
            let detail = "not from the end of this path".to_owned();
            let choices = self.choices(visit, None);
            let violation = Violation { invariant, detail };
            return Err(Failure::NeverSettles(Counterexample::walk(self.world, violation, &choices)));
        }
        let missing = self.marks.missing(self.world);
        if !missing.is_empty() {
            return Err(Failure::Unseen(missing));
        }
        Ok(Summary {
            states: self.table.len(),
            transitions: self.transitions,
            expansions: self.expansions,
            depth: self.depth,
            settled: u32::try_from(self.graph.settled()).unwrap_or(u32::MAX),
            waiting_bytes: self.most_waiting_bytes,
            marks: Mark::ALL.iter().filter(|mark| self.marks.saw(**mark)).copied().collect(),
        })
    }

    fn broken(&self, violation: Violation, visit: u32, last: Option<u16>) -> Failure {
        Failure::Broken(Counterexample::walk(self.world, violation, &self.choices(visit, last)))
    }

    /// The moves that lead to a visit, and one more.
    fn choices(&self, mut visit: u32, last: Option<u16>) -> Vec<u16> {
        let mut choices: Vec<u16> = last.into_iter().collect();
        while let Some(Visit { from, choice, .. }) = self.visits.get(visit as usize).copied() {
            if from == NOWHERE {
                break;
            }
            choices.push(choice);
            visit = from;
        }
        choices.reverse();
        choices
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(example) | Self::NeverSettles(example) => example.fmt(f),
            Self::TooLarge { states } => {
                write!(f, "more than {states} states: ask for fewer pools, leases, faults or acts")
            }
            Self::Unseen(marks) => {
                let labels: Vec<&str> = marks.iter().map(|mark| mark.label()).collect();
                write!(f, "never seen: {}", labels.join(", "))
            }
        }
    }
}

impl std::error::Error for Failure {}
