//! From a preset or a `command` to the argv of one engine: which arguments there are, and what is
//! put in for `${…}`.

use super::preset::{Call, Optional};

/// What the placeholders stand for in one pool.
#[derive(Clone, Debug)]
pub(super) struct Values<'v> {
    /// `${PORT}`.
    pub(super) port: Option<u16>,
    /// `${MODEL}`.
    pub(super) model: Option<&'v str>,
    /// `${DEVICES}`, joined by commas, and `${DEVICE_COUNT}`.
    pub(super) devices: &'v [String],
    /// `${SLOTS}`.
    pub(super) slots: u32,
}

/// The names that may stand within `${…}`.
const PLACEHOLDERS: [&str; 5] = ["PORT", "MODEL", "DEVICES", "DEVICE_COUNT", "SLOTS"];

impl Values<'_> {
    /// Fills in the placeholders of one argument. `$${` stands for a plain `${`.
    ///
    /// The error is what is wrong with it.
    pub(super) fn expand(&self, template: &str) -> Result<String, String> {
        let mut filled = String::with_capacity(template.len());
        let mut rest = template;
        while let Some(at) = rest.find("${") {
            let (before, from) = rest.split_at(at);
            if let Some(before) = before.strip_suffix('$') {
                filled.push_str(before);
                filled.push_str("${");
                rest = &from[2..];
                continue;
            }
            filled.push_str(before);
            let Some((name, after)) = from[2..].split_once('}') else {
                return Err("has \"${\" without \"}\"; write \"$${\" for a plain \"${\"".to_owned());
            };
            filled.push_str(&self.value(name)?);
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }

    fn value(&self, name: &str) -> Result<String, String> {
        let absent = |key: &str| format!("uses ${{{name}}}, but the pool has no {key}; add the key {key}");
        match name {
            "PORT" => self.port.map(|port| port.to_string()).ok_or_else(|| absent("port")),
            "MODEL" => self.model.map(str::to_owned).ok_or_else(|| absent("model")),
            "DEVICES" => Ok(self.devices.join(",")),
            "DEVICE_COUNT" => Ok(self.devices.len().to_string()),
            "SLOTS" => Ok(self.slots.to_string()),
            _ => {
                let known: Vec<String> = PLACEHOLDERS.iter().map(|known| format!("${{{known}}}")).collect();
                let known: Vec<&str> = known.iter().map(String::as_str).collect();
                let written = format!("${{{name}}}");
                let hint = super::errors::suggestion(&written, &known);
                Err(format!("{written} is not a placeholder; {hint}"))
            }
        }
    }
}

/// The preset's arguments before the placeholders are filled in: its own, then the operator's.
pub(super) fn preset_args(call: &Call, args: &[String], devices: &[String]) -> Vec<String> {
    let mut all: Vec<String> = call.args.iter().map(ToString::to_string).collect();
    let applies = |optional: &&Optional| {
        let overridden = optional.unless.iter().any(|flag| mentions(args, flag));
        !overridden && (!optional.multi_device || devices.len() > 1)
    };
    for optional in call.optional.iter().filter(applies) {
        all.extend([optional.flag.to_owned(), optional.value.to_owned()]);
    }
    all.extend_from_slice(args);
    all
}

/// Whether an argument is this flag, alone or as `--flag=value`.
pub(super) fn is_flag(arg: &str, flag: &str) -> bool {
    arg.strip_prefix(flag).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
}

fn mentions(args: &[String], flag: &str) -> bool {
    args.iter().any(|arg| is_flag(arg, flag))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(template: &str) -> Result<String, String> {
        let devices = ["0".to_owned(), "2".to_owned()];
        Values { port: Some(81), model: None, devices: &devices, slots: 3 }.expand(template)
    }

    #[test]
    fn placeholders_are_filled_in_and_an_escaped_one_is_not() {
        let filled = expand("${PORT}:${DEVICES}/${DEVICE_COUNT}x${SLOTS} $${PORT} $HOME {}");
        assert_eq!(filled.as_deref(), Ok("81:0,2/2x3 ${PORT} $HOME {}"));
    }

    #[test]
    fn what_is_filled_in_is_not_looked_at_again() {
        let values = Values { port: None, model: Some("${PORT}"), devices: &[], slots: 1 };
        assert_eq!(values.expand("${MODEL}").as_deref(), Ok("${PORT}"));
    }

    #[test]
    fn a_flag_is_not_the_beginning_of_another() {
        assert!(is_flag("--port=1", "--port") && is_flag("--port", "--port"));
        assert!(!is_flag("--port-range", "--port"));
    }
}
