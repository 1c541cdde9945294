//! Help, completions and manual pages, which scripts and people rely on.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::world::World;

/// The commands that the help lists.
fn commands(world: &World) -> Vec<String> {
    let help = world.ok(&["--help"]).stdout;
    let lines = help.lines().take_while(|line| !line.starts_with("Global options"));
    let entries = lines.filter_map(|line| line.strip_prefix("  ")).filter(|entry| !entry.starts_with("mainstay"));
    entries.filter_map(|entry| entry.split_whitespace().next()).map(str::to_owned).collect()
}

#[test]
fn every_command_has_examples_before_its_options() {
    let world = World::new();
    let commands = commands(&world);
    assert!((15..=30).contains(&commands.len()), "{commands:?}");
    let inner = [
        "add",
        "create-writer",
        "create-maintainer",
        "create-recipient",
        "add-recipient",
        "list",
        "remove",
        "rotate",
        "export-kit",
    ]
    .map(|verb| vec!["key", verb]);
    let archive = ["create", "list", "show", "verify", "restore", "extend-hold"].map(|verb| vec!["archive", verb]);
    let inner = inner.into_iter().chain(archive).chain([
        vec!["repo", "history"],
        vec!["store", "validate"],
        vec!["import", "tar"],
    ]);
    for words in commands.iter().map(|name| vec![name.as_str()]).chain(inner) {
        for flag in ["-h", "--help"] {
            let help = world.ok(&[&words[..], &[flag]].concat()).stdout;
            let examples = help.find("\nExamples:\n  ").unwrap_or_else(|| panic!("{words:?} has no examples"));
            let options = help.find("\nOptions:\n").unwrap_or_else(|| panic!("{words:?} has no options"));
            assert!(examples < options, "{help}");
            assert!(help.contains(&format!("mainstay {}", words.join(" "))), "{help}");
            assert!(help.contains("--json"), "{help}");
        }
    }
}

#[test]
fn help_of_a_command_is_the_same_by_word_and_by_flag() {
    let world = World::new();
    for words in [&["restore"][..], &["key"], &["key", "add"]] {
        let by_flag = world.ok(&[words, &["--help"]].concat()).stdout;
        let by_word = world.ok(&[&["help"], words].concat()).stdout;
        assert_eq!(by_flag, by_word);
    }
    assert_eq!(world.ok(&["help"]).stdout, world.ok(&["-h"]).stdout);
}

#[test]
fn exit_codes_and_environment_are_topics() {
    let world = World::new();
    let codes = world.ok(&["help", "exit-codes"]).stdout;
    for code in ["    0  ", "    3  ", "   10  ", "   12  ", "  130  "] {
        assert!(codes.contains(code), "no {code:?} in {codes}");
    }
    let environment = world.ok(&["help", "environment"]).stdout;
    for name in ["MAINSTAY_REPO", "MAINSTAY_PASSWORD_COMMAND", "NO_COLOR"] {
        assert!(environment.contains(name), "no {name} in {environment}");
    }
    assert!(world.ok(&["help", "errors"]).stdout.lines().all(|line| line.starts_with("MS-")));
    assert!(world.ok(&["--version"]).stdout.starts_with("mainstay 0."));
}

#[test]
fn completions_are_scripts_that_their_shells_accept() {
    let world = World::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = world.ok(&["completions", shell]).stdout;
        for word in ["restore", "exclude-larger-than", "export-kit"] {
            assert!(script.contains(word), "{shell}: no {word}");
        }
    }
    let script = world.ok(&["completions", "bash"]).stdout;
    let mut bash = Command::new("bash").arg("-n").stdin(Stdio::piped()).spawn().expect("bash is there");
    bash.stdin.take().expect("it is piped").write_all(script.as_bytes()).expect("bash reads");
    assert!(bash.wait().expect("it ends").success());
}

#[test]
fn every_command_has_a_manual_page() {
    let world = World::new();
    world.ok(&["man", "--directory", "man1"]);
    let pages = crate::world::files(&world.path("man1"));
    for command in commands(&world) {
        let page = world.path("man1").join(format!("mainstay-{command}.1"));
        assert!(pages.contains(&page), "no {}", page.display());
    }
    assert!(pages.contains(&world.path("man1/mainstay-key-add.1")));
    for path in pages {
        let page = std::fs::read_to_string(&path).expect("a page");
        for part in [".TH ", ".SH NAME", ".SH SYNOPSIS", ".SH \"EXIT STATUS\""] {
            assert!(page.contains(part), "no {part:?} in {}", path.display());
        }
        assert!(path.ends_with("mainstay.1") || page.contains("EXAMPLES"), "{}", path.display());
    }
    assert!(world.ok(&["man", "key", "add"]).stdout.contains("mainstay\\-key\\-add"));
    world.fails(&["man", "nonsense"], 2, "MS-1007");
}

#[test]
fn the_page_of_the_program_has_examples_and_the_environment_and_synopses_name_values() {
    let world = World::new();
    let page = world.ok(&["man"]).stdout;
    for part in [".SH EXAMPLES", "mainstay restore latest", ".SH ENVIRONMENT", "MAINSTAY_PASSWORD_COMMAND", "COMMAND"] {
        assert!(page.contains(part), "no {part:?} in {page}");
    }
    let page = world.ok(&["man", "restore"]).stdout;
    assert!(!page.contains(".SH ENVIRONMENT"), "{page}");
    let synopsis = page.split(".SH ").find(|section| section.starts_with("SYNOPSIS")).expect("a synopsis");
    for part in ["\\fBmainstay restore\\fR", "[\\fB\\-\\-target\\fR \\fIDIR\\fR]", "[\\fB\\-\\-verify\\fR]", "\\fISNAP"]
    {
        assert!(synopsis.contains(part), "no {part:?} in {synopsis}");
    }
}

#[test]
fn a_mistyped_topic_or_command_gets_the_nearest_one() {
    let world = World::new();
    for (verb, word, nearest) in
        [("help", "bakup", "backup"), ("help", "enviroment", "environment"), ("man", "restor", "restore")]
    {
        let ran = world.run(&[verb, word]);
        assert_eq!(ran.code, 2, "{ran:#?}");
        assert!(ran.stderr.contains(&format!("did you mean {nearest:?}?")), "{ran:#?}");
    }
    let ran = world.fails(&["help", "qqqqqq"], 2, "MS-1007");
    assert!(!ran.stderr.contains("did you mean"), "{ran:#?}");
}

#[test]
fn completion_offers_topics_and_the_commands_that_have_pages() {
    let world = World::new();
    let zsh = world.ok(&["completions", "zsh"]).stdout;
    let topics = zsh.lines().find(|line| line.contains("TOPIC") || line.contains("topic -- "));
    assert!(topics.is_some_and(|line| line.contains("exit-codes") && line.contains("MS-1101")), "{topics:?}");
}
