//! Takes typed values out of one TOML table. Every fault is recorded and the default returned, so
//! that one pass finds them all; what was never asked for is an unknown key.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::ops::RangeInclusive;
use std::sync::LazyLock;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::document::Lines;
use super::errors::{Faults, Place, quoted, suggestion};
use super::units::{Bounds, parse_duration, parse_size};

/// Stands for a section that is not in the file.
static NO_KEYS: LazyLock<DeTable<'static>> = LazyLock::new(DeTable::new);

/// One table of the file. Ask for every key it may have, then call [`Reader::finish`].
#[derive(Debug)]
pub(super) struct Reader<'d> {
    pub(super) faults: &'d Faults,
    lines: &'d Lines<'d>,
    table: &'d DeTable<'d>,
    at: Place,
    asked: RefCell<Vec<&'static str>>,
}

impl<'d> Reader<'d> {
    /// Reads the whole document.
    pub(super) fn root(table: &'d DeTable<'d>, lines: &'d Lines<'d>, faults: &'d Faults) -> Self {
        Self::new(faults, lines, table, Place { line: None, key: String::new() })
    }

    /// A section of this table; one without keys when it is not in the file.
    pub(super) fn section(&self, key: &'static str) -> Self {
        let none = || Self::new(self.faults, self.lines, &NO_KEYS, self.place(key));
        let Some(value) = self.value(key) else { return none() };
        self.table_at(value, self.place(key)).unwrap_or_else(none)
    }

    /// The tables in a section whose keys the operator chooses, in the order of the file.
    pub(super) fn named_tables(&self, key: &'static str) -> Vec<(String, Self)> {
        let mut found: Vec<_> = self.section(key).table.iter().collect();
        found.sort_by_key(|(name, _)| name.span().start);
        let tables = found.into_iter().filter_map(|(name, value)| {
            let at = self.inner_place(key, name);
            Some((name.get_ref().to_string(), self.table_at(value, at)?))
        });
        tables.collect()
    }

    /// The strings in a section whose keys the operator chooses. Their values may be secrets: no
    /// fault shows one.
    pub(super) fn named_strings(&self, key: &'static str) -> Vec<(String, String, Place)> {
        let section = self.section(key);
        let strings = section.table.iter().filter_map(|(name, value)| {
            let at = self.inner_place(key, name);
            Some((name.get_ref().to_string(), self.string_at(value.get_ref(), &at)?, at))
        });
        strings.collect()
    }

    /// A string that is not empty.
    pub(super) fn string(&self, key: &'static str) -> Option<String> {
        let text = self.string_at(self.value(key)?.get_ref(), &self.place(key))?;
        if text.is_empty() {
            self.error(key, "is empty; write a value or remove the key");
            return None;
        }
        Some(text)
    }

    /// An array of strings, each with its own place.
    pub(super) fn strings(&self, key: &'static str) -> Option<Vec<(String, Place)>> {
        let value = self.value(key)?;
        let DeValue::Array(array) = value.get_ref() else {
            self.error(key, wrong_type(value.get_ref(), "an array of strings"));
            return None;
        };
        let items = array.iter().enumerate().map(|(i, item)| {
            let at = Place { line: self.line(item), key: format!("{}[{i}]", self.path(key)) };
            self.string_at(item.get_ref(), &at).map(|text| (text, at))
        });
        items.collect()
    }

    /// `true` or `false`.
    pub(super) fn boolean(&self, key: &'static str, default: bool) -> bool {
        let Some(value) = self.value(key) else { return default };
        value.get_ref().as_bool().unwrap_or_else(|| {
            self.error(key, wrong_type(value.get_ref(), "true or false"));
            default
        })
    }

    /// A whole number within a range.
    pub(super) fn integer(&self, key: &'static str, range: RangeInclusive<u32>) -> Option<u32> {
        let value = self.value(key)?;
        let Some(integer) = value.get_ref().as_integer() else {
            self.error(key, wrong_type(value.get_ref(), "a whole number"));
            return None;
        };
        let number = self.peek_integer(key).filter(|number| range.contains(number));
        if number.is_none() {
            let (least, most) = range.into_inner();
            self.error(key, format!("{integer} is out of range; write a number from {least} to {most}"));
        }
        number
    }

    /// A whole number if there is one; records nothing.
    pub(super) fn peek_integer(&self, key: &'static str) -> Option<u32> {
        let integer = self.value(key)?.get_ref().as_integer()?;
        let number = i64::from_str_radix(integer.as_str(), integer.radix()).ok()?;
        u32::try_from(number).ok()
    }

    /// A whole number of bytes.
    pub(super) fn bytes(&self, key: &'static str) -> Option<u64> {
        let value = self.value(key)?;
        let Some(integer) = value.get_ref().as_integer() else {
            self.error(key, wrong_type(value.get_ref(), "a whole number of bytes"));
            return None;
        };
        let number = u64::from_str_radix(integer.as_str(), integer.radix()).ok().filter(|bytes| *bytes > 0);
        if number.is_none() {
            self.error(key, format!("{integer} is out of range; write the file's size in bytes"));
        }
        number
    }

