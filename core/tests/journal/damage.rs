//! Whatever the bytes are: no panic, no invented record, and an error that says where.

use pool_manager_core::journal::{
    EffectHash, Entry, FORMAT, Facts, Fault, Header, ReadError, Reader, Writer, control_only, fold,
};
use pool_manager_core::{Input, Time};

use crate::inputs::every_input;
use crate::random::Random;
use crate::samples::{facts, header, host, times};
use crate::{read, segment};

/// Reads to the end, whatever comes; the records and how it ended.
fn drain(bytes: &[u8]) -> (Vec<Entry>, Option<ReadError>) {
    let mut entries = Vec::new();
    let mut reader = match Reader::new(bytes) {
        Ok(reader) => reader,
        Err(error) => return (entries, Some(error)),
    };
    for entry in &mut reader {
        match entry {
            Ok(entry) => entries.push(entry),
            Err(error) => return (entries, Some(error)),
        }
    }
    (entries, reader.torn().cloned())
}

/// Every way to read, none of which may panic.
fn read_every_way(bytes: &[u8]) {
    let _ = drain(bytes);
    let _ = fold(bytes);
    let _ = control_only(bytes);
}

/// A frame as another program would make it.
fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![kind];
    let mut length = payload.len();
    while length >= 0x80 {
        out.push(length.to_le_bytes()[0] | 0x80);
        length >>= 7;
    }
    out.push(length.to_le_bytes()[0]);
    out.extend_from_slice(payload);
    let crc = crc32fast::hash(&out);
    out.extend_from_slice(&crc.to_le_bytes());
    out
}

/// A short segment with the shortest of each kind.
fn short_segment() -> Vec<u8> {
    let mut writer = Writer::begin(&Header::new(1, 1));
    writer.facts(&Facts::default());
    for at in times().take(4) {
        writer.input(at, &Input::Timer, EffectHash::BEGIN);
        writer.input(at, &Input::Stalled, EffectHash::BEGIN);
    }
    writer.mark(EffectHash::BEGIN);
    writer.take()
}

#[test]
fn random_bytes_are_refused_without_a_panic() {
    let mut random = Random(1);
    let begin = Writer::begin(&header()).take();
    for round in 0..20_000_u64 {
        let noise = random.bytes(200);
        read_every_way(&noise);
        read_every_way(&[&begin[..], &noise].concat());
        // Right in its frame, wrong in what it says.
        let kind =
            if round % 4 == 0 { random.next().to_le_bytes()[0] } else { 1 + round.to_le_bytes()[0] % 7 };
        read_every_way(&[&begin[..], &frame(kind, &noise)].concat());
    }
}

#[test]
fn payloads_with_a_changed_byte_and_a_right_checksum_are_survived() {
    let mut random = Random(2);
    let bytes = segment(true);
    let frames = frames_of(&bytes);
    let begin = Writer::begin(&header()).take();
    for (kind, payload) in frames.iter().skip(1) {
        for _ in 0..60 {
            let mut payload = payload.to_vec();
            let place = usize::try_from(random.below(payload.len() as u64)).unwrap();
            payload[place] ^= 1 << random.below(8);
            read_every_way(&[&begin[..], &frame(*kind, &payload)].concat());
        }
    }
}

/// Kind and payload of every frame, found without the reader.
fn frames_of(bytes: &[u8]) -> Vec<(u8, &[u8])> {
    let mut frames = Vec::new();
    let mut rest = &bytes[8..];
    while let [kind, tail @ ..] = rest {
        let head = 1 + tail.iter().position(|byte| byte & 0x80 == 0).unwrap();
        let length = (0..head).fold(0, |length, n| length | usize::from(tail[n] & 0x7f) << (7 * n));
        frames.push((*kind, &tail[head..head + length]));
        rest = &tail[head + length + 4..];
    }
    frames
}

#[test]
fn a_segment_cut_anywhere_gives_what_was_whole() {
    let mut writer = Writer::begin(&header());
    let header_ends = writer.clone().take().len();
    writer.facts(&Facts::default());
    writer.state(&host(), EffectHash::BEGIN);
    for (at, input) in times().zip(every_input()) {
        writer.input(at, &input, EffectHash::BEGIN);
    }
    let bytes = writer.take();
    let all = read(&bytes).unwrap();
    for length in 0..bytes.len() {
        let (entries, end) = drain(&bytes[..length]);
        assert!(entries.len() < all.len() && all.starts_with(&entries), "cut at {length}");
        let fault = end.map(|end| end.fault);
        if length < header_ends {
            let expected = if length == 0 { Fault::Empty } else { Fault::HeaderDamaged };
            assert_eq!(fault, Some(expected), "cut at {length}");
        } else {
            // Between two records nothing is missed.
            let whole = fault.is_none() || matches!(fault, Some(Fault::Torn { .. }));
            assert!(whole, "cut at {length}: {fault:?}");
        }
    }
}

