//! Snapshots that are in the repository and cannot be read: told of in every form of output, and never passed over. Whoever names another one gets
//! that, and no exit code that says otherwise.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::world::{Ran, World, files};

/// The object of a snapshot.
fn object(world: &World, id: &str) -> PathBuf {
    let found =
        files(&world.repository().join("snapshots")).into_iter().find(|path| path.to_string_lossy().contains(id));
    found.expect("the snapshot's object")
}

fn damage(world: &World, id: &str) {
    let path = object(world, id);
    let mut bytes = fs::read(&path).expect("a snapshot");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(path, bytes).expect("a snapshot");
}

/// Two snapshots, the newer of which cannot be read; answers their ids.
fn newest_lost() -> (World, Vec<String>) {
    let world = World::backed_up();
    world.write("docs/notes.md", b"second line\n");
    world.ok(&["backup", "docs"]);
    let ids = world.snapshots();
    damage(&world, &ids[1]);
    (world, ids)
}

/// The one document that a command printed.
fn document(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:#?}"))
}

#[test]
fn latest_is_refused_where_the_newest_snapshot_cannot_be_read() {
    let (world, ids) = newest_lost();
    let source = world.document_of(&["snapshots"], 3)[0]["source"].as_str().expect("a name").to_owned();
    for snapshot in ["latest", "latest~1", &ids[1][..12]] {
        for more in [&[][..], &["--source", &source]] {
            let ran = world.run(&[&["restore", snapshot, "--target", "out"], more].concat());
            assert_eq!(ran.code, 4, "{ran:#?}");
            for part in ["error[MS-1301]", &ids[1], &format!("the newest that can be read is {}", &ids[0][..8])] {
                assert!(ran.stderr.contains(part), "no {part:?} in {ran:#?}");
            }
        }
        let error = world.run(&["restore", snapshot, "--target", "out", "--json"]).lines().pop().expect("an error");
        assert_eq!((error["code"].as_str(), error["exit_code"].as_i64()), (Some("MS-1301"), Some(4)), "{error}");
    }
    assert!(!world.path("out").exists());
    for arguments in [&["ls", "latest"][..], &["cat", "latest:/x"], &["diff", &ids[0], "latest"]] {
        assert_eq!(world.run(arguments).code, 4, "{arguments:?}");
    }
}

