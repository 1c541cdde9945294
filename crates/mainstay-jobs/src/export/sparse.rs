//! Holes of files in an archive: the form of GNU tar, version 1.0, which GNU tar, bsdtar and others read.
//!
//! Owns the map of data that stands before the content. Reads no content.

use mainstay_repo::Extent;

use super::BLOCK;
use crate::Result;

/// Where the data of a file lies: ranges in order, neighbours joined.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Map {
    /// Offset and length.
    ranges: Vec<(u64, u64)>,
    len: u64,
}

impl Map {
    pub fn of(extents: impl Iterator<Item = Result<Extent>>) -> Result<Self> {
        let mut map = Self::default();
        for extent in extents {
            let extent = extent?;
            let len = extent.content_len();
            if matches!(extent, Extent::Data { .. }) && len > 0 {
                match map.ranges.last_mut() {
                    Some((offset, joined)) if *offset + *joined == map.len => *joined += len,
                    _ => map.ranges.push((map.len, len)),
                }
            }
            map.len = map.len.saturating_add(len);
        }
        Ok(map)
    }

    /// Length of the file.
    pub fn len(&self) -> u64 {
        self.len
    }

    pub fn data_len(&self) -> u64 {
        self.ranges.iter().map(|(_, len)| len).sum()
    }

    pub fn has_holes(&self) -> bool {
        self.data_len() != self.len
    }

    /// The number of ranges, then offset and length of each, a line each, padded to a block. A hole at the end is an empty
    /// range there.
    pub fn encode(&self) -> Vec<u8> {
        let end = self.ranges.last().map_or(0, |(offset, len)| offset + len);
        let tail = (end < self.len).then_some((self.len, 0));
        let ranges: Vec<&(u64, u64)> = self.ranges.iter().chain(&tail).collect();
        let mut text = format!("{}\n", ranges.len());
        ranges.iter().for_each(|(offset, len)| text.push_str(&format!("{offset}\n{len}\n")));
        let mut bytes = text.into_bytes();
        bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
        bytes
    }
}

/// The name that a program sees that does not know the form.
pub fn stand_in(path: &[u8]) -> Vec<u8> {
    let at = path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    let (directory, name) = path.split_at(at);
    [directory, b"GNUSparseFile.0/", name].concat()
}
