//! Bad input and bad surroundings: a clear error, and nothing is lost.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::unprivileged::Unprivileged;
use crate::world::{World, files, run};

#[test]
fn a_named_repository_that_is_not_there_is_exit_code_10() {
    let world = World::with_files();
    for arguments in [&["snapshots"][..], &["backup", "docs"], &["restore", "latest"], &["check"], &["prune"]] {
        let ran = world.fails(&[arguments, &["--repo", "nowhere"]].concat(), 10, "MS-1101");
        assert!(ran.stderr.contains("nowhere"), "{ran:#?}");
    }
    assert!(!world.path("nowhere").exists());
}

#[test]
fn a_newer_format_is_refused_with_its_number() {
    let world = World::backed_up();
    let config = world.repository().join("mainstay.json");
    let text = fs::read_to_string(&config).expect("the config");
    let mut value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    value["format"] = 999.into();
    fs::remove_file(&config).expect("the config");
    fs::write(&config, value.to_string()).expect("the config");
    let ran = world.fails(&["snapshots"], 1, "MS-1103");
    assert!(ran.stderr.contains("999"), "{ran:#?}");
}

#[test]
fn a_repository_is_never_created_over_something_else() {
    let world = World::backed_up();
    world.fails(&["init"], 16, "MS-1102");
    world.fails(&["init", "--repo", "docs"], 16, "MS-1102");
    assert_eq!(files(&world.path(".config/mainstay/keys")).len(), 1, "no key without a repository");
    world.ok(&["snapshots"]);
}

#[test]
fn other_kinds_of_stores_are_a_clear_usage_error() {
    let world = World::new();
    let ran = world.fails(&["snapshots", "--repo", "b2://bucket/prefix"], 2, "MS-1003");
    assert!(ran.stderr.contains("b2"), "{ran:#?}");
}

#[test]
fn usage_errors_are_exit_code_2_and_name_what_was_meant() {
    let world = World::backed_up();
    for (arguments, code, part) in [
        (&["bakcup", "docs"][..], "MS-1001", "backup"),
        (&["backup"], "MS-1001", "PATH"),
        (&["backup", "--dry-rum", "docs"], "MS-1001", "--dry-run"),
        (&["backup", "--type", "partial", "docs"], "MS-1001", "differential"),
        (&["backup", "--exclude-larger-than", "big", "docs"], "MS-1001", "100M"),
        (&["verify", "--sample", "0%"], "MS-1001", "5%"),
        (&["restore"], "MS-1001", "SNAP"),
        (&["backup", "--exclude", "[a", "docs"], "MS-1004", "[a"),
        (&["forget"], "MS-1002", "rule"),
        (&["ls", "latest:/a/../b"], "MS-1002", ".."),
        (&["cat", "latest"], "MS-1001", "SNAP:PATH"),
        (&["backup", "--source", "", "docs"], "MS-1001", "--source"),
        (&["backup", "--tag", "", "docs"], "MS-1001", "--tag"),
        (&["snapshots", "--source", ""], "MS-1001", "--source"),
        (&["snapshots", "--repo", ""], "MS-1003", "MAINSTAY_REPO"),
        (&["backup", "docs", "--repo", ""], "MS-1003", "MAINSTAY_REPO"),
        (&["snapshots", "--tag", ""], "MS-1001", "--tag"),
        (&["restore", "latest", "--source", ""], "MS-1001", "--source"),
        (&["forget", "--keep-tag", ""], "MS-1001", "--keep-tag"),
        (&["restore", "latest", "--target", "out", "--include", "[a"], "MS-1004", "[a"),
        (&["help", "nonsense"], "MS-1007", "nonsense"),
    ] {
        let ran = world.fails(arguments, 2, code);
        assert!(ran.stderr.contains(part), "no {part:?} in {ran:#?}");
    }
}

#[test]
fn no_command_shows_short_help_on_standard_error() {
    let world = World::new();
    let ran = world.run(&[]);
    assert_eq!(ran.code, 2);
    assert_eq!(ran.stdout, "");
    assert!(ran.stderr.contains("Usage: mainstay") && ran.stderr.contains("mainstay backup ~/Documents"), "{ran:#?}");
}

