//! A repository that was put back to an older state, and one that lacks a snapshot: told, and nothing is pruned.

use std::fs;
use std::path::{Path, PathBuf};

use crate::world::{Ran, World, files, only};

/// A repository of two snapshots, of which this machine has seen both; answers a copy from before the second, and the ids.
fn with_older_copy() -> (World, PathBuf, Vec<String>) {
    let world = World::backed_up();
    let older = world.path("older");
    copy(&world.repository(), &older);
    world.write("docs/notes.md", b"second line\n");
    world.ok(&["backup", "docs"]);
    let ids = world.snapshots();
    (world, older, ids)
}

fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).expect("it is beneath"));
        fs::create_dir_all(target.parent().expect("a directory")).expect("a directory");
        fs::copy(&file, target).expect("a file");
    }
}

/// Puts the repository back to its older state.
fn rewind(world: &World, older: &Path) {
    fs::remove_dir_all(world.repository()).expect("it is there");
    copy(older, &world.repository());
}

fn memory(world: &World) -> PathBuf {
    only(&world.path(".local/state/mainstay/seen"))
}

fn object(world: &World, id: &str) -> PathBuf {
    let found =
        files(&world.repository().join("snapshots")).into_iter().find(|path| path.to_string_lossy().contains(id));
    found.expect("the snapshot's object")
}

fn packs(world: &World) -> Vec<PathBuf> {
    files(&world.repository().join("packs"))
}

fn tells(ran: &Ran, ids: &[String]) {
    assert_eq!(ran.code, 15, "{ran:#?}");
    let says = format!("history was rewound: this machine saw snapshot #2 ({})", &ids[1][..8]);
    let now = format!("it now ends at #1 ({})", &ids[0][..8]);
    assert!(ran.stderr.contains("[MS-1305]") && ran.stderr.contains(&says) && ran.stderr.contains(&now), "{ran:#?}");
}

#[test]
fn an_older_state_is_told_by_every_command_that_looks() {
    let (world, older, ids) = with_older_copy();
    rewind(&world, &older);
    for arguments in [
        &["snapshots"][..],
        &["ls", "latest"],
        &["find", "*.md"],
        &["diff", "latest", "latest"],
        &["restore", "latest", "--target", "out"],
        &["check"],
        &["verify"],
    ] {
        tells(&world.run(arguments), &ids);
    }
    let status = world.run(&["status"]);
    assert_eq!(status.code, 15);
    assert!(status.stderr.contains("history was rewound"), "{status:#?}");
    assert_eq!(fs::read(world.restored("out", "docs/notes.md")).expect("restored"), b"first line\n");
    let ran = world.run(&["snapshots", "--json"]);
    assert!(ran.code == 15 && serde_json::from_str::<serde_json::Value>(&ran.stdout).is_ok(), "{ran:#?}");
    assert!(ran.stderr.contains("\"message_type\":\"warning\"") && ran.stderr.contains(&ids[1]), "{ran:#?}");
}

#[test]
fn after_a_rewind_nothing_is_forgotten_and_nothing_pruned() {
    let (world, older, _) = with_older_copy();
    rewind(&world, &older);
    let before = files(&world.repository());
    world.fails(&["prune"], 15, "MS-1305");
    world.fails(&["prune", "--dry-run"], 15, "MS-1305");
    world.fails(&["forget", "--keep-last", "1", "--prune"], 15, "MS-1305");
    assert_eq!(files(&world.repository()), before);
    // Backups go on, and do not make it good.
    assert_eq!(world.run(&["backup", "docs"]).code, 15);
    assert_eq!(world.run(&["backup", "docs"]).code, 15);
    world.fails(&["prune"], 15, "MS-1305");
}

#[test]
fn bringing_back_what_was_seen_ends_the_alarm() {
    let (world, older, ids) = with_older_copy();
    let newest = world.path("newest");
    copy(&world.repository(), &newest);
    rewind(&world, &older);
    tells(&world.run(&["snapshots"]), &ids);
    copy(&newest, &world.repository());
    world.ok(&["snapshots"]);
    world.ok(&["prune"]);
}

#[test]
fn a_loss_that_is_accepted_by_name_ends_the_alarm() {
    let (world, older, ids) = with_older_copy();
    rewind(&world, &older);
    world.fails(&["prune", "--accept-loss", &ids[0]], 1, "MS-1401");
    world.fails(&["prune", "--accept-loss", "12"], 1, "MS-1401");
    world.ok(&["prune", "--accept-loss", &ids[1][..12]]);
    world.ok(&["snapshots"]);
    world.ok(&["backup", "docs"]);
    world.ok(&["prune"]);
    let rows = world.document(&["repo", "history"]);
    let states: Vec<&str> = rows.as_array().expect("rows").iter().filter_map(|row| row["state"].as_str()).collect();
    assert!(states.contains(&"removed"), "{rows}");
}

