//! What is refused, chosen or told so that a slip of a person does no harm.

use std::os::unix::fs::PermissionsExt as _;

use rustix::fs::XattrFlags;

use crate::tree::is_root;
use crate::world::{World, run};

#[test]
fn an_empty_name_of_the_repository_is_not_the_default_one() {
    let world = World::with_files();
    for arguments in [&["backup", "docs"][..], &["init"], &["snapshots"]] {
        let ran = run(world.command(arguments).env("MAINSTAY_REPO", ""));
        ran.failed(2, "MS-1003");
    }
    assert!(!world.repository().exists());
    assert_eq!(run(world.command(&["help"]).env("MAINSTAY_REPO", "")).code, 0);
}

#[test]
fn a_restore_without_a_target_always_goes_into_a_new_directory() {
    let world = World::backed_up();
    let target = |arguments: &[&str]| {
        let lines = world.lines(&[&["restore"], arguments].concat());
        lines.last().expect("a summary")["target"].as_str().expect("a path").to_owned()
    };
    let first = target(&["latest"]);
    assert_eq!(target(&["latest", "--dry-run"]), format!("{first}-2"));
    assert_eq!(target(&["latest"]), format!("{first}-2"));
    let deep = format!("latest:{}", world.absolute("docs/deep"));
    assert_eq!(target(&[&deep]), format!("{first}-3"));
    assert_eq!(world.read(&format!("{first}-3/er/leaf")), b"leaf");
    // Whoever says what to do with files that exist means the directory that exists.
    assert_eq!(target(&["latest", "--overwrite", "if-changed"]), first);
}

#[test]
fn a_source_without_snapshots_is_an_error_that_names_those_there_are() {
    let world = World::backed_up();
    world.ok(&["backup", "docs", "--source", "mine"]);
    for arguments in [&["snapshots"][..], &["find", "*.md"], &["forget", "--keep-last", "1"], &["history", "docs"]] {
        let ran = world.fails(&[arguments, &["--source", "nothere"]].concat(), 1, "MS-1401");
        assert!(ran.stderr.contains("nothere") && ran.stderr.contains("mine"), "{ran:#?}");
    }
    let id = world.snapshots().remove(1);
    world.ok(&["forget", &id]);
    world.ok(&["snapshots", "--source", "mine"]);
}

#[test]
fn what_grants_rights_and_was_not_asked_for_is_told_in_the_plan_and_at_the_end() {
    let world = World::with_files();
    let program = world.write("docs/program", b"program");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o4755)).expect("it is ours");
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let has_capability =
        is_root() && rustix::fs::setxattr(&program, "security.capability", &capability, XattrFlags::empty()).is_ok();
    world.ok(&["backup", "docs"]);
    for (arguments, verb) in [(&["--dry-run"][..], "would leave out"), (&[], "left out")] {
        let ran = world.ok(&[&["restore", "latest"], arguments].concat());
        let note = format!("note: {verb} set-uid and set-gid bits of 1 file (--preserve set-id)");
        assert!(ran.stderr.contains(&note), "{ran:#?}");
        assert_eq!(ran.stderr.contains("security attributes of 1 entry (--preserve security)"), has_capability);
        let summary = world.lines(&[&["restore", "latest"], arguments].concat()).pop().expect("a summary");
        assert_eq!(summary["set_id_dropped"], 1);
        assert_eq!(summary["security_dropped"], u64::from(has_capability));
    }
    let ran = world.ok(&["restore", "latest", "--preserve", "set-id,security"]);
    assert!(!ran.stderr.contains("note:"), "{ran:#?}");
}

#[test]
fn a_mistyped_recovery_code_is_told_from_a_wrong_one() {
    let world = World::backed_up();
    let kit = std::fs::read_to_string(world.recovery_kit()).expect("the kit");
    let code = kit.split_whitespace().find(|word| word.starts_with("MSK1-")).expect("a code").to_owned();
    let last = code.chars().last().expect("a character");
    let changed = format!("{}{}", &code[..code.len() - 1], if last == '2' { '3' } else { '2' });
    let swapped = format!("{}{}{}", &code[..10], if &code[10..11] == "7" { "8" } else { "7" }, &code[11..]);
    let missing = code[..code.len() - 1].to_owned();
    let kit = kit.replace(&code, &changed);
    for text in [&changed, &swapped, &missing, &format!("{code}A"), &kit] {
        world.write("code", text.as_bytes());
        let ran = world.fails(&["snapshots", "--password-file", "code"], 12, "MS-1201");
        assert!(ran.stderr.contains("check digits do not match"), "{text}: {ran:#?}");
    }
    for text in ["a passphrase", &"x".repeat(60)] {
        world.write("code", text.as_bytes());
        let ran = world.fails(&["snapshots", "--password-file", "code"], 12, "MS-1201");
        assert!(!ran.stderr.contains("check digits"), "{ran:#?}");
    }
}

#[test]
fn the_plan_of_a_restore_that_overwrites_nothing_leaves_directories_alone() {
    let world = World::backed_up();
    let docs = format!("latest:{}", world.absolute("docs"));
    std::fs::remove_file(world.path("docs/notes.md")).expect("a file");
    let ran = world.ok(&["restore", &docs, "--target", "docs", "--overwrite", "never", "--dry-run"]);
    assert!(ran.stdout.contains("skip          deep\n"), "{ran:#?}");
    assert!(!ran.stdout.contains("update"), "{ran:#?}");
    assert!(ran.stdout.contains("create        notes.md\n"), "{ran:#?}");
}

#[test]
fn tags_are_separated_by_commas_and_forget_and_prune_have_a_short_dry_run() {
    let world = World::backed_up();
    world.ok(&["backup", "docs", "--tag", "a,b", "--tag", "c"]);
    assert_eq!(world.document(&["snapshots"])[1]["tags"], serde_json::json!(["a", "b", "c"]));
    assert!(world.ok(&["forget", "--keep-last", "1", "-n"]).stdout.contains("would forget 1 snapshot"));
    assert!(world.ok(&["prune", "-n"]).stdout.starts_with("would remove"));
}

#[test]
fn quiet_runs_that_change_the_repository_say_nothing_but_warnings_and_errors() {
    let world = World::with_files();
    let ran = world.ok(&["--quiet", "backup", "docs"]);
    assert_eq!(ran.all(), "");
    assert_eq!(world.snapshots().len(), 1);
    for arguments in [&["backup", "docs"][..], &["forget", "--keep-last", "1", "--prune"], &["prune"]] {
        assert_eq!(world.ok(&[&["--quiet"], arguments].concat()).all(), "");
    }
    assert_eq!(world.snapshots().len(), 1);
    let planned = world.ok(&["--quiet", "backup", "docs", "--dry-run"]);
    assert!(planned.stdout.starts_with("would back up"), "{planned:#?}");
    assert!(!world.run(&["--quiet", "backup", "absent"]).stderr.is_empty());
    assert!(world.lines(&["--quiet", "backup", "docs"]).iter().any(|line| line["message_type"] == "summary"));
}
