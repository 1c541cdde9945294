//! Keys with separate rights, through the binary: who may do what, and what the errors say.

use std::os::unix::fs::PermissionsExt as _;

use crate::tree::assert_same;
use crate::world::World;

/// A repository, and the key of a writer in `agent.key`.
fn with_writer(more: &[&str]) -> World {
    let world = World::with_files();
    world.ok(&["init"]);
    world.ok(&[&["key", "create-writer", "--label", "agent", "agent.key"], more].concat());
    world
}

/// The command with the writer's key.
fn as_writer<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    [&["--password-file", "agent.key"], arguments].concat()
}

#[test]
fn an_agents_key_backs_up_and_opens_nothing() {
    let world = with_writer(&[]);
    let mode = std::fs::metadata(world.path("agent.key")).expect("the key file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let backed_up = world.ok(&as_writer(&["backup", "docs"]));
    assert!(backed_up.stdout.contains("(full)") && !backed_up.stderr.contains("mainstay restore"), "{backed_up:#?}");
    world.ok(&as_writer(&["backup", "docs"]));
    let before = crate::world::files(&world.repository());
    for (arguments, right) in [
        (vec!["restore", "latest", "--target", "out"], "restore"),
        (vec!["cat", "latest:/x"], "restore"),
        (vec!["verify"], "restore"),
        (vec!["snapshots"], "list"),
        (vec!["ls", "latest"], "list"),
        (vec!["find", "notes.md"], "list"),
        (vec!["history", "/x"], "list"),
        (vec!["diff", "latest~1", "latest"], "list"),
        (vec!["status"], "list"),
        (vec!["repo", "history"], "list"),
        (vec!["stats"], "list"),
        (vec!["check"], "maintain"),
        (vec!["prune"], "maintain"),
        (vec!["prune", "--dry-run"], "maintain"),
        (vec!["forget", "--keep-last", "1"], "maintain"),
        (vec!["key", "export-kit", "kit.txt"], "maintain"),
        (vec!["key", "create-writer", "other.key"], "maintain"),
    ] {
        let ran = world.fails(&as_writer(&arguments), 12, "MS-1210");
        assert!(ran.stderr.contains(&format!("this key may not {right}; ")), "{ran:#?}");
        assert!(ran.stderr.contains("(key file on "), "it names a key that may: {ran:#?}");
    }
    assert_eq!(crate::world::files(&world.repository()), before, "nothing was written or deleted");
    for absent in ["out", "kit.txt", "other.key"] {
        assert!(!world.path(absent).exists(), "{absent}");
    }
    let page = world.ok(&["help", "MS-1210"]).stdout;
    assert!(page.starts_with("MS-1210 ") && page.contains("Exit code 12."), "{page}");
}

#[test]
fn a_maintainers_key_prunes_and_reads_nothing() {
    let world = World::with_files();
    world.ok(&["init"]);
    world.ok(&["backup", "docs"]);
    world.write("docs/more.txt", b"more");
    world.ok(&["backup", "docs"]);
    world.ok(&["key", "create-maintainer", "--label", "janitor", "janitor.key"]);
    let listed = world.ok(&["key", "list"]).stdout;
    assert!(listed.lines().any(|line| line.contains(" maintain ") && line.ends_with("janitor")), "{listed}");
    fn maintainer<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
        [&["--password-file", "janitor.key"], arguments].concat()
    }
    let before = crate::world::files(&world.repository());
    for (arguments, right) in [
        (vec!["backup", "docs"], "write"),
        (vec!["snapshots"], "list"),
        (vec!["ls", "latest"], "list"),
        (vec!["restore", "latest", "--target", "out"], "restore"),
        (vec!["cat", "latest:docs/more.txt"], "restore"),
        (vec!["verify"], "restore"),
        (vec!["check"], "restore"),
        (vec!["repair"], "restore"),
        (vec!["sync", "--to", "copy"], "restore"),
        (vec!["forget", "--keep-last", "1"], "list"),
        (vec!["undelete"], "list"),
        (vec!["key", "export-kit", "kit.txt"], "restore"),
        (vec!["key", "create-maintainer", "other.key"], "restore"),
        (vec!["key", "rotate"], "restore"),
    ] {
        let ran = world.fails(&maintainer(&arguments), 12, "MS-1210");
        assert!(ran.stderr.contains(&format!("this key may not {right}; ")), "{ran:#?}");
    }
    assert_eq!(crate::world::files(&world.repository()), before, "nothing was written or deleted");
    world.ok(&["forget", "--keep-last", "1"]);
    let planned = world.ok(&maintainer(&["prune", "--hold", "0d", "--dry-run"])).stdout;
    assert!(planned.contains("would remove 1 snapshot"), "{planned}");
    let pruned = world.ok(&maintainer(&["prune", "--hold", "0d"])).stdout;
    assert!(pruned.contains("removed 1 snapshot"), "{pruned}");
    world.ok(&maintainer(&["parity", "add"]));
    world.ok(&maintainer(&["parity", "status"]));
    world.ok(&maintainer(&["key", "list"]));
    let told = world.run(&maintainer(&["doctor"])).stdout;
    assert!(told.contains("what this key signs is believed"), "{told}");
    world.ok(&["check"]);
    world.ok(&["restore", "latest", "--target", "out", "--verify"]);
    assert_same(&world.path("docs"), &world.restored("out", "docs"));
    let slot = world.document(&["key", "list"]).as_array().expect("keys").last().expect("one")["id"].to_string();
    let removed = world.ok(&["key", "remove", slot.trim_matches('"')]).stderr;
    assert!(removed.contains("could never read anything"), "{removed}");
}

