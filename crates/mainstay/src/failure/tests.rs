//! Tests of the catalogue and of the errors of other crates in it.

use std::collections::BTreeSet;

use super::*;

fn documented() -> Vec<&'static str> {
    let headings = include_str!("../../../../docs/errors.md").lines();
    headings.filter_map(|line| line.strip_prefix("## MS-")).filter_map(|rest| rest.get(..4)).collect()
}

#[test]
fn every_code_has_its_section_and_every_section_its_code() {
    let described = documented();
    let known: Vec<&str> = catalogue::ALL.iter().filter_map(|code| code.number.strip_prefix("MS-")).collect();
    assert_eq!(known, described, "docs/errors.md and the catalogue list different codes");
}

#[test]
fn no_number_is_given_twice_and_every_code_has_advice() {
    let numbers: BTreeSet<&str> = catalogue::ALL.iter().map(|code| code.number).collect();
    assert_eq!(numbers.len(), catalogue::ALL.len());
    for code in catalogue::ALL {
        assert!(code.hint.len() > 10 && !code.hint.ends_with('.'), "{}", code.number);
    }
}

#[test]
fn every_section_names_the_exit_code_that_the_binary_ends_with() {
    for code in catalogue::ALL {
        let section = crate::commands::help::error_page(code.number).expect("a section");
        let line = format!("Exit code {}.", code.exit_code.number());
        assert!(section.contains(&line), "{}: expected `{line}`", code.number);
    }
}

#[test]
fn a_full_disk_a_closed_door_and_a_broken_one_are_told_apart() {
    let store = |kind: io::ErrorKind| {
        let source = io::Error::from(kind);
        Failure::from(mainstay_repo::Error::Store { verb: "write", name: "x".to_owned(), source })
    };
    assert_eq!(store(io::ErrorKind::StorageFull).exit_code(), ExitCode::NoSpace);
    assert_eq!(store(io::ErrorKind::PermissionDenied).code.number, catalogue::STORE_DENIED.number);
    assert_eq!(store(io::ErrorKind::TimedOut).exit_code(), ExitCode::Unreachable);
}

#[test]
fn the_text_of_an_error_cannot_write_to_the_terminal() {
    let failure = Failure::new(&catalogue::SOURCE, "open /tmp/\u{1b}[2J\n\u{202e}x: gone");
    assert_eq!(failure.text(), "open /tmp/\\x1b[2J\\n\\u{202e}x: gone");
}
