//! The limits of the format: no length, count or depth read from a store passes unchecked against one of these.

use super::names;

/// Longest chunk, plaintext bytes.
pub const CHUNK_LEN: usize = 1 << 20;
/// A block is closed once it holds this many plaintext bytes: compression gains less than 2 % from a block twice as
/// long on source text (measured 2026-11-22: 203.4 MB at 1 MiB, 200.3 MB at 2 MiB), and a restore of one small file
/// reads one block.
pub const BLOCK_TARGET: usize = 1 << 20;
/// Longest block, plaintext bytes. Chunks of a large file that is read from end to end share blocks longer than the target.
pub const BLOCK_LEN: usize = 4 << 20;
/// A block of tree pages is closed at this many plaintext bytes: reading one directory opens one such block.
pub const TREE_BLOCK_TARGET: usize = 512 << 10;
/// Most chunks in one block; the shortest chunk that fills a block this way has 32 bytes.
pub const BLOCK_CHUNKS: usize = 1 << 15;
/// Longest pack, stored bytes.
pub const PACK_LEN: u64 = 1 << 30;
/// Smallest and largest size at which a pack is closed.
pub const PACK_TARGET_MIN: u64 = 16 << 20;
pub const PACK_TARGET_MAX: u64 = 128 << 20;
/// Longest cell of a sidecar; most data cells, and most parity cells, of one of its groups; most groups. What undoes damage
/// holds one group: at most 64 MiB of it.
pub const PARITY_CELL_LEN: u32 = 32 << 10;
pub const PARITY_CELLS: u32 = 1 << 10;
pub const PARITY_GROUPS: u32 = 64;
/// Most blocks in one pack.
pub const PACK_BLOCKS: usize = 1 << 20;
/// Longest object that is read whole and grows with the repository (snapshots, reference maps, intents, condemned
/// lists, lists of losses, manifests).
pub const OBJECT_LEN: u64 = 128 << 20;
/// Longest of the others (keys, leases and their ends, marks): whoever may write to a store can put very long ones there.
pub const SMALL_OBJECT_LEN: u64 = 1 << 20;
/// Longest configuration object.
pub const CONFIG_LEN: u64 = 1 << 16;
/// Most certificates from a holder up to the first one of the repository, and their length together.
pub const CERTIFICATES: usize = 32;
pub const CERTIFICATES_LEN: usize = 64 << 10;
/// Most rotations of the secrets.
pub const GENERATIONS: u32 = 1000;
/// Longest label of a holder, in bytes.
pub const LABEL_LEN: usize = 1024;
/// Most rows in one index table.
pub const TABLE_ROWS: u64 = 8 << 20;
/// Rows of one block in a table of blocks, and thinned copies of one block in the tail of a table of chunks.
pub const COPIES: usize = 255;
/// Longest tail of an index table.
pub const TABLE_TAIL_LEN: u64 = 64 << 20;
/// Longest tree page, plaintext bytes; a page is one chunk.
pub const TREE_PAGE_LEN: usize = CHUNK_LEN;
/// A tree page is closed at this length, or earlier at a boundary that its names decide.
pub const TREE_PAGE_TARGET: usize = 128 << 10;
/// Most nodes in one tree page.
pub const TREE_PAGE_NODES: usize = 4096;
/// Most extents that a node or page list keeps inline before they move to chunks of their own.
pub const INLINE_EXTENTS: usize = 512;
/// Most extents in one extent list chunk.
pub const LIST_EXTENTS: usize = 16 << 10;
/// Longest name of a node in bytes (`NAME_MAX` of the file systems that matter is 255).
pub const NAME_LEN: usize = 255;
/// Deepest tree that is followed.
pub const TREE_DEPTH: usize = 16 << 10;
/// Longest target of a symbolic link in bytes.
pub const LINK_TARGET_LEN: usize = 1 << 16;
/// Most bytes of extended attributes of one node, names and values together.
pub const ATTRIBUTES_LEN: usize = 512 << 10;
/// Largest memory and most passes that an Argon2id slot may ask of a reader.
pub const ARGON2_MEMORY_KIB: u32 = 4 << 20;
pub const ARGON2_PASSES: u32 = 64;

/// Longest object of this name that is read whole.
pub fn object_len(name: &str) -> u64 {
    let grows = [
        names::SNAPSHOTS,
        names::REFS,
        names::INTENTS,
        names::CONDEMNED,
        names::HISTORY,
        names::LOSSES,
        names::MANIFEST,
    ];
    if grows.iter().any(|folder| name.starts_with(folder)) { OBJECT_LEN } else { SMALL_OBJECT_LEN }
}
