//! Simulated histories of the real code: sessions stand still anywhere while others run, whose clocks are wrong, whose
//! processes die, and whose replies are lost. Then the faults stop, and everything that was confirmed must be there.
//!
//! A seed is a history; the long form runs as many at once as there are processors. `MAINSTAY_SIMULATION_SEEDS` says how many
//! are run at least, `MAINSTAY_SIMULATION_FIRST` from which on; `MAINSTAY_SOAK_MINUTES` for how long.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::*;
use crate::fixtures::effort::Effort;
use crate::fixtures::{CREATED, FailingStore, Failure, draft, read_back, secret, store_files};
use crate::id::SnapshotId;
use crate::keys::Secret;
use crate::lease::Liveness;
use crate::repair::{Means, OnLoss, RepairMode, RepairOptions};
use crate::session::Presence;

const SEEDS: u64 = 2000;
/// The same in the long form.
const MANY_SEEDS: u64 = 200_000;
const DAY: i64 = 24 * 3600 * 1_000_000_000;
/// Operations that stand still within each other.
const DEPTH: u32 = 3;
/// Operations of a history, but for those within others.
const OPERATIONS: u64 = 5;

/// Operations from this number on are those of a maintainer.
const BLIND: u64 = 15;

/// What is known of a history.
struct World {
    state: u64,
    last: u64,
    processes: u32,
    /// What confirmed snapshots hold that nobody has forgotten.
    kept: BTreeMap<SnapshotId, Files>,
    /// What those hold that were forgotten and may come back.
    forgotten: BTreeMap<SnapshotId, Files>,
    /// What somebody remembers who looks now and then.
    memory: String,
    /// Opens the repository for whoever opens nothing in it.
    maintainer: String,
    counts: BTreeMap<&'static str, u64>,
    log: Vec<String>,
}

type Shared = Arc<Mutex<World>>;

impl World {
    /// SplitMix64 (Steele et al., OOPSLA 2014).
    fn below(&mut self, end: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end.max(1)
    }

    fn files(&mut self) -> Files {
        let (step, from) = (1 + self.below(4), self.below(6));
        let mut files = super::thinning::small((from..from + 12).step_by(step as usize));
        if self.below(3) == 0 {
            let seed = self.below(3);
            files.insert(format!("large {seed}"), crate::fixtures::sparse(100 + seed, 300_000));
        }
        files
    }

    /// A living process, whose clock may be wrong by weeks.
    fn process(&mut self) -> Liveness {
        self.processes += 1;
        let skew = match self.below(4) {
            0 => self.below(40) as i64 * DAY - 20 * DAY,
            _ => 0,
        };
        Liveness { now: Arc::new(move || CREATED + skew), ..process(self.processes, Some(1)) }
    }

    fn failure(&mut self) -> Failure {
        let at = self.below(60);
        match self.below(10) {
            0 => Failure::From(at),
            1 => Failure::Once(at),
            2 => Failure::Lost(at),
            _ => Failure::Never,
        }
    }

    fn any_of(&mut self, which: fn(&Self) -> &BTreeMap<SnapshotId, Files>) -> Option<SnapshotId> {
        let number = self.below(which(self).len() as u64);
        which(self).keys().nth(number as usize).copied()
    }

    fn note(&mut self, what: &'static str, depth: u32, story: &str) {
        *self.counts.entry(what).or_default() += 1;
        self.log.push(format!("{}{story}", "    ".repeat(depth as usize)));
    }
}

