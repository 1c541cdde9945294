//! Tests of the words that names must not hold.

use super::*;

fn names_in(path: &str, text: &str) -> usize {
    check(&Checkout::of(&[(path, text)])).len()
}

#[test]
fn banned_words_in_public_types_and_in_modules_are_found() {
    let text = "pub struct BlobStore;\npub(crate) enum KeyVault {}\nmod file_utils;\npub trait PackManager {}";
    assert_eq!(names_in("crates/x/src/a.rs", text), 4);
}

#[test]
fn private_types_and_longer_words_are_kept() {
    let text = "struct Blob;\npub struct Commonality;\nmod utility;\npub fn gc() {}";
    assert_eq!(names_in("crates/x/src/a.rs", text), 0);
}

#[test]
fn a_segment_belongs_to_the_index() {
    let text = "pub struct Segment;";
    assert_eq!(names_in("crates/mainstay-repo/src/index/segment.rs", text), 0);
    assert_eq!(names_in("crates/mainstay-repo/src/pack_writer.rs", text), 1);
}
