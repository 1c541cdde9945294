//! Tests of writing past the cache: every length, and errors that are told later.

use super::*;
use crate::fixtures::seeded;

#[test]
fn what_is_written_in_parts_is_in_the_file_at_every_length() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    for len in [0, 1, BUFFER_LEN - 1, BUFFER_LEN, BUFFER_LEN + 1, 3 * BUFFER_LEN, 3 * BUFFER_LEN + 4097] {
        let bytes = seeded(1, len);
        let mut file = DirectFile::new(File::create(&path).unwrap(), Buffers::default());
        bytes.chunks(700_001).try_for_each(|part| file.write(part)).unwrap();
        file.finish().unwrap();
        assert!(std::fs::read(&path).unwrap() == bytes, "{len} bytes");
    }
}

/// A file that nothing can be written to.
fn unwritable() -> (tempfile::TempDir, DirectFile) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    std::fs::write(&path, b"").unwrap();
    let file = DirectFile::new(File::open(path).unwrap(), Buffers::default());
    (directory, file)
}

#[test]
fn a_buffer_that_could_not_be_written_is_an_error_at_the_end() {
    let (_directory, mut file) = unwritable();
    file.write(&seeded(1, BUFFER_LEN)).unwrap();
    assert_eq!(file.finish().unwrap_err().raw_os_error(), Some(rustix::io::Errno::BADF.raw_os_error()));
}

#[test]
fn a_buffer_that_could_not_be_written_stops_the_writing_and_no_end_is_reached() {
    let (_directory, mut file) = unwritable();
    let buffer = seeded(1, BUFFER_LEN);
    let error = (0..4).find_map(|_| file.write(&buffer).err()).expect("the third buffer cannot be handed over");
    assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::BADF.raw_os_error()));
    assert!(file.write(&buffer).is_err());
    assert!(file.finish().is_err());
}

#[test]
fn a_file_that_is_given_up_waits_for_its_writer() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    let mut file = DirectFile::new(File::create(&path).unwrap(), Buffers::default());
    file.write(&seeded(1, 2 * BUFFER_LEN)).unwrap();
    drop(file);
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 2 * BUFFER_LEN as u64);
}
