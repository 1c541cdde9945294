//! Tests of reading archives of every form, and of those that are no archives or lie.

use std::collections::BTreeMap;

use mainstay_sources::{Kind, Owner, Run, Timestamp};
use proptest::prelude::*;

use super::*;

/// Nobody has a name but alice, and her group.
struct Alice;

impl Numbers for Alice {
    fn user(&self, name: &str) -> Option<u32> {
        (name == "alice").then_some(1000)
    }

    fn group(&self, name: &str) -> Option<u32> {
        (name == "staff").then_some(50)
    }
}

fn read(archive: &[u8]) -> Result<Vec<(Member, Vec<u8>)>> {
    let mut archive = Archive::new("test.tar".to_owned(), Box::new(std::io::Cursor::new(archive.to_vec())));
    let mut members = Vec::new();
    while let Some(member) = archive.next_member(&Alice)? {
        let mut content = Vec::new();
        let mut buffer = [0; 700];
        loop {
            match archive.read(&mut buffer)? {
                0 => break,
                read => content.extend_from_slice(&buffer[..read]),
            }
        }
        members.push((member, content));
    }
    Ok(members)
}

fn problem(archive: &[u8]) -> String {
    read(archive).map(|members| members.len()).unwrap_err().to_string()
}

/// A header with its checksum, and what follows it.
fn entry(kind: u8, name: &[u8], content: &[u8], edit: &dyn Fn(&mut tar::Header)) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_entry_type(tar::EntryType::new(kind));
    header.set_mode(0o640);
    header.set_size(content.len() as u64);
    edit(&mut header);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    bytes
}

use super::blocks::BLOCK;

fn plain(kind: u8, name: &str, content: &[u8]) -> Vec<u8> {
    entry(kind, name.as_bytes(), content, &|_| {})
}

/// An extended header with these records.
fn records(kind: u8, records: &[(&str, &[u8])]) -> Vec<u8> {
    let text: Vec<Vec<u8>> = records.iter().map(|(keyword, value)| record(keyword, value)).collect();
    plain(kind, "records", &text.concat())
}

fn record(keyword: &str, value: &[u8]) -> Vec<u8> {
    let rest = keyword.len() + value.len() + 3;
    let len = (rest..).find(|len| *len == rest + len.to_string().len()).unwrap();
    [format!("{len} {keyword}=").as_bytes(), value, b"\n"].concat()
}

fn ended(parts: &[Vec<u8>]) -> Vec<u8> {
    [parts.concat(), vec![0; 2 * BLOCK]].concat()
}

fn only(archive: &[Vec<u8>]) -> (Member, Vec<u8>) {
    let mut members = read(&ended(archive)).unwrap();
    assert_eq!(members.len(), 1);
    members.remove(0)
}

#[test]
fn a_header_tells_kind_mode_owner_time_and_names() {
    let (member, content) = only(&[entry(b'0', b"a/b", b"content", &|header| {
        header.set_mode(0o104_755);
        header.set_uid(7);
        header.set_gid(8);
        header.set_mtime(1_700_000_000);
        header.set_username("alice").unwrap();
        header.set_groupname("staff").unwrap();
    })]);
    assert_eq!((member.path.as_slice(), content.as_slice()), (&b"a/b"[..], &b"content"[..]));
    assert_eq!((member.what, member.entry.kind, member.entry.mode), (What::Entry, Kind::File, 0o4755));
    assert_eq!((member.entry.owner, member.entry.size), (Owner { user: 7, group: 8 }, 7));
    assert_eq!(member.entry.modified, Timestamp { seconds: 1_700_000_000, nanoseconds: 0 });
    assert_eq!((member.user_name.as_deref(), member.group_name.as_deref()), (Some("alice"), Some("staff")));
    assert_eq!(member.runs, [Run::Data { len: 7 }]);
}

