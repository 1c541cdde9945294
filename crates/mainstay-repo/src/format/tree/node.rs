//! Nodes: what a file, a directory or anything else in a tree is.
//!
//! Owns their encoding, and which names are safe. Knows nothing of pages.

use minicbor::Decoder;

use super::extents::{Content, Sessions};
use super::fields::{INFALLIBLE, Sink, array_len, bounded_bytes, cbor, expect_array, unsigned, unsigned32};
use crate::format::{Decoded, Problem, limits, within};

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NodeKind {
    File,
    Directory,
    Symlink,
    CharacterDevice,
    BlockDevice,
    Fifo,
    Socket,
}

impl NodeKind {
    pub(super) const ALL: [Self; 7] = [
        Self::File,
        Self::Directory,
        Self::Symlink,
        Self::CharacterDevice,
        Self::BlockDevice,
        Self::Fifo,
        Self::Socket,
    ];

    fn to_number(self) -> u8 {
        match self {
            Self::File => 1,
            Self::Directory => 2,
            Self::Symlink => 3,
            Self::CharacterDevice => 4,
            Self::BlockDevice => 5,
            Self::Fifo => 6,
            Self::Socket => 7,
        }
    }

    fn from_number(number: u8) -> Decoded<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.to_number() == number)
            .ok_or_else(|| Problem(format!("unknown kind of node {number}")))
    }
}

/// One entry of a directory in a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub name: Vec<u8>,
    pub kind: NodeKind,
    /// Permission bits with set-uid, set-gid and sticky.
    pub mode: u32,
    pub user: u32,
    pub group: u32,
    /// Length of a file's content in bytes.
    pub size: u64,
    /// Seconds and nanoseconds of the last change of content.
    pub modified: (i64, u32),
    /// Seconds and nanoseconds of the last change of metadata.
    pub changed: (i64, u32),
    pub inode: u64,
    /// Number of the device that holds the inode; kept where `links` exceeds 1.
    pub device: u64,
    pub links: u64,
    pub content: Content,
    pub link_target: Option<Vec<u8>>,
    /// Major and minor number of a device node.
    pub device_numbers: Option<(u32, u32)>,
    /// Extended attributes, sorted by name.
    pub attributes: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Node {
    /// A node of which nothing more is known: what its encoding leaves out is what it is here.
    pub fn new(name: impl Into<Vec<u8>>, kind: NodeKind) -> Self {
        Self {
            name: name.into(),
            kind,
            mode: 0,
            user: 0,
            group: 0,
            size: 0,
            modified: (0, 0),
            changed: (0, 0),
            inode: 0,
            device: 0,
            links: 1,
            content: Content::default(),
            link_target: None,
            device_numbers: None,
            attributes: Vec::new(),
        }
    }
}

/// A node is a map whose absent keys have a default: 1 name, 2 kind, 3 mode, 4 user, 5 group, 6 size (0),
/// 7 `[seconds, nanoseconds]` modified, 8 changed, 9 inode, 10 device (0), 11 links (1), 12 extents (none), 13 lists
/// (none), 14 link target, 15 `[major, minor]`, 16 attributes `[name, value, …]` (none).
pub fn encode_node(node: &Node, sessions: &mut Sessions, encoder: &mut Sink<'_>) {
    let optional = [
        node.size != 0,
        node.device != 0,
        node.links != 1,
        !node.content.extents.is_empty(),
        !node.content.lists.is_empty(),
        node.link_target.is_some(),
        node.device_numbers.is_some(),
        !node.attributes.is_empty(),
    ];
    let fields = 8 + optional.iter().filter(|present| **present).count() as u64;
    write_node(node, fields, sessions, encoder).expect(INFALLIBLE);
}

