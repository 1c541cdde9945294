//! Rule: a crate uses only the crates of the workspace that lie beneath it.
//!
//! Owns the table of `docs/architecture.md` in the form a program can check.

use super::Finding;
use super::manifests::manifests;
use crate::checkout::Checkout;

#[cfg(test)]
mod tests;

/// Each crate with the crates of the workspace that it may use.
const MAY_USE: [(&str, &[&str]); 7] = [
    ("mainstay", &["mainstay-jobs", "mainstay-repo", "mainstay-sources", "mainstay-stores"]),
    ("mainstay-jobs", &["mainstay-repo", "mainstay-sources"]),
    ("mainstay-repo", &[]),
    ("mainstay-sources", &[]),
    ("mainstay-stores", &["mainstay-repo"]),
    ("mainstay-fuzz", &["mainstay-jobs"]),
    // The tools must be able to examine a workspace that does not build.
    ("xtask", &[]),
];

/// What tests of a crate may use besides: gates try the engine over real stores.
const TESTS_MAY_USE: [(&str, &[&str]); 1] = [("mainstay-jobs", &["mainstay-stores"])];

pub fn check(checkout: &Checkout) -> Vec<Finding> {
    let manifests = match manifests(checkout) {
        Ok(manifests) => manifests,
        Err(message) => return vec![Finding::failure("Cargo.toml", 0, message)],
    };
    let mut findings = Vec::new();
    for manifest in &manifests {
        let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == manifest.name) else {
            let message = format!("give crate {} its layer in crate_layers.rs", manifest.name);
            findings.push(Finding::failure(&manifest.path, 0, message));
            continue;
        };
        let own = |name: &str| manifests.iter().any(|other| other.name == name);
        let for_tests = TESTS_MAY_USE.iter().filter(|(name, _)| *name == manifest.name).flat_map(|(_, used)| *used);
        let for_tests: Vec<&str> = for_tests.copied().collect();
        let is_tried = |used: &String| manifest.of_tests.contains(used) && for_tests.contains(&used.as_str());
        for used in manifest.dependencies.iter().filter(|name| own(name) && !is_tried(name)) {
            if !allowed.contains(&used.as_str()) {
                let message =
                    format!("{} must not use {used}: an arrow only downwards (docs/architecture.md)", manifest.name);
                findings.push(Finding::failure(&manifest.path, 0, message));
            }
        }
    }
    findings
}
