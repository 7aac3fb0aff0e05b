//! The text of a plan: read with the place of every mistake, checked for what no host can do.
//!
//! Every reader of plans comes through [`Plan::parse`]; who makes a plan in code asks [`Plan::check`].

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::time::Duration;

use serde::Deserialize;
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

use super::{Plan, PoolSetup, Setup, Strike};
use crate::fault::{FAMILIES, Place};

/// A plan that cannot be read, or one that no host can run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanError {
    /// Line and column, from 1; `None`: the plan was no text.
    pub at: Option<(usize, usize)>,
    /// Which key it is about; empty: about the text as a whole.
    pub key: String,
    /// What is wrong, and what would be right.
    pub what: String,
}

/// The way to a value: `setup`, `pool`, 2, `slots`.
type Path = Vec<Step>;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Item(usize),
}

/// What is wrong with the value at the end of a path.
type Wrong = (Path, String);

/// As many pools have a letter.
const MOST_POOLS: usize = 26;
/// As many leases or asks as any pool may have: the daemon's own limit.
const MOST_SLOTS: u32 = 100_000;
/// Longer spans are mistakes, and would wear out the clock.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

impl Plan {
    /// Reads a plan's text, and checks that a host can run it.
    ///
    /// # Errors
    /// What is wrong, with line and column.
    pub fn parse(text: &str) -> Result<Self, PlanError> {
        let tree = DeTable::parse(text).map_err(|error| from_toml(text, &error, None))?;
        let located = |(path, what): Wrong| PlanError {
            at: Some(line_and_column(text, place_of(&tree, &path).start)),
            key: shown(&path),
            what,
        };
        let table: Table = toml::from_str(text).map_err(|error| from_toml(text, &error, None))?;
        check_format(&table).map_err(located)?;
        check_strikes(&table).map_err(located)?;
        let plan: Self = toml::from_str(text).map_err(|error| from_toml(text, &error, None))?;
        plan.find_wrong(&table).map_err(located)?;
        Ok(plan)
    }

    /// Whether a host can run it.
    ///
    /// # Errors
    /// What is wrong, with its key.
    pub fn check(&self) -> Result<(), PlanError> {
        // Strings, whole numbers and tables always become TOML, unless a number is too large for it.
        let table = Table::try_from(self).map_err(|error| PlanError {
            at: None,
            key: String::new(),
            what: error.to_string(),
        })?;
        self.find_wrong(&table).map_err(|(path, what)| PlanError { at: None, key: shown(&path), what })
    }

    fn find_wrong(&self, table: &Table) -> Result<(), Wrong> {
        check_spans(&Value::Table(table.clone()), &mut Vec::new())?;
        check_ports(table)?;
        self.setup.find_wrong()?;
        self.find_wrong_times()?;
        let pools = self.setup.pools.len();
        for (number, strike) in strikes_of(table).iter().enumerate() {
            check_target(number, strike, pools)?;
        }
        Ok(())
    }

    fn find_wrong_times(&self) -> Result<(), Wrong> {
        let mut before = Duration::ZERO;
        for (number, Strike { at, .. }) in self.strikes.iter().enumerate() {
            let wrong = |what: String| Err((path(["strike"], Some(number), ["at"]), what));
            if *at < before {
                let before = humantime::format_duration(before);
                return wrong(format!("comes after a strike at {before}: put strikes in order of time"));
            }
            before = *at;
        }
        Ok(())
    }
}

impl Setup {
    fn find_wrong(&self) -> Result<(), Wrong> {
        let at = |key: &str| path(["setup"], None, [key]);
        let pools = self.pools.len();
        if !(1..=MOST_POOLS).contains(&pools) {
            return Err((at("pool"), format!("{pools} pools: a plan has 1 to {MOST_POOLS}")));
        }
        if self.lasts.is_zero() {
            return Err((at("lasts"), "nothing can happen in no time; write it like \"10m\"".to_owned()));
        }
        for (number, pool) in self.pools.iter().enumerate() {
            let of = |key: &str| path(["setup", "pool"], Some(number), [key]);
            if !(1..=MOST_SLOTS).contains(&pool.slots) {
                return Err((of("slots"), format!("{}: a pool has 1 to {MOST_SLOTS}", pool.slots)));
            }
            if pool.queue > MOST_SLOTS {
                return Err((of("queue"), format!("{}: a pool has 0 to {MOST_SLOTS}", pool.queue)));
            }
        }
        match self.build() {
            Ok(_) => Ok(()),
            Err((number, reason)) => Err((path(["setup", "pool"], Some(number), []), reason)),
        }
    }
}

