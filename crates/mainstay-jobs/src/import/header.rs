//! The header of a member: its fields, in every form that tar has had.
//!
//! Owns the layout (`tar.h` of GNU tar; POSIX.1-1988 `ustar`), checksums, and numbers, octal and binary. Reads no stream.

use mainstay_sources::Timestamp;

use super::blocks::Block;

pub struct Header {
    /// What the member is, as its header says it.
    pub kind: u8,
    pub name: Vec<u8>,
    pub link_name: Vec<u8>,
    pub mode: u32,
    pub user: i64,
    pub group: i64,
    pub size: u64,
    pub modified: Timestamp,
    pub user_name: Vec<u8>,
    pub group_name: Vec<u8>,
    /// Of a device alone.
    pub device: (u32, u32),
    pub block: Block,
}

impl Header {
    /// Reads a block that is not empty.
    pub fn read(block: Block) -> Result<Self, String> {
        if !has_checksum(&block)? {
            return Err("its checksum does not match".to_owned());
        }
        let text = |start, len| until_nul(field(&block, start, len)).to_vec();
        let number =
            |start, len, what| number(field(&block, start, len)).map_err(|problem| format!("{what} {problem}"));
        let kind = field(&block, 156, 1).first().copied().unwrap_or_default();
        let is_ustar = field(&block, 257, 5) == b"ustar";
        let device = match kind {
            b'3' | b'4' => (unsigned(number(329, 8, "device")?)?, unsigned(number(337, 8, "device")?)?),
            _ => (0, 0),
        };
        let size = number(124, 12, "length")?;
        Ok(Self {
            kind,
            name: name(&block),
            link_name: text(157, 100),
            mode: unsigned(number(100, 8, "mode")? & 0o7777)?,
            user: number(108, 8, "owner")?,
            group: number(116, 8, "group")?,
            size: u64::try_from(size).map_err(|_| format!("length {size} is negative"))?,
            modified: Timestamp { seconds: number(136, 12, "time")?, nanoseconds: 0 },
            user_name: if is_ustar { text(265, 32) } else { Vec::new() },
            group_name: if is_ustar { text(297, 32) } else { Vec::new() },
            device,
            block,
        })
    }
}

fn unsigned(number: i64) -> Result<u32, String> {
    u32::try_from(number).map_err(|_| format!("number {number} is out of range"))
}

/// A part of a block; the places are those of the layout.
pub fn field(block: &Block, start: usize, len: usize) -> &[u8] {
    block.get(start..start + len).unwrap_or_default()
}

pub fn until_nul(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// The name, behind the prefix that only POSIX has in this place; star has it shorter.
fn name(block: &Block) -> Vec<u8> {
    let name = until_nul(field(block, 0, 100));
    let is_posix = field(block, 257, 6) == b"ustar\0";
    let prefix_len = if field(block, 508, 4) == b"tar\0" { 131 } else { 155 };
    match until_nul(field(block, 345, prefix_len)) {
        prefix if is_posix && !prefix.is_empty() => [prefix, b"/", name].concat(),
        _ => name.to_vec(),
    }
}

/// Whether the sum of the bytes is what the header says, taken with or without sign, as both were written.
fn has_checksum(block: &Block) -> Result<bool, String> {
    let said = number(field(block, 148, 8)).map_err(|problem| format!("checksum {problem}"))?;
    let bytes = || block.iter().enumerate().map(|(place, byte)| if (148..156).contains(&place) { b' ' } else { *byte });
    let unsigned: i64 = bytes().map(i64::from).sum();
    let signed: i64 = bytes().map(|byte| i64::from(byte.cast_signed())).sum();
    Ok(said == unsigned || said == signed)
}

/// A number: octal digits, or binary where the first bit is set (GNU), then with a sign.
pub fn number(field: &[u8]) -> Result<i64, String> {
    match field.split_first() {
        Some((first, rest)) if first & 0x80 != 0 => binary(*first, rest),
        _ => octal(field),
    }
}

fn binary(first: u8, rest: &[u8]) -> Result<i64, String> {
    // The sign is the second bit of the first byte; at most 12 bytes fit with room to spare.
    let begin = i128::from((first << 1).cast_signed() >> 1);
    let value = rest.iter().take(12).fold(begin, |value, byte| (value << 8) | i128::from(*byte));
    i64::try_from(value).map_err(|_| format!("number {value} is out of range"))
}

fn octal(field: &[u8]) -> Result<i64, String> {
    let is_blank = |byte: &u8| matches!(byte, b' ' | 0);
    let digits = field.iter().skip_while(|byte| is_blank(byte)).take_while(|byte| !is_blank(byte));
    digits.into_iter().try_fold(0_i64, |value, byte| match byte {
        b'0'..=b'7' => {
            let digit = i64::from(byte - b'0');
            value.checked_mul(8).and_then(|value| value.checked_add(digit)).ok_or_else(|| "is out of range".to_owned())
        }
        _ => Err("is no octal number".to_owned()),
    })
}
