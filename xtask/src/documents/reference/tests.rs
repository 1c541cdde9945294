//! Tests of reading commands out of help texts.

use super::*;

#[test]
fn commands_are_read_from_every_list_and_options_are_not() {
    let help = "Backs up.\n\nUsage: mainstay [OPTIONS] <COMMAND>\n\nStart:\n  init    Creates\n\n\
                Daily:\n  backup  Backs up\n          and more\n  help    Prints\n\n\
                Options:\n  words   that are no command\n  -h, --help\n\nExamples:\n  mainstay  runs\n";
    assert_eq!(commands(help), ["init", "backup"]);
}

#[test]
fn a_help_text_without_commands_has_none() {
    assert!(commands("Lists.\n\nUsage: mainstay ls SNAP\n\nArguments:\n  snap  id\n").is_empty());
}
