//! Tests of writing metadata back, as root and as anyone else.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use crate::files::testing::{acl, entry, has_attributes, is_root, open_everything};
use crate::files::{Applied, HardLinks, Metadata, Ownership, Part, Preserve, TargetTree};
use crate::{Error, Kind, Owner, Timestamp, Warning};

fn own() -> Owner {
    Owner { user: rustix::process::geteuid().as_raw(), group: rustix::process::getegid().as_raw() }
}

fn metadata(kind: Kind, mode: u32) -> Metadata {
    Metadata {
        kind,
        mode,
        owner: own(),
        modified: Timestamp { seconds: 1_000_000_000, nanoseconds: 123_456_789 },
        attributes: Vec::new(),
        link_target: None,
        size: 0,
    }
}

/// Makes one file in a directory of its own and finishes it.
fn finish(directory: &Path, metadata: &Metadata, preserve: &Preserve) -> Vec<Warning> {
    applied(directory, metadata, preserve).warnings
}

fn applied(directory: &Path, metadata: &Metadata, preserve: &Preserve) -> Applied {
    let top = TargetTree::open_or_create(directory).unwrap().top();
    let _ = top.remove(b"file");
    let file = top.create_file(b"file").unwrap();
    file.write_all_at(0, b"bytes").unwrap();
    file.finish(metadata, preserve).unwrap()
}

fn mode(path: &Path) -> u32 {
    std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn what_is_restored_is_what_was_backed_up() {
    let directory = tempfile::tempdir().unwrap();
    let mut wanted = metadata(Kind::File, 0o640);
    if has_attributes(directory.path()) {
        wanted.attributes = vec![(b"user.a".to_vec(), b"\0value\xff".to_vec()), (b"user.b".to_vec(), Vec::new())];
        if finish(directory.path(), &wanted_with_acl(&wanted), &Preserve::as_permitted()).is_empty() {
            wanted = wanted_with_acl(&wanted);
        }
    }
    assert_eq!(finish(directory.path(), &wanted, &Preserve::as_permitted()), []);
    let open = open_everything(directory.path());
    let listed = entry(open.as_ref(), "file");
    let mut restored = Metadata::new(&listed, open.details(&listed).unwrap());
    restored.attributes.retain(|(name, _)| !name.starts_with(b"security."));
    wanted.size = 5;
    assert_eq!(restored, wanted);
}

fn wanted_with_acl(wanted: &Metadata) -> Metadata {
    let mut wanted = wanted.clone();
    wanted.attributes.insert(0, (b"system.posix_acl_access".to_vec(), acl()));
    wanted
}

#[test]
fn times_before_the_epoch_and_impossible_nanoseconds_are_borne() {
    let directory = tempfile::tempdir().unwrap();
    let mut wanted = metadata(Kind::File, 0o644);
    wanted.modified = Timestamp { seconds: -5, nanoseconds: 999_999_999 };
    assert_eq!(finish(directory.path(), &wanted, &Preserve::as_permitted()), []);
    let path = directory.path().join("file");
    let told = std::fs::metadata(&path).unwrap();
    assert_eq!((told.mtime(), told.mtime_nsec()), (-5, 999_999_999));
    // The values that mean "now" and "leave it" to the kernel.
    for nanoseconds in [0x3fff_ffff, 0x3fff_fffe, u32::MAX] {
        wanted.modified = Timestamp { seconds: 77, nanoseconds };
        assert_eq!(finish(directory.path(), &wanted, &Preserve::as_permitted()), []);
        assert_eq!(std::fs::metadata(&path).unwrap().mtime(), 77);
    }
}

#[test]
fn set_id_bits_come_back_only_when_asked() {
    let directory = tempfile::tempdir().unwrap();
    let wanted = metadata(Kind::File, 0o6755);
    assert_eq!(finish(directory.path(), &wanted, &Preserve::as_permitted()), []);
    assert_eq!(mode(&directory.path().join("file")), 0o755);
    assert_eq!(finish(directory.path(), &wanted, &Preserve::as_recorded()), []);
    assert_eq!(mode(&directory.path().join("file")), 0o6755);
}

#[test]
fn set_id_bits_do_not_come_back_for_another_owner() {
    let directory = tempfile::tempdir().unwrap();
    let mut wanted = metadata(Kind::File, 0o4755);
    wanted.owner.user = wanted.owner.user.wrapping_add(4321);
    let mut preserve = Preserve::as_recorded();
    preserve.owner = Ownership::Skip;
    assert_eq!(finish(directory.path(), &wanted, &preserve), []);
    assert_eq!(mode(&directory.path().join("file")), 0o755);
    // With the owner, where that is possible at all.
    let warnings = finish(directory.path(), &wanted, &Preserve::as_recorded());
    let expected = if is_root() { (0, 0o4755) } else { (1, 0o755) };
    assert_eq!((warnings.len(), mode(&directory.path().join("file"))), expected);
}

#[test]
fn a_refused_owner_is_a_warning_only_where_it_was_required() {
    let directory = tempfile::tempdir().unwrap();
    let mut wanted = metadata(Kind::File, 0o644);
    // Not an owner at all: refused even for root.
    wanted.owner.user = u32::MAX;
    let warnings = finish(directory.path(), &wanted, &Preserve::as_recorded());
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].path.ends_with("/file") && warnings[0].message.starts_with("set owner to "));
    let tolerated = applied(directory.path(), &wanted, &Preserve::as_permitted());
    assert_eq!((tolerated.warnings.len(), tolerated.unset), (usize::from(is_root()), vec![Part::Owner]));
    assert_eq!(finish(directory.path(), &wanted, &Preserve::as_own()), []);
    assert_eq!(mode(&directory.path().join("file")), 0o644, "the steps after a refusal are taken");
}