#[test]
fn what_is_remembered_can_be_deleted_cut_or_damaged_without_harm() {
    let (world, older, ids) = with_older_copy();
    let path = memory(&world);
    let text = fs::read(&path).expect("a memory");
    let mode = std::os::unix::fs::PermissionsExt::mode(&path.metadata().expect("a file").permissions());
    assert_eq!(mode & 0o777, 0o600);
    let mut flipped = text.clone();
    flipped[text.len() / 2] ^= 1;
    for wrong in [&b""[..], b"\xff\xfe", &text[..text.len() / 2], &flipped] {
        fs::write(&path, wrong).expect("a file");
        world.ok(&["snapshots"]);
        assert_eq!(fs::read(&path).expect("a memory"), text, "it is written anew");
    }
    fs::remove_file(&path).expect("it is there");
    world.ok(&["snapshots"]);
    // With no memory the older state is believed; so it is where there is no place for one.
    fs::remove_file(&path).expect("it is there");
    fs::create_dir(&path).expect("a directory in its place");
    rewind(&world, &older);
    world.ok(&["snapshots"]);
    fs::remove_dir(&path).expect("it is empty");
    fs::write(&path, &text).expect("a file");
    tells(&world.run(&["snapshots"]), &ids);
}

#[test]
fn a_service_remembers_where_systemd_has_a_place_for_it() {
    let world = World::backed_up();
    let mut service = world.command(&["snapshots"]);
    let state = world.path("var");
    assert_eq!(crate::world::run(service.env("STATE_DIRECTORY", format!("{}:/other", state.display()))).code, 0);
    assert_eq!(fs::read(only(&state.join("seen"))).expect("a memory"), fs::read(memory(&world)).expect("a memory"));
    // Without any place nothing is remembered, and all goes on.
    let key = world.key_file();
    let mut homeless = world.command(&["snapshots", "--password-file", key.to_str().expect("a plain path")]);
    let homeless = homeless.env_remove("HOME").env("MAINSTAY_REPO", world.repository());
    assert_eq!(crate::world::run(homeless).code, 0);
}

#[test]
fn the_memory_of_one_repository_says_nothing_of_another() {
    let world = World::backed_up();
    let text = fs::read(memory(&world)).expect("a memory");
    let key = world.key_file();
    fs::remove_file(memory(&world)).expect("it is there");
    world.ok(&["init", "--repo", "other"]);
    world.ok(&["backup", "docs", "--repo", "other"]);
    let path = memory(&world);
    fs::write(&path, text).expect("a file");
    world.ok(&["snapshots", "--repo", "other"]);
    assert!(key.exists());
}

#[test]
fn forgetting_and_pruning_the_newest_snapshot_raises_no_alarm() {
    let (world, _, ids) = with_older_copy();
    world.ok(&["forget", &ids[1]]);
    world.ok(&["prune"]);
    world.ok(&["snapshots"]);
    world.ok(&["status"]);
    world.ok(&["backup", "docs"]);
    world.ok(&["prune"]);
}

#[test]
fn a_prune_refuses_where_a_snapshot_in_the_middle_is_gone() {
    let (world, _, _) = with_older_copy();
    world.write("docs/notes.md", b"third line\n");
    world.ok(&["backup", "docs"]);
    let ids = world.snapshots();
    fs::remove_file(object(&world, &ids[1])).expect("it is there");
    world.ok(&["forget", &ids[0]]);
    let before = packs(&world);
    let ran = world.fails(&["prune"], 15, "MS-1306");
    assert!(ran.stderr.contains(&ids[1]), "{ran:#?}");
    assert_eq!(packs(&world), before);
    let history = world.run(&["repo", "history"]);
    assert_eq!(history.code, 15);
    assert!(history.stdout.contains("MISSING") && history.stderr.contains("warning[MS-1306]"), "{history:#?}");
    let rows = world.document_of(&["repo", "history"], 15);
    let missing = rows.as_array().expect("rows").iter().find(|row| row["state"] == "missing").expect("a row");
    assert_eq!(missing["snapshot"].as_str(), Some(ids[1].as_str()));
    assert_eq!(world.run(&["check"]).code, 4, "a snapshot is lost");
    world.ok(&["prune", "--accept-loss", &ids[1][..8]]);
    world.ok(&["prune"]);
    world.ok(&["restore", &ids[2], "--target", "out", "--verify"]);
}

