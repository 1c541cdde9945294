//! Secrets never reach output, arguments or other processes' environments.

use std::io::Write as _;
use std::process::Stdio;

use crate::world::{World, run};

const CANARY: &str = "canary-yellow-bird-77";

#[test]
fn a_passphrase_is_in_no_output_whatever_happens() {
    let world = World::with_files();
    world.write("secret.txt", CANARY.as_bytes());
    world.write("wrong.txt", format!("{CANARY}-wrong").as_bytes());
    let mut seen = String::new();
    for arguments in [
        &["init", "--verbose"][..],
        &["backup", "docs", "--verbose"],
        &["key", "add", "--new-password-file", "wrong.txt", "--json"],
        &["key", "list", "--json"],
        &["ls", "nothing"],
    ] {
        seen += &world.run(&[arguments, &["--password-file", "secret.txt"]].concat()).all();
        let mut by_failing = world.command(arguments);
        let failing = format!("/nonexistent {CANARY}");
        seen += &run(by_failing.env("MAINSTAY_PASSWORD_COMMAND", failing)).all();
    }
    seen += &world.run(&["snapshots", "--password-file", "wrong.txt"]).all();
    seen += &world.run(&["init", "--password-file", "wrong.txt"]).all();
    let mut by_command = world.command(&["stats", "--json"]);
    seen += &run(by_command.env("MAINSTAY_PASSWORD_COMMAND", format!("echo {CANARY}"))).all();
    assert!(seen.contains("error[") && !seen.contains("canary"), "{seen}");
}

#[test]
fn generated_codes_are_in_their_files_and_nowhere_else() {
    let world = World::with_files();
    let mut seen = world.ok(&["backup", "docs", "--verbose"]).all();
    seen += &world.ok(&["key", "export-kit", "kit.txt", "--json"]).all();
    seen += &world.ok(&["key", "list", "--json"]).all();
    assert!(!seen.contains("MSK1"), "{seen}");
    for file in crate::world::files(&world.repository()) {
        let bytes = std::fs::read(&file).expect("an object");
        assert!(!bytes.windows(4).any(|window| window == b"MSK1"), "{}", file.display());
    }
}

#[test]
fn a_running_backup_shows_no_secret_in_its_arguments() {
    let world = World::with_files();
    world.write("secret.txt", CANARY.as_bytes());
    world.ok(&["init", "--password-file", "secret.txt"]);
    let mut command = world.command(&["backup", "--stdin-name", "x", "--password-file", "secret.txt"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary starts");
    let mut input = child.stdin.take().expect("it is piped");
    // More than a pipe holds: when it is all taken, the repository is open and the backup reads.
    input.write_all(&vec![7; 1 << 20]).expect("it reads");
    for name in ["cmdline", "environ"] {
        let bytes = std::fs::read(format!("/proc/{}/{name}", child.id())).expect("it is our process");
        assert!(!String::from_utf8_lossy(&bytes).contains("canary"), "{name}");
    }
    drop(input);
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}
