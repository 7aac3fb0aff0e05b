//! One download: whole, cut, changed, wrong, refused.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use nix::sys::statvfs::statvfs;
use pool_manager::staging::{Failure, Pace, Provisioner, Wanted, Watch};
use pool_manager_core::StageError;

use crate::server::{Server, Site, Step};
use crate::{Bench, Stated, digest_of, direct, launch, model, stamp_of, write};

/// A model that is to come from this server, with its digest stated.
fn from(bench: &Bench, server: &Server) -> Stated {
    Stated {
        path: bench.path("a.gguf"),
        url: Some(server.url()),
        digest: Some(digest_of(&model())),
        ..Stated::default()
    }
}

#[test]
fn a_whole_download_is_in_its_place_and_nothing_else_is_left() {
    let (mut bench, server) = (Bench::new(), Server::new(&model(), &[]));
    let bytes = Some(model().len() as u64);
    let path = bench.path("deeper/still/a.gguf");
    let id = bench.begin(launch(Stated { path: path.clone(), bytes, ..from(&bench, &server) }));
    let (staged, moved) = bench.end(id);
    assert_eq!(staged, Ok(stamp_of(&digest_of(&model()))));
    assert!(moved >= 1, "the core is told that bytes come");
    assert_eq!(fs::read(&path).expect("the model"), model());
    let names: Vec<_> = fs::read_dir(path.parent().expect("a folder")).expect("a folder").collect();
    assert_eq!(names.len(), 1, "{names:?}");
    assert_eq!(server.asked().len(), 1);

    let again = bench.stage(launch(Stated { path, bytes, ..from(&bench, &server) }));
    assert_eq!((again, server.asked().len()), (staged, 1), "what is there is not fetched again");
}

#[test]
fn a_cut_download_goes_on_where_it_ended() {
    for stated in [true, false] {
        let (mut bench, server) = (Bench::new(), Server::new(&model(), &[Step::CutAfter(700_001)]));
        let digest = stated.then(|| digest_of(&model()));
        let staged = bench.stage(launch(Stated { digest, ..from(&bench, &server) }));
        assert!(staged.is_ok(), "{staged:?}");
        assert_eq!(fs::read(bench.path("a.gguf")).expect("the model"), model());
        assert_eq!(bench.names(), ["a.gguf"]);
        let asked = server.asked();
        assert_eq!(asked.len(), 2, "{asked:?}");
        assert_eq!(asked[0].range, None);
        assert_eq!(asked[1].range.as_deref(), Some("bytes=700001-"), "digest stated: {stated}");
        assert_eq!(asked[1].if_range.as_deref(), Some("\"one\""));
    }
}

#[test]
fn a_daemon_started_later_goes_on_too() {
    let server = Server::new(&model(), &[Step::CutAfter(500_000), Step::Status(404)]);
    let mut bench = Bench::new();
    assert_eq!(bench.stage(launch(from(&bench, &server))), Err(StageError::Fetch(404)));
    assert_eq!(bench.names(), ["a.gguf.partial", "a.gguf.partial.json"]);
    let later = Bench { folder: bench.folder, ..Bench::new() };
    bench = later;
    assert_eq!(bench.stage(launch(from(&bench, &server))), Ok(stamp_of(&digest_of(&model()))));
    assert_eq!(server.asked()[2].range.as_deref(), Some("bytes=500000-"));
    assert_eq!(bench.names(), ["a.gguf"]);
}

