//! Each system call of a small life failing, or doing half, one at a time.
//!
//! Owns what is asked of a command then: exit 0 only if the work is done, no panic, nothing confirmed lost, and no second
//! fsync of a file whose first one failed.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use super::calls::{Class, can_be_short, class, failures, is_mutating, name_of};
use super::scene::Scene;
use super::stages::{STEPS, Stage, assert_done};
use super::tracer::{Act, Call, Plan, Traced, trace};
use super::{Effort, Figures, WORKERS};

/// Ways to fail that each call goes through: one in the short form, in the long one as many as any has.
const SHORT_ROUNDS: usize = 1;
const LONG_ROUNDS: usize = 5;
/// After a call that changes nothing has failed, so many apart the next run is tried too in the short form; in the long one
/// always, as after every other call.
const RECOVERIES: usize = 4;

/// The exit code of a backup that says that something could not be read.
const INCOMPLETE: i32 = 3;

/// Lets one call fail, counted from 0 over all threads since the program's own code began.
struct FailOne {
    left: usize,
    /// Which of the ways that the call has.
    round: usize,
    has_begun: bool,
    done: Option<Done>,
    never_synced_again: HashSet<PathBuf>,
    synced_again: Option<PathBuf>,
}

/// What was done to which call.
#[derive(Clone, Copy)]
struct Done {
    number: libc::c_long,
    act: Act,
    is_mutating: bool,
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
        self.done = Some(Done { number: call.number, act, is_mutating: is_mutating(call) });
        if class == Class::Sync && matches!(act, Act::Fail(_)) {
            self.never_synced_again.extend(call.file());
        }
        act
    }

    fn is_over(&self) -> bool {
        self.done.is_some() && self.never_synced_again.is_empty()
    }
}

#[derive(Default)]
struct Tally {
    /// By what the call was let do.
    injected: BTreeMap<&'static str, u64>,
    /// Commands that did the whole work all the same.
    survived: u64,
}

#[test]
fn no_command_says_that_it_succeeded_when_a_system_call_failed_and_the_work_is_not_done() {
    let (effort, figures) = (Effort::asked(), Figures::of("errors of system calls"));
    let tally = Mutex::new(Tally::default());
    let least = if effort.is_long() { LONG_ROUNDS } else { SHORT_ROUNDS };
    let mut round = 0;
    while round < least || effort.goes_on() {
        std::thread::scope(|scope| {
            for worker in 0..WORKERS {
                let tally = &tally;
                scope.spawn(move || {
                    let scene = Scene::new();
                    let round = Round { effort, number: round, worker, tally };
                    scene.stages.iter().for_each(|stage| round.fail_everywhere(&scene, stage));
                });
            }
        });
        round += 1;
    }
    tally.into_inner().unwrap_or_else(PoisonError::into_inner).publish(effort, figures);
}

impl Tally {
    fn publish(self, effort: Effort, mut figures: Figures) {
        let injected = self.injected.values().sum();
        assert!(injected >= 2000, "{injected} errors: are the calls seen at all?");
        let kinds: Vec<String> = self.injected.iter().map(|(name, count)| format!("{name} {count}")).collect();
        figures.add(STEPS.len() as u64, "commands");
        figures.add(injected, format!("errors, at every call ({})", kinds.join(", ")));
        figures.add(self.survived, "commands that did the whole work all the same");
        figures.add(0, "false successes");
        figures.publish(effort);
    }
}

/// One way through all calls.
struct Round<'t> {
    effort: Effort,
    number: usize,
    worker: usize,
    tally: &'t Mutex<Tally>,
}

impl Round<'_> {
    /// Goes on from call to call until the command reaches its end before one fails.
    fn fail_everywhere(&self, scene: &Scene, stage: &Stage) {
        for position in (self.worker..).step_by(WORKERS) {
            scene.reset(stage);
            let mut plan = FailOne::new(position, self.number);
            let traced = trace(&scene.command(stage), &scene.output(), &mut plan);
            let Some(done) = plan.done else { return };
            let what = format!("{:?}, call {position} (number {}): {:?}", stage.step, done.number, done.act);
            let told = format!("{what}: {:?} {}", traced.code, traced.output);
            assert_eq!(plan.synced_again, None, "{told}");
            Self::judge(scene, stage, &traced, &told);
            if done.is_mutating || self.effort.is_long() || (position / WORKERS).is_multiple_of(RECOVERIES) {
                let is_incomplete = traced.code == Some(INCOMPLETE);
                let incomplete = if is_incomplete { scene.new_snapshots(&told) } else { Vec::new() };
                scene.assert_recovers_but(stage, &incomplete, &told);
            }
            let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
            *tally.injected.entry(name_of(done.act)).or_default() += 1;
            tally.survived += u64::from(traced.code == Some(0));
        }
    }

    /// Who says that it succeeded has; nobody panics.
    fn judge(scene: &Scene, stage: &Stage, traced: &Traced, told: &str) {
        assert!(traced.code.is_some_and(|code| code != 101), "{told}");
        assert!(!traced.output.contains("panicked"), "{told}");
        if traced.code == Some(0) {
            assert_done(scene, stage, told);
        }
    }
}
