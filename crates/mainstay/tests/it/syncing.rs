//! A second copy of a repository: created, kept up to date, used by itself, and synchronised both ways.

use crate::world::{World, files};

/// A repository of one snapshot, and where its copy lies.
fn with_copy() -> (World, String) {
    let world = World::backed_up();
    let copy = world.absolute("copy");
    let shown = world.ok(&["sync", "--to", &copy, "--dry-run"]).stdout;
    assert!(shown.contains("would bring 1 snapshot") && shown.contains("would be created"), "{shown}");
    assert!(!world.path("copy").exists(), "showing creates nothing");
    let said = world.ok(&["sync", "--to", &copy]).stdout;
    assert!(said.contains("created a copy and brought 1 snapshot"), "{said}");
    (world, copy)
}

fn snapshots_of(world: &World, repository: &str) -> Vec<String> {
    let listed = world.document(&["--repo", repository, "snapshots"]);
    listed.as_array().expect("a list").iter().map(|one| one["id"].as_str().expect("an id").to_owned()).collect()
}

fn assert_restores(world: &World, repository: &str, target: &str) {
    world.ok(&["--repo", repository, "restore", "latest", "--target", target, "--verify"]);
    assert_eq!(std::fs::read(world.restored(target, "docs/large")).expect("a file"), world.read("docs/large"));
}

#[test]
fn a_copy_restores_when_the_repository_is_gone() {
    let (world, copy) = with_copy();
    world.write("docs/more", b"more");
    world.settle();
    world.ok(&["backup", "docs"]);
    assert!(world.ok(&["sync", "--to", &copy]).stdout.contains("brought 1 snapshot"));
    let again = world.ok(&["sync", "--to", &copy]).stdout;
    assert!(again.contains("brought 0 snapshots") && again.contains("2 there already"), "{again}");
    std::fs::remove_dir_all(world.repository()).expect("a repository");
    assert!(world.ok(&["--repo", &copy, "verify"]).stdout.contains("sound"));
    assert_restores(&world, &copy, "out");
    // And the other way round, into a place where nothing is.
    let back = world.repository().to_str().expect("plain").to_owned();
    world.fails(&["--repo", &copy, "sync", "--to", &back], 10, "MS-1101");
    world.ok(&["--repo", &copy, "sync", "--to", &back, "--create"]);
    assert_eq!(snapshots_of(&world, &back), snapshots_of(&world, &copy));
    assert_restores(&world, &back, "out2");
}

#[test]
fn both_are_backed_up_to_pruned_and_brought_together() {
    let (world, copy) = with_copy();
    world.write("docs/notes.md", b"second line\n");
    world.settle();
    world.ok(&["backup", "docs"]);
    world.write("docs/notes.md", b"third line\n");
    world.settle();
    world.ok(&["--repo", &copy, "backup", "docs"]);
    let summary = world.lines(&["sync", "--from", &copy]).pop().expect("a summary");
    assert_eq!((summary["brought"].as_array().map(Vec::len), &summary["present"]), (Some(1), &1.into()), "{summary}");
    world.ok(&["sync", "--to", &copy]);
    let own = world.repository().to_str().expect("plain").to_owned();
    assert_eq!(snapshots_of(&world, &own).len(), 3);
    assert_eq!(snapshots_of(&world, &own), snapshots_of(&world, &copy));
    // Each keeps what it wants to keep, and neither takes the other for rewound. What was made apart is kept beside the line.
    world.ok(&["forget", "--keep-last", "1"]);
    world.ok(&["prune", "--hold", "0"]);
    let summary = world.lines(&["sync", "--from", &copy]).pop().expect("a summary");
    assert_eq!((summary["brought"].as_array().map(Vec::len), &summary["present"]), (Some(0), &2.into()), "{summary}");
    assert_eq!(summary["removed"].as_array().map(Vec::len), Some(1), "{summary}");
    assert!(world.ok(&["sync", "--from", &copy]).stderr.contains("1 snapshot stays away"));
    assert_eq!(snapshots_of(&world, &copy).len(), 3, "deletions do not travel");
    for repository in [&own, &copy] {
        world.ok(&["--repo", repository, "verify"]);
        world.ok(&["--repo", repository, "prune", "--hold", "0"]);
        assert_restores(&world, repository, &format!("out{}", repository.len()));
    }
}

