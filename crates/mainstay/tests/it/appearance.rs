//! How output looks: colours, progress, and names that would play tricks on a terminal.

use std::io::Write as _;
use std::process::Stdio;

use crate::terminal::Terminal;
use crate::world::{World, os, run};

const ESCAPE: char = '\u{1b}';

#[test]
fn output_that_is_not_a_terminal_has_no_colours() {
    let world = World::backed_up();
    for arguments in [&["snapshots"][..], &["--help"], &["ls", "nothing"], &["bakcup"]] {
        let ran = world.run(arguments);
        assert!(!ran.all().contains(ESCAPE), "{ran:#?}");
    }
}

#[test]
fn colours_follow_the_flag_then_no_color_then_force_color() {
    let world = World::backed_up();
    let is_coloured = |arguments: &[&str], variables: &[(&str, &str)]| {
        let ran = run(world.command(arguments).envs(variables.iter().copied()));
        ran.all().contains(ESCAPE)
    };
    for arguments in [&["snapshots"][..], &["ls", "nothing"]] {
        let with = |flag: &'static str| [arguments, &["--color", flag]].concat();
        assert!(is_coloured(arguments, &[("FORCE_COLOR", "1")]), "{arguments:?}");
        assert!(!is_coloured(arguments, &[("FORCE_COLOR", "1"), ("NO_COLOR", "1")]), "{arguments:?}");
        assert!(is_coloured(&with("always"), &[("NO_COLOR", "1")]), "{arguments:?}");
        assert!(!is_coloured(&with("never"), &[("FORCE_COLOR", "1")]), "{arguments:?}");
    }
    assert!(is_coloured(&["--help", "--color=always"], &[]));
}

#[test]
fn hostile_names_are_shown_with_escapes_everywhere() {
    let world = World::new();
    let hostile = "a\u{1b}[2J\u{1b}]0;title\u{7}\nb\u{202e}c";
    let directory = world.path("odd");
    std::fs::create_dir(&directory).expect("a directory");
    std::fs::write(directory.join(hostile), b"x").expect("a file");
    std::fs::write(directory.join(os(b"\xff\xfe")), b"x").expect("a file");
    std::os::unix::fs::symlink(hostile, directory.join("link")).expect("a link");
    world.ok(&["backup", "odd", "--source", hostile, "--tag", hostile]);
    std::fs::write(directory.join(hostile), b"longer").expect("a file");
    world.ok(&["backup", "odd", "--source", hostile]);
    let shown = "a\\x1b[2J\\x1b]0;title\\x07\\nb\\u{202e}c";
    let file = format!("latest:{}", world.absolute("odd"));
    for arguments in [
        &["snapshots"][..],
        &["status"],
        &["ls", "--long", &file],
        &["ls", "-R", "latest"],
        &["find", "*\u{1b}*"],
        &["diff", "latest~1", "latest"],
        &["history", &format!("odd/{hostile}")],
        &["restore", "latest", "--target", "out", "--dry-run"],
        &["restore", "latest", "--target", hostile],
        &["forget", "--keep-last", "1", "--dry-run"],
        &["ls", &format!("latest:/{hostile}")],
        &["ls", hostile],
        &["backup", &format!("nowhere{hostile}")],
        &[hostile],
    ] {
        let ran = world.run(arguments);
        let all = ran.all();
        let is_clean = |c: char| !c.is_control() || c == '\n';
        assert!(all.chars().all(is_clean) && !all.contains('\u{202e}'), "{arguments:?}: {ran:#?}");
    }
    assert!(world.ok(&["ls", "--long", &file]).stdout.contains(&format!("link -> {shown}")));
}

#[test]
fn json_carries_names_whole() {
    let world = World::new();
    let directory = world.path("odd");
    std::fs::create_dir(&directory).expect("a directory");
    std::fs::write(directory.join("\u{1b}[2J"), b"x").expect("a file");
    std::fs::write(directory.join(os(b"\xff")), b"x").expect("a file");
    world.ok(&["backup", "odd"]);
    let odd = world.absolute("odd");
    let listed = world.document(&["ls", &format!("latest:{odd}")]);
    assert_eq!(listed[0]["path"], format!("{odd}/\u{1b}[2J"));
    assert!(listed[0].get("path_hex").is_none());
    assert_eq!(listed[1]["path"], format!("{odd}/\u{fffd}"));
    assert!(listed[1]["path_hex"].as_str().is_some_and(|hex| hex.ends_with("2fff")), "{listed}");
}

#[test]
fn quiet_prints_results_only() {
    let world = World::backed_up();
    for arguments in [&["backup", "docs"][..], &["snapshots"], &["diff", "latest", "latest"], &["check"]] {
        let ran = world.ok(&[arguments, &["--quiet"]].concat());
        assert_eq!(ran.stderr, "", "{ran:#?}");
    }
    assert!(world.ok(&["snapshots", "--verbose"]).stderr.contains("repository "));
}

/// What a terminal shows of a backup of standard input that waits for more, and how it ends.
fn watched(world: &World, variables: &[(&str, &str)], arguments: &[&str], sign: &str) -> (String, Option<i32>) {
    let mut terminal = Terminal::open();
    let mut command = world.command(&[&["backup", "--stdin-name", "x"], arguments].concat());
    command.envs(variables.iter().copied());
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::from(terminal.end()));
    let mut child = command.spawn().expect("the binary starts");
    drop(command);
    let mut input = child.stdin.take().expect("it is piped");
    input.write_all(b"some bytes").expect("it reads");
    terminal.await_text(sign);
    drop(input);
    let code = child.wait().expect("it ends").code();
    (terminal.shown(), code)
}

#[test]
fn a_terminal_shows_progress_and_nothing_of_it_stays() {
    let world = World::backed_up();
    let (shown, code) = watched(&world, &[], &[], "Backing up: ");
    assert_eq!(code, Some(0), "{shown}");
    let (_, after) = shown.rsplit_once("Backing up: ").expect("it was shown");
    assert!(after.contains("\u{1b}[2K") && after.contains("next: "), "{shown:?}");
}

#[test]
fn a_dumb_terminal_and_no_progress_get_plain_lines_only() {
    let world = World::backed_up();
    for (variables, arguments) in [(&[("TERM", "dumb")][..], &[][..]), (&[], &["--no-progress", "--color", "never"])] {
        let arguments = [arguments, &["--verbose"]].concat();
        let (shown, code) = watched(&world, variables, &arguments, "repository ");
        assert_eq!(code, Some(0), "{shown}");
        assert!(!shown.contains(ESCAPE) && !shown.contains("Backing up"), "{shown:?}");
    }
}
