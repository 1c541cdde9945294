//! A member of an archive: what its header and its records say together.
//!
//! Owns which of the two counts, and what a snapshot can hold of it. What it cannot hold is told, and the member kept.

use mainstay_repo::limits;
use mainstay_sources::{Details, Entry, Kind, Owner, Run, Timestamp};

use super::acl::{self, Numbers};
use super::base64;
use super::header::Header;
use super::records::{Attribute, Records, decimal};

/// The number of who is not known, as Linux has it (`overflowuid`).
const NOBODY: u32 = 65_534;

/// One member; its content is what the archive reads next.
#[derive(Debug)]
pub struct Member {
    pub path: Vec<u8>,
    pub what: What,
    /// Metadata; the name is not set.
    pub entry: Entry,
    pub details: Details,
    /// Names of user and group, where the archive has some.
    pub user_name: Option<String>,
    pub group_name: Option<String>,
    /// Data and holes of a file.
    pub runs: Vec<Run>,
    /// What could not be kept of it.
    pub problems: Vec<String>,
}

/// What a member is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// An entry by itself.
    Entry,
    /// One more name for what has this path.
    Link(Vec<u8>),
    /// Something that there is no form for in a snapshot.
    Unknown(u8),
}

/// What stood before a header.
#[derive(Debug, Default)]
pub struct Before {
    pub records: Records,
    pub name: Option<Vec<u8>>,
    pub link_name: Option<Vec<u8>>,
}

impl Before {
    /// Bytes of content that follow the header in the archive. A link has none, but for archives with records, which tell the truth.
    pub fn stored_len(&self, header: &Header) -> Result<u64, String> {
        match header.kind {
            b'2'..=b'6' => Ok(0),
            b'1' if !self.records.is_extended => Ok(0),
            _ => Ok(self.records.number("size")?.unwrap_or(header.size)),
        }
    }
}

/// Builds a member; its runs are still to be set, where they are not one.
pub fn member(header: &Header, before: Before, stored_len: u64, numbers: &dyn Numbers) -> Result<Member, String> {
    let Before { records, name, link_name } = before;
    let path = records.value("GNU.sparse.name").or(records.value("path")).map(<[u8]>::to_vec);
    let path = path.or(name).unwrap_or_else(|| header.name.clone());
    let target = records.value("linkpath").map(<[u8]>::to_vec).or(link_name);
    let target = target.unwrap_or_else(|| header.link_name.clone());
    let (major, minor) = header.device;
    let kind = match header.kind {
        // Before there was a kind for directories, they were files with a slash.
        b'0' | 0 | b'7' if path.ends_with(b"/") => Some(Kind::Directory),
        b'0' | 0 | b'7' | b'S' => Some(Kind::File),
        b'1' => Some(Kind::File),
        b'2' => Some(Kind::Symlink),
        b'3' => Some(Kind::CharacterDevice { major, minor }),
        b'4' => Some(Kind::BlockDevice { major, minor }),
        b'5' | b'D' => Some(Kind::Directory),
        b'6' => Some(Kind::Fifo),
        _ => None,
    };
    let what = match (header.kind, kind) {
        (b'1', _) => What::Link(target.clone()),
        (other, None) => What::Unknown(other),
        _ => What::Entry,
    };
    let kind = kind.unwrap_or(Kind::File);
    let mut problems = Vec::new();
    let owner = Owner {
        user: owner(&records, "uid", header.user, &mut problems)?,
        group: owner(&records, "gid", header.group, &mut problems)?,
    };
    let modified = records.value("mtime").map(time).transpose()?.unwrap_or(header.modified);
    let attributes = attributes(&records, numbers, &mut problems);
    let list = attributes.iter().find(|(name, _)| name == b"system.posix_acl_access");
    Ok(Member {
        path,
        what,
        entry: Entry {
            name: Vec::new(),
            kind,
            mode: list.map_or(header.mode, |(_, list)| acl::mode(list, header.mode)),
            owner,
            size: if kind == Kind::File { stored_len } else { 0 },
            modified,
            // An archive has none that could be trusted.
            changed: Timestamp::default(),
            inode: 0,
            device: 0,
            links: 1,
        },
        details: Details { link_target: (kind == Kind::Symlink).then_some(target), attributes },
        user_name: owner_name(records.value("uname").unwrap_or(&header.user_name)),
        group_name: owner_name(records.value("gname").unwrap_or(&header.group_name)),
        runs: if kind == Kind::File && stored_len > 0 { vec![Run::Data { len: stored_len }] } else { Vec::new() },
        problems,
    })
}

