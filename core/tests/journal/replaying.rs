//! Replay makes the same host again, and names the first input that did not do the same.

use pool_manager_core::journal::{
    Divergence, EffectHash, Entry, Fault, Header, Reader, Record, Replay, Writer, control_only, fold, replay,
};
use pool_manager_core::{CommandId, Correlation, Host, HostConfig, Input, PoolUid, Time, Verb};

use crate::driver::Driver;
use crate::samples::{facts, host, pool_spec};

const POOL: PoolUid = PoolUid(1);

/// A pool that is ready and was used; it is on its way, so that the State says something.
pub(crate) fn ready() -> Driver {
    let host = Host::new(HostConfig { epoch: 7, ..HostConfig::default() }, 42, Time::from_nanos(5));
    let mut driver = Driver::begin(host, &facts());
    let (command, correlation) = (driver.command(), Correlation([1, 1]));
    let mut spec = pool_spec();
    spec.policy = pool_manager_core::Policy::default();
    driver.feed(Input::Register { command, correlation, spec: Box::new(spec) });
    driver.run_for_seconds(10);
    for _ in 0..3 {
        driver.ask(POOL);
    }
    assert_eq!(driver.leases.len(), 3, "the pool is ready");
    driver
}

fn drain(driver: &mut Driver) {
    let (command, correlation) = (driver.command(), Correlation([1, command_token()]));
    let verb = Verb::Drain { deadline: None };
    driver.feed(Input::Command { command, correlation, pool: POOL, verb });
}

const fn command_token() -> u64 {
    99
}

fn found(segment: &[u8]) -> Vec<Divergence> {
    let mut found = Vec::new();
    replay(segment, |divergence| found.push(*divergence)).unwrap();
    found
}

#[test]
fn the_host_is_as_it_was() {
    let mut driver = ready();
    driver.end();
    drain(&mut driver);
    driver.end();
    driver.end();
    driver.run_for_seconds(300);
    // Compared with the replayed host as well: a State of a host that has lived reads back.
    driver.writer.state(&driver.host, driver.effects);
    let segment = driver.writer.take();
    let replayed = replay(&segment, |divergence| panic!("{divergence}")).unwrap();
    assert_eq!(replayed.host, driver.host);
    assert_eq!(replayed.effects, driver.effects);
    assert!(replayed.inputs > 15, "{}", replayed.inputs);
    assert!(replayed.unfinished, "no mark at the end");
    assert_eq!(replayed.torn, None);
}

#[test]
fn a_mark_says_that_the_last_input_was_finished() {
    let mut driver = ready();
    driver.writer.mark(driver.effects);
    let segment = driver.writer.take();
    assert!(!replay(&segment, |divergence| panic!("{divergence}")).unwrap().unfinished);
}

#[test]
fn a_segment_that_begins_where_another_ended_goes_on() {
    let mut driver = ready();
    let mut next = Driver::begin(driver.host.clone(), &facts());
    next.effects = driver.effects;
    next.writer = Writer::begin(&Header::new(7, 2));
    next.writer.facts(&facts());
    next.writer.state(&next.host, driver.effects);
    next.ask(POOL);
    drain(&mut next);
    let replayed = replay(&next.writer.take(), |divergence| panic!("{divergence}")).unwrap();
    assert_eq!(replayed.host, next.host);
    driver.ask(POOL);
    assert_ne!(driver.host, next.host, "the drain is only in one of them");
}

#[test]
fn the_input_that_led_to_other_effects_is_named() {
    // A drain is recorded, a stop was done.
    let mut driver = ready();
    let (command, correlation) = (driver.command(), Correlation([1, 1]));
    let asked = |verb| Input::Command { command, correlation, pool: POOL, verb };
    let before = driver.writer.clone().take();
    let inputs = replay(&before, |_| {}).unwrap().inputs;
    driver.feed_recorded(asked(Verb::Stop), &asked(Verb::Undrain));
    driver.run_for_seconds(1);
    driver.feed(Input::Stalled);
    let found = found(&driver.writer.take());
    let first = found[0].input.unwrap();
    assert_eq!((first.input, first.kind), (inputs + 1, "undrain"));
    let said = found[0].to_string();
    assert!(said.contains(&format!("input {} (undrain, at ", inputs + 1)), "{said}");
    assert!(said.contains(&format!("at byte {})", first.offset)), "{said}");
}

#[test]
fn a_packed_input_that_led_to_other_effects_is_named_once() {
    let mut driver = ready();
    let (command, lease) = (driver.command(), driver.leases[0]);
    let unknown = pool_manager_core::LeaseId { sequence: 999, ..lease };
    driver.ask(POOL);
    driver.feed_recorded(Input::LeaseEnd { command, lease }, &Input::LeaseEnd { command, lease: unknown });
    for _ in 0..20 {
        driver.ask(POOL);
        driver.feed(Input::Timer);
    }
    let found = found(&driver.writer.take());
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].input.map(|place| place.kind), Some("lease_end"));
}

