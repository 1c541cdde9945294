//! Tests of reading files: holes, growing, shrinking.

mod direct;

use std::io::Write as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};

use crate::files::testing::{entry, has_attributes, open_everything, read_everything};
use crate::{Content, Run};

const MEBIBYTE: u64 = 1024 * 1024;

fn open(directory: &std::path::Path, name: &str) -> Box<dyn Content> {
    let open = open_everything(directory);
    open.open_file(&entry(open.as_ref(), name)).unwrap()
}

#[test]
fn a_file_without_holes_is_one_run() {
    let directory = tempfile::tempdir().unwrap();
    for size in [1, 4096, 100_000, 3_000_000] {
        let bytes: Vec<u8> = (0..size).map(|number: u32| (number % 251) as u8).collect();
        std::fs::write(directory.path().join("file"), &bytes).unwrap();
        let (runs, read) = read_everything(open(directory.path(), "file").as_mut());
        assert_eq!(runs, [Run::Data { len: size.into() }]);
        assert!(read == bytes);
    }
}

#[test]
fn an_empty_file_has_no_run() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("file"), b"").unwrap();
    let mut content = open(directory.path(), "file");
    assert_eq!(content.next_run().unwrap(), None);
    assert_eq!(content.read(&mut [0; 10]).unwrap(), 0);
    assert_eq!(content.entry_now().unwrap().size, 0);
}

#[test]
fn holes_are_reported_and_not_read() {
    let directory = tempfile::tempdir().unwrap();
    let file = std::fs::File::create(directory.path().join("file")).unwrap();
    file.write_all_at(&[1; 65536], MEBIBYTE).unwrap();
    file.write_all_at(&[2; 65536], 4 * MEBIBYTE).unwrap();
    file.set_len(8 * MEBIBYTE).unwrap();
    let has_holes = file.metadata().unwrap().blocks() * 512 < MEBIBYTE;
    let (runs, read) = read_everything(open(directory.path(), "file").as_mut());
    let mut expected = vec![0_u8; 8 << 20];
    expected[1 << 20..][..65536].fill(1);
    expected[4 << 20..][..65536].fill(2);
    assert!(read == expected);
    if has_holes {
        let hole = |len| Run::Hole { len };
        let data = Run::Data { len: 65536 };
        let rest = 4 * MEBIBYTE - 65536;
        assert_eq!(runs, [hole(MEBIBYTE), data, hole(3 * MEBIBYTE - 65536), data, hole(rest)]);
    }
}

#[test]
fn a_file_of_nothing_but_a_hole_costs_no_read() {
    let directory = tempfile::tempdir().unwrap();
    let len = 1 << 40;
    let file = std::fs::File::create(directory.path().join("file")).unwrap();
    file.set_len(len).unwrap();
    let mut content = open(directory.path(), "file");
    assert_eq!(content.next_run().unwrap(), Some(Run::Hole { len }));
    assert_eq!(content.read(&mut [0; 10]).unwrap(), 0);
    assert_eq!(content.next_run().unwrap(), None);
}

#[test]
fn what_is_appended_while_reading_is_not_read_but_seen() {
    let directory = tempfile::tempdir().unwrap();
    let mut file = std::fs::File::create(directory.path().join("file")).unwrap();
    file.write_all(b"before").unwrap();
    let mut content = open(directory.path(), "file");
    file.write_all(b" and after").unwrap();
    let (runs, read) = read_everything(content.as_mut());
    assert_eq!((runs, read.as_slice()), (vec![Run::Data { len: 6 }], b"before".as_slice()));
    assert_eq!(content.entry_now().unwrap().size, 16);
}

#[test]
fn a_file_that_shrinks_ends_early() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    std::fs::write(&path, vec![1_u8; 50_000]).unwrap();
    let mut content = open(directory.path(), "file");
    std::fs::File::options().write(true).open(&path).unwrap().set_len(15_000).unwrap();
    let (_, read) = read_everything(content.as_mut());
    assert_eq!(read.len(), 15_000);
    assert_eq!(content.next_run().unwrap(), None);
}

#[test]
fn a_sparse_file_that_shrinks_ends_early() {
    let directory = tempfile::tempdir().unwrap();
    let file = std::fs::File::create(directory.path().join("file")).unwrap();
    file.write_all_at(b"end", 4 * MEBIBYTE).unwrap();
    let mut content = open(directory.path(), "file");
    file.set_len(5).unwrap();
    let (_, read) = read_everything(content.as_mut());
    assert!(read.iter().all(|byte| *byte == 0));
    assert_eq!(content.entry_now().unwrap().size, 5);
}

#[test]
fn a_run_that_is_not_read_is_passed_over() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("file"), b"some bytes").unwrap();
    let mut content = open(directory.path(), "file");
    assert_eq!(content.next_run().unwrap(), Some(Run::Data { len: 10 }));
    assert_eq!(content.read(&mut [0; 4]).unwrap(), 4);
    assert_eq!(content.next_run().unwrap(), None);
}

#[test]
fn an_unchanged_file_is_now_what_it_was_in_the_listing() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("file"), b"some bytes").unwrap();
    let open = open_everything(directory.path());
    let listed = entry(open.as_ref(), "file");
    let mut content = open.open_file(&listed).unwrap();
    read_everything(content.as_mut());
    assert_eq!(content.entry_now().unwrap(), listed);
}

#[test]
fn the_open_file_tells_the_same_details_as_its_directory() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    std::fs::write(&path, b"").unwrap();
    if has_attributes(directory.path()) {
        rustix::fs::setxattr(&path, "user.a", b"1", rustix::fs::XattrFlags::empty()).unwrap();
    }
    let open = open_everything(directory.path());
    let listed = entry(open.as_ref(), "file");
    let details = open.details(&listed).unwrap();
    assert_eq!(open.open_file(&listed).unwrap().details().unwrap(), Some(details.clone()));
    let has_a = details.attributes.iter().any(|(name, value)| name == b"user.a" && value == b"1");
    assert_eq!(has_a, has_attributes(directory.path()));
}
