//! `cargo xtask docs`: what the documents say about the binary is taken from the binary.
//!
//! Owns the course: the command-line reference is generated or compared, then the shell blocks of
//! the README and of the guide are run, each document in an empty home of its own.

mod blocks;
mod postgres;
mod reference;
mod server;
mod ssh;

use crate::binary::{Binary, Request, Scratch};
use crate::checkout::{self, Checkout};
use std::collections::BTreeSet;
use std::path::Path;

const REFERENCE: &str = "docs/reference/cli.md";
const USAGE: &str = "usage: cargo xtask docs [--check] [--mainstay PATH]";

pub fn run(arguments: &[String]) -> Result<(), String> {
    let Request { is_check, binary } = Request::read(arguments, USAGE)?;
    let root = checkout::root();
    let scratch = Scratch::create("docs")?;
    let generated = reference::generate(&binary, &scratch.path)?;
    match is_check {
        true => compare(&root, &generated)?,
        false => write(&root, &generated)?,
    }
    run_blocks(&binary, &Checkout::read(&root)?)
}

fn write(root: &Path, generated: &str) -> Result<(), String> {
    let path = root.join(REFERENCE);
    let directory = path.parent().unwrap_or(root);
    std::fs::create_dir_all(directory)
        .and_then(|()| std::fs::write(&path, generated))
        .map_err(|error| format!("write {REFERENCE}: {error}"))
}

fn compare(root: &Path, generated: &str) -> Result<(), String> {
    let found = std::fs::read_to_string(root.join(REFERENCE)).unwrap_or_default();
    if found == generated {
        return Ok(());
    }
    let lines = found.lines().chain(std::iter::repeat("")).zip(generated.lines());
    let number = lines.take_while(|(old, new)| old == new).count();
    let line = |text: &str| text.lines().nth(number).unwrap_or("(nothing)").to_owned();
    Err(format!(
        "{REFERENCE}:{}: expected `{}`, found `{}`; run `cargo xtask docs`",
        number + 1,
        line(generated),
        line(&found)
    ))
}

/// Runs every marked block, and reports all that failed rather than the first.
fn run_blocks(binary: &Binary, checkout: &Checkout) -> Result<(), String> {
    let guides = checkout.files("docs/guide/", ".md");
    let readme = checkout.text("README.md").map(|text| ("README.md", text));
    let (mut count, mut failures) = (0, Vec::new());
    for (path, text) in readme.into_iter().chain(guides) {
        let marked = match blocks::find(text) {
            Ok(marked) => marked,
            Err(message) => {
                failures.push(format!("{path}: {message}"));
                continue;
            }
        };
        if marked.is_empty() {
            continue;
        }
        let home = Scratch::create("home")?;
        let kinds: BTreeSet<_> = marked.iter().filter_map(|block| block.beside).collect();
        let start = |kind| server::Server::start(kind, &home.path);
        let servers: Vec<_> = kinds.into_iter().map(start).collect::<Result<_, _>>()?;
        for block in marked {
            count += 1;
            // Later blocks of a document build upon the earlier ones.
            if let Err(message) = block.run(binary, &home.path, &servers) {
                failures.push(format!("{path}:{}: {message}", block.line));
                break;
            }
        }
    }
    match failures.is_empty() {
        true => {
            println!("docs: {count} blocks ran");
            Ok(())
        }
        false => Err(failures.join("\n")),
    }
}
