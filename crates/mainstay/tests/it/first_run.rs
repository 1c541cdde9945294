//! A new user in an empty home.

use std::os::unix::fs::PermissionsExt as _;

use crate::world::{World, noise};

#[test]
fn the_first_backup_creates_everything_and_says_what_to_do_next() {
    let world = World::with_files();
    let ran = world.ok(&["backup", "docs"]);
    assert!(ran.stdout.starts_with("snapshot "), "{ran:#?}");
    assert_eq!(ran.stdout.lines().count(), 1, "{ran:#?}");
    for part in ["created repository ", "key: ", "recovery kit: ", "print it", "next: mainstay restore "] {
        assert!(ran.stderr.contains(part), "no {part:?} in {ran:#?}");
    }
    assert!(world.repository().join("mainstay.json").exists());
}

#[test]
fn five_commands_lead_to_a_verified_restore() {
    let world = World::with_files();
    let ran = world.ok(&["backup", "docs"]);
    // The command that the first one proposes.
    let next = ran.stderr.lines().find_map(|line| line.strip_prefix("next: mainstay ")).expect("a next step");
    let words: Vec<&str> = next.split(' ').collect();
    let restored = world.ok(&words);
    assert!(restored.stdout.contains("3.00 MiB verified"), "{restored:#?}");
    let entries = std::fs::read_dir(world.home()).expect("the home").filter_map(Result::ok);
    let target = entries.map(|entry| entry.file_name()).find(|name| name.to_string_lossy().starts_with("restored-"));
    let target = target.expect("a new directory").into_string().expect("a plain name");
    let large = std::fs::read(world.restored(&target, "docs/large")).expect("the file is back");
    assert!(large == noise(3 << 20));
}

#[test]
fn keys_and_kit_are_for_their_owner_only() {
    let world = World::backed_up();
    let mode = |path: &std::path::Path| std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(&world.key_file()), 0o600);
    assert_eq!(mode(&world.recovery_kit()), 0o600);
    assert_eq!(mode(&world.path(".config/mainstay/keys")), 0o700);
    assert_eq!(mode(&world.path(".config/mainstay")), 0o700);
    assert_eq!(mode(&world.repository()), 0o700);
}

#[test]
fn the_kit_says_what_it_is_and_opens_the_repository_when_the_key_is_gone() {
    let world = World::backed_up();
    let kit = world.recovery_kit();
    let text = std::fs::read_to_string(&kit).expect("a text");
    let id = world.document(&["stats"])["repository"].as_str().expect("an id").to_owned();
    let repository = world.repository();
    let place = repository.to_str().expect("a plain path");
    for part in ["RECOVERY KIT", "Print this page", &id, place, "MSK1-", "--password-file kit.txt"] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    std::fs::remove_file(world.key_file()).expect("the key is there");
    world.fails(&["snapshots"], 12, "MS-1202");
    let kit = kit.to_str().expect("a plain path");
    assert!(world.ok(&["snapshots", "--password-file", kit]).stdout.contains("full"));
    // The code alone, typed in small letters and with spaces for dashes.
    let code = text.lines().find_map(|line| line.trim().strip_prefix("MSK1-")).expect("the code");
    world.write("typed.txt", format!("msk1 {}", code.to_lowercase().replace('-', " ")).as_bytes());
    world.ok(&["snapshots", "--password-file", "typed.txt"]);
}

#[test]
fn a_key_that_a_crash_left_without_its_name_is_found_and_named() {
    let world = World::backed_up();
    let key = world.key_file();
    let unfinished = key.with_file_name("unfinished-17-1a2b.key");
    std::fs::rename(&key, &unfinished).expect("the key is there");
    world.ok(&["snapshots"]);
    assert_eq!(world.key_file(), key);
}

#[test]
fn the_second_run_uses_what_the_first_one_created() {
    let world = World::backed_up();
    world.write("docs/notes.md", b"second line\n");
    let ran = world.ok(&["backup", "docs"]);
    assert!(ran.stdout.contains("#2 (incremental)"), "{ran:#?}");
    assert!(!ran.stderr.contains("created"), "{ran:#?}");
    assert_eq!(world.snapshots().len(), 2);
}

#[test]
fn a_dry_run_does_not_create_a_repository() {
    let world = World::with_files();
    world.fails(&["backup", "--dry-run", "docs"], 10, "MS-1101");
    assert!(!world.path(".local").exists() && !world.path(".config").exists());
}

#[test]
fn a_missing_source_creates_nothing() {
    let world = World::new();
    let ran = world.fails(&["backup", "nowhere"], 1, "MS-1501");
    assert!(ran.stderr.contains("nowhere"), "{ran:#?}");
    assert!(!world.path(".local").exists() && !world.path(".config").exists());
}

#[test]
fn the_xdg_directories_are_honoured() {
    let world = World::with_files();
    let mut command = world.command(&["backup", "docs"]);
    command.env("XDG_DATA_HOME", world.path("data")).env("XDG_CONFIG_HOME", world.path("config"));
    command.env("XDG_STATE_HOME", world.path("state"));
    let ran = crate::world::run(&mut command);
    assert_eq!(ran.code, 0, "{ran:#?}");
    assert!(world.path("data/mainstay/repository/mainstay.json").exists());
    assert!(world.path("config/mainstay/keys").exists());
    assert!(world.path("state/mainstay/seen").exists());
    assert!(!world.path(".local").exists() && !world.path(".config").exists());
}

#[test]
fn a_repository_elsewhere_is_named_by_flag_variable_or_address() {
    let world = World::with_files();
    world.ok(&["init", "--repo", "disk/backup"]);
    world.ok(&["backup", "docs", "--repo", "disk/backup"]);
    let address = format!("file://{}", world.absolute("disk/backup"));
    assert!(world.ok(&["--repo", &address, "snapshots"]).stdout.contains("#1"));
    let mut command = world.command(&["snapshots"]);
    let ran = crate::world::run(command.env("MAINSTAY_REPO", world.path("disk/backup")));
    assert!(ran.stdout.contains("#1"), "{ran:#?}");
    // The next steps name the repository that was named.
    let ran = world.ok(&["backup", "docs", "--repo", "disk/backup"]);
    assert!(ran.stderr.contains("next: mainstay restore --repo /"), "{ran:#?}");
    assert!(!world.repository().exists());
}
