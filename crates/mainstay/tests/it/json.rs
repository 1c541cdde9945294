//! The shapes of `--json`: what `docs/reference/json.md` shows is what the binary prints.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::world::World;

/// Fields that are absent where they do not apply, as the document says.
const OPTIONAL: [&str; 6] = ["path_hex", "link_target", "link_target_hex", "device", "content", "content_hex"];

const DOCUMENT: &str = include_str!("../../../../docs/reference/json.md");

/// The examples by the headings above them.
fn examples() -> BTreeMap<&'static str, Value> {
    let mut examples = BTreeMap::new();
    for section in DOCUMENT.split("\n## ").skip(1) {
        let (title, text) = section.split_once('\n').expect("a heading and a text");
        let example = text.split_once("```json\n").and_then(|(_, rest)| rest.split_once("\n```"));
        let (example, _) = example.unwrap_or_else(|| panic!("{title} has no example"));
        let example = serde_json::from_str(example).unwrap_or_else(|error| panic!("{title}: {error}"));
        assert!(examples.insert(title, example).is_none(), "{title} is there twice");
    }
    examples
}

/// Asserts that a value has the fields and the types of its example; `null` and empty arrays say nothing.
fn assert_shape(place: &str, example: &Value, found: &Value) {
    match (example, found) {
        (Value::Null, _) | (_, Value::Null) => {}
        (Value::Array(examples), Value::Array(elements)) => {
            let Some(example) = examples.first() else { return };
            for (index, element) in elements.iter().enumerate() {
                assert_shape(&format!("{place}[{index}]"), example, element);
            }
        }
        (Value::Object(example), Value::Object(object)) => {
            let keys = |map: &serde_json::Map<String, Value>| -> BTreeSet<String> {
                map.keys().filter(|key| !OPTIONAL.contains(&key.as_str())).cloned().collect()
            };
            assert_eq!(keys(object), keys(example), "{place}: the fields found, and those documented");
            for (key, value) in object {
                if let Some(example) = example.get(key) {
                    assert_shape(&format!("{place}.{key}"), example, value);
                }
            }
        }
        (example, found) => {
            let same = std::mem::discriminant(example) == std::mem::discriminant(found);
            assert!(same, "{place}: expected something like {example}, found {found}");
        }
    }
}

/// The examples, and which of them were compared.
struct Documented {
    examples: BTreeMap<&'static str, Value>,
    compared: BTreeSet<&'static str>,
}

impl Documented {
    fn check(&mut self, title: &'static str, found: &Value) {
        let example = self.examples.get(title).unwrap_or_else(|| panic!("{title} is not documented"));
        assert_shape(title, example, found);
        self.compared.insert(title);
    }

    /// Compares the last line of a long run, and every other line with the example of its type.
    fn check_lines(&mut self, title: &'static str, lines: &[Value]) {
        let (summary, others) = lines.split_last().expect("a summary");
        assert_eq!(summary["message_type"], "summary", "{title}");
        self.check(title, summary);
        for line in others {
            match line["message_type"].as_str() {
                Some("status") => self.check("status", line),
                Some("warning") => self.check("warning", line),
                Some("plan") => self.check("restore --dry-run", line),
                other => panic!("{title}: a line of the type {other:?}"),
            }
        }
    }
}

