//! The bytes of a zip archive (APPNOTE.TXT 6.3.10), with the fields of Info-ZIP for times and owners.
//!
//! Owns headers, descriptors and the directory at the end, in their short and their long form (zip64). Reads no content.

use mainstay_repo::{Node, NodeKind};

/// What a field of 32 bits has where the long form says it.
const ELSEWHERE: u32 = u32::MAX;
/// A file this long gets the long form from the start: compressed it may be somewhat longer.
const GREAT: u64 = 0xf000_0000;
/// Unix, and the version of the description that is followed.
const MADE_BY: u16 = (3 << 8) | 45;
const NEEDED: u16 = 20;
const NEEDED_GREAT: u16 = 45;
const HAS_DESCRIPTOR: u16 = 1 << 3;
const IS_UTF8: u16 = 1 << 11;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Stored,
    Deflated,
}

/// An entry, as far as it is known.
pub struct Member<'m> {
    name: &'m [u8],
    node: &'m Node,
    method: Method,
    /// Where its header stands.
    offset: u64,
    pub crc: u32,
    /// Length as it is stored, and of the content.
    pub stored: u64,
    pub size: u64,
    /// Whether checksum and lengths stand behind the content.
    pub has_descriptor: bool,
}

impl<'m> Member<'m> {
    pub fn new(name: &'m [u8], node: &'m Node, method: Method, offset: u64) -> Self {
        Self { name, node, method, offset, crc: 0, stored: 0, size: 0, has_descriptor: false }
    }

    fn is_great(&self) -> bool {
        self.size >= GREAT
    }

    /// What stands before the content.
    pub fn local(&self) -> Vec<u8> {
        let (crc, stored, size) = if self.has_descriptor { (0, 0, 0) } else { (self.crc, self.stored, self.size) };
        let mut extra = Vec::new();
        let (short_stored, short_size) = if self.is_great() {
            extra.extend([sixteen(1), sixteen(16)].concat());
            extra.extend([size.to_le_bytes(), stored.to_le_bytes()].concat());
            (ELSEWHERE, ELSEWHERE)
        } else {
            (short(stored), short(size))
        };
        extra.extend(self.unix_fields());
        let mut bytes = 0x0403_4b50_u32.to_le_bytes().to_vec();
        bytes.extend(self.common(crc, (short_stored, short_size), extra.len()));
        bytes.extend_from_slice(self.name);
        bytes.extend(extra);
        bytes
    }

    /// What stands behind the content.
    pub fn descriptor(&self) -> Vec<u8> {
        let mut bytes = [0x0807_4b50_u32.to_le_bytes(), self.crc.to_le_bytes()].concat();
        if self.is_great() {
            bytes.extend([self.stored.to_le_bytes(), self.size.to_le_bytes()].concat());
        } else {
            bytes.extend([short(self.stored).to_le_bytes(), short(self.size).to_le_bytes()].concat());
        }
        bytes
    }

    /// What stands in the directory at the end.
    pub fn central(&self) -> Vec<u8> {
        let great: Vec<u8> = [self.size, self.stored, self.offset]
            .into_iter()
            .filter(|number| short(*number) == ELSEWHERE)
            .flat_map(u64::to_le_bytes)
            .collect();
        let mut extra = Vec::new();
        if !great.is_empty() {
            extra.extend([sixteen(1), sixteen(great.len())].concat());
            extra.extend(&great);
        }
        extra.extend(self.unix_fields());
        let mut bytes = 0x0201_4b50_u32.to_le_bytes().to_vec();
        bytes.extend(MADE_BY.to_le_bytes());
        bytes.extend(self.common(self.crc, (short(self.stored), short(self.size)), extra.len()));
        // No comment, the first disk, nothing known of the content.
        bytes.extend([0; 6]);
        bytes.extend(self.external().to_le_bytes());
        bytes.extend(short(self.offset).to_le_bytes());
        bytes.extend_from_slice(self.name);
        bytes.extend(extra);
        bytes
    }

