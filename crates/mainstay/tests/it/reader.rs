//! `tools/reader.py` beside the binary: what one writes, the other restores byte for byte.
//!
//! The reader was written from `docs/format.md` alone, so it shows that the document says enough.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::tree::{assert_same, set_time};
use crate::world::{Ran, World, noise, os, run};

/// The checkout, above the crate.
fn checkout() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("crates/mainstay lies in it");
    root.to_owned()
}

/// A Python with what the reader and the servers of tests need: the one that is named, the system's, or one of our own.
pub fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        if let Some(named) = std::env::var_os("MAINSTAY_TEST_PYTHON").filter(|named| !named.is_empty()) {
            return named.into();
        }
        let own = checkout().join("target/venv/bin/python3");
        let found = [PathBuf::from("python3"), own.clone()].into_iter().find(|python| has_packages(python));
        found.unwrap_or_else(|| {
            make_venv(&checkout().join("target/venv"));
            own
        })
    })
}

fn has_packages(python: &Path) -> bool {
    let mut command = Command::new(python);
    command
        .args(["-c", "import cryptography, moto, swift, wsgidav, zstandard"])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Makes an environment beside its place and moves it there: tests in other processes do the same at the same time.
fn make_venv(path: &Path) {
    let packages = checkout().join("tools/requirements.txt");
    let parent = path.parent().expect("it is beneath the checkout");
    std::fs::create_dir_all(parent).expect("a directory");
    let fresh = tempfile::tempdir_in(parent).expect("a directory").keep();
    let venv = Command::new("python3").args(["-m", "venv"]).arg(&fresh).status();
    assert!(venv.is_ok_and(|status| status.success()), "make {}", fresh.display());
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"];
    let install = Command::new(fresh.join("bin/python3")).args(pip).arg(packages).status();
    assert!(install.is_ok_and(|status| status.success()), "install the packages of tests");
    if std::fs::rename(&fresh, path).is_err() {
        std::fs::remove_dir_all(&fresh).expect("it is ours");
        assert!(has_packages(&path.join("bin/python3")), "{} lacks packages: remove it", path.display());
    }
}

/// Runs the reader on the repository with the secret in a file.
fn reader(world: &World, secret: &str, arguments: &[&str]) -> Ran {
    reader_at(world, &world.repository(), secret, arguments)
}

/// The same on a repository elsewhere.
pub fn reader_at(world: &World, repository: &Path, secret: &str, arguments: &[&str]) -> Ran {
    let mut command = world.command_of(python(), &[]);
    command.arg("-B").arg(checkout().join("tools/reader.py"));
    command.arg("--repo").arg(repository).arg("--password-file").arg(world.path(secret)).args(arguments);
    run(&mut command)
}

/// Everything that content, names and metadata can be without privileges.
fn plant(world: &World) {
    let docs = world.path("docs");
    for number in 0..300 {
        world.write(&format!("docs/many/{number}"), format!("small file {number}\n").repeat(number % 40).as_bytes());
    }
    world.write("docs/large", &noise(5 << 20));
    world.write("docs/text", "a line that repeats\n".repeat(200_000).as_bytes());
    world.write("docs/pages.db", &noise(300_001));
    let odd = docs.join(os(b"odd \xff\n name"));
    std::fs::create_dir(&odd).expect("a directory");
    std::fs::write(odd.join(os(b"\xfe")), b"content").expect("a file");
    std::fs::hard_link(docs.join("large"), odd.join("linked")).expect("a link");
    std::os::unix::fs::symlink("nowhere", docs.join("dangling")).expect("a link");
    std::os::unix::fs::symlink(os(b"\xff"), odd.join("link")).expect("a link");
    set_time(&odd.join("link"), -5, 123_456_789);
    set_time(&docs.join("text"), 5_000_000_000, 999_999_999);
    sparse(&docs.join("sparse"));
    // More extents than stand in a node, so that they are in lists.
    let pieces = std::fs::File::create(docs.join("pieces")).expect("a file");
    for number in 0..700_u64 {
        let offset = number * (68 << 10);
        std::os::unix::fs::FileExt::write_all_at(&pieces, &number.to_le_bytes().repeat(512), offset).expect("room");
    }
    set_time(&docs, 1_600_000_000, 5);
}

fn sparse(path: &Path) {
    let file = std::fs::File::create(path).expect("a file");
    std::os::unix::fs::FileExt::write_all_at(&file, b"in the middle", 3 << 20).expect("room");
    file.set_len(9 << 20).expect("room");
}

/// Restores a snapshot by the reader and asserts that it is the tree.
fn assert_restores(world: &World, secret: &str, snapshot: &str, target: &str, wanted: &Path) {
    let ran = reader(world, secret, &["restore", snapshot, "--target", &world.absolute(target)]);
    assert_eq!(ran.code, 0, "{ran:#?}");
    assert_eq!(ran.stderr, "", "{ran:#?}");
    assert_same(&world.restored(target, "docs"), wanted);
}

/// The generated code alone, as a file for the reader.
fn write_code(world: &World) {
    let text = std::fs::read_to_string(world.key_file()).expect("a key");
    let code = text.lines().find(|line| !line.starts_with('#')).expect("a code");
    world.write("code", format!("{code}\n").as_bytes());
}

#[test]
fn the_reader_is_short_enough_to_be_read() {
    let text = std::fs::read_to_string(checkout().join("tools/reader.py")).expect("the reader");
    assert!(text.ends_with('\n') && text.lines().count() <= 400, "{} lines", text.lines().count());
}

#[test]
fn the_reader_restores_every_snapshot_byte_for_byte_with_the_recovery_code() {
    let world = World::new();
    plant(&world);
    world.ok(&["backup", "docs"]);
    write_code(&world);
    assert_restores(&world, "code", "latest", "by reader", &world.path("docs"));
    std::fs::rename(world.path("by reader"), world.path("first")).expect("a name");
    // A second snapshot refers to what the first one stored; both are there.
    world.write("docs/many/7", b"changed");
    std::fs::remove_file(world.path("docs/large")).expect("it is there");
    world.ok(&["backup", "docs"]);
    assert_restores(&world, "code", "latest", "second", &world.path("docs"));
    let first = world.snapshots().remove(0);
    assert_restores(&world, "code", &first, "again", &world.restored("first", "docs"));
}

#[test]
fn the_reader_opens_a_repository_with_its_passphrase_and_refuses_another() {
    let world = World::new();
    world.write("docs/notes.md", b"first line\n");
    world.write("passphrase", "correct horse, ein Pferd: \u{1f434}\n".as_bytes());
    world.write("wrong", b"battery staple\n");
    let secret = world.absolute("passphrase");
    world.ok(&["init", "--password-file", &secret]);
    world.ok(&["backup", "docs", "--password-file", &secret]);
    assert_restores(&world, "passphrase", "latest", "restored", &world.path("docs"));
    let refused = reader(&world, "wrong", &["list"]);
    assert_eq!(refused.code, 1, "{refused:#?}");
    assert!(refused.stderr.contains("no key slot opens"), "{refused:#?}");
}

#[test]
fn the_reader_lists_what_the_binary_lists_after_forgetting_and_pruning() {
    let world = World::with_files();
    for number in 0..3 {
        world.write("docs/large", &noise((3 << 20) + number));
        world.ok(&["backup", "docs"]);
    }
    write_code(&world);
    world.ok(&["forget", "--keep-last", "2"]);
    let listed = |world: &World| {
        let ran = reader(world, "code", &["list"]);
        assert_eq!(ran.code, 0, "{ran:#?}");
        let lines = ran.stdout.lines().filter(|line| !line.ends_with("forgotten"));
        lines.map(|line| line.split('\t').next().expect("an id").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(listed(&world), world.snapshots());
    world.ok(&["prune"]);
    assert_eq!(listed(&world), world.snapshots());
    assert_restores(&world, "code", "latest", "restored", &world.path("docs"));
}

#[test]
fn the_reader_restores_from_blocks_of_which_prune_has_taken_a_part_out() {
    let world = World::new();
    // Small files that do not compress, so that one block holds many of them.
    let bytes = noise(400 << 10);
    for (number, part) in bytes.chunks(4 << 10).enumerate() {
        world.write(&format!("docs/{}/{number:03}", number % 7), part);
    }
    world.ok(&["backup", "docs"]);
    write_code(&world);
    for number in (0..100).filter(|number| number % 3 > 0) {
        std::fs::remove_file(world.path(&format!("docs/{}/{number:03}", number % 7))).expect("it is there");
    }
    world.ok(&["backup", "docs"]);
    let size = || {
        crate::world::files(&world.repository().join("packs")).iter().map(|p| p.metadata().unwrap().len()).sum::<u64>()
    };
    let before = size();
    world.ok(&["forget", "--keep-last", "1", "--prune"]);
    assert!(size() < before / 2, "{} of {before} bytes are left, a third is needed", size());
    world.ok(&["verify"]);
    world.ok(&["check"]);
    world.ok(&["restore", "latest", "--target", "by us", "--verify"]);
    assert_restores(&world, "code", "latest", "by reader", &world.path("docs"));
}

#[test]
fn the_reader_names_damage_instead_of_restoring_it() {
    let world = World::backed_up();
    write_code(&world);
    let packs = crate::world::files(&world.repository().join("packs"));
    let largest = packs.iter().max_by_key(|path| path.metadata().map_or(0, |metadata| metadata.len()));
    let largest = largest.expect("there are packs");
    let mut bytes = std::fs::read(largest).expect("a pack");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(largest, bytes).expect("it is ours");
    let ran = reader(&world, "code", &["restore", "latest", "--target", &world.absolute("restored")]);
    assert_eq!(ran.code, 1, "{ran:#?}");
    assert!(ran.stderr.contains("seal does not match"), "{ran:#?}");
}

#[test]
fn the_reader_restores_what_a_writer_sealed_by_a_full_key_and_by_a_recipient() {
    let world = World::with_files();
    world.ok(&["init"]);
    world.ok(&["key", "create-writer", "agent.key"]);
    world.ok(&["key", "create-recipient", "safe"]);
    world.ok(&["key", "add-recipient", "safe.pub"]);
    world.ok(&["--password-file", "agent.key", "backup", "docs"]);
    assert_full_keys_restore(&world, "");
    // What was sealed before a rotation, what a writer seals to the old secrets after it, and a second rotation.
    world.ok(&["key", "rotate", "--take-along", "safe.key", "--remove-others"]);
    assert_full_keys_restore(&world, "-after-one");
    world.ok(&["--password-file", "agent.key", "backup", "docs"]);
    assert_full_keys_restore(&world, "-old-writer");
    world.ok(&["key", "rotate", "--take-along", "safe.key"]);
    world.ok(&["key", "create-writer", "new.key"]);
    world.ok(&["--password-file", "new.key", "backup", "docs"]);
    assert_full_keys_restore(&world, "-new-writer");
}

/// The reader restores the newest snapshot by the first key and by the recipient's private half.
fn assert_full_keys_restore(world: &World, when: &str) {
    for (file, prefix, secret) in
        [(world.key_file(), "MSK1", "full.txt"), (world.path("safe.key"), "MSR1", "private.txt")]
    {
        let text = std::fs::read_to_string(&file).expect("it is text");
        let code = text.lines().find(|line| line.starts_with(prefix)).expect("a code");
        world.write(secret, code.as_bytes());
        let target = format!("by-{secret}{when}");
        let ran = reader(world, secret, &["restore", "latest", "--target", &target]);
        assert_eq!(ran.code, 0, "{ran:#?}");
        assert_same(&world.path("docs"), &world.restored(&target, "docs"));
    }
}