#[test]
fn what_an_agent_backed_up_comes_back_by_another_key() {
    let world = with_writer(&[]);
    world.settle();
    world.ok(&as_writer(&["backup", "docs"]));
    let line = world.ok(&as_writer(&["backup", "docs"])).stdout;
    // Nothing of the files; the page of a directory above them, if others have changed it meanwhile.
    assert!(line.contains("#2") && line.contains(" B new"), "{line}");
    world.ok(&["restore", "latest", "--target", "out", "--verify"]);
    assert_same(&world.path("docs"), &world.restored("out", "docs"));
    world.ok(&["check"]);
    world.ok(&["verify"]);
    let shown = world.document(&["snapshots"]);
    let source = shown[0]["source"].as_str().expect("a source").to_owned();
    assert!(source.ends_with(']'), "{source}");
    world.ok(&["snapshots", "--source", &source]);
    world.ok(&["forget", "--source", &source, "--keep-last", "1"]);
    world.ok(&["prune"]);
    world.ok(&["restore", "latest", "--target", "again", "--verify"]);
    assert_same(&world.path("docs"), &world.restored("again", "docs"));
    world.ok(&as_writer(&["backup", "docs"]));
}

#[test]
fn a_writer_that_may_list_backs_up_incrementally_and_restores_nothing() {
    let world = with_writer(&["--may-list"]);
    world.settle();
    world.ok(&as_writer(&["backup", "docs"]));
    let line = world.ok(&as_writer(&["backup", "docs"])).stdout;
    assert!(line.contains("(incremental)") && line.contains("3 files unchanged"), "{line}");
    world.ok(&as_writer(&["ls", "latest"]));
    world.fails(&as_writer(&["restore", "latest", "--target", "out"]), 12, "MS-1210");
    world.ok(&["backup", "docs"]);
    let seen = world.document(&as_writer(&["snapshots"]));
    assert_eq!(seen.as_array().map(Vec::len), Some(2), "its own and nobody else's: {seen}");
    assert_eq!(world.snapshots().len(), 3);
}

#[test]
fn a_recipient_restores_by_a_private_half_that_was_never_there() {
    let world = World::backed_up();
    world.ok(&["key", "create-recipient", "safe"]);
    let mode = std::fs::metadata(world.path("safe.key")).expect("the private half").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // Away with it: only the public half is needed.
    std::fs::rename(world.path("safe.key"), world.path("offline.key")).expect("it is there");
    world.ok(&["key", "add-recipient", "safe.pub", "--label", "safe"]);
    world.ok(&["backup", "docs"]);
    let list = world.ok(&["key", "list"]).stdout;
    assert!(list.lines().any(|line| line.contains("recipient") && line.contains("safe")), "{list}");
    let restored = ["--password-file", "offline.key", "restore", "latest", "--target", "out", "--verify"];
    world.ok(&restored);
    assert_same(&world.path("docs"), &world.restored("out", "docs"));
    world.fails(&["--password-file", "safe.pub", "snapshots"], 12, "MS-1201");
    world.fails(&["key", "create-recipient", "safe"], 17, "MS-1006");
    world.fails(&["key", "add-recipient", "offline.key"], 17, "MS-1006");
}

#[test]
fn a_recipient_whose_creation_was_cut_short_gets_its_public_half_from_the_next_run() {
    let world = World::with_files();
    world.ok(&["key", "create-recipient", "safe"]);
    let (private, public) = (world.read("safe.key"), world.read("safe.pub"));
    std::fs::remove_file(world.path("safe.pub")).expect("it was written");
    world.ok(&["key", "create-recipient", "safe"]);
    assert_eq!(world.read("safe.key"), private);
    assert_eq!(world.read("safe.pub"), public);
    // A file of that name that is no private half is not ours to finish.
    world.write("notes.key", b"something else\n");
    world.fails(&["key", "create-recipient", "notes"], 17, "MS-1006");
    assert!(!world.path("notes.pub").exists());
}

