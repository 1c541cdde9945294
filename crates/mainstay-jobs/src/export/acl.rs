//! Access control lists as text, as archives carry them.
//!
//! Owns reading the attribute that Linux keeps them in (`linux/posix_acl_xattr.h`): a version, then entries of tag,
//! permissions and id, all little-endian. What it does not understand it leaves to the attribute itself.

/// The record for the attribute of this name.
pub fn keyword(attribute: &[u8]) -> Option<&'static str> {
    match attribute {
        b"system.posix_acl_access" => Some("SCHILY.acl.access"),
        b"system.posix_acl_default" => Some("SCHILY.acl.default"),
        _ => None,
    }
}

const VERSION: u32 = 2;

/// The list as text: `user::rwx,user:1000:r--,…`.
pub fn text(value: &[u8]) -> Option<String> {
    let (version, entries) = value.split_first_chunk::<4>()?;
    if u32::from_le_bytes(*version) != VERSION || entries.len() % 8 != 0 {
        return None;
    }
    let entries: Option<Vec<String>> = entries.chunks_exact(8).map(entry).collect();
    entries.filter(|entries| !entries.is_empty()).map(|entries| entries.join(","))
}

fn entry(bytes: &[u8]) -> Option<String> {
    let short = |at: usize| Some(u16::from_le_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]));
    let id = u32::from_le_bytes(bytes.get(4..8)?.try_into().ok()?);
    let permissions = short(2)?;
    let who = match short(0)? {
        0x01 => "user:".to_owned(),
        0x02 => format!("user:{id}"),
        0x04 => "group:".to_owned(),
        0x08 => format!("group:{id}"),
        0x10 => "mask:".to_owned(),
        0x20 => "other:".to_owned(),
        _ => return None,
    };
    let letter = |bit: u16, letter: char| if permissions & bit != 0 { letter } else { '-' };
    Some(format!("{who}:{}{}{}", letter(4, 'r'), letter(2, 'w'), letter(1, 'x')))
}