/// The text of a plan. What is plain is left out: the rest is what a reader must know.
pub(super) fn written(plan: &Plan) -> Result<String, toml::ser::Error> {
    let mut table = Table::try_from(plan)?;
    let plain = Table::try_from(Plan::calm(Setup { pools: vec![PoolSetup::default()], ..Setup::default() }))?;
    if let (Some(Value::Table(setup)), Some(Value::Table(plain))) =
        (table.get_mut("setup"), plain.get("setup"))
    {
        // These two every reader looks for.
        let kept: Table = ["seed", "lasts"].iter().filter_map(|key| setup.remove_entry(*key)).collect();
        let plain_pool = plain.get("pool").and_then(|pools| pools.get(0)).and_then(Value::as_table);
        let pools = setup.get_mut("pool").and_then(Value::as_array_mut).into_iter().flatten();
        for pool in pools.filter_map(Value::as_table_mut) {
            plain_pool.iter().for_each(|plain| leave_out(pool, plain));
        }
        setup.retain(|key, value| key == "pool" || plain.get(key) != Some(&*value));
        setup.extend(kept);
    }
    toml::to_string(&table)
}

fn leave_out(table: &mut Table, plain: &Table) {
    for (key, value) in plain {
        if let (Some(Value::Table(inner)), Value::Table(plain)) = (table.get_mut(key), value) {
            leave_out(inner, plain);
        }
        let is_empty = table.get(key).and_then(Value::as_table).is_some_and(Table::is_empty);
        if is_empty || table.get(key) == Some(value) {
            table.remove(key);
        }
    }
}

/// Two engines cannot listen on one port.
fn check_ports(table: &Table) -> Result<(), Wrong> {
    let pools = table.get("setup").and_then(|setup| setup.get("pool")).and_then(Value::as_array);
    let mut taken = BTreeMap::new();
    for (number, pool) in pools.into_iter().flatten().enumerate() {
        let port = pool.get("port").and_then(Value::as_integer).filter(|port| *port != 0);
        if let Some(other) = port.and_then(|port| taken.insert(port, number)) {
            let what =
                format!("setup.pool[{other}] has it too: give each pool a port of its own, or none with 0");
            return Err((path(["setup", "pool"], Some(number), ["port"]), what));
        }
    }
    Ok(())
}

fn check_format(table: &Table) -> Result<(), Wrong> {
    let wrong = |what: String| Err((path(["format"], None, []), what));
    match table.get("format").map(Value::as_integer) {
        None => wrong(format!("missing: begin the plan with format = {}", Plan::FORMAT)),
        Some(Some(format)) if format == i64::from(Plan::FORMAT) => Ok(()),
        Some(Some(format)) if format > i64::from(Plan::FORMAT) => wrong(format!(
            "{format}: a later version wrote this plan, this one reads format {}; use that version",
            Plan::FORMAT
        )),
        Some(_) => wrong(format!("this version reads plans of format {}", Plan::FORMAT)),
    }
}

/// Each strike by itself, so that a mistake is found in the strike it is in.
fn check_strikes(table: &Table) -> Result<(), Wrong> {
    for (number, strike) in strikes_of(table).iter().enumerate() {
        let here = |keys: &[&str]| path(["strike"], Some(number), keys.iter().copied());
        match strike.get("fault").map(Value::as_str) {
            None => {
                return Err((
                    here(&[]),
                    "no fault: say what strikes, as in fault = \"engine-crash\"".to_owned(),
                ));
            }
            Some(Some(name)) if FAMILIES.iter().any(|family| family.name == name) => {}
            Some(name) => {
                let name = name.unwrap_or_default();
                return Err((here(&["fault"]), format!("no family is called {name:?}{}", nearest(name))));
            }
        }
        if let Err(error) = Strike::deserialize(strike.clone()) {
            return Err((here(&[]), error.message().to_owned()));
        }
    }
    Ok(())
}

