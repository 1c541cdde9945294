//! Restores: targets, rules for what exists, parts, dry runs.

use std::fs;

use crate::world::{World, files, noise};

#[test]
fn a_path_is_restored_as_the_content_of_the_target() {
    let world = World::backed_up();
    let docs = world.absolute("docs");
    world.ok(&["restore", &format!("latest:{docs}"), "--target", "out"]);
    assert_eq!(world.read("out/notes.md"), b"first line\n");
    assert!(world.read("out/large") == noise(3 << 20));
    world.ok(&["restore", &format!("latest:{docs}/notes.md"), "--target", "single"]);
    assert_eq!(files(&world.path("single")), [world.path("single/notes.md")]);
}

#[test]
fn the_default_target_is_new_and_never_used_twice() {
    let world = World::backed_up();
    let ran = world.ok(&["restore", "latest"]);
    assert!(ran.stdout.contains(" into ./restored-"), "{ran:#?}");
    let (_, first) = ran.stdout.split_once(" into ").expect("a target");
    let first = first.split(';').next().expect("a target").to_owned();
    let again = world.ok(&["restore", "latest"]);
    assert!(again.stdout.contains(&format!(" into {first}-2;")), "{again:#?}");
}

#[test]
fn each_overwrite_rule_does_what_it_says() {
    let world = World::backed_up();
    let snapshot = format!("latest:{}", world.absolute("docs"));
    let restore = |rule: &str| world.ok(&["restore", &snapshot, "--target", "out", "--overwrite", rule]);
    world.ok(&["restore", &snapshot, "--target", "out"]);
    let before = fs::metadata(world.path("out/notes.md")).expect("a file");
    let time = before.modified().expect("a time");
    let spoil = |content: &[u8], when: std::time::SystemTime| {
        world.write("out/notes.md", content);
        let file = fs::File::options().write(true).open(world.path("out/notes.md")).expect("a file");
        file.set_modified(when).expect("a time");
    };
    // The same size and time: only a comparison of bytes sees it.
    spoil(b"FIRST LINE\n", time);
    restore("if-changed");
    assert_eq!(world.read("out/notes.md"), b"FIRST LINE\n");
    restore("always");
    assert_eq!(world.read("out/notes.md"), b"first line\n");
    let hour = std::time::Duration::from_secs(3600);
    spoil(b"changed since", time + hour);
    for rule in ["never", "if-newer"] {
        restore(rule);
        assert_eq!(world.read("out/notes.md"), b"changed since", "{rule}");
    }
    restore("if-changed");
    assert_eq!(world.read("out/notes.md"), b"first line\n");
    spoil(b"older", time - hour);
    restore("if-newer");
    assert_eq!(world.read("out/notes.md"), b"first line\n");
}

#[test]
fn extra_entries_go_only_with_delete() {
    let world = World::backed_up();
    let snapshot = format!("latest:{}", world.absolute("docs"));
    world.ok(&["restore", &snapshot, "--target", "out"]);
    world.write("out/extra", b"extra");
    world.ok(&["restore", &snapshot, "--target", "out", "--overwrite", "if-changed"]);
    assert!(world.path("out/extra").exists());
    let arguments = ["restore", &snapshot, "--target", "out", "--overwrite", "if-changed", "--delete"];
    let planned = world.ok(&[&arguments[..], &["--dry-run"]].concat());
    assert!(planned.stdout.contains("delete") && planned.stdout.contains("extra"), "{planned:#?}");
    assert!(world.path("out/extra").exists());
    let ran = world.ok(&arguments);
    assert!(!world.path("out/extra").exists());
    assert!(ran.stdout.contains("1 deleted"), "{ran:#?}");
}

#[test]
fn include_and_exclude_choose_entries() {
    let world = World::backed_up();
    world.ok(&["restore", "latest", "--target", "some", "--include", "*.md"]);
    assert_eq!(files(&world.path("some")), [world.restored("some", "docs/notes.md")]);
    world.ok(&["restore", "latest", "--target", "others", "--exclude", "*.md"]);
    assert!(world.restored("others", "docs/large").exists());
    assert!(!world.restored("others", "docs/notes.md").exists());
}

