//! What is compared when a restore reads back what it wrote, and what is not.

use std::fs::File;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;

use mainstay_repo::SnapshotEntry;

use crate::backup::Requested;
use crate::fixture::noise;
use crate::ground::{Ground, as_recorded, paths, set_time, write};
use crate::restore::{Extent, Overwrite, RestoreOptions, RestoreReport, RestoreRun, restore};
use crate::{Cancel, Outlook, Phase, Progress};

const TIME: i64 = 1_700_000_000;

/// Acts when a phase begins.
struct AtPhase<F>(F);

impl<F: Fn(Phase) + Send + Sync> Progress for AtPhase<F> {
    fn phase(&self, phase: Phase) {
        self.0(phase);
    }
    fn expect(&self, _: u64, _: u64) {}
    fn outlook(&self, _: Outlook) {}
    fn item(&self, _: &dyn Fn() -> String) {}
    fn advance(&self, _: u64, _: u64) {}
    fn deduplicated(&self, _: u64) {}
    fn warn(&self, _: &str, _: &str) {}
}

pub(super) fn verifying() -> RestoreOptions {
    RestoreOptions { extent: Extent::WriteAndVerify, ..as_recorded() }
}

/// Restores, lets `spoil` change the target, and verifies.
pub(super) fn restore_spoilt(
    ground: &Ground,
    entry: &SnapshotEntry,
    options: &RestoreOptions,
    spoil: impl Fn(&Path) + Send + Sync,
) -> RestoreReport {
    restore_while(ground, entry, options, |phase, target| {
        if phase == Phase::Verify {
            spoil(target);
        }
    })
}

/// Restores, and lets `act` change the target when a phase begins: `Finish` when the files are written.
pub(super) fn restore_while(
    ground: &Ground,
    entry: &SnapshotEntry,
    options: &RestoreOptions,
    act: impl Fn(Phase, &Path) + Send + Sync,
) -> RestoreReport {
    let target = ground.path("target");
    restore(&RestoreRun {
        repository: &ground.repository,
        entry,
        path: None,
        target: &target,
        options,
        planned: &|_| {},
        progress: &AtPhase(|phase| act(phase, &target)),
        cancel: &Cancel::default(),
    })
    .unwrap()
}

/// Writes into a file and puts its time back, so that only its content differs.
fn overwrite_at(path: &Path, offset: u64, bytes: &[u8]) {
    let modified = path.metadata().unwrap();
    File::options().write(true).open(path).unwrap().write_all_at(bytes, offset).unwrap();
    set_time(path, (modified.mtime(), modified.mtime_nsec() as u32));
}

#[test]
fn verifying_reads_everything_back_and_names_what_is_not_as_it_was() {
    let (ground, _) = Ground::in_memory();
    ground.write("file", &noise(1, 3 << 20));
    ground.write("small", b"small");
    ground.write("empty", b"");
    set_time(&ground.source().join("file"), (TIME, 5));
    let entry = ground.back_up(Requested::Full).entry.unwrap();
    let target = ground.path("target");
    let report = ground.restore_with(&entry, &target, &verifying());
    assert_eq!((report.verified_bytes, report.warning_count), ((3 << 20) + 5, 0));
    // A file that is taken for the same and is not is found.
    overwrite_at(&target.join("file"), 2_000_000, b"not so");
    set_time(&target.join("file"), (TIME, 5));
    let believing = RestoreOptions { overwrite: Overwrite::IfChanged, ..verifying() };
    let report = ground.restore_with(&entry, &target, &believing);
    assert_eq!(paths(&report.warnings), ["file"]);
    assert!(report.verified_bytes < (3 << 20) + 5);
    let report = restore_spoilt(&ground, &entry, &verifying(), |target| {
        write(&target.join("small"), b"other");
        write(&target.join("empty"), b"no more");
    });
    assert_eq!(paths(&report.warnings), ["empty", "small"]);
}

