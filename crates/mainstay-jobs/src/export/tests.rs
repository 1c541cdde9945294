//! Tests of what stands in an archive; that real programs read it is tried with the binary.

use std::collections::BTreeMap;
use std::io::Read as _;

use mainstay_repo::{Extent, Node, NodeKind};

use super::*;
use crate::NoProgress;
use crate::fixture::{Backup, Files, Fixture, START};

fn exported(files: &Files, edit: &dyn Fn(&str, &mut Node)) -> (Vec<u8>, ExportReport) {
    let fixture = Fixture::new();
    let entry = fixture.back_up(files, &Backup { edit, ..Backup::default() });
    let trees = fixture.trees();
    let mut bytes = Vec::new();
    let what = Exported::Beneath(&entry.snapshot.root);
    let report = export(&trees, &what, &mut bytes, &NoProgress, &Cancel::default()).unwrap();
    (bytes, report)
}

/// Path, content, and the records of an entry.
type Read = (String, Vec<u8>, BTreeMap<String, Vec<u8>>);

/// Each entry as the reader of the library sees it.
fn entries_of(archive: &[u8]) -> Vec<Read> {
    let mut archive = tar::Archive::new(archive);
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let records = entry.pax_extensions().unwrap().into_iter().flatten();
        let records = records
            .map(|record| {
                let record = record.unwrap();
                (record.key().unwrap().to_owned(), record.value_bytes().to_vec())
            })
            .collect();
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        (path, content, records)
    });
    entries.collect()
}

#[test]
fn files_and_directories_stand_in_order_with_their_content() {
    let files =
        Files::from([("a/one", vec![1; 700]), ("a/two", Vec::new()), ("b", vec![2; 512]), ("empty/", Vec::new())]);
    let (bytes, report) = exported(&files, &|_, _| {});
    let names: Vec<String> = entries_of(&bytes).into_iter().map(|(path, ..)| path).collect();
    assert_eq!(names, ["a/", "a/one", "a/two", "b", "empty/"]);
    assert_eq!(entries_of(&bytes)[1].1, vec![1; 700]);
    assert_eq!((report.entries, report.bytes, report.left_out), (5, bytes.len() as u64, 0));
    assert!(bytes.len() % BLOCK == 0 && bytes.ends_with(&[0; 2 * BLOCK]));
}

#[test]
fn what_a_header_cannot_hold_stands_in_records() {
    let long: &'static str = Box::leak(format!("{}/leaf", "d".repeat(200)).into_boxed_str());
    let (bytes, _) = exported(&Files::from([(long, vec![7])]), &|path, node| {
        if path.ends_with("leaf") {
            node.modified = (-2, 250_000_000);
            node.user = 3_000_000;
            node.attributes = vec![(b"user.note".to_vec(), vec![0xff, 0])];
        }
    });
    let (path, content, records) = entries_of(&bytes).pop().unwrap();
    assert_eq!((path.as_str(), content), (long, vec![7]));
    let record = |key: &str| records.get(key).map(|value| String::from_utf8_lossy(value).into_owned());
    assert_eq!(record("mtime").as_deref(), Some("-1.750000000"));
    assert_eq!(record("uid").as_deref(), Some("3000000"));
    assert_eq!(records.get("SCHILY.xattr.user.note"), Some(&vec![0xff, 0]));
    assert_eq!(record("hdrcharset"), None, "attributes are bytes anyhow");
}

#[test]
fn the_second_name_of_a_file_is_a_link_to_the_first() {
    let (bytes, _) = exported(&Files::from([("a", vec![1]), ("b", vec![1])]), &|_, node| {
        (node.links, node.device, node.inode) = (2, 9, 77);
    });
    let mut archive = tar::Archive::new(bytes.as_slice());
    let second = archive.entries().unwrap().nth(1).unwrap().unwrap();
    assert_eq!(second.header().entry_type(), tar::EntryType::Link);
    assert_eq!(second.link_name_bytes().unwrap().as_ref(), b"a");
    assert_eq!(second.header().size().unwrap(), 0);
}

#[test]
fn sockets_are_left_out_and_counted() {
    let (bytes, report) = exported(&Files::from([("s", Vec::new())]), &|_, node| node.kind = NodeKind::Socket);
    assert_eq!((entries_of(&bytes).len(), report.left_out), (0, 1));
}

fn map(parts: &[(bool, u64)]) -> sparse::Map {
    let extent = |(is_data, len): &(bool, u64)| match is_data {
        true => Ok(Extent::Data {
            block: mainstay_repo::BlockId { session: mainstay_repo::SessionId([0; 16]), serial: 0 },
            offset: 0,
            len: *len as u32,
        }),
        false => Ok(Extent::Hole { len: *len }),
    };
    sparse::Map::of(parts.iter().map(extent)).unwrap()
}

#[test]
fn the_map_of_a_file_with_holes_names_its_data() {
    let whole = map(&[(true, 3), (true, 4)]);
    assert!(!whole.has_holes() && whole.len() == 7);
    let holes = map(&[(false, 10), (true, 3), (true, 4), (false, 5)]);
    assert_eq!((holes.len(), holes.data_len(), holes.has_holes()), (22, 7, true));
    let encoded = holes.encode();
    assert!(encoded.len() == BLOCK && encoded.starts_with(b"2\n10\n7\n22\n0\n\0"), "{encoded:?}");
    assert_eq!(sparse::stand_in(b"a/b/c"), b"a/b/GNUSparseFile.0/c");
}

#[test]
fn access_lists_become_text() {
    let entry = |tag: u16, permissions: u16, id: u32| {
        [&tag.to_le_bytes()[..], &permissions.to_le_bytes(), &id.to_le_bytes()].concat()
    };
    let list = [entry(1, 7, u32::MAX), entry(2, 5, 1000), entry(4, 4, u32::MAX), entry(0x10, 5, 0), entry(0x20, 0, 0)];
    let value = [2u32.to_le_bytes().to_vec(), list.concat()].concat();
    assert_eq!(acl::text(&value).as_deref(), Some("user::rwx,user:1000:r-x,group::r--,mask::r-x,other::---"));
    for odd in [&value[..5], &[3, 0, 0, 0], &[]] {
        assert_eq!(acl::text(odd), None);
    }
}

#[test]
fn times_fit_the_header_or_a_record() {
    let (bytes, _) = exported(&Files::from([("a", Vec::new())]), &|_, node| node.modified = (START / 1_000_000_000, 0));
    assert!(entries_of(&bytes)[0].2.is_empty(), "nothing needs a record");
}
