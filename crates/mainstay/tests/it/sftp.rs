//! Repositories on another machine, by SFTP to a real OpenSSH server.
//!
//! Owns the life of a repository there, the server's death in the middle of a backup, and what is told of keys that do not fit.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Stdio;

use crate::servers::{Sshd, assert_restores};
use crate::stores::{live, validate};
use crate::world::{World, files, noise};

/// A server that the user of a world may enter, and whose key is known there.
fn server(world: &World) -> Sshd {
    let server = Sshd::start(&world.path("server")).expect("sshd of the package openssh-server");
    server.befriend(world.home()).expect("files of the home");
    server
}

fn packs(world: &World) -> Vec<PathBuf> {
    files(&world.path("far")).into_iter().filter(|path| path.to_string_lossy().contains("/packs/")).collect()
}

#[test]
fn a_directory_of_another_machine_holds_a_repository_as_one_here_does() {
    let world = World::with_files();
    world.settle();
    let server = server(&world);
    live(&world, &server.address(&world.path("far/db-1")));
    let staged = world.path("far/db-1/tmp");
    assert_eq!(fs::read_dir(staged).expect("the staging folder").count(), 0);
}

#[test]
fn damage_on_another_machine_is_named_and_brought_back_from_a_copy() {
    let world = World::with_files();
    world.settle();
    let server = server(&world);
    let repository = server.address(&world.path("far"));
    world.ok(&["--repo", &repository, "init"]);
    world.ok(&["--repo", &repository, "backup", "docs"]);
    let copy = world.absolute("copy");
    world.ok(&["--repo", &repository, "sync", "--to", &copy]);
    let packs = packs(&world);
    assert!(!packs.is_empty());
    for (number, pack) in packs.iter().enumerate() {
        let mut bytes = fs::read(pack).expect("a pack");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        bytes.truncate(bytes.len() - number % 2);
        fs::write(pack, bytes).expect("a pack");
    }
    let found = world.run(&["--repo", &repository, "verify"]);
    assert!(found.code != 0 && found.all().contains("packs/"), "{found:#?}");
    let restored = world.run(&["--repo", &repository, "restore", "latest", "--target", "damaged"]);
    assert!(restored.code != 0, "{restored:#?}");
    world.run(&["--repo", &repository, "repair", "--from", &copy]);
    assert!(world.ok(&["--repo", &repository, "verify"]).stdout.contains("sound"));
    assert_restores(&world, &repository, "out");
}

#[test]
fn a_server_that_dies_in_the_middle_of_a_backup_ends_it_and_the_next_one_succeeds() {
    let world = World::with_files();
    let server = server(&world);
    let repository = server.address(&world.path("far"));
    world.ok(&["--repo", &repository, "init"]);
    let mut command = world.command(&["--repo", &repository, "backup", "--stdin-name", "dump"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut backup = command.spawn().expect("the binary starts");
    let mut input = backup.stdin.take().expect("it was asked for");
    let content = noise(64 << 20);
    input.write_all(&content[..48 << 20]).expect("it reads");
    while packs(&world).is_empty() {
        assert!(backup.try_wait().expect("a process").is_none(), "the backup ended");
        std::thread::yield_now();
    }
    server.cut(true);
    // It may end before it has read everything.
    let _ = input.write_all(&content[48 << 20..]);
    drop(input);
    let ended = backup.wait_with_output().expect("it ends");
    let told = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(13), "{told}");
    assert!(told.contains("MS-1105"), "{told}");
    world.fails(&["--repo", &repository, "snapshots"], 13, "MS-1105");
    server.restart();
    let listed = world.document(&["--repo", &repository, "snapshots"]);
    assert!(!listed.to_string().contains("dump"), "{listed}");
    world.ok(&["--repo", &repository, "backup", "docs"]);
    assert!(world.ok(&["--repo", &repository, "verify"]).stdout.contains("sound"));
    assert_restores(&world, &repository, "out");
}

#[test]
fn connections_that_break_on_the_way_do_not_end_a_backup() {
    let world = World::new();
    world.write("docs/large", &noise(48 << 20));
    world.settle();
    let server = server(&world);
    let repository = server.address(&world.path("far"));
    world.ok(&["--repo", &repository, "init"]);
    let mut command = world.command(&["--repo", &repository, "backup", "docs"]);
    let mut backup = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the binary starts");
    while packs(&world).is_empty() && backup.try_wait().expect("a process").is_none() {
        std::thread::yield_now();
    }
    server.cut(false);
    let ended = backup.wait_with_output().expect("it ends");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    assert!(world.ok(&["--repo", &repository, "verify"]).stdout.contains("sound"));
    assert_restores(&world, &repository, "out");
}

#[test]
fn a_server_that_is_not_known_or_does_not_know_us_is_told_with_what_to_do() {
    let world = World::with_files();
    let server = server(&world);
    let repository = server.address(&world.path("far"));
    let at = ["--repo", &repository, "init"];
    world.write(".ssh/known_hosts", b"");
    let unknown = world.fails(&at, 13, "MS-1112");
    assert!(unknown.stderr.contains("SHA256:") && unknown.stderr.contains("ssh-keyscan -p"), "{unknown:#?}");
    let other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
    world.write(".ssh/known_hosts", format!("[127.0.0.1]:{} {other}\n", server.port()).as_bytes());
    let changed = world.fails(&at, 13, "MS-1112");
    assert!(changed.stderr.contains("HAS CHANGED") && changed.stderr.contains("ssh-keygen -R"), "{changed:#?}");
    server.befriend(world.home()).expect("files of the home");
    fs::remove_file(world.path(".ssh/id_ed25519")).expect("a key");
    let denied = world.fails(&at, 13, "MS-1106");
    assert!(denied.stderr.contains("there is no agent and no key"), "{denied:#?}");
    assert!(!world.path("far").exists());
    let secret = world.run(&["--repo", "sftp://ann:secret@host/x", "init"]);
    assert!(secret.stderr.contains("credentials do not belong into an address"), "{secret:#?}");
}

#[test]
fn what_is_no_repository_there_is_told_as_it_is() {
    let world = World::with_files();
    let server = server(&world);
    world.fails(&["--repo", &server.address(&world.path("nothing")), "snapshots"], 10, "MS-1101");
    world.fails(&["--repo", &server.address(&world.path("docs")), "init"], 16, "MS-1102");
    world.fails(&["--repo", &server.address(&world.path("docs/notes.md/x")), "init"], 13, "MS-1105");
}

#[test]
fn a_directory_of_another_machine_keeps_every_promise_and_nothing_is_left_behind() {
    let world = World::new();
    let server = server(&world);
    fs::create_dir(world.path("far")).expect("a directory");
    let said = validate(&world, &server.address(&world.path("far")));
    assert!(said.contains("yes     conditional-creation") && !said.contains("\nnote "), "{said}");
    assert_eq!(fs::read_dir(world.path("far")).expect("a directory").count(), 0);
}
