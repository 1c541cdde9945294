//! Looking into snapshots: snapshots, ls, find, history, diff, cat, stats, status.

use crate::world::{World, noise};

/// Two snapshots of `docs`: a file changed, one vanished, one appeared.
fn two_snapshots() -> World {
    let world = World::backed_up();
    world.write("docs/notes.md", b"second line\n");
    world.write("docs/new", b"new");
    std::fs::remove_file(world.path("docs/deep/er/leaf")).expect("it is there");
    world.ok(&["backup", "docs", "--tag", "second"]);
    world
}

#[test]
fn stats_count_every_byte_of_the_repository() {
    let world = World::backed_up();
    let stored: u64 =
        crate::world::files(&world.repository()).iter().map(|path| path.metadata().expect("an object").len()).sum();
    assert_eq!(world.document(&["stats"])["stored_bytes"], stored);
    assert!(!world.ok(&["stats"]).stdout.contains("trees of references"));
}

#[test]
fn snapshots_show_type_parent_and_base() {
    let world = two_snapshots();
    let ids = world.snapshots();
    let shown = world.ok(&["snapshots"]).stdout;
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines[1].contains("full") && lines[2].contains("incremental"), "{shown}");
    assert_eq!(lines[2].matches(&ids[0][..8]).count(), 2, "parent and base: {shown}");
    assert!(lines[2].contains("#2 [second]") && lines[2].contains("ago"), "{shown}");
    assert!(lines[2].contains("+00:00"), "times carry their zone: {shown}");
    let tagged = world.ok(&["snapshots", "--tag", "second"]).stdout;
    assert_eq!(tagged.lines().count(), 2, "{tagged}");
    world.fails(&["snapshots", "--source", "other"], 1, "MS-1401");
    assert_eq!(world.ok(&["snapshots", "--tag", "other"]).stdout, "");
}

#[test]
fn ls_lists_a_directory_or_everything_beneath() {
    let world = two_snapshots();
    let docs = world.absolute("docs");
    let shown = world.ok(&["ls", &format!("latest:{docs}")]).stdout;
    let expected: String =
        ["deep/", "large", "new", "notes.md"].iter().map(|name| format!("{docs}/{name}\n")).collect();
    assert_eq!(shown, expected);
    let all = world.ok(&["ls", "-R", "latest~1"]).stdout;
    assert!(all.contains(&format!("{docs}/deep/er/leaf\n")), "{all}");
    let long = world.ok(&["ls", "--long", &format!("latest:{docs}/notes.md")]).stdout;
    assert!(long.starts_with("-rw") && long.contains("12 B") && long.lines().count() == 1, "{long}");
}

#[test]
fn find_searches_all_snapshots_newest_first() {
    let world = two_snapshots();
    let ids = world.snapshots();
    let found = world.ok(&["find", "notes.*"]).stdout;
    let lines: Vec<&str> = found.lines().collect();
    assert_eq!(lines.len(), 2, "{found}");
    assert!(lines[0].starts_with(&ids[1][..8]) && lines[1].starts_with(&ids[0][..8]), "{found}");
    assert_eq!(world.ok(&["find", "NOTES.MD"]).stdout, "");
    assert_eq!(world.ok(&["find", "-i", "NOTES.MD", "--snapshot", "latest"]).stdout.lines().count(), 1);
    let nothing = world.ok(&["find", "absent"]);
    assert!(nothing.stdout.is_empty() && nothing.stderr.contains("nothing found in 2 snapshots"), "{nothing:#?}");
}

#[test]
fn history_follows_a_path_given_from_the_working_directory() {
    let world = two_snapshots();
    let shown = world.ok(&["history", "docs/notes.md"]).stdout;
    assert!(shown.contains("appeared") && shown.contains("changed: content"), "{shown}");
    let gone = world.ok(&["history", &world.absolute("docs/deep/er/leaf")]).stdout;
    assert!(gone.contains("vanished"), "{gone}");
}

