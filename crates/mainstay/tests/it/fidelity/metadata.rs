//! Modes, owners, times and attributes.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, lchown, symlink};
use std::path::Path;
use std::sync::Arc;

use mainstay_jobs::backup::{BackupOptions, BackupRun, Input, Mode, Requested, backup};
use mainstay_jobs::{Cancel, Clock, NoProgress};
use mainstay_repo::{Liveness, LocalStore, RecoveryCode, Repository, Secret, Sharing};
use mainstay_sources::files::{FileOptions, FileSource, Owners};
use rustix::fs::XattrFlags;

use super::{assert_kept, round_trip, world};
use crate::tree::{assert_same, attributes, is_root, set_time};
use crate::world::World;

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("it is ours");
}

fn mode(path: &Path) -> u32 {
    path.symlink_metadata().expect("it is there").mode() & 0o7777
}

#[test]
fn fidelity_keeps_modes() {
    let world = world();
    // Only root can read what even its owner may not.
    let readable = if is_root() { 0 } else { 0o400 };
    for bits in (0..0o1000).chain([0o1644, 0o1777]) {
        set_mode(&world.write(&format!("docs/files/{bits:04o}"), b"content"), bits | readable);
    }
    for bits in [0o700, 0o755, 0o555, 0o1777, 0o2755, 0o3777, 0o500] {
        world.write(&format!("docs/directories/{bits:04o}/file"), b"content");
        set_mode(&world.path(&format!("docs/directories/{bits:04o}")), bits);
    }
    assert_kept(&world, &[]);
    // So that a user who is not root can remove them again.
    for name in ["docs/directories", "restored/directories"] {
        for bits in ["0555", "0500"] {
            set_mode(&world.path(name).join(bits), 0o700);
        }
    }
}

#[test]
fn fidelity_keeps_set_id_when_asked() {
    let world = world();
    for bits in [0o4755, 0o2755, 0o6755] {
        set_mode(&world.write(&format!("docs/{bits:04o}"), b"program"), bits);
    }
    let restored = round_trip(&world, &[]);
    for bits in ["4755", "2755", "6755"] {
        assert_eq!(mode(&restored.join(bits)), 0o755, "{bits}");
    }
    let snapshot = format!("latest:{}", world.absolute("docs"));
    world.ok(&["restore", &snapshot, "--target", "asked", "--preserve", "set-id"]);
    assert_same(&world.path("asked"), &world.path("docs"));
    // Over files that have them, too: what was restored without them keeps none.
    world.ok(&["restore", &snapshot, "--target", "asked", "--overwrite", "always"]);
    assert_eq!(mode(&world.path("asked/6755")), 0o755);
}

#[test]
fn fidelity_keeps_owners() {
    let world = world();
    let paths = [world.write("docs/file", b"content"), world.path("docs/link"), world.path("docs/directory")];
    symlink("file", &paths[1]).expect("a link");
    std::fs::create_dir(&paths[2]).expect("a directory");
    if is_root() {
        for (path, (user, group)) in paths.iter().zip([(12_345, 54_321), (12_346, 0), (0, 54_322)]) {
            lchown(path, Some(user), Some(group)).expect("root may");
        }
    }
    assert_kept(&world, &[]);
    let snapshot = format!("latest:{}", world.absolute("docs"));
    world.ok(&["restore", &snapshot, "--target", "own", "--preserve", "none"]);
    for path in ["own/file", "own/link", "own/directory"] {
        let metadata = world.path(path).symlink_metadata().expect("it was restored");
        assert_eq!(metadata.uid(), rustix::process::geteuid().as_raw(), "{path}");
    }
}

/// A clock that stands still.
struct Noon;

impl Clock for Noon {
    fn now(&self) -> i64 {
        1_800_000_000_000_000_000
    }
}

