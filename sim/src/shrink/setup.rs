//! Pools that are not needed are left out, and what is left of the host is made plain, one key at a time.

use toml::{Table, Value};

use super::Search;
use crate::fault::Place;
use crate::plan::{Failure, Plan, Setup};

impl<R: FnMut(&Plan) -> Option<Failure>> Search<R> {
    /// Tries the host without each pool, the last first. Strikes at a pool go with it; later pools move up.
    pub(super) fn drop_pools(&mut self) {
        for pool in (0..self.best.setup.pools.len()).rev() {
            if let Some(plan) = without_pool(&self.best, pool) {
                self.take(plan);
            }
        }
    }

    /// Tries what is plain for every key that is not so.
    pub(super) fn plain_setup(&mut self) {
        // All at once is one run where nothing of the setup matters.
        let mut plan = self.best.clone();
        let plain =
            Setup { seed: plan.setup.seed, lasts: plan.setup.lasts, ..Setup::plain(plan.setup.pools.len()) };
        plan.setup = plain.clone();
        if self.take(plan) {
            return;
        }
        let Ok(plain) = Table::try_from(&plain) else { return };
        for path in paths(&Value::Table(plain.clone())) {
            let Ok(mut setup) = Table::try_from(&self.best.setup) else { return };
            let wanted = find(&mut Value::Table(plain.clone()), &path).cloned();
            let mut changed = Value::Table(std::mem::take(&mut setup));
            let (Some(wanted), Some(place)) = (wanted, find(&mut changed, &path)) else { continue };
            *place = wanted;
            if let Ok(setup) = changed.try_into() {
                self.take(Plan { setup, ..self.best.clone() });
            }
        }
    }
}

/// `None`: it is the only one, or the strikes cannot be told apart.
fn without_pool(plan: &Plan, pool: usize) -> Option<Plan> {
    if plan.setup.pools.len() < 2 {
        return None;
    }
    let mut smaller = plan.clone();
    smaller.setup.pools.remove(pool);
    smaller.strikes.clear();
    for strike in &plan.strikes {
        let mut table = Table::try_from(strike).ok()?;
        if let Some(Value::String(name)) = table.get_mut("pool") {
            let struck = (0..plan.setup.pools.len()).find(|place| Place::new(*place).to_string() == *name)?;
            if struck == pool {
                continue;
            }
            *name = Place::new(struck - usize::from(struck > pool)).to_string();
        }
        smaller.strikes.push(table.try_into().ok()?);
    }
    Some(smaller)
}

/// The ways to every value that is no table and no list.
fn paths(value: &Value) -> Vec<Vec<String>> {
    let inner: Vec<(String, &Value)> = match value {
        Value::Table(table) => table.iter().map(|(key, value)| (key.clone(), value)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect(),
        Value::Boolean(_) | Value::Datetime(_) | Value::Float(_) | Value::Integer(_) | Value::String(_) => {
            return vec![Vec::new()];
        }
    };
    let below = |(key, value): (String, &Value)| {
        paths(value).into_iter().map(move |rest| [vec![key.clone()], rest].concat()).collect::<Vec<_>>()
    };
    inner.into_iter().flat_map(below).collect()
}

fn find<'a>(value: &'a mut Value, path: &[String]) -> Option<&'a mut Value> {
    let Some((key, rest)) = path.split_first() else { return Some(value) };
    match value {
        Value::Table(table) => find(table.get_mut(key)?, rest),
        Value::Array(items) => find(items.get_mut(key.parse::<usize>().ok()?)?, rest),
        Value::Boolean(_) | Value::Datetime(_) | Value::Float(_) | Value::Integer(_) | Value::String(_) => {
            None
        }
    }
}
