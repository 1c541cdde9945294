//! Runs that come to their limits, or whose threads panic: they end, and say why.

use std::sync::atomic::{AtomicUsize, Ordering};

use mainstay_repo::limits;
use mainstay_sources::{Kind, Source};

use crate::backup::Requested;
use crate::check::check;
use crate::fixture::noise;
use crate::ground::{Ground, Imagined, Moment, Watched, listed, options};
use crate::{Cancel, Error, NoProgress};

#[test]
fn a_directory_that_lies_too_deep_is_a_warning_and_all_else_is_saved() {
    let (ground, _) = Ground::in_memory();
    let deepest = limits::TREE_DEPTH - 1;
    let source = Imagined::new(
        move |depth| {
            let mut entries = vec![listed("directory", Kind::Directory, 0)];
            if depth == 0 || depth == deepest {
                entries.push(listed("file", Kind::File, 4));
            }
            // Not without end, in case it is followed.
            entries.truncate(if depth > deepest + 9 { 0 } else { 2 });
            entries
        },
        |_| b"text".to_vec(),
    );
    let report = ground.back_up_from(&source, Requested::Full);
    let [warning] = report.warnings.as_slice() else { panic!("{:?}", report.warnings) };
    assert_eq!(warning.path, format!("/depth {deepest}/directory"));
    assert_eq!(warning.message, "it is not backed up: no directory deeper than 16384 is");
    assert_eq!(report.statistics.files, 2);
    let found = check(&ground.repository, &NoProgress, &Cancel::default()).unwrap();
    assert_eq!(found.findings, []);
    assert_eq!(found.nodes, deepest as u64 + 2);
}

/// Asserts that a run ends with an error that says that something panicked.
fn assert_panic_is_told(source: &dyn Source) {
    let (ground, _) = Ground::in_memory();
    let Err(error) = ground.try_backup(source, &options(Requested::Full)) else { panic!("it went on") };
    assert!(matches!(&error, Error::Invalid(text) if text.contains("panicked")), "{error}");
    assert_eq!(ground.repository.snapshots().unwrap(), []);
}

#[test]
fn a_worker_that_panics_over_a_large_file_ends_the_run() {
    let (ground, _) = Ground::in_memory();
    ground.write("large", &noise(1, 5 << 20));
    assert_panic_is_told(&Watched::acting(&ground.source(), |_, moment| {
        assert_ne!(moment, Moment::AfterReading, "the test panics here");
    }));
}

#[test]
fn a_run_whose_worker_panics_walks_no_further() {
    let files = AtomicUsize::new(0);
    // A billion directories, none of them deep.
    let tree = |depth| {
        let entries = [("a", Kind::File), ("b", Kind::Directory), ("c", Kind::Directory)];
        let entries = if depth < 30 { &entries[..] } else { &entries[..1] };
        entries.iter().map(|(name, kind)| listed(name, *kind, 1)).collect()
    };
    assert_panic_is_told(&Imagined::new(tree, move |_| {
        assert_ne!(files.fetch_add(1, Ordering::Relaxed), 100, "the test panics here");
        b"a".to_vec()
    }));
}

#[test]
fn a_reading_thread_that_panics_ends_the_run() {
    let directories = AtomicUsize::new(0);
    assert_panic_is_told(&Imagined::new(
        move |depth| {
            let is_reading_ahead = std::thread::current().name().is_none();
            let count = directories.fetch_add(usize::from(is_reading_ahead), Ordering::Relaxed);
            assert_ne!((is_reading_ahead, count), (true, 100), "the test panics here");
            let names = if depth < 40 { ["a", "b"].as_slice() } else { &[] };
            names.iter().map(|name| listed(name, Kind::Directory, 0)).collect()
        },
        |_| Vec::new(),
    ));
}

#[test]
fn a_walk_that_panics_leaves_no_thread_waiting() {
    let walking = std::thread::spawn(|| {
        let (ground, _) = Ground::in_memory();
        let source = Imagined::new(|_| panic!("the test panics here"), |_| Vec::new());
        ground.try_backup(&source, &options(Requested::Full)).is_ok()
    });
    assert!(walking.join().is_err());
}
