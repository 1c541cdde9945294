//! Passphrases, key files and recovery kits.

use std::os::unix::fs::PermissionsExt as _;

use crate::terminal::at_terminal;
use crate::world::{World, run};

/// A repository that a passphrase opens.
fn with_passphrase() -> World {
    let world = World::with_files();
    world.write("secret.txt", b"correct horse\n");
    world.ok(&["init", "--password-file", "secret.txt"]);
    assert!(!world.path(".config").exists(), "no key is generated beside a passphrase");
    world
}

#[test]
fn a_passphrase_comes_from_a_file_a_variable_a_command_or_standard_input() {
    let world = with_passphrase();
    world.ok(&["backup", "docs", "--password-file", "secret.txt"]);
    let mut by_variable = world.command(&["snapshots"]);
    assert_eq!(run(by_variable.env("MAINSTAY_PASSWORD_FILE", world.path("secret.txt"))).code, 0);
    let mut by_command = world.command(&["snapshots"]);
    assert_eq!(run(by_command.env("MAINSTAY_PASSWORD_COMMAND", "printf 'correct %s' horse")).code, 0);
    let mut by_input = world.command(&["snapshots", "--password-file", "-"]);
    let file = std::fs::File::open(world.path("secret.txt")).expect("the file is there");
    assert_eq!(run(by_input.stdin(file)).code, 0);
}

#[test]
fn the_wrong_passphrase_is_exit_code_12_and_its_page_explains() {
    let world = with_passphrase();
    world.write("wrong.txt", b"correct house\n");
    world.fails(&["snapshots", "--password-file", "wrong.txt"], 12, "MS-1201");
    let page = world.ok(&["help", "MS-1201"]).stdout;
    assert!(page.starts_with("MS-1201 ") && page.contains("Exit code 12.") && page.contains("recovery kit"), "{page}");
}

#[test]
fn without_any_key_and_without_a_terminal_the_error_says_where_it_looked() {
    let world = with_passphrase();
    let ran = world.fails(&["snapshots"], 12, "MS-1202");
    assert!(ran.stderr.contains(".config/mainstay/keys/"), "{ran:#?}");
}

#[test]
fn empty_passwords_and_failing_commands_are_told_apart() {
    let world = with_passphrase();
    world.write("empty.txt", b"\n");
    world.fails(&["snapshots", "--password-file", "empty.txt"], 17, "MS-1206");
    world.fails(&["snapshots", "--password-file", "absent.txt"], 17, "MS-1006");
    for command in ["false", "/nonexistent/program", "'open quote"] {
        let ran = run(world.command(&["snapshots"]).env("MAINSTAY_PASSWORD_COMMAND", command));
        ran.failed(17, "MS-1205");
    }
}

#[test]
fn a_key_file_that_others_may_read_is_refused() {
    let world = World::backed_up();
    let key = world.key_file();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).expect("it is ours");
    world.fails(&["snapshots"], 17, "MS-1203");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).expect("it is ours");
    world.ok(&["snapshots"]);
}

#[test]
fn the_key_of_another_repository_is_named_in_the_hint() {
    let world = World::backed_up();
    let key = world.key_file();
    world.ok(&["init", "--repo", "other"]);
    let keys: Vec<_> = crate::world::files(&world.path(".config/mainstay/keys"));
    let other = keys.iter().find(|path| **path != key).expect("a second key");
    std::fs::copy(other, &key).expect("both are files");
    let ran = world.fails(&["snapshots"], 12, "MS-1201");
    assert!(ran.stderr.contains(key.to_str().expect("a plain path")), "{ran:#?}");
}

#[test]
fn keys_are_added_listed_and_removed() {
    let world = World::backed_up();
    world.write("new.txt", b"another passphrase\n");
    let added = world.document(&["key", "add", "--new-password-file", "new.txt", "--label", "laptop"]);
    let listed = world.ok(&["key", "list"]).stdout;
    assert_eq!(listed.lines().count(), 4, "{listed}");
    for part in ["passphrase", "laptop", "recovery kit", "(in use)"] {
        assert!(listed.contains(part), "no {part:?} in {listed}");
    }
    world.ok(&["snapshots", "--password-file", "new.txt"]);
    let id = added["id"].as_str().expect("an id");
    world.fails(&["key", "remove", id, "--password-file", "new.txt"], 16, "MS-1209");
    world.ok(&["key", "remove", &id[..8]]);
    world.fails(&["snapshots", "--password-file", "new.txt"], 12, "MS-1201");
    world.fails(&["key", "remove", id], 1, "MS-1208");
}

