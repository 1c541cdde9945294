//! Tests of reading past the page cache: the same bytes as through it, whatever the length and whatever happens.
//!
//! Where the file system of the tests cannot do it, the same tests hold for reading through the cache.

use std::fs::File;
use std::io::IoSliceMut;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, AtFlags, OFlags, StatxFlags};
use rustix::io::{Errno, ReadWriteFlags};

use super::super::FileContent;
use crate::files::direct::{DirectReading, ReadAt};
use crate::files::status;
use crate::{Content as _, READ_ALIGNMENT, Run};

const MEBIBYTE: usize = 1 << 20;
/// Long enough to be read past the cache.
const LEN: usize = 17 * MEBIBYTE;

/// Bytes of which no two pages are the same.
fn drawn(len: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.flatten().take(len).collect()
}

/// Takes a file out of the page cache.
fn make_cold(path: &Path) {
    let file = File::open(path).unwrap();
    file.sync_all().unwrap();
    rustix::fs::fadvise(&file, 0, None, Advice::DontNeed).unwrap();
}

fn cold_file(directory: &tempfile::TempDir, bytes: &[u8]) -> PathBuf {
    let path = directory.path().join("file");
    std::fs::write(&path, bytes).unwrap();
    make_cold(&path);
    path
}

fn open(path: &Path) -> FileContent {
    let file = OwnedFd::from(File::open(path).unwrap());
    let status = status::of_open(file.as_fd()).unwrap();
    FileContent::new(file, path.parent().unwrap().as_os_str().as_encoded_bytes().into(), b"file".to_vec(), &status)
}

/// Whether the file system reads past the cache, and tells what is in it.
fn is_supported(path: &Path) -> bool {
    let file = File::open(path).unwrap();
    let status = rustix::fs::statx(&file, c"", AtFlags::EMPTY_PATH, StatxFlags::DIOALIGN).unwrap();
    let mut byte = [0];
    let looked = rustix::io::preadv2(&file, &mut [IoSliceMut::new(&mut byte)], 0, ReadWriteFlags::NOWAIT);
    (1..=4096).contains(&status.stx_dio_offset_align) && matches!(looked, Ok(_) | Err(Errno::AGAIN))
}

/// Memory with an aligned part of two mebibytes.
struct Room(Vec<u8>);

impl Room {
    fn new() -> Self {
        Self(vec![0; 2 * MEBIBYTE + READ_ALIGNMENT])
    }

    fn aligned(&mut self) -> &mut [u8] {
        let start = self.0.as_ptr().align_offset(READ_ALIGNMENT);
        &mut self.0[start..][..2 * MEBIBYTE]
    }
}

/// Reads what is left of a file; holes become zeros. `between` is called after each read.
fn read_on(content: &mut FileContent, mut between: impl FnMut(&FileContent)) -> Vec<u8> {
    let (mut room, mut bytes) = (Room::new(), Vec::new());
    while let Some(run) = content.next_run().unwrap() {
        if let Run::Hole { len } = run {
            bytes.resize(bytes.len() + len as usize, 0);
            continue;
        }
        loop {
            let read = content.read(room.aligned()).unwrap();
            if read == 0 {
                break;
            }
            bytes.extend_from_slice(&room.aligned()[..read]);
            between(content);
        }
    }
    bytes
}

fn read_all(content: &mut FileContent) -> Vec<u8> {
    read_on(content, |_| ())
}

#[test]
fn a_long_file_that_is_not_in_the_cache_is_read_past_it_at_every_length() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = drawn(LEN + 4097);
    let path = cold_file(&directory, &bytes);
    let file = File::options().write(true).open(&path).unwrap();
    for len in [4097, 4096, 4095, 513, 512, 511, 1, 0].map(|more| LEN + more) {
        file.set_len(len as u64).unwrap();
        make_cold(&path);
        let mut content = open(&path);
        assert!(read_all(&mut content) == bytes[..len], "{len} bytes");
        assert_eq!(content.direct.is_some(), is_supported(&path), "{len} bytes");
    }
}

#[test]
fn reading_past_the_cache_leaves_nothing_in_it_that_the_next_run_takes_for_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = cold_file(&directory, &drawn(LEN));
    for _ in 0..2 {
        let mut content = open(&path);
        read_all(&mut content);
        assert_eq!(content.direct.is_some(), is_supported(&path));
    }
}

#[test]
fn a_file_that_is_in_the_cache_and_a_short_one_are_read_through_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    let bytes = drawn(LEN);
    std::fs::write(&path, &bytes).unwrap();
    let mut content = open(&path);
    assert!(content.direct.is_none());
    assert!(read_all(&mut content) == bytes);
    let path = cold_file(&directory, &bytes[..MEBIBYTE]);
    assert!(open(&path).direct.is_none());
}

#[test]
fn memory_of_any_alignment_gives_the_same_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = drawn(LEN + 777);
    let path = cold_file(&directory, &bytes);
    for (offset, len) in [(1, 2 * MEBIBYTE - 1), (0, 2 * MEBIBYTE - 1), (0, 12_345), (0, 4096), (512, 100)] {
        make_cold(&path);
        let (mut content, mut room, mut read) = (open(&path), Room::new(), Vec::new());
        content.next_run().unwrap();
        // Some reads are enough: the rest of the file is long.
        for _ in 0..5 {
            let buffer = &mut room.aligned()[offset..][..len];
            let count = content.read(buffer).unwrap();
            read.extend_from_slice(&buffer[..count]);
        }
        read.extend(read_rest(&mut content));
        assert!(read == bytes, "{len} bytes at {offset}");
    }
}

