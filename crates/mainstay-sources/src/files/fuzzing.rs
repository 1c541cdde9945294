//! A door for the fuzzer: exclude rules of any text, asked about any path.
//!
//! Owns nothing but the call. Hidden from the documentation; used by `fuzz/` and by the tests that replay its corpus.

use super::options::FileOptions;
use super::rules::Rules;

/// Reads rules, one per line up to the first NUL, and asks them about the path behind it; answers whether they are rules.
pub fn exclude_rules(input: &[u8]) -> bool {
    let (rules, path) = input.split_at(input.iter().position(|byte| *byte == 0).unwrap_or(input.len()));
    let Ok(text) = std::str::from_utf8(rules) else { return false };
    let mut options = FileOptions::everything();
    options.add_excludes(text);
    let Ok(rules) = Rules::new(&options, b"/home/user", &[]) else { return false };
    let path = [b"/home/user/", path.get(1..).unwrap_or_default()].concat();
    for is_directory in [false, true] {
        let _ = rules.path_rule(&path, is_directory);
    }
    true
}
