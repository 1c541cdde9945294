//! Repositories that are no directory: a bucket, a file, a place on a server.
//!
//! Owns the life of a repository in each: created, backed up to, looked into, pruned, copied, damaged, restored from.

mod ceph;
mod postgres;
#[cfg(feature = "opendal")]
mod swift;
mod webdav;

use crate::servers::{S3, assert_restores};
use crate::world::World;

/// A home with files that are older than their backup.
fn world() -> World {
    let world = World::with_files();
    world.settle();
    world
}

/// Two backups of which the first is forgotten and pruned; a copy in a directory, one beside it, and a restore of each.
pub fn live(world: &World, repository: &str) {
    let at = |arguments: &[&str]| world.ok(&[&["--repo", repository], arguments].concat()).all();
    let said = at(&["init"]);
    assert!(said.contains("created repository") && said.contains(repository), "{said}");
    at(&["backup", "docs"]);
    world.write("docs/notes.md", b"second line\n");
    world.write("docs/more/leaf", &crate::world::noise(1 << 20));
    world.settle();
    at(&["backup", "docs"]);
    assert!(at(&["verify"]).contains("sound") && at(&["check"]).contains("sound"));
    assert_restores(world, repository, "out");
    at(&["forget", "--keep-last", "1"]);
    at(&["prune"]);
    assert!(at(&["verify"]).contains("sound"));
    let copy = world.absolute("copy");
    at(&["sync", "--to", &copy]);
    assert_restores(world, &copy, "out-of-copy");
    world.write("docs/notes.md", b"third line\n");
    world.settle();
    world.ok(&["--repo", &copy, "backup", "docs"]);
    at(&["sync", "--from", &copy]);
    assert_restores(world, repository, "out-of-both");
    for command in ["status", "snapshots", "stats"] {
        at(&[command]);
    }
    let checkup = world.run(&["--repo", repository, "doctor"]);
    assert!(checkup.stdout.contains("0 failures") && !checkup.stdout.contains("no space"), "{checkup:#?}");
}

#[test]
fn a_bucket_holds_a_repository_as_a_directory_does() {
    let world = world();
    let server = S3::with_bucket(&world, "backups");
    let repository = server.repository("backups/db-1");
    live(&world, &repository);
    assert!(server.objects("backups").iter().all(|name| name.starts_with("db-1/")), "{:?}", server.objects("backups"));
}

#[test]
fn two_repositories_live_in_one_bucket_and_know_nothing_of_each_other() {
    let world = world();
    let server = S3::with_bucket(&world, "backups");
    let (one, two) = (server.repository("backups/a"), server.repository("backups/ab"));
    for repository in [&one, &two] {
        world.ok(&["--repo", repository, "init"]);
        world.ok(&["--repo", repository, "backup", "docs"]);
    }
    world.fails(&["--repo", &server.repository("backups"), "init"], 16, "MS-1102");
    for repository in [&one, &two] {
        assert!(world.ok(&["--repo", repository, "verify"]).stdout.contains("sound"));
    }
}

#[test]
fn damage_in_a_bucket_is_named_and_brought_back_from_a_copy() {
    let world = world();
    let server = S3::with_bucket(&world, "backups");
    let repository = server.repository("backups/db-1");
    world.ok(&["--repo", &repository, "init"]);
    world.ok(&["--repo", &repository, "backup", "docs"]);
    let copy = world.absolute("copy");
    world.ok(&["--repo", &repository, "sync", "--to", &copy]);
    let packs: Vec<String> = server.objects("backups").into_iter().filter(|name| name.contains("/packs/")).collect();
    for pack in &packs {
        server.delete("backups", pack);
    }
    let found = world.run(&["--repo", &repository, "verify"]);
    assert!(found.code != 0 && found.all().contains("packs/"), "{found:#?}");
    world.ok(&["--repo", &repository, "sync", "--from", &copy]);
    assert!(world.ok(&["--repo", &repository, "verify"]).stdout.contains("sound"));
    assert_restores(&world, &repository, "out");
}

#[test]
fn what_is_wrong_with_a_bucket_is_told_as_it_is() {
    let world = World::with_files();
    let server = S3::with_bucket(&world, "backups");
    world.fails(&["--repo", &server.repository("backups/nothing"), "snapshots"], 10, "MS-1101");
    let no_bucket = world.run(&["--repo", &server.repository("no-such-bucket/x"), "snapshots"]);
    assert!(no_bucket.code != 0 && no_bucket.stderr.contains("no such bucket"), "{no_bucket:#?}");
    let secret = world.run(&["--repo", "s3://key:secret@backups/x", "snapshots"]);
    assert!(secret.stderr.contains("credentials do not belong into an address"), "{secret:#?}");
}

#[test]
fn one_file_holds_a_repository_as_a_directory_does() {
    let world = world();
    std::fs::create_dir(world.path("stick")).expect("a directory");
    live(&world, &format!("sqlite://{}", world.absolute("stick/backup.db")));
    let left: Vec<_> = crate::world::files(&world.path("stick"));
    assert!(left.iter().all(|path| path.to_string_lossy().contains("backup.db")), "{left:?}");
}

