//! How help texts look: examples before options, commands in groups.
//!
//! Owns the templates and the groups. The words of a command stand in its own file.

use std::fmt::Write as _;

use clap::Command;

/// The groups of commands, in the order of a user's life with the program.
pub const GROUPS: [(&str, &[&str]); 5] = [
    ("Start", &["init", "backup", "import", "status"]),
    ("Look", &["snapshots", "ls", "find", "history", "diff", "cat"]),
    ("Recover", &["restore", "export"]),
    (
        "Care",
        &[
            "forget", "undelete", "prune", "check", "verify", "repair", "sync", "copy", "archive", "parity", "stats",
            "doctor", "repo", "store",
        ],
    ),
    ("Set up", &["key", "completions", "man", "help"]),
];

pub const EXAMPLES: &str = "\
Examples:
  mainstay backup ~/Documents            back up; creates the default repository and its key
  mainstay snapshots                     list what there is
  mainstay restore latest --verify       bring the last snapshot back, into a new directory
  mainstay restore latest:/home/me/notes --target notes";

const FOOTER: &str = "\
A snapshot SNAP is `latest`, `latest~2` (the second before it), or the first digits of its id.
`mainstay help COMMAND` explains a command, `mainstay help MS-1101` an error, and
`mainstay help exit-codes` and `mainstay help environment` what scripts need.";

const COMMAND_TEMPLATE: &str = "{before-help}{about-with-newline}\n{usage-heading} {usage}{after-help}\n\n{all-args}";

/// Lays out the help of the program and of all its commands.
pub fn arrange(program: Command) -> Command {
    let groups = groups(&program);
    let template =
        format!("{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{EXAMPLES}\n\n{groups}{{options}}\n\n{FOOTER}");
    program.help_template(template).mut_subcommands(arrange_command)
}

fn arrange_command(command: Command) -> Command {
    // Lists of commands within a command come before its options by themselves.
    command.help_template(COMMAND_TEMPLATE).disable_help_subcommand(true).mut_subcommands(arrange_command)
}

fn groups(program: &Command) -> String {
    let mut text = String::new();
    for (title, names) in GROUPS {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{title}:");
        for name in names {
            let about = program.find_subcommand(name).and_then(Command::get_about);
            let about = about.map(ToString::to_string).unwrap_or_default();
            let _ = writeln!(text, "  {name:<12} {about}");
        }
        text.push('\n');
    }
    text.push_str("Global options:\n");
    text
}
