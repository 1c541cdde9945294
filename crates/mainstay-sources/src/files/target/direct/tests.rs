//! Tests of writing past the page cache.

use super::{ALIGNMENT, middle};
use crate::files::TargetTree;

#[test]
fn the_middle_begins_and_ends_aligned_and_lies_within() {
    for offset in [0_u64, 1, 4095, 4096, 4097, 1 << 40] {
        for len in [0_usize, 1, 4095, 4096, 8191, 8192, 100_000] {
            let middle = middle(offset, len);
            assert!(middle.end <= len, "{offset} {len}");
            if middle.is_empty() {
                assert!(len < 2 * ALIGNMENT, "{offset} {len}");
                continue;
            }
            let (start, end) = (offset + middle.start as u64, offset + middle.end as u64);
            assert_eq!((start % ALIGNMENT as u64, end % ALIGNMENT as u64), (0, 0));
            assert!(middle.start < ALIGNMENT && len - middle.end < ALIGNMENT, "{offset} {len}");
        }
    }
}

#[test]
fn pieces_of_any_length_written_by_many_threads_are_all_there() {
    let directory = tempfile::tempdir().unwrap();
    let top = TargetTree::open_or_create(directory.path()).unwrap().top();
    let mut file = top.create_file(b"x").unwrap();
    top.write_past_cache(&mut file);
    let wanted: Vec<u8> = (0..6_000_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    file.reserve(wanted.len() as u64).unwrap();
    let lens = [1_300_000, 5, 70_000, 4096, 2_000_001, 131_072, 900_000, 1_000_000, 594_826];
    assert_eq!(lens.iter().sum::<usize>(), wanted.len());
    std::thread::scope(|scope| {
        let mut offset = 0;
        for len in lens {
            let (file, piece) = (&file, &wanted[offset..offset + len]);
            scope.spawn(move || file.write_all_at(offset as u64, piece).unwrap());
            offset += len;
        }
    });
    assert!(std::fs::read(directory.path().join("x")).unwrap() == wanted);
}
