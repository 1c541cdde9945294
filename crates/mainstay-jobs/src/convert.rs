//! Between a source's entries and a snapshot's nodes.
//!
//! Owns the translation both ways, and the judgement whether an entry is what a node says. Touches nothing.

use mainstay_repo::{Content, Node, NodeKind};
use mainstay_sources::files::Metadata;
use mainstay_sources::{Details, Entry, Kind, Owner, Timestamp};

/// A node without content from an entry and its details.
pub fn node(entry: Entry, details: Details) -> Node {
    let (kind, device_numbers) = match entry.kind {
        Kind::File => (NodeKind::File, None),
        Kind::Directory => (NodeKind::Directory, None),
        Kind::Symlink => (NodeKind::Symlink, None),
        Kind::CharacterDevice { major, minor } => (NodeKind::CharacterDevice, Some((major, minor))),
        Kind::BlockDevice { major, minor } => (NodeKind::BlockDevice, Some((major, minor))),
        Kind::Fifo => (NodeKind::Fifo, None),
        Kind::Socket => (NodeKind::Socket, None),
    };
    // The number of links of a directory only counts its subdirectories, on some file systems.
    let links = if kind == NodeKind::Directory { 1 } else { entry.links };
    Node {
        kind,
        mode: entry.mode,
        user: entry.owner.user,
        group: entry.owner.group,
        size: entry.size,
        modified: (entry.modified.seconds, entry.modified.nanoseconds),
        changed: (entry.changed.seconds, entry.changed.nanoseconds),
        inode: entry.inode,
        device: device(&entry),
        links,
        content: Content::default(),
        link_target: details.link_target,
        device_numbers,
        attributes: details.attributes,
        name: entry.name,
    }
}

/// The number of an entry's file system, where several names of one inode are known by it.
pub fn device(entry: &Entry) -> u64 {
    if entry.kind != Kind::Directory && entry.links > 1 { entry.device } else { 0 }
}

/// How far a change time may lie behind the moment of the change: the clock of files moves on with the kernel's tick,
/// 10 ms at `CONFIG_HZ=100`. Twice that, because the two clocks are not read at once.
const TICK_NS: i128 = 20_000_000;
/// The same where fractions of a second are not kept; FAT rounds down to two seconds.
const COARSE_TICK_NS: i128 = 2_000_000_000;

/// Whether a change after `looked` (nanoseconds since the epoch), the moment at which a node was recorded, would have
/// given it another change time. What changed just before may have changed again within the same tick, which nothing
/// shows; git calls such entries racily clean (its `Documentation/technical/racy-git`).
pub fn would_show_change(node: &Node, looked: i64) -> bool {
    let (seconds, nanoseconds) = node.changed;
    let tick = if nanoseconds == 0 { COARSE_TICK_NS } else { TICK_NS };
    i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds) + tick <= i128::from(looked)
}

/// Whether an entry is, by everything that its listing says, what the node recorded. The change time cannot be set by a
/// user, so content and attributes that changed show there.
pub fn is_unchanged(entry: &Entry, node: &Node) -> bool {
    let same_kind = matches!(
        (entry.kind, node.kind),
        (Kind::File, NodeKind::File)
            | (Kind::Directory, NodeKind::Directory)
            | (Kind::Symlink, NodeKind::Symlink)
            | (Kind::CharacterDevice { .. }, NodeKind::CharacterDevice)
            | (Kind::BlockDevice { .. }, NodeKind::BlockDevice)
            | (Kind::Fifo, NodeKind::Fifo)
            | (Kind::Socket, NodeKind::Socket)
    );
    same_kind
        && entry.size == node.size
        && (entry.modified.seconds, entry.modified.nanoseconds) == node.modified
        && (entry.changed.seconds, entry.changed.nanoseconds) == node.changed
        && entry.inode == node.inode
        && entry.mode == node.mode
        && entry.owner == (Owner { user: node.user, group: node.group })
        && (entry.kind == Kind::Directory || entry.links == node.links)
}

/// A node's kind, as a target has it.
pub fn kind(node: &Node) -> Kind {
    let (major, minor) = node.device_numbers.unwrap_or_default();
    match node.kind {
        NodeKind::File => Kind::File,
        NodeKind::Directory => Kind::Directory,
        NodeKind::Symlink => Kind::Symlink,
        NodeKind::CharacterDevice => Kind::CharacterDevice { major, minor },
        NodeKind::BlockDevice => Kind::BlockDevice { major, minor },
        NodeKind::Fifo => Kind::Fifo,
        NodeKind::Socket => Kind::Socket,
    }
}

/// What a target needs to know of a node.
pub fn metadata(node: &Node) -> Metadata {
    Metadata {
        kind: kind(node),
        mode: node.mode,
        owner: Owner { user: node.user, group: node.group },
        modified: Timestamp { seconds: node.modified.0, nanoseconds: node.modified.1 },
        attributes: node.attributes.clone(),
        link_target: node.link_target.clone(),
        size: node.size,
    }
}

#[cfg(test)]
mod tests;
