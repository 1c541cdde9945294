//! Import: reading a tar archive as a stream of members.
//!
//! Owns what stands before, in and between members, in every form that tar has had; `backup::arrivals` makes a snapshot of them. A length is
//! compared with its limit before memory is taken, and an archive that does not end as one does is an error. Writes nothing.

mod acl;
mod base64;
mod blocks;
mod header;
mod member;
mod records;
mod sparse;

use std::io::Read;

pub use acl::Numbers;
use blocks::{Block, Blocks, padding};
use header::Header;
use member::{Before, member};
pub use member::{Member, What};
use records::{RECORDS_LEN, Records};
use sparse::Map;

use crate::{Error, Result};

/// Longest name in a block of its own (GNU).
const NAME_LEN: usize = 1 << 20;
/// Longest file, as for Linux.
const FILE_LEN: u64 = i64::MAX as u64;

/// A tar archive that is being read.
pub struct Archive {
    blocks: Blocks,
    /// Records for all members that follow.
    global: Records,
    /// Bytes of the content of the last member that were not read yet, and the padding behind them.
    left: u64,
    padding: u64,
    /// Whether something stands behind the end of the archive.
    pub has_more: bool,
}

impl Archive {
    /// `name` is what the archive is called in messages.
    pub fn new(name: String, reader: Box<dyn Read + Send>) -> Self {
        let blocks = Blocks::new(name, reader);
        Self { blocks, global: Records::default(), left: 0, padding: 0, has_more: false }
    }

    /// The next member; none at the end of the archive. What was not read of the content of the last one is passed over.
    ///
    /// # Errors
    /// When the archive is damaged or cut short, or cannot be read.
    pub fn next_member(&mut self, numbers: &dyn Numbers) -> Result<Option<Member>> {
        self.blocks.skip(self.left)?;
        self.blocks.skip(self.padding)?;
        (self.left, self.padding) = (0, 0);
        let mut before = Before::default();
        loop {
            let at = self.blocks.at();
            let Some(header) = self.next_header()? else {
                self.has_more = self.blocks.drain()?;
                return Ok(None);
            };
            match header.kind {
                b'x' | b'X' => {
                    let text = self.blocks.text(header.size, RECORDS_LEN, "an extended header")?;
                    before.records.add(&text).map_err(|problem| self.blocks.damaged(at, problem))?;
                }
                b'g' => {
                    let text = self.blocks.text(header.size, RECORDS_LEN, "an extended header")?;
                    let mut global = Records::default();
                    global.add(&text).map_err(|problem| self.blocks.damaged(at, problem))?;
                    if !global.are_for_all() {
                        let problem = "an extended header for all members says what only one can have";
                        return Err(self.blocks.damaged(at, problem));
                    }
                    self.global = global.over(&std::mem::take(&mut self.global));
                }
                b'L' => before.name = Some(self.name(&header)?),
                b'K' => before.link_name = Some(self.name(&header)?),
                // The label of a volume.
                b'V' => self.blocks.skip(header.size.saturating_add(padding(header.size)))?,
                _ => return self.member(&header, before, (at, numbers)).map(Some),
            }
        }
    }

    /// The next header; none at the mark of the archive's end.
    fn next_header(&mut self) -> Result<Option<Header>> {
        let at = self.blocks.at();
        let block = self.blocks.next()?.ok_or_else(|| self.blocks.cut_short())?;
        if !is_empty(&block) {
            let header = Header::read(block).map_err(|problem| self.no_header(at, problem))?;
            return Ok(Some(header));
        }
        let second = self.blocks.next()?.ok_or_else(|| self.blocks.cut_short())?;
        if is_empty(&second) {
            Ok(None)
        } else {
            Err(self.blocks.damaged(at, "an empty block where a header should be"))
        }
    }

    fn no_header(&self, at: u64, problem: String) -> Error {
        match at {
            0 => self.blocks.damaged(at, format!("it does not begin as a tar archive does: {problem}")),
            _ => self.blocks.damaged(at, format!("no header of a member: {problem}")),
        }
    }

    fn name(&mut self, header: &Header) -> Result<Vec<u8>> {
        let text = self.blocks.text(header.size, NAME_LEN, "a name")?;
        Ok(header::until_nul(&text).to_vec())
    }

    fn member(&mut self, header: &Header, mut before: Before, (at, numbers): (u64, &dyn Numbers)) -> Result<Member> {
        before.records = before.records.over(&self.global);
        let failed = |blocks: &Blocks, problem: String| blocks.damaged(at, problem);
        let stored = before.stored_len(header).map_err(|problem| failed(&self.blocks, problem))?;
        let mut data_len = stored;
        let map = self.map(header, &before.records, &mut data_len)?;
        (self.left, self.padding) = (data_len, padding(stored));
        let len = map.as_ref().map_or(stored, |map| map.len);
        if len.max(stored) > FILE_LEN {
            return Err(failed(&self.blocks, format!("a file of {} bytes", len.max(stored))));
        }
        let mut member = member(header, before, stored, numbers).map_err(|problem| failed(&self.blocks, problem))?;
        if let Some(map) = map {
            member.runs = map.runs(data_len).map_err(|problem| failed(&self.blocks, problem))?;
            member.entry.size = map.len;
        }
        Ok(member)
    }

    /// The map of a file with holes; a map before the content counts to what is stored.
    fn map(&mut self, header: &Header, records: &Records, stored: &mut u64) -> Result<Option<Map>> {
        let at = self.blocks.at();
        let failed = |blocks: &Blocks, problem: String| blocks.damaged(at, problem);
        match header.kind {
            b'S' => sparse::old_map(&header.block, &mut self.blocks).map(Some),
            b'0' | 0 | b'7' if sparse::has_map_before_content(records) => {
                let len = records.number("GNU.sparse.realsize").map_err(|problem| failed(&self.blocks, problem))?;
                let len =
                    len.ok_or_else(|| failed(&self.blocks, "a file with holes does not say its length".to_owned()))?;
                let (map, left) = sparse::map_before_content(&mut self.blocks, (*stored, len))?;
                *stored = left;
                Ok(Some(map))
            }
            b'0' | 0 | b'7' => sparse::map_of_records(records).map_err(|problem| failed(&self.blocks, problem)),
            _ => Ok(None),
        }
    }

    /// Reads of the content of the last member; 0 at its end, or for an empty buffer.
    ///
    /// # Errors
    /// When the archive is cut short, or cannot be read.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let wanted = usize::try_from(self.left).unwrap_or(buffer.len()).min(buffer.len());
        if wanted == 0 {
            return Ok(0);
        }
        let read = self.blocks.read_some(buffer.get_mut(..wanted).unwrap_or_default())?;
        if read == 0 {
            return Err(self.blocks.cut_short());
        }
        self.left -= read as u64;
        Ok(read)
    }
}

fn is_empty(block: &Block) -> bool {
    block.iter().all(|byte| *byte == 0)
}

#[cfg(test)]
mod tests;
