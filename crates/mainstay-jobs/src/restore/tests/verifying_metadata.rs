//! Metadata, links and kinds that are not as they were restored are found, each once, and nothing else is.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use mainstay_repo::{Node, SnapshotEntry};
use mainstay_sources::files::{Ownership, Preserve};
use rustix::fs::{CWD, FileType, Mode, XattrFlags};

use super::verifying::{restore_spoilt, restore_while, verifying};
use crate::Phase;
use crate::backup::Requested;
use crate::ground::{Ground, paths, set_time, write};
use crate::restore::{Overwrite, RestoreOptions};

const TIME: (i64, u32) = (1_700_000_000, 123_456_789);

/// One entry of each kind that any user can make, all of the same time.
fn ground() -> (Ground, SnapshotEntry) {
    let (ground, _) = Ground::in_memory();
    ground.write("directory/inner", b"inner");
    ground.write("file", b"file");
    let source = ground.source();
    symlink("nowhere", source.join("link")).unwrap();
    rustix::fs::mknodat(CWD, source.join("pipe"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    for name in ["directory/inner", "directory", "file", "link", "pipe"] {
        set_time(&source.join(name), TIME);
    }
    let entry = ground.back_up(Requested::Full).entry.unwrap();
    (ground, entry)
}

/// Restores, spoils one entry, and asserts that it and nothing else is named, with this.
#[track_caller]
fn assert_found(name: &str, expected: &str, spoil: impl Fn(&Path) + Send + Sync) {
    let (ground, entry) = ground();
    let report = restore_spoilt(&ground, &entry, &verifying(), |target| {
        let directory = target.join("directory").metadata().unwrap();
        spoil(&target.join(name));
        if name.starts_with("directory/") {
            set_time(&target.join("directory"), (directory.mtime(), directory.mtime_nsec() as u32));
        }
    });
    assert_eq!((paths(&report.warnings), report.warning_count), (vec![name], 1), "{:?}", report.warnings);
    let message = &report.warnings[0].message;
    assert!(message.contains(expected), "{message}");
}

#[test]
fn a_restore_that_nobody_spoils_has_no_difference() {
    let (ground, entry) = ground();
    assert_eq!(restore_spoilt(&ground, &entry, &verifying(), |_| {}).warnings, []);
}

#[test]
fn another_mode_is_found() {
    let set = |path: &Path| std::fs::set_permissions(path, Permissions::from_mode(0o711)).unwrap();
    for name in ["file", "directory", "directory/inner", "pipe"] {
        assert_found(name, "expected mode 0", set);
        assert_found(name, ", got 0711", set);
    }
}

#[test]
fn a_time_that_is_a_nanosecond_off_is_found() {
    let expected = "expected modification time 1700000000.123456789, got 1700000000.123456790";
    for name in ["file", "directory", "directory/inner", "link", "pipe"] {
        assert_found(name, expected, |path| set_time(path, (TIME.0, TIME.1 + 1)));
    }
}

#[test]
fn a_link_to_elsewhere_is_found() {
    assert_found("link", "expected a link to nowhere, got one to elsewhere", |path| {
        std::fs::remove_file(path).unwrap();
        symlink("elsewhere", path).unwrap();
        set_time(path, TIME);
    });
}

#[test]
fn something_of_another_kind_is_found() {
    assert_found("file", "expected a file, got a symbolic link", |path| {
        std::fs::remove_file(path).unwrap();
        symlink("elsewhere", path).unwrap();
    });
    assert_found("pipe", "expected a FIFO, got a file", |path| {
        std::fs::remove_file(path).unwrap();
        write(path, b"");
    });
    assert_found("directory/inner", "expected a file, got a FIFO", |path| {
        std::fs::remove_file(path).unwrap();
        rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::RUSR, 0).unwrap();
    });
}

#[test]
fn what_is_in_a_directory_whose_metadata_could_not_be_set_is_compared_all_the_same() {
    let (ground, entry) = ground();
    let report = restore_while(&ground, &entry, &verifying(), |phase, target| {
        let (directory, away) = (target.join("directory"), target.with_file_name("away"));
        match phase {
            Phase::Finish => std::fs::rename(directory, away).unwrap(),
            Phase::Verify => {
                std::fs::rename(away, &directory).unwrap();
                write(&directory.join("inner"), b"other");
            }
            _ => {}
        }
    });
    let mut named = paths(&report.warnings);
    named.sort_unstable();
    named.dedup();
    assert_eq!(named, ["directory", "directory/inner"], "{:?}", report.warnings);
}

#[test]
fn something_that_is_gone_is_found() {
    for name in ["file", "link", "pipe", "directory/inner"] {
        assert_found(name, "it was restored and is not there", |path| std::fs::remove_file(path).unwrap());
    }
}

#[test]
fn other_attributes_are_found() {
    let set = |path: &Path, value: &[u8]| rustix::fs::setxattr(path, "user.a", value, XattrFlags::empty());
    let (ground, _) = ground();
    if set(&ground.source().join("file"), b"1").is_err() {
        return;
    }
    for name in ["file", "directory"] {
        assert_found(name, "expected attribute user.a: none, got 1 bytes", |path| set(path, b"2").unwrap());
    }
    let entry = ground.back_up(Requested::Full).entry.unwrap();
    for (change, expected) in [(Some(b"22"), "got 2 bytes"), (None, "got none")] {
        let report = restore_spoilt(&ground, &entry, &verifying(), |target| match change {
            Some(value) => set(&target.join("file"), value).unwrap(),
            None => rustix::fs::removexattr(target.join("file"), "user.a").unwrap(),
        });
        assert_eq!(paths(&report.warnings), ["file"]);
        let message = &report.warnings[0].message;
        assert!(message.contains("expected attribute user.a: 1 bytes, ") && message.ends_with(expected), "{message}");
    }
}

#[test]
fn another_owner_is_found_where_owners_were_to_be_restored() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let give = |path: &Path| std::os::unix::fs::lchown(path, Some(12345), Some(23456)).unwrap();
    for name in ["file", "directory", "directory/inner", "link", "pipe"] {
        assert_found(name, ", got 12345:23456", give);
    }
    let (ground, entry) = ground();
    let own = RestoreOptions { preserve: Preserve::as_own(), ..verifying() };
    assert_eq!(restore_spoilt(&ground, &entry, &own, |target| give(&target.join("file"))).warnings, []);
}