#[test]
fn each_kind_of_entry_is_known_and_others_are_named() {
    let device = |kind, minor| {
        entry(kind, b"dev", b"", &move |header| {
            header.set_device_major(8).unwrap();
            header.set_device_minor(minor).unwrap();
        })
    };
    let link = |kind, target: &'static [u8]| {
        entry(kind, b"l", b"", &move |header| header.as_old_mut().linkname[..target.len()].copy_from_slice(target))
    };
    let parts = [
        device(b'3', 1),
        device(b'4', 2),
        plain(b'5', "d/", b""),
        plain(b'6', "f", b""),
        link(b'2', b"to"),
        link(b'1', b"of"),
    ];
    let members = read(&ended(&parts)).unwrap();
    let kinds: Vec<Kind> = members.iter().take(4).map(|(member, _)| member.entry.kind).collect();
    assert_eq!(
        kinds,
        [
            Kind::CharacterDevice { major: 8, minor: 1 },
            Kind::BlockDevice { major: 8, minor: 2 },
            Kind::Directory,
            Kind::Fifo
        ]
    );
    assert_eq!(members[4].0.details.link_target.as_deref(), Some(&b"to"[..]));
    assert_eq!(members[5].0.what, What::Link(b"of".to_vec()));
    let (odd, _) = only(&[plain(b'Z', "odd", b"skipped")]);
    assert_eq!(odd.what, What::Unknown(b'Z'));
    let (oldest, _) = only(&[plain(0, "old/", b"")]);
    assert_eq!(oldest.entry.kind, Kind::Directory, "a file whose name ends in a slash");
}

#[test]
fn long_names_come_by_prefix_by_gnus_members_and_by_records() {
    let long = vec![b'n'; 300];
    let prefixed = entry(b'0', b"name", b"", &|header| {
        header.as_ustar_mut().unwrap().prefix[..6].copy_from_slice(b"some/p");
    });
    assert_eq!(only(&[prefixed]).0.path, b"some/p/name");
    let gnu = [entry(b'L', b"././@LongLink", &[&long[..], b"\0"].concat(), &|_| {}), plain(b'0', "cut", b"")];
    assert_eq!(only(&gnu).0.path, long);
    let gnu_link = [entry(b'K', b"././@LongLink", &[&long[..], b"\0"].concat(), &|_| {}), plain(b'2', "l", b"")];
    assert_eq!(only(&gnu_link).0.details.link_target, Some(long.clone()));
    let pax = [records(b'x', &[("path", &long), ("linkpath", b"t\xff")]), plain(b'2', "cut", b"")];
    let (member, _) = only(&pax);
    assert_eq!((member.path, member.details.link_target), (long, Some(b"t\xff".to_vec())));
}

#[test]
fn records_stand_before_the_header_and_before_those_for_all() {
    let parts = [
        records(b'g', &[("uname", b"bob"), ("mtime", b"5"), ("uid", b"77")]),
        records(b'x', &[("mtime", b"1700000000.123456789123"), ("uid", b"4000000000"), ("gid", b"-2"), ("size", b"3")]),
        entry(b'0', b"a", b"abc", &|header| header.set_size(3)),
        plain(b'0', "b", b""),
    ];
    let members = read(&ended(&parts)).unwrap();
    let (first, second) = (&members[0].0, &members[1].0);
    assert_eq!(first.entry.modified, Timestamp { seconds: 1_700_000_000, nanoseconds: 123_456_789 });
    assert_eq!(first.entry.owner, Owner { user: 4_000_000_000, group: u32::MAX - 1 });
    assert_eq!(first.user_name.as_deref(), Some("bob"));
    assert_eq!((second.entry.modified.seconds, second.entry.owner.user), (5, 77));
    let before_1970 = [records(b'x', &[("mtime", b"-1.75")]), plain(b'0', "a", b"")];
    assert_eq!(only(&before_1970).0.entry.modified, Timestamp { seconds: -2, nanoseconds: 250_000_000 });
}

#[test]
fn records_for_all_members_hold_nothing_that_is_one_members_own() {
    for (keyword, value) in
        [("linkpath", &b"x"[..]), ("path", b"x"), ("SCHILY.xattr.user.a", b"x"), ("GNU.sparse.map", b"0,1")]
    {
        let archive = ended(&[records(b'g', &[(keyword, value)]), plain(b'0', "a", b"")]);
        assert!(problem(&archive).contains("what only one can have"), "{keyword}");
    }
    assert_eq!(read(&ended(&[records(b'g', &[("comment", b"x")]), plain(b'0', "a", b"")])).unwrap().len(), 1);
}

