//! Tests of what finished code does not contain.

use super::*;

fn count(rule: fn(&Checkout) -> Vec<Finding>, path: &str, text: &str) -> usize {
    rule(&Checkout::of(&[(path, text)])).len()
}

#[test]
fn markers_of_unfinished_work_are_found() {
    for text in [
        "#[ignore]\nfn a() {}",
        "#[ignore = \"slow\"]\nfn a() {}",
        "#[should_panic(expected = \"x\")]\nfn a() {}",
        "fn a() { todo!() }",
        "fn a() { unimplemented!() }",
        "fn a() { dbg!(1); }",
        "// FIXME: later",
    ] {
        assert_eq!(count(unfinished, "crates/x/src/a.rs", text), 1, "{text}");
    }
}

#[test]
fn a_marker_in_a_string_is_kept() {
    let text = "const A: &str = \"#[ignore] todo! FIXME\"; // no todo! here";
    assert_eq!(count(unfinished, "crates/x/src/a.rs", text), 0);
}

#[test]
fn an_unwrap_outside_tests_is_found() {
    let text = "fn a() { b().unwrap(); c().unwrap_or_default(); }\n#[cfg(test)]\nfn d() { e().unwrap() }";
    assert_eq!(count(unwrap, "crates/x/src/a.rs", text), 1);
    assert_eq!(count(unwrap, "crates/x/src/a/tests.rs", text), 0);
}

#[test]
fn a_sleeping_test_is_found() {
    let text = "use std::thread;\nfn a() { thread::sleep(b) }";
    assert_eq!(count(sleeping_tests, "crates/x/tests/it/a.rs", text), 1);
    assert_eq!(count(sleeping_tests, "crates/x/src/a.rs", text), 0);
}