#[test]
fn snapshots_and_paths_that_are_not_there_are_named() {
    let world = World::backed_up();
    world.fails(&["ls", "latest~9"], 1, "MS-1401");
    world.fails(&["restore", "deadbeef"], 1, "MS-1401");
    world.fails(&["ls", "latest:/not/there"], 1, "MS-1402");
    world.fails(&["restore", "latest:/not/there", "--target", "out"], 1, "MS-1402");
    world.fails(&["history", "/not/there"], 1, "MS-1402");
    assert!(!world.path("out").exists());
}

#[test]
fn a_target_with_something_in_it_is_refused_without_overwrite() {
    let world = World::backed_up();
    let path = world.write("target/precious", b"mine");
    world.fails(&["restore", "latest", "--target", "target"], 16, "MS-1601");
    assert_eq!(files(&world.path("target")).len(), 1);
    world.ok(&["restore", "latest", "--target", "target", "--overwrite", "never"]);
    assert_eq!(fs::read(path).expect("still there"), b"mine");
}

#[test]
fn a_damaged_pack_is_found_and_named() {
    let world = World::backed_up();
    let packs = files(&world.repository().join("packs"));
    let largest = packs.iter().max_by_key(|path| fs::metadata(path).expect("a pack").len()).expect("a pack");
    let mut bytes = fs::read(largest).expect("a pack");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(largest, bytes).expect("a pack");
    let ran = world.run(&["verify"]);
    assert_eq!(ran.code, 4, "{ran:#?}");
    assert!(ran.stderr.contains("error[MS-1304]"), "{ran:#?}");
    let name = largest.file_name().expect("a name").to_str().expect("a plain name");
    assert!(ran.stdout.contains(name) && ran.stdout.contains("docs/large"), "{ran:#?}");
    let lines = world.lines(&["verify"]);
    let (summary, error) = (&lines[lines.len() - 2], &lines[lines.len() - 1]);
    assert_eq!((summary["sound"].as_bool(), error["exit_code"].as_i64()), (Some(false), Some(4)));
}

#[test]
fn a_missing_pack_is_damage_for_check_and_costs_a_restore_only_what_was_in_it() {
    let world = World::backed_up();
    let packs = files(&world.repository().join("packs"));
    let largest = packs.iter().max_by_key(|path| fs::metadata(path).expect("a pack").len()).expect("a pack");
    fs::remove_file(largest).expect("a pack");
    let ran = world.run(&["check"]);
    assert_eq!(ran.code, 4, "{ran:#?}");
    let ran = world.run(&["restore", "latest", "--target", "out"]);
    assert_eq!(ran.code, 3, "{ran:#?}");
    assert!(ran.stderr.contains("warning[MS-1602]") && ran.stderr.contains("docs/large"), "{ran:#?}");
}

#[test]
fn a_damaged_snapshot_is_told_of_and_hides_no_other() {
    let world = World::backed_up();
    let whole = world.snapshots().remove(0);
    world.ok(&["backup", "docs"]);
    let snapshots = files(&world.repository().join("snapshots"));
    let damaged = snapshots.iter().find(|path| !path.to_string_lossy().contains(&whole)).expect("the second one");
    let mut bytes = fs::read(damaged).expect("a snapshot");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(damaged, bytes).expect("a snapshot");
    let ran = world.run(&["snapshots"]);
    assert_eq!(ran.code, 3, "{ran:#?}");
    assert!(ran.stderr.contains("warning[MS-1301]") && ran.stdout.contains(&whole[..8]), "{ran:#?}");
    assert!(world.run(&["status"]).stderr.contains("damage: "));
    let lines = world.run(&["check", "--json"]).lines();
    assert_eq!(lines.last().expect("an error")["exit_code"], 4);
}

