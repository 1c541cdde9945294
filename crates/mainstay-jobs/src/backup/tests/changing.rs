//! Sources that change while they are read: a warning, and a snapshot that is whole.
//!
//! A warning is what exit code 3 is made of.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::backup::{BackupReport, Requested};
use crate::fixture::noise;
use crate::ground::{Ground, Moment, Watched, as_recorded, look, make_cold, paths, read, set_time};
use crate::restore::RestoreOptions;

/// One short file, a long one, and one that is long enough to be read past the page cache: they go different ways.
const LENGTHS: [usize; 3] = [10_000, 5 << 20, (17 << 20) + 777];

/// A ground with a file that something happens to at one moment, once, while the source is backed up.
fn back_up_while(
    len: usize,
    wanted: Moment,
    happens: impl Fn(&Path) + Send + Sync + 'static,
) -> (Ground, BackupReport) {
    let (ground, _) = Ground::in_memory();
    ground.write("before", b"before");
    ground.write("file", &noise(1, len));
    ground.write("other", b"other");
    set_time(&ground.source().join("file"), (1_700_000_000, 0));
    let path = ground.source().join("file");
    make_cold(&path);
    let once = std::sync::Once::new();
    let source = Watched::acting(&ground.source(), move |name, moment| {
        if name == b"file" && moment == wanted {
            once.call_once(|| happens(&path));
        }
    });
    let report = ground.back_up_from(&source, Requested::Full);
    (ground, report)
}

/// Asserts the one warning, that the rest came back, and what became of the file; then that the next run makes it good.
fn assert_one_warning(ground: &Ground, report: &BackupReport, content: Option<&[u8]>) {
    let path = ground.source().canonicalize().unwrap().join("file");
    assert_eq!(paths(&report.warnings), [path.to_str().unwrap()]);
    assert_eq!(report.statistics.warnings, 1);
    let target = ground.restore(report.entry.as_ref().unwrap(), "target");
    assert_eq!(read(&target.join("before")), b"before");
    assert_eq!(read(&target.join("other")), b"other");
    match content {
        Some(content) => assert!(read(&target.join("file")) == content, "the file does not hold what was read"),
        None => assert!(!target.join("file").exists()),
    }
    let next = ground.back_up(Requested::Incremental);
    assert_eq!(look(&ground.restore(next.entry.as_ref().unwrap(), "next")), look(&ground.source()));
}

fn append(path: &Path, bytes: &[u8]) {
    OpenOptions::new().append(true).open(path).unwrap().write_all(bytes).unwrap();
}

fn cut(path: &Path, len: u64) {
    OpenOptions::new().write(true).open(path).unwrap().set_len(len).unwrap();
}

#[test]
fn a_file_that_grows_before_it_is_read_is_a_warning_and_stored_as_it_is_then() {
    for len in LENGTHS {
        let (ground, report) = back_up_while(len, Moment::BeforeOpening, |path| append(path, b"more"));
        assert_one_warning(&ground, &report, Some(&[noise(1, len).as_slice(), b"more"].concat()));
    }
}

#[test]
fn a_file_that_grows_while_it_is_read_is_a_warning_and_stored_up_to_its_old_end() {
    for len in LENGTHS {
        let (ground, report) = back_up_while(len, Moment::AfterReading, |path| append(path, b"more"));
        assert_one_warning(&ground, &report, Some(&noise(1, len)));
    }
}

#[test]
fn a_small_file_that_becomes_a_large_one_before_it_is_read_is_stored_whole() {
    let more = noise(2, 4 << 20);
    let added = more.clone();
    let (ground, report) = back_up_while(10, Moment::BeforeOpening, move |path| append(path, &added));
    assert_one_warning(&ground, &report, Some(&[noise(1, 10), more].concat()));
}

#[test]
fn a_file_that_shrinks_while_it_is_read_is_a_warning_and_stored_up_to_its_new_end() {
    for len in LENGTHS {
        let (ground, report) = back_up_while(len, Moment::BeforeReading, |path| cut(path, 5000));
        assert_one_warning(&ground, &report, Some(&noise(1, 5000)));
    }
}

