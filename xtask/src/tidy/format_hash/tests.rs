//! Tests of the format hash rule.

use super::*;

const PACK: &str = "crates/mainstay-repo/src/format/pack.rs";
const TESTS: &str = "crates/mainstay-repo/src/format/pack/tests.rs";

fn checkout_with(pack: &str, tests: &str, document: &str) -> Checkout {
    Checkout::of(&[(PACK, pack), (TESTS, tests), (DOCUMENT, document)])
}

fn document_for(pack: &str) -> String {
    let hash = hash(&checkout_with(pack, "", ""));
    format!("# Format\n\n`{LABEL}{hash}`\n")
}

#[test]
fn a_changed_source_is_found() {
    let document = document_for("//! old");
    assert_eq!(check(&checkout_with("//! old", "", &document)), []);
    let findings = check(&checkout_with("//! new", "", &document));
    assert!(findings.iter().any(|finding| finding.line == 3));
}

#[test]
fn a_changed_test_is_no_change_of_the_format() {
    let document = document_for("//! old");
    assert_eq!(check(&checkout_with("//! old", "//! more", &document)), []);
}

#[test]
fn a_document_without_the_line_is_found() {
    assert_eq!(check(&checkout_with("//! old", "", "# Format\n")).len(), 1);
    assert_eq!(check(&Checkout::of(&[(PACK, "//! old")])).len(), 1);
}
