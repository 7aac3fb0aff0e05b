//! Seeds on the command line: `7`, or `0..10000` without the last.

use std::ops::Range;
use std::str::FromStr;

/// Which seeds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seeds(pub(super) Range<u64>);

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| {
            let wrong = |_| format!("{text:?} is no seed: write one as 7, several as 0..10000");
            text.trim().parse::<u64>().map_err(wrong)
        };
        let range = match text.split_once("..") {
            Some((first, end)) => match end.strip_prefix('=') {
                Some(last) => number(first)?..number(last)?.saturating_add(1),
                None => number(first)?..number(end)?,
            },
            None => number(text)?..number(text)?.saturating_add(1),
        };
        if range.is_empty() {
            Err(format!("{text:?} has no seeds: the first comes first, as in 0..10"))
        } else {
            Ok(Self(range))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_or_a_range() {
        let seeds = |text: &str| text.parse::<Seeds>().map(|seeds| seeds.0);
        assert_eq!(seeds("7"), Ok(7..8));
        assert_eq!(seeds("0..10"), Ok(0..10));
        assert_eq!(seeds("5..=6"), Ok(5..7));
        assert_eq!(
            seeds("5..5"),
            Err("\"5..5\" has no seeds: the first comes first, as in 0..10".to_owned())
        );
        assert_eq!(seeds("x..5"), Err("\"x\" is no seed: write one as 7, several as 0..10000".to_owned()));
    }
}
