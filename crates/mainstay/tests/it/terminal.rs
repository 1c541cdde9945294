//! A terminal, and a person who types at it.
//!
//! Owns the pseudo-terminal. What a test asserts stands in the tests.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::Stdio;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::world::{Ran, World};

/// A terminal: what is written to the one end is shown at the other.
pub struct Terminal {
    person: File,
    name: String,
    shown: Vec<u8>,
}

impl Terminal {
    pub fn open() -> Self {
        let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&person).expect("a terminal");
        unlockpt(&person).expect("a terminal");
        let name = ptsname(&person, Vec::new()).expect("a terminal has a name");
        let name = name.into_string().expect("a plain path");
        Self { person: File::from(person), name, shown: Vec::new() }
    }

    /// The end that a program gets.
    pub fn end(&self) -> OwnedFd {
        File::options().read(true).write(true).open(&self.name).expect("the other end").into()
    }

    pub fn type_text(&mut self, text: &str) {
        self.person.write_all(text.as_bytes()).expect("the terminal takes it");
    }

    /// Waits until something is shown.
    pub fn await_text(&mut self, text: &str) {
        read_until(&mut self.person, &mut self.shown, text);
    }

    /// Everything that was shown; no program may have the terminal any more.
    pub fn shown(mut self) -> String {
        // The end of a terminal that nobody has open is an error.
        let _ = self.person.read_to_end(&mut self.shown);
        String::from_utf8_lossy(&self.shown).into_owned()
    }
}

/// Reads on until what was read since now holds a text.
fn read_until(from: &mut impl io::Read, read: &mut Vec<u8>, text: &str) {
    let begin = read.len();
    let mut byte = [0];
    while !String::from_utf8_lossy(&read[begin..]).contains(text) {
        let count = from.read(&mut byte).expect("it can be read");
        assert_eq!(count, 1, "no {text:?} in {}", String::from_utf8_lossy(read));
        read.push(byte[0]);
    }
}

/// Runs a command whose standard input is a terminal, at which a person answers each question, given by some of its
/// words; also returns what the terminal showed of the typing.
pub fn at_terminal(world: &World, arguments: &[&str], answers: &[(&str, &str)]) -> (Ran, String) {
    let mut terminal = Terminal::open();
    // Without it the terminal would be gone with the program.
    let keep = terminal.end();
    let mut command = world.command(arguments);
    command.stdin(Stdio::from(terminal.end())).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary starts");
    // The command holds an end of the terminal, too.
    drop(command);
    let mut talk = child.stderr.take().expect("it is piped");
    let mut said = Vec::new();
    for (question, answer) in answers {
        read_until(&mut talk, &mut said, question);
        terminal.type_text(answer);
    }
    talk.read_to_end(&mut said).expect("the rest");
    let mut stdout = String::new();
    child.stdout.take().expect("it is piped").read_to_string(&mut stdout).expect("text");
    let code = child.wait().expect("it ends").code().unwrap_or(-1);
    drop(keep);
    let ran = Ran { code, stdout, stderr: String::from_utf8_lossy(&said).into_owned() };
    (ran, terminal.shown())
}