    /// A duration with its unit.
    pub(super) fn duration(&self, key: &'static str, default: Duration, bounds: Bounds) -> Duration {
        let Some(value) = self.value(key) else { return default };
        let checked = if let Some(text) = value.get_ref().as_str() {
            let duration = parse_duration(text).map_err(str::to_owned);
            let duration = duration.and_then(|duration| bounds.check(duration).map(|()| duration));
            duration.map_err(|why| format!("{} {why}", quoted(text)))
        } else if let Some(integer) = value.get_ref().as_integer() {
            Err(format!("{integer} has no unit; write it like \"30s\" or \"1m 30s\""))
        } else {
            Err(wrong_type(value.get_ref(), "a duration like \"30s\" or \"1m 30s\""))
        };
        checked.unwrap_or_else(|why| {
            self.error(key, why);
            default
        })
    }

    /// A size in bytes.
    pub(super) fn size(&self, key: &'static str) -> Option<u64> {
        const LIKE: &str = "write it like \"24GiB\"";
        let value = self.value(key)?;
        let read = if let Some(text) = value.get_ref().as_str() {
            parse_size(text).ok_or_else(|| format!("{} is not a size; {LIKE}", quoted(text)))
        } else if let Some(integer) = value.get_ref().as_integer() {
            Err(format!("{integer} has no unit; {LIKE}"))
        } else {
            Err(wrong_type(value.get_ref(), "a size like \"24GiB\""))
        };
        read.map_err(|why| self.error(key, why)).ok()
    }

    /// One word of several; `what` names them in the fault (`an engine preset`).
    pub(super) fn choice<T: Copy>(&self, key: &'static str, what: &str, words: &[(&str, T)]) -> Option<T> {
        let text = self.string(key)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, choice)| *choice);
        if found.is_none() {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.error(key, format!("{} is not {what}; {}", quoted(&text), suggestion(&text, &known)));
        }
        found
    }

    /// Whether the file has the key at all, good or bad.
    pub(super) fn has(&self, key: &'static str) -> bool {
        self.value(key).is_some()
    }

    /// Where a key stands, or where its table begins when it is not there.
    pub(super) fn place(&self, key: &str) -> Place {
        let found = self.table.iter().find(|(name, _)| name.get_ref() == key);
        let line = found.map_or(self.at.line, |(name, _)| self.line(name));
        Place { line, key: self.path(key) }
    }

    /// Where the table itself stands.
    pub(super) fn own_place(&self) -> &Place {
        &self.at
    }

    /// Records a fault of a key.
    pub(super) fn error(&self, key: &str, message: impl Into<String>) {
        self.faults.error(&self.place(key), message);
    }

    /// Records the keys nobody asked for.
    pub(super) fn finish(self) {
        let asked = self.asked.borrow();
        for (name, _) in self.table {
            if !asked.contains(&name.get_ref().as_ref()) {
                let hint = suggestion(name.get_ref(), &asked);
                let at = Place { line: self.line(name), key: self.path(name.get_ref()) };
                self.faults.error(&at, format!("unknown key; {hint}"));
            }
        }
    }

    fn new(faults: &'d Faults, lines: &'d Lines<'d>, table: &'d DeTable<'d>, at: Place) -> Self {
        Self { faults, lines, table, at, asked: RefCell::default() }
    }

    fn value(&self, key: &'static str) -> Option<&'d Spanned<DeValue<'d>>> {
        let mut asked = self.asked.borrow_mut();
        if !asked.contains(&key) {
            asked.push(key);
        }
        self.table.iter().find(|(name, _)| name.get_ref() == key).map(|(_, value)| value)
    }

    fn table_at(&self, value: &'d Spanned<DeValue<'d>>, at: Place) -> Option<Self> {
        let DeValue::Table(table) = value.get_ref() else {
            self.faults.error(&at, wrong_type(value.get_ref(), "a table"));
            return None;
        };
        // A table's span is its header, which says more than its first mention.
        let at = Place { line: self.line(value), key: at.key };
        Some(Self::new(self.faults, self.lines, table, at))
    }

    fn string_at(&self, value: &DeValue<'_>, at: &Place) -> Option<String> {
        let Some(text) = value.as_str() else {
            self.faults.error(at, wrong_type(value, "a string"));
            return None;
        };
        if text.contains('\0') {
            self.faults.error(at, "holds a NUL character, which no program can be given; remove it");
            return None;
        }
        Some(text.to_owned())
    }

    fn line<T>(&self, spanned: &Spanned<T>) -> Option<u32> {
        Some(self.lines.at(spanned.span().start))
    }

    fn path(&self, key: &str) -> String {
        dotted(&self.at.key, key)
    }

    fn inner_place(&self, key: &str, name: &Spanned<std::borrow::Cow<'_, str>>) -> Place {
        Place { line: self.line(name), key: dotted(&self.path(key), name.get_ref()) }
    }
}

/// A key as it is written after its table's path.
fn dotted(path: &str, key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    let mut dotted = path.to_owned();
    if !path.is_empty() {
        dotted.push('.');
    }
    if bare {
        dotted.push_str(key);
    } else {
        // Writing to a String cannot fail.
        let _ = write!(dotted, "{key:?}");
    }
    dotted
}

fn wrong_type(found: &DeValue<'_>, wanted: &str) -> String {
    let found = match found {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a decimal number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    };
    format!("is {found}, must be {wanted}")
}
