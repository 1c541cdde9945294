//! What only the local store has to promise: folders, permissions and disks that are not there.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rustix::fs::CWD;

use super::*;

fn store() -> (tempfile::TempDir, LocalStore) {
    let directory = tempfile::tempdir().unwrap();
    let store = LocalStore::new(directory.path().join("repository"));
    store.prepare().unwrap();
    (directory, store)
}

#[test]
fn a_directory_whose_disk_is_not_mounted_is_an_error_and_not_empty() {
    let directory = tempfile::tempdir().unwrap();
    for path in [directory.path().to_owned(), directory.path().join("absent")] {
        let store = LocalStore::new(&path);
        assert_ne!(store.list("packs/").unwrap_err().kind(), io::ErrorKind::NotFound);
        let error = store.upload().map(drop).unwrap_err();
        assert_ne!(error.kind(), io::ErrorKind::NotFound);
        assert!(store.put("refs/a", b"bytes").is_err());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "something was written beside the disk");
    }
}

#[test]
fn a_disk_that_goes_away_later_is_an_error_too() {
    let (directory, store) = store();
    store.put("refs/a", b"bytes").unwrap();
    fs::rename(directory.path().join("repository"), directory.path().join("elsewhere")).unwrap();
    assert!(store.list("refs/").is_err());
    let error = store.read("refs/a", 10).unwrap_err();
    assert_ne!(error.kind(), io::ErrorKind::NotFound, "nobody knows whether the object is absent");
    assert_ne!(store.len("refs/a").unwrap_err().kind(), io::ErrorKind::NotFound);
    assert_ne!(store.read_at("refs/a", 0, &mut [0]).unwrap_err().kind(), io::ErrorKind::NotFound);
}

#[test]
fn what_a_killed_writer_left_in_staging_is_invisible_and_can_be_cleared() {
    let (directory, store) = store();
    let staging = directory.path().join("repository").join(STAGING);
    fs::write(staging.join("0123"), b"unfinished").unwrap();
    for prefix in ["packs/", "refs/", "index/", "snapshots/", "keys/", "coord/", "trash/"] {
        assert_eq!(store.list(prefix).unwrap(), [], "{prefix}");
    }
    store.clear_staging().unwrap();
    assert_eq!(fs::read_dir(&staging).unwrap().count(), 0);
}

#[test]
fn an_upload_under_way_is_not_cleared() {
    let (_directory, store) = store();
    let mut upload = store.upload().unwrap();
    upload.write(b"unfinished").unwrap();
    store.clear_staging().unwrap();
    upload.publish("refs/a").unwrap();
    assert_eq!(store.read("refs/a", 100).unwrap(), b"unfinished");
}

#[test]
fn an_upload_that_is_dropped_leaves_no_file() {
    let (directory, store) = store();
    drop(store.upload().unwrap());
    assert_eq!(fs::read_dir(directory.path().join("repository").join(STAGING)).unwrap().count(), 0);
}

#[test]
fn nobody_but_the_owner_reads_a_repository() {
    let (directory, store) = store();
    store.put("packs/aa/pack", b"bytes").unwrap();
    let mode = |name: &str| fs::metadata(directory.path().join("repository").join(name)).unwrap().permissions().mode();
    for folder in ["", "packs", "packs/aa", STAGING] {
        assert_eq!(mode(folder) & 0o777, 0o700, "{folder:?}");
    }
    assert_eq!(mode("packs/aa/pack") & 0o777, 0o600);
}

#[test]
fn files_of_somebody_else_are_no_place_for_a_repository() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("letter.txt"), b"dear").unwrap();
    assert_eq!(LocalStore::new(directory.path()).prepare().unwrap(), Vacancy::Foreign);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing was added");
}

#[test]
fn an_empty_disk_with_lost_and_found_is_a_place_for_a_repository() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("lost+found")).unwrap();
    assert_eq!(LocalStore::new(directory.path()).prepare().unwrap(), Vacancy::Empty);
}

#[test]
fn the_folder_of_a_session_goes_with_its_last_object_and_comes_back() {
    let (directory, store) = store();
    let folder = directory.path().join("repository/coord/leases/session");
    for _ in 0..2 {
        store.put("coord/leases/session/000000", b"lease").unwrap();
        store.put("coord/leases/session/end", b"end").unwrap();
        store.delete("coord/leases/session/000000").unwrap();
        assert!(folder.is_dir());
        store.delete("coord/leases/session/end").unwrap();
        assert!(!folder.exists());
    }
    store.put("packs/aa/pack", b"bytes").unwrap();
    store.delete("packs/aa/pack").unwrap();
    assert!(directory.path().join("repository/packs/aa").is_dir(), "the folders of packs stay");
}

#[test]
fn a_name_that_is_a_folder_is_no_object() {
    let (_directory, store) = store();
    store.put("packs/aa/pack", b"bytes").unwrap();
    assert!(store.read("packs/aa", 100).is_err());
    assert!(store.read_at("packs/aa", 0, &mut [0]).is_err());
    assert!(store.len("packs/aa").is_err());
}

/// Everything that can have a name and is neither a file nor a directory, as far as a test may make it.
fn special_files(directory: &tempfile::TempDir) -> Vec<&'static str> {
    let folder = directory.path().join("repository/refs");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("file"), b"bytes").unwrap();
    rustix::fs::mkfifoat(CWD, folder.join("fifo"), rustix::fs::Mode::RUSR).unwrap();
    std::os::unix::fs::symlink("file", folder.join("link")).unwrap();
    drop(std::os::unix::net::UnixListener::bind(folder.join("socket")).unwrap());
    vec!["refs/fifo", "refs/link", "refs/socket"]
}

#[test]
fn what_is_no_file_is_told_and_cannot_be_read_and_nobody_waits_for_it() {
    let (directory, store) = store();
    for name in special_files(&directory) {
        let refused = [store.read(name, 100).map(drop), store.read_at(name, 0, &mut [0]), store.len(name).map(drop)];
        for error in refused.map(Result::unwrap_err) {
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{name}: {error}");
        }
    }
    let mut listed: Vec<_> = store.list("refs/").unwrap().into_iter().map(|object| (object.name, object.len)).collect();
    listed.sort();
    let expected = [("refs/fifo", 0), ("refs/file", 5), ("refs/link", 0), ("refs/socket", 0)];
    assert_eq!(listed, expected.map(|(name, len)| (name.to_owned(), len)));
}