fn write_node(
    node: &Node,
    fields: u64,
    sessions: &mut Sessions,
    e: &mut Sink<'_>,
) -> Result<(), minicbor::encode::Error<std::convert::Infallible>> {
    e.map(fields)?.u8(1)?.bytes(&node.name)?;
    e.u8(2)?.u8(node.kind.to_number())?;
    e.u8(3)?.u32(node.mode)?.u8(4)?.u32(node.user)?.u8(5)?.u32(node.group)?;
    if node.size != 0 {
        e.u8(6)?.u64(node.size)?;
    }
    e.u8(7)?.array(2)?.i64(node.modified.0)?.u32(node.modified.1)?;
    e.u8(8)?.array(2)?.i64(node.changed.0)?.u32(node.changed.1)?;
    e.u8(9)?.u64(node.inode)?;
    if node.device != 0 {
        e.u8(10)?.u64(node.device)?;
    }
    if node.links != 1 {
        e.u8(11)?.u64(node.links)?;
    }
    for (key, extents) in [(12, &node.content.extents), (13, &node.content.lists)] {
        if !extents.is_empty() {
            e.u8(key)?;
            sessions.encode_extents(extents, e);
        }
    }
    if let Some(target) = &node.link_target {
        e.u8(14)?.bytes(target)?;
    }
    if let Some((major, minor)) = node.device_numbers {
        e.u8(15)?.array(2)?.u32(major)?.u32(minor)?;
    }
    if !node.attributes.is_empty() {
        e.u8(16)?.array(node.attributes.len() as u64 * 2)?;
        for (name, value) in &node.attributes {
            e.bytes(name)?.bytes(value)?;
        }
    }
    Ok(())
}

pub fn decode_node(decoder: &mut Decoder<'_>, sessions: &Sessions) -> Decoded<Node> {
    let fields = decoder.map().map_err(cbor)?.ok_or_else(|| Problem::new("a node of indefinite length"))?;
    within("fields of a node", fields, 16)?;
    let mut node = Node::new(Vec::new(), NodeKind::File);
    let mut last_key = 0;
    for _ in 0..fields {
        let key = decoder.u8().map_err(cbor)?;
        if key <= last_key {
            return Err(Problem::new("the fields of a node are not in order"));
        }
        last_key = key;
        decode_field(key, &mut node, decoder, sessions)?;
    }
    check_name(&node.name)?;
    Ok(node)
}

fn decode_field(key: u8, node: &mut Node, decoder: &mut Decoder<'_>, sessions: &Sessions) -> Decoded<()> {
    match key {
        1 => node.name = bounded_bytes(decoder, "name", limits::NAME_LEN)?,
        2 => node.kind = NodeKind::from_number(decoder.u8().map_err(cbor)?)?,
        3 => node.mode = unsigned32(decoder)?,
        4 => node.user = unsigned32(decoder)?,
        5 => node.group = unsigned32(decoder)?,
        6 => node.size = unsigned(decoder)?,
        7 => node.modified = decode_time(decoder)?,
        8 => node.changed = decode_time(decoder)?,
        9 => node.inode = unsigned(decoder)?,
        10 => node.device = unsigned(decoder)?,
        11 => node.links = unsigned(decoder)?,
        12 => node.content.extents = sessions.decode_extents(decoder)?,
        13 => node.content.lists = sessions.decode_extents(decoder)?,
        14 => node.link_target = Some(bounded_bytes(decoder, "link target", limits::LINK_TARGET_LEN)?),
        15 => {
            expect_array(decoder, 2)?;
            node.device_numbers = Some((unsigned32(decoder)?, unsigned32(decoder)?));
        }
        16 => node.attributes = decode_attributes(decoder)?,
        other => return Err(Problem(format!("unknown field {other} of a node"))),
    }
    Ok(())
}

fn decode_attributes(decoder: &mut Decoder<'_>) -> Decoded<Vec<(Vec<u8>, Vec<u8>)>> {
    let count = array_len(decoder, "attributes")?;
    if count % 2 != 0 {
        return Err(Problem::new("an attribute has no value"));
    }
    let mut attributes = Vec::new();
    let mut total = 0;
    for _ in 0..count / 2 {
        let name = bounded_bytes(decoder, "attribute name", limits::NAME_LEN)?;
        let value = bounded_bytes(decoder, "attribute value", limits::ATTRIBUTES_LEN)?;
        total += name.len() + value.len();
        within("attributes of a node", total as u64, limits::ATTRIBUTES_LEN as u64)?;
        attributes.push((name, value));
    }
    Ok(attributes)
}

fn decode_time(decoder: &mut Decoder<'_>) -> Decoded<(i64, u32)> {
    expect_array(decoder, 2)?;
    let seconds = decoder.i64().map_err(cbor)?;
    let nanoseconds = unsigned32(decoder)?;
    within("nanoseconds", nanoseconds.into(), 999_999_999)?;
    Ok((seconds, nanoseconds))
}

/// A name that is a path, or none at all, would let a tree write outside its target.
fn check_name(name: &[u8]) -> Decoded<()> {
    let forbidden = name.is_empty() || name == b"." || name == b".." || name.contains(&b'/') || name.contains(&0);
    if forbidden {
        return Err(Problem(format!("the name {:?} is not allowed", String::from_utf8_lossy(name))));
    }
    Ok(())
}
