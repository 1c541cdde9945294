//! What a run meets and goes on past: it is told, counted for what it is, and no exit code hides it.

use std::sync::Arc;

use mainstay_jobs::backup::{BackupOptions, BackupRun, Input, Mode, Requested, backup};
use mainstay_jobs::{Cancel, Clock, NoProgress};
use mainstay_repo::{Liveness, LocalStore, RecoveryCode, Repository, Secret, Sharing};
use mainstay_sources::files::{FileOptions, FileSource, Owners};

use crate::unprivileged::Unprivileged;
use crate::world::{World, files, noise};

/// The year 2200.
struct Future;

impl Clock for Future {
    fn now(&self) -> i64 {
        7_258_118_400_000_000_000
    }
}

/// Makes a snapshot of `docs` by a clock of another time.
fn back_up_in_the_future(world: &World, source_name: &str) {
    let text = std::fs::read_to_string(world.key_file()).expect("a key");
    let code = text.lines().find_map(RecoveryCode::parse).expect("a code");
    let liveness = Liveness {
        machine: b"elsewhere".to_vec(),
        boot: b"once".to_vec(),
        process: 1,
        process_start: Arc::new(|_| Some(1)),
        now: std::sync::Arc::new(|| 0),
    };
    let store = Arc::new(LocalStore::new(world.repository()));
    let repository = Repository::open(store, &Secret::Code(code), liveness).expect("the key opens it");
    let source = FileSource::new(&[world.path("docs")], &FileOptions::everything()).expect("it is there");
    let options = BackupOptions {
        source: source_name.to_owned(),
        host: "elsewhere".to_owned(),
        user: "root".to_owned(),
        paths: source.roots(),
        tags: Vec::new(),
        requested: Requested::Full,
        sharing: Sharing::Shared,
        mode: Mode::Store,
        program: "test".to_owned(),
        owner_names: Owners::load(),
        copied: None,
    };
    let (repository, source, options) = (&repository, &source, &options);
    let run = BackupRun {
        repository,
        input: Input::Tree(source),
        options,
        clock: &Future,
        progress: &NoProgress,
        cancel: &Cancel::default(),
        listed: &|_| {},
    };
    backup(&run).expect("a backup");
}

#[test]
fn a_clock_behind_the_snapshots_is_told_by_backup_and_status() {
    let world = World::backed_up();
    let source = world.document(&["snapshots"])[0]["source"].as_str().expect("a name").to_owned();
    assert!(!world.ok(&["status"]).stderr.contains("future"));
    back_up_in_the_future(&world, &source);
    let ran = world.run(&["backup", "docs"]);
    assert_eq!(ran.code, 3, "{ran:#?}");
    for part in ["warning: clock: ", "2200-01-01", "warning[MS-1504]"] {
        assert!(ran.stderr.contains(part), "no {part:?} in {ran:#?}");
    }
    assert!(ran.stdout.contains(" #3 "), "it is stored all the same: {ran:#?}");
    let lines = world.run(&["backup", "docs", "--json"]).lines();
    assert_eq!((&lines[0]["message_type"], &lines[0]["path"]), (&"warning".into(), &"clock".into()));
    assert_eq!(lines.last().expect("a summary")["clock_is_behind"], true);
    // The last snapshot is not from the future, and another one is.
    assert!(world.ok(&["status"]).stderr.contains("1 snapshot is from the future"));
}

#[test]
fn a_backup_tells_of_a_pack_that_is_gone_and_stores_its_content_again() {
    let world = World::backed_up();
    let packs = files(&world.repository().join("packs"));
    let largest = packs.iter().max_by_key(|path| path.metadata().expect("a pack").len()).expect("a pack");
    std::fs::remove_file(largest).expect("a pack");
    let name = largest.file_name().expect("a name").to_str().expect("a plain name");
    let ran = world.run(&["backup", "docs"]);
    assert_eq!(ran.code, 3, "{ran:#?}");
    assert!(ran.stderr.contains(name) && ran.stderr.contains("warning[MS-1301]"), "{ran:#?}");
    assert_eq!(world.run(&["restore", "latest", "--target", "out", "--verify"]).code, 0, "the new snapshot is whole");
}

#[test]
fn of_several_paths_one_that_is_missing_is_a_warning_and_the_rest_is_saved() {
    let world = World::with_files();
    world.write("more/file", b"more");
    for missing in ["absent", "absent/deep/er", "docs-not/"] {
        let ran = world.run(&["backup", "docs", missing, "more"]);
        assert_eq!(ran.code, 3, "{ran:#?}");
        assert!(ran.stderr.contains("No such file") && ran.stderr.contains("warning[MS-1503] 1 entry"), "{ran:#?}");
        assert!(ran.stdout.contains(": 4 files"), "{ran:#?}");
    }
    // The source is the same whether all of its paths are there or not.
    world.write("absent", b"here now");
    world.ok(&["backup", "docs", "absent", "more"]);
    let listed = world.document(&["snapshots"]);
    assert_eq!(listed[0]["source"], listed[3]["source"]);
    world.fails(&["backup", "absent-1", "absent-2"], 1, "MS-1501");
    // Beneath a path that is there nothing would tell of it.
    world.fails(&["backup", "docs", "docs/absent"], 1, "MS-1501");
}

#[test]
fn what_could_not_be_read_is_not_counted_as_backed_up() {
    let unprivileged = Unprivileged::new();
    let ran = unprivileged.run(&["backup", "docs", "--json"]);
    let summary = ran.lines().pop().expect("a summary");
    assert_eq!((&summary["statistics"]["files"], &summary["statistics"]["files_read"]), (&3.into(), &3.into()));
}

#[test]
fn what_was_lost_is_not_counted_as_restored() {
    let world = World::backed_up();
    let packs = files(&world.repository().join("packs"));
    let largest = packs.iter().max_by_key(|path| path.metadata().expect("a pack").len()).expect("a pack");
    std::fs::remove_file(largest).expect("a pack");
    let lines = world.lines(&["restore", "latest", "--target", "out"]);
    let summary = lines.last().expect("a summary");
    let (files, lost) =
        (summary["files"].as_u64().expect("a number"), summary["files_lost"].as_u64().expect("a number"));
    assert!(lost > 0 && files + lost == 3, "{summary}");
    assert!(summary["bytes"].as_u64().expect("a number") < 3 << 20, "{summary}");
}

#[test]
fn holes_are_not_counted_as_read() {
    let world = World::new();
    world.write("docs/data", &noise(100_000));
    let sparse = std::fs::File::create(world.path("docs/sparse")).expect("a file");
    sparse.set_len(1 << 30).expect("a hole");
    let summary = world.lines(&["backup", "docs"]).pop().expect("a summary");
    assert_eq!(summary["statistics"]["read_bytes"], 100_000);
    assert_eq!(summary["statistics"]["content_bytes"], (1_u64 << 30) + 100_000);
}

#[test]
fn backup_and_restore_count_the_names_of_a_file_alike() {
    let world = World::with_files();
    std::fs::hard_link(world.path("docs/notes.md"), world.path("docs/same")).expect("a link");
    let stored = world.lines(&["backup", "docs"]).pop().expect("a summary");
    let restored = world.lines(&["restore", "latest"]).pop().expect("a summary");
    assert_eq!((&stored["statistics"]["files"], &restored["files"]), (&4.into(), &4.into()));
}
