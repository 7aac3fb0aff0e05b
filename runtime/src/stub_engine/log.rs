//! The engine's log on stderr: plain lines and, when asked, what no log should hold.

use std::io::{self, Write};
use std::thread;

/// Writes one line, in one piece.
pub(crate) fn line(text: &str) {
    bytes(format!("{text}\n").as_bytes());
}

/// Writes bytes as they are. A log that cannot be written does not stop an engine.
pub(crate) fn bytes(bytes: &[u8]) {
    let _ = io::stderr().lock().write_all(bytes);
}

/// Writes many lines, on a thread of its own: a reader that takes them slowly must not stop the HTTP side.
pub(crate) fn flood(lines: u64) {
    thread::spawn(move || {
        for number in 1..=lines {
            line(&format!("flood: line {number} of {lines}"));
        }
    });
}

/// Writes bytes that are no text and hold no line end: NUL, escape codes, broken UTF-8.
pub(crate) fn binary(count: usize) {
    let garbage: Vec<u8> = (0_u8..=255).rev().filter(|byte| *byte != b'\n').cycle().take(count).collect();
    bytes(&garbage);
}
