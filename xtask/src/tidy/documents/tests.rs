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
fn a_test_that_is_named_and_not_there_is_found() {
    let checkout = Checkout::of(&[
        ("crates/a/src/b/tests.rs", "#[test]\nfn what_is_there_is_named() {}\nfn fidelity_keeps_names() {}\n"),
        ("crates/mainstay/tests/it/fidelity/names.rs", "    fn fidelity_keeps_modes() {}\n"),
        ("docs/a.md", "`what_is_there_is_named`, `files_per_second`, `what_is_not_there`, `cargo xtask a_b_c_d`"),
        (FIDELITY, "| what | test |\n|---|---|\n| mode | `fidelity_keeps_modes` |\n| names | `fidelity_keeps_names` |"),
    ]);
    let wanted = ["no test has the name what_is_not_there", "no test has the name fidelity_keeps_names"];
    assert_eq!(messages(named_tests(&checkout)), wanted);
}

#[test]
fn a_row_of_fidelity_without_a_test_is_found() {
    let table = "| what | how | test |\n|---|---|---|\n| mode | all | |\n| owner | `all` | no test |\n";
    let other = "\n| what | why |\n|---|---|\n| access time | not recorded |\n";
    let checkout = Checkout::of(&[(FIDELITY, &format!("{table}{other}"))]);
    let findings = named_tests(&checkout);
    assert_eq!(findings.iter().map(|finding| finding.line).collect::<Vec<_>>(), [3, 4]);
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
