//! Tests of the crate layers rule.

use super::*;

const REPO: (&str, &str) = ("crates/mainstay-repo/Cargo.toml", "[package]\nname = \"mainstay-repo\"\n");

#[test]
fn an_arrow_upwards_is_found() {
    let checkout = Checkout::of(&[
        REPO,
        (
            "crates/mainstay-sources/Cargo.toml",
            "[package]\nname = \"mainstay-sources\"\n[dependencies]\nmainstay-repo.workspace = true\n",
        ),
    ]);
    let findings = check(&checkout);
    assert_eq!(findings.len(), 1);
    assert!(
        findings.iter().any(|finding| { finding.message.starts_with("mainstay-sources must not use mainstay-repo") })
    );
}

#[test]
fn a_renamed_dependency_for_one_target_is_found() {
    let checkout = Checkout::of(&[
        REPO,
        (
            "xtask/Cargo.toml",
            "[package]\nname = \"xtask\"\n[target.'cfg(unix)'.dev-dependencies]\nengine = { package = \"mainstay-repo\" }\n",
        ),
    ]);
    assert_eq!(check(&checkout).len(), 1);
}

#[test]
fn an_arrow_downwards_is_kept() {
    let checkout = Checkout::of(&[
        REPO,
        (
            "crates/mainstay-jobs/Cargo.toml",
            "[package]\nname = \"mainstay-jobs\"\n[dependencies]\nmainstay-repo.workspace = true\nserde = \"1\"\n",
        ),
    ]);
    assert_eq!(check(&checkout), []);
}

#[test]
fn a_crate_without_a_layer_is_found() {
    let checkout = Checkout::of(&[("crates/new/Cargo.toml", "[package]\nname = \"new\"\n")]);
    assert_eq!(check(&checkout).len(), 1);
}
