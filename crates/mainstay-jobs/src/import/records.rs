//! Records of an extended header (POSIX.1-2001, `pax`): `length keyword=value`.
//!
//! Owns which of them mean something here, and their limits. What no archive program writes is passed over.

use std::collections::BTreeMap;

use mainstay_repo::limits;

use super::sparse::{RANGES, Range};

/// Longest extended header: a map of holes may stand in it.
pub const RECORDS_LEN: usize = 32 << 20;
/// Longest value of one record that is kept, a map of holes aside: names have no more.
const VALUE_LEN: usize = 1 << 20;
/// Decimal digits of a record's length.
const DIGITS: usize = 10;

/// Records that were read; later ones count.
#[derive(Clone, Debug, Default)]
pub struct Records {
    values: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Extended attributes by name, and access lists as text by keyword.
    pub attributes: BTreeMap<Vec<u8>, Attribute>,
    attributes_len: usize,
    /// The attributes were more than a snapshot can hold, and none of them is kept.
    pub attributes_are_too_long: bool,
    /// Where the data of a file lies, in the oldest form of records.
    pub ranges: Vec<Range>,
    offset: Option<u64>,
    /// Whether there were any.
    pub is_extended: bool,
}

/// The value of an attribute, as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attribute {
    Bytes(Vec<u8>),
    Base64(Vec<u8>),
    AccessList(Vec<u8>),
}

impl Attribute {
    fn len(&self) -> usize {
        let (Self::Bytes(value) | Self::Base64(value) | Self::AccessList(value)) = self;
        value.len()
    }
}

/// What is read of a member beside its attributes.
const KEYWORDS: [&[u8]; 14] = [
    b"path",
    b"linkpath",
    b"size",
    b"uid",
    b"gid",
    b"uname",
    b"gname",
    b"mtime",
    b"GNU.sparse.name",
    b"GNU.sparse.size",
    b"GNU.sparse.realsize",
    b"GNU.sparse.major",
    b"GNU.sparse.minor",
    b"GNU.sparse.map",
];

impl Records {
    /// Reads the content of an extended header into what was there before.
    pub fn add(&mut self, mut rest: &[u8]) -> Result<(), String> {
        self.is_extended = true;
        while !rest.is_empty() {
            let (record, after) = split(rest).ok_or("a record of its extended header has no proper length")?;
            rest = after;
            let equals = record.iter().position(|byte| *byte == b'=').ok_or("a record has no value")?;
            let (keyword, value) = record.split_at(equals);
            self.set(keyword, value.get(1..).unwrap_or_default())?;
        }
        Ok(())
    }

    fn set(&mut self, keyword: &[u8], value: &[u8]) -> Result<(), String> {
        match keyword {
            b"GNU.sparse.offset" => self.offset = Some(decimal(value)?),
            b"GNU.sparse.numbytes" => {
                let offset = self.offset.take().ok_or("its map of holes has a length without an offset")?;
                if self.ranges.len() >= RANGES {
                    return Err(format!("its map of holes has more than {RANGES} ranges"));
                }
                self.ranges.push((offset, decimal(value)?));
            }
            b"SCHILY.acl.access" => self.attribute(b"system.posix_acl_access", Attribute::AccessList(value.to_vec())),
            b"SCHILY.acl.default" => self.attribute(b"system.posix_acl_default", Attribute::AccessList(value.to_vec())),
            // The attribute ends with a zero byte, the record does not.
            b"RHT.security.selinux" => {
                self.attribute(b"security.selinux", Attribute::Bytes([value, b"\0"].concat()));
            }
            _ if KEYWORDS.contains(&keyword) && value.len() > VALUE_LEN && keyword != b"GNU.sparse.map" => {
                let keyword = String::from_utf8_lossy(keyword);
                return Err(format!("the record {keyword} is longer than {VALUE_LEN} bytes"));
            }
            _ if KEYWORDS.contains(&keyword) => drop(self.values.insert(keyword.to_vec(), value.to_vec())),
            _ => {
                if let Some(name) = keyword.strip_prefix(b"SCHILY.xattr.") {
                    self.attribute(&unescaped(name, &[b"3D", b"25"]), Attribute::Bytes(value.to_vec()));
                } else if let Some(name) = keyword.strip_prefix(b"LIBARCHIVE.xattr.") {
                    self.attribute(&unescaped(name, &[]), Attribute::Base64(value.to_vec()));
                }
            }
        }
        Ok(())
    }

    /// Keeps an attribute; one that comes as bytes counts before one that has to be translated.
    fn attribute(&mut self, name: &[u8], value: Attribute) {
        let known = self.attributes.get(name);
        if matches!((known, &value), (Some(Attribute::Bytes(_)), Attribute::Base64(_) | Attribute::AccessList(_))) {
            return;
        }
        self.attributes_len = self.attributes_len.saturating_add(name.len() + value.len());
        // What is encoded is longer than what is kept.
        if self.attributes_are_too_long || self.attributes_len > 2 * limits::ATTRIBUTES_LEN {
            self.attributes_are_too_long = true;
            self.attributes.clear();
            return;
        }
        self.attributes.insert(name.to_vec(), value);
    }

    /// These records before those of `others`, which are for all members. An empty value takes back what the others say.
    pub fn over(self, others: &Self) -> Self {
        if !others.is_extended {
            return self;
        }
        let mut values = others.values.clone();
        values.extend(self.values);
        Self { values, is_extended: true, ..self }
    }

    /// Whether the records can stand for all members: what differs from one to the next would be copied to each, however many there are.
    pub fn are_for_all(&self) -> bool {
        let differs =
            |keyword: &[u8]| matches!(keyword, b"path" | b"linkpath" | b"size") || keyword.starts_with(b"GNU.sparse.");
        let has_none = self.attributes.is_empty() && !self.attributes_are_too_long && self.ranges.is_empty();
        has_none && !self.values.keys().any(|keyword| differs(keyword))
    }

    pub fn value(&self, keyword: &str) -> Option<&[u8]> {
        self.values.get(keyword.as_bytes()).map(Vec::as_slice).filter(|value| !value.is_empty())
    }

    /// A length.
    pub fn number(&self, keyword: &str) -> Result<Option<u64>, String> {
        self.value(keyword).map(decimal).transpose()
    }
}

/// The first record without its length, and what comes after it.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = bytes.iter().take(DIGITS + 1).position(|byte| *byte == b' ')?;
    let len = usize::try_from(decimal(bytes.get(..space)?).ok()?).ok()?;
    let record = bytes.get(space + 1..len)?;
    Some((record.strip_suffix(b"\n")?, bytes.get(len..)?))
}

/// A number in decimal digits and nothing else.
pub fn decimal(digits: &[u8]) -> Result<u64, String> {
    let text = std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let number = text.and_then(|text| text.parse().ok());
    number.ok_or_else(|| format!("{:?} is no number", String::from_utf8_lossy(digits.get(..DIGITS).unwrap_or(digits))))
}

/// A name with the bytes behind `%` put in: all of them, or those that are named.
fn unescaped(name: &[u8], known: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|digits| *first == b'%' && (known.is_empty() || known.contains(digits)));
        let byte = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = byte.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    bytes
}
