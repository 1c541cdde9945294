//! Rule: inside the engine a module uses only what stands to its left.
//!
//! Owns the order of the modules of `mainstay-repo`. Tests are exempt: they may build what they
//! need from above.

use super::Finding;
use super::source::{Source, identifier, sources, words};
use crate::checkout::Checkout;

#[cfg(test)]
mod tests;

const ENGINE: &str = "crates/mainstay-repo/src/";

/// Modules of one row do not use each other; a row uses the rows above it.
const ROWS: [&[&str]; 18] = [
    &["id"],
    &["error"],
    &["format"],
    // Keys are wrapped by sealing them, so that sealing itself knows no key but the one it is given.
    &["seal"],
    &["signer"],
    &["keys", "compress", "chunker"],
    &["store"],
    &["index"],
    &["pack_writer", "pack_reader", "parity"],
    &["tree_reader"],
    &["heard"],
    &["condemned", "fence"],
    &["lease"],
    &["repository"],
    &["session"],
    &["check", "prune", "copy", "archive"],
    &["repair", "sync"],
    // Doors into all of it; nothing uses them.
    &["fuzzing"],
];

pub fn check(checkout: &Checkout) -> Vec<Finding> {
    let engine = sources(checkout).into_iter().filter(|source| source.path.starts_with(ENGINE) && !source.is_test);
    engine.flat_map(|source| check_file(&source)).collect()
}

fn check_file(source: &Source<'_>) -> Vec<Finding> {
    let inner = source.path.trim_start_matches(ENGINE);
    let module = inner.split(['/', '.']).next().unwrap_or_default();
    if module == "lib" {
        return Vec::new();
    }
    let Some(own) = row_of(module) else {
        let message = format!("give module {module} its row in module_layers.rs");
        return vec![Finding::failure(source.path, 0, message)];
    };
    let code = source.code_outside_tests();
    let mut findings = Vec::new();
    for (offset, used) in used_modules(&code, depth_of(inner)) {
        let allowed = used == module || row_of(&used).is_some_and(|row| row < own);
        let message = match row_of(&used) {
            _ if allowed => continue,
            Some(_) => {
                format!("{module} must not use {used}: a module uses what stands to its left")
            }
            None => format!("name crate::{used} by the module that owns it"),
        };
        findings.push(Finding::failure(source.path, source.line_of(offset), message));
    }
    findings
}

fn row_of(module: &str) -> Option<usize> {
    ROWS.iter().position(|row| row.contains(&module))
}

/// How many `super::` lead from this file to the root of the crate.
fn depth_of(inner: &str) -> usize {
    let stem = inner.trim_end_matches(".rs").trim_end_matches("/mod");
    1 + stem.matches('/').count()
}

/// Names that follow the root of the crate, written as `crate::` or as enough `super::`.
fn used_modules(code: &str, depth: usize) -> Vec<(usize, String)> {
    let mut used = Vec::new();
    for root in ["crate::".to_owned(), "super::".repeat(depth)] {
        let starts = words(code, root.trim_end_matches("::")).collect::<Vec<_>>();
        for start in starts {
            // A shorter chain of `super::` inside a longer one is not the root.
            let before = code.get(..start).unwrap_or_default();
            let rest = code.get(start..).unwrap_or_default();
            if before.ends_with("::") || before.ends_with('$') {
                continue;
            }
            if let Some(rest) = rest.strip_prefix(root.as_str()) {
                used.extend(first_names(rest).into_iter().map(|name| (start, name)));
            }
        }
    }
    used.retain(|(_, name)| name != "super");
    used
}

/// `a::b` gives a; `{a::b, c}` gives a and c.
fn first_names(rest: &str) -> Vec<String> {
    if !rest.starts_with('{') {
        return vec![identifier(rest).to_owned()];
    }
    let mut names = Vec::new();
    let mut depth = 0_usize;
    for (offset, character) in rest.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        let opens = offset == 0 || (character == ',' && depth == 1);
        let name = opens.then(|| identifier(rest.get(offset + 1..).unwrap_or_default()));
        names.extend(name.filter(|name| !name.is_empty()).map(str::to_owned));
    }
    names
}
