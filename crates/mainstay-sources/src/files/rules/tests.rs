//! Tests of exclude rules, as a table of what users of gitignore, restic and borg expect.

use std::os::fd::AsFd as _;

use super::{CACHE_SIGNATURE, CACHE_TAG, Rules};
use crate::files::FileOptions;
use crate::files::status;
use crate::{Error, Kind};
use rustix::fs::{CWD, StatxAttributes};

fn rules(lines: &[&str], root: &[u8]) -> Rules {
    let mut options = FileOptions::everything();
    options.excludes = lines.iter().map(|line| (*line).to_owned()).collect();
    Rules::new(&options, root, &[]).unwrap()
}

#[test]
fn patterns_match_as_documented() {
    // Rules; path beneath the root /home/u, a slash at its end for a directory; excluded or not.
    let table: &[(&[&str], &str, bool)] = &[
        (&["*.o"], "/home/u/a.o", true),
        (&["*.o"], "/home/u/deep/er/a.o", true),
        (&["*.o"], "/home/u/a.o.txt", false),
        (&["node_modules/"], "/home/u/x/node_modules/", true),
        (&["node_modules/"], "/home/u/x/node_modules", false),
        (&["/home/u/.cache"], "/home/u/.cache/", true),
        (&["/home/*/.cache"], "/home/u/.cache/", true),
        (&["/.cache"], "/home/u/.cache/", false),
        (&["/tmp"], "/home/u/tmp/", false),
        (&["/tmp"], "/tmp/", true),
        (&["target/debug"], "/home/u/target/debug/", true),
        (&["target/debug"], "/home/u/project/target/debug/", false),
        (&["**/target/debug"], "/home/u/project/target/debug/", true),
        (&["target/debug/"], "/home/u/target/debug", false),
        (&["cache/**"], "/home/u/cache/", false),
        (&["cache/**"], "/home/u/cache/a", true),
        (&["*.log", "!keep.log"], "/home/u/keep.log", false),
        (&["*.log", "!keep.log"], "/home/u/lose.log", true),
        (&["!keep.log", "*.log"], "/home/u/keep.log", true),
        (&["*", "!/home/u/keep"], "/home/u/keep", false),
        (&["*", "!sub/keep"], "/home/u/sub/keep", false),
        (&["*.tmp", "!/home/u/a.tmp", "a.tmp"], "/home/u/a.tmp", true),
        (&["# comment"], "/home/u/# comment", false),
        (&[r"\#name"], "/home/u/#name", true),
        (&[r"\!name"], "/home/u/!name", true),
        (&["", "   "], "/home/u/a", false),
        (&["name "], "/home/u/name", true),
        (&["[ab].txt"], "/home/u/b.txt", true),
        (&["[!ab].txt"], "/home/u/b.txt", false),
        (&["?.txt"], "/home/u/bb.txt", false),
        (&["Name"], "/home/u/name", false),
        (&["sub/*.o"], "/home/u/sub/deep/a.o", false),
    ];
    for (lines, path, expected) in table {
        let is_directory = path.ends_with('/');
        let path = path.trim_end_matches('/');
        let excluded = rules(lines, b"/home/u").path_rule(path.as_bytes(), is_directory).is_some();
        assert_eq!(excluded, *expected, "{lines:?} and {path}");
    }
}

#[test]
fn a_root_with_special_characters_is_taken_literally() {
    for root in [r"/a [b]*?{c}\!#d", "/", "/ü"] {
        let rules = rules(&["sub/x"], root.as_bytes());
        let path = format!("{}/sub/x", root.trim_end_matches('/'));
        assert!(rules.path_rule(path.as_bytes(), false).is_some(), "{root}");
        assert!(rules.path_rule(b"/other/sub/x", false).is_none(), "{root}");
    }
}

#[test]
fn a_root_that_is_not_text_has_relative_rules_too() {
    let rules = rules(&["sub/x"], b"/a\xffb");
    assert!(rules.path_rule(b"/a\xffb/sub/x", false).is_some());
    assert!(rules.path_rule(b"/ab/sub/x", false).is_none());
}

#[test]
fn a_pattern_that_cannot_be_understood_is_named() {
    let mut options = FileOptions::everything();
    options.excludes = vec!["fine".to_owned(), "a[".to_owned()];
    let error = Rules::new(&options, b"/", &[]).err().expect("the pattern is wrong");
    assert!(matches!(&error, Error::Rule { rule, .. } if rule == "a["), "{error}");
}

#[test]
fn without_patterns_nothing_is_matched() {
    assert!(!rules(&["# only a comment"], b"/").has_patterns());
    assert!(rules(&[], b"/").path_rule(b"/a", false).is_none());
}

#[test]
fn only_other_file_systems_are_foreign_and_only_when_asked() {
    let mut options = FileOptions::everything();
    assert!(!Rules::new(&options, b"/", &[7]).unwrap().is_foreign(8));
    options.one_file_system = true;
    let rules = Rules::new(&options, b"/", &[7, 9]).unwrap();
    assert!(rules.is_foreign(8) && !rules.is_foreign(7) && !rules.is_foreign(9));
}

#[test]
fn size_and_mounts_leave_out_files_but_never_directories() {
    let mut options = FileOptions::everything();
    options.exclude_larger_than = Some(100);
    options.one_file_system = true;
    let rules = Rules::new(&options, b"/", &[7]).unwrap();
    let found = status::of_bytes(CWD, b"/").unwrap();
    let mut entry = status::entry(b"x".to_vec(), &found).unwrap();
    entry.device = 7;
    let (plain, mounted) = (StatxAttributes::empty(), StatxAttributes::MOUNT_ROOT);
    for (kind, device, size, attributes, expected) in [
        (Kind::File, 7, 100, plain, false),
        (Kind::File, 7, 101, plain, true),
        (Kind::File, 8, 1, plain, false),
        (Kind::File, 8, 1, mounted, true),
        (Kind::File, 7, 1, mounted, false),
        (Kind::Directory, 8, 0, mounted, false),
    ] {
        (entry.kind, entry.device, entry.size) = (kind, device, size);
        assert_eq!(rules.entry_rule(&entry, attributes).is_some(), expected, "{entry:?} {attributes:?}");
    }
}

#[test]
fn a_cache_tag_counts_only_with_its_signature() {
    let directory = tempfile::tempdir().unwrap();
    let open = std::fs::File::open(directory.path()).unwrap();
    let tag = directory.path().join("CACHEDIR.TAG");
    let mut options = FileOptions::everything();
    options.exclude_caches = true;
    let rules = Rules::new(&options, b"/", &[]).unwrap();
    let is_marker = || rules.is_marker(open.as_fd(), CACHE_TAG);
    assert!(!is_marker());
    for (text, expected) in [
        (CACHE_SIGNATURE.to_vec(), true),
        ([CACHE_SIGNATURE.as_slice(), b"\n# more"].concat(), true),
        (CACHE_SIGNATURE[..42].to_vec(), false),
        (b"Signature: 0000000000000000000000000000000000".to_vec(), false),
        (Vec::new(), false),
    ] {
        std::fs::write(&tag, &text).unwrap();
        assert_eq!(is_marker(), expected, "{text:?}");
    }
    std::fs::remove_file(&tag).unwrap();
    rustix::fs::mkfifoat(CWD, &tag, rustix::fs::Mode::RWXU).unwrap();
    assert!(!is_marker(), "a FIFO of that name neither counts nor stops the backup");
}