#[test]
fn a_preallocated_segment_cut_anywhere_gives_what_was_whole() {
    let bytes = short_segment();
    for length in 0..bytes.len() {
        let cut = &bytes[..length];
        assert_eq!(drain(&[cut, &[0; 100]].concat()).0, drain(cut).0, "cut at {length}");
    }
}

#[test]
fn a_changed_byte_anywhere_never_becomes_another_record() {
    let bytes = short_segment();
    let all = read(&bytes).unwrap();
    let last_record = bytes.len() - 14;
    for place in 0..bytes.len() {
        for mask in (0..8).map(|bit| 1 << bit).chain([0xff]) {
            let mut changed = bytes.clone();
            changed[place] ^= mask;
            let (entries, end) = drain(&changed);
            assert!(entries.len() < all.len() && all.starts_with(&entries), "byte {place} ^ {mask}");
            let error = end.unwrap_or_else(|| panic!("byte {place} ^ {mask} was not noticed"));
            let told = if let Fault::Damaged { next: Some(next) } = error.fault {
                place < last_record && next > place as u64
            } else if let Fault::Torn { .. } = error.fault {
                place >= last_record
            } else {
                matches!(error.fault, Fault::NotAJournal | Fault::HeaderDamaged) && error.record == 0
            };
            assert!(told, "byte {place} ^ {mask}: {error}");
        }
    }
}

#[test]
fn damage_says_where_it_is_and_where_the_next_good_record_is() {
    let mut writer = Writer::begin(&header());
    let mut bytes = writer.take();
    writer.facts(&facts());
    bytes.append(&mut writer.take());
    let damaged_at = bytes.len();
    writer.input(Time::ZERO, &Input::Stalled, EffectHash::BEGIN);
    bytes.append(&mut writer.take());
    let next = bytes.len();
    writer.mark(EffectHash::BEGIN);
    bytes.append(&mut writer.take());
    bytes[damaged_at + 5] ^= 1;
    let error = read(&bytes).unwrap_err();
    let fault = Fault::Damaged { next: Some(next as u64) };
    assert_eq!(error, ReadError { offset: damaged_at as u64, record: 2, fault });
    let folded = fold(&bytes).unwrap();
    assert_eq!((folded.facts, folded.cut_short), (facts(), Some(error)));
}

#[test]
fn long_garbage_at_the_end_is_searched_once_and_given_up() {
    let mut random = Random(3);
    let mut bytes = short_segment();
    bytes.extend((0..300_000).map(|_| random.next().to_le_bytes()[0] | 1));
    let (entries, end) = drain(&bytes);
    assert_eq!(entries, read(&short_segment()).unwrap());
    let expected = Fault::Torn { bytes: 300_000 };
    assert_eq!(end.map(|end| end.fault), Some(expected));
}

#[test]
fn what_is_no_journal_of_ours_is_said_so() {
    let fault = |bytes: &[u8]| Reader::new(bytes).unwrap_err().fault;
    assert_eq!(fault(b""), Fault::Empty);
    assert_eq!(fault(&[0; 4096]), Fault::Empty);
    assert_eq!(fault(b"PM"), Fault::HeaderDamaged);
    assert_eq!(fault(b"PNG"), Fault::NotAJournal);
    assert_eq!(fault(b"{\"pools\": []}"), Fault::NotAJournal);
    let mut newer = Writer::begin(&header()).take();
    newer[4..6].copy_from_slice(&(FORMAT + 1).to_le_bytes());
    newer[6..8].copy_from_slice(&(!(FORMAT + 1)).to_le_bytes());
    assert_eq!(fault(&newer), Fault::NewerFormat { found: FORMAT + 1 });
}

#[test]
fn a_record_of_a_later_version_stops_replay_but_not_the_facts() {
    let mut writer = Writer::begin(&header());
    writer.facts(&facts());
    let mut bytes = writer.take();
    bytes.extend(frame(99, b"news"));
    writer.facts_update(&crate::update());
    bytes.append(&mut writer.take());
    assert_eq!(read(&bytes).unwrap_err().fault, Fault::UnknownKind { kind: 99 });
    let mut expected = facts();
    expected.apply(crate::update());
    assert_eq!(fold(&bytes).unwrap().facts, expected);
}

#[test]
fn facts_of_a_form_to_come_are_not_misunderstood() {
    let mut writer = Writer::begin(&header());
    writer.facts(&Facts { facts_version: 2, ..facts() });
    assert_eq!(fold(&writer.take()).unwrap_err().fault, Fault::NewerFacts { found: 2 });
    assert_eq!(fold(&Writer::begin(&header()).take()).unwrap_err().fault, Fault::NoFacts);
}
