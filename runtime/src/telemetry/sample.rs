//! The text exposition, put in order and read back: `Metrics::encode` sorts with it, tests and scenarios
//! read single samples with it.

/// The value of one sample of a text exposition: its full name (with `_total`, `_count` …) and exactly
/// these labels, in any order. `None`: there is no such sample, or more than one would fit.
#[must_use]
pub fn sample(exposition: &str, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let mut wanted: Vec<(String, String)> =
        labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    wanted.sort();
    let mut found = exposition.lines().filter_map(Line::parse).filter(|line| {
        let mut has = line.labels();
        has.sort();
        line.name == name && has == wanted
    });
    let value = found.next()?.value.parse().ok();
    if found.next().is_some() { None } else { value }
}

/// Sorts the series of every metric by their labels. The library keeps them in a hash map, whose order
/// changes from run to run; metrics themselves come in the order of their registration.
pub(super) fn in_order(exposition: &str) -> String {
    let mut out = String::with_capacity(exposition.len());
    let mut series: Vec<(String, String)> = Vec::new();
    for text in exposition.lines() {
        match Line::parse(text) {
            Some(line) => {
                let key = line.series();
                match series.last_mut() {
                    // The lines of one histogram stay together, in the library's order.
                    Some((last, lines)) if *last == key => push_line(lines, text),
                    Some(_) | None => series.push((key, format!("{text}\n"))),
                }
            }
            None => {
                flush(&mut series, &mut out);
                push_line(&mut out, text);
            }
        }
    }
    flush(&mut series, &mut out);
    out
}

fn push_line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

fn flush(series: &mut Vec<(String, String)>, out: &mut String) {
    series.sort();
    series.drain(..).for_each(|(_, lines)| out.push_str(&lines));
}

/// One sample line: `name{key="value",…} value`.
struct Line<'a> {
    name: &'a str,
    labels: &'a str,
    value: &'a str,
}

impl<'a> Line<'a> {
    /// `None` for comments and for what is not a sample.
    fn parse(line: &'a str) -> Option<Self> {
        if line.starts_with('#') {
            return None;
        }
        let (head, value) = line.rsplit_once(' ')?;
        match head.split_once('{') {
            Some((name, rest)) => Some(Self { name, labels: rest.strip_suffix('}')?, value }),
            None => Some(Self { name: head, labels: "", value }),
        }
    }

    /// The labels, unescaped.
    fn labels(&self) -> Vec<(String, String)> {
        let mut labels = Vec::new();
        let mut rest = self.labels;
        while let Some((key, after)) = rest.split_once("=\"") {
            let mut value = String::new();
            let mut chars = after.char_indices();
            let mut end = after.len();
            while let Some((place, c)) = chars.next() {
                match c {
                    '"' => {
                        end = place + 1;
                        break;
                    }
                    '\\' => value.extend(chars.next().map(|(_, c)| if c == 'n' { '\n' } else { c })),
                    other => value.push(other),
                }
            }
            labels.push((key.trim_start_matches(',').to_owned(), value));
            rest = after.get(end..).unwrap_or_default();
        }
        labels
    }

    /// What all lines of one series share: the labels but for a histogram's bucket bound.
    fn series(&self) -> String {
        let labels = self.labels();
        let own = labels.iter().filter(|(key, _)| key != "le");
        own.map(|(key, value)| format!("{key}={value:?},")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# TYPE d histogram\nd_count{p=\"b\",o=\"x\"} 2\nd_bucket{le=\"1.0\",p=\"b\",o=\"x\"} 1\n\
        d_bucket{le=\"+Inf\",p=\"b\",o=\"x\"} 2\nd_count{p=\"a\",o=\"x\"} 7\n# TYPE g gauge\ng 1\n# EOF\n";

    #[test]
    fn a_sample_is_found_by_its_exact_labels() {
        assert_eq!(sample(TEXT, "d_count", &[("o", "x"), ("p", "a")]), Some(7.0));
        assert_eq!(sample(TEXT, "d_count", &[("p", "a")]), None, "a label is missing");
        assert_eq!(sample(TEXT, "g", &[]), Some(1.0));
        assert_eq!(
            sample(r#"m{a="q\"} 1,b=\"",c="d"} 3"#, "m", &[("a", "q\"} 1,b=\""), ("c", "d")]),
            Some(3.0)
        );
    }

    #[test]
    fn series_are_sorted_and_buckets_keep_their_order() {
        let sorted = in_order(TEXT);
        let place = |what: &str| sorted.find(what);
        assert!(place("p=\"a\"") < place("p=\"b\""));
        assert!(place("le=\"1.0\"") < place("le=\"+Inf\""));
        assert!(place("le=\"+Inf\"") < place("# TYPE g"));
        assert_eq!(sorted.len(), TEXT.len(), "nothing is lost");
    }
}
