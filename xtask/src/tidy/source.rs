//! Rust source seen as code, comments and strings, without a full parser.
//!
//! Owns the lexing that the rules share: a word in a string must not count as code, and a brace in
//! a comment must not count as a block. Views keep every line break and byte offset of the file,
//! so that an offset in a view is an offset in the file.

use crate::checkout::Checkout;
use std::ops::Range;

#[cfg(test)]
mod tests;

/// One `.rs` file with its views.
pub struct Source<'a> {
    pub path: &'a str,
    pub text: &'a str,
    /// The text with comments and the insides of strings turned into spaces.
    pub code: String,
    /// The text with everything but comments turned into spaces.
    pub comments: String,
    /// True for a file that is compiled for tests only.
    pub is_test: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Class {
    Code,
    Comment,
    Literal,
}

/// Every `.rs` file under `crates/`, `fuzz/` and `xtask/`, and under `tests/` of the workspace.
pub fn sources(checkout: &Checkout) -> Vec<Source<'_>> {
    let mut sources: Vec<Source<'_>> = ["crates/", "fuzz/", "tests/", "xtask/"]
        .iter()
        .flat_map(|prefix| checkout.files(prefix, ".rs"))
        .map(|(path, text)| Source::new(path, text))
        .collect();
    let only_tests: Vec<String> = sources.iter().flat_map(test_modules).collect();
    for source in &mut sources {
        let stem = source.path.trim_end_matches(".rs");
        source.is_test |= only_tests.iter().any(|module| stem == module || stem.starts_with(&format!("{module}/")));
    }
    sources
}

impl<'a> Source<'a> {
    fn new(path: &'a str, text: &'a str) -> Self {
        let classes = classify(text);
        Self {
            path,
            text,
            code: view(text, &classes, Class::Code),
            comments: view(text, &classes, Class::Comment),
            is_test: path.ends_with("/tests.rs") || path.starts_with("tests/") || path.contains("/tests/"),
        }
    }

    /// The line, counted from 1, that holds a byte offset.
    pub fn line_of(&self, offset: usize) -> usize {
        1 + newlines(self.text.as_bytes().get(..offset).unwrap_or_default())
    }

    /// Lines between two offsets that are neither blank nor a comment only.
    pub fn code_lines(&self, range: Range<usize>) -> usize {
        let text = self.text.get(range.clone()).unwrap_or_default();
        let comments = self.comments.get(range).unwrap_or_default();
        let pairs = text.lines().zip(comments.lines());
        pairs.filter(|(text, comment)| filled(text) > filled(comment)).count()
    }

    /// The code with the bodies of `#[cfg(test)]` items turned into spaces as well.
    pub fn code_outside_tests(&self) -> String {
        let mut code = self.code.clone().into_bytes();
        for (start, _) in self.code.match_indices("#[cfg(test)]") {
            let end = item_end(&self.code, start);
            blank(code.get_mut(start..end).unwrap_or_default());
        }
        String::from_utf8_lossy(&code).into_owned()
    }
}

/// Offsets where `word` stands in `code` as a whole word.
pub fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let bytes = code.as_bytes();
    code.match_indices(word).map(|(start, _)| start).filter(move |start| {
        let before = start.checked_sub(1).and_then(|index| bytes.get(index));
        let after = bytes.get(start + word.len());
        !before.is_some_and(|byte| is_word(*byte)) && !after.is_some_and(|byte| is_word(*byte))
    })
}

/// The identifier that starts at `text`'s first byte that is not white space.
pub fn identifier(text: &str) -> &str {
    let text = text.trim_start();
    let len = text.bytes().take_while(|byte| is_word(*byte)).count();
    text.get(..len).unwrap_or_default()
}

fn is_word(byte: u8) -> bool {
    byte == b'_' || byte.is_ascii_alphanumeric()
}

fn filled(line: &str) -> usize {
    line.bytes().filter(|byte| !byte.is_ascii_whitespace()).count()
}

fn newlines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == b'\n').count()
}

fn blank(bytes: &mut [u8]) {
    for byte in bytes.iter_mut().filter(|byte| **byte != b'\n') {
        *byte = b' ';
    }
}

/// Where the item that starts at `start` ends: after its `;`, or after its closing brace.
fn item_end(code: &str, start: usize) -> usize {
    let rest = code.get(start..).unwrap_or_default();
    let opening = rest.find(['{', ';']).unwrap_or(rest.len());
    if rest.as_bytes().get(opening) == Some(&b'{') { start + block_end(rest, opening) } else { start + opening }
}

