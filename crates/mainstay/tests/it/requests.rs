//! Requests to a store that is far away: how many there are, and what is kept near.
//!
//! Counted by `-vv`, which tells each of them.

use std::fs;

use crate::servers::{S3, assert_restores};
use crate::world::World;

/// What the issue allows to a backup that finds nothing changed, of any size.
const UNCHANGED: usize = 24;

/// What is kept near of it.
const LASTING: [&str; 4] = ["snapshots/", "keys/data/", "index/", "packs/"];

/// Runs a command; the requests that it told of, as `verb name`.
fn requests(world: &World, arguments: &[&str]) -> Vec<String> {
    let ran = world.ok(&[&["-vv"], arguments].concat());
    let told = ran.stderr.lines().filter_map(|line| line.strip_prefix("request ")?.split_once("ms: "));
    let requests: Vec<String> = told.map(|(_, what)| what.to_owned()).collect();
    assert!(!requests.is_empty(), "{ran:#?}");
    requests
}

fn count(requests: &[String], beginning: &str) -> usize {
    requests.iter().filter(|request| request.starts_with(beginning)).count()
}

fn in_a_bucket(world: &World) -> (S3, String) {
    let server = S3::with_bucket(world, "backups");
    let repository = server.repository("backups/db-1");
    world.ok(&["--repo", &repository, "init"]);
    (server, repository)
}

#[test]
fn an_unchanged_backup_takes_few_requests_whatever_is_in_it() {
    let world = World::new();
    for number in 0..600 {
        world.write(&format!("docs/part-{}/{number}", number % 60), format!("file {number}\n").as_bytes());
    }
    world.settle();
    let (_server, repository) = in_a_bucket(&world);
    world.ok(&["--repo", &repository, "backup", "docs"]);
    // Files that are as young as their backup are read again once, and the directory above this home changes whenever another test
    // begins: then there is a page to store.
    let back_up = || requests(&world, &["--repo", &repository, "backup", "docs"]);
    let told =
        (0..20).map(|_| back_up()).find(|told| count(told, "put packs/") == 0).expect("a moment without a change");
    assert!(told.len() <= UNCHANGED, "{}: {told:#?}", told.len());
    assert_eq!(count(&told, "read packs/"), 0, "trees are near: {told:#?}");
    assert_restores(&world, &repository, "out");
}

#[test]
fn what_was_forgotten_and_is_held_costs_a_backup_no_requests() {
    let world = World::new();
    let (_server, repository) = in_a_bucket(&world);
    let repo = ["--repo", &repository];
    for number in 0..30 {
        world.write("docs/a", format!("version {number}\n").as_bytes());
        world.settle();
        world.ok(&[&repo[..], &["backup", "docs"]].concat());
    }
    world.ok(&[&repo[..], &["forget", "--keep-last", "1"]].concat());
    let back_up = || requests(&world, &[&repo[..], &["backup", "docs"]].concat());
    assert_eq!(count(&back_up(), "read trash/"), 29);
    let told =
        (0..20).map(|_| back_up()).find(|told| count(told, "put packs/") == 0).expect("a moment without a change");
    assert_eq!(count(&told, "read trash/"), 0);
    assert!(told.len() <= UNCHANGED, "{}: {told:#?}", told.len());
}

#[test]
fn a_backup_goes_on_where_the_copies_on_this_machine_are_gone_or_damaged() {
    let world = World::with_files();
    world.settle();
    let (_server, repository) = in_a_bucket(&world);
    let read = |more: &[&str]| {
        let told = requests(&world, &[&["--repo", &repository], more, &["backup", "docs"]].concat());
        LASTING.iter().map(|folder| count(&told, &format!("read {folder}"))).sum::<usize>()
    };
    read(&[]);
    assert_eq!(read(&[]), 0, "all of it is near");
    let cache = world.path(".cache/mainstay");
    fs::write(crate::world::only(&cache).join("objects.db"), b"damaged").unwrap();
    assert!(read(&[]) > 0, "what is damaged is read from the store again");
    assert_eq!(read(&[]), 0);
    fs::remove_dir_all(&cache).unwrap();
    assert!(read(&[]) > 0);
    assert_eq!(read(&[]), 0);
    assert!(read(&["--cache-limit", "0"]) > 0);
    assert_restores(&world, &repository, "out");
}