#[test]
fn the_list_of_keys_says_what_each_may_do_and_removal_what_it_cannot_undo() {
    let world = with_writer(&[]);
    let keys = world.document(&["key", "list"]);
    let keys = keys.as_array().expect("an array");
    let agent = keys.iter().find(|key| key["label"] == "agent").expect("the writer's key");
    assert_eq!(agent["rights"], serde_json::json!(["write"]));
    let full = keys.iter().find(|key| key["in_use"] == true).expect("our own");
    assert_eq!(full["rights"], serde_json::json!(["write", "list", "restore", "maintain"]));
    let listed = world.ok(&as_writer(&["key", "list"])).stdout;
    assert!(listed.lines().any(|line| line.contains(" write ") && line.contains("agent (in use)")), "{listed}");
    world.ok(&as_writer(&["backup", "docs"]));
    let removed = world.ok(&["key", "remove", agent["id"].as_str().expect("an id")]);
    assert!(removed.stderr.contains("could never read anything"), "{removed:#?}");
    world.fails(&as_writer(&["backup", "docs"]), 12, "MS-1201");
    world.ok(&["restore", "latest", "--target", "out", "--verify"]);
    world.write("new.txt", b"another passphrase\n");
    world.ok(&["key", "add", "--new-password-file", "new.txt", "--label", "laptop"]);
    let laptop = world.ok(&["key", "list"]).stdout;
    let id = laptop.lines().find(|line| line.contains("laptop")).and_then(|line| line.split(' ').next());
    let removed = world.ok(&["key", "remove", id.expect("an id")]);
    assert!(removed.stderr.contains("later backups included"), "{removed:#?}");
}

#[test]
fn the_last_key_that_may_restore_stays_whatever_writers_there_are() {
    let world = World::with_files();
    world.write("secret.txt", b"correct horse\n");
    world.ok(&["init", "--password-file", "secret.txt"]);
    world.ok(&["--password-file", "secret.txt", "key", "create-writer", "agent.key"]);
    let keys = world.document(&["--password-file", "secret.txt", "key", "list"]);
    let full = keys.as_array().expect("an array").iter().find(|key| key["in_use"] == true).expect("our own");
    world.fails(&as_writer(&["key", "remove", full["id"].as_str().expect("an id")]), 12, "MS-1210");
    let status = world.ok(&["status", "--password-file", "secret.txt"]);
    assert!(status.stderr.contains("only one key"), "{status:#?}");
}

/// A stand-in for the system's generator that always gives the same byte, for a binary that is started with it.
fn stuck_generator(world: &World) -> std::path::PathBuf {
    let text = "#include <string.h>\n#include <sys/types.h>\n\
                ssize_t getrandom(void *to, size_t len, unsigned flags) { memset(to, 0xa5, len); return len; }\n";
    let (source, library) = (world.write("stuck.c", text.as_bytes()), world.path("stuck.so"));
    let built = std::process::Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&library, &source]).status();
    assert!(built.is_ok_and(|status| status.success()), "the compiler that Mainstay is built with");
    library
}

#[test]
fn without_random_bytes_every_command_that_seals_refuses_and_those_that_read_work() {
    let world = World::backed_up();
    let library = stuck_generator(&world);
    let before = crate::world::files(&world.repository());
    let with_stuck = |arguments: &[&str]| crate::world::run(world.command(arguments).env("LD_PRELOAD", &library));
    world.write("new.txt", b"another passphrase\n");
    for arguments in [
        vec!["backup", "docs"],
        vec!["init", "--repo", "other"],
        vec!["init", "--repo", "another", "--password-file", "new.txt"],
        vec!["prune"],
        vec!["key", "add", "--new-password-file", "new.txt"],
        vec!["key", "export-kit", "kit.txt"],
        vec!["key", "create-writer", "agent.key"],
        vec!["key", "create-recipient", "safe"],
    ] {
        with_stuck(&arguments).failed(1, "MS-1902");
    }
    assert_eq!(crate::world::files(&world.repository()), before, "nothing was written");
    for absent in ["kit.txt", "agent.key", "safe.key", "other/mainstay.json", "another/mainstay.json"] {
        assert!(!world.path(absent).exists(), "{absent}");
    }
    assert_eq!(with_stuck(&["ls", "latest"]).code, 0);
    world.ok(&["backup", "docs"]);
}
