//! Tests of the dependencies rule.

use super::*;

const MANIFEST: &str = "[package]\nname = \"mainstay-repo\"\n[dependencies]\nserde.workspace = true\n\
                        [dev-dependencies]\ntempfile = \"3\"\n";

fn messages_for(document: &str) -> Vec<String> {
    let checkout = Checkout::of(&[("crates/mainstay-repo/Cargo.toml", MANIFEST), (DOCUMENT, document)]);
    check(&checkout).into_iter().map(|finding| finding.message).collect()
}

#[test]
fn a_dependency_without_a_row_is_found() {
    assert_eq!(messages_for("## Crates\n| `serde` | why |\n"), ["tempfile has no row: why, licence, who keeps it"]);
}

#[test]
fn a_row_without_a_dependency_is_found() {
    let rows = "## Crates\n| `serde` | a |\n| `tempfile` | b |\n| `gone` | c |\n## Python\n| `other` | d |\n";
    assert_eq!(messages_for(rows), ["gone is listed and not used"]);
}
