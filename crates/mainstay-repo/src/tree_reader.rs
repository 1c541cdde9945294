//! Reading trees: from a content to the nodes of a directory.
//!
//! Owns following extent lists and tree pages, with their bounds. Knows nothing of paths.

use crate::error::{Error, Result};
use crate::format::block::BlockKind;
use crate::format::limits;
use crate::format::tree::{Content, Extent, ExtentList, TreePage};
use crate::pack_reader::BlockReader;

/// Reads directories and extent lists through a block reader.
pub struct TreeReader {
    blocks: BlockReader,
}

impl TreeReader {
    pub fn new(blocks: BlockReader) -> Self {
        Self { blocks }
    }

    pub fn blocks(&self) -> &BlockReader {
        &self.blocks
    }

    /// The extents of a content, wherever they are kept.
    pub fn extents(&self, content: &Content) -> Result<Vec<Extent>> {
        if content.lists.is_empty() {
            return Ok(content.extents.clone());
        }
        let mut extents = Vec::new();
        for list in &content.lists {
            let list = self.with_chunk(list, ExtentList::decode)?;
            extents.extend(list.extents);
        }
        Ok(extents)
    }

    /// Decodes one page of a directory: one extent of its content.
    pub fn page(&self, extent: &Extent) -> Result<TreePage> {
        self.with_chunk(extent, TreePage::decode)
    }

    /// Calls `each` with every page of a directory, in order, and checks that names ascend across pages.
    pub fn for_each_page<E: From<Error>>(
        &self,
        directory: &Content,
        mut each: impl FnMut(TreePage) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut last: Option<Vec<u8>> = None;
        for extent in self.extents(directory)? {
            let page = self.page(&extent)?;
            if let (Some(last), Some(first)) = (&last, page.nodes.first())
                && *last >= first.name
            {
                return Err(Error::damaged("read tree", describe(&extent), "its pages are not in order").into());
            }
            last = page.nodes.last().map(|node| node.name.clone()).or(last);
            each(page)?;
        }
        Ok(())
    }

    /// Reads a whole directory.
    pub fn directory(&self, directory: &Content) -> Result<TreePage> {
        let mut whole = TreePage::default();
        self.for_each_page::<Error>(directory, |page| {
            whole.nodes.extend(page.nodes);
            for (all, some) in
                [(&mut whole.owners.users, page.owners.users), (&mut whole.owners.groups, page.owners.groups)]
            {
                for (number, name) in some {
                    if !all.iter().any(|(known, _)| *known == number) {
                        all.push((number, name));
                    }
                }
            }
            Ok(())
        })?;
        Ok(whole)
    }

    fn with_chunk<T>(&self, extent: &Extent, decode: impl FnOnce(&[u8]) -> crate::format::Decoded<T>) -> Result<T> {
        let Extent::Data { block, offset, len } = extent else {
            return Err(Error::damaged("read tree", "a hole", "no tree page is a hole"));
        };
        if *len as usize > limits::TREE_PAGE_LEN {
            return Err(Error::damaged("read tree", describe(extent), "the page is too long"));
        }
        let plain = self.blocks.read(*block, BlockKind::Tree, *offset..offset.saturating_add(*len))?;
        let bytes = plain.range(*block, *offset, *len)?;
        decode(bytes).map_err(|problem| Error::damaged("read tree", describe(extent), problem))
    }
}

fn describe(extent: &Extent) -> String {
    match extent {
        Extent::Data { block, offset, len } => format!("{len} bytes at {offset} of block {block}"),
        Extent::Hole { len } => format!("a hole of {len} bytes"),
    }
}

#[cfg(test)]
mod tests;