#[test]
fn data_in_what_was_restored_as_a_hole_is_found() {
    let (ground, _) = Ground::in_memory();
    for (name, len) in [("all", 0), ("middle", 200_000)] {
        ground.write(name, &noise(1, len));
        File::options().write(true).open(ground.source().join(name)).unwrap().set_len(3 << 20).unwrap();
    }
    overwrite_at(&ground.source().join("middle"), 2 << 20, &noise(2, 100_000));
    let entry = ground.back_up(Requested::Full).entry.unwrap();
    let report = restore_spoilt(&ground, &entry, &verifying(), |target| {
        // Zeros that are written read as a hole does.
        overwrite_at(&target.join("all"), 1 << 20, &[0; 100_000]);
        overwrite_at(&target.join("middle"), 1 << 20, &[0; 100_000]);
    });
    assert_eq!(report.warnings, []);
    let report = restore_spoilt(&ground, &entry, &verifying(), |target| {
        overwrite_at(&target.join("all"), (3 << 20) - 1, b"x");
        overwrite_at(&target.join("middle"), 1 << 20, b"x");
    });
    assert_eq!(paths(&report.warnings), ["all", "middle"]);
}

#[test]
fn names_of_one_file_that_are_two_files_are_found() {
    let (ground, _) = Ground::in_memory();
    ground.write("first", b"one file");
    std::fs::create_dir(ground.source().join("deep")).unwrap();
    for name in ["deep/second", "third"] {
        std::fs::hard_link(ground.source().join("first"), ground.source().join(name)).unwrap();
    }
    let entry = ground.back_up(Requested::Full).entry.unwrap();
    let part = |target: &Path| {
        std::fs::remove_file(target.join("third")).unwrap();
        std::fs::copy(target.join("first"), target.join("third")).unwrap();
    };
    let report = restore_spoilt(&ground, &entry, &verifying(), part);
    assert_eq!(paths(&report.warnings), ["third"]);
    let report = restore_spoilt(&ground, &entry, &verifying(), |_| {});
    assert_eq!(report.warnings, []);
    // Only names within what is restored are one file.
    std::fs::remove_dir_all(ground.path("target")).unwrap();
    let report =
        restore_spoilt(&ground, &entry, &RestoreOptions { exclude: vec!["deep".to_owned()], ..verifying() }, part);
    assert_eq!(paths(&report.warnings), ["third"]);
    std::fs::remove_dir_all(ground.path("target")).unwrap();
    let selected = RestoreOptions { include: vec!["third".to_owned()], ..verifying() };
    assert_eq!(restore_spoilt(&ground, &entry, &selected, |_| {}).warnings, []);
}

#[test]
fn what_was_left_alone_is_not_compared() {
    let (ground, _) = Ground::in_memory();
    for name in ["new", "old", "place/inner"] {
        ground.write(name, b"of the snapshot");
        set_time(&ground.source().join(name), (TIME, 5));
    }
    std::fs::hard_link(ground.source().join("old"), ground.source().join("older")).unwrap();
    let entry = ground.back_up(Requested::Full).entry.unwrap();
    for overwrite in [Overwrite::Never, Overwrite::IfNewer] {
        let target = ground.path("target");
        for name in ["old", "older"] {
            write(&target.join(name), b"of the target");
        }
        let report = ground.restore_with(&entry, &target, &RestoreOptions { overwrite, ..verifying() });
        assert_eq!((report.warnings.as_slice(), report.skipped, report.files), (&[][..], 2, 2), "{overwrite:?}");
        assert_eq!(report.verified_bytes, 30, "{overwrite:?}");
        std::fs::remove_dir_all(target).unwrap();
    }
    // What a directory would hold that cannot be made is told once.
    write(&ground.path("target/place"), b"a file where a directory was");
    let never = RestoreOptions { overwrite: Overwrite::Never, ..verifying() };
    let report = ground.restore_with(&entry, &ground.path("target"), &never);
    assert_eq!((paths(&report.warnings), report.warning_count), (vec!["place"], 1));
}