#[test]
fn another_device_is_found() {
    let (ground, _) = ground();
    let make = |path: &Path, minor| {
        rustix::fs::mknodat(CWD, path, FileType::CharacterDevice, Mode::RUSR, rustix::fs::makedev(1, minor))
    };
    if make(&ground.source().join("device"), 3).is_err() {
        return;
    }
    let entry = ground.back_up(Requested::Full).entry.unwrap();
    let report = restore_spoilt(&ground, &entry, &verifying(), |target| {
        std::fs::remove_file(target.join("device")).unwrap();
        make(&target.join("device"), 5).unwrap();
    });
    assert_eq!(paths(&report.warnings), ["device"]);
    let expected = "expected the character device 1:3, got the character device 1:5";
    assert!(report.warnings[0].message.ends_with(expected), "{:?}", report.warnings);
}

/// Restores a snapshot whose entries were changed, and counts what is told.
fn told_of(edit: impl Fn(&mut Node), preserve: Preserve) -> (Vec<String>, u64) {
    let (ground, entry) = ground();
    let entry = ground.amend(&entry, |nodes| nodes.iter_mut().for_each(edit));
    let options = RestoreOptions { preserve, ..verifying() };
    let report = restore_spoilt(&ground, &entry, &options, |_| {});
    (paths(&report.warnings).into_iter().map(str::to_owned).collect(), report.warning_count)
}

#[test]
fn what_could_not_be_set_is_told_once() {
    let names = ["directory", "file", "link", "pipe"].map(str::to_owned).to_vec();
    let attribute = |node: &mut Node| node.attributes = vec![(b"nonsense".to_vec(), b"1".to_vec())];
    assert_eq!(told_of(attribute, Preserve::as_recorded()), (names.clone(), 4));
    let owner = |node: &mut Node| (node.user, node.group) = (u32::MAX, u32::MAX);
    assert_eq!(told_of(owner, Preserve::as_recorded()), (names, 4));
    let preserve = Preserve { owner: Ownership::Skip, ..Preserve::as_recorded() };
    assert_eq!(told_of(owner, preserve), (Vec::new(), 0));
    // No system makes such a link.
    let link = |node: &mut Node| node.link_target = node.link_target.take().map(|_| vec![b'x'; 5000]);
    assert_eq!(told_of(link, Preserve::as_recorded()), (vec!["link".to_owned()], 1));
}

#[test]
fn a_time_that_the_file_system_cannot_keep_is_no_difference() {
    let later = |node: &mut Node| node.modified = (100_000_000_000, 5);
    assert_eq!(told_of(later, Preserve::as_recorded()), (Vec::new(), 0));
}

#[test]
fn metadata_that_was_not_to_be_set_is_not_compared() {
    let (ground, entry) = ground();
    // A directory that was there stays as it is, one that was not asked for is only on the way.
    let never = RestoreOptions { overwrite: Overwrite::Never, ..verifying() };
    write(&ground.path("target/directory/other"), b"other");
    assert_eq!(restore_spoilt(&ground, &entry, &never, |_| {}).warnings, []);
    std::fs::remove_dir_all(ground.path("target")).unwrap();
    let part = RestoreOptions { include: vec!["inner".to_owned()], ..verifying() };
    assert_eq!(restore_spoilt(&ground, &entry, &part, |_| {}).warnings, []);
    // Bits that grant rights are not set; a file that is taken for the same keeps those that it has.
    let program = ground.source().join("file");
    std::fs::set_permissions(&program, Permissions::from_mode(0o4755)).unwrap();
    let entry = ground.back_up(Requested::Full).entry.unwrap();
    let believing =
        RestoreOptions { overwrite: Overwrite::IfChanged, preserve: Preserve::as_permitted(), ..verifying() };
    for has_program in [false, true] {
        std::fs::remove_dir_all(ground.path("target")).unwrap();
        std::fs::create_dir(ground.path("target")).unwrap();
        if has_program {
            std::fs::copy(&program, ground.path("target/file")).unwrap();
            set_time(&ground.path("target/file"), TIME);
        }
        assert_eq!(restore_spoilt(&ground, &entry, &believing, |_| {}).warnings, []);
    }
}
