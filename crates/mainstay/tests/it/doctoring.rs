//! The doctor: each planted fault is found and gets a fix, and nothing is changed.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::Value;

use crate::world::{World, files, only, run};

fn check<'v>(report: &'v Value, name: &str) -> &'v Value {
    let checks = report["checks"].as_array().expect("checks");
    checks.iter().find(|check| check["check"] == name).unwrap_or_else(|| panic!("no check {name:?} in {report:#}"))
}

/// Runs the doctor, which must end like this; answers what it says of one check.
fn finds(world: &World, code: i32, name: &str, state: &str) -> String {
    let report = world.document_of(&["doctor"], code);
    let found = check(&report, name);
    assert_eq!(found["state"], state, "{found:#}");
    let is_well = state == "ok";
    assert_eq!(found["fix"].is_null(), is_well, "{found:#}");
    found["detail"].as_str().expect("a detail").to_owned()
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is ours");
}

/// Everything beneath the home, with its bytes.
fn all(world: &World) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    files(world.home()).into_iter().map(|path| (path.clone(), fs::read(path).expect("a file"))).collect()
}

#[test]
fn a_doctor_checks_everything_and_changes_nothing() {
    let world = World::backed_up();
    let before = all(&world);
    let report = world.document_of(&["doctor"], 3);
    assert!(all(&world) == before, "something was changed");
    let checks = report["checks"].as_array().expect("checks");
    assert!(checks.len() >= 25, "{} checks", checks.len());
    let warned: Vec<&str> =
        checks.iter().filter(|check| check["state"] == "warn").filter_map(|check| check["check"].as_str()).collect();
    // The kit was not put away, and a home of a test has one disk; where the test runs may have little room.
    assert!(warned.contains(&"recovery kit") && warned.contains(&"disk"), "{warned:?}");
    assert_eq!(report["failures"], 0, "{report:#}");
    let counted = ["ok", "warnings", "failures"].map(|field| report[field].as_u64().expect("a number"));
    assert_eq!(counted.iter().sum::<u64>(), checks.len() as u64);
}

