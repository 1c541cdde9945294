//! Tests of the rules on documents.

use super::*;

fn messages(findings: Vec<Finding>) -> Vec<String> {
    findings.into_iter().map(|finding| finding.message).collect()
}

#[test]
fn a_record_without_consequences_is_found() {
    let text = "# 1. Title\n## Context\n## Decision\n";
    let checkout = Checkout::of(&[("docs/adr/0001-a.md", text)]);
    assert_eq!(messages(decision_records(&checkout)), ["the record has no part `## Consequences`"]);
}

#[test]
fn a_code_without_a_section_is_found_and_so_is_a_section_without_a_code() {
    let checkout = Checkout::of(&[
        ("crates/mainstay/src/errors.rs", "\"MS-0001\" \"MS-0002\" \"MS-12\""),
        (CATALOGUE, "## MS-0001 wrong key\nsee MS-0002\n## MS-0003 gone\n"),
    ]);
    assert_eq!(
        messages(error_catalogue(&checkout)),
        ["MS-0002 has no section of its own", "MS-0003 is described and never printed"]
    );
}

#[test]
fn a_link_to_a_missing_file_is_found() {
    let checkout = Checkout::of(&[
        ("README.md", "see [a](docs/a.md#part) and [b](docs/missing.md)"),
        ("docs/a.md", "[up](../README.md) [out](https://example.org/x) [in](#part)\n```\n[x](y)\n```"),
        ("docs/guide/b.md", "[a](../a.md) [c](c.md)"),
    ]);
    assert_eq!(
        messages(links(&checkout)),
        ["the link to docs/missing.md leads nowhere", "the link to c.md leads nowhere"]
    );
}