#[test]
fn nothing_is_taken_for_a_part_of_this_model_that_may_be_of_another() {
    // No word of where the part is from, and none of this address.
    for origin in [None, Some(r#"{"url_xxh3":1,"validator":"\"one\""}"#), Some("torn")] {
        let (mut bench, server) = (Bench::new(), Server::new(&model(), &[]));
        write(&bench.path("a.gguf.partial"), b"something else");
        if let Some(origin) = origin {
            write(&bench.path("a.gguf.partial.json"), origin.as_bytes());
        }
        assert!(bench.stage(launch(from(&bench, &server))).is_ok(), "{origin:?}");
        assert_eq!(server.asked()[0].range, None, "{origin:?}");
        assert_eq!(fs::read(bench.path("a.gguf")).expect("the model"), model());
    }
}

#[test]
fn a_model_that_changed_on_the_server_is_fetched_from_its_first_byte() {
    let changed: Vec<u8> = model().into_iter().rev().collect();
    let site = Site { content: changed.clone(), etag: Some("\"two\"") };
    for careless in [false, true] {
        let change = if careless { Step::ChangeUnsaid } else { Step::Change };
        let (mut bench, server) =
            (Bench::new(), Server::new(&model(), &[Step::CutAfter(9_000), change(site.clone())]));
        let stated = Stated { digest: None, ..from(&bench, &server) };
        assert!(bench.stage(launch(stated)).is_ok());
        assert_eq!(fs::read(bench.path("a.gguf")).expect("the model"), changed, "careless: {careless}");
        let asked = server.asked();
        assert_eq!(asked[1].range.as_deref(), Some("bytes=9000-"), "{asked:?}");
        assert_eq!(bench.names(), ["a.gguf"]);
    }
}

#[test]
fn a_part_that_is_the_whole_needs_no_byte_more() {
    let length = model().len();
    let plan = [Step::CutAfter(length)];
    let (mut bench, server) = (Bench::new(), Server::new(&model(), &plan));
    // The whole came, but the daemon was killed before it was put in its place.
    let origin = format!(
        r#"{{"url_xxh3":{},"validator":"\"one\""}}"#,
        xxhash_rust::xxh3::xxh3_64(server.url().as_bytes())
    );
    write(&bench.path("a.gguf.partial"), &model());
    write(&bench.path("a.gguf.partial.json"), origin.as_bytes());
    assert_eq!(bench.stage(launch(from(&bench, &server))), Ok(stamp_of(&digest_of(&model()))));
    assert_eq!(server.asked().len(), 1);
    assert_eq!(server.asked()[0].range, Some(format!("bytes={length}-")));
    assert_eq!(bench.names(), ["a.gguf"]);
}

#[test]
fn wrong_bytes_are_not_kept() {
    let (mut bench, server) = (Bench::new(), Server::new(b"other bytes", &[]));
    assert_eq!(bench.stage(launch(from(&bench, &server))), Err(StageError::BadDigest));
    assert!(bench.names().is_empty(), "{:?}", bench.names());
    assert_eq!(server.asked().len(), 1, "what is wrong stays wrong");
}

#[test]
fn a_wrong_size_is_seen_before_the_first_byte_or_at_the_first_too_many() {
    let few = Some(1_000);
    let (mut bench, server) = (Bench::new(), Server::new(&model(), &[]));
    let stated = Stated { bytes: few, digest: None, ..from(&bench, &server) };
    assert_eq!(bench.stage(launch(stated)), Err(StageError::BadSize));
    for bytes in [few, Some(u64::from(u32::MAX))] {
        let server = Server::new(&model(), &[Step::NoLength]);
        let stated = Stated { bytes, digest: None, ..from(&bench, &server) };
        assert_eq!(bench.stage(launch(stated)), Err(StageError::BadSize), "{bytes:?}");
    }
    assert!(bench.names().is_empty(), "{:?}", bench.names());
}

#[test]
fn a_length_that_nobody_states_is_refused_since_a_cut_would_not_be_seen() {
    for step in [Step::NoLength, Step::NoLengthCutAfter(700_001)] {
        let (bench, server) = (Bench::new(), Server::new(&model(), &[step]));
        let stated = launch(Stated { digest: None, ..from(&bench, &server) });
        let wanted = Wanted::of(&stated).expect("it can be wanted");
        let provided = Provisioner::over(direct(), Pace::default()).provide(&wanted, &Patient);
        let Err(Failure::Fault(fault)) = provided else { panic!("it was taken: {provided:?}") };
        assert_eq!(fault.error, StageError::Fetch(200));
        assert!(fault.why.contains("size_bytes or digest"), "{}", fault.why);
        assert!(bench.names().is_empty(), "{:?}", bench.names());
    }
    // A part of something of which nobody knows how long it is.
    let plan = [Step::CutAfter(9_000), Step::PartOfUnknown];
    let (mut bench, server) = (Bench::new(), Server::new(&model(), &plan));
    let stated = || Stated { digest: None, ..from(&bench, &server) };
    let (first, second) = (launch(stated()), launch(stated()));
    assert_eq!(bench.stage(first), Err(StageError::Fetch(206)));
    assert!(bench.stage(second).is_ok(), "the next one asks for the whole");
    assert_eq!(server.asked()[2].range, None);
}

#[test]
fn a_length_the_server_does_not_say_may_be_stated_or_shown_by_the_chunks() {
    let bytes = Some(model().len() as u64);
    let digest = Some(digest_of(&model()));
    let (no_length, cut) = (Step::NoLength, Step::NoLengthCutAfter(700_001));
    for (step, bytes, digest, asked) in [
        (&no_length, bytes, None, 1),
        (&no_length, None, digest, 1),
        (&cut, bytes, None, 2),
        (&Step::Chunked, None, None, 1),
        (&Step::ChunkedCutAfter(700_001), None, None, 2),
    ] {
        let (mut bench, server) = (Bench::new(), Server::new(&model(), std::slice::from_ref(step)));
        let staged = bench.stage(launch(Stated { bytes, digest, ..from(&bench, &server) }));
        assert!(staged.is_ok(), "{staged:?}");
        assert_eq!(fs::read(bench.path("a.gguf")).expect("the model"), model());
        let ranges: Vec<_> = server.asked().into_iter().map(|asked| asked.range).collect();
        assert_eq!(ranges.len(), asked, "{ranges:?}");
        assert!(ranges.iter().skip(1).all(|range| range.as_deref() == Some("bytes=700001-")), "{ranges:?}");
    }
}

#[test]
fn what_the_server_refuses_is_said_with_its_status() {
    for status in [401, 403, 404, 410] {
        let (mut bench, server) = (Bench::new(), Server::new(&model(), &[Step::Status(status)]));
        assert_eq!(bench.stage(launch(from(&bench, &server))), Err(StageError::Fetch(status)));
        assert_eq!(server.asked().len(), 1, "{status} is not asked again");
        assert!(bench.names().is_empty(), "{:?}", bench.names());
    }
    let (mut bench, server) = (Bench::new(), Server::new(&model(), &[Step::Status(503), Step::Status(429)]));
    assert!(bench.stage(launch(from(&bench, &server))).is_ok(), "what may pass is asked again");
    let refusals = vec![Step::Status(502); 9];
    let (mut bench, server) = (Bench::new(), Server::new(&model(), &refusals));
    assert_eq!(bench.stage(launch(from(&bench, &server))), Err(StageError::Fetch(502)));
    assert_eq!(server.asked().len(), 3, "two failures, and the one that was too many");
}

#[test]
fn a_silent_connection_is_made_anew_and_is_no_failure() {
    let plan = [5_000, 0, 0, 0, 1_000].map(Step::FallSilentAfter);
    let (bench, server) = (Bench::new(), Server::new(&model(), &plan));
    let pace = Pace {
        failures: 0,
        pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(1),
        silence: Duration::from_millis(100),
    };
    let wanted = Wanted::of(&launch(from(&bench, &server))).expect("it can be wanted");
    let provided = Provisioner::over(direct(), pace).provide(&wanted, &Patient);
    assert_eq!(provided, Ok(stamp_of(&digest_of(&model()))));
    // On a machine that is slow itself a connection more may seem silent.
    let asked = server.asked();
    assert!(asked.len() > plan.len(), "{asked:?}");
    assert!(asked.last().is_some_and(|last| last.range.is_some()), "it goes on: {asked:?}");
}

#[test]
fn a_server_that_is_not_there_is_said_without_a_status() {
    let mut bench = Bench::new();
    let unused = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|l| l.local_addr()).expect("a port");
    for url in [format!("http://{unused}/a"), "http://".into(), "ftp://127.0.0.1/a".into()] {
        let stated = Stated { path: bench.path("a.gguf"), url: Some(url.clone()), ..Stated::default() };
        assert_eq!(bench.stage(launch(stated)), Err(StageError::Fetch(0)), "{url}");
        assert!(bench.names().is_empty(), "{:?}", bench.names());
    }
}

