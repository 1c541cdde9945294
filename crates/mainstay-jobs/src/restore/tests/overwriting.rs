//! What becomes of what is in the target already.

use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use mainstay_repo::SnapshotEntry;

use crate::backup::Requested;
use crate::fixture::noise;
use crate::ground::{Ground, as_recorded, look, paths, read, set_time, write};
use crate::restore::{Extent, Extra, Overwrite, RestoreOptions};

const TIME: i64 = 1_700_000_000;

/// A snapshot of one file of ten bytes with a known time.
fn ground() -> (Ground, SnapshotEntry) {
    let (ground, _) = Ground::in_memory();
    ground.write("file", b"the source");
    set_time(&ground.source().join("file"), (TIME, 5));
    let entry = ground.back_up(Requested::Full).entry.unwrap();
    (ground, entry)
}

fn by(overwrite: Overwrite) -> RestoreOptions {
    RestoreOptions { overwrite, ..as_recorded() }
}

#[test]
fn each_rule_decides_by_content_size_and_time_as_its_name_says() {
    use Overwrite::{Always, IfChanged, IfNewer, Never};
    let (ground, entry) = ground();
    // What the target holds: bytes, seconds after the snapshot's file; and which rules bring the snapshot's bytes.
    let table: [(&[u8], i64, &[Overwrite]); 6] = [
        (b"the source", 0, &[Always, IfChanged, IfNewer, Never]),
        (b"the target", 0, &[Always]),
        (b"the target", -1, &[Always, IfChanged, IfNewer]),
        (b"the target", 1, &[Always, IfChanged]),
        (b"longer than the source", 0, &[Always, IfChanged]),
        (b"longer than the source", -1, &[Always, IfChanged, IfNewer]),
    ];
    for (held, seconds, restoring) in table {
        for rule in [Always, IfChanged, IfNewer, Never] {
            let target = ground.path("target");
            write(&target.join("file"), held);
            set_time(&target.join("file"), (TIME + seconds, 5));
            let report = ground.restore_with(&entry, &target, &by(rule));
            let row = format!("{rule:?} over {held:?} {seconds} s later");
            let wanted: &[u8] = if restoring.contains(&rule) { b"the source" } else { held };
            assert_eq!(read(&target.join("file")), wanted, "{row}");
            assert_eq!((report.files + report.skipped, report.warning_count), (1, 0), "{row}");
            if restoring.contains(&rule) && rule != Never && !(rule == IfNewer && seconds == 0) {
                assert_eq!(look(&target), look(&ground.source()), "{row}");
            }
            std::fs::remove_dir_all(target).unwrap();
        }
    }
}

