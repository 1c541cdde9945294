//! Rules: documents are complete and their links lead somewhere.
//!
//! Owns the form of a decision record, the catalogue of error codes and the check of local links.
//! Addresses on the network are not looked up.

use super::Finding;
use crate::checkout::Checkout;
use std::collections::BTreeSet;

#[cfg(test)]
mod tests;

const RECORD_HEADINGS: [&str; 3] = ["Context", "Decision", "Consequences"];
const CATALOGUE: &str = "docs/errors.md";

/// Each record in `docs/adr` has its three parts.
pub fn decision_records(checkout: &Checkout) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in checkout.files("docs/adr/", ".md") {
        if path.ends_with("/README.md") {
            continue;
        }
        for heading in RECORD_HEADINGS {
            if !headings(text).any(|found| found.starts_with(heading)) {
                let message = format!("the record has no part `## {heading}`");
                findings.push(Finding::failure(path, 0, message));
            }
        }
    }
    findings
}

/// Each code that the binary can print has a heading in the catalogue, and the other way round.
pub fn error_catalogue(checkout: &Checkout) -> Vec<Finding> {
    let sources = checkout.files("crates/mainstay/src/", ".rs");
    let printed: BTreeSet<&str> = sources.flat_map(|(_, text)| codes(text)).collect();
    let catalogue = checkout.text(CATALOGUE).unwrap_or_default();
    let described: BTreeSet<&str> = headings(catalogue).flat_map(codes).collect();
    let missing = printed
        .difference(&described)
        .map(|code| Finding::failure(CATALOGUE, 0, format!("{code} has no section of its own")));
    let stale = described
        .difference(&printed)
        .map(|code| Finding::failure(CATALOGUE, 0, format!("{code} is described and never printed")));
    missing.chain(stale).collect()
}

/// Links from `README.md`, `CONTRIBUTING.md` and `docs/` to local files resolve.
pub fn links(checkout: &Checkout) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in checkout.files("", ".md") {
        if path.contains('/') && !path.starts_with("docs/") {
            continue;
        }
        let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
        for (line, link) in local_links(text) {
            let goal = resolve(directory, link);
            if !checkout.paths.contains(&goal) {
                let message = format!("the link to {link} leads nowhere");
                findings.push(Finding::failure(path, line, message));
            }
        }
    }
    findings
}

fn headings(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim())
}

/// Every `MS-` with four digits.
fn codes(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices("MS-").filter_map(|(start, mark)| {
        let digits = text.get(start + mark.len()..start + mark.len() + 4)?;
        let all = digits.bytes().all(|byte| byte.is_ascii_digit());
        all.then(|| text.get(start..start + mark.len() + 4))?
    })
}

/// Goals of `[…](goal)` outside code blocks, without anchor, with their lines.
fn local_links(text: &str) -> Vec<(usize, &str)> {
    let mut links = Vec::new();
    let mut in_block = false;
    for (index, line) in text.lines().enumerate() {
        in_block ^= line.trim_start().starts_with("```");
        if in_block {
            continue;
        }
        for (start, mark) in line.match_indices("](") {
            let rest = line.get(start + mark.len()..).unwrap_or_default();
            let goal = rest.split([')', ' ', '#']).next().unwrap_or_default();
            if !goal.is_empty() && !goal.contains(':') {
                links.push((index + 1, goal.trim_end_matches('/')));
            }
        }
    }
    links
}

fn resolve(directory: &str, link: &str) -> String {
    let mut parts: Vec<&str> = directory.split('/').filter(|part| !part.is_empty()).collect();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}
