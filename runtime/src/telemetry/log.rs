//! Where log records go: JSON lines, or text for a person at a terminal, through `tracing`. Set up
//! once by the daemon.

use std::io::IsTerminal;

use tracing_appender::non_blocking::WorkerGuard;
use tracing_subscriber::EnvFilter;

use crate::telemetry::text::TextLine;
use crate::telemetry::{Level, Record, Value};

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Text on a terminal, JSON lines elsewhere.
    #[default]
    Auto,
    /// A JSON object a line.
    Json,
    /// For people.
    Text,
}

/// Sends logs to stderr from now on. `filter` is a level or a list of `target=level`.
///
/// A thread of its own writes them, and drops (and does not wait for) what its reader does not take: a full
/// disk or a stopped reader must not hold up or end the supervisor. What is written last is written
/// when the returned guard is dropped.
///
/// # Errors
/// A filter that cannot be read, in one line.
pub fn start(format: LogFormat, filter: &str) -> Result<WorkerGuard, String> {
    let filter = EnvFilter::builder().parse(filter).map_err(|error| {
        format!("log filter {filter:?}: {error}; write a level (error, warn, info, debug) or target=level")
    })?;
    let terminal = std::io::stderr().is_terminal();
    let json = match format {
        LogFormat::Auto => !terminal,
        LogFormat::Json => true,
        LogFormat::Text => false,
    };
    let (writer, guard) = tracing_appender::non_blocking(std::io::stderr());
    // Its complaint about a log that cannot be written would go to the same place, and panic.
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).log_internal_errors(false);
    let set = if json {
        builder.json().flatten_event(true).with_current_span(false).try_init()
    } else {
        builder.with_ansi(terminal).event_format(TextLine).try_init()
    };
    set.map(|()| guard).map_err(|error| error.to_string())
}

/// Writes one record. `tracing` wants field names known at compile time, and at most 32 of them, so
/// the fields that people filter by are named here; what an event says beyond them goes into `detail`.
pub fn log(record: &Record) {
    let number = |name: &str| match record.field(name)? {
        Value::Uint(number) => i64::try_from(*number).ok(),
        Value::Int(number) => Some(*number),
        Value::Bool(_) | Value::List(_) | Value::Text(_) => None,
    };
    /// Emits the record, and knows which of its fields were named.
    macro_rules! emit {
        ($level:ident, [$($text:ident)*], [$($number:ident)*]) => {{
            let named = [$(stringify!($text),)* $(stringify!($number)),*];
            $(let $text = record.field(stringify!($text)).map(ToString::to_string);)*
            $(let $number = number(stringify!($number));)*
            let detail = detail(record, &named);
            tracing::$level!($($text,)* $($number,)* detail, "{}", record.message)
        }};
    }
    macro_rules! emit_named {
        ($level:ident) => {
            emit!(
                $level,
                [pool_id engine engine_version device_mask model_id incarnation last_error correlation_id
                    alert circuit class exit_signal from kind lease outcome reason remedy to],
                [restart_count backoff_ms crashes_total exit_code failures in_flight load_ms operation pid
                    port took_ms uptime_seconds]
            )
        };
    }
    match record.level {
        Level::Debug => emit_named!(debug),
        Level::Info => emit_named!(info),
        Level::Warn => emit_named!(warn),
        Level::Error => emit_named!(error),
    }
}

/// `name=value` pairs of the fields that are not named and not empty lists, texts of several words in quotes;
/// `None`: nothing is left.
fn detail(record: &Record, named: &[&str]) -> Option<String> {
    let says = |value: &Value| !matches!(value, Value::List(values) if values.is_empty());
    let rest = record.fields.iter().filter(|(name, value)| !named.contains(name) && says(value));
    let pair = |(name, value): &(&str, Value)| match value.to_string() {
        value if value.contains(' ') => format!("{name}={value:?}"),
        value => format!("{name}={value}"),
    };
    let pairs: Vec<String> = rest.map(pair).collect();
    (!pairs.is_empty()).then(|| pairs.join(" "))
}
