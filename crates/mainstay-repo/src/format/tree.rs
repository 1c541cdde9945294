//! Trees: pages of nodes, and the extents that say where a node's content lies.
//!
//! Owns the encoding of a directory page. A page is one chunk; it names each writing session once and refers to blocks by
//! number, so that a page holds next to nothing that does not compress.

mod extents;
mod fields;
mod node;

use minicbor::{Decoder, Encoder};

use super::{Decoded, Problem, limits, within};
use extents::Sessions;
pub use extents::{Content, Extent, ExtentList};
use fields::{INFALLIBLE, array_len, cbor, expect_end, expect_key, expect_map, unsigned32};
pub use node::{Node, NodeKind};
use node::{decode_node, encode_node};

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

#[cfg(test)]
mod tests;