#[test]
fn a_rotation_keeps_the_keys_that_are_given_and_says_what_it_cannot_undo() {
    let world = World::backed_up();
    world.ok(&["key", "export-kit", "kit.txt"]);
    world.write("gone.txt", b"another passphrase\n");
    let gone = world.document(&["key", "add", "--new-password-file", "gone.txt", "--label", "gone"]);
    let gone = gone["id"].as_str().expect("an id");
    world.ok(&["key", "create-writer", "--label", "agent", "agent.key"]);
    let removed = world.ok(&["key", "remove", gone]);
    assert!(removed.stderr.contains("until you run `mainstay key rotate`"), "{removed:#?}");
    // The kit that init made is not at hand.
    let refused = world.fails(&["key", "rotate", "--take-along", "kit.txt"], 16, "MS-1211");
    assert!(refused.stderr.contains("(recovery kit ") && refused.stderr.contains("--remove-others"), "{refused:#?}");
    world.fails(&["key", "rotate", "--password-file", "agent.key"], 12, "MS-1210");
    let rotated = world.ok(&["key", "rotate", "--take-along", "kit.txt", "--remove-others"]);
    for part in ["the data keys of 1 session are wrapped anew", "kept: ", "removed: ", "unchanged writer: "] {
        assert!(rotated.stdout.contains(part), "no {part:?} in {rotated:#?}");
    }
    for part in ["still opens what was copied before", "next: add the removed keys", "create the writers anew"] {
        assert!(rotated.stderr.contains(part), "no {part:?} in {rotated:#?}");
    }
    world.ok(&["restore", "latest", "--target", "by-key-file", "--verify"]);
    world.ok(&["restore", "latest", "--target", "by-kit", "--verify", "--password-file", "kit.txt"]);
    world.fails(&["snapshots", "--password-file", "gone.txt"], 12, "MS-1201");
    world.ok(&["backup", "docs", "--password-file", "agent.key"]);
    world.ok(&["backup", "docs"]);
    assert_eq!(world.document(&["key", "rotate", "--remove-others"])["generation"], 2);
    for command in ["check", "verify", "prune", "doctor"] {
        world.run(&[command]);
    }
    world.ok(&["check"]);
    world.ok(&["verify"]);
    world.ok(&["prune"]);
    assert_eq!(world.snapshots().len(), 3);
}

#[test]
fn an_exported_kit_opens_the_repository_and_replaces_no_file() {
    let world = World::backed_up();
    world.ok(&["key", "export-kit", "kit.txt"]);
    let mode = std::fs::metadata(world.path("kit.txt")).expect("the kit").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    world.ok(&["snapshots", "--password-file", "kit.txt"]);
    let before = world.document(&["key", "list"]);
    world.fails(&["key", "export-kit", "kit.txt"], 17, "MS-1006");
    assert_eq!(world.document(&["key", "list"]), before, "no key without a kit");
    world.ok(&["snapshots", "--password-file", "kit.txt"]);
}

#[test]
fn a_repository_with_one_key_only_is_a_warning_of_status() {
    let world = with_passphrase();
    let status = world.ok(&["status", "--password-file", "secret.txt"]);
    assert!(status.stderr.contains("only one key"), "{status:#?}");
}

#[test]
fn a_passphrase_is_asked_for_without_being_shown() {
    let world = World::with_files();
    let (ran, echoed) = at_terminal(
        &world,
        &["init", "--ask-passphrase"],
        &[("new passphrase: ", "horsf\u{7f}e\r"), ("the same again: ", "horse\r")],
    );
    assert_eq!(ran.code, 0, "{ran:#?}");
    assert!(!echoed.contains("hors") && !ran.all().contains("hors"), "{echoed:?} {ran:#?}");
    let (ran, echoed) = at_terminal(
        &world,
        &["snapshots"],
        &[("passphrase or recovery code", "house\r"), ("passphrase or recovery code", "horse\r")],
    );
    assert_eq!(ran.code, 0, "{ran:#?}");
    assert!(!echoed.contains("hors") && !echoed.contains("house"), "{echoed:?}");
}

