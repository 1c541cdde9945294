//! Tests of headers, sizes and the ratchet.

use super::*;

const PATH: &str = "crates/x/src/a.rs";

fn messages(findings: Vec<Finding>) -> Vec<String> {
    findings.into_iter().map(|finding| finding.message).collect()
}

fn sizes_of(text: &str, ratchet: &str) -> Vec<String> {
    messages(sizes(&Checkout::of(&[(PATH, text), (RATCHET, ratchet)])))
}

fn function_of(lines: usize) -> String {
    format!("fn long() {{\n{}}}\n", "    step();\n".repeat(lines - 2))
}

#[test]
fn a_file_without_a_header_is_found() {
    let bare = Checkout::of(&[(PATH, "use std::fs;\n//! late")]);
    assert_eq!(headers(&bare).len(), 1);
    assert_eq!(headers(&Checkout::of(&[(PATH, "//! Owns a.")])), []);
}

#[test]
fn a_module_of_tests_inside_a_file_is_found() {
    let inline = Checkout::of(&[(PATH, "#[cfg(test)]\nmod tests { fn a() {} }")]);
    assert_eq!(inline_tests(&inline).len(), 1);
    let sibling = Checkout::of(&[(PATH, "#[cfg(test)]\nmod tests;\n#[cfg(test)]\nfn a() {}")]);
    assert_eq!(inline_tests(&sibling), []);
}

#[test]
fn a_function_over_the_limit_is_found() {
    assert_eq!(sizes_of(&function_of(71), ""), ["long: function-lines is 71, the limit is 70"]);
    assert_eq!(sizes_of(&function_of(70), ""), [""; 0]);
}

#[test]
fn a_long_file_warns_and_a_longer_one_fails() {
    let warned = sizes(&Checkout::of(&[(PATH, &"use a;\n".repeat(401))]));
    assert!(warned.iter().all(|finding| finding.severity == super::super::Severity::Warning));
    assert_eq!(warned.len(), 1);
    let failed = sizes_of(&"use a;\n".repeat(601), "");
    assert_eq!(failed, ["the file: file-lines is 601, the limit is 600"]);
}

#[test]
fn a_sixth_parameter_is_found_and_self_is_not_counted() {
    let many =
        "fn f<T: Fn(u8) -> u8>(&mut self, a: A<B, C>, b: (u8, u8), c: fn(u8, u8) -> u8, d: [u8; 4], e: u8, f: u8) {}";
    assert_eq!(sizes_of(many, ""), ["f: parameters is 6, the limit is 5"]);
    let few = many.replace(", f: u8", ",");
    assert_eq!(sizes_of(&few, ""), [""; 0]);
    let boxed = "fn g(self: Box<Self>, a: u8, b: u8, c: u8, d: u8, e: u8) -> u8;";
    assert_eq!(sizes_of(boxed, ""), [""; 0]);
}

#[test]
fn the_ratchet_allows_a_number_and_neither_more_nor_less() {
    let entry = "# why\nfunction-lines crates/x/src/a.rs long 80\n";
    assert_eq!(sizes_of(&function_of(80), entry), [""; 0]);
    assert_eq!(sizes_of(&function_of(81), entry).len(), 1);
    let lower = sizes_of(&function_of(79), entry);
    assert_eq!(lower, ["lower `function-lines crates/x/src/a.rs long 80` to 79"]);
    assert_eq!(sizes_of(&function_of(60), entry).len(), 1);
    assert_eq!(sizes_of("", entry).len(), 1);
}

#[test]
fn a_ratchet_line_without_a_number_is_found() {
    assert_eq!(sizes_of("", "file-lines crates/x/src/a.rs many").len(), 1);
}