#[test]
fn an_owner_beyond_every_number_is_nobody_and_told() {
    let (member, _) = only(&[records(b'x', &[("uid", b"99999999999")]), plain(b'0', "a", b"")]);
    assert_eq!((member.entry.owner.user, member.problems.len()), (65_534, 1));
}

#[test]
fn attributes_come_as_bytes_and_as_base64() {
    let (member, _) = only(&[
        records(
            b'x',
            &[
                ("SCHILY.xattr.user.a%3Db%25%41", b"\0\xff=\n"),
                ("SCHILY.xattr.user.empty", b""),
                ("LIBARCHIVE.xattr.user.b%20c", b"AP8K"),
                ("RHT.security.selinux", b"u:r:t"),
            ],
        ),
        plain(b'0', "a", b""),
    ]);
    let attributes: BTreeMap<Vec<u8>, Vec<u8>> = member.details.attributes.into_iter().collect();
    let expected: [(&[u8], &[u8]); 4] = [
        (b"security.selinux", b"u:r:t\0"),
        (b"user.a=b%%41", b"\0\xff=\n"),
        (b"user.b c", b"\0\xff\n"),
        (b"user.empty", b""),
    ];
    assert_eq!(attributes, expected.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect());
}

#[test]
fn attributes_that_a_snapshot_cannot_hold_are_told_and_the_file_is_kept() {
    let much = vec![1; mainstay_repo::limits::ATTRIBUTES_LEN];
    let (member, _) = only(&[records(b'x', &[("SCHILY.xattr.user.much", &much)]), plain(b'0', "a", b"")]);
    assert_eq!((member.details.attributes.len(), member.problems.len()), (0, 1));
    let parts = [records(b'x', &[("LIBARCHIVE.xattr.user.odd", b"%%%")]), plain(b'0', "a", b"")];
    assert_eq!(only(&parts).0.problems.len(), 1);
}

#[test]
fn access_lists_become_what_linux_keeps_and_export_says_the_same_again() {
    let list = |keyword: &str, text: &str| {
        let (member, _) = only(&[records(b'x', &[(keyword, text.as_bytes())]), plain(b'0', "a", b"")]);
        (member.details.attributes, member.problems.len())
    };
    let text = "group::r--,user::rwx,user:alice:r-x,mask::r-x,group:staff:--x:51,other::---,user:7:rw-";
    let (attributes, problems) = list("SCHILY.acl.access", text);
    assert_eq!(problems, 0);
    let again = crate::export::access_list(&attributes[0].1).unwrap();
    assert_eq!(again, "user::rwx,user:7:rw-,user:1000:r-x,group::r--,group:51:--x,mask::r-x,other::---");
    let trivial = "user::rwx,group::r-x,other::r-x";
    assert_eq!(list("SCHILY.acl.access", trivial).0, [], "the mode says it");
    assert_eq!(list("SCHILY.acl.default", trivial).0[0].0, b"system.posix_acl_default");
    for odd in ["user:nobody-knows:rwx", "role::rwx", "user::rwq", "user"] {
        assert_eq!(list("SCHILY.acl.access", odd), (Vec::new(), 1), "{odd}");
    }
}

#[test]
fn a_mode_beside_an_access_list_is_what_linux_shows() {
    let list = records(b'x', &[("SCHILY.acl.access", b"user::rw-,user:7:rwx,group::r--,mask::rwx,other::r--")]);
    let (member, _) = only(&[list, entry(b'0', b"a", b"", &|header| header.set_mode(0o2644))]);
    assert_eq!(member.entry.mode, 0o2674, "the mask stands for the group");
}

