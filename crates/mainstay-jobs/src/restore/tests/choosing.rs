//! Which part of a snapshot is restored, and where it goes.

use std::sync::Mutex;

use mainstay_repo::SnapshotEntry;

use crate::Error;
use crate::backup::Requested;
use crate::fixture::noise;
use crate::ground::{Ground, as_recorded, look, read};
use crate::restore::{Extent, RestoreOptions};

fn ground() -> (Ground, SnapshotEntry) {
    let (ground, _) = Ground::in_memory();
    for name in ["top.txt", "deep/one.txt", "deep/two.log", "deep/er/three.txt", "other/four.txt"] {
        ground.write(name, name.as_bytes());
    }
    ground.write("deep/large", &noise(1, 2 << 20));
    let entry = ground.back_up(Requested::Full).entry.unwrap();
    (ground, entry)
}

/// The names that a restore with these options writes.
fn names(ground: &Ground, entry: &SnapshotEntry, path: Option<&[u8]>, options: &RestoreOptions) -> Vec<String> {
    let target = tempfile::tempdir().unwrap();
    let report = ground.restore_path(entry, path, target.path(), options);
    assert_eq!(report.warnings, []);
    let seen = look(target.path()).into_keys();
    seen.map(|name| String::from_utf8(name).unwrap()).collect()
}

#[test]
fn a_directory_of_the_snapshot_is_restored_as_the_content_of_the_target() {
    let (ground, entry) = ground();
    let found = names(&ground, &entry, Some(b"deep"), &as_recorded());
    assert_eq!(found, ["er", "er/three.txt", "large", "one.txt", "two.log"]);
    let target = ground.path("target");
    ground.restore_path(&entry, Some(b"deep"), &target, &as_recorded());
    assert_eq!(look(&target), look(&ground.source().join("deep")));
}

#[test]
fn a_single_file_is_restored_into_the_target_under_its_name() {
    let (ground, entry) = ground();
    for path in ["deep/large", "deep/er/three.txt"] {
        let target = ground.path("target");
        ground.restore_path(&entry, Some(path.as_bytes()), &target, &as_recorded());
        let name = path.rsplit('/').next().unwrap();
        assert_eq!(read(&target.join(name)), read(&ground.source().join(path)));
        assert_eq!(look(&target).len(), 1);
        std::fs::remove_dir_all(target).unwrap();
    }
}

#[test]
fn a_path_that_is_not_there_is_an_error_and_makes_no_target() {
    let (ground, entry) = ground();
    for path in ["deep/none", "top.txt/beneath", "none"] {
        let target = ground.path("target");
        let restored = ground.restore_telling((&entry, Some(path.as_bytes())), &target, &as_recorded(), &|_| {});
        assert!(matches!(restored, Err(Error::NoPath { .. })), "{path}: {restored:?}");
        assert!(!target.exists());
    }
}

#[test]
fn patterns_choose_entries_and_the_directories_above_them() {
    let (ground, entry) = ground();
    let by = |include: &[&str], exclude: &[&str]| RestoreOptions {
        include: include.iter().map(|pattern| (*pattern).to_owned()).collect(),
        exclude: exclude.iter().map(|pattern| (*pattern).to_owned()).collect(),
        ..as_recorded()
    };
    let chosen = |include: &[&str], exclude: &[&str]| names(&ground, &entry, None, &by(include, exclude));
    let all = ["deep/er", "deep/er/three.txt", "deep/one.txt", "other", "other/four.txt", "top.txt"];
    let mut with_parents = vec!["deep"];
    with_parents.extend(all);
    assert_eq!(chosen(&["*.txt"], &[]), with_parents);
    assert_eq!(chosen(&["deep/er/"], &[]), ["deep", "deep/er", "deep/er/three.txt"]);
    assert_eq!(chosen(&["*.txt"], &["deep"]), ["other", "other/four.txt", "top.txt"]);
    assert_eq!(chosen(&[], &["deep", "*.txt", "!top.txt"]), ["other", "top.txt"]);
    assert_eq!(chosen(&["nothing"], &[]), Vec::<String>::new());
}

#[test]
fn a_dry_run_tells_what_a_restore_then_does_and_writes_nothing() {
    let (ground, entry) = ground();
    let target = ground.path("target");
    let told = |options: &RestoreOptions| {
        let lines = Mutex::new(Vec::new());
        let report = ground.restore_telling((&entry, None), &target, options, &|planned| {
            let path = String::from_utf8_lossy(planned.path).into_owned();
            lines.lock().unwrap().push((planned.action, path, planned.size));
        });
        (report.unwrap(), lines.into_inner().unwrap())
    };
    let (dry, planned) = told(&RestoreOptions { extent: Extent::Plan, ..as_recorded() });
    assert!(!target.exists());
    let (real, done) = told(&as_recorded());
    assert_eq!(planned, done);
    assert_eq!((dry.files, dry.directories, dry.bytes), (real.files, real.directories, real.bytes));
    assert_eq!((dry.written_bytes, real.written_bytes), (0, real.bytes));
    let before = look(&target);
    let (again, _) = told(&RestoreOptions { extent: Extent::Plan, ..as_recorded() });
    assert_eq!(again.files, real.files);
    assert_eq!(look(&target), before);
}

#[test]
fn a_single_file_is_not_restored_with_deletion_of_what_lies_beside_it() {
    let (ground, entry) = ground();
    let target = ground.path("target");
    crate::ground::write(&target.join("precious"), b"mine");
    let options = RestoreOptions { extra: crate::restore::Extra::Delete, ..as_recorded() };
    let restored = ground.restore_telling((&entry, Some(b"top.txt")), &target, &options, &|_| {});
    assert!(matches!(restored, Err(Error::DeleteBesideFile { .. })), "{restored:?}");
    assert_eq!(look(&target).len(), 1);
    ground.restore_path(&entry, Some(b"other"), &target, &options);
    assert_eq!(look(&target), look(&ground.source().join("other")));
}

#[test]
fn a_pattern_that_is_none_is_named_in_part() {
    let (ground, entry) = ground();
    let options = RestoreOptions { include: vec!["[".repeat(1000)], ..as_recorded() };
    let restored = ground.restore_telling((&entry, None), &ground.path("target"), &options, &|_| {});
    let Err(Error::Source(error)) = restored else { panic!("{restored:?}") };
    assert!(error.to_string().len() < 200, "{error}");
}
