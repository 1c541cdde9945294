//! Tests of reading the checkout.

use super::*;

#[test]
fn a_module_with_the_name_of_the_build_directory_is_read_and_the_build_is_not() {
    let checkout = Checkout::read(&root()).expect("a checkout");
    assert!(checkout.text("crates/mainstay-sources/src/files/target/tests.rs").is_some());
    assert!(!checkout.paths.iter().any(|path| path.starts_with("target/")));
}