#[test]
fn holes_are_known_in_all_four_forms() {
    let runs = [
        Run::Hole { len: 10 },
        Run::Data { len: 3 },
        Run::Hole { len: 7 },
        Run::Data { len: 2 },
        Run::Hole { len: 78 },
    ];
    let old = entry(b'S', b"old", b"abcde", &|header| {
        let gnu = header.as_mut_bytes();
        gnu[386..398].copy_from_slice(b"00000000012\0");
        gnu[398..410].copy_from_slice(b"00000000003\0");
        gnu[410..422].copy_from_slice(b"00000000024\0");
        gnu[422..434].copy_from_slice(b"00000000002\0");
        gnu[483..495].copy_from_slice(b"00000000144\0");
    });
    let pairs = records(
        b'x',
        &[
            ("GNU.sparse.size", b"100"),
            ("GNU.sparse.numblocks", b"2"),
            ("GNU.sparse.offset", b"10"),
            ("GNU.sparse.numbytes", b"3"),
            ("GNU.sparse.offset", b"20"),
            ("GNU.sparse.numbytes", b"2"),
        ],
    );
    let list = records(
        b'x',
        &[("GNU.sparse.size", b"100"), ("GNU.sparse.name", b"real"), ("GNU.sparse.map", b"10,3,20,2,100,0")],
    );
    let before = records(
        b'x',
        &[
            ("GNU.sparse.major", b"1"),
            ("GNU.sparse.minor", b"0"),
            ("GNU.sparse.name", b"real"),
            ("GNU.sparse.realsize", b"100"),
        ],
    );
    let mut map = b"3\n10\n3\n20\n2\n100\n0\n".to_vec();
    map.resize(BLOCK, 0);
    let parts = [
        old,
        [pairs, plain(b'0', "pairs", b"abcde")].concat(),
        [list, plain(b'0', "GNUSparseFile.1/real", b"abcde")].concat(),
        [before, plain(b'0', "GNUSparseFile.1/real", &[&map[..], b"abcde"].concat())].concat(),
    ];
    let members = read(&ended(&parts)).unwrap();
    for ((member, content), path) in members.iter().zip(["old", "pairs", "real", "real"]) {
        assert_eq!((member.path.as_slice(), content.as_slice()), (path.as_bytes(), &b"abcde"[..]));
        assert_eq!((member.entry.size, member.runs.as_slice()), (100, &runs[..]), "{path}");
    }
}

#[test]
fn a_map_of_holes_that_lies_is_an_error() {
    let with = |size: &[u8], map: &[u8]| {
        ended(&[records(b'x', &[("GNU.sparse.size", size), ("GNU.sparse.map", map)]), plain(b'0', "a", b"abcde")])
    };
    let cases: [(&[u8], &[u8], &str); 5] = [
        (b"100", b"10,3,5,2", "not in order"),
        (b"100", b"10,3", "names 3 bytes"),
        (b"11", b"8,5", "beyond its end"),
        (b"100", b"10", "without a length"),
        (b"18446744073709551615", b"18446744073709551610,5", "a file of"),
    ];
    for (size, map, expected) in cases {
        let problem = problem(&with(size, map));
        assert!(problem.contains(expected), "{expected}: {problem}");
    }
    let text = |map: &[u8]| {
        let mut content = map.to_vec();
        content.resize(BLOCK, 0);
        let before = [("GNU.sparse.major", &b"1"[..]), ("GNU.sparse.realsize", b"100")];
        problem(&ended(&[records(b'x', &before), plain(b'0', "a", &content)]))
    };
    assert!(text(b"99999999\n").contains("more than"));
    assert!(text(b"\n").contains("empty line"));
    assert!(text(&[b'1'; 40]).contains("no end"));
    assert!(text(&b"9\n1\n1\n".repeat(80)).contains("map of holes"), "a map beyond the content");
}

#[test]
fn great_and_negative_numbers_are_binary() {
    for number in [0, 1, -1, 0o7_777_777, i64::MAX, i64::MIN] {
        let mut field = [0_u8; 12];
        field[..4].fill(if number < 0 { 0xff } else { 0 });
        field[4..].copy_from_slice(&number.to_be_bytes());
        field[0] |= 0x80;
        assert_eq!(header::number(&field), Ok(number));
    }
    assert_eq!(header::number(b" 0000644 \0"), Ok(0o644));
    assert_eq!(header::number(b"\0\0\0\0"), Ok(0));
    assert!(header::number(b"0009").is_err() && header::number(&[0x90; 12]).is_err());
}

