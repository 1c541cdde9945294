//! The shell blocks of a document that are run.
//!
//! Owns the marks: `<!-- run -->` on the line before a `sh` block has it run by bash, which stops
//! at the first command that fails; a line `# => text` in it says that the block prints this text,
//! in this order. `<!-- run with s3 -->` runs it beside a server: `server` knows of which kinds.

use super::server::{Kind, Server};
use crate::binary::{Binary, text};
use std::path::Path;

#[cfg(test)]
mod tests;

const MARK: &str = "<!-- run -->";
const FENCE: &str = "```";
const EXPECTATION: &str = "# => ";

#[derive(Debug, PartialEq)]
pub struct Block {
    /// The line of its opening fence, counted from 1.
    pub line: usize,
    pub script: String,
    pub beside: Option<Kind>,
}

/// The marked blocks, in order; a mark without a block is an error.
pub fn find(document: &str) -> Result<Vec<Block>, String> {
    let mut blocks = Vec::new();
    let mut lines = document.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let mark = line.trim();
        let beside = Kind::ALL.into_iter().find(|kind| mark == format!("<!-- run with {} -->", kind.name()));
        if mark != MARK && beside.is_none() {
            continue;
        }
        let opening = lines.find(|(_, line)| !line.trim().is_empty());
        if opening.is_none_or(|(_, line)| line.trim() != format!("{FENCE}sh")) {
            return Err(format!("line {}: no `sh` block follows {mark}", index + 1));
        }
        let inner: Vec<&str> = lines.by_ref().map(|(_, line)| line).take_while(|line| line.trim() != FENCE).collect();
        let line = opening.map_or(0, |(index, _)| index + 1);
        blocks.push(Block { line, script: inner.join("\n"), beside });
    }
    Ok(blocks)
}

/// A reader types more slowly than the 20 ms within which a change may have escaped a backup, so that the next one reads
/// the file again.
const AS_A_READER: &str = r#"mainstay() { sleep 0.1; command mainstay "$@"; }"#;

impl Block {
    /// Runs the block with `mainstay` on the search path and checks what it prints.
    pub fn run(&self, binary: &Binary, home: &Path, servers: &[Server]) -> Result<(), String> {
        let mut command = binary.shell(home);
        command.envs(servers.iter().flat_map(Server::variables));
        command.args(["-euo", "pipefail", "-c"]);
        // What goes to standard error is part of what a reader sees.
        command.arg(format!("exec 2>&1\n{AS_A_READER}\n{}", self.script));
        let output = command.output();
        let output = output.map_err(|error| format!("run the block: {error}"))?;
        let printed = text(&output.stdout);
        if !output.status.success() {
            return Err(format!("the block ended with {}:\n{printed}", output.status));
        }
        match self.missing(&printed) {
            Some(expected) => Err(format!("expected `{expected}` in:\n{printed}")),
            None => Ok(()),
        }
    }

    /// The first expected text that is not printed after the ones before it.
    fn missing(&self, printed: &str) -> Option<&str> {
        let mut rest = printed;
        for line in self.script.lines() {
            let Some(expected) = line.trim().strip_prefix(EXPECTATION) else {
                continue;
            };
            match rest.split_once(expected) {
                Some((_, after)) => rest = after,
                None => return Some(expected),
            }
        }
        None
    }
}
