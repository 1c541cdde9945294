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
        for used in manifest.dependencies.iter().filter(|name| own(name)) {
            if !allowed.contains(&used.as_str()) {
                let message =
                    format!("{} must not use {used}: an arrow only downwards (docs/architecture.md)", manifest.name);
                findings.push(Finding::failure(&manifest.path, 0, message));
            }
        }
    }
    findings
}