#[test]
fn a_link_has_content_only_where_records_say_so() {
    let link = |size: u64| {
        entry(b'1', b"l", b"", &move |header| {
            header.set_size(size);
            header.as_old_mut().linkname[0] = b'a';
        })
    };
    let archive = ended(&[link(9), plain(b'0', "next", b"")]);
    assert_eq!(read(&archive).unwrap().len(), 2);
    let content = [records(b'x', &[("mtime", b"1")]), link(9), vec![7; BLOCK], plain(b'0', "next", b"")];
    assert_eq!(read(&ended(&content)).unwrap().len(), 2);
}

#[test]
fn what_is_no_archive_or_no_header_is_told_with_its_place() {
    assert!(problem(b"").contains("byte 0: it ends here"));
    assert!(problem(&[b'a'; 600]).contains("it does not begin as a tar archive does"));
    let second = ended(&[plain(b'0', "a", b""), vec![b'x'; BLOCK]]);
    assert!(problem(&second).contains("byte 512: no header"), "{}", problem(&second));
    let alone = [plain(b'0', "a", b""), vec![0; BLOCK], plain(b'0', "b", b""), vec![0; 2 * BLOCK]].concat();
    assert!(problem(&alone).contains("an empty block where a header should be"));
}

#[test]
fn records_that_have_no_end_or_lie_about_it_are_errors() {
    for text in
        [&b"99 path=a\n"[..], b"9 path=ab", b"path=a\n", b"0 path=a\n", b"12345678901234 a=b\n", b"7 path\n", b"3 \n"]
    {
        assert!(problem(&ended(&[plain(b'x', "r", text), plain(b'0', "a", b"")])).contains("record"), "{text:?}");
    }
    let long = vec![b'a'; (1 << 20) + 1];
    assert!(problem(&ended(&[records(b'x', &[("path", &long)]), plain(b'0', "a", b"")])).contains("longer than"));
    let claims = |kind, size: u64| ended(&[entry(kind, b"r", b"", &|header| header.set_size(size))]);
    for kind in [b'x', b'g', b'L', b'K'] {
        assert!(problem(&claims(kind, 8 << 30)).contains("longer than"), "no memory for what is claimed");
        assert!(problem(&claims(kind, 1 << 20)).contains("cut short"), "and none before it comes");
    }
}

#[test]
fn an_archive_that_was_cut_anywhere_is_an_error() {
    let parts = [
        records(b'x', &[("path", b"long"), ("SCHILY.xattr.user.a", b"1")]),
        plain(b'0', "a", b"content"),
        plain(b'5', "d/", b""),
    ];
    let whole = ended(&parts);
    assert!(read(&whole).is_ok());
    for len in 0..whole.len() {
        assert!(read(&whole[..len]).is_err(), "{len} bytes of {}", whole.len());
    }
}

#[test]
fn padding_behind_the_end_is_no_more_and_anything_else_is() {
    let mut whole = ended(&[plain(b'0', "a", b"")]);
    whole.resize(20 * BLOCK, 0);
    let has_more = |bytes: &[u8]| {
        let mut archive = Archive::new(String::new(), Box::new(std::io::Cursor::new(bytes.to_vec())));
        while archive.next_member(&Alice).unwrap().is_some() {}
        archive.has_more
    };
    assert!(!has_more(&whole));
    assert!(has_more(&[whole.clone(), whole].concat()));
}

proptest! {
    /// Whatever the bytes, an answer comes, and a valid checksum leads far into them.
    #[test]
    fn no_header_whatever_ends_otherwise_than_with_an_answer(
        kind in any::<u8>(),
        bytes in proptest::collection::vec(any::<u8>(), 512),
        size in 0_u64..4000,
    ) {
        let mut header = tar::Header::new_old();
        header.as_mut_bytes().copy_from_slice(&bytes);
        header.set_entry_type(tar::EntryType::new(kind));
        header.set_size(size);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_cksum();
        let archive = [header.as_bytes().to_vec(), bytes, vec![0; 10 * BLOCK]].concat();
        let _ = read(&archive);
    }
}