#[test]
fn the_doctor_speaks_in_aligned_lines_with_a_fix_beneath() {
    let world = World::backed_up();
    let ran = world.run(&["doctor"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (3, ""), "{ran:#?}");
    let lines: Vec<&str> = ran.stdout.lines().collect();
    for heading in ["MACHINE", "STORE", "KEYS", "CONTENTS"] {
        assert!(lines.contains(&heading), "{ran:#?}");
    }
    let kit = lines.iter().position(|line| line.starts_with("  warn  recovery kit ")).expect("a warning");
    let (at, fix) = (lines[kit].find(".config").map(|_| lines[kit].len()), lines[kit + 1]);
    assert!(at.is_some() && fix.trim_start().starts_with("fix: print it"), "{ran:#?}");
    let column = |line: &str| line.find("fix:").expect("a fix");
    let detail = lines.iter().find(|line| line.starts_with("  ok    clock")).expect("a clock");
    assert_eq!(column(fix), detail.find("20").expect("a year"), "{ran:#?}");
    assert!(!ran.stdout.contains('\u{1b}'));
    assert!(world.run(&["doctor", "--color", "always"]).stdout.contains("\u{1b}[32mok  \u{1b}[0m"));
    let mut plain = world.command(&["doctor"]);
    assert!(!run(plain.env("NO_COLOR", "1").env("FORCE_COLOR", "1")).stdout.contains('\u{1b}'));
}

#[test]
fn what_others_may_use_is_found() {
    let world = World::backed_up();
    set_mode(&world.repository(), 0o755);
    assert!(finds(&world, 3, "access of others", "warn").contains("755"));
    set_mode(&world.repository(), 0o700);
    assert!(finds(&world, 3, "access of others", "ok").contains("owner"));
    set_mode(&world.path(".config/mainstay/keys"), 0o777);
    assert!(finds(&world, 3, "key directory", "warn").contains("777"));
    set_mode(&world.path(".config/mainstay/keys"), 0o700);
    let memory = only(&world.path(".local/state/mainstay/seen"));
    set_mode(&memory, 0o644);
    finds(&world, 3, "memory", "warn");
    set_mode(&world.key_file(), 0o644);
    let detail = finds(&world, 17, "key", "fail");
    assert!(detail.contains("others may use it"), "{detail}");
}

#[test]
fn what_is_missing_ends_with_the_exit_code_of_its_error() {
    let world = World::new();
    let report = world.document_of(&["doctor"], 10);
    assert!(report["checks"].as_array().expect("checks").iter().all(|check| check["group"] != "keys"), "{report:#}");
    assert_eq!(check(&report, "repository")["state"], "fail");
    world.ok(&["init"]);
    finds(&world, 3, "freshness", "warn");
    fs::remove_file(world.key_file()).expect("it is there");
    finds(&world, 12, "key", "fail");
}

#[test]
fn faults_of_the_contents_are_found() {
    let world = World::backed_up();
    world.write("docs/notes.md", b"second line\n");
    world.ok(&["backup", "docs"]);
    let ids = world.snapshots();
    world.ok(&["forget", &ids[0]]);
    assert!(finds(&world, 3, "forgotten", "ok").contains("1 forgotten"));
    fs::write(world.repository().join("tmp/left"), b"bytes").expect("a file");
    assert!(finds(&world, 3, "unfinished", "warn").contains("1 unfinished"));
    fs::remove_file(world.repository().join("reserve")).expect("it is there");
    finds(&world, 3, "reserve", "warn");
    let memory = only(&world.path(".local/state/mainstay/seen"));
    let text = fs::read(&memory).expect("a memory");
    fs::write(&memory, b"rot").expect("a file");
    assert!(finds(&world, 3, "memory", "warn").contains("damaged"));
    fs::write(&memory, text).expect("a file");
    let objects = files(&world.repository().join("snapshots"));
    let object = |id: &str| objects.iter().find(|path| path.to_string_lossy().contains(id)).expect("an object");
    let whole = fs::read(object(&ids[0])).expect("a snapshot");
    fs::write(object(&ids[0]), b"rot").expect("a file");
    finds(&world, 4, "snapshots", "fail");
    fs::remove_file(object(&ids[0])).expect("it is there");
    assert!(finds(&world, 15, "history", "fail").contains(&ids[0][..8]));
    fs::write(object(&ids[0]), whole).expect("a file");
    finds(&world, 3, "history", "ok");
    fs::remove_file(object(&ids[1])).expect("it is there");
    assert!(finds(&world, 15, "rewind", "fail").contains(&ids[1][..8]));
}

#[test]
fn faults_of_the_surroundings_are_found() {
    let world = World::backed_up();
    let report = |command: &mut std::process::Command| -> Value {
        let ran = run(command.arg("--json"));
        serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:#?}"))
    };
    let mut without_state = world.command(&["doctor"]);
    let without_home =
        report(without_state.env_remove("HOME").args(["--repo", world.repository().to_str().expect("a path")]));
    assert_eq!(check(&without_home, "directories")["state"], "warn");
    let mut limited = std::process::Command::new("sh");
    limited.args(["-c", "ulimit -n 256 && ulimit -Hn 256 && exec \"$0\" doctor \"$@\"", crate::world::BINARY]);
    limited.env_clear().env("HOME", world.home()).env("PATH", "/usr/bin:/bin").current_dir(world.home());
    assert_eq!(check(&report(&mut limited), "open files")["state"], "warn");
    for (zone, state) in [("UTC0", "ok"), ("Nowhere/Land", "warn")] {
        let report = report(world.command(&["doctor"]).env("TZ", zone));
        assert_eq!(check(&report, "time zone")["state"], state, "{zone}");
    }
}

#[test]
fn a_key_with_the_secrets_of_before_a_rotation_is_found() {
    let world = World::backed_up();
    world.write("new.txt", b"another passphrase\n");
    let added = world.document(&["key", "add", "--new-password-file", "new.txt", "--label", "laptop"]);
    let slot = world.repository().join("keys/slots").join(added["id"].as_str().expect("an id"));
    let before = std::fs::read(&slot).expect("a slot");
    world.ok(&["key", "rotate", "--remove-others"]);
    assert!(!slot.exists());
    std::fs::write(&slot, before).expect("it is ours");
    let found = world.run(&["doctor"]);
    assert!(found.stdout.contains("(laptop) has the secrets of before a rotation"), "{found:#?}");
}
