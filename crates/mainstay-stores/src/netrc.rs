//! The file `~/.netrc`: user names and passwords by host, as ftp, curl and git read it.
//!
//! Owns its grammar. Never shows what it has read.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

#[cfg(test)]
mod tests;

/// Far more than anybody writes by hand.
const LONGEST: u64 = 1 << 20;

/// What a server is told about who asks.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub user: String,
    pub password: String,
}

/// Finds what the file says of a host; a file that is not there says nothing.
///
/// # Errors
/// The file cannot be read, or it holds a password for this host and others may read it.
pub fn find(path: &Path, host: &str) -> io::Result<Option<Credentials>> {
    let told = |error: &dyn std::fmt::Display| format!("read {}: {error}", path.display());
    let status = match std::fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        status => status.map_err(|error| io::Error::new(error.kind(), told(&error)))?,
    };
    if status.len() > LONGEST {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, told(&format!("it has more than {LONGEST} bytes"))));
    }
    let text = std::fs::read_to_string(path).map_err(|error| io::Error::new(error.kind(), told(&error)))?;
    let found = entry(&text, host);
    if found.is_some() && status.permissions().mode() & 0o077 != 0 {
        let message = "it holds a password and others may read it: expected the mode 0600";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, told(&message)));
    }
    Ok(found)
}

/// The first entry of the host that has a user, or else the default one.
fn entry(text: &str, host: &str) -> Option<Credentials> {
    let mut words = Words { rest: text };
    let (mut is_meant, mut is_default) = (false, false);
    let (mut user, mut password) = (None, None);
    while let Some(word) = words.next() {
        match word.as_str() {
            "machine" | "default" if user.is_some() && is_meant => break,
            "machine" => (is_meant, is_default) = (words.next()?.eq_ignore_ascii_case(host), false),
            "default" => (is_meant, is_default) = (true, true),
            "login" if is_meant => user = words.next(),
            "password" if is_meant => password = words.next(),
            "login" | "password" | "account" => drop(words.next()),
            "macdef" => words.skip_macro(),
            _ => {}
        }
        // Nothing can follow the default entry.
        if is_default && user.is_some() && password.is_some() {
            break;
        }
    }
    Some(Credentials { user: user?, password: password.unwrap_or_default() })
}

/// Words between spaces and line breaks; one in quotes may hold spaces, and `\` before what is meant as it is.
struct Words<'t> {
    rest: &'t str,
}

impl Words<'_> {
    fn next(&mut self) -> Option<String> {
        loop {
            self.rest = self.rest.trim_start();
            if !self.rest.starts_with('#') {
                break;
            }
            self.rest = self.rest.split_once('\n').map_or("", |(_, rest)| rest);
        }
        if let Some(quoted) = self.rest.strip_prefix('"') {
            return self.quoted(quoted.char_indices().collect());
        }
        let end = self.rest.find(char::is_whitespace).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!word.is_empty()).then(|| word.to_owned())
    }

    fn quoted(&mut self, characters: Vec<(usize, char)>) -> Option<String> {
        let mut word = String::new();
        let mut characters = characters.into_iter();
        while let Some((place, character)) = characters.next() {
            match character {
                '"' => {
                    // One quote before, one here.
                    self.rest = self.rest.get(place + 2..)?;
                    return Some(word);
                }
                '\\' => word.push(characters.next()?.1),
                character => word.push(character),
            }
        }
        None
    }

    /// A macro ends with an empty line.
    fn skip_macro(&mut self) {
        self.rest = self.rest.split_once("\n\n").map_or("", |(_, rest)| rest);
    }
}
