//! Tests of the flags.

use super::*;

fn parse(line: &str) -> Result<Options, String> {
    Options::parse(&owned(&line.split_whitespace().collect::<Vec<_>>()))
}

#[test]
fn flags_replace_the_defaults() {
    let options = parse("--only A,D --runs 5 --peers restic --scale 2 --keep").expect("valid");
    assert_eq!(options.only, ["A", "D"]);
    assert_eq!(options.peers, ["restic"]);
    assert_eq!((options.runs, options.scale_percent, options.keep), (5, 2, true));
    assert_eq!(options.operations.len(), OPERATIONS.len());
}

#[test]
fn unknown_words_and_missing_values_are_refused() {
    for line in ["--only A,E", "--operations frist", "--runs 0", "--runs", "--fast 1", "first"] {
        assert!(parse(line).is_err(), "{line}");
    }
}
