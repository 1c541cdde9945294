//! Entries of a snapshot as text and as JSON.
//!
//! Owns the shape that `ls`, `find` and `history` share. Names are escaped here.

use mainstay_repo::{Node, NodeKind, Owners};
use serde::Serialize;

use crate::output::encode::{PathFields, hex};
use crate::output::{escape, time, units};

/// An entry in `--json` output.
#[derive(Serialize)]
pub struct NodeFields<'a> {
    #[serde(flatten)]
    path: PathFields<'a>,
    kind: &'static str,
    /// Octal.
    mode: String,
    user: u32,
    user_name: Option<&'a str>,
    group: u32,
    group_name: Option<&'a str>,
    size: u64,
    modified: String,
    changed: String,
    inode: u64,
    links: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    link_target: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    link_target_hex: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<(u32, u32)>,
}

impl<'a> NodeFields<'a> {
    /// `path` begins with a slash; `owners` are those of the node's page.
    pub fn new(path: &'a [u8], node: &Node, owners: &'a Owners) -> Self {
        let target = node.link_target.as_deref();
        let is_text = |bytes: &&[u8]| std::str::from_utf8(bytes).is_ok();
        Self {
            path: PathFields(path),
            kind: kind(node.kind),
            mode: format!("{:04o}", node.mode),
            user: node.user,
            user_name: name_of(node.user, &owners.users),
            group: node.group,
            group_name: name_of(node.group, &owners.groups),
            size: node.size,
            modified: time::utc_of(node.modified.0, node.modified.1),
            changed: time::utc_of(node.changed.0, node.changed.1),
            inode: node.inode,
            links: node.links,
            link_target: target.map(|target| String::from_utf8_lossy(target).into_owned()),
            link_target_hex: target.filter(|target| !is_text(target)).map(hex),
            device: node.device_numbers,
        }
    }
}

/// The name of a user or a group, where the snapshot knows it.
fn name_of(number: u32, names: &[(u32, String)]) -> Option<&str> {
    names.iter().find(|(known, _)| *known == number).map(|(_, name)| name.as_str())
}

/// The word for a kind of entry.
pub fn kind(kind: NodeKind) -> &'static str {
    match kind {
        NodeKind::File => "file",
        NodeKind::Directory => "directory",
        NodeKind::Symlink => "symlink",
        NodeKind::CharacterDevice => "character_device",
        NodeKind::BlockDevice => "block_device",
        NodeKind::Fifo => "fifo",
        NodeKind::Socket => "socket",
    }
}

/// A path of a tree with the slash in front that people expect.
pub fn absolute(path: &[u8]) -> Vec<u8> {
    [b"/", path].concat()
}

/// The path alone; a directory's ends with a slash.
pub fn short(path: &[u8], node: &Node) -> String {
    let slash = if node.kind == NodeKind::Directory { "/" } else { "" };
    format!("{}{slash}", escape::bytes(path))
}

/// Mode, owner, size, time and path, as `ls -l` has them; owners by name where there is one.
pub fn long(path: &[u8], node: &Node, owners: &Owners) -> String {
    let owner = |number: u32, names| name_of(number, names).map_or_else(|| number.to_string(), escape::text);
    let target = node.link_target.as_deref();
    let target = target.map(|target| format!(" -> {}", escape::bytes(target))).unwrap_or_default();
    format!(
        "{} {:<8} {:<8} {:>9}  {}  {}{target}",
        mode_text(node),
        owner(node.user, &owners.users),
        owner(node.group, &owners.groups),
        size_text(node),
        time::local_of(node.modified.0, node.modified.1),
        short(path, node),
    )
}

fn size_text(node: &Node) -> String {
    match (node.kind, node.device_numbers) {
        (NodeKind::File, _) => units::size(node.size),
        (_, Some((major, minor))) => format!("{major}, {minor}"),
        _ => "-".to_owned(),
    }
}

fn mode_text(node: &Node) -> String {
    let kind = match node.kind {
        NodeKind::File => '-',
        NodeKind::Directory => 'd',
        NodeKind::Symlink => 'l',
        NodeKind::CharacterDevice => 'c',
        NodeKind::BlockDevice => 'b',
        NodeKind::Fifo => 'p',
        NodeKind::Socket => 's',
    };
    let mut text = String::from(kind);
    // Each triple with the bit that changes how its x is shown.
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = node.mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (node.mode & special != 0, bits & 1 != 0) {
            (true, true) => letter,
            (true, false) => letter.to_ascii_uppercase(),
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    text
}

#[cfg(test)]
mod tests;