fn owner_name(name: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(name).ok()?;
    (!name.is_empty() && name.len() <= limits::NAME_LEN).then(|| name.to_owned())
}

fn owner(records: &Records, keyword: &str, number: i64, problems: &mut Vec<String>) -> Result<u32, String> {
    let number = records.value(keyword).map(signed).transpose()?.unwrap_or(number);
    // Numbers of 32 bits were written with a sign, too.
    let number32 = u32::try_from(number).ok().or_else(|| i32::try_from(number).ok().map(i32::cast_unsigned));
    Ok(number32.unwrap_or_else(|| {
        problems.push(format!("its {keyword} {number} is no number of an owner here: {NOBODY} stands for it"));
        NOBODY
    }))
}

fn signed(digits: &[u8]) -> Result<i64, String> {
    let (is_negative, digits) = digits.strip_prefix(b"-").map_or((false, digits), |digits| (true, digits));
    let number = decimal(digits)?;
    let signed = i64::try_from(number).map_err(|_| format!("number {number} is out of range"))?;
    Ok(if is_negative { -signed } else { signed })
}

/// Seconds with a fraction; what is less than a nanosecond is cut off.
fn time(text: &[u8]) -> Result<Timestamp, String> {
    let (whole, fraction) = match text.iter().position(|byte| *byte == b'.') {
        Some(point) => (text.get(..point).unwrap_or_default(), text.get(point + 1..).unwrap_or_default()),
        None => (text, &b""[..]),
    };
    let is_negative = whole.starts_with(b"-");
    let seconds = signed(whole)?;
    let mut digits: Vec<u8> = fraction.iter().copied().take(9).collect();
    digits.resize(9, b'0');
    let nanoseconds = u32::try_from(decimal(&digits)?).map_err(|_| "time is out of range".to_owned())?;
    match (is_negative, nanoseconds) {
        (true, 1..) => {
            let seconds = seconds.checked_sub(1).ok_or("time is out of range")?;
            Ok(Timestamp { seconds, nanoseconds: 1_000_000_000 - nanoseconds })
        }
        _ => Ok(Timestamp { seconds, nanoseconds }),
    }
}

/// Attributes as a snapshot has them, by name in order.
fn attributes(records: &Records, numbers: &dyn Numbers, problems: &mut Vec<String>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut attributes = Vec::new();
    let mut len = 0;
    for (name, value) in &records.attributes {
        let value = match value {
            Attribute::Bytes(value) => Ok(Some(value.clone())),
            Attribute::Base64(text) => base64::decode(text).map(Some),
            Attribute::AccessList(text) => acl::attribute(name, text, numbers),
        };
        match value {
            Ok(Some(_)) if !(1..=limits::NAME_LEN).contains(&name.len()) => {
                problems.push("an attribute whose name is empty or longer than 255 bytes is not kept".to_owned());
            }
            Ok(Some(value)) => {
                len += name.len() + value.len();
                attributes.push((name.clone(), value));
            }
            Ok(None) => {}
            Err(problem) => problems.push(format!("{problem}: it is not kept")),
        }
    }
    if records.attributes_are_too_long || len > limits::ATTRIBUTES_LEN {
        problems.push(format!("its attributes are longer than {} bytes: none is kept", limits::ATTRIBUTES_LEN));
        return Vec::new();
    }
    attributes
}