#[test]
fn patterns_that_match_nothing_are_an_error() {
    let world = World::backed_up();
    for arguments in [&["--include", "*.odt"][..], &["--include", "*.odt", "--dry-run"]] {
        let ran = world.fails(&[&["restore", "latest", "--target", "out"], arguments].concat(), 1, "MS-1403");
        assert!(ran.stderr.contains("--include"), "{ran:#?}");
        assert!(!world.path("out").exists());
    }
    let lines = world.lines(&["restore", "latest", "--target", "out", "--include", "*.odt"]);
    assert_eq!(lines.last().expect("an error")["code"], "MS-1403");
    let both = ["restore", "latest", "--target", "out", "--include", "*.md", "--exclude", "notes.*"];
    assert!(world.fails(&both, 1, "MS-1403").stderr.contains("--exclude"));
    world.ok(&["restore", "latest", "--target", "out", "--include", "*.odt", "--include", "*.md"]);
    // What is there already was matched.
    let again = ["restore", "latest", "--target", "out", "--include", "*.md", "--overwrite"];
    world.ok(&[&again[..], &["never"]].concat());
    world.ok(&[&again[..], &["if-changed"]].concat());
}

#[test]
fn a_single_file_is_not_restored_with_delete() {
    let world = World::backed_up();
    world.write("target/precious", b"mine");
    let snapshot = format!("latest:{}", world.absolute("docs/notes.md"));
    let arguments = ["restore", &snapshot, "--target", "target", "--overwrite", "always", "--delete"];
    let ran = world.fails(&arguments, 2, "MS-1002");
    assert!(ran.stderr.contains("hint: leave out --delete"), "{ran:#?}");
    assert_eq!(files(&world.path("target")), [world.path("target/precious")]);
}

#[test]
fn a_target_that_is_a_file_is_named_as_such() {
    let world = World::backed_up();
    world.write("file", b"mine");
    for arguments in [&[][..], &["--overwrite", "always"], &["--dry-run"]] {
        let ran = world.fails(&[&["restore", "latest", "--target", "file"], arguments].concat(), 17, "MS-1603");
        assert!(ran.stderr.contains("file: it is not a directory"), "{ran:#?}");
        assert!(ran.stderr.contains("hint: name by --target a directory"), "{ran:#?}");
    }
    let beneath = ["restore", "latest", "--target", "file/deeper", "--overwrite", "always"];
    assert!(world.fails(&beneath, 17, "MS-1603").stderr.contains("file/deeper"));
    assert_eq!(world.read("file"), b"mine");
}

#[test]
fn what_was_left_alone_is_not_verified() {
    let world = World::backed_up();
    let snapshot = format!("latest:{}", world.absolute("docs"));
    world.write("out/notes.md", b"mine");
    let ran = world.ok(&["restore", &snapshot, "--target", "out", "--overwrite", "never", "--verify"]);
    assert!(ran.stdout.contains("1 left alone") && !ran.stderr.contains("warning"), "{ran:#?}");
}

#[test]
fn a_dry_run_shows_the_plan_and_writes_nothing() {
    let world = World::backed_up();
    let ran = world.ok(&["restore", "latest", "--target", "out", "--dry-run"]);
    assert!(ran.stdout.lines().any(|line| line.starts_with("create") && line.ends_with("docs/large")), "{ran:#?}");
    assert!(ran.stdout.contains("would restore 3 files"), "{ran:#?}");
    assert!(!world.path("out").exists());
}

#[test]
fn a_verified_restore_says_how_much_was_compared() {
    let world = World::backed_up();
    let lines = world.lines(&["restore", "latest", "--target", "out", "--verify"]);
    let summary = lines.last().expect("a summary");
    assert_eq!(summary["verified_bytes"], summary["bytes"]);
    assert_eq!(summary["bytes"], (3 << 20) + 11 + 4);
}

#[test]
fn a_restore_with_delete_over_a_home_keeps_the_repository_that_lies_in_it() {
    let world = World::new();
    world.write("docs/notes.md", b"first line\n");
    let home = world.home().display().to_string();
    world.ok(&["backup", &home]);
    world.write("docs/extra.md", b"written since\n");
    world.ok(&["init", "--repo", "other"]);
    let keys = crate::world::files(&world.path(".config/mainstay"));
    assert!(world.repository().starts_with(world.home()));
    let snapshot = format!("latest:{home}");
    let ran = world.run(&["restore", &snapshot, "--target", &home, "--overwrite", "always", "--delete"]);
    assert!(ran.all().contains("the repository lies in it"), "{ran:#?}");
    assert!(ran.all().contains("keys of repositories lie in it"), "{ran:#?}");
    assert_eq!(crate::world::files(&world.path(".config/mainstay")), keys, "some are younger than the snapshot");
    assert!(!world.path("docs/extra.md").exists());
    world.ok(&["check"]);
    world.ok(&["restore", "latest", "--target", "again", "--verify"]);
}