#[test]
fn a_whole_snapshot_that_is_named_is_restored_with_exit_code_0_and_a_warning_of_the_other() {
    let (world, ids) = newest_lost();
    let ran = world.run(&["restore", &ids[0], "--target", "out"]);
    assert_eq!(ran.code, 0, "{ran:#?}");
    assert!(ran.stderr.contains("warning[MS-1301]") && ran.stderr.contains(&ids[1]), "{ran:#?}");
    assert_eq!(fs::read(world.restored("out", "docs/notes.md")).expect("restored"), b"first line\n");
    let ran = world.run(&["restore", &ids[0], "--target", "again", "--json"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:#?}");
    let lines = ran.lines();
    assert_eq!(lines[0]["message_type"], "warning");
    assert!(lines[0]["path"].as_str().expect("a path").contains(&ids[1]), "{lines:#?}");
    assert_eq!(lines.last().expect("a summary")["warnings"], 0, "of what was asked for there is none");
    let exported = world.run(&["export", &ids[0], "all.tar"]);
    assert!(exported.code == 0 && exported.stderr.contains(&ids[1]), "{exported:#?}");
}

#[test]
fn every_query_tells_of_a_snapshot_that_cannot_be_read() {
    let (world, ids) = newest_lost();
    let notes = world.absolute("docs/notes.md");
    let (ls, cat) = (format!("{}:{}", ids[0], world.absolute("docs")), format!("{}:{notes}", ids[0]));
    for (arguments, code) in [
        (vec!["snapshots"], 3),
        (vec!["ls", &ls], 0),
        (vec!["find", "*.md"], 3),
        (vec!["find", "*.md", "--snapshot", &ids[0]], 0),
        (vec!["diff", &ids[0], &ids[0]], 0),
        (vec!["history", &notes], 3),
        (vec!["cat", &cat], 0),
        (vec!["status"], 3),
    ] {
        let ran = world.run(&arguments);
        assert_eq!(ran.code, code, "{arguments:?}: {ran:#?}");
        assert!(ran.stderr.contains("warning") && ran.stderr.contains(&ids[1]), "{arguments:?}: {ran:#?}");
        let ran = world.run(&[arguments.as_slice(), &["--json"]].concat());
        assert_eq!(ran.code, code, "{arguments:?}: {ran:#?}");
        let found = document(&ran);
        if arguments == ["status"] {
            assert!(found["warnings"].to_string().contains(&ids[1]) && ran.stderr.is_empty(), "{ran:#?}");
            continue;
        }
        let warning: Value = serde_json::from_str(&ran.stderr).unwrap_or_else(|error| panic!("{error}: {ran:#?}"));
        assert_eq!(warning["message_type"], "warning");
        assert!(warning["path"].as_str().expect("a path").contains(&ids[1]), "{warning:#?}");
    }
}

#[test]
fn a_backup_tells_of_it_and_does_not_give_its_number_again() {
    let (world, ids) = newest_lost();
    let ran = world.run(&["backup", "docs"]);
    assert_eq!(ran.code, 3, "{ran:#?}");
    assert!(ran.stdout.contains(" #3 "), "{ran:#?}");
    assert!(ran.stderr.contains(&ids[1]) && ran.stderr.contains("warning[MS-1301]"), "{ran:#?}");
    let ran = world.run(&["backup", "docs", "--json"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (3, ""), "{ran:#?}");
    let lines = ran.lines();
    assert_eq!(lines[0]["message_type"], "warning");
    let summary = lines.last().expect("a summary");
    assert_eq!((&summary["snapshot"]["sequence"], &summary["repository_problems"]), (&4.into(), &1.into()));
    assert_eq!(summary["statistics"]["warnings"], 0, "the source was read without any");
    // A newer one can be read now, and is what is meant.
    world.ok(&["restore", "latest", "--target", "out"]);
    assert_eq!(fs::read(world.restored("out", "docs/notes.md")).expect("restored"), b"second line\n");
}

#[test]
fn where_no_snapshot_can_be_read_latest_is_damage_and_not_an_empty_repository() {
    let (world, ids) = newest_lost();
    damage(&world, &ids[0]);
    let ran = world.run(&["restore", "latest", "--target", "out"]);
    assert_eq!(ran.code, 4, "{ran:#?}");
    assert!(ran.stderr.contains("error[MS-1301]") && ran.stderr.contains("none that is meant can be read"), "{ran:#?}");
}

#[test]
fn a_lost_snapshot_of_one_source_leaves_latest_of_another_alone() {
    let (world, _) = newest_lost();
    let ran = world.run(&["backup", "docs/deep", "--source", "other"]);
    assert_eq!(ran.code, 3, "{ran:#?}");
    world.ok(&["restore", "latest", "--source", "other", "--target", "out"]);
    // Of all sources the lost one may be the newest: when it was made cannot be read.
    assert_eq!(world.run(&["restore", "latest", "--target", "all"]).code, 4);
}

#[test]
fn the_name_of_an_object_that_is_no_snapshot_makes_no_sequence_run_over() {
    let world = World::backed_up();
    let ids = world.snapshots();
    let junk = format!("{}-{}", u64::MAX, "5a".repeat(32));
    fs::write(object(&world, &ids[0]).with_file_name(junk), b"junk").expect("an object");
    assert_eq!(world.run(&["backup", "docs"]).code, 3);
    let listed = world.document_of(&["snapshots"], 3);
    let sequences: Vec<u64> =
        listed.as_array().expect("a list").iter().filter_map(|one| one["sequence"].as_u64()).collect();
    assert_eq!(sequences, [1, 2], "{listed}");
}