#[test]
fn a_file_that_holds_the_repository_is_neither_stored_in_itself_nor_written_over() {
    let world = world();
    let repository = format!("sqlite://{}", world.absolute("docs/backup.db"));
    world.ok(&["--repo", &repository, "init"]);
    world.ok(&["--repo", &repository, "backup", "docs"]);
    let listed = world.ok(&["--repo", &repository, "ls", "-R", "latest"]).stdout;
    assert!(listed.contains("notes.md") && !listed.contains("backup.db"), "{listed}");
    let itself = world.absolute("docs/backup.db");
    world.fails(&["--repo", &repository, "backup", &itself], 2, "MS-1002");
    world.write("docs/notes.md", b"changed");
    let inode = |name: &str| std::os::unix::fs::MetadataExt::ino(&world.path(name).metadata().expect("a file"));
    let journal = inode("docs/backup.db-journal");
    let (from, rules) = (format!("latest:{}", world.absolute("docs")), ["--overwrite", "if-changed", "--delete"]);
    let restored = world.run(&[&["--repo", &repository, "restore", &from, "--target", "docs"], &rules[..]].concat());
    assert!(restored.code == 3 && restored.stderr.contains("backup.db: the repository lies in it"), "{restored:#?}");
    assert_eq!(inode("docs/backup.db-journal"), journal, "{restored:#?}");
    assert_eq!(world.read("docs/notes.md"), b"first line\n");
    assert!(world.ok(&["--repo", &repository, "verify"]).stdout.contains("sound"));
}

#[test]
fn damage_in_a_file_is_found_and_nothing_wrong_is_restored() {
    let world = world();
    let repository = format!("sqlite://{}", world.absolute("backup.db"));
    world.ok(&["--repo", &repository, "init"]);
    world.ok(&["--repo", &repository, "backup", "docs"]);
    let mut bytes = world.read("backup.db");
    // Pages of parts: the middle of what was backed up.
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4096].fill(0x55);
    world.write("backup.db", &bytes);
    let found = world.run(&["--repo", &repository, "verify"]);
    assert!(found.code != 0, "{found:#?}");
    let restored = world.run(&["--repo", &repository, "restore", "latest", "--target", "out"]);
    assert!(restored.code != 0, "{restored:#?}");
    for path in crate::world::files(&world.path("out")) {
        let name = path.strip_prefix(world.path("out")).expect("beneath").to_str().expect("plain").to_owned();
        let is_whole = std::fs::read(&path).ok() == std::fs::read(format!("/{name}")).ok();
        assert!(is_whole || restored.stderr.contains(&name), "{name}: {restored:#?}");
    }
}

/// Validates a place; answers what was said, with nothing left behind.
pub fn validate(world: &World, place: &str) -> String {
    let ran = world.run(&["store", "validate", place, "--size", "1MiB"]);
    assert_eq!(ran.code, 0, "{ran:#?}");
    assert!(ran.stdout.contains("fit for a repository") && !ran.stdout.contains("BROKEN"), "{}", ran.stdout);
    ran.stdout
}

#[test]
fn a_light_s3_server_keeps_every_promise_with_conditions_and_without() {
    let world = World::new();
    let server = S3::with_bucket(&world, "backups");
    let said = validate(&world, &server.repository("backups/x"));
    assert!(said.contains("yes     conditional-creation"), "{said}");
    // The name is looked for before it is written: of two who do so at once both may win.
    validate(&world, &format!("{}&conditions=off", server.repository("backups/x")));
    assert_eq!(server.objects("backups"), Vec::<String>::new());
}

#[test]
fn a_file_keeps_every_promise() {
    let world = World::new();
    let said = validate(&world, &format!("sqlite://{}", world.absolute("backup.db")));
    assert!(said.contains("yes     conditional-creation"), "{said}");
    assert_eq!(crate::world::files(world.home()), Vec::<std::path::PathBuf>::new());
}

#[test]
fn packs_go_into_the_storage_class_that_a_command_names_and_nothing_else_does() {
    let world = World::backed_up();
    world.write("site/page", &crate::world::noise(100_000));
    let tarred = std::process::Command::new("tar").args(["-cf", "site.tar", "site"]).current_dir(world.home()).status();
    assert!(tarred.expect("tar is there").success());
    let server = S3::with_bucket(&world, "cool");
    let at = |name: &str| server.repository(&format!("cool/{name}"));
    let (first, synced, copied) = (at("first"), at("synced"), at("copied"));
    let class = ["--storage-class", "STANDARD_IA"];
    let run = |words: &[&str]| world.ok(&[words, &class].concat());
    for place in [&first, &copied] {
        world.write("own.txt", b"a passphrase for this one");
        world.ok(&["--repo", place, "--password-file", "own.txt", "init"]);
    }
    let own = ["--repo", first.as_str(), "--password-file", "own.txt"];
    run(&[&own[..], &["backup", "docs"]].concat());
    run(&[&own[..], &["import", "tar", "site.tar"]].concat());
    run(&[&own[..], &["sync", "--to", &synced]].concat());
    run(&["copy", "--to", &copied, "--to-password-file", "own.txt"]);
    run(&["archive", "create", "latest", "--to", &at("archives")]);
    for name in ["first", "synced", "copied"] {
        assert_eq!(server.classes("cool", &format!("{name}/packs/")), ["STANDARD_IA"], "{name}");
        assert_eq!(server.classes("cool", &format!("{name}/snapshots/")), ["STANDARD"], "{name}");
    }
    assert_eq!(server.classes("cool", "archives/").len(), 2);
    world.ok(&["--repo", &first, "--password-file", "own.txt", "verify"]);
    let refused = world.fails(&["backup", "docs", "--storage-class", "STANDARD_IA"], 2, "MS-1001");
    assert!(refused.stderr.contains("a directory has none"), "{refused:#?}");
    world.fails(&["copy", "--to", "gs://bucket/place", "--storage-class", "STANDARD_IA"], 2, "MS-1001");
}
