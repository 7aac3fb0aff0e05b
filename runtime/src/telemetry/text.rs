//! How a log line looks to a person: time, level, pool and incarnation, what happened, and what that
//! event alone has to say. What is the same on every line of a pool (engine, model, GPUs …) is left
//! out; the JSON lines have all of it, and so has `poolctl status`. Used by `log`.

use std::fmt;
use std::fmt::Write as _;
use std::time::SystemTime;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Fields that describe the pool or the caller, not the event; and those that a person has in another
/// form on the same line (`reason` says the class, `backoff_ms` the time of the restart).
const FOR_PROGRAMS: [&str; 9] = [
    "class",
    "correlation_id",
    "device_mask",
    "engine",
    "engine_version",
    "last_error",
    "model_id",
    "restart_at",
    "restart_count",
];

/// One event, one line: `2026-01-02T03:04:05.678Z  WARN chat 1.3: engine crashed reason="signal SIGSEGV" …`.
#[derive(Debug)]
pub(super) struct TextLine;

impl<S, N> FormatEvent<S, N> for TextLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut words = Words { of_a_pool: names_a_pool(event), ..Words::default() };
        event.record(&mut words);
        let time = humantime::format_rfc3339_millis(SystemTime::now());
        let level = *event.metadata().level();
        if writer.has_ansi_escapes() {
            write!(writer, "\x1b[2m{time}\x1b[0m {}{level:>5}\x1b[0m ", colour(level))?;
        } else {
            write!(writer, "{time} {level:>5} ")?;
        }
        writeln!(writer, "{words}")
    }
}

const fn colour(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        Level::DEBUG | Level::TRACE => "\x1b[2m",
    }
}

/// Whether it is an event of the core about a pool; other events keep every field.
fn names_a_pool(event: &Event<'_>) -> bool {
    event.metadata().fields().field("pool_id").is_some()
}

/// The parts of a line.
#[derive(Default)]
struct Words {
    of_a_pool: bool,
    pool: String,
    incarnation: String,
    message: String,
    rest: String,
}

impl Words {
    fn take(&mut self, name: &str, value: &str) {
        match name {
            "message" => value.clone_into(&mut self.message),
            "pool_id" => value.clone_into(&mut self.pool),
            "incarnation" => value.clone_into(&mut self.incarnation),
            // Pairs already.
            "detail" => value
                .split(' ')
                .filter(|pair| !pair.split_once('=').is_some_and(|(name, _)| FOR_PROGRAMS.contains(&name)))
                .for_each(|pair| self.add(pair)),
            _ if self.of_a_pool && FOR_PROGRAMS.contains(&name) => {}
            _ if value.is_empty() || value.contains([' ', '"']) => self.add(&format!("{name}={value:?}")),
            _ => self.add(&format!("{name}={value}")),
        }
    }

    fn add(&mut self, pair: &str) {
        self.rest.push(' ');
        self.rest.extend(pair.chars().map(tame));
    }
}

/// One event stays one line, and sends nothing to the terminal that it would obey.
fn tame(c: char) -> char {
    if c.is_control() { ' ' } else { c }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.pool)?;
        if !self.incarnation.is_empty() {
            write!(f, " {}", self.incarnation)?;
        }
        if !self.pool.is_empty() {
            f.write_str(": ")?;
        }
        for c in self.message.chars().map(tame) {
            f.write_char(c)?;
        }
        f.write_str(&self.rest)
    }
}

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.take(field.name(), &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field.name(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pool_and_incarnation_come_first_and_only_what_the_event_says_follows() {
        let mut words = Words { of_a_pool: true, ..Words::default() };
        for (name, value) in [
            ("message", "engine crashed"),
            ("engine", "llama-server"),
            ("pool_id", "chat"),
            ("incarnation", "1.3"),
            ("model_id", "/models/a.gguf"),
            ("class", "signal"),
            ("reason", "signal SIGSEGV"),
            ("restart_count", "3"),
            ("detail", "counted=true"),
        ] {
            words.take(name, value);
        }
        let line = words.to_string();
        assert_eq!(line, r#"chat 1.3: engine crashed reason="signal SIGSEGV" counted=true"#);
    }

    #[test]
    fn other_events_keep_their_fields_and_stay_on_one_line() {
        let mut words = Words::default();
        for (name, value) in
            [("message", "engine could not\nbe started"), ("engine", "1/1.1"), ("log", "\x1b[2J")]
        {
            words.take(name, value);
        }
        assert_eq!(words.to_string(), "engine could not be started engine=1/1.1 log= [2J");
    }
}