#[test]
fn a_large_file_that_is_cut_to_nothing_in_the_middle_of_reading_is_a_warning() {
    let (ground, report) = back_up_while(40 << 20, Moment::AfterReading, |path| cut(path, 0));
    let target = ground.restore(report.entry.as_ref().unwrap(), "first");
    let held = read(&target.join("file"));
    assert!(!held.is_empty() && held.len() < 40 << 20);
    assert_one_warning(&ground, &report, Some(&noise(1, held.len())));
}

#[test]
fn a_file_that_is_rewritten_while_it_is_read_is_a_warning() {
    for len in LENGTHS {
        let (ground, report) = back_up_while(len, Moment::AfterReading, move |path| {
            std::fs::write(path, noise(2, len)).unwrap();
        });
        let target = ground.restore(report.entry.as_ref().unwrap(), "first");
        assert_one_warning(&ground, &report, Some(&read(&target.join("file"))));
    }
}

#[test]
fn a_file_that_is_rewritten_under_its_old_size_and_time_while_it_is_read_is_a_warning() {
    for len in LENGTHS {
        let (ground, report) = back_up_while(len, Moment::AfterReading, move |path| {
            let before = change_time(path);
            while change_time(path) == before {
                std::fs::write(path, noise(2, len)).unwrap();
                set_time(path, (1_700_000_000, 0));
            }
        });
        let target = ground.restore(report.entry.as_ref().unwrap(), "first");
        assert_one_warning(&ground, &report, Some(&read(&target.join("file"))));
    }
}

fn change_time(path: &Path) -> (i64, i64) {
    let metadata = path.metadata().unwrap();
    (metadata.ctime(), metadata.ctime_nsec())
}

#[test]
fn a_file_that_vanishes_before_it_is_read_is_a_warning_and_not_in_the_snapshot() {
    for len in LENGTHS {
        let (ground, report) = back_up_while(len, Moment::BeforeOpening, |path| std::fs::remove_file(path).unwrap());
        assert!(report.warnings[0].message.contains("vanished"), "{:?}", report.warnings);
        assert_one_warning(&ground, &report, None);
    }
}

#[test]
fn a_file_that_becomes_something_else_before_it_is_read_is_a_warning_and_not_followed() {
    let kinds: [fn(&Path); 3] = [
        |path| std::os::unix::fs::symlink("/etc/passwd", path).unwrap(),
        |path| std::fs::create_dir(path).unwrap(),
        |path| {
            let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
            rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        },
    ];
    for kind in kinds {
        for len in LENGTHS {
            let (ground, report) = back_up_while(len, Moment::BeforeOpening, move |path| {
                std::fs::remove_file(path).unwrap();
                kind(path);
            });
            assert_one_warning(&ground, &report, None);
        }
    }
}

#[test]
fn files_that_vanish_do_not_stop_the_others_of_their_directory() {
    let (ground, _) = Ground::in_memory();
    for number in 0..400 {
        ground.write(&format!("{number:03}"), &noise(number as u8, 700));
    }
    let directory: PathBuf = ground.source();
    let source = Watched::acting(&ground.source(), move |name, moment| {
        if moment == Moment::BeforeOpening && name.ends_with(b"7") {
            std::fs::remove_file(directory.join(std::str::from_utf8(name).unwrap())).unwrap();
        }
    });
    let report = ground.back_up_from(&source, Requested::Full);
    assert_eq!(report.statistics.warnings, 40);
    let target = ground.path("target");
    let options = RestoreOptions { exclude: Vec::new(), ..as_recorded() };
    let restored = ground.restore_with(report.entry.as_ref().unwrap(), &target, &options);
    assert_eq!((restored.warning_count, restored.files), (0, 360));
    assert_eq!(look(&target), look(&ground.source()));
}