#[test]
fn the_history_shows_who_signed_and_what_was_removed() {
    let (world, _, ids) = with_older_copy();
    world.write("new.txt", b"another passphrase\n");
    world.ok(&["key", "add", "--new-password-file", "new.txt", "--label", "laptop"]);
    world.ok(&["backup", "docs", "--password-file", "new.txt"]);
    world.ok(&["forget", &ids[1], "--prune"]);
    world.ok(&["forget", &ids[0]]);
    let rows = world.document(&["repo", "history"]);
    let rows = rows.as_array().expect("rows");
    let states: Vec<&str> = rows.iter().filter_map(|row| row["state"].as_str()).collect();
    assert_eq!(states, ["forgotten", "removed", "kept"]);
    assert_eq!(rows[2]["signer"]["label"], "laptop");
    assert!(rows.iter().all(|row| row["in_line"] == true), "{rows:#?}");
    assert_eq!(rows[2]["previous"].as_str(), Some(ids[1].as_str()));
    let text = world.ok(&["repo", "history"]).stdout;
    assert!(text.starts_with("SEQUENCE") && text.contains("laptop") && text.contains(", removed"), "{text}");
    let source = rows[2]["source"].as_str().expect("a name");
    assert_eq!(world.document(&["repo", "history", "--source", source]).as_array().map(Vec::len), Some(3));
    world.fails(&["repo", "history", "--source", "nobody"], 1, "MS-1401");
}

#[test]
fn a_snapshot_that_was_signed_anew_by_nobody_known_is_told_as_damaged() {
    let world = World::backed_up();
    let id = world.snapshots().remove(0);
    let path = object(&world, &id);
    let mut bytes = fs::read(&path).expect("a snapshot");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    // Under the name of its new bytes, as somebody would who can write to the store.
    let forged = blake3::hash(&bytes).to_hex();
    let name = path.file_name().and_then(|name| name.to_str()).expect("a name").replace(&id, &forged);
    fs::write(path.with_file_name(name), bytes).expect("a file");
    let ran = world.run(&["snapshots"]);
    assert_eq!(ran.code, 3, "{ran:#?}");
    assert!(ran.stderr.contains("its signature does not match"), "{ran:#?}");
    let ran = world.run(&["backup", "docs"]);
    assert_eq!(ran.code, 3, "{ran:#?}");
    assert!(world.document_of(&["snapshots"], 3)[1]["previous"].as_str() == Some(id.as_str()), "never built on");
    assert_eq!(world.run(&["prune"]).code, 4);
}

/// The command with a key that was created as a writer's.
fn as_writer<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    [&["--password-file", "agent.key"], arguments].concat()
}

#[test]
fn an_agent_that_sees_only_names_tells_that_its_last_snapshot_is_gone() {
    let world = World::with_files();
    world.ok(&["init"]);
    world.ok(&["key", "create-writer", "--label", "agent", "agent.key"]);
    world.ok(&as_writer(&["backup", "docs"]));
    let older = world.path("older");
    copy(&world.repository(), &older);
    world.ok(&as_writer(&["backup", "docs"]));
    let rows = world.document(&["repo", "history"]);
    let rows = rows.as_array().expect("rows");
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[1]["previous"], rows[0]["snapshot"], "it goes on from what it cannot read");
    assert!(rows.iter().all(|row| row["signer"]["label"] == "agent" && row["in_line"] == true), "{rows:#?}");
    world.ok(&["forget", rows[0]["snapshot"].as_str().expect("an id")]);
    world.ok(&["prune", "--hold", "0d"]);
    assert_eq!(world.ok(&as_writer(&["backup", "docs"])).code, 0);
    rewind(&world, &older);
    let ran = world.run(&as_writer(&["backup", "docs"]));
    assert_eq!(ran.code, 15, "{ran:#?}");
    assert!(ran.stderr.contains("[MS-1305]") && ran.stderr.contains("it now ends at #1"), "{ran:#?}");
    let report = world.document_of(&as_writer(&["doctor"]), 15);
    let checks = report["checks"].as_array().expect("checks");
    let failed: Vec<&str> =
        checks.iter().filter(|check| check["state"] == "fail").filter_map(|check| check["check"].as_str()).collect();
    assert_eq!(failed, ["rewind"], "{report:#}");
    tells_the_full_key(&world);
}

/// The machine remembers what any of its keys has seen.
fn tells_the_full_key(world: &World) {
    assert_eq!(world.run(&["snapshots"]).code, 15);
    world.fails(&["prune"], 15, "MS-1305");
}

#[test]
fn a_recipient_opened_later_prunes_and_its_record_is_believed() {
    let (world, _, ids) = with_older_copy();
    world.ok(&["key", "create-recipient", "safe"]);
    world.ok(&["key", "add-recipient", "--label", "safe", "safe.pub"]);
    let private = ["--password-file", "safe.key"];
    world.write("agent.txt", b"another passphrase\n");
    world.ok(&[&private[..], &["forget", &ids[0], "--prune", "--hold", "0d"]].concat());
    world.ok(&["check"]);
    let rows = world.document(&["repo", "history"]);
    let states: Vec<&str> = rows.as_array().expect("rows").iter().filter_map(|row| row["state"].as_str()).collect();
    assert_eq!(states, ["removed", "kept"]);
    world.ok(&[&private[..], &["key", "add", "--new-password-file", "agent.txt", "--label", "new"]].concat());
    world.ok(&["--password-file", "agent.txt", "backup", "docs"]);
    world.ok(&["snapshots"]);
}