#[test]
fn a_model_the_disk_has_no_room_for_is_not_begun() {
    let huge = 1 << 60;
    let (mut bench, server) = (Bench::new(), Server::new(&model(), &[Step::ClaimLength(huge)]));
    assert_eq!(bench.stage(launch(from(&bench, &server))), Err(StageError::NoSpace));
    let stated = Stated { bytes: Some(huge), ..from(&bench, &server) };
    assert_eq!(bench.preflight(launch(stated)), Err(StageError::NoSpace));
    assert!(bench.names().is_empty(), "{:?}", bench.names());
}

#[test]
fn a_part_that_is_replaced_counts_as_room() {
    let mut bench = Bench::new();
    let disk = statvfs(bench.folder.path()).expect("a disk");
    // More than is free, also when others free some meanwhile.
    let total = disk.blocks_available() * disk.fragment_size() + (1 << 36);
    let plan = [Step::ClaimLength(total), Step::Status(404), Step::ClaimLength(total)];
    let server = Server::new(&model(), &plan);
    // Sparse, and of something else: it is replaced.
    let part = fs::File::create(bench.path("a.gguf.partial")).expect("a file");
    part.set_len(total).expect("a sparse file");
    assert_eq!(bench.stage(launch(from(&bench, &server))), Err(StageError::Fetch(404)), "it was begun");
    assert_eq!(bench.stage(launch(from(&bench, &server))), Err(StageError::NoSpace), "nothing is replaced");
    assert_eq!(server.asked().len(), 3);
}

