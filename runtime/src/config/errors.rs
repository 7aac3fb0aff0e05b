//! Config errors as a person reads them: one line each, naming file, line and key. Collected by
//! [`Faults`] while the file is read, so that all are reported together.

use std::cell::RefCell;
use std::fmt;

/// One thing wrong with a config file. Displays as one line without a line break:
/// `host.toml:12: pool.chat.drain.deadline: "5 parsecs" is not a duration; write it like "30s" or "1m 30s"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The file, as it was named by the caller.
    pub file: String,
    /// Counted from 1; `None` when the whole file or something outside it is meant.
    pub line: Option<u32>,
    /// Dotted path of the key; empty when the whole file is meant.
    pub key: String,
    /// What is wrong and what to do next. Never holds a secret.
    pub message: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.message)
    }
}

/// Everything wrong with a config file, in the order of its lines; never empty. Displays one line
/// per error, without a line break at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    /// The errors in the order of their lines.
    pub fn iter(&self) -> std::slice::Iter<'_, ConfigError> {
        self.0.iter()
    }
}

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> Self {
        Self(vec![error])
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.0.iter().enumerate() {
            let separator = if i == 0 { "" } else { "\n" };
            write!(f, "{separator}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// Where something stands in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) line: Option<u32>,
    pub(super) key: String,
}

/// Collects errors and warnings while one file is read.
#[derive(Debug)]
pub(super) struct Faults {
    file: String,
    errors: RefCell<Vec<ConfigError>>,
    warnings: RefCell<Vec<ConfigError>>,
}

impl Faults {
    pub(super) fn new(file: &str) -> Self {
        Self { file: file.to_owned(), errors: RefCell::default(), warnings: RefCell::default() }
    }

    pub(super) fn error(&self, at: &Place, message: impl Into<String>) {
        self.errors.borrow_mut().push(self.at(at, message.into()));
    }

    pub(super) fn warn(&self, at: &Place, message: impl Into<String>) {
        self.warnings.borrow_mut().push(self.at(at, message.into()));
    }

    /// How many errors so far: tells a caller whether the part it just read is whole.
    pub(super) fn count(&self) -> usize {
        self.errors.borrow().len()
    }

    /// The warnings, one line each, when there was no error.
    pub(super) fn into_result(self) -> Result<Vec<String>, ConfigErrors> {
        if self.count() > 0 {
            return Err(self.into_errors());
        }
        let mut warnings = self.warnings.into_inner();
        warnings.sort_by_key(|warning| warning.line);
        Ok(warnings.iter().map(ConfigError::to_string).collect())
    }

    /// The errors, of which there is at least one.
    pub(super) fn into_errors(self) -> ConfigErrors {
        let mut errors = self.errors.into_inner();
        debug_assert!(!errors.is_empty(), "asked for the errors of a file without any");
        errors.sort_by_key(|error| error.line);
        ConfigErrors(errors)
    }

    fn at(&self, at: &Place, message: String) -> ConfigError {
        ConfigError { file: self.file.clone(), line: at.line, key: at.key.clone(), message }
    }
}

/// A value as written, quoted, on one line and cut to a bearable length.
pub(super) fn quoted(value: &str) -> String {
    const SHOWN_CHARS: usize = 80;
    let mut shown: String = value.chars().take(SHOWN_CHARS).collect();
    if shown.len() < value.len() {
        shown.push('…');
    }
    format!("{shown:?}")
}

/// `; did you mean "model"?` for the nearest known word, else the known words.
pub(super) fn suggestion(word: &str, known: &[&str]) -> String {
    let near = |candidate: &&&str| {
        let distance = strsim::damerau_levenshtein(word, candidate);
        distance <= 1 + word.len() / 4 || (word.len() >= 4 && candidate.starts_with(word))
    };
    let nearest =
        known.iter().filter(near).min_by_key(|candidate| strsim::damerau_levenshtein(word, candidate));
    match nearest {
        Some(nearest) => format!("did you mean {nearest:?}?"),
        None => format!("known here: {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_gets_the_meant_word_and_nonsense_gets_the_list() {
        let known = ["model", "mode", "health_path"];
        assert_eq!(suggestion("modle", &known), "did you mean \"model\"?");
        assert_eq!(suggestion("health", &known), "did you mean \"health_path\"?");
        assert_eq!(suggestion("zzzzzz", &known), "known here: model, mode, health_path");
    }

    #[test]
    fn a_quoted_value_stays_on_one_line_and_short() {
        assert_eq!(quoted("a\nb"), r#""a\nb""#);
        assert_eq!(quoted(&"x".repeat(500)).chars().count(), 80 + 3);
    }
}