#[test]
fn diff_says_what_was_added_removed_and_modified() {
    let world = two_snapshots();
    let ran = world.ok(&["diff", "latest~1", "latest"]);
    let docs = world.absolute("docs");
    for line in [format!("+ {docs}/new"), format!("- {docs}/deep/er/leaf"), format!("M {docs}/notes.md  (content")] {
        assert!(ran.stdout.contains(&line), "no {line:?} in {ran:#?}");
    }
    assert!(!ran.stdout.contains("docs/large"), "{ran:#?}");
    assert!(ran.stderr.contains("1 added, 1 removed"), "{ran:#?}");
    let within = world.ok(&["diff", &format!("latest~1:{docs}/deep"), &format!("latest:{docs}/deep")]).stdout;
    assert!(within.contains("- /er/leaf"), "{within}");
}

#[test]
fn cat_prints_the_bytes_of_a_file() {
    let world = two_snapshots();
    let old = world.ok(&["cat", &format!("latest~1:{}", world.absolute("docs/notes.md"))]);
    assert_eq!((old.stdout.as_str(), old.stderr.as_str()), ("first line\n", ""));
    let mut command = world.command(&["cat", &format!("latest:{}", world.absolute("docs/large"))]);
    let output = command.output().expect("the binary starts");
    assert!(output.stdout == noise(3 << 20));
    world.fails(&["cat", &format!("latest:{}", world.absolute("docs"))], 2, "MS-1002");
}

#[test]
fn a_reader_that_ends_early_is_no_error() {
    let world = two_snapshots();
    for arguments in [&["cat", &format!("latest:{}", world.absolute("docs/large"))][..], &["ls", "-R", "latest"]] {
        let mut command = world.command(arguments);
        let mut child = command
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .expect("the binary starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    }
}

#[test]
fn status_shows_the_last_good_snapshot_of_each_source_and_ends_with_0() {
    let world = two_snapshots();
    world.ok(&["backup", "docs/deep", "--source", "other"]);
    let ran = world.ok(&["status"]);
    assert_eq!(ran.stdout.lines().count(), 4, "{ran:#?}");
    assert!(ran.stdout.contains("other") && ran.stdout.contains("3 snapshots"), "{ran:#?}");
    assert!(ran.stderr.contains("recovery kit"), "{ran:#?}");
    let status = world.document(&["status"]);
    let docs = status["sources"].as_array().expect("an array").iter().find(|source| source["source"] != "other");
    assert_eq!(docs.expect("a source")["snapshots"], 2);
}

#[test]
fn stats_count_what_is_stored() {
    let world = two_snapshots();
    let stats = world.document(&["stats"]);
    assert_eq!(stats["snapshots"], 2);
    assert!(stats["content_bytes"].as_u64() > Some(6 << 20), "{stats}");
    let packs = stats["pack_bytes"].as_u64().expect("a number");
    assert!((3 << 20..4 << 20).contains(&packs), "the large file is stored once: {stats}");
    assert!(world.ok(&["stats"]).stdout.contains("times less"));
}

#[test]
fn owners_are_shown_by_the_names_that_the_snapshot_has() {
    let world = World::backed_up();
    let name_of = |flag: &str| {
        let output = std::process::Command::new("id").arg(flag).output().expect("every system has it");
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    };
    let (user, group, number) = (name_of("-un"), name_of("-gn"), name_of("-u"));
    let notes = format!("latest:{}", world.absolute("docs/notes.md"));
    for arguments in [&["ls", "--long", &notes][..], &["find", "--long", "notes.md"]] {
        let words: Vec<String> = world.ok(arguments).stdout.split_whitespace().map(str::to_owned).collect();
        assert!(words.contains(&user) && words.contains(&group), "no {user:?} in {words:?}");
    }
    let history = ["history", "docs/notes.md"];
    for arguments in [&["ls", &notes][..], &["find", "notes.md"], &["cat", &notes], &history] {
        let shown = world.document(arguments);
        let first = shown.get(0).unwrap_or(&shown);
        let node = first.get("node").unwrap_or(first);
        assert_eq!((&node["user_name"], &node["group_name"]), (&user.as_str().into(), &group.as_str().into()));
        assert_eq!(node["user"].to_string(), number);
    }
}
