//! Each system call of a small life failing, or doing half, one at a time.
//!
//! Owns what is asked of a command then: exit 0 only if the work is done, no panic, nothing confirmed lost, and no second
//! fsync of a file whose first one failed.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::calls::{Class, can_be_short, class, failures};
use super::scene::{Scene, Stage};
use super::tracer::{Act, Call, Plan, trace};
use super::{WORKERS, number, report};

/// Ways to fail that each call goes through in the short form; in the long one as many as it has.
const SHORT_ROUNDS: usize = 1;
const VARIABLE: &str = "MAINSTAY_GATE_ERROR_ROUNDS";

/// The exit code of a backup that says that something could not be read.
const INCOMPLETE: i32 = 3;

/// Lets one call fail, counted from 0 over all threads since the program's own code began.
struct FailOne {
    left: usize,
    /// Which of the ways that the call has.
    round: usize,
    has_begun: bool,
    done: Option<(libc::c_long, Act)>,
    never_synced_again: HashSet<PathBuf>,
    synced_again: Option<PathBuf>,
}

impl FailOne {
    fn new(left: usize, round: usize) -> Self {
        Self { left, round, has_begun: false, done: None, never_synced_again: HashSet::new(), synced_again: None }
    }

    /// What the call is let do when its turn has come.
    fn act(&self, call: &Call, class: Class) -> Act {
        let errors = failures(class);
        let turn = (self.round + self.left_hash(call)) % (errors.len() + usize::from(can_be_short(call)));
        errors.get(turn).map_or(Act::Halve, |error| Act::Fail(*error))
    }

    /// So that neighbouring calls of one kind fail in different ways.
    fn left_hash(&self, call: &Call) -> usize {
        (call.arguments[0] ^ call.arguments[2]) as usize % 5
    }

    fn watch_sync(&mut self, call: &Call) {
        let path = call.file().filter(|path| !path.is_dir());
        self.synced_again = self.synced_again.take().or(path.filter(|path| self.never_synced_again.contains(path)));
    }
}

impl Plan for FailOne {
    fn decide(&mut self, call: &Call) -> Act {
        // The standard library asks for this before `main`; what comes before it is the loader's.
        self.has_begun |= call.number == libc::SYS_sigaltstack;
        let Some(class) = class(call).filter(|_| self.has_begun) else { return Act::Proceed };
        if class == Class::Sync {
            self.watch_sync(call);
        }
        if self.done.is_some() {
            return Act::Proceed;
        }
        if self.left > 0 {
            self.left -= 1;
            return Act::Proceed;
        }
        let act = self.act(call, class);
        self.done = Some((call.number, act));
        if class == Class::Sync && matches!(act, Act::Fail(_)) {
            self.never_synced_again.extend(call.file());
        }
        act
    }
}

#[derive(Default)]
struct Count {
    injected: AtomicUsize,
    survived: AtomicUsize,
}

#[test]
fn no_command_says_that_it_succeeded_when_a_system_call_failed_and_the_work_is_not_done() {
    let count = Count::default();
    let rounds = number(VARIABLE, SHORT_ROUNDS);
    std::thread::scope(|scope| {
        for worker in 0..WORKERS {
            let count = &count;
            scope.spawn(move || {
                let scene = Scene::new();
                for stage in &scene.stages {
                    (0..rounds).for_each(|round| fail_everywhere(&scene, stage, (worker, round), count));
                }
            });
        }
    });
    let (injected, survived) = (count.injected.into_inner(), count.survived.into_inner());
    report(
        "system-call-errors",
        &format!(
            "{injected} errors (ENOSPC, EIO, EDQUOT, EMFILE, EINTR, half done) at every system call of 8 commands: 0 false \
             successes ({survived} did the whole work all the same), 0 panics, no second fsync, 0 confirmed snapshots lost"
        ),
    );
}

fn fail_everywhere(scene: &Scene, stage: &Stage, (worker, round): (usize, usize), count: &Count) {
    for position in (worker..).step_by(WORKERS) {
        scene.reset(stage);
        let mut plan = FailOne::new(position, round);
        let traced = trace(&scene.command(stage), &scene.output(), &mut plan);
        let Some((call, act)) = plan.done else { return };
        let what = format!("{}, call {position} (number {call}): {act:?}", stage.name);
        let told = format!("{what}: {:?} {}", traced.code, traced.output);
        assert!(traced.code.is_some_and(|code| code != 101), "{told}");
        assert!(!traced.output.contains("panicked"), "{told}");
        assert_eq!(plan.synced_again, None, "{told}");
        if traced.code == Some(0) {
            scene.assert_done(stage, &told);
            count.survived.fetch_add(1, Ordering::Relaxed);
        }
        let is_incomplete = traced.code == Some(INCOMPLETE);
        let incomplete = if is_incomplete { scene.new_snapshots(stage, &told) } else { Vec::new() };
        scene.assert_recovers_but(stage, &incomplete, &told);
        count.injected.fetch_add(1, Ordering::Relaxed);
    }
}