#[test]
fn a_divergence_of_the_very_last_input_is_seen_by_the_mark() {
    let mut driver = ready();
    let command = driver.command();
    let lease = driver.leases[0];
    let unknown = pool_manager_core::LeaseId { sequence: 999, ..lease };
    driver.feed_recorded(Input::LeaseEnd { command, lease }, &Input::LeaseEnd { command, lease: unknown });
    assert_eq!(found(&driver.writer.clone().take()), [], "hashes are recorded one input late");
    driver.writer.mark(driver.effects);
    assert_eq!(found(&driver.writer.take()).len(), 1);
}

#[test]
fn another_state_later_in_the_segment_is_a_divergence_and_is_believed() {
    let mut driver = ready();
    driver.writer.state(&host(), driver.effects);
    let segment = driver.writer.take();
    let found = found(&segment);
    assert!(found.len() == 1 && found[0].is_state, "{found:?}");
    assert_eq!(replay(&segment, |_| {}).unwrap().host, host());
}

#[test]
fn replay_goes_step_by_step_and_shows_what_was_asked_of_the_world() {
    let mut driver = ready();
    let segment = driver.writer.take();
    let mut replay = Replay::begin(&segment).unwrap();
    let (mut effects, mut events, mut hash) = (0, 0, EffectHash::BEGIN);
    let mut entries = Reader::new(&segment).unwrap().map(Result::unwrap);
    while let Some(step) = replay.step().unwrap() {
        let is_input = |entry: &Entry| matches!(entry.record, Record::Input(_));
        let entry = entries.by_ref().find(is_input).unwrap();
        assert_eq!((step.place.record, step.place.offset), (entry.number, entry.offset));
        assert_eq!(replay.last(), Some(step.place));
        assert_eq!(step.divergence, None);
        effects += step.effects.len();
        events += step.events.len();
        hash = hash.after(&step.effects);
    }
    assert!(effects > 5 && events > 5, "{effects} effects, {events} events");
    assert_eq!(hash, driver.effects);
    assert_eq!(replay.host(), &driver.host);
}

#[test]
fn what_cannot_be_replayed_says_why() {
    let why = |writer: &mut Writer| replay(&writer.take(), |_| {}).unwrap_err().fault;
    let header = Header::new(7, 1);
    let empty = Writer::begin(&header).take();
    let error = replay(&empty, |_| {}).unwrap_err();
    let end = empty.len() as u64;
    assert_eq!((error.fault, error.offset, error.record), (Fault::NoState, end, 1), "after the header");

    let mut writer = Writer::begin(&header);
    writer.input(Time::ZERO, &Input::Stalled, EffectHash::BEGIN);
    assert_eq!(why(&mut writer), Fault::NoState);

    let mut writer = Writer::begin(&header);
    writer.state(&host(), EffectHash::BEGIN);
    writer.input(Time::ZERO, &Input::Stalled, EffectHash::BEGIN);
    assert_eq!(why(&mut writer), Fault::TimeRunsBack);

    let other = Header { logic_version: header.logic_version + 1, ..header };
    let mut writer = Writer::begin(&other);
    writer.facts(&facts());
    writer.state(&host(), EffectHash::BEGIN);
    let segment = writer.take();
    let error = replay(&segment, |_| {}).unwrap_err();
    assert_eq!((error.record, &error.fault), (2, &Fault::OtherLogic { found: other.logic_version }));
    assert_eq!(fold(&segment).unwrap().facts, facts());
}

#[test]
fn an_old_segment_is_kept_without_what_is_frequent() {
    let mut driver = ready();
    let before = driver.writer.clone().take();
    for _ in 0..100 {
        driver.ask(PoolUid(3));
        driver.feed(Input::Timer);
    }
    drain(&mut driver);
    let segment = driver.writer.take();
    let kept = control_only(&segment).unwrap();
    assert!(kept.len() < before.len() + facts_len(), "{} {}", kept.len(), before.len());
    assert_eq!(replay(&kept, |_| {}).unwrap_err().fault, Fault::LeasesRemoved);
    assert_eq!(fold(&kept).unwrap().facts, fold(&segment).unwrap().facts);
    assert_eq!(fold(&kept).unwrap().facts.pools[0].leases.asked_since, 100);
}

fn facts_len() -> usize {
    let mut writer = Writer::begin(&Header::new(7, 1));
    writer.facts(&facts());
    writer.take().len()
}

#[test]
fn folding_takes_ended_leases_out() {
    let mut writer = Writer::begin(&Header::new(7, 1));
    writer.facts(&facts());
    let known = facts().pools[0].clone();
    let active = known.leases.active[0];
    let incarnation =
        pool_manager_core::Incarnation { epoch: active.incarnation.epoch, n: active.incarnation.n };
    let engine = pool_manager_core::EngineRef { pool: PoolUid(known.uid), incarnation };
    for (sequence, left) in [(555, 1), (active.sequence, 0), (active.sequence, 0)] {
        let lease = pool_manager_core::LeaseId { engine, sequence };
        writer.input(Time::ZERO, &Input::LeaseEnd { command: CommandId(1), lease }, EffectHash::BEGIN);
        assert_eq!(fold(&writer.clone().take()).unwrap().facts.pools[0].leases.active.len(), left);
    }
    let leases = fold(&writer.take()).unwrap().facts.pools[0].leases.clone();
    assert_eq!((leases.active.len(), leases.completed), (0, known.leases.completed + 1));
    assert_eq!(leases.sequence_high_water(), known.leases.granted + known.leases.queued);
}
