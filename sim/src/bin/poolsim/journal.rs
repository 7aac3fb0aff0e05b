//! A journal once more: its inputs go through this version's core, and every effect is compared by hash.

use std::fmt::Write as _;
use std::path::Path;

use pool_manager_core::journal::{Divergence, Fault, ReadError, Reader, Replay, Step};
use serde_json::json;

use crate::guard::guarded;
use crate::{Verdict, say};

/// Whether it is a journal, by its name or its first bytes.
pub(super) fn is_one(path: &Path, bytes: &[u8]) -> bool {
    let is_named_so = path.extension().is_some_and(|extension| extension == "journal");
    is_named_so
        || !matches!(Reader::new(bytes), Err(ReadError { fault: Fault::NotAJournal | Fault::Empty, .. }))
}

/// Replays it to its end and tells the first divergence.
pub(super) fn replay(path: &Path, bytes: &[u8], trace: bool, as_json: bool) -> Result<Verdict, String> {
    let name = path.display();
    let wrong = |error: ReadError| format!("{name}: {error}");
    let header = Reader::new(bytes).map_err(wrong)?.header().clone();
    let mut replay = Replay::begin(bytes).map_err(wrong)?;
    let (mut first, mut broken) = (None, None);
    loop {
        // A journal may hold the very input that broke the supervisor: that is what it is read for.
        match guarded(|| replay.step()) {
            Ok(Ok(Some(step))) => {
                first = first.or(step.divergence);
                if trace {
                    say(&shown(&step));
                }
            }
            Ok(Ok(None)) => break,
            Ok(Err(error)) => return Err(wrong(error)),
            Err(panic) => {
                broken = Some(panic.lines().next().unwrap_or_default().to_owned());
                break;
            }
        }
    }
    let last = replay.last();
    let first = first.or_else(|| replay.take_divergence());
    let replayed = replay.finish();
    if as_json {
        let said = json!({
            "epoch": header.epoch,
            "segment": header.segment,
            "logic_version": header.logic_version,
            "inputs": replayed.inputs,
            "effects": replayed.effects.to_string(),
            "divergence": first.as_ref().map(Divergence::to_string),
            "broken": broken,
            "broken_by": broken.as_ref().and(last).map(|place| place.to_string()),
            "torn": replayed.torn.as_ref().map(ReadError::to_string),
        });
        say(&format!("{said}\n"));
    } else {
        let mut said =
            format!("epoch {}, segment {}: {} inputs", header.epoch, header.segment, replayed.inputs);
        // A string takes any text.
        let _ = match (&broken, &first) {
            (Some(panic), _) => {
                let by = last.map(|place| place.to_string()).unwrap_or_default();
                writeln!(said, "; {by} broke the core: {panic}")
            }
            (None, Some(divergence)) => writeln!(said, "; {divergence}"),
            (None, None) => writeln!(said, ", every effect as recorded, hash {}", replayed.effects),
        };
        if let Some(torn) = &replayed.torn {
            let _ = writeln!(said, "{torn}");
        }
        say(&said);
    }
    Ok(match (broken, first) {
        (Some(_), _) => Verdict::Unsafe,
        (None, Some(_)) => Verdict::NotDeterministic,
        (None, None) => Verdict::Good,
    })
}

fn shown(step: &Step) -> String {
    let at = step.place.at;
    let mut said = format!("{at} -> {:?}\n", step.input);
    for effect in &step.effects {
        let _ = writeln!(said, "{at} <- {effect:?}");
    }
    if let Some(divergence) = &step.divergence {
        let _ = writeln!(said, "{divergence}");
    }
    said
}
