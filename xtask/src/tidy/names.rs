//! Rule: one word per idea in the names of public types, traits and modules.
//!
//! Owns the words that the project does not use, each with the word it does use.

use super::Finding;
use super::source::{identifier, sources, words};
use crate::checkout::Checkout;

#[cfg(test)]
mod tests;

const BANNED: [(&str, &str); 17] = [
    ("vault", "repository"),
    ("datastore", "repository or store"),
    ("backend", "store"),
    ("blob", "chunk or block"),
    ("bundle", "pack"),
    ("hunk", "chunk"),
    ("segment", "block (segments are of the index only)"),
    ("destination", "target"),
    ("gc", "prune"),
    ("util", "a noun for what it owns"),
    ("utils", "a noun for what it owns"),
    ("helper", "a noun for what it owns"),
    ("helpers", "a noun for what it owns"),
    ("manager", "a noun for what it owns"),
    ("handler", "a noun for what it owns"),
    ("misc", "a noun for what it owns"),
    ("common", "a noun for what it owns"),
];

const KEYWORDS: [&str; 6] = ["struct", "enum", "trait", "type", "union", "mod"];

pub fn check(checkout: &Checkout) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources(checkout) {
        for keyword in KEYWORDS {
            for start in words(&source.code, keyword) {
                let name = identifier(source.code.get(start + keyword.len()..).unwrap_or_default());
                let public = keyword == "mod" || is_public(&source.code, start);
                let Some((word, instead)) = banned_word(name).filter(|_| public) else {
                    continue;
                };
                if word == "segment" && source.path.contains("/index") {
                    continue;
                }
                let message = format!("{name}: not `{word}` but {instead}");
                findings.push(Finding::failure(source.path, source.line_of(start), message));
            }
        }
    }
    findings
}

/// True when `pub` or `pub(…)` stands right before the keyword.
fn is_public(code: &str, keyword: usize) -> bool {
    let before = code.get(..keyword).unwrap_or_default().trim_end();
    let before = match before.strip_suffix(')') {
        Some(inner) => inner.rsplit_once('(').map_or("", |(outer, _)| outer),
        None => before,
    };
    before.ends_with("pub")
}

fn banned_word(name: &str) -> Option<(&'static str, &'static str)> {
    let parts = split(name);
    BANNED.into_iter().find(|(word, _)| parts.iter().any(|part| part == word))
}

/// `PackWriter` and `pack_writer` both give pack and writer.
fn split(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    for character in name.chars() {
        let starts = character == '_' || character.is_uppercase();
        if starts {
            parts.push(String::new());
        }
        if let Some(last) = parts.last_mut().filter(|_| character != '_') {
            last.extend(character.to_lowercase());
        }
    }
    parts
}
