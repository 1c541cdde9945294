//! Rules: file headers, and how long files, functions and parameter lists may be.
//!
//! Owns the limits and the ratchet file, which lists what exceeds a limit today with its present
//! number. A number in it may only shrink: growth fails, and so does an entry that is too large.

use super::Finding;
use super::source::{Source, block_end, identifier, sources, words};
use crate::checkout::Checkout;
use std::collections::BTreeMap;

#[cfg(test)]
mod tests;

const RATCHET: &str = "xtask/tidy-ratchet.txt";
const FILE_LINES_TARGET: usize = 400;
const FILE_LINES_LIMIT: usize = 600;
const FUNCTION_LINES_LIMIT: usize = 70;
const PARAMETERS_LIMIT: usize = 5;

/// Every file says what it owns and what it must not do.
pub fn headers(checkout: &Checkout) -> Vec<Finding> {
    let sources = sources(checkout);
    let bare = sources.iter().filter(|source| !source.text.starts_with("//!"));
    bare.map(|source| {
        let message = "the file must open with //!: what it owns and what it must not do";
        Finding::failure(source.path, 1, message)
    })
    .collect()
}

/// Unit tests sit in a sibling `tests.rs`, so that a file's length is the length of its code.
pub fn inline_tests(checkout: &Checkout) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources(checkout) {
        for (start, mark) in source.code.match_indices("#[cfg(test)]") {
            let item = source.code.get(start + mark.len()..).unwrap_or_default();
            let end = item.find(['{', ';']).unwrap_or(item.len());
            let declaration = item.get(..end).unwrap_or_default().trim();
            let is_inline = item.as_bytes().get(end) == Some(&b'{');
            if is_inline && declaration.starts_with("mod ") {
                let message = "move this module of tests to a sibling tests.rs";
                findings.push(Finding::failure(source.path, source.line_of(start), message));
            }
        }
    }
    findings
}

/// Lengths of files and functions, and numbers of parameters, against limits and ratchet.
pub fn sizes(checkout: &Checkout) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut ratchet = read_ratchet(checkout, &mut findings);
    for source in sources(checkout) {
        for measure in measures(&source) {
            let allowed = ratchet.remove(&measure.key());
            findings.extend(judge(&measure, allowed));
        }
    }
    findings.extend(ratchet.keys().map(|key| {
        let message = format!("remove the entry `{key}`: there is no such thing any more");
        Finding::failure(RATCHET, 0, message)
    }));
    findings
}

/// One number that a limit applies to.
struct Measure {
    kind: Kind,
    path: String,
    line: usize,
    /// The function's name, empty for a whole file.
    name: String,
    value: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    FileLines,
    FunctionLines,
    Parameters,
}

impl Kind {
    fn limit(self) -> usize {
        match self {
            Self::FileLines => FILE_LINES_LIMIT,
            Self::FunctionLines => FUNCTION_LINES_LIMIT,
            Self::Parameters => PARAMETERS_LIMIT,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::FileLines => "file-lines",
            Self::FunctionLines => "function-lines",
            Self::Parameters => "parameters",
        }
    }
}

impl Measure {
    fn key(&self) -> String {
        format!("{} {} {}", self.kind.word(), self.path, self.name).trim_end().to_owned()
    }
}

fn judge(measure: &Measure, allowed: Option<usize>) -> Option<Finding> {
    let Measure { kind, path, line, name, value } = measure;
    let (word, limit) = (kind.word(), kind.limit());
    let subject = if name.is_empty() { "the file" } else { name };
    match allowed {
        Some(allowed) if *value <= limit => {
            let message = format!("remove `{} {allowed}`: {value} is within the limit", measure.key());
            Some(Finding::failure(RATCHET, 0, message))
        }
        Some(allowed) if *value < allowed => {
            let message = format!("lower `{} {allowed}` to {value}", measure.key());
            Some(Finding::failure(RATCHET, 0, message))
        }
        Some(allowed) if *value == allowed => None,
        _ if *value > limit => {
            let message = format!("{subject}: {word} is {value}, the limit is {limit}");
            Some(Finding::failure(path, *line, message))
        }
        _ if *kind == Kind::FileLines && *value > FILE_LINES_TARGET => {
            let message = format!("{value} lines of code, the target is {FILE_LINES_TARGET}");
            Some(Finding::warning(path, *line, message))
        }
        _ => None,
    }
}

