//! Names of users and groups and their numbers, from `/etc/passwd` and `/etc/group`.
//!
//! The files are parsed here because asking the system's name service needs unsafe calls into the C library; so users
//! who exist only in a directory service (LDAP, SSSD) have no name here and are restored by number. Both files are read
//! once; sizes and line lengths are bounded.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// Most bytes read of one file: a quarter of a million users.
const FILE_MAX: u64 = 16 * 1024 * 1024;

/// Users and groups of this machine; where a name or a number appears twice, the first line counts, as for the system.
#[derive(Clone, Debug, Default)]
pub struct Owners {
    users: Names,
    groups: Names,
}

#[derive(Clone, Debug, Default)]
struct Names {
    by_number: HashMap<u32, String>,
    by_name: HashMap<String, u32>,
}

impl Owners {
    /// Reads the machine's files; one that cannot be read counts as empty, and everything goes by number.
    pub fn load() -> Self {
        Self::parse(&read(Path::new("/etc/passwd")), &read(Path::new("/etc/group")))
    }

    /// Parses the texts of `passwd` and `group` files; lines that cannot be understood are passed over.
    pub fn parse(passwd: &[u8], group: &[u8]) -> Self {
        Self { users: Names::parse(passwd), groups: Names::parse(group) }
    }

    /// The name of a user.
    pub fn user_name(&self, number: u32) -> Option<&str> {
        self.users.by_number.get(&number).map(String::as_str)
    }

    /// The name of a group.
    pub fn group_name(&self, number: u32) -> Option<&str> {
        self.groups.by_number.get(&number).map(String::as_str)
    }

    /// The number of a user.
    pub fn user_number(&self, name: &str) -> Option<u32> {
        self.users.by_name.get(name).copied()
    }

    /// The number of a group.
    pub fn group_number(&self, name: &str) -> Option<u32> {
        self.groups.by_name.get(name).copied()
    }
}

impl Names {
    fn parse(text: &[u8]) -> Self {
        let mut names = Self::default();
        for line in text.split(|byte| *byte == b'\n') {
            let Some((name, number)) = parse_line(line) else {
                continue;
            };
            names.by_number.entry(number).or_insert_with(|| name.to_owned());
            names.by_name.entry(name.to_owned()).or_insert(number);
        }
        names
    }
}

/// Name and number are the first and third field of both files. `+` and `-` start lines meant for NIS.
fn parse_line(line: &[u8]) -> Option<(&str, u32)> {
    let line = std::str::from_utf8(line).ok()?.trim_end_matches('\r');
    let mut fields = line.split(':');
    let name = fields.next().filter(|name| !name.is_empty() && !name.starts_with(['+', '-', '#']))?;
    let number = fields.nth(1)?.parse().ok()?;
    Some((name, number))
}

fn read(path: &Path) -> Vec<u8> {
    let mut text = Vec::new();
    let read = File::open(path).and_then(|file| file.take(FILE_MAX).read_to_end(&mut text));
    if read.is_err() {
        text.clear();
    }
    text
}

#[cfg(test)]
mod tests;
