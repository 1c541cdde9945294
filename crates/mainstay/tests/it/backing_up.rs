//! Backups: types, excludes, lists, streams, dry runs.

use std::io::Write as _;
use std::process::Stdio;

use crate::world::{World, os};

fn names(world: &World, snapshot: &str) -> String {
    world.ok(&["ls", "-R", snapshot]).stdout
}

#[test]
fn each_type_is_recorded_with_what_it_believed() {
    let world = World::backed_up();
    for (kind, expected, read) in
        [("incremental", "incremental", 0), ("differential", "differential", 0), ("full", "full", 3)]
    {
        let lines = world.lines(&["backup", "docs", "--type", kind]);
        let summary = lines.last().expect("a summary");
        assert_eq!(summary["type"], expected);
        assert_eq!(summary["statistics"]["files_read"], read, "{kind}: {summary}");
        assert_eq!(summary["statistics"]["files_believed"], 3 - read, "{kind}: {summary}");
        assert_eq!(summary["snapshot"]["type"], expected);
    }
}

#[test]
fn an_independent_backup_stores_everything_again() {
    let world = World::backed_up();
    let lines = world.lines(&["backup", "docs", "--independent"]);
    let summary = lines.last().expect("a summary");
    assert_eq!(summary["snapshot"]["independent"], true);
    assert!(summary["stored_bytes"].as_u64() > Some(3 << 20), "{summary}");
    assert!(world.ok(&["snapshots"]).stdout.contains("full, independent"));
}

#[test]
fn what_is_excluded_is_not_in_the_snapshot() {
    let world = World::with_files();
    world.write("docs/cache/CACHEDIR.TAG", b"Signature: 8a477f597d28d172789f06886806bc55");
    world.write("docs/cache/inner", b"cached");
    world.write("docs/marked/.nobackup", b"");
    world.write("docs/marked/inner", b"marked");
    world.write("docs/a.tmp", b"temporary");
    world.write("docs/keep.tmp", b"kept");
    world.write("rules", b"# comment\n*.tmp\n!keep.tmp\n");
    world.ok(&[
        "backup",
        "docs",
        "--exclude-file",
        "rules",
        "--exclude",
        "deep/",
        "--exclude-caches",
        "--exclude-if-present",
        ".nobackup",
        "--exclude-larger-than",
        "1M",
        "--one-file-system",
    ]);
    let listed = names(&world, "latest");
    for absent in ["cache/inner", "marked/inner", "a.tmp", "deep", "large"] {
        assert!(!listed.contains(absent), "{absent} in {listed}");
    }
    for present in ["keep.tmp", "notes.md", "CACHEDIR.TAG"] {
        assert!(listed.contains(present), "no {present} in {listed}");
    }
}

#[test]
fn paths_come_from_a_file_too() {
    let world = World::with_files();
    world.write("list", b"docs/notes.md\ndocs/deep\n");
    world.ok(&["backup", "--files-from", "list"]);
    let listed = names(&world, "latest");
    assert!(listed.contains("notes.md") && listed.contains("leaf") && !listed.contains("large"), "{listed}");
    let source = world.document(&["snapshots"])[0]["source"].as_str().expect("a name").to_owned();
    assert!(source.ends_with(&format!(":@{}", world.path("list").display())), "{source}");
}

