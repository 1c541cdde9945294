//! Rules: what finished code does not contain.
//!
//! Owns the list of markers of unfinished work and of tests that prove nothing.

use super::Finding;
use super::source::{Source, sources, words};
use crate::checkout::Checkout;

#[cfg(test)]
mod tests;

/// Code that must not be there, each with the reason.
const UNFINISHED: [(&str, &str); 5] = [
    ("#[ignore", "a test that does not run proves nothing"),
    ("#[should_panic", "assert the error instead"),
    ("todo!", "finish it or leave it out"),
    ("unimplemented!", "finish it or leave it out"),
    ("dbg!", "remove it"),
];

const LEFTOVER: &str = "FIXME";

pub fn unfinished(checkout: &Checkout) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources(checkout) {
        for (marker, reason) in UNFINISHED {
            let found = source.code.match_indices(marker);
            findings.extend(found.map(|(offset, _)| failure(&source, offset, format!("`{marker}`: {reason}"))));
        }
        let found = words(&source.comments, LEFTOVER);
        findings
            .extend(found.map(|offset| failure(&source, offset, format!("`{LEFTOVER}`: finish it or open an issue"))));
    }
    findings
}

/// Outside tests an error is returned, or `expect` says why it cannot occur.
pub fn unwrap(checkout: &Checkout) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources(checkout) {
        if !source.path.starts_with("crates/") || source.is_test {
            continue;
        }
        let code = source.code_outside_tests();
        let found = code.match_indices(".unwrap()");
        findings.extend(found.map(|(offset, _)| {
            let message = "return the error, or say with `expect` why it cannot occur";
            failure(&source, offset, message.to_owned())
        }));
    }
    findings
}

/// A test that sleeps is slow on a fast machine and wrong on a slow one.
pub fn sleeping_tests(checkout: &Checkout) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources(checkout).iter().filter(|source| source.is_test) {
        findings.extend(words(&source.code, "sleep").map(|offset| {
            let message = "wait for the event or turn a manual clock; do not sleep";
            failure(source, offset, message.to_owned())
        }));
    }
    findings
}

fn failure(source: &Source<'_>, offset: usize, message: String) -> Finding {
    Finding::failure(source.path, source.line_of(offset), message)
}
