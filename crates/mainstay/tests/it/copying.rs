//! Snapshots in a repository with other keys: copied, restored, continued, and shared with what is backed up there.

use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use crate::tree::assert_same;
use crate::world::{World, files, noise, run};

/// A home with two snapshots of files of every kind, and an empty repository `other` with a passphrase of its own.
fn with_other() -> World {
    let world = World::with_files();
    std::os::unix::fs::symlink("notes.md", world.path("docs/link")).expect("a link");
    std::fs::hard_link(world.path("docs/large"), world.path("docs/second name")).expect("a link");
    let sparse = std::fs::File::create(world.path("docs/sparse")).expect("a file");
    std::os::unix::fs::FileExt::write_all_at(&sparse, b"end", 9 << 20).expect("room");
    std::fs::set_permissions(world.path("docs/deep"), std::os::unix::fs::PermissionsExt::from_mode(0o711))
        .expect("it is ours");
    world.settle();
    world.ok(&["backup", "docs", "--tag", "first"]);
    world.write("docs/more", b"more");
    world.settle();
    world.ok(&["backup", "docs"]);
    world.write("other.txt", b"another passphrase\n");
    world.ok(&["--repo", "other", "--password-file", "other.txt", "init"]);
    world
}

const COPY: [&str; 5] = ["copy", "--to", "other", "--to-password-file", "other.txt"];
const OTHER: [&str; 4] = ["--repo", "other", "--password-file", "other.txt"];

fn snapshots(world: &World, repository: &[&str]) -> Vec<Value> {
    let listed = world.document(&[repository, &["snapshots"]].concat());
    listed.as_array().expect("a list").clone()
}

fn summary(world: &World, arguments: &[&str]) -> Value {
    world.lines(arguments).pop().expect("a summary")
}

#[test]
fn a_copy_with_other_keys_restores_byte_for_byte_when_the_first_repository_and_its_key_are_gone() {
    let world = with_other();
    let shown = world.ok(&[&COPY[..], &["--dry-run"]].concat()).stdout;
    assert!(shown.contains("would copy 2 snapshots to ") && shown.contains("0 there already"), "{shown}");
    assert_eq!(snapshots(&world, &OTHER).len(), 0, "showing copies nothing");
    let said = world.ok(&COPY).stdout;
    assert!(said.contains("copied 2 snapshots to "), "{said}");
    let (originals, copies) = (snapshots(&world, &[]), snapshots(&world, &OTHER));
    for (original, copy) in originals.iter().zip(&copies) {
        for same in ["source", "host", "user", "paths", "started", "ended", "type", "tags", "sequence"] {
            assert_eq!(copy[same], original[same], "{same}");
        }
        assert_eq!(copy["origin"]["snapshot"], original["id"]);
        assert_ne!(copy["id"], original["id"]);
    }
    std::fs::remove_dir_all(world.repository()).expect("a repository");
    std::fs::remove_dir_all(world.path(".config")).expect("keys");
    assert!(world.ok(&[&OTHER[..], &["verify"]].concat()).stdout.contains("sound"));
    world.ok(&[&OTHER[..], &["restore", "latest", "--target", "out", "--verify"]].concat());
    assert_same(&world.restored("out", "docs"), &world.path("docs"));
}

#[test]
fn a_second_copy_stores_nothing_and_what_is_backed_up_there_shares_its_chunks() {
    let world = with_other();
    world.ok(&COPY);
    let before = files(&world.path("other/packs"));
    let again = summary(&world, &COPY);
    assert_eq!(
        (again["copied"].as_array().map(Vec::len), again["present"].as_array().map(Vec::len)),
        (Some(0), Some(2))
    );
    assert_eq!(files(&world.path("other/packs")), before);
    let own = summary(&world, &[&OTHER[..], &["backup", "docs", "--type", "full", "--source", "own"]].concat());
    assert!(own["new_bytes"].as_u64() < Some(64 << 10), "content was cut as backups there cut it: {own}");
    // The other way round: what came from here is known here.
    world.write("own.txt", b"");
    let key = world.key_file();
    let key = key.to_str().expect("plain");
    let own = world.repository();
    let back = [&OTHER[..], &["copy", "--to", own.to_str().expect("plain"), "--to-password-file", key]].concat();
    let back = summary(&world, &back);
    assert_eq!((back["copied"].as_array().map(Vec::len), back["present"].as_array().map(Vec::len)), (Some(1), Some(2)));
}

