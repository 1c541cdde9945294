//! Each command of a small life killed before each system call that changes something.

use std::sync::atomic::{AtomicU64, Ordering};

use super::calls::is_mutating;
use super::effort::mix;
use super::scene::Scene;
use super::stages::{STEPS, Stage};
use super::tracer::{Act, Call, Plan, trace};
use super::{Draws, Effort, Figures, WORKERS, say_seed};

/// Every so many kills, the run that recovers is killed as well; in the long form always, and up to so many times.
const COMPOUND: usize = 3;
const AGAIN: usize = 3;

/// Kills the process before a call that changes something, counted from 0 over all threads.
struct KillBefore {
    left: usize,
    has_killed: bool,
}

impl KillBefore {
    fn new(left: usize) -> Self {
        Self { left, has_killed: false }
    }
}

impl Plan for KillBefore {
    fn decide(&mut self, call: &Call) -> Act {
        if !is_mutating(call) {
            return Act::Proceed;
        }
        if self.left == 0 {
            // Whatever other threads are about to do is not done either.
            self.has_killed = true;
            return Act::Kill;
        }
        self.left -= 1;
        Act::Proceed
    }
}

#[derive(Default)]
struct Count {
    boundaries: AtomicU64,
    recoveries: AtomicU64,
}

/// One way through all boundaries.
struct Round<'c> {
    effort: Effort,
    seed: u64,
    worker: usize,
    count: &'c Count,
}

#[test]
fn a_command_killed_before_any_call_that_changes_something_is_finished_by_the_next_run() {
    let (effort, mut figures) = (Effort::asked(), Figures::of("kills at system calls"));
    let count = Count::default();
    let mut rounds = 0;
    while rounds == 0 || effort.goes_on() {
        let seed = effort.seed(rounds);
        say_seed("kills at system calls", seed);
        std::thread::scope(|scope| {
            for worker in 0..WORKERS {
                let round = Round { effort, seed, worker, count: &count };
                scope.spawn(move || round.run());
            }
        });
        rounds += 1;
    }
    let (boundaries, recoveries) = (count.boundaries.into_inner(), count.recoveries.into_inner());
    assert!(boundaries > 300, "{boundaries} boundaries: are the calls seen at all?");
    figures.add(STEPS.len() as u64, "commands");
    figures.add(boundaries, "calls that change something, a kill before each");
    figures.add(recoveries, "kills of the recovery");
    figures.add(0, "left that the next run did not finish alone");
    figures.publish(effort);
}

impl Round<'_> {
    fn run(&self) {
        let scene = Scene::new();
        for stage in &scene.stages {
            self.kill_everywhere(&scene, stage);
        }
    }

    /// Goes on from call to call until the command reaches its end before it is killed.
    fn kill_everywhere(&self, scene: &Scene, stage: &Stage) {
        for boundary in (self.worker..).step_by(WORKERS) {
            scene.reset(stage);
            let mut what = format!("{:?} killed before change {boundary} (seed {})", stage.step, self.seed);
            if !kill_once(scene, stage, boundary, &what) {
                return;
            }
            self.count.boundaries.fetch_add(1, Ordering::Relaxed);
            let mut draws = Draws::new(mix(self.seed) ^ boundary as u64);
            for _ in 0..self.kills_of_recovery(boundary, &mut draws) {
                let again = draws.below(boundary + 40);
                what.push_str(&format!(", its recovery before change {again}"));
                let was_killed = kill_once(scene, stage, again, &what);
                self.count.recoveries.fetch_add(u64::from(was_killed), Ordering::Relaxed);
            }
            scene.assert_recovers(stage, &what);
        }
    }

    fn kills_of_recovery(&self, boundary: usize, draws: &mut Draws) -> usize {
        match self.effort {
            Effort::Short => usize::from(boundary.is_multiple_of(COMPOUND)),
            Effort::Long(_) => 1 + draws.below(AGAIN),
        }
    }
}

/// Answers whether it was killed; a run that was not must have succeeded.
fn kill_once(scene: &Scene, stage: &Stage, boundary: usize, what: &str) -> bool {
    let mut plan = KillBefore::new(boundary);
    let traced = trace(&scene.command(stage), &scene.output(), &mut plan);
    if plan.has_killed {
        assert_eq!(traced.code, None, "{what}: {}", traced.output);
        return true;
    }
    let is_fine = traced.code == Some(0) || stage.is_done_already(&traced.output);
    assert!(is_fine, "{what}: {:?} {}", traced.code, traced.output);
    false
}
