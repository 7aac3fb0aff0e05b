//! Durations and sizes as people write them, and the limits they are held to.

use std::time::Duration;

/// Longest duration any key takes. Whoever writes more mistook the unit.
pub(super) const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Which durations a key takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    least: Duration,
    zero_too: bool,
}

impl Bounds {
    /// From zero on.
    pub(super) const FROM_ZERO: Self = Self { least: Duration::ZERO, zero_too: true };
    /// A patience: zero would fail at once.
    pub(super) const POSITIVE: Self = Self { least: Duration::from_millis(1), zero_too: false };
    /// A pace: anything shorter would keep the host busy asking.
    pub(super) const PACE: Self = Self { least: Duration::from_millis(10), zero_too: false };
    /// A pace, or zero for never.
    pub(super) const PACE_OR_OFF: Self = Self { zero_too: true, ..Self::PACE };

    /// What is wrong with a duration, without the value itself.
    pub(super) fn check(self, value: Duration) -> Result<(), String> {
        if value > LONGEST {
            return Err(format!("is too long; the limit is {}", show(LONGEST)));
        }
        if value >= self.least || (self.zero_too && value.is_zero()) {
            return Ok(());
        }
        let off = if self.zero_too { ", or 0s to switch it off" } else { "" };
        Err(format!("is too short; the least is {}{off}", show(self.least)))
    }
}

/// Reads `30s`, `1m 30s`, `500ms`, `0`. The error is what is wrong, without the value itself.
pub(super) fn parse_duration(text: &str) -> Result<Duration, &'static str> {
    if text.trim_start().starts_with('-') {
        return Err("is negative; write a duration like \"30s\" or \"1m 30s\"");
    }
    humantime::parse_duration(text).map_err(|_| "is not a duration; write it like \"30s\" or \"1m 30s\"")
}

/// A duration the way an operator would write it: `24h`, `1m 30s`.
pub(super) fn show(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if duration.subsec_nanos() == 0 && seconds > 0 && seconds.is_multiple_of(3600) {
        return format!("{}h", seconds / 3600);
    }
    humantime::format_duration(duration).to_string()
}

/// Reads `24GiB`, `1.5 GB`, `512MiB`: a number of at most three decimals and a unit.
pub(super) fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(unit_at);
    let unit: u128 = match unit {
        "B" => 1,
        "kB" | "KB" => 1000,
        "MB" => 1000_u128.pow(2),
        "GB" => 1000_u128.pow(3),
        "TB" => 1000_u128.pow(4),
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return None,
    };
    let (whole, decimals) = number.trim_end().split_once('.').unwrap_or((number.trim_end(), "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || whole.len() > 18 || !digits(decimals) || decimals.len() > 3 {
        return None;
    }
    let thousandths: u128 = format!("{whole}{decimals:0<3}").parse().ok()?;
    u64::try_from(thousandths * unit / 1000).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_written() {
        for (text, bytes) in [
            ("24GiB", 24 << 30),
            ("1.5 GiB", 3 << 29),
            ("1GB", 1_000_000_000),
            ("0B", 0),
            ("0.001kB", 1),
            ("7TiB", 7 << 40),
        ] {
            assert_eq!(parse_size(text), Some(bytes), "{text}");
        }
        for text in
            ["", "24", "GiB", "-1GiB", "1.GiB", "1.2345GiB", "1e3GiB", "24gib", "99999999TiB", "1 2GiB"]
        {
            assert_eq!(parse_size(text), None, "{text}");
        }
    }

    #[test]
    fn durations_read_as_written() {
        assert_eq!(parse_duration("1m 30s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("0"), Ok(Duration::ZERO));
        assert!(parse_duration("-5s").is_err_and(|why| why.starts_with("is negative")));
        assert!(parse_duration("5 parsecs").is_err_and(|why| why.starts_with("is not a duration")));
        assert!(parse_duration("").is_err());
    }

    #[test]
    fn bounds_name_the_limit() {
        assert_eq!(Bounds::POSITIVE.check(LONGEST), Ok(()));
        let over = LONGEST + Duration::from_nanos(1);
        assert_eq!(Bounds::FROM_ZERO.check(over), Err("is too long; the limit is 24h".to_owned()));
        assert_eq!(Bounds::PACE_OR_OFF.check(Duration::ZERO), Ok(()));
        let why = Bounds::PACE_OR_OFF.check(Duration::from_millis(9));
        assert_eq!(why, Err("is too short; the least is 10ms, or 0s to switch it off".to_owned()));
        assert!(Bounds::PACE.check(Duration::ZERO).is_err());
    }
}
