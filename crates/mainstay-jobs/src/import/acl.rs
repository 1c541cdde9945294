//! Access control lists, from the text that archives carry to the attribute that Linux keeps.
//!
//! Owns the translation (`linux/posix_acl_xattr.h`: a version, then entries of tag, permissions and id, in this order). Names
//! become numbers by what the caller knows.

/// Numbers for the names of users and groups.
pub trait Numbers {
    fn user(&self, name: &str) -> Option<u32>;
    fn group(&self, name: &str) -> Option<u32>;
}

const VERSION: u32 = 2;
/// The id of an entry that has none.
const NO_ID: u32 = u32::MAX;
const USER_OWNER: u16 = 0x01;
const USER: u16 = 0x02;
const GROUP_OWNER: u16 = 0x04;
const GROUP: u16 = 0x08;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;

type Entry = (u16, u32, u16);

/// The attribute of this name for a list such as `user::rwx,user:alice:r-x:1000,…`; none where it says no more than the mode does.
pub fn attribute(name: &[u8], text: &[u8], numbers: &dyn Numbers) -> Result<Option<Vec<u8>>, String> {
    let text = std::str::from_utf8(text).map_err(|_| "its access list is no text".to_owned())?;
    let entries = text.split([',', '\n']).map(|entry| entry.split('#').next().unwrap_or_default().trim());
    let entries = entries.filter(|entry| !entry.is_empty());
    let mut entries = entries.map(|text| entry(text, numbers)).collect::<Result<Vec<Entry>, String>>()?;
    entries.sort_unstable();
    let is_default = name == b"system.posix_acl_default";
    let says_more = |(tag, ..): &Entry| is_default || !matches!(*tag, USER_OWNER | GROUP_OWNER | OTHER);
    if !entries.iter().any(says_more) {
        return Ok(None);
    }
    let mut value = VERSION.to_le_bytes().to_vec();
    for (tag, id, permissions) in entries {
        value.extend_from_slice(&tag.to_le_bytes());
        value.extend_from_slice(&permissions.to_le_bytes());
        value.extend_from_slice(&id.to_le_bytes());
    }
    Ok(Some(value))
}

/// The mode of what has an access list, given what its header says: as Linux shows it, the mask stands where the group's rights stand
/// otherwise. libarchive writes the group's own.
pub fn mode(list: &[u8], mode: u32) -> u32 {
    let entries = list.get(4..).unwrap_or_default().chunks_exact(8);
    let rights = |tag: u16| {
        let mut entries = entries.clone().filter(|entry| entry.starts_with(&tag.to_le_bytes()));
        entries.next().and_then(|entry| entry.get(2)).map(|rights| u32::from(*rights & 7))
    };
    match (rights(USER_OWNER), rights(MASK), rights(OTHER)) {
        (Some(user), Some(mask), Some(other)) => (mode & !0o777) | (user << 6) | (mask << 3) | other,
        _ => mode,
    }
}

fn entry(text: &str, numbers: &dyn Numbers) -> Result<Entry, String> {
    let unknown = || format!("its access list has {:?}, which means nothing here", mainstay_sources::shortened(text));
    let fields: Vec<&str> = text.split(':').map(str::trim).collect();
    let (tag, name, permissions, id) = match fields.as_slice() {
        // Solaris writes the two that have no name without a place for it.
        [tag @ ("mask" | "m" | "other" | "o"), permissions] => (*tag, "", *permissions, None),
        [tag, name, permissions] => (*tag, *name, *permissions, None),
        [tag, name, permissions, id] => (*tag, *name, *permissions, Some(*id)),
        _ => return Err(unknown()),
    };
    let known = |number: Option<u32>| {
        let number = id.and_then(|id| id.parse().ok()).or(number).or(name.parse().ok());
        number.ok_or_else(|| format!("its access list names {name:?}, who has no number here"))
    };
    let (tag, id) = match (tag, name) {
        ("user" | "u", "") => (USER_OWNER, NO_ID),
        ("user" | "u", name) => (USER, known(numbers.user(name))?),
        ("group" | "g", "") => (GROUP_OWNER, NO_ID),
        ("group" | "g", name) => (GROUP, known(numbers.group(name))?),
        ("mask" | "m", _) => (MASK, NO_ID),
        ("other" | "o", _) => (OTHER, NO_ID),
        _ => return Err(unknown()),
    };
    Ok((tag, id, bits(permissions).ok_or_else(unknown)?))
}

fn bits(permissions: &str) -> Option<u16> {
    permissions.chars().try_fold(0, |bits, letter| match letter {
        'r' => Some(bits | 4),
        'w' => Some(bits | 2),
        'x' => Some(bits | 1),
        '-' => Some(bits),
        _ => None,
    })
}