#[test]
fn two_different_passphrases_and_ctrl_c_create_nothing() {
    let world = World::new();
    let (ran, _) = at_terminal(
        &world,
        &["init", "--ask-passphrase"],
        &[("new passphrase: ", "one\r"), ("the same again: ", "two\r")],
    );
    assert_eq!(ran.code, 1, "{ran:#?}");
    assert!(ran.stderr.contains("error[MS-1207]"), "{ran:#?}");
    let (ran, _) = at_terminal(&world, &["init", "--ask-passphrase"], &[("new passphrase: ", "on\u{3}")]);
    assert_eq!(ran.code, 130, "{ran:#?}");
    assert!(!world.repository().exists());
}

#[test]
fn each_kit_gets_a_file_of_its_own_and_no_file_is_replaced() {
    let world = World::new();
    world.ok(&["init"]);
    let first = world.document(&["key", "export-kit"])["recovery_kit"].as_str().expect("a path").to_owned();
    let second = world.document(&["key", "export-kit"])["recovery_kit"].as_str().expect("a path").to_owned();
    assert_eq!(second, first.replace(".txt", "-2.txt"));
    world.ok(&["--password-file", &second, "snapshots"]);
    let ran = world.fails(&["key", "export-kit", &first], 17, "MS-1006");
    assert!(ran.stderr.contains("hint: name another file"), "{ran:#?}");
}

#[test]
fn a_repository_without_key_slots_says_so_and_blames_no_key_file() {
    let world = World::new();
    world.ok(&["init"]);
    for slot in crate::world::files(&world.repository().join("keys/slots")) {
        std::fs::remove_file(slot).expect("it is there");
    }
    let ran = world.fails(&["snapshots"], 12, "MS-1201");
    assert!(ran.stderr.contains("hint: the objects of keys/slots are missing"), "{ran:#?}");
}

#[test]
fn a_damaged_slot_keeps_nobody_from_the_others_and_can_be_removed() {
    let world = World::backed_up();
    world.write("new.txt", b"another passphrase\n");
    let added = world.document(&["key", "add", "--new-password-file", "new.txt", "--label", "laptop"]);
    let id = added["id"].as_str().expect("an id");
    let slot = world.repository().join("keys/slots").join(id);
    std::fs::set_permissions(&slot, std::fs::Permissions::from_mode(0o600)).expect("it is ours");
    std::fs::write(&slot, b"what a bad sector left").expect("a file");
    let listed = world.run(&["key", "list"]);
    assert!(listed.code == 3 && listed.stderr.contains("MS-1301"), "{listed:#?}");
    assert!(listed.stdout.contains("(in use)") && !listed.stdout.contains("laptop"), "{listed:#?}");
    assert!(listed.stderr.contains(id) && listed.stderr.contains("mainstay key remove ID"), "{listed:#?}");
    let told = world.ok(&["status"]);
    assert!(told.all().contains(id), "{told:#?}");
    for command in ["check", "verify", "doctor"] {
        let found = world.run(&[command]);
        assert!(found.code == 4 && found.all().contains(id), "{found:#?}");
    }
    let refused = world.fails(&["key", "rotate", "--remove-others"], 4, "MS-1301");
    assert!(refused.stderr.contains("mainstay key remove ID"), "{refused:#?}");
    let copy = world.absolute("copy");
    let created = world.ok(&["sync", "--to", &copy]);
    assert!(created.stderr.contains(id), "{created:#?}");
    world.ok(&["--repo", &copy, "verify"]);
    assert_eq!(world.document(&["key", "remove", &id[..8]])["id"], *id);
    world.ok(&["key", "list"]);
    world.ok(&["verify"]);
    world.ok(&["key", "rotate", "--remove-others"]);
}
