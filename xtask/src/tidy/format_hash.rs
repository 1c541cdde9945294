//! Rule: `docs/format.md` carries the hash of the sources it describes.
//!
//! Owns what is hashed: BLAKE3 over the engine's `format` sources, tests left out, joined in the
//! order of their paths. Whoever changes how bytes are stored must look at the document again.

use super::Finding;
use super::source::sources;
use crate::checkout::Checkout;
use std::path::Path;

#[cfg(test)]
mod tests;

const DOCUMENT: &str = "docs/format.md";
const SOURCES: &str = "crates/mainstay-repo/src/format";
const LABEL: &str = "format-hash: ";

pub fn check(checkout: &Checkout) -> Vec<Finding> {
    let expected = hash(checkout);
    let Some(text) = checkout.text(DOCUMENT) else {
        return vec![Finding::failure(DOCUMENT, 0, "the document is missing")];
    };
    match find(text) {
        None => {
            let message = format!("expected a line `{LABEL}{expected}`");
            vec![Finding::failure(DOCUMENT, 0, message)]
        }
        Some((line, found)) if found != expected => {
            let message = format!(
                "{SOURCES} changed: bring the text in step with it, then run \
                 `cargo xtask tidy --bless` (expected {expected}, found {found})"
            );
            vec![Finding::failure(DOCUMENT, line, message)]
        }
        Some(_) => Vec::new(),
    }
}

/// Rewrites the line in the document.
pub fn bless(root: &Path) -> Result<(), String> {
    let checkout = Checkout::read(root)?;
    let text = checkout.text(DOCUMENT).ok_or_else(|| format!("read {DOCUMENT}: no such file"))?;
    let (_, found) = find(text).ok_or_else(|| format!("{DOCUMENT} has no line `{LABEL}…`"))?;
    let old = format!("{LABEL}{found}");
    let new = format!("{LABEL}{}", hash(&checkout));
    std::fs::write(root.join(DOCUMENT), text.replacen(&old, &new, 1))
        .map_err(|error| format!("write {DOCUMENT}: {error}"))
}

fn hash(checkout: &Checkout) -> String {
    let mut hasher = blake3::Hasher::new();
    let described = sources(checkout).into_iter().filter(|source| {
        let inner = source.path.strip_prefix(SOURCES);
        inner.is_some_and(|inner| inner.starts_with(['/', '.'])) && !source.is_test
    });
    for source in described {
        hasher.update(source.text.as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

/// The line number and the hash of the first labelled line.
fn find(text: &str) -> Option<(usize, &str)> {
    text.lines().enumerate().find_map(|(index, line)| {
        let found = line.split_once(LABEL)?.1;
        let len = found.bytes().take_while(u8::is_ascii_alphanumeric).count();
        Some((index + 1, found.get(..len)?))
    })
}
