//! Models that lie on the host.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use pool_manager_core::{ModelStamp, Preflight, StageError};

use crate::server::Server;
use crate::{Bench, Stated, digest_of, launch, stamp_of, write};

fn at(path: &Path) -> Stated {
    Stated { path: path.to_owned(), ..Stated::default() }
}

#[test]
fn a_file_is_checked_against_what_is_stated_of_it() {
    let mut bench = Bench::new();
    let path = bench.path("a.gguf");
    write(&path, b"weights");
    let right = digest_of(b"weights");
    let wrong = digest_of(b"others");
    assert!(bench.stage(launch(at(&path))).is_ok());
    for (bytes, digest, expected) in [
        (Some(7), Some(&right), Ok(stamp_of(&right))),
        (None, Some(&right), Ok(stamp_of(&right))),
        (Some(8), Some(&right), Err(StageError::BadSize)),
        (Some(7), Some(&wrong), Err(StageError::BadDigest)),
        (None, Some(&"sha512:00".to_owned()), Err(StageError::BadDigest)),
    ] {
        let stated = Stated { bytes, digest: digest.cloned(), ..at(&path) };
        assert_eq!(bench.stage(launch(stated)), expected, "{bytes:?} {digest:?}");
    }
}

#[test]
fn what_cannot_be_a_model_is_missing() {
    let mut bench = Bench::new();
    let (plain, fifo) = (bench.path("plain"), bench.path("fifo"));
    write(&plain, b"weights");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRUSR).expect("a FIFO");
    for path in [bench.path("absent"), plain.join("below a file"), fifo] {
        assert_eq!(bench.stage(launch(at(&path))), Err(StageError::Missing), "{path:?}");
        assert_eq!(bench.preflight(launch(at(&path))), Err(StageError::Missing), "{path:?}");
    }
    let mut unstartable = launch(at(&plain));
    unstartable.argv = vec!["/nowhere/engine".into()];
    assert_eq!(bench.stage(unstartable.clone()), Err(StageError::Missing));
    assert_eq!(bench.preflight(unstartable), Err(StageError::Missing));
    let named = launch(Stated::default());
    let named = pool_manager::launch::Launch { model_path: None, ..named };
    assert!(bench.stage(named).is_ok(), "a name is the engine's to resolve");
}

#[test]
fn a_folder_has_the_digest_that_sha256sum_gives() {
    let mut bench = Bench::new();
    let (folder, blobs) = (bench.path("model"), bench.path("blobs"));
    fs::create_dir_all(folder.join("deeper")).expect("a folder");
    fs::create_dir(&blobs).expect("a folder");
    write(&folder.join("config.json"), b"{}");
    write(&folder.join("deeper/part 2.safetensors"), b"two");
    write(&folder.join("deeper.txt"), b"sorts between");
    write(&folder.join(".hidden"), b"not the model");
    write(&blobs.join("1"), b"one");
    symlink("../blobs/1", folder.join("part 1.safetensors")).expect("a link");
    let script = "cd \"$1\" && find -L . -name '.?*' -prune -o -type f -printf '%P\\0' | LC_ALL=C sort -z | \
                  xargs -0 sha256sum | sha256sum";
    let output = Command::new("sh").args(["-c", script, "sh"]).arg(&folder).output().expect("a shell");
    let text = String::from_utf8(output.stdout).expect("hex");
    let digest = format!("sha256:{}", text.get(..64).expect("a digest"));
    let bytes = Some(2 + 3 + 13 + 3);
    let stated = || Stated { digest: Some(digest.clone()), bytes, ..at(&folder) };
    assert_eq!(bench.stage(launch(stated())), Ok(stamp_of(&digest)));
    write(&blobs.join("1"), b"eno");
    assert_eq!(bench.stage(launch(stated())), Err(StageError::BadDigest));
    let looped = bench.path("looped");
    fs::create_dir(&looped).expect("a folder");
    symlink(".", looped.join("again")).expect("a link");
    assert_eq!(bench.stage(launch(at(&looped))), Err(StageError::Missing), "and it ends");
}

#[test]
fn the_stamp_follows_the_bytes_where_no_digest_is_stated() {
    let mut bench = Bench::new();
    let path = bench.path("model");
    fs::create_dir(&path).expect("a folder");
    write(&path.join("a"), b"weights");
    let first = bench.stage(launch(at(&path)));
    assert_eq!(bench.stage(launch(at(&path))), first);
    assert_eq!(bench.preflight(launch(at(&path))).map(|found| found.stamp), first.map(Some));
    write(&path.join("a"), b"weightier");
    let second = bench.stage(launch(at(&path)));
    assert_ne!(second, first);
    fs::rename(path.join("a"), path.join("b")).expect("a new name");
    assert_ne!(bench.stage(launch(at(&path))), second);
}

#[test]
fn a_file_that_did_not_change_is_read_once() {
    let mut bench = Bench::new();
    let path = bench.path("a.gguf");
    write(&path, b"weights");
    let digest = digest_of(b"weights");
    let stated = || Stated { digest: Some(digest.clone()), ..at(&path) };
    assert_eq!(bench.stage(launch(stated())), Ok(stamp_of(&digest)));
    // Other bytes under the same size, time and inode: only a reader would notice.
    let changed = fs::metadata(&path).and_then(|found| found.modified()).expect("a time");
    fs::write(&path, b"WEIGHTS").expect("written in place");
    File::options().write(true).open(&path).and_then(|file| file.set_modified(changed)).expect("a time");
    assert_eq!(bench.stage(launch(stated())), Ok(stamp_of(&digest)), "it was not read again");
    let mut later = Bench { folder: bench.folder, ..Bench::new() };
    assert_eq!(later.stage(launch(stated())), Err(StageError::BadDigest), "another daemon reads it");
    assert_eq!(later.preflight(launch(stated())), Err(StageError::BadDigest), "and knows it from then on");
}

#[test]
fn a_preflight_says_what_is_needed_and_changes_nothing() {
    let (mut bench, server) = (Bench::new(), Server::new(b"weights", &[]));
    let (path, digest) = (bench.path("a.gguf"), digest_of(b"weights"));
    let url = Some(server.url());
    let known = Some(stamp_of(&digest));
    let fetch = |stamp: Option<ModelStamp>| Ok(Preflight { stamp, fetch: true });
    let stated = || Stated { url: url.clone(), ..at(&path) };
    assert_eq!(bench.preflight(launch(stated())), fetch(None));
    let with_digest = || Stated { digest: Some(digest.clone()), bytes: Some(7), ..stated() };
    assert_eq!(bench.preflight(launch(with_digest())), fetch(known));
    assert!(bench.names().is_empty() && server.asked().is_empty());
    write(&path, b"short");
    assert_eq!(bench.preflight(launch(with_digest())), fetch(known), "the size is wrong at sight");
    assert_eq!(
        bench.preflight(launch(Stated { url: None, ..with_digest() })),
        Err(StageError::BadSize),
        "and cannot be fetched"
    );
    write(&path, b"weights");
    assert_eq!(bench.preflight(launch(with_digest())), Ok(Preflight { stamp: known, fetch: false }));
    assert!(server.asked().is_empty());
}
