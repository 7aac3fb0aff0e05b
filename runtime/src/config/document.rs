//! TOML text to a tree whose values know their line; faults of the text itself become config errors.

use toml::Spanned;
use toml::de::{DeTable, Error as TomlError};

use super::errors::{Faults, Place};

/// Parses the text. Duplicate keys and tables are recorded and the first one is kept, so that the
/// rest of the file is still checked; after any other fault the tree is not to be trusted: `None`.
pub(super) fn parse<'t>(text: &'t str, faults: &Faults) -> Option<Spanned<DeTable<'t>>> {
    let (tree, errors) = DeTable::parse_recoverable(text);
    let lines = Lines::of(text);
    let (duplicates, broken): (Vec<_>, Vec<_>) =
        errors.iter().partition(|error| error.message() == "duplicate key");
    if broken.is_empty() {
        report_duplicates(&lines, &duplicates, faults);
        return Some(tree);
    }
    let mut reported: Vec<u32> = Vec::new();
    for error in broken {
        let line = lines.at(error.span().map_or(0, |span| span.start));
        if !reported.contains(&line) {
            reported.push(line);
            let at = Place { line: Some(line), key: String::new() };
            faults.error(&at, format!("not valid TOML: {}", error.message()));
        }
    }
    None
}

/// Byte offsets to line numbers.
#[derive(Debug)]
pub(super) struct Lines<'t> {
    text: &'t str,
    /// Offset of each line's first byte.
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        let after_breaks = text.match_indices('\n').map(|(at, _)| at + 1);
        Self { text, starts: std::iter::once(0).chain(after_breaks).collect() }
    }

    /// The line, counted from 1, that holds this byte.
    pub(super) fn at(&self, offset: usize) -> u32 {
        let line = self.starts.partition_point(|start| *start <= offset);
        u32::try_from(line).unwrap_or(u32::MAX)
    }

    /// A line's text without surrounding blanks and comment.
    fn content(&self, line: u32) -> &'t str {
        let line = self.text.lines().nth(line.saturating_sub(1) as usize).unwrap_or("");
        line.split('#').next().unwrap_or("").trim()
    }

    /// The nearest table header at or above a line: its own line and the name within the brackets.
    fn header(&self, line: u32) -> Option<(u32, &'t str)> {
        (1..=line).rev().map(|line| (line, self.content(line))).find_map(|(line, content)| {
            content.starts_with('[').then(|| (line, content.trim_matches(['[', ']', ' '])))
        })
    }
}

/// One line for each table or key given twice. The keys inside a table given twice are duplicates
/// only because the table is, and are not reported again.
fn report_duplicates(lines: &Lines<'_>, duplicates: &[&TomlError], faults: &Faults) {
    let mut tables: Vec<u32> = Vec::new();
    for duplicate in duplicates {
        let Some(span) = duplicate.span() else { continue };
        let line = lines.at(span.start);
        let header = lines.header(line);
        if let Some((at, name)) = header
            && at == line
        {
            tables.push(line);
            let first = (1..line).find(|earlier| {
                let content = lines.content(*earlier);
                content.starts_with('[') && content.trim_matches(['[', ']', ' ']) == name
            });
            let first = first.map_or(String::new(), |first| format!(", first on line {first}"));
            let at = Place { line: Some(line), key: name.to_owned() };
            faults.error(&at, format!("this table is given twice{first}; keep one of them"));
        } else if !header.is_some_and(|(at, _)| tables.contains(&at)) {
            let name = lines.text.get(span).unwrap_or("");
            let key = [header.map_or("", |(_, name)| name), outer_key(lines.content(line), name), name];
            let key: Vec<&str> = key.into_iter().filter(|part| !part.is_empty()).collect();
            let at = Place { line: Some(line), key: key.join(".") };
            faults.error(&at, "this key is given twice; keep one of them");
        }
    }
}

/// For a key within an inline table: the key that table belongs to, when it begins on this line.
fn outer_key<'t>(content: &'t str, name: &str) -> &'t str {
    match content.split_once('=') {
        Some((outer, rest)) if rest.trim_start().starts_with('{') && outer.trim() != name => outer.trim(),
        Some(_) | None => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults_of(text: &str) -> String {
        let faults = Faults::new("f");
        let _tree = parse(text, &faults);
        faults.into_result().map_or_else(|errors| errors.to_string(), |_| String::new())
    }

    #[test]
    fn a_table_given_twice_is_one_fault_whatever_it_holds() {
        let text = "[pool.a]\nport = 1\n[pool.b]\nport = 2\n[pool.a] # again\nport = 3\nport = 4\n";
        assert_eq!(
            faults_of(text),
            "f:5: pool.a: this table is given twice, first on line 1; keep one of them"
        );
    }

    #[test]
    fn a_key_given_twice_is_named_in_full() {
        let text = "[pool.a]\nport = 1\nport = 2\nenv = { A = \"1\", A = \"2\" }\n";
        let expected = "f:3: pool.a.port: this key is given twice; keep one of them\n\
                        f:4: pool.a.env.A: this key is given twice; keep one of them";
        assert_eq!(faults_of(text), expected);
    }

    #[test]
    fn broken_text_is_reported_once_a_line_and_nothing_else_is() {
        let text = "[pool.a]\nport = one two\nport = 2\n[pool.b\n";
        let expected = "f:2: not valid TOML: string values must be quoted, expected literal string\n\
                        f:4: not valid TOML: unclosed table, expected `]`";
        assert_eq!(faults_of(text), expected);
    }
}