#[test]
fn nothing_is_kept_of_a_repository_on_this_machine_or_where_nothing_may_be() {
    let world = World::with_files();
    world.ok(&["init"]);
    world.ok(&["backup", "docs"]);
    world.ok(&["--repo", &format!("sqlite://{}", world.absolute("backup.db")), "init"]);
    let server = S3::with_bucket(&world, "backups");
    world.ok(&["--repo", &server.repository("backups/a"), "--cache-limit", "0", "init"]);
    world.ok(&["--repo", &server.repository("backups/a"), "--cache-limit", "0", "backup", "docs"]);
    assert!(!world.path(".cache/mainstay").exists());
}

#[test]
fn whoever_checks_looks_into_the_store_and_not_at_copies() {
    let world = World::with_files();
    world.settle();
    let (server, repository) = in_a_bucket(&world);
    world.ok(&["--repo", &repository, "backup", "docs"]);
    world.ok(&["--repo", &repository, "snapshots"]);
    let names = server.objects("backups");
    let map = names.iter().find(|name| name.contains("/refs/")).expect("a reference map");
    server.delete("backups", map);
    let name = map.strip_prefix("db-1/").unwrap();
    for command in ["check", "verify"] {
        let ran = world.run(&["--repo", &repository, command]);
        assert!(ran.code != 0 && ran.all().contains(name), "{ran:#?}");
    }
}

#[test]
fn a_restore_asks_for_each_pack_once() {
    let world = World::new();
    for (number, content) in crate::world::noise(40 << 20).chunks(1 << 20).enumerate() {
        world.write(&format!("docs/{number}"), content);
    }
    world.settle();
    let (server, repository) = in_a_bucket(&world);
    world.ok(&["--repo", &repository, "backup", "docs"]);
    let packs = server.objects("backups").iter().filter(|name| name.contains("/packs/")).count();
    let told = requests(&world, &["--repo", &repository, "restore", "latest", "--target", "out"]);
    let ranges = count(&told, "read packs/");
    assert!(packs > 2 && ranges <= packs, "{ranges} ranges of {packs} packs: {told:#?}");
    assert!(told.len() - ranges <= 14, "{told:#?}");
}

#[test]
fn a_verify_reads_each_pack_once() {
    let world = World::new();
    for (number, content) in crate::world::noise(40 << 20).chunks(1 << 20).enumerate() {
        world.write(&format!("docs/{number}"), content);
    }
    let (server, repository) = in_a_bucket(&world);
    world.ok(&["--repo", &repository, "backup", "docs"]);
    let packs = server.objects("backups").iter().filter(|name| name.contains("/packs/")).count();
    let told = requests(&world, &["--repo", &repository, "verify"]);
    assert!(packs > 2 && count(&told, "read packs/") <= packs + 1, "{packs} packs: {told:#?}");
}

#[test]
fn what_came_damaged_from_a_store_is_read_again_once_it_is_mended() {
    let world = World::with_files();
    world.settle();
    let (server, repository) = in_a_bucket(&world);
    world.ok(&["--repo", &repository, "backup", "docs"]);
    world.ok(&["--repo", &repository, "sync", "--to", &world.absolute("copy")]);
    // Another machine has no copies.
    fs::remove_dir_all(world.path(".cache/mainstay")).unwrap();
    let names = server.objects("backups");
    let snapshot = names.iter().find(|name| name.contains("/snapshots/")).expect("a snapshot");
    let held = fs::read(world.path(&format!("copy/{}", snapshot.strip_prefix("db-1/").unwrap()))).unwrap();
    let mut damaged = held.clone();
    damaged[100] ^= 1;
    server.put("backups", snapshot, &damaged);
    let told = world.run(&["--repo", &repository, "snapshots"]);
    assert!(told.code != 0 && told.all().contains("MS-1301"), "{told:#?}");
    server.put("backups", snapshot, &held);
    assert_restores(&world, &repository, "out");
    world.ok(&["--repo", &repository, "snapshots"]);
}
