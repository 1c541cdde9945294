//! Ctrl-C and SIGTERM: once ends cleanly, twice at once.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStderr, ChildStdin, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::world::World;

/// A backup of standard input that has read some of it and waits for more.
struct Waiting {
    child: Child,
    input: Option<ChildStdin>,
    talk: BufReader<ChildStderr>,
}

impl Waiting {
    fn new(world: &World) -> Self {
        let mut command = world.command(&["backup", "--stdin-name", "x"]);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut input = child.stdin.take().expect("it is piped");
        let talk = BufReader::new(child.stderr.take().expect("it is piped"));
        // More than a pipe holds: when it is all taken, the run has begun and listens for signals.
        input.write_all(&crate::world::noise(4 << 20)).expect("it reads");
        Self { child, input: Some(input), talk }
    }

    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process");
        kill_process(id, signal).expect("it is our process");
    }

    fn await_line(&mut self, part: &str) {
        let found = self.talk.by_ref().lines().any(|line| line.expect("text").contains(part));
        assert!(found, "{part:?} was never said");
    }

    /// Ends the input and answers the exit code.
    fn finish(&mut self) -> Option<i32> {
        drop(self.input.take());
        self.await_end()
    }

    fn await_end(&mut self) -> Option<i32> {
        self.child.wait().expect("it ends").code()
    }
}

#[test]
fn one_signal_ends_a_backup_without_a_snapshot_and_the_next_uses_what_was_stored() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let world = World::backed_up();
        let before = world.snapshots();
        let mut waiting = Waiting::new(&world);
        waiting.signal(signal);
        waiting.await_line("stopping cleanly");
        drop(waiting.input.take());
        waiting.await_line("error[MS-1903]");
        waiting.await_line("run the command again: what was stored is used");
        assert_eq!(waiting.finish(), Some(code));
        assert_eq!(world.snapshots(), before);
        world.ok(&["check"]);
        world.ok(&["backup", "docs"]);
        world.ok(&["prune"]);
    }
}

#[test]
fn sigusr1_has_a_backup_say_where_it_stands() {
    let world = World::backed_up();
    let mut waiting = Waiting::new(&world);
    for _ in 0..2 {
        waiting.signal(Signal::USR1);
        waiting.await_line("Backing up: ");
    }
    assert_eq!(waiting.finish(), Some(0));
    assert_eq!(world.snapshots().len(), 2);
}

#[test]
fn two_signals_end_it_at_once_and_leave_nothing_in_the_way() {
    let world = World::backed_up();
    let mut waiting = Waiting::new(&world);
    waiting.signal(Signal::INT);
    waiting.await_line("stopping cleanly");
    waiting.signal(Signal::INT);
    // Its input is still open.
    assert_eq!(waiting.await_end(), Some(130));
    world.ok(&["prune"]);
    world.ok(&["backup", "docs"]);
}

#[test]
fn a_backup_that_was_killed_is_no_obstacle() {
    let world = World::backed_up();
    let mut waiting = Waiting::new(&world);
    waiting.child.kill().expect("it is our process");
    waiting.child.wait().expect("it ends");
    world.ok(&["backup", "docs"]);
    world.ok(&["prune"]);
    world.ok(&["check"]);
    assert_eq!(world.snapshots().len(), 2);
}

#[test]
fn a_prune_works_while_a_backup_is_open() {
    let world = World::backed_up();
    let mut waiting = Waiting::new(&world);
    world.ok(&["prune"]);
    assert_eq!(waiting.finish(), Some(0));
    world.ok(&["prune"]);
}
