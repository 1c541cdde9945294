//! Tests of writing content.

use std::os::unix::fs::{FileExt as _, MetadataExt as _};

use crate::Details;
use crate::files::{HardLinks, Metadata, Preserve, TargetTree};

#[test]
fn bytes_written_at_offsets_by_many_threads_are_all_there() {
    let directory = tempfile::tempdir().unwrap();
    let file = TargetTree::open_or_create(directory.path()).unwrap().top().create_file(b"x").unwrap();
    std::thread::scope(|scope| {
        for part in 0..4_u8 {
            let file = &file;
            scope.spawn(move || {
                for block in 0..50 {
                    let number = block * 4 + u64::from(part);
                    file.write_all_at(number * 1000, &[part + 1; 1000]).unwrap();
                }
            });
        }
    });
    let bytes = std::fs::read(directory.path().join("x")).unwrap();
    assert_eq!(bytes.len(), 200_000);
    assert!(
        bytes
            .chunks(1000)
            .enumerate()
            .all(|(number, chunk)| { chunk.iter().all(|byte| usize::from(*byte) == number % 4 + 1) })
    );
}

#[test]
fn what_is_not_written_is_a_hole() {
    let directory = tempfile::tempdir().unwrap();
    let file = TargetTree::open_or_create(directory.path()).unwrap().top().create_file(b"x").unwrap();
    let len = 8 << 20;
    file.write_all_at(4 << 20, b"middle").unwrap();
    file.set_len(len).unwrap();
    let written = std::fs::metadata(directory.path().join("x")).unwrap();
    assert_eq!(written.len(), len);
    assert!(written.blocks() * 512 < len / 2);
}

#[test]
fn a_punched_hole_reads_as_zeros_and_keeps_the_size() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x");
    std::fs::write(&path, vec![1_u8; 300_000]).unwrap();
    let file = TargetTree::open_or_create(directory.path()).unwrap().top().open_file(b"x", HardLinks::Refuse).unwrap();
    file.punch_hole(1000, 200_000).unwrap();
    file.punch_hole(0, 0).unwrap();
    file.punch_hole(400_000, 10).unwrap();
    let mut expected = vec![1_u8; 300_000];
    expected[1000..201_000].fill(0);
    assert!(std::fs::read(&path).unwrap() == expected);
    file.write_zeros(250_000, u64::MAX).unwrap();
    expected[250_000..].fill(0);
    assert!(std::fs::read(&path).unwrap() == expected);
}

#[test]
fn an_existing_file_is_read_and_changed_in_place() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x");
    std::fs::write(&path, b"0123456789").unwrap();
    let before = std::fs::File::open(&path).unwrap();
    let file = TargetTree::open_or_create(directory.path()).unwrap().top().open_file(b"x", HardLinks::Refuse).unwrap();
    let mut buffer = [0; 4];
    assert_eq!(file.read_at(8, &mut buffer).unwrap(), 2);
    assert_eq!(&buffer[..2], b"89");
    file.write_all_at(2, b"ab").unwrap();
    file.set_len(6).unwrap();
    let mut now = [0; 6];
    before.read_exact_at(&mut now, 0).unwrap();
    assert_eq!(&now, b"01ab45");
}

#[test]
fn a_file_that_is_as_it_should_be_is_not_touched() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x");
    std::fs::write(&path, b"0123456789").unwrap();
    let before = std::fs::metadata(&path).unwrap();
    let top = TargetTree::open_or_create(directory.path()).unwrap().top();
    let metadata = || {
        let entry = top.stat(b"x").unwrap().unwrap();
        Metadata::new(&entry, Details::default())
    };
    let file = top.open_file(b"x", HardLinks::Refuse).unwrap();
    file.set_len(10).unwrap();
    assert_eq!(file.finish(&metadata(), &Preserve::as_permitted()).unwrap().warnings, []);
    let changed = |status: &std::fs::Metadata| (status.ctime(), status.ctime_nsec());
    assert_eq!(changed(&std::fs::metadata(&path).unwrap()), changed(&before));
    // What was written in between has its time set, though it was the right one when the file was opened.
    let wanted = metadata();
    let file = top.open_file(b"x", HardLinks::Refuse).unwrap();
    file.write_all_at(3, b"x").unwrap();
    assert_eq!(file.finish(&wanted, &Preserve::as_permitted()).unwrap().warnings, []);
    assert_eq!(metadata().modified, wanted.modified);
}

#[test]
fn a_stretch_reads_as_zeros_whether_it_is_a_hole_or_not() {
    let directory = tempfile::tempdir().unwrap();
    let top = TargetTree::open_or_create(directory.path()).unwrap().top();
    let file = top.create_file(b"x").unwrap();
    file.set_len(1 << 20).unwrap();
    file.write_all_at(300_000, &[0; 100_000]).unwrap();
    file.write_all_at(700_000, b"x").unwrap();
    let file = top.open_file_to_read(b"x").unwrap();
    assert_eq!(file.size(), 1 << 20);
    for (offset, len, wanted) in
        [(0, 700_000, true), (0, 700_001, false), (700_001, 300_000, true), (700_000, 1, false)]
    {
        assert_eq!(file.reads_as_zeros(offset, len).unwrap(), wanted, "{len} bytes at {offset}");
    }
}
