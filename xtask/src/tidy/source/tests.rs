//! Tests of the lexing: what is code, what is not, and which files are tests.

use super::*;

fn code_of(text: &str) -> String {
    Source::new("crates/x/src/a.rs", text).code
}

#[test]
fn comments_and_strings_are_not_code() {
    let code = code_of("let a = \"todo!()\"; // dbg!\n/* x /* y */ z */ b");
    assert!(!code.contains("todo"));
    assert!(!code.contains("dbg"));
    assert!(!code.contains('z'));
    assert!(code.contains("let a ="));
    assert!(code.trim_end().ends_with('b'));
}

#[test]
fn raw_strings_end_at_their_own_delimiter() {
    let code = code_of("let a = r#\"x \" y\"#; let b = br\"\\\"; c");
    assert!(!code.contains('x') && !code.contains('y'));
    assert!(code.contains("let b") && code.contains('c'));
}

#[test]
fn lifetimes_are_code_and_characters_are_not() {
    let code = code_of("fn f<'a>(x: &'a str) { g('{', '\\'', 'ü', b'}') }");
    assert!(code.contains("&'a str"));
    assert_eq!(code.matches('{').count(), 1);
    assert_eq!(code.matches('}').count(), 1);
}

#[test]
fn a_word_that_ends_in_r_does_not_open_a_raw_string() {
    assert!(code_of("for\"a\".b()").contains("b()"));
}

#[test]
fn views_keep_offsets_and_lines() {
    let source = Source::new("a.rs", "/* ü\n */ let x = \"ü\n\"; y");
    let offset = source.code.find('y').expect("y is code");
    assert_eq!(source.text.get(offset..offset + 1), Some("y"));
    assert_eq!(source.line_of(offset), 3);
}

#[test]
fn files_declared_under_cfg_test_are_tests() {
    let checkout = Checkout::of(&[
        ("crates/x/src/lib.rs", "//! x\n#[cfg(test)]\npub mod fake;\nmod real;"),
        ("crates/x/src/fake.rs", "//! x"),
        ("crates/x/src/fake/inner.rs", "//! x"),
        ("crates/x/src/real.rs", "//! x\n#[cfg(test)]\nmod proof;"),
        ("crates/x/src/real/proof.rs", "//! x"),
        ("crates/x/tests/it/main.rs", "//! x"),
    ]);
    let tests: Vec<&str> =
        sources(&checkout).into_iter().filter(|source| source.is_test).map(|source| source.path).collect();
    assert_eq!(
        tests,
        [
            "crates/x/src/fake.rs",
            "crates/x/src/fake/inner.rs",
            "crates/x/src/real/proof.rs",
            "crates/x/tests/it/main.rs"
        ]
    );
}

#[test]
fn items_under_cfg_test_are_left_out_of_the_code_outside_tests() {
    let text = "fn a() {}\n#[cfg(test)]\nfn b() { c() }\nfn d() {}";
    let outside = Source::new("a.rs", text).code_outside_tests();
    assert!(outside.contains("fn a") && outside.contains("fn d"));
    assert!(!outside.contains("c()"));
}

#[test]
fn blank_lines_and_comments_are_not_lines_of_code() {
    let text = "//! x\n\nfn a() { // why\n    // why\n    \"\n    text\"\n}\n";
    assert_eq!(Source::new("a.rs", text).code_lines(0..text.len()), 4);
}