/// Backs `docs` up as a machine would on which users and groups have other numbers.
fn back_up_elsewhere(world: &World, owner_names: Owners) {
    let text = std::fs::read_to_string(world.key_file()).expect("a key");
    let code = text.lines().find_map(RecoveryCode::parse).expect("a code");
    let liveness = Liveness {
        machine: b"elsewhere".to_vec(),
        boot: b"once".to_vec(),
        process: 1,
        process_start: Arc::new(|_| Some(1)),
        now: std::sync::Arc::new(|| 0),
    };
    let store = Arc::new(LocalStore::new(world.repository()));
    let repository = Repository::open(store, &Secret::Code(code), liveness).expect("the key opens it");
    let source = FileSource::new(&[world.path("docs")], &FileOptions::everything()).expect("it is there");
    let options = BackupOptions {
        source: "elsewhere".to_owned(),
        host: "elsewhere".to_owned(),
        user: "root".to_owned(),
        paths: source.roots(),
        tags: Vec::new(),
        requested: Requested::Full,
        sharing: Sharing::Shared,
        mode: Mode::Store,
        program: "test".to_owned(),
        owner_names,
        copied: None,
    };
    let (repository, source, options) = (&repository, &source, &options);
    let run = BackupRun {
        repository,
        input: Input::Tree(source),
        options,
        clock: &Noon,
        progress: &NoProgress,
        cancel: &Cancel::default(),
        listed: &|_| {},
    };
    backup(&run).expect("a backup");
}

#[test]
fn fidelity_keeps_owner_names() {
    let world = world();
    world.ok(&["init"]);
    let file = world.write("docs/file", b"content");
    let here = Owners::load();
    // Someone who is on every Linux, with another number where the backup is made.
    let (user, group) = (here.user_name(65_534), here.group_name(65_534));
    let (user, group) = (user.expect("nobody is here"), group.expect("its group is here"));
    let (there_user, there_group) = if is_root() {
        chown(&file, Some(12_345), Some(54_321)).expect("root may");
        (12_345, 54_321)
    } else {
        let metadata = file.metadata().expect("it is there");
        (metadata.uid(), metadata.gid())
    };
    let names = Owners::parse(
        format!("{user}:x:{there_user}:0::/:/bin/sh\n").as_bytes(),
        format!("{group}:x:{there_group}:\n").as_bytes(),
    );
    back_up_elsewhere(&world, names);
    let snapshot = format!("latest:{}", world.absolute("docs"));
    world.ok(&["restore", &snapshot, "--target", "restored"]);
    let metadata = world.path("restored/file").metadata().expect("it was restored");
    let wanted = if is_root() { (65_534, 65_534) } else { (there_user, there_group) };
    assert_eq!((metadata.uid(), metadata.gid()), wanted);
}

#[test]
fn fidelity_keeps_modification_times_to_the_nanosecond() {
    let world = world();
    // Before 1970 and after 2038 too.
    let times =
        [(0, 0), (1, 1), (1_700_000_000, 999_999_999), (-1, 123_456_789), (-1_000_000_000, 1), (5_000_000_000, 7)];
    for (number, (seconds, nanoseconds)) in times.into_iter().enumerate() {
        let file = world.write(&format!("docs/file {number}"), b"content");
        let large = world.write(&format!("docs/large {number}"), &vec![7; 3 << 20]);
        let link = world.path(&format!("docs/link {number}"));
        symlink("nowhere", &link).expect("a link");
        for path in [file, large, link] {
            set_time(&path, seconds, nanoseconds);
        }
    }
    assert_kept(&world, &[]);
}

#[test]
fn fidelity_keeps_directory_times() {
    let world = world();
    for name in ["docs/one/two/three/leaf", "docs/one/beside", "docs/empty/x"] {
        world.write(name, b"content");
    }
    std::fs::remove_file(world.path("docs/empty/x")).expect("it is there");
    for (seconds, name) in (1_600_000_000..).zip(["docs/one/two/three", "docs/one/two", "docs/one", "docs/empty"]) {
        set_time(&world.path(name), seconds, 123_456_789);
    }
    // A directory that may not be written to is filled before that is so.
    set_mode(&world.path("docs/one/two"), 0o555);
    assert_kept(&world, &[]);
    // Filling it again changes its times, and they are set again.
    std::fs::remove_file(world.path("restored/one/beside")).expect("it is there");
    set_mode(&world.path("restored/one/two"), 0o755);
    let snapshot = format!("latest:{}", world.absolute("docs"));
    world.ok(&["restore", &snapshot, "--target", "restored", "--overwrite", "if-changed"]);
    assert_same(&world.path("restored"), &world.path("docs"));
    for name in ["docs", "restored"] {
        set_mode(&world.path(name).join("one/two"), 0o755);
    }
}

