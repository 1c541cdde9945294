//! Tests of finding blocks and of their expectations.

use super::*;
use crate::binary::Scratch;

fn block(script: &str) -> Block {
    Block { line: 1, script: script.to_owned(), beside: None }
}

fn run(purpose: &str, script: &str) -> Result<(), String> {
    let home = Scratch::create(purpose).expect("temporary directory");
    let binary = Binary { path: "/nonexistent/mainstay".into() };
    block(script).run(&binary, &home.path, &[])
}

#[test]
fn only_marked_blocks_are_found() {
    let document = "```sh\nno\n```\n<!-- run -->\n```sh\none\ntwo\n```\ntext\n<!-- run -->\n\n```sh\nthree\n```\n";
    let found = find(document).expect("well formed");
    assert_eq!(found.len(), 2);
    assert!(found.contains(&Block { line: 5, script: "one\ntwo".to_owned(), beside: None }));
}

#[test]
fn a_mark_without_a_block_is_found() {
    assert!(find("<!-- run -->\ntext\n```sh\n```\n").is_err());
    assert!(find("<!-- run -->\n```text\n```\n").is_err());
}

#[test]
fn a_block_fails_with_its_first_failing_command() {
    assert!(run("blocks-a", "true; false; true").is_err());
    assert!(run("blocks-b", "false | true").is_err());
    assert_eq!(run("blocks-c", "cd \"$HOME\"; touch a; test -e a"), Ok(()));
}

#[test]
fn expected_text_is_looked_for_in_order_on_both_streams() {
    assert_eq!(run("blocks-d", "echo one; echo two >&2\n# => one\n# => two"), Ok(()));
    assert!(run("blocks-e", "echo one; echo two\n# => two\n# => one").is_err());
}
