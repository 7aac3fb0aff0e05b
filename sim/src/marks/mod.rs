//! Coverage marks: what should happen at least once in many runs, and whether it did. A sweep whose marks have all
//! fired has looked everywhere; one that never fired is a fault family that is missing, odds that are too low, or
//! a thing that cannot happen.
//!
//! A name is `room:word`, or `room:word/word` where two things meet (`phase:draining/exited`: an exit was seen in
//! phase draining). Names are stable: sweeps of different days are compared by them. `world` asks `Watcher` at
//! every step; what cannot happen is in `cannot`, with the reason.

mod cannot;
mod observe;
mod words;

use std::fmt;

pub(crate) use observe::Watcher;
pub(crate) use words::Moment;

use words::{
    Answers, Changes, Circuits, Completions, Deadlines, Drains, Effects, Events, Exits, Gate, Holds, Inputs,
    LeaseEndings, Lines, Operations, Outcomes, Phases, Refusals, StopCauses, Storms, Verdicts, Wants,
};

/// Marks of one sort: a word, or each pair of two words.
#[derive(Debug)]
struct Room {
    name: &'static str,
    rows: &'static [&'static str],
    /// Empty: the rows stand alone.
    columns: &'static [&'static str],
}

macro_rules! rooms {
    ($($Room:ident $name:literal: $rows:ty $(, $columns:ty)?;)+) => {
        /// Which sort.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        enum In { $($Room,)+ }

        static ROOMS: &[Room] = &[$(Room { name: $name, rows: <$rows>::NAMES, columns: rooms!(@ $($columns)?) },)+];
    };
    (@) => { &[] };
    (@ $columns:ty) => { <$columns>::NAMES };
}

rooms! {
    Phase "phase": Phases, Inputs;
    Operation "operation": Operations, Outcomes;
    Circuit "circuit": Circuits, Changes;
    Completion "completion": Completions;
    Effect "effect": Effects;
    Event "event": Events;
    Answer "answer": Answers;
    Refusal "refusal": Refusals;
    Verdict "verdict": Verdicts;
    Deadline "deadline": Deadlines;
    Lease "lease": LeaseEndings;
    Drain "drain": Drains;
    HoldEntered "hold-entered": Holds;
    HoldLeft "hold-left": Holds;
    Gate "gate": Gate;
    StopCause "stop-cause": StopCauses;
    Exit "exit": Exits;
    Line "log-line": Lines;
    Storm "storm": Storms;
    Wanted "wanted": Wants;
    Moment "moment": Moment;
}

/// One thing that should happen at least once in many runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(u16);

/// Which marks fired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marks {
    bits: [u64; WORDS],
}

/// Room for every mark.
const WORDS: usize = 12;

impl Mark {
    /// Every mark that can fire, in the order of the rooms.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::every().filter(|mark| mark.cannot().is_none())
    }

    /// The mark of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::every().find(|mark| mark.to_string() == name)
    }

    /// Why it can never fire; `None`: it can.
    #[must_use]
    pub fn cannot(self) -> Option<&'static str> {
        let (room, row, column) = self.words();
        cannot::reason(room.name, row, column)
    }

    const fn at(room: In, row: usize, column: usize) -> Self {
        let of = &ROOMS[room as usize];
        let place = BASES[room as usize] + row * of.width() + column;
        // There are a few hundred: the table below does not compile otherwise.
        #[expect(clippy::cast_possible_truncation, reason = "a few hundred fit")]
        Self(place as u16)
    }

    fn every() -> impl Iterator<Item = Self> {
        (0..COUNT).filter_map(|place| u16::try_from(place).ok()).map(Self)
    }

    fn words(self) -> (&'static Room, &'static str, &'static str) {
        let place = usize::from(self.0);
        let room = BASES.iter().rposition(|base| *base <= place).unwrap_or_default();
        let (of, within) = (&ROOMS[room], place - BASES[room]);
        let column = of.columns.get(within % of.width()).copied().unwrap_or_default();
        (of, of.rows[within / of.width()], column)
    }
}

impl Room {
    const fn width(&self) -> usize {
        if self.columns.is_empty() { 1 } else { self.columns.len() }
    }
}