/// Runs one operation; at one of its calls others may run as a whole.
fn operate(world: &Shared, store: &MemoryStore, depth: u32) {
    let (liveness, failure, event, choice) = {
        let mut world = world.lock().unwrap();
        let event = (depth < DEPTH && world.below(4) > 0).then(|| (world.below(50), 1 + world.below(2)));
        (world.process(), world.failure(), event, world.below(18))
    };
    let failing = FailingStore::new(store.clone(), failure);
    if let Some((call, count)) = event {
        let (world, store) = (world.clone(), store.clone());
        failing.before(call, move || (0..count).for_each(|_| operate(&world, &store, depth + 1)));
    }
    let maintainer = Secret::from_text(&world.lock().unwrap().maintainer);
    let opened_by = if choice >= BLIND { &maintainer } else { &secret() };
    let Ok(repository) = Repository::open(Arc::new(failing), opened_by, liveness) else { return };
    match choice {
        0..=3 => back_up_something(world, &repository, depth),
        4 | 5 => believe_the_last(world, &repository, depth),
        6 | 7 => forget_something(world, &repository, depth),
        8 => undelete_something(world, &repository, depth),
        9 | 10 => look(world, &repository, depth),
        11 => damage_something(world, (&repository, store), depth),
        12 => repair_something(world, &repository, depth),
        _ => {
            let blind = if choice >= BLIND { "a blind prune" } else { "prune" };
            world.lock().unwrap().note(blind, depth, &format!("{blind} begins, {failure:?}, {event:?}"));
            let pruned = repository.prune().map(|report| report.waiting);
            let story = || world.lock().unwrap().log.join("\n");
            // No listing was short: whatever is removed or void, each snapshot leads to the one before it.
            assert!(!matches!(pruned, Err(Error::HistoryGap { .. })), "{pruned:?}\n{}", story());
            let mut world = world.lock().unwrap();
            world.note("pruned", depth, &format!("prune ends: {pruned:?}"));
            if choice >= BLIND && pruned.is_ok() {
                world.note("blindly pruned", depth, "it opened nothing");
            }
        }
    }
}

fn back_up_something(world: &Shared, repository: &Repository, depth: u32) {
    let (files, sequence) = {
        let mut world = world.lock().unwrap();
        world.last += 1;
        let sequence = world.last;
        world.note("backup", depth, &format!("back up {sequence}"));
        (world.files(), sequence)
    };
    let backed = || -> Result<SnapshotId> {
        let session = Session::begin(repository, Sharing::Shared)?;
        let (root, blocks) = store_files(&session, &files)?;
        let mut draft = draft("data", sequence, root, blocks);
        draft.snapshot.previous = newest(&session);
        Ok(session.commit(draft)?.entry.id)
    };
    let backed = backed();
    confirm(world, depth, backed.map(|id| (id, files)));
}

/// The snapshot that a session goes on from.
fn newest(session: &Session<'_>) -> Option<SnapshotId> {
    session.history().iter().max_by_key(|entry| entry.snapshot.sequence).map(|entry| entry.id)
}

/// A backup that finds nothing changed: it refers to blocks that it has not looked up.
fn believe_the_last(world: &Shared, repository: &Repository, depth: u32) {
    let sequence = {
        let mut world = world.lock().unwrap();
        world.last += 1;
        let sequence = world.last;
        world.note("believing backup", depth, &format!("back up {sequence}, unchanged"));
        sequence
    };
    let backed = || -> Result<Option<(SnapshotId, Files)>> {
        let session = Session::begin(repository, Sharing::Shared)?;
        let parent = session.history().iter().rev().find(|entry| !entry.forgotten).cloned();
        let parent = parent.filter(|entry| world.lock().unwrap().kept.contains_key(&entry.id));
        let Some(parent) = parent else { return Ok(None) };
        let files = world.lock().unwrap().kept.get(&parent.id).cloned().unwrap_or_default();
        let blocks = repository.references(&parent)?;
        let (_, more) = store_files(&session, &files_of(&[("one more", sequence, 500)]))?;
        let mut believed = draft("data", sequence, parent.snapshot.root.clone(), blocks);
        believed.blocks.union(&more);
        believed.presence = Presence::Believed;
        believed.snapshot.parent = Some(parent.id);
        believed.snapshot.previous = newest(&session);
        let id = session.commit(believed)?.entry.id;
        Ok(Some((id, files)))
    };
    match backed() {
        Ok(None) => {}
        Ok(Some(confirmed)) => confirm(world, depth, Ok(confirmed)),
        Err(error) => confirm(world, depth, Err(error)),
    }
}

