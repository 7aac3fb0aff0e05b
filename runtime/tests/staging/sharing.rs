//! Several who want a model, and those who want it no more.

use std::fs::{self, File};

use nix::fcntl::{Flock, FlockArg};
use pool_manager_core::Input;

use crate::server::{Server, Step};
use crate::{Bench, Stated, digest_of, launch, model, stamp_of};

fn from(bench: &Bench, server: &Server) -> Stated {
    let digest = Some(digest_of(&model()));
    Stated { path: bench.path("a.gguf"), url: Some(server.url()), digest, ..Stated::default() }
}

/// Waits until bytes have come.
fn begun(bench: &mut Bench, server: &Server) -> pool_manager_core::EffectId {
    let id = bench.begin(launch(from(bench, server)));
    assert_eq!(bench.input(), Input::StageProgress { effect: id });
    id
}

#[test]
fn a_cancelled_download_stops_and_keeps_what_it_has() {
    let (mut bench, server) = (Bench::new(), Server::new(&model(), &[Step::Trickle(100_000)]));
    let id = begun(&mut bench, &server);
    bench.stager.cancel(id);
    // The lock is free when the download has let go.
    let partial = File::open(bench.path("a.gguf.partial")).expect("the part");
    let free = Flock::lock(partial, FlockArg::LockExclusive).expect("the lock");
    let kept = free.metadata().expect("the part").len();
    assert!((1..model().len() as u64).contains(&kept), "{kept} bytes");
    drop(free);
    assert!(!bench.path("a.gguf").exists());
    // The next one goes on; nobody ever hears of the cancelled one.
    assert_eq!(bench.stage(launch(from(&bench, &server))), Ok(stamp_of(&digest_of(&model()))));
    assert_eq!(server.asked()[1].range, Some(format!("bytes={kept}-")));
    assert_eq!(bench.names(), ["a.gguf"]);
}

#[test]
fn two_pools_share_one_download_and_either_may_leave() {
    let (mut bench, server) = (Bench::new(), Server::new(&model(), &[Step::HoldAfter(100_000)]));
    let first = begun(&mut bench, &server);
    let second = bench.begin(launch(from(&bench, &server)));
    let third = bench.begin(launch(from(&bench, &server)));
    bench.stager.cancel(first);
    server.let_go();
    let expected = Ok(stamp_of(&digest_of(&model())));
    assert_eq!(bench.end(second).0, expected);
    assert_eq!(bench.end(third).0, expected);
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn another_daemon_that_downloads_the_same_model_is_waited_for() {
    let (mut bench, server) = (Bench::new(), Server::new(&model(), &[]));
    let theirs = bench.path("a.gguf.partial");
    let file = File::create(&theirs).expect("a file");
    let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock).expect("the lock");
    let id = bench.begin(launch(from(&bench, &server)));
    fs::write(&theirs, model()).expect("it downloads");
    assert_eq!(bench.input(), Input::StageProgress { effect: id }, "their progress is ours");
    fs::rename(&theirs, bench.path("a.gguf")).expect("it finishes");
    drop(lock);
    assert_eq!(bench.end(id).0, Ok(stamp_of(&digest_of(&model()))));
    assert!(server.asked().is_empty(), "there was nothing left to fetch");
    assert_eq!(bench.names(), ["a.gguf"]);
}