/// Where the marks of each room begin.
const BASES: [usize; ROOMS.len()] = {
    let mut bases = [0; ROOMS.len()];
    let mut room = 1;
    while room < ROOMS.len() {
        bases[room] = bases[room - 1] + ROOMS[room - 1].rows.len() * ROOMS[room - 1].width();
        room += 1;
    }
    bases
};

const COUNT: usize = {
    let last = ROOMS.len() - 1;
    BASES[last] + ROOMS[last].rows.len() * ROOMS[last].width()
};

const _: () = assert!(COUNT <= WORDS * 64, "there is room for every mark");

impl Default for Marks {
    fn default() -> Self {
        Self { bits: [0; WORDS] }
    }
}

impl Marks {
    /// Adds what fired in another run.
    pub fn union(&mut self, other: &Self) {
        for (bits, others) in self.bits.iter_mut().zip(other.bits) {
            *bits |= others;
        }
    }

    /// Whether a mark fired.
    #[must_use]
    pub const fn has(&self, mark: Mark) -> bool {
        self.bits[mark.0 as usize / 64] & (1 << (mark.0 % 64)) != 0
    }

    /// What fired.
    pub fn fired(&self) -> impl Iterator<Item = Mark> {
        Mark::every().filter(|mark| self.has(*mark))
    }

    /// What could have fired and did not.
    pub fn unfired(&self) -> impl Iterator<Item = Mark> {
        Mark::all().filter(|mark| !self.has(*mark))
    }

    /// What fired although it is said that it cannot: the list is wrong, or the core is.
    pub fn contradicting(&self) -> impl Iterator<Item = Mark> {
        self.fired().filter(|mark| mark.cannot().is_some())
    }

    const fn set(&mut self, mark: Mark) {
        self.bits[mark.0 as usize / 64] |= 1 << (mark.0 % 64);
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (room, row, column) = self.words();
        match column {
            "" => write!(f, "{}:{row}", room.name),
            column => write!(f, "{}:{row}/{column}", room.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::collections::BTreeSet;

    use pool_manager_core::PhaseName;

    #[test]
    fn every_mark_has_a_name_of_its_own_that_leads_back_to_it() {
        let names: BTreeSet<String> = Mark::every().map(|mark| mark.to_string()).collect();
        assert_eq!(names.len(), COUNT);
        for mark in Mark::every() {
            assert_eq!(Mark::named(&mark.to_string()), Some(mark));
        }
        assert_eq!(Mark::named("phase:draining"), None);
    }

    #[test]
    fn a_mark_is_found_by_what_it_is_made_of() {
        let mark = Mark::at(In::Phase, Phases::of(&PhaseName::Draining) as usize, Inputs::Exited as usize);
        assert_eq!(mark.to_string(), "phase:draining/exited");
        assert_eq!(
            Mark::at(In::Moment, Moment::KillNeeded as usize, 0).to_string(),
            "moment:kill-after-term"
        );
    }

    #[test]
    fn marks_of_several_runs_add_up() {
        let [first, second, third] = ["lease:cut", "lease:lost", "moment:journal-tail-lost"]
            .map(|name| Mark::named(name).expect("there is such a mark"));
        let (mut one, mut other) = (Marks::default(), Marks::default());
        one.set(first);
        other.set(second);
        one.union(&other);
        assert_eq!(one.fired().collect::<Vec<_>>(), [first, second]);
        assert!(one.has(first) && !one.has(third));
        assert!(one.unfired().any(|mark| mark == third));
        assert!(one.unfired().all(|mark| mark != first));
    }

    #[test]
    fn whatever_cannot_happen_is_in_the_list_by_names_that_exist() {
        for (room, row, column) in cannot::names() {
            let known = |words: &[&str], name: &str| name == "*" || words.contains(&name);
            let Some(of) = ROOMS.iter().find(|of| of.name == room) else { panic!("no room {room}") };
            assert!(known(of.rows, row), "{room}:{row}");
            assert!(
                known(of.columns, column) || (of.columns.is_empty() && column.is_empty()),
                "{room}:{row}/{column}"
            );
        }
    }
}
