//! Trees: pages of nodes, and the extents that say where a node's content lies.
//!
//! Owns the encoding of a directory page and of extent lists. A page is one chunk; it names each writing session once
//! and refers to blocks by number, so that a page holds next to nothing that does not compress.

use minicbor::{Decoder, Encoder};

use super::{Decoded, Problem, limits, within};
use crate::id::{BlockId, SessionId};

/// A stretch of content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Extent {
    /// `len` plaintext bytes at `offset` of a block. Adjacent chunks of one block make one extent.
    Data { block: BlockId, offset: u32, len: u32 },
    /// `len` bytes that read as zeros and take no space.
    Hole { len: u64 },
}

impl Extent {
    /// Length in bytes of content.
    pub fn content_len(&self) -> u64 {
        match self {
            Self::Data { len, .. } => u64::from(*len),
            Self::Hole { len } => *len,
        }
    }
}

/// The content of a file, or the pages of a directory (one extent each).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// The extents in order, unless `lists` holds them.
    pub extents: Vec<Extent>,
    /// Extent list chunks that hold the extents in order when there are too many to keep inline.
    pub lists: Vec<Extent>,
}

impl Content {
    /// Adds an extent, joining it with the last one where they touch.
    pub fn push(&mut self, extent: Extent) {
        match (self.extents.last_mut(), extent) {
            (Some(Extent::Data { block: last, offset: from, len: held }), Extent::Data { block, offset, len })
                if *last == block && *from + *held == offset =>
            {
                *held += len
            }
            (Some(Extent::Hole { len: held }), Extent::Hole { len }) => *held += len,
            _ => self.extents.push(extent),
        }
    }
}

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
    const ALL: [Self; 7] = [
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

/// Names of users and groups by number, as the source knew them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owners {
    pub users: Vec<(u32, String)>,
    pub groups: Vec<(u32, String)>,
}

/// Part of a directory: nodes in ascending order of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TreePage {
    pub nodes: Vec<Node>,
    pub owners: Owners,
}

/// A list of extents in a chunk of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExtentList {
    pub extents: Vec<Extent>,
}

type Sink<'a> = Encoder<&'a mut Vec<u8>>;
const INFALLIBLE: &str = "encoding into memory cannot fail";

/// The sessions that the extents of one encoded thing refer to, in order of first use.
#[derive(Default)]
struct Sessions(Vec<SessionId>);

impl Sessions {
    fn number(&mut self, session: SessionId) -> u64 {
        let found = self.0.iter().rposition(|known| *known == session);
        found.unwrap_or_else(|| {
            self.0.push(session);
            self.0.len() - 1
        }) as u64
    }

    fn collect<'a>(extents: impl Iterator<Item = &'a Extent>) -> Self {
        let mut sessions = Self::default();
        for extent in extents {
            if let Extent::Data { block, .. } = extent {
                sessions.number(block.session);
            }
        }
        sessions
    }

    fn encode(&self, encoder: &mut Sink<'_>) {
        encoder.array(self.0.len() as u64).expect(INFALLIBLE);
        for session in &self.0 {
            encoder.bytes(&session.0).expect(INFALLIBLE);
        }
    }

    fn decode(decoder: &mut Decoder<'_>) -> Decoded<Self> {
        let count = array_len(decoder, "sessions")?;
        let mut sessions = Self::default();
        for _ in 0..count {
            let id = SessionId::from_slice(bytes(decoder)?).map_err(|_| Problem::new("session of the wrong length"))?;
            sessions.0.push(id);
        }
        Ok(sessions)
    }

    /// An extent is `0, len` for a hole and `session number + 1, serial, offset, len` for data.
    fn encode_extents(&mut self, extents: &[Extent], encoder: &mut Sink<'_>) {
        let numbers: usize =
            extents.iter().map(|extent| if matches!(extent, Extent::Hole { .. }) { 2 } else { 4 }).sum();
        encoder.array(numbers as u64).expect(INFALLIBLE);
        for extent in extents {
            match extent {
                Extent::Hole { len } => encoder.u8(0).and_then(|e| e.u64(*len)).expect(INFALLIBLE),
                Extent::Data { block, offset, len } => encoder
                    .u64(self.number(block.session) + 1)
                    .and_then(|e| e.u32(block.serial))
                    .and_then(|e| e.u32(*offset))
                    .and_then(|e| e.u32(*len))
                    .expect(INFALLIBLE),
            };
        }
    }

    fn decode_extents(&self, decoder: &mut Decoder<'_>) -> Decoded<Vec<Extent>> {
        let mut numbers = array_len(decoder, "extents")?;
        let mut extents = Vec::with_capacity((numbers / 4) as usize);
        while numbers > 0 {
            let session = unsigned(decoder)?;
            let taken = if session == 0 { 2 } else { 4 };
            numbers = numbers.checked_sub(taken).ok_or_else(|| Problem::new("an extent is cut short"))?;
            extents.push(match session.checked_sub(1) {
                None => Extent::Hole { len: unsigned(decoder)? },
                Some(number) => self.decode_data(number, decoder)?,
            });
        }
        Ok(extents)
    }

    fn decode_data(&self, number: u64, decoder: &mut Decoder<'_>) -> Decoded<Extent> {
        let session = usize::try_from(number).ok().and_then(|number| self.0.get(number)).copied();
        let session = session.ok_or_else(|| Problem(format!("session number {number} is not in its list")))?;
        let serial = unsigned32(decoder)?;
        let (offset, len) = (unsigned32(decoder)?, unsigned32(decoder)?);
        within("end of an extent in its block", u64::from(offset) + u64::from(len), limits::BLOCK_LEN as u64)?;
        Ok(Extent::Data { block: BlockId { session, serial }, offset, len })
    }
}