#[test]
fn root_gives_entries_to_their_owners() {
    if !is_root() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let top = TargetTree::open_or_create(directory.path()).unwrap().top();
    let owner = Owner { user: 12345, group: 23456 };
    top.create_directory(b"directory").unwrap();
    top.symlink(b"link", b"/etc/passwd").unwrap();
    top.make_node(b"fifo", Kind::Fifo, &Preserve::as_permitted()).unwrap();
    top.create_file(b"file").unwrap();
    let before = std::fs::metadata("/etc/passwd").unwrap();
    for (name, kind) in
        [("directory", Kind::Directory), ("link", Kind::Symlink), ("fifo", Kind::Fifo), ("file", Kind::File)]
    {
        let mut wanted = metadata(kind, 0o750);
        wanted.owner = owner;
        assert_eq!(top.set_metadata(name.as_bytes(), &wanted, &Preserve::as_permitted()).unwrap().warnings, []);
        assert_eq!(top.stat(name.as_bytes()).unwrap().unwrap().owner, owner, "{name}");
    }
    let after = std::fs::metadata("/etc/passwd").unwrap();
    assert_eq!((before.uid(), before.ctime_nsec(), before.mode()), (after.uid(), after.ctime_nsec(), after.mode()));
}

#[test]
fn every_kind_gets_its_mode_and_time_and_links_are_not_followed() {
    let directory = tempfile::tempdir().unwrap();
    let top = TargetTree::open_or_create(directory.path()).unwrap().top();
    std::fs::write(directory.path().join("file"), b"").unwrap();
    let bystander = metadata(Kind::File, 0o600);
    top.set_metadata(b"file", &bystander, &Preserve::as_permitted()).unwrap();
    top.symlink(b"link", b"file").unwrap();
    top.create_directory(b"directory").unwrap();
    top.make_node(b"fifo", Kind::Fifo, &Preserve::as_permitted()).unwrap();
    top.make_node(b"socket", Kind::Socket, &Preserve::as_permitted()).unwrap();
    for (name, kind) in
        [("link", Kind::Symlink), ("directory", Kind::Directory), ("fifo", Kind::Fifo), ("socket", Kind::Socket)]
    {
        let mut wanted = metadata(kind, 0o1754);
        wanted.modified.seconds = 500_000_000;
        assert_eq!(
            top.set_metadata(name.as_bytes(), &wanted, &Preserve::as_permitted()).unwrap().warnings,
            [],
            "{name}"
        );
        let now = top.stat(name.as_bytes()).unwrap().unwrap();
        assert_eq!(now.modified, wanted.modified, "{name}");
        if kind != Kind::Symlink {
            assert_eq!(now.mode, 0o1754, "{name}");
        }
    }
    let untouched = top.stat(b"file").unwrap().unwrap();
    assert_eq!((untouched.mode, untouched.modified), (0o600, bystander.modified));
}

#[test]
fn an_entry_that_may_not_be_read_gets_its_metadata_too() {
    let directory = tempfile::tempdir().unwrap();
    let top = TargetTree::open_or_create(directory.path()).unwrap().top();
    for (name, kind) in [("file", Kind::File), ("directory", Kind::Directory)] {
        if kind == Kind::File {
            top.create_file(name.as_bytes()).unwrap();
        } else {
            top.create_directory(name.as_bytes()).unwrap();
        }
        for wanted in [metadata(kind, 0o000), metadata(kind, 0o755)] {
            assert_eq!(top.set_metadata(name.as_bytes(), &wanted, &Preserve::as_permitted()).unwrap().warnings, []);
            assert_eq!(top.stat(name.as_bytes()).unwrap().unwrap().mode, wanted.mode);
        }
    }
}