/// The offset after the brace that closes the one at `opening`.
pub fn block_end(code: &str, opening: usize) -> usize {
    let mut depth = 0_usize;
    for (offset, byte) in code.bytes().enumerate().skip(opening) {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            _ => continue,
        }
        if depth == 0 {
            return offset + 1;
        }
    }
    code.len()
}

/// Paths, without `.rs`, of the modules that this file declares under `#[cfg(test)]`.
fn test_modules(source: &Source<'_>) -> Vec<String> {
    let stem = source.path.trim_end_matches(".rs");
    let (parent, file) = stem.rsplit_once('/').unwrap_or(("", stem));
    let directory = match file {
        "lib" | "main" | "mod" => parent,
        _ => stem,
    };
    let marked = source.code.match_indices("#[cfg(test)]");
    marked
        .filter_map(|(start, mark)| {
            let item = source.code.get(start + mark.len()..)?;
            let declaration = item.get(..item.find(['{', ';'])?)?;
            let name = declaration.trim().rsplit_once("mod ")?.1;
            Some(format!("{directory}/{}", identifier(name)))
        })
        .collect()
}

fn view(text: &str, classes: &[Class], wanted: Class) -> String {
    let bytes =
        text.bytes().zip(classes).map(|(byte, class)| if byte == b'\n' || *class == wanted { byte } else { b' ' });
    String::from_utf8_lossy(&bytes.collect::<Vec<u8>>()).into_owned()
}

fn classify(text: &str) -> Vec<Class> {
    let bytes = text.as_bytes();
    let mut classes = Vec::with_capacity(bytes.len());
    while classes.len() < bytes.len() {
        let at = classes.len();
        let rest = bytes.get(at..).unwrap_or_default();
        let previous = at.checked_sub(1).and_then(|index| bytes.get(index));
        let (class, len) = next_piece(rest, previous.is_some_and(|byte| is_word(*byte)));
        classes.extend(std::iter::repeat_n(class, len.max(1)));
    }
    classes.truncate(bytes.len());
    classes
}

/// The class and length of the piece that `rest` starts with.
fn next_piece(rest: &[u8], inside_word: bool) -> (Class, usize) {
    if rest.starts_with(b"//") {
        let len = rest.iter().position(|byte| *byte == b'\n');
        return (Class::Comment, len.unwrap_or(rest.len()));
    }
    if rest.starts_with(b"/*") {
        return (Class::Comment, nested_comment(rest));
    }
    if rest.first() == Some(&b'"') {
        return (Class::Literal, quoted(rest, b'"'));
    }
    if rest.first() == Some(&b'\'') {
        return character(rest);
    }
    if !inside_word && let Some(len) = raw_string(rest) {
        return (Class::Literal, len);
    }
    (Class::Code, 1)
}

fn nested_comment(rest: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(pair) = rest.get(at..at + 2) {
        match pair {
            b"/*" => depth += 1,
            b"*/" => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while let Some(byte) = rest.get(at) {
        match *byte {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// A character literal, or a lifetime, which has no closing quote.
fn character(rest: &[u8]) -> (Class, usize) {
    let escaped = rest.get(1) == Some(&b'\\');
    let width = std::str::from_utf8(rest.get(1..rest.len().min(5)).unwrap_or_default());
    let valid = match width {
        Ok(text) => text,
        Err(error) => {
            let prefix = rest.get(1..1 + error.valid_up_to()).unwrap_or_default();
            std::str::from_utf8(prefix).unwrap_or_default()
        }
    };
    let first = valid.chars().next().map_or(1, char::len_utf8);
    if escaped || rest.get(1 + first) == Some(&b'\'') {
        (Class::Literal, quoted(rest, b'\''))
    } else {
        (Class::Code, 1)
    }
}

/// The length of a raw string (`r"…"`, `br#"…"#`), when `rest` starts with one.
fn raw_string(rest: &[u8]) -> Option<usize> {
    let prefix = rest.iter().take_while(|byte| b"bcr".contains(*byte)).count();
    let opening = rest.get(prefix.checked_sub(1)?)?;
    if *opening != b'r' {
        return None;
    }
    let hashes = rest.iter().skip(prefix).take_while(|byte| **byte == b'#').count();
    if rest.get(prefix + hashes) != Some(&b'"') {
        return None;
    }
    let mut closing = vec![b'"'];
    closing.extend(std::iter::repeat_n(b'#', hashes));
    let body = rest.get(prefix + hashes + 1..)?;
    let end = body.windows(closing.len()).position(|window| window == closing);
    Some(end.map_or(rest.len(), |end| prefix + 2 * hashes + 2 + end))
}
