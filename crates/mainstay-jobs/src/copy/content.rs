//! The content of a file of a snapshot as a stream.
//!
//! Owns following extents and opening blocks. Extents of data that follow each other are one run: where the file was cut when it was
//! backed up must not show, since the repository that it goes to cuts it by a key of its own.

use std::collections::VecDeque;
use std::sync::Arc;
use std::vec::IntoIter;

use mainstay_repo::{BlockId, BlockKind, Content, Error as RepositoryError, Extent, OpenBlock};
use mainstay_sources::{Content as Reading, Details, Entry, Result, Run};

use super::source::Shared;

/// A file up to this length shares its blocks with others, which are read next: its blocks come from memory if they can.
const SHARED_BLOCKS_LEN: u64 = 1 << 20;
/// So much of a run is looked at before its length is told; what follows belongs to it nevertheless.
const LOOK_AHEAD: u64 = 1 << 20;

pub struct SnapshotContent {
    shared: Arc<Shared>,
    path: String,
    entry: Entry,
    details: Option<Details>,
    /// Lists of extents that were not read yet.
    lists: IntoIter<Extent>,
    /// The extents that come next; of the first one `at` bytes were read.
    extents: VecDeque<Extent>,
    at: u32,
    /// Bytes of data and of holes that were given out.
    given: u64,
    block: Block,
    stored: Vec<u8>,
    plain: OpenBlock,
}

/// The block that is being read.
enum Block {
    None,
    /// In memory, for others too.
    Shared(BlockId, Arc<OpenBlock>),
    /// In this file's own buffer.
    Own(BlockId),
}

impl SnapshotContent {
    pub fn open(
        shared: Arc<Shared>,
        (path, entry, details): (String, Entry, Details),
        content: &Content,
    ) -> Result<Self> {
        // A content has either of the two; the lists count if it has both, as for every reader.
        let inline = if content.lists.is_empty() { content.extents.clone() } else { Vec::new() };
        Ok(Self {
            shared,
            path,
            entry,
            details: Some(details),
            lists: content.lists.clone().into_iter(),
            extents: inline.into(),
            at: 0,
            given: 0,
            block: Block::None,
            stored: Vec::new(),
            plain: OpenBlock::default(),
        })
    }

    fn failed(&self, error: RepositoryError) -> mainstay_sources::Error {
        self.shared.fail(&self.path, error)
    }

    /// Reads the next list of extents; answers whether there was one.
    fn read_list(&mut self) -> Result<bool> {
        let Some(list) = self.lists.next() else { return Ok(false) };
        let one = Content { extents: Vec::new(), lists: vec![list] };
        let extents = self.shared.trees.extents(&one).map_err(|error| self.failed(error))?;
        self.extents.extend(extents);
        Ok(true)
    }

    /// The extent that comes next, if the file goes on.
    fn next_extent(&mut self) -> Result<Option<Extent>> {
        loop {
            match self.extents.front().copied() {
                Some(extent) if extent.content_len() > 0 => return Ok(Some(extent)),
                Some(_) => drop(self.extents.pop_front()),
                None if !self.read_list()? => return Ok(None),
                None => {}
            }
        }
    }

    /// How much data follows, as far as that is looked at.
    fn data_ahead(&mut self) -> Result<u64> {
        let (mut len, mut place) = (0_u64, 0);
        while len < LOOK_AHEAD {
            match self.extents.get(place).copied() {
                Some(Extent::Data { len: more, .. }) => len += u64::from(more),
                Some(Extent::Hole { len: 0 }) => {}
                Some(Extent::Hole { .. }) => break,
                None if !self.read_list()? => break,
                None => continue,
            }
            place += 1;
        }
        Ok(len.saturating_sub(u64::from(self.at)))
    }

    /// A file that has more or less than its node says is damaged.
    fn check_len(&self) -> Result<()> {
        if self.given == self.entry.size {
            return Ok(());
        }
        let problem = format!("expected {} bytes, got {}", self.entry.size, self.given);
        Err(self.failed(RepositoryError::damaged("copy", &self.path, problem)))
    }

    /// Copies bytes of one block; answers how many.
    fn copy(&mut self, (block, offset, len): (BlockId, u32, u32), buffer: &mut [u8]) -> mainstay_repo::Result<usize> {
        let start = offset.saturating_add(self.at);
        let wanted = len.saturating_sub(self.at).min(u32::try_from(buffer.len()).unwrap_or(u32::MAX));
        self.hold(block, start, wanted)?;
        let plain = match &self.block {
            Block::Shared(_, plain) => plain.range(block, start, wanted)?,
            _ => self.plain.range(block, start, wanted)?,
        };
        let Some(room) = buffer.get_mut(..plain.len()) else { return Ok(0) };
        room.copy_from_slice(plain);
        Ok(plain.len())
    }

    fn hold(&mut self, block: BlockId, start: u32, len: u32) -> mainstay_repo::Result<()> {
        let has = match &self.block {
            Block::None => false,
            Block::Shared(held, plain) => *held == block && plain.range(block, start, len).is_ok(),
            Block::Own(held) => *held == block && self.plain.range(block, start, len).is_ok(),
        };
        if has {
            return Ok(());
        }
        let (blocks, bytes) = (self.shared.trees.blocks(), start..start.saturating_add(len));
        self.block = Block::None;
        self.block = if self.entry.size <= SHARED_BLOCKS_LEN {
            Block::Shared(block, blocks.read(block, BlockKind::Content, bytes)?)
        } else {
            blocks.read_into((block, BlockKind::Content), bytes, &mut self.stored, &mut self.plain)?;
            Block::Own(block)
        };
        Ok(())
    }
}

impl Reading for SnapshotContent {
    fn next_run(&mut self) -> Result<Option<Run>> {
        match self.next_extent()? {
            None => self.check_len().map(|()| None),
            Some(Extent::Hole { len }) => {
                self.extents.pop_front();
                self.given = self.given.saturating_add(len);
                Ok(Some(Run::Hole { len }))
            }
            Some(Extent::Data { .. }) => Ok(Some(Run::Data { len: self.data_ahead()? })),
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let Some(Extent::Data { block, offset, len }) = self.next_extent()? else { return Ok(0) };
        let read = self.copy((block, offset, len), buffer).map_err(|error| self.failed(error))?;
        self.at = self.at.saturating_add(u32::try_from(read).unwrap_or(u32::MAX));
        self.given = self.given.saturating_add(read as u64);
        if self.at >= len {
            self.extents.pop_front();
            self.at = 0;
        }
        Ok(read)
    }

    fn entry_now(&mut self) -> Result<Entry> {
        Ok(self.entry.clone())
    }

    fn details(&mut self) -> Result<Option<Details>> {
        Ok(self.details.take())
    }
}