#[test]
fn without_a_home_the_error_says_what_to_set() {
    let world = World::backed_up();
    for home in [Some("relative"), Some(""), None] {
        let mut command = world.command(&["snapshots"]);
        let ran = run(match home {
            Some(home) => command.env("HOME", home),
            None => command.env_remove("HOME"),
        });
        ran.failed(17, "MS-1005");
        assert!(ran.stderr.contains("XDG_DATA_HOME"), "{ran:#?}");
    }
}

#[test]
fn every_error_with_json_is_an_object_on_the_last_line() {
    let world = World::new();
    for (arguments, exit_code) in [
        (&["snapshots", "--repo", "nowhere"][..], 10),
        (&["backup", "nowhere"], 1),
        (&["bakcup"], 2),
        (&["help", "x"], 2),
    ] {
        let ran = world.run(&[arguments, &["--json"]].concat());
        assert_eq!((ran.code, ran.stderr.as_str()), (exit_code, ""), "{ran:#?}");
        let error = ran.lines().pop().expect("a line");
        assert_eq!(error["message_type"], "error");
        assert_eq!(error["exit_code"], exit_code);
        assert!(error["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{error}");
    }
}

#[test]
fn a_repository_that_may_not_be_written_is_exit_code_13() {
    let unprivileged = Unprivileged::new();
    let repository = unprivileged.world.repository();
    assert_eq!(unprivileged.run(&["init"]).code, 0);
    let set_mode = |mode| {
        for name in ["", "tmp", "keys", "coord"].map(|name| repository.join(name)) {
            if name.is_dir() {
                fs::set_permissions(name, fs::Permissions::from_mode(mode)).expect("it is ours, or we are root");
            }
        }
    };
    set_mode(0o500);
    unprivileged.run(&["backup", "docs"]).failed(13, "MS-1106");
    set_mode(0o000);
    unprivileged.run(&["snapshots"]).failed(13, "MS-1106");
    set_mode(0o700);
}

#[test]
fn damage_is_exit_code_4_even_if_nobody_reads_what_was_found() {
    let world = World::backed_up();
    fs::remove_file(files(&world.repository().join("packs")).remove(0)).expect("a pack");
    for arguments in [&["check"][..], &["verify"], &["check", "--json"]] {
        let mut command = world.command(arguments);
        let mut child = command.stdout(std::process::Stdio::piped()).spawn().expect("the binary starts");
        drop(child.stdout.take());
        assert_eq!(child.wait().expect("it ends").code(), Some(4), "{arguments:?}");
    }
}

#[test]
fn a_long_pattern_is_quoted_in_part() {
    let world = World::backed_up();
    let pattern = "[".repeat(5000);
    world.write("rules", pattern.as_bytes());
    for (arguments, code) in [
        (&["backup", "docs", "--exclude", &pattern][..], "MS-1004"),
        (&["backup", "docs", "--exclude-file", "rules"], "MS-1004"),
        (&["restore", "latest", "--target", "out", "--include", &pattern], "MS-1004"),
        (&["find", &pattern], "MS-1002"),
    ] {
        let ran = world.fails(arguments, 2, code);
        assert!(ran.stderr.lines().next().expect("an error").len() < 250, "{ran:#?}");
    }
}

#[test]
fn lists_are_read_from_files_and_pipes_within_a_limit() {
    let world = World::with_files();
    let long = fs::File::create(world.path("long")).expect("a file");
    long.set_len(1 << 40).expect("a hole");
    fs::create_dir(world.path("folder")).expect("a directory");
    for option in ["--files-from", "--exclude-file"] {
        for (name, problem) in [
            ("/dev/zero", "neither a file nor a pipe"),
            ("folder", "neither a file nor a pipe"),
            ("long", "expected at most "),
            ("absent", "No such file"),
        ] {
            let ran = world.fails(&["backup", "docs", option, name], 17, "MS-1006");
            assert!(ran.stderr.contains(name) && ran.stderr.contains(problem), "{ran:#?}");
        }
    }
    let endless = "head -c 300000000 /dev/zero | \"$BINARY\" backup --files-from -";
    let mut command = world.command_of(std::path::Path::new("/bin/sh"), &["-c", endless]);
    let ran = run(command.env("BINARY", crate::world::BINARY));
    ran.failed(17, "MS-1006");
    assert!(ran.stderr.contains("expected at most 256 MiB"), "{ran:#?}");
    let piped =
        "mkfifo pipe; echo docs/notes.md > pipe & exec \"$BINARY\" backup --files-from pipe --exclude-file rules";
    world.write("rules", b"*.tmp\n");
    let mut command = world.command_of(std::path::Path::new("/bin/sh"), &["-c", piped]);
    let ran = run(command.env("BINARY", crate::world::BINARY));
    assert_eq!(ran.code, 0, "{ran:#?}");
}

#[test]
fn what_is_no_file_in_the_place_of_an_object_is_damage_and_nobody_waits_for_it() {
    let world = World::backed_up();
    let packs = files(&world.repository().join("packs"));
    let largest = packs.iter().max_by_key(|path| fs::metadata(path).expect("a pack").len()).expect("a pack");
    let config = world.repository().join("mainstay.json");
    let put_fifo = |path: &std::path::Path| {
        fs::rename(path, world.path("aside")).expect("an object");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mkfifoat(rustix::fs::CWD, path, mode).expect("a FIFO");
    };
    put_fifo(largest);
    assert_eq!(world.run(&["check"]).code, 4);
    assert_eq!(world.run(&["verify"]).code, 4);
    let ran = world.run(&["restore", "latest", "--target", "out"]);
    assert_eq!(ran.code, 3, "{ran:#?}");
    assert!(ran.stderr.contains("it is not a regular file"), "{ran:#?}");
    fs::rename(world.path("aside"), largest).expect("the pack comes back");
    put_fifo(&config);
    let ran = world.fails(&["snapshots"], 4, "MS-1301");
    assert!(ran.stderr.contains("it is not a regular file"), "{ran:#?}");
}

#[test]
fn a_repository_that_may_only_be_read_is_checked_verified_and_restored() {
    let unprivileged = Unprivileged::new();
    let repository = unprivileged.world.repository();
    assert_eq!(unprivileged.run(&["backup", "docs"]).code, 3);
    let set_modes = |directory, file| {
        let mut paths = vec![repository.clone()];
        while let Some(path) = paths.pop() {
            let is_directory = path.is_dir();
            if is_directory {
                fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).expect("it is ours, or we are root");
                paths.extend(fs::read_dir(&path).expect("a directory").map(|entry| entry.expect("an entry").path()));
            }
            let mode = if is_directory { directory } else { file };
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("it is ours, or we are root");
        }
    };
    set_modes(0o500, 0o400);
    for arguments in [&["check"][..], &["verify"]] {
        let ran = unprivileged.run(arguments);
        assert_eq!(ran.code, 0, "{ran:#?}");
        assert!(ran.stdout.starts_with("sound") && ran.stderr.contains("no lease can be written"), "{ran:#?}");
    }
    let restored = unprivileged.run(&["restore", "latest", "--target", "out", "--verify"]);
    assert_eq!((restored.code, restored.stderr.matches("no lease can be written").count()), (0, 1), "{restored:#?}");
    for arguments in [&["check"][..], &["verify"], &["restore", "latest", "--target", "more"]] {
        let lines = unprivileged.run(&[arguments, &["--json"]].concat()).lines();
        let message = lines.first().expect("a warning")["message"].as_str().expect("a text");
        assert!(message.contains("no lease can be written"), "{lines:#?}");
        assert_eq!(lines.last().expect("a summary")["leased"], false, "{lines:#?}");
    }
    for arguments in [
        &["snapshots"][..],
        &["ls", "latest"],
        &["find", "*.md"],
        &["history", "docs/notes.md"],
        &["status"],
        &["stats"],
    ] {
        let ran = unprivileged.run(arguments);
        assert_eq!(ran.code, 0, "{ran:#?}");
    }
    set_modes(0o700, 0o600);
}