#[test]
fn a_file_that_looks_the_same_gets_its_mode_back_and_no_content() {
    use std::os::unix::fs::PermissionsExt as _;
    let (ground, entry) = ground();
    let target = ground.restore(&entry, "target");
    std::fs::set_permissions(target.join("file"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let report = ground.restore_with(&entry, &target, &by(Overwrite::IfChanged));
    assert_eq!(report.written_bytes, 0);
    assert_eq!(look(&target), look(&ground.source()));
    let report = ground.restore_with(&entry, &target, &by(Overwrite::IfChanged));
    assert_eq!((report.files_unchanged, report.written_bytes), (1, 0));
}

#[test]
fn in_place_only_regions_that_differ_are_written() {
    let (ground, _) = Ground::in_memory();
    let content = noise(1, 8 << 20);
    ground.write("file", &content);
    let entry = ground.back_up(Requested::Full).entry.unwrap();
    let target = ground.restore(&entry, "target");
    let mut changed = content.clone();
    for offset in [10, 3_000_000, (8 << 20) - 1] {
        changed[offset] ^= 1;
    }
    write(&target.join("file"), &changed);
    let report = ground.restore_with(&entry, &target, &as_recorded());
    assert_eq!(look(&target), look(&ground.source()));
    assert!((1..=3 * (64 << 10)).contains(&report.written_bytes), "{} bytes were written", report.written_bytes);
    assert_eq!(report.bytes, 8 << 20);
    let report = ground.restore_with(&entry, &target, &as_recorded());
    assert_eq!(report.written_bytes, 0);
}

#[test]
fn a_file_that_became_longer_or_shorter_gets_its_length_back() {
    let (ground, _) = Ground::in_memory();
    let content = noise(1, 600_000);
    ground.write("file", &content);
    let entry = ground.back_up(Requested::Full).entry.unwrap();
    for held in [noise(1, 700_000), content[..300_000].to_vec(), Vec::new()] {
        let target = ground.path("target");
        write(&target.join("file"), &held);
        ground.restore_with(&entry, &target, &as_recorded());
        assert_eq!(look(&target), look(&ground.source()));
    }
}

#[test]
fn data_where_the_snapshot_has_a_hole_becomes_a_hole() {
    let (ground, _) = Ground::in_memory();
    ground.write("file", &noise(1, 4096));
    std::fs::File::options().write(true).open(ground.source().join("file")).unwrap().set_len(2 << 20).unwrap();
    let entry = ground.back_up(Requested::Full).entry.unwrap();
    let target = ground.path("target");
    write(&target.join("file"), &noise(2, 2 << 20));
    ground.restore_with(&entry, &target, &as_recorded());
    assert_eq!(look(&target), look(&ground.source()));
}

#[test]
fn what_has_a_name_and_is_of_another_kind_is_replaced_but_no_directory_is_given_up() {
    let (ground, _) = Ground::in_memory();
    ground.write("file", b"file");
    ground.write("directory/inner", b"inner");
    std::os::unix::fs::symlink("file", ground.source().join("link")).unwrap();
    let entry = ground.back_up(Requested::Full).entry.unwrap();
    let target = ground.path("target");
    write(&target.join("directory"), b"a file where a directory was");
    write(&target.join("link"), b"a file where a link was");
    std::os::unix::fs::symlink("nowhere", target.join("file")).unwrap();
    let report = ground.restore_with(&entry, &target, &as_recorded());
    assert_eq!(report.warnings, []);
    assert_eq!(look(&target), look(&ground.source()));

    std::fs::remove_file(target.join("file")).unwrap();
    write(&target.join("file/precious"), b"precious");
    let report = ground.restore_with(&entry, &target, &as_recorded());
    assert_eq!(paths(&report.warnings), ["file"]);
    assert_eq!(read(&target.join("file/precious")), b"precious");
}

#[test]
fn never_leaves_everything_that_exists_and_adds_the_rest() {
    let (ground, _) = Ground::in_memory();
    ground.write("directory/old", b"of the snapshot");
    ground.write("directory/new", b"of the snapshot");
    set_time(&ground.source().join("directory"), (TIME, 0));
    let entry = ground.back_up(Requested::Full).entry.unwrap();
    let target = ground.path("target");
    write(&target.join("directory/old"), b"of the target");
    let report = ground.restore_with(&entry, &target, &by(Overwrite::Never));
    assert_eq!((report.files, report.skipped, report.warning_count), (1, 1, 0));
    assert_eq!(read(&target.join("directory/old")), b"of the target");
    assert_eq!(read(&target.join("directory/new")), b"of the snapshot");
}

#[test]
fn a_file_with_other_names_is_replaced_and_not_written_through() {
    let (ground, entry) = ground();
    let outside = ground.path("outside");
    write(&outside, b"not yours");
    let target = ground.path("target");
    std::fs::create_dir(&target).unwrap();
    std::fs::hard_link(&outside, target.join("file")).unwrap();
    ground.restore_with(&entry, &target, &as_recorded());
    assert_eq!(read(&outside), b"not yours");
    assert_eq!(look(&target), look(&ground.source()));
}

#[test]
fn extra_entries_are_deleted_only_when_asked_for() {
    let (ground, entry) = ground();
    let target = ground.restore(&entry, "target");
    write(&target.join("extra/deep/leaf"), b"leaf");
    write(&target.join("stray"), b"stray");
    let report = ground.restore_with(&entry, &target, &as_recorded());
    assert_eq!(report.deleted, 0);
    assert!(target.join("extra/deep/leaf").exists());
    let deleting = RestoreOptions { extra: Extra::Delete, ..as_recorded() };
    let planned = RestoreOptions { extent: Extent::Plan, ..deleting };
    assert_eq!(ground.restore_with(&entry, &target, &planned).deleted, 2);
    assert!(target.join("stray").exists());
    let deleting = RestoreOptions { extra: Extra::Delete, ..as_recorded() };
    let report = ground.restore_with(&entry, &target, &deleting);
    assert_eq!((report.deleted, report.warning_count), (2, 0));
    assert_eq!(look(&target), look(&ground.source()));
}

#[test]
fn what_the_patterns_leave_out_is_not_deleted_either() {
    let (ground, entry) = ground();
    let target = ground.restore(&entry, "target");
    write(&target.join("keep.log"), b"log");
    write(&target.join("stray"), b"stray");
    let options = RestoreOptions { extra: Extra::Delete, exclude: vec!["*.log".to_owned()], ..as_recorded() };
    assert_eq!(ground.restore_with(&entry, &target, &options).deleted, 1);
    assert!(target.join("keep.log").exists());
    assert!(!target.join("stray").exists());
}

#[test]
fn nothing_is_touched_that_is_as_it_should_be() {
    let (ground, _) = Ground::in_memory();
    ground.write("directory/small", b"small");
    ground.write("directory/large", &noise(1, 3 << 20));
    ground.write("directory/sparse", &noise(2, 4096));
    let sparse = std::fs::File::options().write(true).open(ground.source().join("directory/sparse")).unwrap();
    sparse.set_len(2 << 20).unwrap();
    std::os::unix::fs::symlink("small", ground.source().join("directory/link")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, ground.source().join("fifo"), rustix::fs::Mode::RWXU).unwrap();
    let entry = ground.back_up(Requested::Full).entry.unwrap();
    let target = ground.restore(&entry, "target");
    let touched = || {
        let names = look(&target).into_keys();
        names.map(|name| touch_of(&target.join(std::ffi::OsStr::from_bytes(&name)))).collect::<Vec<_>>()
    };
    let before = touched();
    let report = ground.restore_with(&entry, &target, &as_recorded());
    assert_eq!((report.written_bytes, report.warning_count), (0, 0));
    assert_eq!(touched(), before);
    assert_eq!(look(&target), look(&ground.source()));
}

/// Which inode it is, and when anything about it changed last.
fn touch_of(path: &Path) -> (u64, i64, i64) {
    let metadata = path.symlink_metadata().unwrap();
    (metadata.ino(), metadata.ctime(), metadata.ctime_nsec())
}

#[test]
fn a_link_that_leads_elsewhere_is_put_right() {
    let (ground, _) = Ground::in_memory();
    std::os::unix::fs::symlink("right", ground.source().join("link")).unwrap();
    let entry = ground.back_up(Requested::Full).entry.unwrap();
    let target = ground.path("target");
    std::fs::create_dir(&target).unwrap();
    std::os::unix::fs::symlink("wrong", target.join("link")).unwrap();
    let report = ground.restore_with(&entry, &target, &as_recorded());
    assert_eq!(report.warnings, []);
    assert_eq!(look(&target), look(&ground.source()));
}

#[test]
fn what_the_rule_left_alone_is_not_compared() {
    let (ground, _) = Ground::in_memory();
    ground.write("file", b"the source");
    set_time(&ground.source().join("file"), (TIME, 5));
    ground.write("new", b"restored");
    ground.write("directory/inner", b"inner");
    let entry = ground.back_up(Requested::Full).entry.unwrap();
    for (rule, seconds) in [(Overwrite::Never, -1), (Overwrite::IfNewer, 1)] {
        let target = ground.path("target");
        write(&target.join("file"), b"other");
        set_time(&target.join("file"), (TIME + seconds, 5));
        let options = RestoreOptions { extent: Extent::WriteAndVerify, ..by(rule) };
        let report = ground.restore_with(&entry, &target, &options);
        assert_eq!(report.warnings, [], "{rule:?}");
        let restored = (b"restored".len() + b"inner".len()) as u64;
        assert_eq!((report.skipped, report.verified_bytes), (1, restored), "{rule:?}");
        std::fs::remove_dir_all(target).unwrap();
    }
}
