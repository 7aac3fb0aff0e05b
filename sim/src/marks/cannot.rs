//! What cannot happen, and why. An entry that is wrong is found by the sweep: a mark that fires although it is
//! listed here contradicts it.

/// Where, which words (`*`: any; several with `|`), and why it cannot happen.
type Entry = (&'static str, &'static str, &'static str, &'static str);

const CANNOT: &[Entry] = &[
    ("phase", "*", "register", "a registration is about a pool that is not there yet"),
    (
        "circuit",
        "*",
        "half-opens-while-closed|stays",
        "a closed circuit has nothing to try, and no change is no event",
    ),
    (
        "completion",
        "file-timed-out|spawn-timed-out|stage-stalled",
        "",
        "the core's own word for an answer that did not come; executors never say it",
    ),
    ("lease", "completed", "", "observers are told of leases that did not complete; see answer:lease-ended"),
    ("operation", "preload", "engine-exited|force-stopped|timed-out", "a preload drains nothing"),
    (
        "operation",
        "restart|reload",
        "engine-exited|force-stopped",
        "whatever its drain came to, it goes on with a start and ends as that does",
    ),
    (
        "operation",
        "preload|restart|drain|stop|deregister|shutdown",
        "rolled-back|failed-twice",
        "only a reload tries one engine and goes back to another",
    ),
    (
        "operation",
        "drain|stop|deregister|shutdown",
        "failed",
        "it starts nothing, and an end that does not come is stuck",
    ),
    ("operation", "drain|stop|deregister|shutdown", "timed-out", "its deadline cuts"),
    (
        "operation",
        "preload|restart|reload|stop|deregister|shutdown",
        "undrained",
        "an operator takes back a drain and nothing else; a reload that is given up says why",
    ),
    ("operation", "shutdown", "superseded", "nothing is above it"),
];

/// Why a pair of words cannot fire.
pub(super) fn reason(room: &str, row: &str, column: &str) -> Option<&'static str> {
    let names = |pattern: &str, word: &str| pattern == "*" || pattern.split('|').any(|name| name == word);
    CANNOT
        .iter()
        .find(|(of, rows, columns, _)| *of == room && names(rows, row) && names(columns, column))
        .map(|(.., why)| *why)
}

/// Every word of the list, one row and one column at a time.
#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    CANNOT.iter().flat_map(|(room, rows, columns, _)| {
        rows.split('|').flat_map(move |row| columns.split('|').map(move |column| (*room, row, column)))
    })
}