#[test]
fn a_model_that_is_wrong_on_disk_is_fetched_and_replaced_whole() {
    let (mut bench, server) = (Bench::new(), Server::new(&model(), &[]));
    write(&bench.path("a.gguf"), b"an older one");
    let found = bench.preflight(launch(from(&bench, &server)));
    assert_eq!(found.map(|found| found.fetch), Ok(false), "it was not read yet");
    assert_eq!(bench.stage(launch(from(&bench, &server))), Ok(stamp_of(&digest_of(&model()))));
    assert_eq!(fs::read(bench.path("a.gguf")).expect("the model"), model());
}

/// Somebody who waits for ever.
pub(crate) struct Patient;

impl Watch for Patient {
    fn moved(&self) -> bool {
        true
    }

    fn pause(&self, time: Duration) -> bool {
        std::thread::sleep(time);
        true
    }
}

#[test]
fn secrets_go_to_the_server_alone() {
    let bench = Bench::new();
    let elsewhere = Server::new(&model(), &[Step::Status(404)]);
    let other_host = format!("http://localhost:{}/a.gguf?sig=hidden", elsewhere.address.port());
    let server = Server::new(&model(), &[Step::Status(404), Step::Redirect(other_host)]);
    let by_url = format!("http://user:hidden@{}/a.gguf?key=hidden", server.address);
    let by_token = server.url();
    let provisioner = Provisioner::over(direct(), Pace::default());
    for (url, token) in [(by_url, None), (by_token, Some("hidden".to_owned()))] {
        let stated = Stated { path: bench.path("a.gguf"), url: Some(url), token, ..Stated::default() };
        let launch = launch(stated);
        let wanted = Wanted::of(&launch).expect("it can be wanted");
        assert!(!format!("{launch:?} {wanted:?} {:?}", launch.model_source).contains("hidden"));
        let Err(Failure::Fault(fault)) = provisioner.provide(&wanted, &Patient) else { panic!("404") };
        assert_eq!(fault.error, StageError::Fetch(404));
        assert!(!fault.why.contains("hidden") && fault.why.contains("/a.gguf"), "{}", fault.why);
    }
    let said: Vec<_> = server.asked().into_iter().map(|asked| asked.authorization).collect();
    assert_eq!(said, [Some("Basic dXNlcjpoaWRkZW4=".to_owned()), Some("Bearer hidden".to_owned())]);
    let there: Vec<_> = elsewhere.asked().into_iter().map(|asked| asked.authorization).collect();
    assert_eq!(there, [None], "another host hears nothing");
}
