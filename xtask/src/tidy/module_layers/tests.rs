//! Tests of the module layers rule.

use super::*;

fn findings_of(path: &str, text: &str) -> Vec<String> {
    let path = format!("{ENGINE}{path}");
    let checkout = Checkout::of(&[(&path, text)]);
    check(&checkout).into_iter().map(|finding| finding.message).collect()
}

#[test]
fn a_module_to_the_right_is_found_however_it_is_named() {
    for text in [
        "use crate::index::Index;",
        "use crate::{id::Id, index};",
        "fn f() { crate::index::open() }",
        "use super::index;",
    ] {
        let found = findings_of("format.rs", text);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
    }
    let found = findings_of("format/pack.rs", "use super::super::index;");
    assert_eq!(found.len(), 1, "{found:?}");
}

#[test]
fn modules_of_one_row_do_not_use_each_other() {
    assert_eq!(findings_of("check/structure.rs", "use crate::prune::Plan;").len(), 1);
}

#[test]
fn a_name_at_the_root_of_the_crate_hides_its_module() {
    assert_eq!(findings_of("prune.rs", "use crate::Repository;").len(), 1);
}

#[test]
fn a_module_without_a_row_is_found() {
    assert_eq!(findings_of("misplaced.rs", "").len(), 1);
}

#[test]
fn modules_to_the_left_and_the_module_itself_are_kept() {
    let text = "use crate::{error::{Error, Kind}, id::Id, index::row::Row};\nuse super::row::Row;\n\
                #[cfg(test)]\nfn f() { crate::prune::g() }";
    assert_eq!(findings_of("index/segment.rs", text), [""; 0]);
    assert_eq!(findings_of("index/tests.rs", "use crate::prune;"), [""; 0]);
    assert_eq!(findings_of("lib.rs", "pub use crate::prune::Plan;"), [""; 0]);
}
