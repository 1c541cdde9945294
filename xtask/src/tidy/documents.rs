//! Rules: documents are complete and their links lead somewhere.
//!
//! Owns the form of a decision record, the catalogue of error codes, the names of tests, and the check of local links.
//! Addresses on the network are not looked up.

use super::Finding;
use crate::checkout::Checkout;
use std::collections::BTreeSet;

#[cfg(test)]
mod tests;

const RECORD_HEADINGS: [&str; 3] = ["Context", "Decision", "Consequences"];
const CATALOGUE: &str = "docs/errors.md";
const FIDELITY: &str = "docs/guide/fidelity.md";
const FIDELITY_TESTS: &str = "crates/mainstay/tests/it/fidelity";
/// A test's name is a sentence; a name of fewer words may be a field of JSON, a package or a system call.
const SENTENCE_WORDS: usize = 4;

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

/// Each test that a document names is a function, and each row of the table of fidelity names one that goes through the
/// real binary.
pub fn named_tests(checkout: &Checkout) -> Vec<Finding> {
    let all = functions(checkout, "");
    let of_fidelity = functions(checkout, FIDELITY_TESTS);
    let mut findings = Vec::new();
    for (path, text) in checkout.files("docs/", ".md") {
        for (index, line) in text.lines().enumerate() {
            let known = if path == FIDELITY { &of_fidelity } else { &all };
            let missing = test_names(line).filter(|name| !known.contains(name));
            findings
                .extend(missing.map(|name| Finding::failure(path, index + 1, format!("no test has the name {name}"))));
        }
    }
    let rows = untested_rows(checkout.text(FIDELITY).unwrap_or_default());
    findings.extend(rows.into_iter().map(|line| Finding::failure(FIDELITY, line, "the row names no test")));
    findings
}

/// The names of all functions in files whose path starts so.
fn functions<'a>(checkout: &'a Checkout, prefix: &'a str) -> BTreeSet<&'a str> {
    let lines = checkout.files(prefix, ".rs").flat_map(|(_, text)| text.lines());
    lines.filter_map(|line| line.trim_start().strip_prefix("fn ")?.split(['(', '<']).next()).collect()
}

/// The names of tests in code marks of a line.
fn test_names(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2).filter(|code| {
        let is_name = code.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        is_name && (code.split('_').count() >= SENTENCE_WORDS || code.starts_with("fidelity_"))
    })
}

/// Rows without the name of a test in tables whose last column is to have one, by line.
fn untested_rows(text: &str) -> Vec<usize> {
    let mut rows = Vec::new();
    let mut in_table = false;
    for (index, line) in text.lines().enumerate() {
        let last_cell = line.trim_end_matches([' ', '|']).rsplit('|').next().unwrap_or_default().trim();
        let is_row = line.starts_with('|');
        if is_row && last_cell == "test" {
            in_table = true;
            continue;
        }
        in_table &= is_row;
        let is_rule = last_cell.bytes().all(|byte| byte == b'-');
        if in_table && !is_rule && test_names(last_cell).next().is_none() {
            rows.push(index + 1);
        }
    }
    rows
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