/// A strike at a pool that the plan does not have would do nothing, for ever and silently.
fn check_target(number: usize, strike: &Value, pools: usize) -> Result<(), Wrong> {
    let Some(pool) = strike.get("pool").and_then(Value::as_str) else { return Ok(()) };
    let known = (0..pools).any(|place| Place::new(place).to_string() == pool);
    let last = Place::new(pools.saturating_sub(1));
    let what = || format!("{pool:?}: the plan has no such pool, its last is \"{last}\"");
    if known { Ok(()) } else { Err((path(["strike"], Some(number), ["pool"]), what())) }
}

fn check_spans(value: &Value, here: &mut Path) -> Result<(), Wrong> {
    let inner: Vec<(Step, &Value)> = match value {
        Value::Table(table) => table.iter().map(|(key, value)| (Step::Key(key.clone()), value)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(at, value)| (Step::Item(at), value)).collect(),
        Value::String(text) if humantime::parse_duration(text).is_ok_and(|span| span > LONGEST) => {
            return Err((here.clone(), format!("{text:?}: the longest span is 366 days")));
        }
        Value::String(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {
            return Ok(());
        }
    };
    for (step, value) in inner {
        here.push(step);
        check_spans(value, here)?;
        here.pop();
    }
    Ok(())
}

fn strikes_of(table: &Table) -> &[Value] {
    table.get("strike").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// ` (did you mean "engine-crash"?)`, or where the list is.
fn nearest(name: &str) -> String {
    let of = |known: &'static str| (strsim::jaro_winkler(name, known), known);
    let best = FAMILIES.iter().map(|family| of(family.name)).max_by(|one, other| one.0.total_cmp(&other.0));
    match best {
        Some((likeness, known)) if likeness > 0.8 => format!("; did you mean {known:?}?"),
        _ => "; `poolsim families` lists them all".to_owned(),
    }
}

fn path<'a>(
    table: impl IntoIterator<Item = &'a str>,
    item: Option<usize>,
    keys: impl IntoIterator<Item = &'a str>,
) -> Path {
    let key = |key: &str| Step::Key(key.to_owned());
    let table = table.into_iter().map(key).chain(item.map(Step::Item));
    table.chain(keys.into_iter().map(key)).collect()
}

/// `setup.pool[2].slots`.
fn shown(path: &[Step]) -> String {
    path.iter().enumerate().fold(String::new(), |shown, (depth, step)| match step {
        Step::Key(key) if depth == 0 => key.clone(),
        Step::Key(key) => format!("{shown}.{key}"),
        Step::Item(item) => format!("{shown}[{item}]"),
    })
}

/// Where the value is; where it is not there, the last thing on the way to it.
fn place_of(tree: &Spanned<DeTable<'_>>, path: &[Step]) -> Range<usize> {
    let (mut span, mut rest) = (tree.span(), path);
    let mut table = Some(tree.get_ref());
    while let (Some(here), [Step::Key(key), after @ ..]) = (table, rest) {
        let Some((name, mut value)) = here.iter().find(|(name, _)| name.get_ref() == key) else { break };
        (span, rest) = (name.span(), after);
        if let ([Step::Item(item), after @ ..], Some(found)) = (rest, item_of(value.get_ref(), rest.first()))
        {
            let _ = item;
            (value, span, rest) = (found, found.span(), after);
        }
        table = value.get_ref().as_table();
    }
    span
}

fn item_of<'a, 'i>(value: &'a DeValue<'i>, step: Option<&Step>) -> Option<&'a Spanned<DeValue<'i>>> {
    match step {
        Some(Step::Item(item)) => value.as_array()?.get(*item),
        Some(Step::Key(_)) | None => None,
    }
}

fn from_toml(text: &str, error: &toml::de::Error, key: Option<String>) -> PlanError {
    let at = error.span().map(|span| line_and_column(text, span.start));
    PlanError { at, key: key.unwrap_or_default(), what: error.message().to_owned() }
}

fn line_and_column(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let line_begins = before.rfind('\n').map_or(0, |newline| newline + 1);
    let column = before[line_begins..].chars().count() + 1;
    (before.matches('\n').count() + 1, column)
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((line, column)) = self.at {
            write!(f, "line {line}, column {column}: ")?;
        }
        f.write_str(&self.said())
    }
}

