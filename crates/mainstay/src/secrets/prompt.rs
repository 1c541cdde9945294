//! Asking for a passphrase on a terminal, without showing it.
//!
//! Owns the terminal's modes while it asks, and always puts them back: Ctrl-C is read as a character meanwhile.

use std::io::{self, IsTerminal as _, Write as _};

use mainstay_repo::Secret;
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::exit_code::ExitCode;
use crate::failure::{Failure, Result, catalogue};

const CTRL_C: u8 = 3;
const CTRL_D: u8 = 4;
const BACKSPACE: u8 = 8;
const CTRL_U: u8 = 21;
const DELETE: u8 = 127;
/// Longer lines are cut: nobody types that much.
const TYPED_LEN_MAX: usize = 4096;

/// Whether there is a person to ask.
pub fn can_ask() -> bool {
    io::stdin().is_terminal()
}

/// Asks once; what is typed may be a passphrase or a recovery code.
pub fn ask(question: &str) -> Result<Secret> {
    let typed = read_hidden(question)?;
    super::secret_of(&typed, "read the passphrase")
}

/// Asks for a new passphrase, twice.
pub fn ask_twice(question: &str) -> Result<Secret> {
    let first = read_hidden(question)?;
    let second = read_hidden("the same again")?;
    if *first != *second {
        let message = "read the passphrase: the two are not the same";
        return Err(Failure::new(&catalogue::PASSWORDS_DIFFER, message));
    }
    super::secret_of(&first, "read the passphrase")
}

fn read_hidden(question: &str) -> Result<Zeroizing<String>> {
    let failed =
        |error: io::Error| Failure::new(&catalogue::FILE, format!("read the passphrase from the terminal: {error}"));
    let hidden = Hidden::begin().map_err(failed)?;
    // Where the question cannot be shown, the answer is still read.
    let _ = write!(io::stderr(), "{question}: ").and_then(|()| io::stderr().flush());
    let typed = read_line(|| {
        let mut byte = [0_u8];
        let read = rustix::io::retry_on_intr(|| rustix::io::read(io::stdin(), &mut byte))?;
        Ok((read > 0).then_some(byte[0]))
    });
    drop(hidden);
    crate::output::line_to_stderr("");
    let typed = typed.map_err(failed)?.ok_or_else(|| {
        Failure::new(&catalogue::STOPPED, "read the passphrase: stopped on request")
            .with_exit_code(ExitCode::Interrupted)
    })?;
    match std::str::from_utf8(&typed) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err(failed(io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))),
    }
}

/// Reads up to the end of the line; `None` when the user gives up.
fn read_line(mut next: impl FnMut() -> io::Result<Option<u8>>) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    // Never grows, so that no copy of it is left behind.
    let mut line = Zeroizing::new(Vec::with_capacity(TYPED_LEN_MAX));
    loop {
        match next()? {
            None | Some(CTRL_C) => return Ok(None),
            Some(CTRL_D) if line.is_empty() => return Ok(None),
            Some(b'\n' | b'\r' | CTRL_D) => return Ok(Some(line)),
            Some(CTRL_U) => line.clear(),
            Some(BACKSPACE | DELETE) => remove_last(&mut line),
            Some(byte) if line.len() < TYPED_LEN_MAX => line.push(byte),
            Some(_) => {}
        }
    }
}

/// Removes a character: the bytes that continue one, and the one that begins it.
fn remove_last(line: &mut Vec<u8>) {
    while line.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
}

/// A terminal that shows nothing of what is typed and hands over each byte at once.
struct Hidden {
    before: Termios,
}

impl Hidden {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut modes = before.clone();
        modes.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        modes.special_codes[SpecialCodeIndex::VMIN] = 1;
        modes.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(io::stdin(), OptionalActions::Now, &modes)?;
        Ok(Self { before })
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
    }
}

#[cfg(test)]
mod tests;
