//! Tests of names that are held packed.

use rustix::fs::FileType;

use super::{Names, PackedNames};

fn names(given: &[(&[u8], u64, FileType)]) -> Names {
    let mut names = Names::default();
    for (name, inode, kind) in given {
        names.push(*inode, *kind, &[name, b"\0".as_slice()].concat()).unwrap();
    }
    names
}

fn told(names: &Names) -> Vec<(Vec<u8>, u64, FileType)> {
    let inodes = names.records.iter().map(|record| record.inode);
    names.iter().zip(inodes).map(|((name, kind), inode)| (name.to_bytes().to_vec(), inode, kind)).collect()
}

#[test]
fn packed_names_come_back_sorted_and_once_with_all_that_was_known_of_them() {
    let long: Vec<u8> = vec![b'x'; 300];
    let longer = [&long[..], b"y"].concat();
    let given: [(&[u8], u64, FileType); 8] = [
        (b"b", 7, FileType::Directory),
        (&longer, u64::MAX, FileType::Unknown),
        (b"ab", 1, FileType::Symlink),
        (b"a", 3, FileType::RegularFile),
        (b"b", 7, FileType::Directory),
        (&long, 2, FileType::Fifo),
        (b"\xff\xfe", 5, FileType::Socket),
        (b"abc", 4, FileType::CharacterDevice),
    ];
    let mut packed = PackedNames::new(&mut names(&given));
    let mut found = told(&packed.take(3));
    assert!(!packed.is_at_end());
    found.extend(told(&packed.take(100)));
    assert!(packed.is_at_end());
    let mut expected: Vec<_> = given.iter().map(|(name, inode, kind)| (name.to_vec(), *inode, *kind)).collect();
    expected.sort_by(|a, b| a.0.cmp(&b.0));
    expected.dedup();
    assert_eq!(found, expected);
}

#[test]
fn names_that_follow_each_other_take_less_than_twenty_bytes_each() {
    let many: Vec<Vec<u8>> = (0..10_000).map(|number| format!("entry-{number:07}.txt").into_bytes()).collect();
    let given: Vec<_> = many.iter().map(|name| (name.as_slice(), 1, FileType::RegularFile)).collect();
    let packed = PackedNames::new(&mut names(&given));
    assert!(packed.bytes.len() < 20 * many.len(), "{}", packed.bytes.len());
}