#[test]
fn what_is_damaged_in_one_is_left_out_and_told() {
    let (world, copy) = with_copy();
    world.write("docs/new", &crate::world::noise(1 << 20));
    world.settle();
    let before = files(&world.repository().join("packs"));
    world.ok(&["backup", "docs"]);
    let packs = files(&world.repository().join("packs")).into_iter().filter(|pack| !before.contains(pack));
    let pack = packs.max_by_key(|pack| pack.metadata().expect("a pack").len()).expect("a pack");
    let mut bytes = std::fs::read(&pack).expect("a pack");
    bytes[5000] ^= 1;
    std::fs::write(&pack, &bytes).expect("it is writable");
    let ran = world.fails(&["sync", "--to", &copy], 3, "MS-1309");
    assert!(ran.stderr.contains("was left out"), "{ran:#?}");
    bytes[5000] ^= 1;
    std::fs::write(&pack, &bytes).expect("it is writable");
    assert!(world.ok(&["sync", "--to", &copy]).stdout.contains("brought 1 snapshot"));
    assert_restores(&world, &copy, "out");
}

#[test]
fn a_place_that_is_no_copy_is_refused_and_left_alone() {
    let (world, _) = with_copy();
    let own = world.repository().to_str().expect("plain").to_owned();
    assert!(world.fails(&["sync", "--to", &own], 2, "MS-1001").stderr.contains("the same place"));
    world.fails(&["sync"], 2, "MS-1001");
    world.fails(&["sync", "--to", "a", "--from", "b"], 2, "MS-1001");
    world.fails(&["sync", "--from", "nowhere"], 10, "MS-1101");
    let docs = files(&world.path("docs"));
    world.fails(&["sync", "--to", "docs"], 16, "MS-1102");
    assert_eq!(files(&world.path("docs")), docs);
    world.ok(&["--repo", "other", "init"]);
    for direction in ["--to", "--from"] {
        assert!(world.fails(&["sync", direction, "other"], 2, "MS-1002").stderr.contains("no copy of"));
    }
}

#[test]
fn a_copy_in_the_repository_or_around_it_is_refused() {
    let world = World::backed_up();
    let before = files(&world.repository());
    let inside = world.repository().join("index/sub");
    for place in [inside.as_path(), world.repository().parent().expect("a directory")] {
        let place = place.to_str().expect("plain");
        world.fails(&["sync", "--to", place], 2, "MS-1001");
    }
    assert_eq!(files(&world.repository()), before);
}

#[test]
fn a_copy_that_is_not_mounted_is_not_made_anew() {
    let (world, copy) = with_copy();
    std::fs::rename(world.path("copy"), world.path("unplugged")).expect("it is there");
    std::fs::create_dir(world.path("copy")).expect("a mount point");
    let ran = world.fails(&["sync", "--to", &copy], 10, "MS-1101");
    assert!(ran.stderr.contains("has seen a copy there"), "{ran:#?}");
    assert!(files(&world.path("copy")).is_empty());
    assert!(world.ok(&["sync", "--to", &copy, "--create"]).stdout.contains("created a copy"));
}

#[test]
fn status_says_in_how_many_places_the_last_snapshot_is() {
    let (world, copy) = with_copy();
    let places = |repository: &[&str]| {
        let status = world.document(&[repository, &["status"]].concat());
        status["sources"][0]["also_in"].as_array().expect("a list").len()
    };
    assert_eq!(world.document(&["status"])["sources"][0]["also_in"][0], copy.as_str());
    assert_eq!(places(&["--repo", &copy]), 1, "the copy counts the repository");
    let shown = world.ok(&["status"]).stdout;
    assert!(
        shown.contains("PLACES") && shown.contains(&format!("copies at {copy}: 1 of 1 last snapshot, ")),
        "{shown}"
    );
    world.write("docs/more", b"more");
    world.settle();
    world.ok(&["backup", "docs"]);
    assert_eq!(places(&[]), 0, "the last one is here alone");
    assert!(world.ok(&["status"]).stdout.contains("0 of 1 last snapshot, "));
    world.ok(&["sync", "--to", &copy, "--dry-run"]);
    assert_eq!(places(&[]), 0, "showing brings nothing");
    world.ok(&["sync", "--to", &copy]);
    assert_eq!(places(&[]), 1);
    world.write("other.txt", b"another passphrase\n");
    let other = ["--repo", "other", "--password-file", "other.txt"];
    world.ok(&[&other[..], &["init"]].concat());
    world.ok(&["copy", "--to", "other", "--to-password-file", "other.txt"]);
    assert_eq!(places(&[]), 2);
    assert_eq!(places(&other), 0, "a repository with other keys knows of none");
    let state = world.home().join(".local/state/mainstay/places");
    let file = std::fs::read_dir(&state).expect("a folder").next().expect("a file").expect("a file").path();
    std::fs::write(&file, b"{\"places\": 7}").expect("damaged");
    assert_eq!(places(&[]), 0, "a damaged memory remembers nothing");
    world.ok(&["sync", "--to", &copy]);
    assert_eq!(places(&[]), 1);
}
