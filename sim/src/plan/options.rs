//! Options of a run that the command line may fix instead of having them drawn: `slots=4`, `traffic.every=1s`.
//!
//! Any key of a plan's setup is one; a key of pools holds for all of them.

use std::fmt;

use toml::{Table, Value};

use super::{Plan, Setup};

/// What is fixed; everything else is drawn from the seed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// So many pools.
    pools: Option<u32>,
    /// Keys of the setup or of its pools, and their values as written.
    fixed: Vec<(String, String)>,
}

/// An option that cannot be set so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionError(String);

impl Options {
    /// Fixes an option.
    ///
    /// # Errors
    /// What is wrong with its name or value.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), OptionError> {
        let name = name.replace('-', "_");
        if name == "pools" {
            let pools = value.parse().ok().filter(|pools| (1..=26).contains(pools));
            let what = || OptionError(format!("pools = {value}: write a number from 1 to 26"));
            self.pools = Some(pools.ok_or_else(what)?);
            return Ok(());
        }
        self.fixed.push((name, value.to_owned()));
        // On any host; what is wrong here is wrong on all.
        let mut setup = Setup::drawn(0, self.pools);
        self.apply(&mut setup)?;
        Plan::calm(setup).check().map_err(|error| OptionError(error.to_string()))
    }

    /// Every name: those of the host, then those of its pools.
    #[must_use]
    pub fn names() -> Vec<String> {
        let setup = table_of(&Setup::drawn(0, Some(1)));
        let host = keys(&setup, "").into_iter().filter(|key| key != "seed" && key != "pool");
        let pool = pools_of(&setup).first().map(|pool| keys(pool, "")).unwrap_or_default();
        ["pools".to_owned()].into_iter().chain(host).chain(pool).collect()
    }

    pub(super) const fn pools(&self) -> Option<u32> {
        self.pools
    }

    pub(super) fn apply(&self, setup: &mut Setup) -> Result<(), OptionError> {
        if self.fixed.is_empty() {
            return Ok(());
        }
        let mut table = table_of(setup);
        for (name, value) in &self.fixed {
            fix(&mut table, name, value)?;
        }
        *setup = table.try_into().map_err(|error: toml::de::Error| {
            let fixed: Vec<String> =
                self.fixed.iter().map(|(name, value)| format!("{name} = {value}")).collect();
            OptionError(format!("{}: {}", fixed.join(", "), error.message()))
        })?;
        Ok(())
    }
}

fn fix(setup: &mut Table, name: &str, value: &str) -> Result<(), OptionError> {
    if name != "seed" && name != "pool" && at(setup, name).is_some() {
        return put(setup, name, value);
    }
    let Some(pools) = setup.get_mut("pool").and_then(Value::as_array_mut) else { return Err(unknown(name)) };
    for pool in pools.iter_mut().filter_map(Value::as_table_mut) {
        put(pool, name, value)?;
    }
    Ok(())
}

fn put(table: &mut Table, name: &str, value: &str) -> Result<(), OptionError> {
    let Some(place) = at(table, name) else { return Err(unknown(name)) };
    let wrong = |what: &str| OptionError(format!("{name} = {value}: {what}"));
    // What stands there says what it must be.
    *place = match place {
        Value::Boolean(_) => value.parse().map(Value::Boolean).map_err(|_| wrong("write true or false"))?,
        Value::Integer(_) => value.parse().map(Value::Integer).map_err(|_| wrong("write a whole number"))?,
        Value::String(_) | Value::Float(_) | Value::Datetime(_) => Value::String(value.to_owned()),
        Value::Array(_) | Value::Table(_) => return Err(unknown(name)),
    };
    Ok(())
}

fn at<'a>(table: &'a mut Table, name: &str) -> Option<&'a mut Value> {
    match name.split_once('.') {
        Some((outer, inner)) => at(table.get_mut(outer)?.as_table_mut()?, inner),
        None => table.get_mut(name),
    }
}

fn unknown(name: &str) -> OptionError {
    if name == "seed" {
        return OptionError("seed: give it with --seeds".to_owned());
    }
    let names = Options::names();
    let likeness = |known: &String| strsim::jaro_winkler(name, known);
    let best = names.iter().max_by(|one, other| likeness(one).total_cmp(&likeness(other)));
    let hint = match best {
        Some(best) if likeness(best) > 0.8 => format!("did you mean {best}?"),
        _ => format!("there are {}", names.join(", ")),
    };
    OptionError(format!("no option is called {name}; {hint}"))
}

fn table_of(setup: &Setup) -> Table {
    match Table::try_from(setup) {
        Ok(table) => table,
        Err(error) => panic!("W06: a setup becomes TOML ({error})"),
    }
}

fn pools_of(setup: &Table) -> Vec<&Table> {
    let pools = setup.get("pool").and_then(Value::as_array);
    pools.into_iter().flatten().filter_map(Value::as_table).collect()
}

fn keys(table: &Table, before: &str) -> Vec<String> {
    let inner = |(key, value): (&String, &Value)| match value {
        Value::Table(table) => keys(table, &format!("{before}{key}.")),
        Value::Array(_)
        | Value::Boolean(_)
        | Value::Datetime(_)
        | Value::Float(_)
        | Value::Integer(_)
        | Value::String(_) => vec![format!("{before}{key}")],
    };
    table.iter().flat_map(inner).collect()
}

impl fmt::Display for OptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for OptionError {}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn options(set: &[(&str, &str)]) -> Result<Options, OptionError> {
        let mut options = Options::default();
        set.iter().try_for_each(|(name, value)| options.set(name, value)).map(|()| options)
    }

    #[test]
    fn what_is_fixed_is_so_and_the_rest_is_drawn() {
        let set =
            [("pools", "3"), ("slots", "4"), ("traffic.every", "1s"), ("lasts", "1m"), ("autostart", "true")];
        let options = options(&set).expect("all of them are options");
        let setup = Setup::draw_with(7, &options);
        assert_eq!((setup.pools.len(), setup.lasts), (3, Duration::from_secs(60)));
        for (pool, drawn) in setup.pools.iter().zip(Setup::drawn(7, Some(3)).pools) {
            assert_eq!((pool.slots, pool.autostart, pool.traffic.every), (4, true, Duration::from_secs(1)));
            assert_eq!((pool.queue, pool.start_timeout), (drawn.queue, drawn.start_timeout));
        }
    }

    #[test]
    fn what_cannot_be_set_is_refused_with_a_hint() {
        let said = |name, value| options(&[(name, value)]).expect_err("refused").to_string();
        assert_eq!(said("slotz", "1"), "no option is called slotz; did you mean slots?");
        assert!(said("xyz", "1").starts_with("no option is called xyz; there are pools, "));
        assert_eq!(said("slots", "many"), "slots = many: write a whole number");
        assert_eq!(said("slots", "0"), "setup.pool[0].slots: 0: a pool has 1 to 100000");
        assert_eq!(said("pools", "27"), "pools = 27: write a number from 1 to 26");
        assert!(said("latencies", "x").starts_with("latencies = x: unknown variant `x`, expected one of "));
        assert_eq!(said("seed", "1"), "seed: give it with --seeds");
    }
}
