//! The journal's codec from outside: identity, damage, replay, sizes, and golden files that every later version
//! must read.

mod damage;
mod driver;
mod golden;
mod inputs;
mod random;
mod replaying;
mod samples;
mod sizes;

use pool_manager_core::journal::{EffectHash, Entry, HashCheck, ReadError, Reader, Record, Writer};

use crate::inputs::every_input;
use crate::random::Random;
use crate::samples::{facts, header, host, times, update};

/// Everything a segment says, or why it cannot be read.
fn read(segment: &[u8]) -> Result<Vec<Entry>, ReadError> {
    Reader::new(segment)?.collect()
}

/// A segment with every kind of record and every input. `State` only where it is wanted: it changes often.
fn segment(with_state: bool) -> Vec<u8> {
    let mut writer = Writer::begin(&header());
    writer.facts(&facts());
    if with_state {
        writer.state(&host(), EffectHash::BEGIN);
    }
    for (count, (at, input)) in times().zip(every_input()).enumerate() {
        writer.input(at, &input, EffectHash::from_u64(count as u64 * 0x0123_4567_89ab_cdef));
    }
    writer.facts_update(&update());
    writer.mark(EffectHash::from_u64(7));
    writer.take()
}

#[test]
fn every_record_reads_back_and_is_written_again_to_the_byte() {
    let bytes = segment(true);
    let mut reader = Reader::new(&bytes).unwrap();
    assert_eq!(reader.header(), &header());
    let mut again = Writer::begin(reader.header());
    let mut inputs = Vec::new();
    for entry in &mut reader {
        match entry.unwrap().record {
            Record::Facts(read) => again.facts(&read),
            Record::FactsUpdate(read) => again.facts_update(&read),
            Record::State { host, effects } => again.state(&host, effects),
            Record::Mark { effects } => again.mark(effects),
            Record::Input(recorded) => {
                let number = inputs.len() as u64 * 0x0123_4567_89ab_cdef;
                assert!(recorded.before.fits(EffectHash::from_u64(number)), "{recorded:?}");
                again.input(recorded.at, &recorded.input, EffectHash::from_u64(number));
                inputs.push((recorded.at, recorded.input));
            }
        }
    }
    assert_eq!(reader.torn(), None);
    let expected: Vec<_> = times().zip(every_input()).collect();
    assert_eq!(inputs, expected);
    assert_eq!(again.take(), bytes);
}

#[test]
fn lease_inputs_in_any_order_taken_one_by_one_or_together_read_back() {
    let (mut random, all) = (Random(1), inputs::leases());
    let inputs: Vec<_> = times().take(5000).map(|at| (at, random.one_of(&all).clone())).collect();
    let write = |together: usize| {
        let mut writer = Writer::begin(&header());
        let mut bytes = writer.take();
        for turn in inputs.chunks(together) {
            for (at, input) in turn {
                writer.input(*at, input, EffectHash::BEGIN);
            }
            bytes.append(&mut writer.take());
        }
        bytes
    };
    let said = |bytes: &[u8]| -> Vec<_> {
        let input = |entry: Entry| {
            let Record::Input(recorded) = entry.record else { panic!("{entry:?}") };
            (recorded.at, recorded.input)
        };
        read(bytes).unwrap().into_iter().map(input).collect()
    };
    let (single, packed) = (write(1), write(5000));
    assert_eq!(said(&single), inputs);
    assert_eq!(said(&packed), inputs);
    assert!(packed.len() < single.len());
}

#[test]
fn control_records_keep_all_of_the_hash_and_packed_ones_some() {
    let entries = read(&segment(false)).unwrap();
    let before = |entry: &Entry| {
        let Record::Input(recorded) = &entry.record else { return None };
        Some((recorded.input.clone(), recorded.before))
    };
    let mut short = 0;
    for (input, before) in entries.iter().filter_map(before) {
        let packed = inputs::leases().contains(&input);
        match before {
            HashCheck::Full(_) => assert!(!packed, "{input:?}"),
            HashCheck::Short(_) | HashCheck::Tiny(_) => {
                assert!(packed, "{input:?}");
                short += 1;
            }
        }
    }
    let packed = every_input().iter().filter(|input| inputs::leases().contains(input)).count();
    assert_eq!(short, packed);
}
