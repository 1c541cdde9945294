//! Archives that `export` writes, read by programs that know nothing of Mainstay.

use std::os::unix::fs::MetadataExt as _;
use std::process::Command;

use crate::world::{World, noise};

/// Unpacks with the system's tar, with everything that it knows.
fn unpack(world: &World, archive: &str, target: &str) {
    std::fs::create_dir(world.path(target)).expect("a directory");
    let mut tar = Command::new("tar");
    tar.args(["--xattrs", "--xattrs-include=*", "--acls", "-xpf", archive, "-C", target]).current_dir(world.home());
    let output = tar.output().expect("tar is there");
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

/// A home with what archives are bad at.
fn with_oddities() -> World {
    let world = World::with_files();
    let long = format!("docs/{}/{}", "d".repeat(120), "f".repeat(200));
    world.write(&long, b"long");
    world.write("docs/ünïcode", b"name");
    std::os::unix::fs::symlink("notes.md", world.path("docs/link")).expect("a link");
    std::fs::hard_link(world.path("docs/large"), world.path("docs/second name")).expect("a link");
    let sparse = std::fs::File::create(world.path("docs/sparse")).expect("a file");
    let write = |bytes: &[u8], at| std::os::unix::fs::FileExt::write_all_at(&sparse, bytes, at).expect("room");
    write(&noise(70_000), 1 << 20);
    write(b"end", 9 << 20);
    sparse.set_len(20 << 20).expect("a hole");
    world.settle();
    world.ok(&["backup", "docs"]);
    world
}

#[test]
fn the_systems_tar_unpacks_what_was_exported() {
    let world = with_oddities();
    let docs = format!("latest:{}", world.absolute("docs"));
    let said = world.ok(&["export", &docs, "docs.tar"]).stdout;
    assert!(said.contains("exported ") && said.contains(" to docs.tar"), "{said}");
    unpack(&world, "docs.tar", "out");
    for path in crate::world::files(&world.path("docs")) {
        let name = path.strip_prefix(world.path("docs")).expect("beneath");
        let (restored, was) = (world.path("out").join(name), path.symlink_metadata().expect("a file"));
        let is = restored.symlink_metadata().unwrap_or_else(|error| panic!("{}: {error}", restored.display()));
        assert_eq!(std::fs::read(&restored).ok(), std::fs::read(&path).ok(), "{}", restored.display());
        assert_eq!(
            (is.mode(), is.mtime(), is.mtime_nsec()),
            (was.mode(), was.mtime(), was.mtime_nsec()),
            "{restored:?}"
        );
    }
    let inode = |name: &str| world.path(name).metadata().expect("a file").ino();
    assert_eq!(inode("out/large"), inode("out/second name"));
    let sparse = world.path("out/sparse").metadata().expect("a file");
    assert!(sparse.blocks() * 512 < 1 << 20, "its holes are holes: {}", sparse.blocks());
    assert_eq!(std::fs::read_link(world.path("out/link")).expect("a link").to_str(), Some("notes.md"));
}

#[test]
fn a_compressed_archive_goes_through_a_pipe() {
    let world = with_oddities();
    let script = format!(
        "{} export latest:{} - --format tar.zst | zstd -dc | tar -tf - | grep deep",
        crate::world::BINARY,
        world.absolute("docs")
    );
    let output = crate::world::run(world.command_of("bash".as_ref(), &["-c", &script]).env("HOME", world.home()));
    assert_eq!(output.stdout, "deep/\ndeep/er/\ndeep/er/leaf\n", "{output:#?}");
    let by_name = world.ok(&["export", "latest", "all.tar.zst", "--json"]);
    let summary = by_name.lines().pop().expect("a summary");
    assert!(summary["entries"].as_u64() > Some(8) && summary["left_out"] == 0, "{summary}");
    let magic = [0x28, 0xb5, 0x2f, 0xfd];
    assert_eq!(world.read("all.tar.zst")[..4], magic);
}

#[test]
fn an_archive_never_replaces_a_file_and_is_whole_or_not_there() {
    let world = World::backed_up();
    world.write("taken.tar", b"mine");
    world.fails(&["export", "latest", "taken.tar"], 17, "MS-1006");
    assert_eq!(world.read("taken.tar"), b"mine");
    world.fails(&["export", "latest:/nothing/there", "new.tar"], 1, "MS-1402");
    assert!(!world.path("new.tar").exists());
    for pack in crate::world::files(&world.repository().join("packs")) {
        std::fs::write(pack, b"damaged").expect("a file");
    }
    let failed = world.run(&["export", "latest", "new.tar"]);
    assert!(failed.code != 0 && !world.path("new.tar").exists(), "{failed:#?}");
    let refused = world.run(&["export", "latest", "-", "--json"]);
    assert!(refused.code == 2 && refused.stdout.contains("MS-1001"), "{refused:#?}");
}

#[test]
fn unzip_restores_what_was_exported_as_zip() {
    let world = with_oddities();
    let docs = format!("latest:{}", world.absolute("docs"));
    let said = world.ok(&["export", &docs, "docs.zip"]);
    assert!(said.stderr.contains("hard links: 2 entries are copies of each other"), "{said:#?}");
    assert_eq!(said.stderr.matches("warning").count(), 1, "{said:#?}");
    let mut unzip = Command::new("unzip");
    let output =
        unzip.args(["-q", "docs.zip", "-d", "out"]).current_dir(world.home()).output().expect("unzip is there");
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    for path in crate::world::files(&world.path("docs")) {
        let name = path.strip_prefix(world.path("docs")).expect("beneath");
        let (restored, was) = (world.path("out").join(name), path.symlink_metadata().expect("a file"));
        let is = restored.symlink_metadata().unwrap_or_else(|error| panic!("{}: {error}", restored.display()));
        assert_eq!(std::fs::read(&restored).ok(), std::fs::read(&path).ok(), "{}", restored.display());
        assert_eq!(is.mode(), was.mode(), "{restored:?}");
        assert!(is.file_type().is_symlink() || is.mtime() == was.mtime(), "{restored:?}");
    }
    assert_eq!(std::fs::read_link(world.path("out/link")).expect("a link").to_str(), Some("notes.md"));
}

#[test]
fn a_zip_archive_goes_through_a_pipe_and_one_with_less_than_all_ends_with_3() {
    let world = World::with_files();
    let made = Command::new("mkfifo").arg(world.path("docs/fifo")).status().expect("mkfifo is there");
    assert!(made.success());
    world.settle();
    world.ok(&["backup", "docs"]);
    let script = format!(
        "{} export latest:{} - --format zip > docs.zip; echo $?; unzip -tq docs.zip",
        crate::world::BINARY,
        world.absolute("docs")
    );
    let output = crate::world::run(world.command_of("bash".as_ref(), &["-c", &script]).env("HOME", world.home()));
    assert!(output.stdout.starts_with("3\n") && output.stdout.contains("No errors detected"), "{output:#?}");
    assert!(output.stderr.contains("no form for devices, FIFOs and sockets"), "{output:#?}");
}