impl TreePage {
    /// Encodes the page: `{1: sessions, 2: users, 3: groups, 4: nodes}`.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 + self.nodes.len() * 96);
        let mut sessions = Sessions::collect(
            self.nodes.iter().flat_map(|node| node.content.extents.iter().chain(&node.content.lists)),
        );
        let mut encoder = Encoder::new(&mut out);
        encoder.map(4).and_then(|e| e.u8(1)).expect(INFALLIBLE);
        sessions.encode(&mut encoder);
        for (key, names) in [(2, &self.owners.users), (3, &self.owners.groups)] {
            encoder.u8(key).and_then(|e| e.array(names.len() as u64 * 2)).expect(INFALLIBLE);
            for (number, name) in names {
                encoder.u32(*number).and_then(|e| e.str(name)).expect(INFALLIBLE);
            }
        }
        encoder.u8(4).and_then(|e| e.array(self.nodes.len() as u64)).expect(INFALLIBLE);
        for node in &self.nodes {
            encode_node(node, &mut sessions, &mut encoder);
        }
        out
    }

    /// Decodes a page and checks that its names are safe and in order.
    pub fn decode(input: &[u8]) -> Decoded<Self> {
        let mut decoder = Decoder::new(input);
        expect_map(&mut decoder, 4)?;
        expect_key(&mut decoder, 1)?;
        let sessions = Sessions::decode(&mut decoder)?;
        expect_key(&mut decoder, 2)?;
        let users = decode_names(&mut decoder)?;
        expect_key(&mut decoder, 3)?;
        let groups = decode_names(&mut decoder)?;
        expect_key(&mut decoder, 4)?;
        let count = array_len(&mut decoder, "nodes")?;
        within("nodes of a tree page", count, limits::TREE_PAGE_NODES as u64)?;
        let mut page = Self { nodes: Vec::with_capacity(count as usize), owners: Owners { users, groups } };
        for _ in 0..count {
            let node = decode_node(&mut decoder, &sessions)?;
            if page.nodes.last().is_some_and(|last: &Node| last.name >= node.name) {
                return Err(Problem::new("the names of a tree page are not in order"));
            }
            page.nodes.push(node);
        }
        expect_end(&decoder, input)?;
        Ok(page)
    }
}

impl ExtentList {
    /// Encodes the list: `{1: sessions, 2: extents}`.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(32 + self.extents.len() * 12);
        encode_extents(&self.extents, &mut Encoder::new(&mut out));
        out
    }

    pub fn decode(input: &[u8]) -> Decoded<Self> {
        let mut decoder = Decoder::new(input);
        let extents = decode_extents(&mut decoder)?;
        expect_end(&decoder, input)?;
        within("extents of a list", extents.len() as u64, limits::LIST_EXTENTS as u64)?;
        Ok(Self { extents })
    }
}

fn encode_extents(extents: &[Extent], encoder: &mut Sink<'_>) {
    let mut sessions = Sessions::collect(extents.iter());
    encoder.map(2).and_then(|e| e.u8(1)).expect(INFALLIBLE);
    sessions.encode(encoder);
    encoder.u8(2).expect(INFALLIBLE);
    sessions.encode_extents(extents, encoder);
}

fn decode_extents(decoder: &mut Decoder<'_>) -> Decoded<Vec<Extent>> {
    expect_map(decoder, 2)?;
    expect_key(decoder, 1)?;
    let sessions = Sessions::decode(decoder)?;
    expect_key(decoder, 2)?;
    sessions.decode_extents(decoder)
}