fn confirm(world: &Shared, depth: u32, backed: Result<(SnapshotId, Files)>) {
    let mut world = world.lock().unwrap();
    match backed {
        Ok((id, files)) => {
            world.note("confirmed", depth, &format!("confirmed {}", id.short()));
            world.kept.insert(id, files);
        }
        Err(Error::Fenced { .. }) => world.note("fenced", depth, "the backup was fenced"),
        Err(error) => world.note("failed", depth, &format!("the backup fails: {error}")),
    }
}

/// Somebody who remembers what he saw, and who must never be told that it was rewound: nobody lies here.
fn look(world: &Shared, repository: &Repository, depth: u32) {
    let mut seen = repository.recall(&world.lock().unwrap().memory);
    let mut looked = || -> Result<()> {
        let listing = repository.list_snapshots()?;
        let rewound = repository.rewinds(&seen, &listing)?;
        assert!(rewound.is_empty(), "{rewound:?}\n{}", world.lock().unwrap().log.join("\n"));
        repository.remember(&mut seen, &listing, &rewound)
    };
    let is_remembered = looked().is_ok();
    let mut shared = world.lock().unwrap();
    if is_remembered {
        shared.memory = repository.memorize(&seen);
        shared.note("looked", depth, &format!("remembers {:?}", seen.heads().next().map(|head| head.id.short())));
    }
}

fn forget_something(world: &Shared, repository: &Repository, depth: u32) {
    let mut shared = world.lock().unwrap();
    let Some(id) = shared.any_of(|world| &world.kept) else { return };
    let files = shared.kept.remove(&id).unwrap_or_default();
    shared.note("forget", depth, &format!("forget {}", id.short()));
    drop(shared);
    // Whether it is forgotten after a failure is not known.
    if repository.forget(id, 0).is_ok() {
        world.lock().unwrap().forgotten.insert(id, files);
    }
}

fn undelete_something(world: &Shared, repository: &Repository, depth: u32) {
    let mut shared = world.lock().unwrap();
    let Some(id) = shared.any_of(|world| &world.forgotten) else { return };
    let files = shared.forgotten.remove(&id).unwrap_or_default();
    drop(shared);
    let undeleted = repository.undelete(id);
    let mut shared = world.lock().unwrap();
    shared.note("undelete", depth, &format!("undelete {}: {undeleted:?}", id.short()));
    if undeleted.is_ok() {
        shared.note("undeleted", depth, "it is back");
        shared.kept.insert(id, files);
    }
}

/// Damages a pack as far as its parity can undo it.
fn damage_something(world: &Shared, (repository, store): (&Repository, &MemoryStore), depth: u32) {
    if repository.add_parity(None, 30, &Unobserved).is_err() {
        return;
    }
    let has_parity = |name: &String| {
        let id = names::parse_pack(name).unwrap().0;
        named(store, names::PARITY).iter().any(|sidecar| names::parse_parity(sidecar).unwrap().0 == id)
    };
    let packs: Vec<String> = named(store, names::PACKS).into_iter().filter(has_parity).collect();
    let mut world = world.lock().unwrap();
    let number = world.below(packs.len() as u64) as usize;
    let Some(pack) = packs.get(number) else { return };
    world.note("damage", depth, &format!("damage {pack}"));
    // Always the same cell, so that no number of damages is more than the parity.
    let (at, bit) = (40 + world.below(60) as usize, world.below(8));
    store.damage(pack, |bytes| bytes[at] ^= 1 << bit);
}

fn repair_something(world: &Shared, repository: &Repository, depth: u32) {
    world.lock().unwrap().note("repair", depth, "repair begins");
    let repaired = repository.repair(RepairOptions { mode: RepairMode::Apply, on_loss: OnLoss::Keep });
    let mut world = world.lock().unwrap();
    world.note("repaired", depth, &format!("repair ends: {repaired:?}"));
    if repaired.is_ok_and(|report| report.repaired.iter().any(|repaired| repaired.means == Means::Parity)) {
        world.note("healed", depth, "something is healed");
    }
}