#[test]
fn located_entries_get_everything_that_open_ones_get() {
    use super::{Handle, Subject, apply};
    use std::os::fd::AsFd as _;
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("x")).unwrap();
    let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::CLOEXEC;
    let located = rustix::fs::open(directory.path().join("x"), flags, rustix::fs::Mode::empty()).unwrap();
    let mut wanted = metadata(Kind::Directory, 0o711);
    if has_attributes(directory.path()) {
        wanted.attributes = vec![(b"user.a".to_vec(), b"1".to_vec())];
    }
    let path = crate::files::attributes::descriptor_path(located.as_fd());
    let subject = Subject {
        handle: Handle::Located(located.as_fd(), path),
        directory: b"/",
        name: b"x",
        owner: own(),
        mode: 0o777,
        is_bare: false,
        modified: None,
        is_root: is_root(),
    };
    assert_eq!(apply(&subject, &wanted, &Preserve::as_permitted()), Applied::default());
    let open = open_everything(directory.path());
    let listed = entry(open.as_ref(), "x");
    assert_eq!((listed.mode, listed.modified), (0o711, wanted.modified));
    let has_a = open.details(&listed).unwrap().attributes.iter().any(|(name, _)| name == b"user.a");
    assert_eq!(has_a, !wanted.attributes.is_empty());
}

#[test]
fn attributes_that_were_not_recorded_are_removed_from_an_existing_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    std::fs::write(&path, b"").unwrap();
    if has_attributes(directory.path()) {
        for name in ["user.old", "user.kept"] {
            rustix::fs::setxattr(&path, name, b"1", rustix::fs::XattrFlags::empty()).unwrap();
        }
        let _ = rustix::fs::setxattr(&path, "system.posix_acl_access", &acl(), rustix::fs::XattrFlags::empty());
    }
    let mut wanted = metadata(Kind::File, 0o604);
    if has_attributes(directory.path()) {
        wanted.attributes = vec![(b"user.kept".to_vec(), b"2".to_vec())];
    }
    let top = TargetTree::open_or_create(directory.path()).unwrap().top();
    let file = top.open_file(b"file", HardLinks::Refuse).unwrap();
    assert_eq!(file.finish(&wanted, &Preserve::as_permitted()).unwrap().warnings, []);
    let open = open_everything(directory.path());
    let listed = entry(open.as_ref(), "file");
    let mut attributes = open.details(&listed).unwrap().attributes;
    attributes.retain(|(name, _)| !name.starts_with(b"security."));
    assert_eq!((attributes, listed.mode), (wanted.attributes, 0o604));
}

#[test]
fn privileged_attributes_come_back_only_when_asked() {
    let directory = tempfile::tempdir().unwrap();
    let mut wanted = metadata(Kind::File, 0o755);
    // CAP_NET_RAW, permitted and effective: `struct vfs_cap_data`, revision 2.
    let mut capability = 0x0200_0001_u32.to_le_bytes().to_vec();
    capability.extend([0x00, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    wanted.attributes = vec![(b"security.capability".to_vec(), capability)];
    let has_capability = || {
        let mut value = [0; 64];
        rustix::fs::getxattr(directory.path().join("file"), "security.capability", &mut value).is_ok()
    };
    assert_eq!(finish(directory.path(), &wanted, &Preserve::as_permitted()), []);
    assert!(!has_capability());
    let warnings = finish(directory.path(), &wanted, &Preserve::as_recorded());
    assert_eq!(has_capability(), warnings.is_empty());
    assert!(warnings.iter().all(|warning| { warning.message.starts_with("set attribute security.capability: ") }));
}

#[test]
fn attributes_no_system_would_take_are_warnings() {
    let directory = tempfile::tempdir().unwrap();
    let mut wanted = metadata(Kind::File, 0o644);
    wanted.attributes = vec![
        (Vec::new(), Vec::new()),
        (b"user.a\0b".to_vec(), Vec::new()),
        (vec![b'u'; 5000], Vec::new()),
        (b"nonsense".to_vec(), Vec::new()),
        (b"user.huge".to_vec(), vec![0; 200_000]),
        (b"system.posix_acl_access".to_vec(), b"nonsense".to_vec()),
    ];
    let warnings = finish(directory.path(), &wanted, &Preserve::as_permitted());
    assert_eq!(warnings.len(), wanted.attributes.len());
    let told = std::fs::metadata(directory.path().join("file")).unwrap();
    assert_eq!((told.mode() & 0o7777, told.mtime()), (0o644, 1_000_000_000));
}

#[test]
fn what_took_the_place_of_a_restored_entry_is_not_touched() {
    let directory = tempfile::tempdir().unwrap();
    let top = TargetTree::open_or_create(directory.path()).unwrap().top();
    std::fs::write(directory.path().join("other"), b"").unwrap();
    std::fs::set_permissions(directory.path().join("other"), std::fs::Permissions::from_mode(0o600)).unwrap();
    top.symlink(b"was-directory", b"other").unwrap();
    top.make_node(b"was-file", Kind::Fifo, &Preserve::as_permitted()).unwrap();
    for (name, kind) in [("was-directory", Kind::Directory), ("was-file", Kind::File), ("other", Kind::Directory)] {
        let error = top.set_metadata(name.as_bytes(), &metadata(kind, 0o777), &Preserve::as_recorded()).err();
        assert!(matches!(error, Some(Error::Replaced { .. })), "{name}");
    }
    assert_eq!(mode(&directory.path().join("other")), 0o600);
    assert!(top.set_metadata(b"none", &metadata(Kind::File, 0), &Preserve::as_own()).unwrap_err().is_vanished());
}