/// A content that stands alone, as a snapshot holds its root: `[inline extents, lists]`, each `{1: sessions, 2: extents}`.
impl<C> minicbor::Encode<C> for Content {
    fn encode<W: minicbor::encode::Write>(
        &self,
        encoder: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        encoder.array(2)?;
        for extents in [&self.extents, &self.lists] {
            encoder.bytes(&ExtentList { extents: extents.clone() }.encode())?;
        }
        Ok(())
    }
}

impl<'b, C> minicbor::Decode<'b, C> for Content {
    fn decode(decoder: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let fault = |problem: Problem| minicbor::decode::Error::message(problem.0);
        if decoder.array()? != Some(2) {
            return Err(minicbor::decode::Error::message("content is not a pair"));
        }
        let mut list = || ExtentList::decode(decoder.bytes()?).map(|list| list.extents).map_err(fault);
        Ok(Self { extents: list()?, lists: list()? })
    }
}

/// A node is a map whose absent keys have a default: 1 name, 2 kind, 3 mode, 4 user, 5 group, 6 size (0),
/// 7 `[seconds, nanoseconds]` modified, 8 changed, 9 inode, 10 device (0), 11 links (1), 12 extents (none), 13 lists
/// (none), 14 link target, 15 `[major, minor]`, 16 attributes `[name, value, …]` (none).
fn encode_node(node: &Node, sessions: &mut Sessions, encoder: &mut Sink<'_>) {
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

fn decode_node(decoder: &mut Decoder<'_>, sessions: &Sessions) -> Decoded<Node> {
    let fields = decoder.map().map_err(cbor)?.ok_or_else(|| Problem::new("a node of indefinite length"))?;
    within("fields of a node", fields, 16)?;
    let mut node = Node {
        name: Vec::new(),
        kind: NodeKind::File,
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
    };
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

fn decode_names(decoder: &mut Decoder<'_>) -> Decoded<Vec<(u32, String)>> {
    let count = array_len(decoder, "owner names")?;
    if count % 2 != 0 {
        return Err(Problem::new("an owner has no name"));
    }
    let mut names = Vec::new();
    for _ in 0..count / 2 {
        let number = unsigned32(decoder)?;
        let name = decoder.str().map_err(cbor)?;
        within("length of an owner's name", name.len() as u64, limits::NAME_LEN as u64)?;
        names.push((number, name.to_owned()));
    }
    Ok(names)
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

fn cbor(error: minicbor::decode::Error) -> Problem {
    Problem(format!("tree: {error}"))
}

fn unsigned(decoder: &mut Decoder<'_>) -> Decoded<u64> {
    decoder.u64().map_err(cbor)
}

fn unsigned32(decoder: &mut Decoder<'_>) -> Decoded<u32> {
    decoder.u32().map_err(cbor)
}

fn bytes<'b>(decoder: &mut Decoder<'b>) -> Decoded<&'b [u8]> {
    decoder.bytes().map_err(cbor)
}

fn bounded_bytes(decoder: &mut Decoder<'_>, what: &str, limit: usize) -> Decoded<Vec<u8>> {
    let found = bytes(decoder)?;
    within(what, found.len() as u64, limit as u64)?;
    Ok(found.to_vec())
}

/// The count of a definite array; it cannot exceed the bytes left, since each item takes at least one.
fn array_len(decoder: &mut Decoder<'_>, what: &str) -> Decoded<u64> {
    let count = decoder.array().map_err(cbor)?.ok_or_else(|| Problem(format!("{what} of indefinite length")))?;
    within(what, count, (decoder.input().len() - decoder.position()) as u64)?;
    Ok(count)
}

fn expect_array(decoder: &mut Decoder<'_>, len: u64) -> Decoded<()> {
    if decoder.array().map_err(cbor)? != Some(len) {
        return Err(Problem(format!("an array of {len} was expected")));
    }
    Ok(())
}

fn expect_map(decoder: &mut Decoder<'_>, len: u64) -> Decoded<()> {
    if decoder.map().map_err(cbor)? != Some(len) {
        return Err(Problem(format!("a map of {len} was expected")));
    }
    Ok(())
}

fn expect_key(decoder: &mut Decoder<'_>, key: u8) -> Decoded<()> {
    if decoder.u8().map_err(cbor)? != key {
        return Err(Problem(format!("key {key} was expected")));
    }
    Ok(())
}

fn expect_end(decoder: &Decoder<'_>, input: &[u8]) -> Decoded<()> {
    if decoder.position() != input.len() {
        return Err(Problem(format!("{} bytes after the end", input.len() - decoder.position())));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
