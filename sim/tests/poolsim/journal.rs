//! `poolsim replay` of journals: equal effects, the first divergence, and what cannot be read.

use std::fs;
use std::path::Path;

use pool_manager_core::journal::{EffectHash, Header, LOGIC_VERSION, Writer};
use pool_manager_core::{Correlation, Effect, Host, HostConfig, Input, Time};

use crate::{Said, folder, poolsim};

/// A journal of a host that was told to shut down twice, and at the end what its effects are said to have been.
fn journal(header: &Header, tell: impl FnOnce(EffectHash) -> EffectHash) -> Vec<u8> {
    let mut host = Host::new(HostConfig::default(), 7, Time::ZERO);
    let mut effects = EffectHash::default();
    let mut writer = Writer::begin(header);
    writer.facts(&host.facts());
    writer.state(&host, effects);
    let now = Time::from_nanos(1_000_000_000);
    let input = Input::Shutdown { correlation: Correlation([0, 1]) };
    writer.input(now, &input, effects);
    host.handle(now, input);
    let done: Vec<Effect> = std::iter::from_fn(|| host.poll_effect()).collect();
    effects = effects.after(&done);
    writer.mark(tell(effects));
    writer.take()
}

fn replayed(folder: &Path, bytes: &[u8], more: &[&str]) -> Said {
    fs::write(folder.join("1-1.journal"), bytes).expect("written");
    poolsim(folder, &[&["replay", "1-1.journal"], more].concat())
}

#[test]
fn a_journal_is_replayed_with_equal_effects() {
    let folder = folder();
    let bytes = journal(&Header::new(1, 1), |effects| effects);
    let said = replayed(folder.path(), &bytes, &[]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(
        said.out.starts_with("epoch 1, segment 1: 1 inputs, every effect as recorded, hash "),
        "{}",
        said.out
    );
    let trace = replayed(folder.path(), &bytes, &["--trace"]).out;
    assert!(trace.starts_with("1.000s -> Shutdown") && trace.contains("1.000s <- Exit"), "{trace}");
    let json = replayed(folder.path(), &bytes, &["--json"]).json();
    assert_eq!((json["inputs"].as_u64(), json["divergence"].is_null()), (Some(1), true), "{json}");
}

#[test]
fn a_journal_is_known_by_its_bytes_too() {
    let folder = folder();
    fs::write(folder.path().join("copied"), journal(&Header::new(1, 1), |effects| effects)).expect("written");
    assert_eq!(poolsim(folder.path(), &["replay", "copied"]).code, Some(0));
}

#[test]
fn the_first_divergence_is_named() {
    let folder = folder();
    let bytes = journal(&Header::new(1, 1), |effects| effects.after(&[Effect::Exit]));
    let said = replayed(folder.path(), &bytes, &[]);
    assert_eq!(said.code, Some(4), "{}", said.out);
    assert!(said.out.contains("replay diverges: input 1 (shutdown, at 1.000s, "), "{}", said.out);
    let json = replayed(folder.path(), &bytes, &["--json"]).json();
    assert!(json["divergence"].as_str().is_some_and(|text| text.contains("input 1 (shutdown")), "{json}");
}

#[test]
fn what_a_later_version_wrote_and_what_is_damaged_is_refused() {
    let folder = folder();
    let refused = |bytes: &[u8], why: &str| {
        let said = replayed(folder.path(), bytes, &[]);
        assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{}", said.err);
        assert!(said.err.starts_with("poolsim: 1-1.journal: journal record "), "{}", said.err);
        assert!(said.err.contains(why), "{why}: {}", said.err);
    };
    let good = journal(&Header::new(1, 1), |effects| effects);
    let later = Header { logic_version: LOGIC_VERSION + 1, ..Header::new(1, 1) };
    refused(
        &journal(&later, |effects| effects),
        &format!("state and inputs are of logic version {}, this is {LOGIC_VERSION}", LOGIC_VERSION + 1),
    );
    let mut newer_format = good.clone();
    newer_format[4..8].copy_from_slice(&[9, 0, 0xf6, 0xff]);
    refused(&newer_format, "written in format 9, this version reads up to 1");
    let mut damaged = good.clone();
    damaged[20] ^= 1;
    refused(&damaged, "the header is damaged");
    refused(b"seed = 1", "this is not a journal; it is left alone, name another file");
    refused(&[], "nothing was recorded in this segment");
}
