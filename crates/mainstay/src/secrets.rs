//! Where passwords and keys come from.
//!
//! Owns the order: a file or a command that the user named, else the generated key file, else a prompt. Never takes a
//! secret from a command line, never prints one, and wipes its copies.

mod prompt;

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use mainstay_repo::Secret;
use zeroize::Zeroizing;

use crate::defaults::variable;
use crate::failure::{Failure, Result, catalogue};

pub use prompt::{ask, ask_twice, can_ask};

const COMMAND_VARIABLE: &str = "MAINSTAY_PASSWORD_COMMAND";
const OTHER_COMMAND_VARIABLE: &str = "MAINSTAY_TO_PASSWORD_COMMAND";
/// Nobody has a longer password; a device or a whole disk named by mistake is not read.
const SECRET_LEN_MAX: u64 = 64 << 10;

/// A place of a password that the user named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    File(PathBuf),
    /// Words, the first of which is the program; no shell is asked.
    Command(Vec<String>),
}

impl Named {
    /// The place that `--password-file` or the environment names.
    pub fn find(password_file: Option<&Path>) -> Result<Option<Self>> {
        Self::find_by(password_file, COMMAND_VARIABLE)
    }

    /// The same for the repository that a command writes to beside the one that it reads.
    pub fn find_for_other(password_file: Option<&Path>) -> Result<Option<Self>> {
        Self::find_by(password_file, OTHER_COMMAND_VARIABLE)
    }

    fn find_by(password_file: Option<&Path>, command_variable: &str) -> Result<Option<Self>> {
        if let Some(path) = password_file.filter(|path| !path.as_os_str().is_empty()) {
            return Ok(Some(Self::File(path.to_owned())));
        }
        let Some(line) = variable(command_variable) else { return Ok(None) };
        let words = line.to_str().and_then(split_words).filter(|words| !words.is_empty());
        let words = words.ok_or_else(|| {
            let message = format!("read {command_variable}: a quote is not closed, or it is not UTF-8");
            Failure::new(&catalogue::PASSWORD_COMMAND, message)
        })?;
        Ok(Some(Self::Command(words)))
    }

    /// Reads the secret there.
    pub fn read(&self) -> Result<Secret> {
        match self {
            Self::File(path) => read_file(path),
            Self::Command(words) => run(words),
        }
    }
}

/// Reads a short text from a file, or from standard input for `-`.
pub fn read_text(path: &Path, verb: &str) -> Result<Zeroizing<String>> {
    let failed = |error: io::Error| Failure::file(verb, path, &error);
    if path.as_os_str() == "-" {
        return read_bounded(io::stdin().lock()).map_err(failed);
    }
    read_bounded(File::open(path).map_err(failed)?).map_err(failed)
}

/// Reads a secret from a file, or from standard input for `-`.
pub fn read_file(path: &Path) -> Result<Secret> {
    let text = read_text(path, "read password file")?;
    secret_of(&text, &format!("read password file {}", path.display()))
}

/// A code wherever it stands in the text (a key file, a recovery kit, a recipient's private half), else the whole text
/// but for the end of its line.
pub fn secret_of(text: &str, verb: &str) -> Result<Secret> {
    if let Some(code) = text.lines().find_map(Secret::from_code) {
        return Ok(code);
    }
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        return Err(Failure::new(&catalogue::EMPTY_PASSWORD, format!("{verb}: it is empty")));
    }
    Ok(Secret::from_text(text))
}

fn run(words: &[String]) -> Result<Secret> {
    let Some((program, arguments)) = words.split_first() else {
        return Err(Failure::new(&catalogue::PASSWORD_COMMAND, "run password command: it is empty"));
    };
    let failed = |problem: &dyn std::fmt::Display| {
        // Its arguments are not repeated: one may be what nobody else should read.
        let message = format!("run password command {program}: {problem}");
        Failure::new(&catalogue::PASSWORD_COMMAND, message)
    };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| failed(&error))?;
    let text = child.stdout.take().map_or_else(|| Ok(Zeroizing::default()), read_bounded);
    let status = child.wait().map_err(|error| failed(&error))?;
    let text = text.map_err(|error| failed(&error))?;
    if !status.success() {
        return Err(failed(&format!("it ended with {status}")));
    }
    secret_of(&text, &format!("run password command {program}"))
}

fn read_bounded(reader: impl io::Read) -> io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    reader.take(SECRET_LEN_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > SECRET_LEN_MAX {
        let message = format!("expected at most {SECRET_LEN_MAX} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    Ok(text)
}

/// Splits at white space; `'…'` and `"…"` keep it, and `\` takes the next character as it is (not within `'…'`).
/// `None` when a quote is not closed.
fn split_words(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match (character, quote) {
            (character, Some(open)) if character == open => quote = None,
            ('\\', None | Some('"')) => word.get_or_insert_default().push(characters.next()?),
            (character, Some(_)) => word.get_or_insert_default().push(character),
            ('\'' | '"', None) => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (character, None) if character.is_whitespace() => words.extend(word.take()),
            (character, None) => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

#[cfg(test)]
mod tests;