/// Reads what is left of the run.
fn read_rest(content: &mut FileContent) -> Vec<u8> {
    let (mut room, mut bytes) = (Room::new(), Vec::new());
    loop {
        match content.read(room.aligned()).unwrap() {
            0 => return bytes,
            read => bytes.extend_from_slice(&room.aligned()[..read]),
        }
    }
}

#[test]
fn a_file_system_that_refuses_to_read_past_the_cache_is_read_through_it_from_where_it_refused() {
    let refusals: [ReadAt; 4] = [
        |_, _, _| Err(Errno::INVAL),
        |_, _, _| Err(Errno::IO),
        |file, buffer, position| match position < 4 * MEBIBYTE as u64 {
            true => rustix::io::pread(file, buffer, position),
            false => Err(Errno::INVAL),
        },
        // The last part, which is not aligned.
        |file, buffer, position| match position < 16 * MEBIBYTE as u64 {
            true => rustix::io::pread(file, buffer, position),
            false => Err(Errno::INVAL),
        },
    ];
    let directory = tempfile::tempdir().unwrap();
    let bytes = drawn(LEN + 777);
    for (number, read_at) in refusals.into_iter().enumerate() {
        let mut content = open(&cold_file(&directory, &bytes));
        // Where the file system of the tests does not read past the cache, as if it did.
        content.direct.get_or_insert(DirectReading { touched: Vec::new(), read_at }).read_at = read_at;
        assert!(read_all(&mut content) == bytes, "refusal {number}");
        assert!(content.direct.is_none(), "refusal {number}");
        let flags = rustix::fs::fcntl_getfl(&content.file).unwrap();
        assert!(!flags.contains(OFlags::DIRECT), "refusal {number}");
    }
}

#[test]
fn holes_are_left_out_and_what_lies_between_them_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    let bytes = drawn(9 * MEBIBYTE + 777);
    let file = File::create(&path).unwrap();
    file.write_all_at(&bytes, 5).unwrap();
    file.write_all_at(&bytes, 30 * MEBIBYTE as u64 + 4096).unwrap();
    file.set_len(50 * MEBIBYTE as u64 + 1).unwrap();
    make_cold(&path);
    let mut expected = vec![0; 50 * MEBIBYTE + 1];
    expected[5..][..bytes.len()].copy_from_slice(&bytes);
    expected[30 * MEBIBYTE + 4096..][..bytes.len()].copy_from_slice(&bytes);
    let mut content = open(&path);
    assert!(read_all(&mut content) == expected);
    assert_eq!(content.direct.is_some(), is_supported(&path));
}

#[test]
fn a_file_that_shrinks_while_it_is_read_ends_where_it_ends_now() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = drawn(LEN);
    for len in [10 * MEBIBYTE, 10 * MEBIBYTE + 1, 10 * MEBIBYTE + 4095, 2 * MEBIBYTE, 1, 0] {
        let path = cold_file(&directory, &bytes);
        let mut content = open(&path);
        let read = read_on(&mut content, |_| {
            let file = File::options().write(true).open(&path).unwrap();
            file.set_len(len as u64).unwrap();
        });
        // The first read came before the file shrank.
        let expected = len.max(2 * MEBIBYTE);
        assert!(read == bytes[..expected], "cut to {len} bytes: {} read", read.len());
        assert_eq!(content.next_run().unwrap(), None);
        assert_eq!(content.entry_now().unwrap().size, len as u64);
    }
}

#[test]
fn what_is_appended_while_a_long_file_is_read_is_not_read() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = drawn(LEN + MEBIBYTE);
    for len in [LEN, LEN + 1, LEN - 1] {
        let path = cold_file(&directory, &bytes[..len]);
        let file = File::options().write(true).open(&path).unwrap();
        let mut content = open(&path);
        file.write_all_at(&bytes[len..], len as u64).unwrap();
        assert!(read_all(&mut content) == bytes[..len], "{len} bytes");
    }
}

#[test]
fn what_is_written_while_a_long_file_is_read_is_seen() {
    let directory = tempfile::tempdir().unwrap();
    let mut expected = drawn(LEN);
    let path = cold_file(&directory, &expected);
    let file = File::options().write(true).open(&path).unwrap();
    let mut content = open(&path);
    // Into the cache only: the disk does not know it yet.
    file.write_all_at(b"changed", 12 * MEBIBYTE as u64 + 5).unwrap();
    expected[12 * MEBIBYTE + 5..][..7].copy_from_slice(b"changed");
    assert!(read_all(&mut content) == expected);
}

#[test]
fn a_file_system_in_memory_is_read_all_the_same() {
    let Ok(directory) = tempfile::tempdir_in("/dev/shm") else { return };
    let bytes = drawn(LEN + 1);
    let mut content = open(&cold_file(&directory, &bytes));
    assert!(read_all(&mut content) == bytes);
}