#[test]
fn a_copy_that_was_killed_goes_on_with_what_it_has_stored() {
    let world = World::new();
    for (number, content) in noise(6 * (12 << 20)).chunks(12 << 20).enumerate() {
        world.write(&format!("docs/{number}"), content);
    }
    world.settle();
    world.ok(&["backup", "docs"]);
    world.write("other.txt", b"another passphrase\n");
    world.ok(&[&OTHER[..], &["init"]].concat());
    let packs = || files(&world.path("other")).into_iter().filter(|path| is_pack(path)).count();
    let mut child = world.command(&COPY).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    while packs() < 2 && child.try_wait().expect("our process").is_none() {}
    child.kill().expect("our process");
    child.wait().expect("our process");
    let stored = packs();
    assert!(stored >= 2);
    let summary = summary(&world, &COPY);
    let was_faster = summary["copied"].as_array().is_some_and(Vec::is_empty);
    assert!(was_faster || summary["stored_bytes"].as_u64() < Some(48 << 20), "{summary}");
    world.ok(&[&OTHER[..], &["restore", "latest", "--target", "out", "--verify"]].concat());
    assert_same(&world.restored("out", "docs"), &world.path("docs"));
}

fn is_pack(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "packs")
}

#[test]
fn a_snapshot_that_is_damaged_is_left_out_and_told() {
    let world = World::backed_up();
    world.write("other.txt", b"another passphrase\n");
    world.ok(&[&OTHER[..], &["init"]].concat());
    let pack = files(&world.repository().join("packs"));
    let pack = pack.iter().max_by_key(|pack| pack.metadata().expect("a pack").len()).expect("a pack");
    let mut bytes = std::fs::read(pack).expect("a pack");
    bytes[5000] ^= 1;
    std::fs::write(pack, &bytes).expect("it is writable");
    let ran = world.run(&COPY);
    assert_eq!(ran.code, 3, "{ran:#?}");
    assert!(ran.stderr.contains("was left out") && ran.stderr.contains("MS-1310"), "{ran:#?}");
    assert_eq!(snapshots(&world, &OTHER).len(), 0);
}

#[test]
fn a_place_without_a_repository_or_with_the_same_keys_is_refused() {
    let world = World::backed_up();
    let none = world.fails(&["copy", "--to", "nowhere"], 10, "MS-1101");
    assert!(none.stderr.contains("mainstay init --repo"), "{none:#?}");
    let own = world.repository().to_str().expect("plain").to_owned();
    world.fails(&["copy", "--to", &own], 2, "MS-1001");
    let copy = world.absolute("copy");
    world.ok(&["sync", "--to", &copy]);
    assert!(world.fails(&["copy", "--to", &copy], 2, "MS-1001").stderr.contains("with the same keys"));
    world.write("other.txt", b"another passphrase\n");
    world.ok(&[&OTHER[..], &["init"]].concat());
    let no_key = world.fails(&["copy", "--to", "other"], 12, "MS-1202");
    assert!(no_key.stderr.contains("--to-password-file"), "{no_key:#?}");
    world.write("wrong.txt", b"a wrong passphrase\n");
    world.fails(&["copy", "--to", "other", "--to-password-file", "wrong.txt"], 12, "MS-1201");
    // A command gives the password as well.
    run(world.command(&["copy", "--to", "other"]).env("MAINSTAY_TO_PASSWORD_COMMAND", "cat other.txt"));
    assert_eq!(
        run(&mut world.command_of(Path::new(crate::world::BINARY), &[&OTHER[..], &["snapshots"]].concat())).code,
        0
    );
    assert_eq!(snapshots(&world, &OTHER).len(), 1);
    // Of what is named only what is named.
    world.fails(&["copy", "ffff0000", "--to", "other", "--to-password-file", "other.txt"], 1, "MS-1401");
}

#[test]
fn a_copy_whose_content_is_gone_is_copied_again() {
    let world = with_other();
    world.ok(&COPY);
    let packs = files(&world.path("other/packs"));
    for pack in &packs {
        std::fs::remove_file(pack).expect("it is there");
    }
    let again = world.run(&COPY);
    assert!(again.stdout.contains("copied 2 snapshots to ") && again.code != 0, "{again:#?}");
    let latest = [&OTHER[..], &["restore", "latest", "--target", "out", "--verify"]].concat();
    world.ok(&latest);
}