#[test]
fn every_example_has_the_shape_of_what_the_binary_prints() {
    let mut documented = Documented { examples: examples(), compared: BTreeSet::new() };
    let world = World::with_files();
    std::os::unix::fs::symlink("notes.md", world.path("docs/link")).expect("a link");
    documented.check_lines("backup", &world.lines(&["backup", "docs", "--tag", "nightly"]));
    world.write("docs/notes.md", b"second line\n");
    documented.check_lines("backup", &world.lines(&["backup", "docs"]));
    documented.check_lines("backup", &world.lines(&["backup", "docs", "--dry-run"]));
    let notes = world.absolute("docs/notes.md");
    let large = world.absolute("docs/large");
    for (title, arguments) in [
        ("snapshots", vec!["snapshots"]),
        ("ls", vec!["ls", "-R", "latest"]),
        ("find", vec!["find", "*.md"]),
        ("history", vec!["history", &notes]),
        ("diff", vec!["diff", "latest~1", "latest"]),
        ("cat", vec!["cat", &format!("latest:{notes}")]),
        ("cat", vec!["cat", &format!("latest:{large}")]),
        ("status (command)", vec!["status"]),
        ("stats", vec!["stats"]),
        ("store validate", vec!["store", "validate", "docs", "--objects", "20", "--size", "1M"]),
        ("key list", vec!["key", "list"]),
        ("repo history", vec!["repo", "history"]),
        ("key export-kit", vec!["key", "export-kit", "kit.txt"]),
        ("key create-writer", vec!["key", "create-writer", "agent.key"]),
        ("key create-writer", vec!["key", "create-maintainer", "janitor.key"]),
        ("key create-recipient", vec!["key", "create-recipient", "safe"]),
        ("init", vec!["init", "--repo", "other"]),
        ("undelete", vec!["undelete"]),
        ("completions", vec!["completions", "bash"]),
        ("man", vec!["man", "restore"]),
        ("man --directory", vec!["man", "--directory", "man1"]),
        ("help", vec!["help", "environment"]),
        ("help exit-codes", vec!["help", "exit-codes"]),
    ] {
        documented.check(title, &world.document(&arguments));
    }
    // The kit and the repository lie on this machine: warnings.
    documented.check("doctor", &world.document_of(&["doctor"], 3));
    world.write("new.txt", b"a passphrase");
    let added = world.document(&["key", "add", "--new-password-file", "new.txt", "--label", "laptop"]);
    documented.check("key add", &added);
    let id = added["id"].as_str().expect("an id");
    documented.check("key add", &world.document(&["key", "remove", id]));
    documented.check_lines("restore", &world.lines(&["restore", "latest", "--target", "out", "--verify"]));
    documented.check_lines("restore", &world.lines(&["restore", "latest", "--target", "plan", "--dry-run"]));
    documented.check("forget", &world.document(&["forget", "--keep-last", "1", "--dry-run"]));
    documented.check("forget", &world.document(&["forget", "--keep-last", "1", "--prune"]));
    documented.check_lines("prune", &world.lines(&["prune"]));
    documented.check_lines("verify", &world.lines(&["verify", "--sample", "50%"]));
    documented.check_lines("verify", &world.lines(&["verify", "--rolling", "30d"]));
    documented.check_lines("check", &world.lines(&["check"]));
    documented.check_lines("parity add", &world.lines(&["parity", "add"]));
    documented.check("parity status", &world.document(&["parity", "status"]));
    documented.check_lines("repair", &world.lines(&["repair"]));
    documented.check_lines("export", &world.lines(&["export", "latest", "all.tar"]));
    documented.check_lines("sync", &world.lines(&["sync", "--to", "copy"]));
    check_copies(&mut documented, &world);
    documented.check("key rotate", &world.document(&["key", "rotate", "--remove-others"]));
    documented.check_lines("parity drop", &world.lines(&["parity", "drop"]));
    damage(&world);
    let mut lines = world.lines(&["check"]);
    let error = lines.pop().expect("an error");
    documented.check("error", &error);
    documented.check_lines("check", &lines);
    let others: Vec<_> = documented.examples.keys().filter(|title| !documented.compared.contains(*title)).collect();
    // A status comes after a second and a warning from an entry that cannot be read: both have tests of their own.
    assert!(others.iter().all(|title| ["status", "warning"].contains(title)), "never compared: {others:?}");
}

/// What goes into repositories with other keys; `new.txt` holds a passphrase.
fn check_copies(documented: &mut Documented, world: &World) {
    world.ok(&["--repo", "third", "--password-file", "new.txt", "init"]);
    let copied = world.lines(&["copy", "--to", "third", "--to-password-file", "new.txt"]);
    documented.check_lines("copy", &copied);
    let create = ["archive", "create", "latest", "--to", "vault", "--new-password-file", "new.txt", "--hold", "1y"];
    let created = world.lines(&create);
    let place = created.last().and_then(|made| made["location"].as_str()).expect("a place").to_owned();
    documented.check_lines("archive create", &created);
    documented.check("archive list", &world.document(&["archive", "list", "vault"]));
    let shown = world.document(&["archive", "show", &place, "--password-file", "new.txt"]);
    documented.check("archive show", &shown);
    documented.check_lines("archive verify", &world.lines(&["archive", "verify", &place]));
    documented.check("archive extend-hold", &world.document(&["archive", "extend-hold", &place, "--hold", "9y"]));
}

/// Removes the largest pack.
fn damage(world: &World) {
    let packs = crate::world::files(&world.repository().join("packs"));
    let largest = packs.iter().max_by_key(|path| path.metadata().expect("a pack").len());
    std::fs::remove_file(largest.expect("a pack")).expect("it is there");
}

#[test]
fn a_long_run_tells_where_it_stands_every_second() {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::process::Stdio;
    let world = World::new();
    let mut command = world.command(&["backup", "--stdin-name", "x", "--json"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the binary starts");
    let mut input = child.stdin.take().expect("it is piped");
    input.write_all(&crate::world::noise(4 << 20)).expect("it reads");
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let first = lines.next().expect("a status while it waits").expect("text");
    let status: Value = serde_json::from_str(&first).expect("JSON");
    assert_eq!(status["message_type"], "status");
    assert_shape("status", &examples()["status"], &status);
    drop(input);
    let last = lines.last().expect("a summary").expect("text");
    let summary: Value = serde_json::from_str(&last).expect("JSON");
    assert_eq!(summary["message_type"], "summary");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}
