//! Rule: every direct dependency has its line in `docs/dependencies.md`, and no line is stale.
//!
//! Owns how that table is read: a row starts with the crate's name in backquotes; the rows of
//! crates stand under the heading `Crates`.

use super::Finding;
use super::manifests::manifests;
use crate::checkout::Checkout;
use std::collections::BTreeSet;

#[cfg(test)]
mod tests;

const DOCUMENT: &str = "docs/dependencies.md";
const HEADING: &str = "## Crates";

pub fn check(checkout: &Checkout) -> Vec<Finding> {
    let manifests = match manifests(checkout) {
        Ok(manifests) => manifests,
        Err(message) => return vec![Finding::failure("Cargo.toml", 0, message)],
    };
    let own: BTreeSet<&str> = manifests.iter().map(|manifest| manifest.name.as_str()).collect();
    let all = manifests.iter().flat_map(|manifest| &manifest.dependencies);
    let used: BTreeSet<&str> = all.map(String::as_str).filter(|name| !own.contains(name)).collect();
    let listed: BTreeSet<&str> = rows(checkout.text(DOCUMENT).unwrap_or_default()).collect();
    let missing = used.difference(&listed).map(|name| {
        let message = format!("{name} has no row: why, licence, who keeps it");
        Finding::failure(DOCUMENT, 0, message)
    });
    let stale =
        listed.difference(&used).map(|name| Finding::failure(DOCUMENT, 0, format!("{name} is listed and not used")));
    missing.chain(stale).collect()
}

fn rows(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .skip_while(|line| line.trim_end() != HEADING)
        .skip(1)
        .take_while(|line| !line.starts_with('#'))
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
}
