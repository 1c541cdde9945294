//! `cargo xtask tidy`: the house rules that a compiler does not know.
//!
//! Owns the list of rules and the printing of what they find. Each rule is one function from a
//! [`Checkout`] to its findings, in the file of its name; a rule never prints and never writes.

mod confinement;
mod crate_layers;
mod dependencies;
mod documents;
mod forbidden;
mod format_hash;
mod manifests;
mod module_layers;
mod names;
mod shape;
mod source;

use crate::checkout::{self, Checkout};
use std::fmt;

/// One breach of a rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    pub path: String,
    /// Counted from 1; 0 when the finding is about the whole file.
    pub line: usize,
    pub message: String,
    pub severity: Severity,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Warning,
    Failure,
}

impl Finding {
    fn failure(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, message: message.into(), severity: Severity::Failure }
    }

    fn warning(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::failure(path, line, message) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(formatter, "{}: {}", self.path, self.message),
            line => write!(formatter, "{}:{line}: {}", self.path, self.message),
        }
    }
}

type Rule = fn(&Checkout) -> Vec<Finding>;

const RULES: [(&str, Rule); 18] = [
    ("crate layers", crate_layers::check),
    ("module layers", module_layers::check),
    ("stored bytes only in format/", confinement::stored_bytes),
    ("ciphers only in seal and keys", confinement::ciphers),
    ("engine without surroundings", confinement::surroundings),
    ("file headers", shape::headers),
    ("sizes", shape::sizes),
    ("tests in their own file", shape::inline_tests),
    ("format hash", format_hash::check),
    ("names", names::check),
    ("unfinished work", forbidden::unfinished),
    ("unwrap", forbidden::unwrap),
    ("sleeping tests", forbidden::sleeping_tests),
    ("decision records", documents::decision_records),
    ("error catalogue", documents::error_catalogue),
    ("names of tests", documents::named_tests),
    ("links", documents::links),
    ("dependencies", dependencies::check),
];

/// Runs every rule, prints the findings, and fails when one of them is a failure.
pub fn run(arguments: &[String]) -> Result<(), String> {
    let root = checkout::root();
    match arguments {
        [] => {}
        [flag] if flag == "--bless" => format_hash::bless(&root)?,
        _ => return Err("usage: cargo xtask tidy [--bless]".to_owned()),
    }
    let checkout = Checkout::read(&root)?;
    let mut failures = 0;
    for (name, rule) in RULES {
        let mut findings = rule(&checkout);
        findings.sort();
        for finding in &findings {
            let grade = match finding.severity {
                Severity::Warning => "warning",
                Severity::Failure => "error",
            };
            println!("{grade}[{name}] {finding}");
        }
        failures += findings.iter().filter(|finding| finding.severity == Severity::Failure).count();
    }
    match failures {
        0 => {
            println!("tidy: {} rules kept", RULES.len());
            Ok(())
        }
        count => Err(format!("tidy: {count} breaches")),
    }
}
