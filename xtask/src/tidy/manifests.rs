//! The workspace's `Cargo.toml` files, as far as the rules need them.
//!
//! Owns which table counts as a dependency and under which name the crate really goes.

use crate::checkout::Checkout;
use toml::{Table, Value};

/// One crate of the workspace.
pub struct Manifest {
    pub path: String,
    pub name: String,
    pub dependencies: Vec<String>,
    /// Those that only its tests use.
    pub of_tests: Vec<String>,
}

const OF_TESTS: &str = "dev-dependencies";
const KINDS: [&str; 3] = ["dependencies", OF_TESTS, "build-dependencies"];

/// The manifests under `crates/`, `fuzz/` and `xtask/`, or the first one that does not parse.
pub fn manifests(checkout: &Checkout) -> Result<Vec<Manifest>, String> {
    ["crates/", "fuzz/", "xtask/"]
        .iter()
        .flat_map(|prefix| checkout.files(prefix, "/Cargo.toml"))
        .filter(|(path, _)| path.matches('/').count() <= 2)
        .map(|(path, text)| parse(path, text))
        .collect()
}

fn parse(path: &str, text: &str) -> Result<Manifest, String> {
    let table: Table = text.parse().map_err(|error| format!("read {path}: {error}"))?;
    let package = table.get("package").and_then(|package| package.get("name"));
    let mut dependencies = dependencies_of(&table, &KINDS);
    let others = dependencies_of(&table, &[KINDS[0], KINDS[2]]);
    let mut of_tests = dependencies_of(&table, &[OF_TESTS]);
    of_tests.retain(|name| !others.contains(name));
    if let Some(targets) = table.get("target").and_then(Value::as_table) {
        let tables = targets.values().filter_map(Value::as_table);
        dependencies.extend(tables.flat_map(|table| dependencies_of(table, &KINDS)));
    }
    dependencies.sort();
    dependencies.dedup();
    Ok(Manifest {
        path: path.to_owned(),
        name: package.and_then(Value::as_str).unwrap_or_default().to_owned(),
        dependencies,
        of_tests,
    })
}

fn dependencies_of(table: &Table, kinds: &[&str]) -> Vec<String> {
    let tables = kinds.iter().filter_map(|kind| table.get(*kind)?.as_table());
    tables
        .flatten()
        .map(|(name, value)| {
            let renamed = value.get("package").and_then(Value::as_str);
            renamed.unwrap_or(name).to_owned()
        })
        .collect()
}