/// Runs a history, then lets everybody finish.
fn simulate(seed: u64) -> BTreeMap<&'static str, u64> {
    let store = MemoryStore::default();
    let maintainer = super::blind::maintainer(&create(store.clone()));
    let world = Arc::new(Mutex::new(World {
        state: seed,
        last: 0,
        processes: 1,
        kept: BTreeMap::new(),
        forgotten: BTreeMap::new(),
        memory: String::new(),
        maintainer,
        counts: BTreeMap::new(),
        log: Vec::new(),
    }));
    for _ in 0..OPERATIONS {
        operate(&world, &store, 0);
    }
    let mut world = world.lock().unwrap();
    let repository = open(store.clone(), restarted());
    let healed = repository.repair(RepairOptions { mode: RepairMode::Apply, on_loss: OnLoss::Keep });
    match healed {
        Ok(report) if report.lost.is_empty() => {}
        other => panic!("seed {seed}: repair: {other:?}\n{}", world.log.join("\n")),
    }
    for prune in 0..3 {
        assert_kept(&repository, &world, &format!("seed {seed}, {prune} prunes later"));
        if let Err(error) = repository.prune() {
            panic!("seed {seed}: prune: {error}\n{}", world.log.join("\n"));
        }
    }
    assert_eq!(garbage(&store), [""; 0], "seed {seed}\n{}", world.log.join("\n"));
    let (sequence, files) = (world.last + 1, world.files());
    let last = back_up(&repository, sequence, &files);
    let last = last.unwrap_or_else(|error| panic!("seed {seed}: the next backup: {error}"));
    world.kept.insert(last.entry.id, files);
    assert_kept(&repository, &world, &format!("seed {seed}, at the end"));
    std::mem::take(&mut world.counts)
}

fn assert_kept(repository: &Repository, world: &World, at: &str) {
    let story = || world.log.join("\n");
    let entries = repository.snapshots().unwrap_or_else(|error| panic!("{at}: list: {error}\n{}", story()));
    for (id, files) in &world.kept {
        let entry = entries.iter().find(|entry| entry.id == *id);
        let entry = entry.unwrap_or_else(|| panic!("{at}: snapshot {} is not there\n{}", id.short(), story()));
        let read = read_back(repository, entry);
        let read = read.unwrap_or_else(|error| panic!("{at}: read {}: {error}\n{}", id.short(), story()));
        assert!(read == *files, "{at}: {} has changed\n{}", id.short(), story());
    }
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn whatever_stands_still_dies_or_has_a_wrong_clock_nothing_confirmed_is_lost() {
    let effort = Effort::asked();
    let first = setting("MAINSTAY_SIMULATION_FIRST").unwrap_or_else(|| effort.first_seed());
    let seeds = setting("MAINSTAY_SIMULATION_SEEDS").unwrap_or(if effort.is_long() { MANY_SEEDS } else { SEEDS });
    let next = AtomicU64::new(0);
    let work = || {
        let mut counts = BTreeMap::<&str, u64>::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= seeds && !effort.goes_on() {
                return counts;
            }
            for (what, count) in simulate(first + number) {
                *counts.entry(what).or_default() += count;
            }
            *counts.entry("seeds").or_default() += 1;
        }
    };
    let mut total = BTreeMap::<&str, u64>::new();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..effort.workers()).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            let counts = worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            counts.into_iter().for_each(|(what, count)| *total.entry(what).or_default() += count);
        }
    });
    let run = total.remove("seeds").unwrap_or_default();
    let count = |what: &str| total.get(what).copied().unwrap_or_default();
    let figures = format!(
        "{run} seeds from {first}, {} snapshots confirmed, {} prunes, {} of them by a key that opens nothing, {} \
         undeletions, {} packs damaged, {} repairs that healed, {} backups fenced, {} looks of an observer with a memory, 0 \
         violations",
        count("confirmed"),
        count("pruned"),
        count("blindly pruned"),
        count("undeleted"),
        count("damage"),
        count("healed"),
        count("fenced"),
        count("looked")
    );
    effort.publish("simulated histories", &figures);
    for what in [
        "confirmed",
        "fenced",
        "failed",
        "pruned",
        "blindly pruned",
        "undeleted",
        "believing backup",
        "looked",
        "damage",
        "healed",
    ] {
        assert!(run < SEEDS || count(what) > 20, "{what}: {total:?}");
    }
}
