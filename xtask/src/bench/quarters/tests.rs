//! Tests of showing and hiding quarters.

use super::*;

#[test]
fn quarters_are_shown_and_hidden_without_losing_a_file() {
    let root = std::env::temp_dir().join(format!("quarters-{}", std::process::id()));
    let source = root.join("source/inner");
    fs::create_dir_all(&source).expect("create");
    for number in 0..8 {
        fs::write(source.join(format!("{number}")), "x").expect("write");
    }
    let work = root.join("work");
    fs::create_dir_all(&work).expect("create");
    let quarters = Quarters::create(&root.join("source"), &work).expect("copy");
    for (shown, expected) in [(&[0_usize, 1][..], 4), (&[2], 2), (&[0, 1, 2, 3], 8)] {
        quarters.show(shown).expect("move");
        assert_eq!(files(quarters.shown()).expect("list").len(), expected);
    }
    fs::remove_dir_all(&root).expect("remove");
}