#[test]
fn standard_input_becomes_a_file() {
    let world = World::new();
    let mut command = world.command(&["backup", "--stdin-name", "dump.sql"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary starts");
    child.stdin.take().expect("it is piped").write_all(b"create table;\n").expect("it reads");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    assert_eq!(world.ok(&["cat", "latest:/dump.sql"]).stdout, "create table;\n");
    world.fails(&["backup", "--stdin-name", "x", "--password-file", "-"], 2, "MS-1002");
}

#[test]
fn a_dry_run_stores_nothing() {
    let world = World::backed_up();
    world.write("docs/notes.md", b"changed and longer\n");
    let before = crate::world::files(&world.repository());
    let ran = world.ok(&["backup", "docs", "--dry-run"]);
    assert!(ran.stdout.starts_with("would back up "), "{ran:#?}");
    assert_eq!(crate::world::files(&world.repository()), before);
}

#[test]
fn the_source_is_named_after_host_and_paths_unless_it_is_named() {
    let world = World::with_files();
    world.ok(&["backup", "docs/deep", "docs/notes.md"]);
    world.ok(&["backup", "docs", "--source", "papers"]);
    let listed = world.document(&["snapshots"]);
    let source = |index: usize| listed[index]["source"].as_str().expect("a name").to_owned();
    let host = listed[0]["host"].as_str().expect("a host");
    let paths = [world.absolute("docs/deep"), world.absolute("docs/notes.md")].join(",");
    assert_eq!(source(0), format!("{host}:{paths}"));
    assert_eq!(source(1), "papers");
}

#[test]
fn names_that_are_not_text_come_back_as_they_were() {
    let world = World::new();
    let name = b"not \xff text";
    let directory = world.path("odd");
    std::fs::create_dir(&directory).expect("a directory");
    std::fs::write(directory.join(os(name)), b"odd").expect("a file");
    world.ok(&["backup", "odd"]);
    world.ok(&["restore", "latest", "--target", "out"]);
    let restored = world.restored("out", "odd").join(os(name));
    assert_eq!(std::fs::read(restored).expect("the file is back"), b"odd");
}

#[test]
fn a_repository_beneath_what_is_backed_up_is_left_out() {
    let world = World::with_files();
    world.ok(&["backup", "."]);
    let listed = names(&world, "latest");
    assert!(listed.contains("docs/notes.md") && listed.contains(".config/mainstay"), "{listed}");
    assert!(!listed.contains("repository/"), "{listed}");
    let ran = world.ok(&["backup", ".", "--verbose"]);
    assert!(ran.stderr.contains("leaving out the repository itself"), "{ran:#?}");
    // Named as a root it is what is wanted.
    let repository = world.repository();
    world.ok(&["init", "--repo", "other"]);
    world.ok(&["backup", "--repo", "other", repository.to_str().expect("a plain path")]);
}

#[test]
fn a_verbose_backup_says_of_each_entry_what_becomes_of_it_and_by_which_rule() {
    let world = World::backed_up();
    world.write("docs/notes.md", b"other");
    world.write("docs/draft.tmp", b"temporary");
    world.write("docs/added", b"added");
    world.write("docs/cache/CACHEDIR.TAG", b"Signature: 8a477f597d28d172789f06886806bc55");
    world.write("docs/cache/inner", b"cached");
    world.settle();
    let arguments =
        ["backup", "docs", "--exclude", "*.tmp", "--exclude-caches", "--exclude-larger-than", "1M", "--verbose"];
    let of = |action: &str, name: &str, rule: &str| format!("{action:<9}  {}{rule}", world.absolute(name));
    let wanted = [
        of("excluded", "docs/draft.tmp", "  (*.tmp)"),
        of("excluded", "docs/large", "  (--exclude-larger-than)"),
        of("excluded", "docs/cache/inner", "  (it lies beside CACHEDIR.TAG)"),
        of("new", "docs/added", ""),
        of("new", "docs/cache/CACHEDIR.TAG", ""),
        of("unchanged", "docs/deep/er/leaf", ""),
        of("changed", "docs/notes.md", ""),
    ];
    // The real run comes last: after it nothing is new.
    let dry = world.ok(&[&arguments[..], &["--dry-run"]].concat());
    let lines = world.lines(&[&arguments[..], &["--dry-run"]].concat());
    let real = world.ok(&arguments);
    for ran in [dry, real] {
        for line in &wanted {
            assert_eq!(ran.stdout.lines().filter(|found| found == line).count(), 1, "{line:?} in {ran:#?}");
        }
        assert!(!ran.stdout.contains("deep/er/leaf/"), "{ran:#?}");
    }
    let excluded = lines.iter().find(|line| line["path"] == world.absolute("docs/draft.tmp"));
    let excluded = excluded.expect("a line for it");
    assert_eq!((&excluded["message_type"], &excluded["action"]), (&"plan".into(), &"excluded".into()));
    assert_eq!(excluded["rule"], "*.tmp");
    let again = world.ok(&["backup", "docs", "--type", "full", "--verbose"]);
    assert!(again.stdout.contains(&of("read", "docs/notes.md", "")), "{again:#?}");
}

#[test]
fn a_dry_run_counts_what_it_knows_and_leaves_open_what_it_does_not() {
    let world = World::backed_up();
    let ran = world.ok(&["backup", "docs", "--dry-run"]);
    assert_eq!(ran.stdout.lines().count(), 1, "{ran:#?}");
    let lines = world.lines(&["backup", "docs", "--dry-run"]);
    let summary = lines.last().expect("a summary");
    assert_eq!(
        (&summary["new_bytes"], &summary["duplicate_bytes"]),
        (&serde_json::Value::Null, &serde_json::Value::Null)
    );
    assert_eq!(summary["statistics"]["files_believed"], 3);
}
