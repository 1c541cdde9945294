//! Text that is safe to show: what others wrote cannot move the cursor, change colours or hide what follows.
//!
//! Owns the escaping of names and messages for terminals. The escapes are unambiguous in names: `\` itself is escaped
//! there.

use std::fmt::Write as _;

/// A name or path as text: control characters, marks that change the direction of text, and bytes that are not UTF-8 are
/// written as escapes.
pub fn bytes(name: &[u8]) -> String {
    let mut shown = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        chunk.valid().chars().for_each(|character| push(&mut shown, character, Backslash::Escaped));
        for byte in chunk.invalid() {
            // Writing to a string cannot fail.
            let _ = write!(shown, "\\x{byte:02x}");
        }
    }
    shown
}

/// A text that is not a message of this program.
pub fn text(text: &str) -> String {
    bytes(text.as_bytes())
}

/// A message that may have names in it. Backslashes stay, since messages may hold names that are escaped already.
pub fn message(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    text.chars().for_each(|character| push(&mut shown, character, Backslash::Kept));
    shown
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Backslash {
    Escaped,
    Kept,
}

fn push(shown: &mut String, character: char, backslash: Backslash) {
    match character {
        '\\' if backslash == Backslash::Escaped => shown.push_str("\\\\"),
        '\n' => shown.push_str("\\n"),
        '\t' => shown.push_str("\\t"),
        '\r' => shown.push_str("\\r"),
        // Writing to a string cannot fail.
        character if character.is_ascii_control() => {
            let _ = write!(shown, "\\x{:02x}", u32::from(character));
        }
        character if is_hostile(character) => {
            let _ = write!(shown, "\\u{{{:x}}}", u32::from(character));
        }
        character => shown.push(character),
    }
}

/// Characters that are not seen and change how others are: C1 controls, directional marks, separators of lines,
/// zero-width marks, tags and interlinear annotation (Unicode TR 36 and TR 55).
fn is_hostile(character: char) -> bool {
    matches!(character,
        '\u{80}'..='\u{9f}'
        | '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests;