    /// The fields that both headers have: from the version that is needed to the length of the extra fields.
    fn common(&self, crc: u32, (stored, size): (u32, u32), extra_len: usize) -> Vec<u8> {
        let is_great = self.is_great() || short(self.offset) == ELSEWHERE;
        let mut flags = if self.has_descriptor { HAS_DESCRIPTOR } else { 0 };
        if std::str::from_utf8(self.name).is_ok() {
            flags |= IS_UTF8;
        }
        let method: u16 = if self.method == Method::Stored { 0 } else { 8 };
        let (time, date) = dos_time(self.node.modified.0);
        let needed = if is_great { NEEDED_GREAT } else { NEEDED };
        let mut bytes: Vec<u8> = [needed, flags, method, time, date].into_iter().flat_map(u16::to_le_bytes).collect();
        bytes.extend([crc, stored, size].into_iter().flat_map(u32::to_le_bytes));
        bytes.extend([sixteen(self.name.len()), sixteen(extra_len)].concat());
        bytes
    }

    /// Type and permissions as Unix has them, and for others whether it is a directory.
    fn external(&self) -> u32 {
        let (kind, directory) = match self.node.kind {
            NodeKind::Directory => (0o040_000, 0x10),
            NodeKind::Symlink => (0o120_000, 0),
            _ => (0o100_000, 0),
        };
        ((kind | (self.node.mode & 0o7777)) << 16) | directory
    }

    /// The time in seconds where it fits 32 bits (`UT`), and the owners by number (`ux`).
    fn unix_fields(&self) -> Vec<u8> {
        let mut fields = Vec::new();
        if let Ok(seconds) = i32::try_from(self.node.modified.0) {
            fields.extend(b"UT\x05\x00\x01");
            fields.extend(seconds.to_le_bytes());
        }
        fields.extend(b"ux\x0b\x00\x01\x04");
        fields.extend(self.node.user.to_le_bytes());
        fields.push(4);
        fields.extend(self.node.group.to_le_bytes());
        fields
    }
}

/// The end of an archive: how many entries, where their directory begins, and how long it is.
pub fn end(entries: u64, start: u64, len: u64) -> Vec<u8> {
    let count = u16::try_from(entries).unwrap_or(u16::MAX);
    let mut bytes = Vec::new();
    if count == u16::MAX || short(start) == ELSEWHERE || short(len) == ELSEWHERE {
        bytes.extend(0x0606_4b50_u32.to_le_bytes());
        bytes.extend(44_u64.to_le_bytes());
        bytes.extend([MADE_BY.to_le_bytes(), NEEDED_GREAT.to_le_bytes()].concat());
        bytes.extend([0; 8]);
        bytes.extend([entries, entries, len, start].into_iter().flat_map(u64::to_le_bytes));
        bytes.extend([0x0706_4b50_u32, 0].into_iter().flat_map(u32::to_le_bytes));
        bytes.extend(start.saturating_add(len).to_le_bytes());
        bytes.extend(1_u32.to_le_bytes());
    }
    bytes.extend(0x0605_4b50_u32.to_le_bytes());
    bytes.extend([0, 0, count, count].into_iter().flat_map(u16::to_le_bytes));
    bytes.extend([short(len), short(start)].into_iter().flat_map(u32::to_le_bytes));
    bytes.extend([0; 2]);
    bytes
}

fn short(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(ELSEWHERE)
}

/// A field of 16 bits; names are no longer.
fn sixteen(number: usize) -> [u8; 2] {
    u16::try_from(number).unwrap_or(u16::MAX).to_le_bytes()
}

/// Time and date as MS-DOS had them, from 1980 to 2107 by two seconds, in UTC; programs that know Unix take the exact one.
fn dos_time(seconds: i64) -> (u16, u16) {
    const FIRST: i64 = 315_532_800;
    const LAST: i64 = 4_354_819_198;
    let time = jiff::Timestamp::from_second(seconds.clamp(FIRST, LAST)).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let time = jiff::tz::TimeZone::UTC.to_datetime(time);
    let part = |number: i8| u16::from(number.unsigned_abs());
    let date = (time.year().saturating_sub(1980).unsigned_abs() << 9) | (part(time.month()) << 5) | part(time.day());
    ((part(time.hour()) << 11) | (part(time.minute()) << 5) | (part(time.second()) / 2), date)
}

#[cfg(test)]
mod tests;