/// Sets an attribute; answers whether the file system takes such.
fn set(path: &Path, name: &str, value: &[u8]) -> bool {
    rustix::fs::lsetxattr(path, name, value, XattrFlags::empty()).is_ok()
}

#[test]
fn fidelity_keeps_extended_attributes() {
    let world = world();
    let paths = [world.write("docs/file", b"content"), world.write("docs/large", &vec![7; 3 << 20])];
    let directory = world.path("docs/directory");
    std::fs::create_dir(&directory).expect("a directory");
    let mut taken = 0;
    for path in paths.iter().chain([&directory]) {
        let values: [(&str, &[u8]); 4] =
            [("user.empty", b""), ("user.text", b"text"), ("user.binary", b"\0\xff\n"), ("user.long", &[0xa5; 1500])];
        taken += values.iter().filter(|(name, value)| set(path, name, value)).count();
    }
    assert!(taken == 12 || taken == 0, "the file system takes {taken} of 12 attributes");
    assert_kept(&world, &[]);
    // What was set since is taken back, and a changed value is found by the next backup.
    set(&world.path("restored/file"), "user.stray", b"stray");
    let snapshot = format!("latest:{}", world.absolute("docs"));
    world.ok(&["restore", &snapshot, "--target", "restored", "--overwrite", "always"]);
    assert_same(&world.path("restored"), &world.path("docs"));
    set(&paths[0], "user.text", b"other");
    set(&directory, "user.text", b"other");
    world.ok(&["backup", "docs"]);
    world.ok(&["restore", &snapshot, "--target", "later"]);
    assert_same(&world.path("later"), &world.path("docs"));
}

#[test]
fn fidelity_keeps_privileged_attributes_when_asked() {
    let world = world();
    let file = world.write("docs/file", b"content");
    // A capability to bind low ports: revision 2, effective, `CAP_NET_BIND_SERVICE` (Linux `capability.h`).
    let mut capability = 0x0200_0001_u32.to_le_bytes().to_vec();
    capability.extend_from_slice(&(1_u32 << 10).to_le_bytes());
    capability.extend_from_slice(&[0; 12]);
    // Only root can set these.
    set(&file, "security.capability", &capability);
    set(&file, "trusted.mainstay", b"trusted");
    set(&file, "user.plain", b"plain");
    let restored = round_trip(&world, &[]);
    let kept = attributes(&restored.join("file"));
    assert!(kept.iter().all(|(name, _)| name == b"user.plain"), "{kept:?}");
    let snapshot = format!("latest:{}", world.absolute("docs"));
    world.ok(&["restore", &snapshot, "--target", "asked", "--preserve", "security"]);
    assert_same(&world.path("asked"), &world.path("docs"));
}

/// An ACL: version 2, then tag, permissions and id of each entry, little-endian (Linux `posix_acl_xattr.h`).
fn acl(user: u32, permissions: u16) -> Vec<u8> {
    let none = u32::MAX;
    let mut bytes = 2_u32.to_le_bytes().to_vec();
    let entries =
        [(1_u16, 7_u16, none), (2, permissions, user), (4, 4, none), (8, 5, 33), (16, 7, none), (32, 0, none)];
    for (tag, permissions, id) in entries {
        bytes.extend_from_slice(&tag.to_le_bytes());
        bytes.extend_from_slice(&permissions.to_le_bytes());
        bytes.extend_from_slice(&id.to_le_bytes());
    }
    bytes
}

#[test]
fn fidelity_keeps_acls() {
    let world = world();
    let file = world.write("docs/file", b"content");
    let large = world.write("docs/directory/large", &vec![7; 3 << 20]);
    let plain = world.write("docs/directory/plain", b"content");
    let taken = [
        set(&file, "system.posix_acl_access", &acl(12_345, 6)),
        set(&large, "system.posix_acl_access", &acl(12_346, 4)),
        set(&world.path("docs/directory"), "system.posix_acl_access", &acl(12_345, 7)),
        // New entries inherit it, so the plain file, made before, shows that none is inherited by a restore.
        set(&world.path("docs/directory"), "system.posix_acl_default", &acl(12_347, 5)),
    ];
    assert!(taken == [true; 4] || taken == [false; 4], "the file system takes some ACLs only: {taken:?}");
    assert_eq!(attributes(&plain), []);
    assert_kept(&world, &[]);
}
