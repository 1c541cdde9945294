//! Tests of the command line's definition and of the words of its errors.

use super::*;

fn words(line: &str) -> Vec<OsString> {
    line.split_whitespace().map(OsString::from).collect()
}

#[test]
fn the_definition_is_sound() {
    definition().debug_assert();
}

#[test]
fn there_are_at_most_30_commands_and_each_stands_in_the_help() {
    let help = definition().render_help().to_string();
    let commands: Vec<String> = definition().get_subcommands().map(|command| command.get_name().to_owned()).collect();
    assert!(commands.len() <= 30, "{commands:?}");
    for command in commands {
        assert!(help.contains(&format!("\n  {command} ")), "{command} is in no group of the help");
    }
}

#[test]
fn a_misspelt_flag_is_named_with_the_one_that_was_meant() {
    let failure = parse(words("mainstay backup --dry-rum /etc")).err().expect("no such flag");
    assert_eq!(failure.code.number, catalogue::USAGE.number);
    assert!(failure.message.contains("--dry-rum") && failure.message.contains("--dry-run"), "{}", failure.message);
    assert!(failure.hint().starts_with("mainstay backup"), "{}", failure.hint());
}

#[test]
fn json_and_colour_are_known_even_of_a_line_that_cannot_be_parsed() {
    let early = Early::look(&words("mainstay snapshots --jsn --color never --json"));
    assert!(early.json);
    assert_eq!(early.color, Choice::Never);
    let early = Early::look(&words("mainstay backup --color=always -- --json"));
    assert!(!early.json);
    assert_eq!(early.color, Choice::Always);
}
