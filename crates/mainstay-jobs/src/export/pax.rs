//! Headers of tar, and the records of POSIX.1-2001 (`pax`) for what they cannot hold.
//!
//! Owns which of the two holds what: long names and names that are no ASCII, great numbers, nanoseconds, attributes, access
//! lists. Reads no content.

use mainstay_repo::{Node, NodeKind, Owners};

use super::acl;

/// Octal digits of an owner's number in a header.
const GREATEST_OWNER: u32 = 0o7_777_777;
/// The same of a length and of a time.
const GREATEST: u64 = 0o77_777_777_777;
const NAME_LEN: usize = 100;
const OWNER_LEN: usize = 32;

/// Keywords and values, in the order in which they are written.
#[derive(Default)]
pub struct Records(Vec<(Vec<u8>, Vec<u8>)>);

impl Records {
    /// What is recorded of a node whatever its header holds: attributes, and access lists as text.
    pub fn of(node: &Node) -> Self {
        let mut records = Self::default();
        for (name, value) in &node.attributes {
            if let Some(keyword) = acl::keyword(name)
                && let Some(text) = acl::text(value)
            {
                records.add(keyword, text.into_bytes());
            }
            records.add([b"SCHILY.xattr.", escaped(name).as_slice()].concat(), value.clone());
        }
        records
    }

    fn add(&mut self, keyword: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.0.push((keyword.into(), value.into()));
    }

    /// Where a link leads.
    pub fn link(&mut self, target: &[u8]) {
        self.add("linkpath", target);
    }

    /// That the content begins with a map of its data (GNU, version 1.0).
    pub fn sparse(&mut self, path: &[u8], size: u64) {
        self.add("GNU.sparse.major", "1");
        self.add("GNU.sparse.minor", "0");
        self.add("GNU.sparse.name", path);
        self.add("GNU.sparse.realsize", size.to_string());
    }

    /// `length keyword=value`, the length in decimal digits and counted with all that it stands for. Bytes that are no text are
    /// announced: otherwise every value is UTF-8.
    pub fn encode(mut self) -> Vec<u8> {
        let is_text = |(keyword, value): &(Vec<u8>, Vec<u8>)| {
            keyword.starts_with(b"SCHILY.xattr.") || std::str::from_utf8(value).is_ok()
        };
        if !self.0.iter().all(is_text) {
            self.0.insert(0, (b"hdrcharset".to_vec(), b"BINARY".to_vec()));
        }
        let mut bytes = Vec::new();
        for (keyword, value) in self.0 {
            let rest = keyword.len() + value.len() + 3;
            let mut len = rest + 1;
            while len != rest + len.to_string().len() {
                len = rest + len.to_string().len();
            }
            bytes.extend_from_slice(format!("{len} ").as_bytes());
            bytes.extend_from_slice(&keyword);
            bytes.push(b'=');
            bytes.extend_from_slice(&value);
            bytes.push(b'\n');
        }
        bytes
    }

    fn value(&self, keyword: &[u8]) -> Option<&[u8]> {
        self.0.iter().find(|(known, _)| known == keyword).map(|(_, value)| value.as_slice())
    }
}

/// The name of an attribute as it stands in a keyword, which ends at the first `=`: as GNU tar writes it.
fn escaped(name: &[u8]) -> Vec<u8> {
    let escape = |byte: &u8| match byte {
        b'=' => b"%3D".to_vec(),
        b'%' => b"%25".to_vec(),
        other => vec![*other],
    };
    name.iter().flat_map(escape).collect()
}

/// The header of an entry; what does not fit into it goes into the records.
pub fn header(
    name: &[u8],
    kind: tar::EntryType,
    (node, owners): (&Node, &Owners),
    len: u64,
    records: &mut Records,
) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(node.mode & 0o7777);
    if !set_name(&mut header, name) {
        records.add("path", name);
    }
    // Where it fits the header alone says it.
    if let Some(target) = records.value(b"linkpath").map(<[u8]>::to_vec)
        && fits(&target)
    {
        field(&mut header.as_old_mut().linkname, &target);
        records.0.retain(|(keyword, _)| keyword != b"linkpath");
    }
    header.set_size(len.min(GREATEST));
    if len > GREATEST {
        records.add("size", len.to_string());
    }
    set_owner(&mut header, (node, owners), records);
    set_time(&mut header, node.modified, records);
    if let (NodeKind::CharacterDevice | NodeKind::BlockDevice, Some((major, minor))) = (node.kind, node.device_numbers)
    {
        // The header is one that has these fields, and the numbers of Linux fit.
        let _ = header.set_device_major(major).and_then(|()| header.set_device_minor(minor));
    }
    header.set_cksum();
    header
}

/// Sets a name, cut where it is too long; answers whether the header holds it as it is.
pub fn set_name(header: &mut tar::Header, name: &[u8]) -> bool {
    field(&mut header.as_old_mut().name, name);
    fits(name)
}

fn fits(name: &[u8]) -> bool {
    name.len() <= NAME_LEN && name.is_ascii()
}

fn field(field: &mut [u8], value: &[u8]) {
    let len = value.len().min(field.len());
    field.fill(0);
    field[..len].copy_from_slice(&value[..len]);
}

fn set_owner(header: &mut tar::Header, (node, owners): (&Node, &Owners), records: &mut Records) {
    let name_of = |names: &[(u32, String)], id: u32| {
        names.iter().find(|(known, _)| *known == id).map(|(_, name)| name.clone()).unwrap_or_default()
    };
    for (keyword, id) in [("uid", node.user), ("gid", node.group)] {
        if id > GREATEST_OWNER {
            records.add(keyword, id.to_string());
        }
    }
    header.set_uid(u64::from(node.user.min(GREATEST_OWNER)));
    header.set_gid(u64::from(node.group.min(GREATEST_OWNER)));
    let names = [("uname", name_of(&owners.users, node.user)), ("gname", name_of(&owners.groups, node.group))];
    for (keyword, name) in &names {
        // The last byte of the field is for the zero that ends it.
        if name.len() >= OWNER_LEN || !name.is_ascii() {
            records.add(*keyword, name.as_bytes());
        }
    }
    if let Some(ustar) = header.as_ustar_mut() {
        let cut = |name: &str| name.as_bytes()[..name.len().min(OWNER_LEN - 1)].to_vec();
        field(&mut ustar.uname, &cut(&names[0].1));
        field(&mut ustar.gname, &cut(&names[1].1));
    }
}

fn set_time(header: &mut tar::Header, (seconds, nanoseconds): (i64, u32), records: &mut Records) {
    let whole = u64::try_from(seconds).ok().filter(|seconds| *seconds <= GREATEST);
    header.set_mtime(whole.unwrap_or_default());
    if whole.is_some() && nanoseconds == 0 {
        return;
    }
    // Of a time before 1970 the fraction counts towards the past: -1.25 is a second and a quarter before.
    let text = match (seconds < 0, nanoseconds) {
        (_, 0) => seconds.to_string(),
        (false, nanoseconds) => format!("{seconds}.{nanoseconds:09}"),
        (true, nanoseconds) => {
            let whole = seconds.saturating_add(1).unsigned_abs();
            format!("-{whole}.{:09}", 1_000_000_000 - nanoseconds.min(999_999_999))
        }
    };
    records.add("mtime", text);
}