impl PlanError {
    /// What is wrong with which key, without the place.
    #[must_use]
    pub fn said(&self) -> String {
        // A parser's message may have several lines; an error is one.
        let what = self.what.lines().collect::<Vec<_>>().join(", ");
        if self.key.is_empty() { what } else { format!("{}: {what}", self.key) }
    }
}

impl std::error::Error for PlanError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn text() -> String {
        let mut plan = Plan::calm(Setup::draw(3));
        let strike = "at = \"5s\"\nfault = \"operator-drain\"\npool = \"a\"\ndeadline = \"1s\"\n";
        plan.strikes = vec![toml::from_str(strike).expect("a strike")];
        plan.to_string()
    }

    fn error(change: impl Fn(String) -> String) -> String {
        Plan::parse(&change(text())).expect_err("nobody can run that").to_string()
    }

    #[test]
    fn a_plan_that_can_be_run_is_read() {
        assert_eq!(Plan::parse(&text()).map(|plan| plan.strikes.len()), Ok(1));
    }

    #[test]
    fn every_mistake_is_said_with_its_place_and_key() {
        let slots = text().lines().position(|line| line.starts_with("slots")).expect("a pool has slots") + 1;
        let said = error(|text| text.replacen("slots = ", "slots = 0 # ", 1));
        assert!(said.starts_with(&format!("line {slots}, column 1: setup.pool[")), "{said}");
        assert!(said.ends_with("].slots: 0: a pool has 1 to 100000"), "{said}");
        let said = error(|text| text.replace("pool = \"a\"", "pool = \"z\""));
        assert!(said.contains("strike[0].pool: \"z\": the plan has no such pool, its last is \""), "{said}");
        let said = error(|text| text.replace("\"operator-drain\"", "\"operator-drian\""));
        assert!(
            said.contains("no family is called \"operator-drian\"; did you mean \"operator-drain\"?"),
            "{said}"
        );
        let said = error(|text| text.replace("deadline = \"1s\"", "deadline = \"x\""));
        assert!(said.contains("strike[0]: \"x\": expected number at 0"), "{said}");
        let said = error(|text| text.replace("lasts = \"10m\"", "lasts = \"1000years\""));
        assert!(
            said.contains("column 1: setup.lasts: \"1000years\": the longest span is 366 days"),
            "{said}"
        );
        let said = error(|text| text.replace("format = 1", "format = 9"));
        assert!(said.contains("line 1, column 1: format: 9: a later version wrote this plan"), "{said}");
        let said = error(|text| text.replace("seed = 3", "seed = \"x\""));
        assert!(said.contains("column 8: invalid type: string \"x\", expected u64"), "{said}");
        let said = error(|text| text.replace("[setup]", "[setup"));
        assert!(said.starts_with("line 3, column "), "{said}");
    }

    #[test]
    fn what_a_plan_leaves_out_is_plain() {
        let plan = Plan::calm(Setup::plain(2));
        let text = plan.to_string();
        assert_eq!(
            text.trim(),
            "format = 1\n\n[setup]\nlasts = \"10m\"\nseed = 0\n\n[[setup.pool]]\n\n[[setup.pool]]"
        );
        assert_eq!(Plan::parse(&text), Ok(plan));
    }

    #[test]
    fn two_pools_have_two_ports() {
        let table = "[[setup.pool]]\nport = 80\n[[setup.pool]]\nport = 0\n[[setup.pool]]\nport = 80\n";
        let (path, what) = check_ports(&table.parse().expect("TOML")).expect_err("one is taken");
        assert_eq!(shown(&path), "setup.pool[2].port");
        assert!(what.starts_with("setup.pool[0] has it too"), "{what}");
    }

    #[test]
    fn a_plan_made_in_code_is_checked_too() {
        let mut plan = Plan::calm(Setup::draw(3));
        assert_eq!(plan.check(), Ok(()));
        plan.setup.pools = Setup::plain(27).pools;
        let said = plan.check().expect_err("27 pools have no letters").to_string();
        assert_eq!(said, "setup.pool: 27 pools: a plan has 1 to 26");
    }
}
