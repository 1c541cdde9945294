//! What is known of a simulated history: what was confirmed where, and what was told on the way.
//!
//! Owns the dice as well. Touches no store.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::fixtures::{CREATED, Failure, Files, process};
use crate::id::SnapshotId;
use crate::lease::Liveness;
use crate::prune::tests::thinning::small;
use crate::repository::SnapshotPlace;

pub const DAY: i64 = 24 * 3600 * 1_000_000_000;

/// What is known of one of the repositories.
#[derive(Default)]
pub struct Side {
    /// What confirmed snapshots hold that nobody has forgotten.
    pub kept: BTreeMap<SnapshotId, Files>,
    /// What those hold that were forgotten and may come back.
    pub forgotten: BTreeMap<SnapshotId, Files>,
    /// All that were ever there.
    pub ever: BTreeSet<SnapshotId>,
    /// What somebody remembers who looks now and then.
    pub memory: String,
}

/// What is known of a history: of two copies of a repository that are synchronised now and then.
pub struct World {
    pub state: u64,
    pub last: u64,
    pub processes: u32,
    pub sides: [Side; 2],
    /// What was to be in each snapshot, confirmed or not, by its sequence.
    pub contents: BTreeMap<u64, Files>,
    /// Opens the repository for whoever opens nothing in it.
    pub maintainer: String,
    pub counts: BTreeMap<&'static str, u64>,
    pub log: Vec<String>,
}

pub type Shared = Arc<Mutex<World>>;

impl World {
    /// SplitMix64 (Steele et al., OOPSLA 2014).
    pub fn below(&mut self, end: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end.max(1)
    }

    pub fn files(&mut self) -> Files {
        let (step, from) = (1 + self.below(4), self.below(6));
        let mut files = small((from..from + 12).step_by(step as usize));
        if self.below(3) == 0 {
            let seed = self.below(3);
            files.insert(format!("large {seed}"), crate::fixtures::sparse(100 + seed, 300_000));
        }
        files
    }

    /// A living process, whose clock may be wrong by weeks.
    pub fn process(&mut self) -> Liveness {
        self.processes += 1;
        let skew = match self.below(4) {
            0 => self.below(40) as i64 * DAY - 20 * DAY,
            _ => 0,
        };
        Liveness { now: Arc::new(move || CREATED + skew), ..process(self.processes, Some(1)) }
    }

    pub fn failure(&mut self) -> Failure {
        let at = self.below(60);
        match self.below(10) {
            0 => Failure::From(at),
            1 => Failure::Once(at),
            2 => Failure::Lost(at),
            _ => Failure::Never,
        }
    }

    /// Notes a snapshot that a sync has brought; one that another sync had brought may be forgotten by now.
    pub fn arrive(&mut self, side: usize, place: &SnapshotPlace) {
        if self.sides[side].ever.insert(place.id) {
            self.sides[side].kept.insert(place.id, self.contents[&place.sequence].clone());
        }
    }

    pub fn any_of(&mut self, side: usize, which: fn(&Side) -> &BTreeMap<SnapshotId, Files>) -> Option<SnapshotId> {
        let number = self.below(which(&self.sides[side]).len() as u64);
        which(&self.sides[side]).keys().nth(number as usize).copied()
    }
}

/// Where an operation takes place.
#[derive(Clone, Copy)]
pub struct At<'w> {
    pub world: &'w Shared,
    pub side: usize,
    /// Operations that stand still around it.
    pub depth: u32,
}

impl At<'_> {
    pub fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    pub fn note(&self, world: &mut World, what: &'static str, story: &str) {
        *world.counts.entry(what).or_default() += 1;
        world.log.push(format!("{}{}: {story}", "    ".repeat(self.depth as usize), ["A", "B"][self.side]));
    }

    pub fn tell(&self, what: &'static str, story: &str) {
        self.note(&mut self.lock(), what, story);
    }
}
