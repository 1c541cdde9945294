//! A place is examined: it keeps its promises, and nothing of the examination stays.

use std::fs;

use crate::world::{World, files};

const QUICK: [&str; 4] = ["--objects", "40", "--size", "1M"];

/// Everything beneath a directory, with its bytes.
fn all(path: &std::path::Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    files(path).into_iter().map(|path| (path.clone(), fs::read(path).expect("a file"))).collect()
}

#[test]
fn a_directory_keeps_all_promises_and_nothing_is_left_behind() {
    let world = World::new();
    fs::create_dir(world.path("disk")).expect("a directory");
    let ran = world.ok(&["store", "validate", "disk"]);
    assert_eq!(ran.stderr, "");
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert!(lines[0].starts_with("examining ") && lines[0].contains("/disk: "), "{ran:#?}");
    assert!(!ran.stdout.contains("BROKEN") && !ran.stdout.contains("\nno "), "{ran:#?}");
    let listed = "ok      list-after-write      what was put is listed at once, each object once (1,100 objects)";
    assert!(lines.contains(&listed), "{ran:#?}");
    assert!(lines.iter().any(|line| line.starts_with("yes     conditional-creation ")), "{ran:#?}");
    assert!(lines.iter().any(|line| line.starts_with("write   ") && line.ends_with("64.0 MiB in objects of 16.0 MiB")));
    assert_eq!(lines.last(), Some(&"fit for a repository"));
    assert_eq!(fs::read_dir(world.path("disk")).expect("a directory").count(), 0);
}

#[test]
fn a_repository_in_the_same_place_is_not_touched() {
    let world = World::backed_up();
    let repository = world.repository();
    let before = all(&repository);
    let entries = || fs::read_dir(&repository).expect("a directory").count();
    let count = entries();
    let address = format!("file://{}", repository.display());
    let report = world.document(&[&["store", "validate", &address], &QUICK[..]].concat());
    assert!(all(&repository) == before, "something was changed");
    assert_eq!(entries(), count);
    assert_eq!(report["fit"], true, "{report:#}");
    world.ok(&["check"]);
}

#[test]
fn every_promise_is_reported_with_what_it_needs() {
    let world = World::new();
    let report = world.document(&[&["store", "validate", "."], &QUICK[..]].concat());
    assert_eq!((&report["broken"], &report["listed_objects"]), (&0.into(), &40.into()));
    let promises = report["promises"].as_array().expect("promises");
    let bonuses: Vec<_> = promises.iter().filter(|promise| promise["required"] == false).collect();
    assert!(promises.len() >= 20 && bonuses.len() == 2, "{report:#}");
    assert!(promises.iter().all(|promise| promise["kept"] == true && promise["got"].is_null()), "{report:#}");
    assert!(report["speed"]["write_bytes_per_second"].as_u64().is_some_and(|rate| rate > 0), "{report:#}");
}

#[test]
fn a_place_that_cannot_be_written_is_an_error_and_is_not_made() {
    let world = World::new();
    let ran = world.fails(&["store", "validate", "absent"], 13, "MS-1105");
    assert!(ran.stderr.contains("create a directory in") && ran.stderr.contains("/absent"), "{ran:#?}");
    assert!(!world.path("absent").exists());
    world.write("file", b"no directory");
    world.fails(&["store", "validate", "file"], 13, "MS-1105");
    world.fails(&["store", "validate", "b2://somewhere/else"], 2, "MS-1003");
    world.fails(&["store", "validate", ".", "--size", "0"], 2, "MS-1002");
    assert_eq!(fs::read_dir(world.home()).expect("a directory").count(), 1);
}