/// Lines of the ratchet file: `<kind> <path> [<function>] <number>`; `#` starts a comment.
fn read_ratchet(checkout: &Checkout, findings: &mut Vec<Finding>) -> BTreeMap<String, usize> {
    let mut entries = BTreeMap::new();
    let text = checkout.text(RATCHET).unwrap_or_default();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let entry = line.rsplit_once(' ');
        match entry.and_then(|(key, number)| Some((key, number.parse().ok()?))) {
            Some((key, number)) => {
                entries.insert(key.to_owned(), number);
            }
            None => {
                let message = "expected `<kind> <path> [<function>] <number>`";
                findings.push(Finding::failure(RATCHET, index + 1, message));
            }
        }
    }
    entries
}

fn measures(source: &Source<'_>) -> Vec<Measure> {
    let measure = |kind, line, name: &str, value| Measure {
        kind,
        path: source.path.to_owned(),
        line,
        name: name.to_owned(),
        value,
    };
    let whole = source.code_lines(0..source.text.len());
    let mut measures = vec![measure(Kind::FileLines, 0, "", whole)];
    for start in words(&source.code, "fn") {
        let Some(function) = parse_function(&source.code, start) else {
            continue;
        };
        let line = source.line_of(start);
        let lines = source.code_lines(start..function.end);
        measures.push(measure(Kind::FunctionLines, line, function.name, lines));
        measures.push(measure(Kind::Parameters, line, function.name, function.parameters));
    }
    measures
}

struct Function<'a> {
    name: &'a str,
    parameters: usize,
    end: usize,
}

/// Reads `fn name<…>(…) … {…}` at `start`; a function type such as `fn(u8)` has no name.
fn parse_function(code: &str, start: usize) -> Option<Function<'_>> {
    let name = identifier(code.get(start + 2..)?);
    if name.is_empty() {
        return None;
    }
    let after_name = start + 2 + code.get(start + 2..)?.find(name)? + name.len();
    let opening = after_name + parameter_list(code.get(after_name..)?)?;
    let (parameters, closing) = count_parameters(code, opening)?;
    let rest = code.get(closing..)?;
    let body = closing + rest.find(['{', ';'])?;
    let end = match code.as_bytes().get(body) {
        Some(b'{') => block_end(code, body),
        _ => body,
    };
    Some(Function { name, parameters, end })
}

/// The offset of the parenthesis that opens the parameters, past any generics.
fn parameter_list(rest: &str) -> Option<usize> {
    let mut angles = 0_i32;
    let mut previous = ' ';
    for (offset, character) in rest.char_indices() {
        match character {
            '<' => angles += 1,
            '>' if previous != '-' => angles -= 1,
            '(' if angles == 0 => return Some(offset),
            _ => {}
        }
        previous = character;
    }
    None
}

/// The number of parameters, `self` left out, and the offset after the closing parenthesis.
fn count_parameters(code: &str, opening: usize) -> Option<(usize, usize)> {
    let mut depth = 0_i32;
    let mut piece = String::new();
    let mut pieces = Vec::new();
    let mut previous = ' ';
    for (offset, character) in code.get(opening..)?.char_indices() {
        match character {
            '(' | '[' | '{' | '<' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            '>' if previous != '-' => depth -= 1,
            _ => {}
        }
        previous = character;
        match character {
            _ if depth == 0 => {
                pieces.push(piece);
                let counted = pieces.iter().filter(|piece| is_counted(piece)).count();
                return Some((counted, opening + offset + 1));
            }
            ',' if depth == 1 => pieces.push(std::mem::take(&mut piece)),
            _ => piece.push(character),
        }
    }
    None
}

fn is_counted(piece: &str) -> bool {
    let piece = piece.trim_start_matches('(').trim();
    let name = piece.split(':').next().unwrap_or_default();
    !piece.is_empty() && words(name, "self").next().is_none()
}
