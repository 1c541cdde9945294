//! Reading the content of files as a stream.
//!
//! Owns following extent lists one at a time and opening blocks into buffers that are used again. Beside the caches of
//! the tree reader it holds one list and two blocks, whatever the file's length.

use mainstay_repo::{BlockId, BlockKind, Content, Extent, OpenBlock, TreeReader};

use crate::Result;

/// The extents of a content in order; lists are read when it is their turn.
pub fn extents<'a>(trees: &'a TreeReader, content: &'a Content) -> impl Iterator<Item = Result<Extent>> + 'a {
    let listed = content.lists.iter().flat_map(|list| {
        let one = Content { extents: Vec::new(), lists: vec![*list] };
        let (extents, error) = match trees.extents(&one) {
            Ok(extents) => (extents, None),
            Err(error) => (Vec::new(), Some(Err(error.into()))),
        };
        extents.into_iter().map(Ok).chain(error)
    });
    // A content has either of the two; the lists count if it has both, as for every reader.
    let inline = if content.lists.is_empty() { content.extents.as_slice() } else { &[] };
    inline.iter().copied().map(Ok).chain(listed)
}

/// The one block that a stream is reading from.
pub struct BlockBuffer<'t> {
    trees: &'t TreeReader,
    held: Option<BlockId>,
    stored: Vec<u8>,
    plain: OpenBlock,
}

impl<'t> BlockBuffer<'t> {
    pub fn new(trees: &'t TreeReader) -> Self {
        Self { trees, held: None, stored: Vec::new(), plain: OpenBlock::default() }
    }

    /// A range of a content block, which is opened unless it was the last one and has that range.
    pub fn read(&mut self, block: BlockId, offset: u32, len: u32) -> Result<&[u8]> {
        if self.held != Some(block) || self.plain.range(block, offset, len).is_err() {
            self.held = None;
            let (wanted, bytes) = ((block, BlockKind::Content), offset..offset.saturating_add(len));
            self.trees.blocks().read_into(wanted, bytes, &mut self.stored, &mut self.plain)?;
            self.held = Some(block);
        }
        Ok(self.plain.range(block, offset, len)?)
    }
}
