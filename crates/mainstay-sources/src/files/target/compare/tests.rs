//! Tests of the comparison: each part that was to be set is named, and no other.

use super::compare;
use crate::files::{Metadata, Ownership, Part, Preserve};
use crate::{Kind, Owner, Timestamp};

fn metadata(kind: Kind) -> Metadata {
    Metadata {
        kind,
        mode: 0o644,
        owner: Owner { user: 1, group: 2 },
        modified: Timestamp { seconds: 3, nanoseconds: 4 },
        attributes: vec![(b"user.a".to_vec(), b"1".to_vec())],
        link_target: (kind == Kind::Symlink).then(|| b"there".to_vec()),
        size: 0,
    }
}

fn told(wanted: &Metadata, found: &Metadata, preserve: &Preserve) -> Vec<String> {
    compare(wanted, found, preserve).iter().map(ToString::to_string).collect()
}

/// What is told when `spoil` has changed a regular file.
fn told_of(spoil: impl FnOnce(&mut Metadata)) -> Vec<String> {
    let mut found = metadata(Kind::File);
    spoil(&mut found);
    told(&metadata(Kind::File), &found, &Preserve::as_recorded())
}

#[test]
fn each_part_that_differs_is_named_with_what_was_expected_and_what_is_there() {
    assert_eq!(told_of(|_| {}), Vec::<String>::new());
    assert_eq!(told_of(|found| found.mode = 0o600), ["expected mode 0644, got 0600"]);
    assert_eq!(told_of(|found| found.owner.group = 7), ["expected owner 1:2, got 1:7"]);
    let later = "expected modification time 3.000000004, got 3.000000005";
    assert_eq!(told_of(|found| found.modified.nanoseconds = 5), [later]);
    assert_eq!(told_of(|found| found.attributes.clear()), ["expected attribute user.a: 1 bytes, got none"]);
    let other = "expected attribute user.a: 1 bytes, got as many others";
    assert_eq!(told_of(|found| found.attributes[0].1 = b"2".to_vec()), [other]);
    let mut link = metadata(Kind::Symlink);
    link.link_target = Some(b"elsewhere".to_vec());
    let expected = "expected a link to there, got one to elsewhere";
    assert_eq!(told(&metadata(Kind::Symlink), &link, &Preserve::as_recorded()), [expected]);
    let all = told_of(|found| *found = Metadata { mode: 0, owner: Owner::default(), ..metadata(Kind::File) });
    assert_eq!(all.len(), 2, "{all:?}");
}

#[test]
fn of_another_kind_and_of_another_device_only_that_is_told() {
    let null = Metadata { mode: 0, ..metadata(Kind::CharacterDevice { major: 1, minor: 3 }) };
    let zero = metadata(Kind::CharacterDevice { major: 1, minor: 5 });
    let expected = "expected the character device 1:3, got the character device 1:5";
    assert_eq!(told(&null, &zero, &Preserve::as_recorded()), [expected]);
    let link = told(&metadata(Kind::File), &metadata(Kind::Symlink), &Preserve::as_recorded());
    assert_eq!(link, ["expected a file, got a symbolic link"]);
}

#[test]
fn attributes_that_a_user_could_set_and_acls_are_told_where_none_was_recorded_and_labels_are_not() {
    let added = |name: &str| told_of(|found| found.attributes.push((name.into(), b"12".to_vec())));
    assert_eq!(added("user.b"), ["expected attribute user.b: none, got 2 bytes"]);
    assert_eq!(added("system.posix_acl_access"), ["expected attribute system.posix_acl_access: none, got 2 bytes"]);
    assert_eq!(added("security.selinux"), Vec::<String>::new());
}

#[test]
fn what_a_restore_was_not_asked_to_set_is_not_compared() {
    let mut wanted = metadata(Kind::File);
    wanted.mode = 0o4755;
    wanted.attributes.push((b"security.capability".to_vec(), b"1".to_vec()));
    let found = Metadata { mode: 0o755, ..metadata(Kind::File) };
    assert_eq!(told(&wanted, &found, &Preserve::as_permitted()), Vec::<String>::new());
    assert_eq!(told(&wanted, &found, &Preserve::as_recorded()).len(), 2);
    let other = Metadata { owner: Owner::default(), ..found };
    assert_eq!(told(&wanted, &other, &Preserve::as_own()), Vec::<String>::new());
    let permitted = compare(&wanted, &other, &Preserve::as_permitted());
    assert_eq!(permitted.into_iter().map(|difference| difference.part).collect::<Vec<_>>(), [Part::Owner]);
    // A mode of a link is nothing, on Linux.
    let link = Metadata { mode: 0o777, ..metadata(Kind::Symlink) };
    assert_eq!(told(&metadata(Kind::Symlink), &link, &Preserve::as_recorded()), Vec::<String>::new());
}

#[test]
fn set_id_bits_count_only_where_the_owner_is_the_recorded_one() {
    let preserve = Preserve { owner: Ownership::Skip, ..Preserve::as_recorded() };
    let other = |kind, mode| Metadata { mode, owner: Owner::default(), ..metadata(kind) };
    let directory = Metadata { mode: 0o2755, ..metadata(Kind::Directory) };
    for mode in [0o755, 0o2755] {
        assert_eq!(told(&directory, &other(Kind::Directory, mode), &preserve), Vec::<String>::new());
    }
    let program = Metadata { mode: 0o4755, ..metadata(Kind::File) };
    assert_eq!(told(&program, &other(Kind::File, 0o755), &preserve), Vec::<String>::new());
    assert_eq!(told(&program, &other(Kind::File, 0o4755), &preserve), ["expected mode 0755, got 4755"]);
}
