//! Simulated histories of the real code: sessions stand still anywhere while others run, whose clocks are wrong, whose
//! processes die, and whose replies are lost. Two copies of the repository are synchronised all the while. Then the faults stop, and
//! everything that was confirmed must be there, in each of them.
//!
//! A seed is a history; the long form runs as many at once as there are processors. `MAINSTAY_SIMULATION_SEEDS` says how many
//! are run at least, `MAINSTAY_SIMULATION_FIRST` from which on; `MAINSTAY_SOAK_MINUTES` for how long.

mod world;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::*;
use crate::fixtures::effort::Effort;
use crate::fixtures::{FailingStore, Failure, copy_files, draft, read_back, secret, store_files};
use crate::id::SnapshotId;
use crate::keys::Secret;
use crate::repair::{Means, OnLoss, RepairMode, RepairOptions};
use crate::session::Presence;
use world::{At, DAY, Shared, World};

const SEEDS: u64 = 2000;
/// The same in the long form.
const MANY_SEEDS: u64 = 200_000;
/// Operations that stand still within each other.
const DEPTH: u32 = 3;
/// Operations of a history, but for those within others.
const OPERATIONS: u64 = 6;

/// Operations from this number on are those of a maintainer.
const BLIND: u64 = 15;
/// From this number on they bring what the other copy has.
const SYNC: u64 = 18;

/// Runs one operation; at one of its calls others may run as a whole.
fn operate(world: &Shared, stores: &[MemoryStore; 2], depth: u32) {
    let (side, liveness, failure, event, choice) = {
        let mut world = world.lock().unwrap();
        let event = (depth < DEPTH && world.below(4) > 0).then(|| (world.below(50), 1 + world.below(2)));
        (usize::from(world.below(3) == 0), world.process(), world.failure(), event, world.below(21))
    };
    let (store, at) = (&stores[side], At { world, side, depth });
    let failing = FailingStore::new(store.clone(), failure);
    if let Some((call, count)) = event {
        let (world, stores) = (world.clone(), stores.clone());
        failing.before(call, move || (0..count).for_each(|_| operate(&world, &stores, depth + 1)));
    }
    let maintainer = Secret::from_text(&world.lock().unwrap().maintainer);
    let opened_by = if (BLIND..SYNC).contains(&choice) { &maintainer } else { &secret() };
    let Ok(repository) = Repository::open(Arc::new(failing), opened_by, liveness) else { return };
    match choice {
        0..=3 => back_up_something(at, &repository),
        4 | 5 => believe_the_last(at, &repository),
        6 | 7 => forget_something(at, &repository),
        8 => undelete_something(at, &repository),
        9 | 10 => look(at, &repository),
        11 => damage_something(at, (&repository, store)),
        12 => repair_something(at, &repository),
        SYNC.. => synchronise(at, &repository, &stores[1 - side]),
        _ => {
            let blind = if choice >= BLIND { "a blind prune" } else { "prune" };
            at.tell(blind, &format!("{blind} begins, {failure:?}, {event:?}"));
            // What was forgotten in these histories was forgotten long ago; what is void is held.
            let hold = if at.lock().below(2) == 0 { 0 } else { 7 * DAY };
            let pruned = repository.prune_observed(hold, &Unobserved).map(|report| report.waiting);
            // No listing was short: whatever is removed or void, each snapshot leads to the one before it.
            assert!(!matches!(pruned, Err(Error::HistoryGap { .. })), "{pruned:?}\n{}", at.lock().log.join("\n"));
            at.tell("pruned", &format!("prune ends: {pruned:?}"));
            if choice >= BLIND && pruned.is_ok() {
                at.tell("blindly pruned", "it opened nothing");
            }
        }
    }
}

/// Brings what the other one has; whoever finds himself fenced begins again.
fn synchronise(at: At<'_>, repository: &Repository, other: &MemoryStore) {
    at.tell("sync", "sync begins");
    for _ in 0..2 {
        let liveness = at.lock().process();
        let Ok(from) = Repository::open(Arc::new(other.clone()), &secret(), liveness) else { return };
        let synced = repository.sync_from(&from, &Unobserved);
        let mut world = at.lock();
        at.note(&mut world, "synced", &format!("sync ends: {synced:?}"));
        match synced {
            Ok(report) => {
                for place in report.brought {
                    at.note(&mut world, "brought", &format!("brought {}", place.sequence));
                    world.arrive(at.side, &place);
                }
                return;
            }
            Err(Error::Fenced { .. }) => at.note(&mut world, "sync fenced", "the sync was fenced"),
            Err(_) => return,
        }
    }
}

fn back_up_something(at: At<'_>, repository: &Repository) {
    let (files, sequence) = {
        let mut world = at.lock();
        world.last += 1;
        let sequence = world.last;
        at.note(&mut world, "backup", &format!("back up {sequence}"));
        let files = world.files();
        world.contents.insert(sequence, files.clone());
        (files, sequence)
    };
    let backed = || -> Result<SnapshotId> {
        let session = Session::begin(repository, Sharing::Shared)?;
        let (root, blocks) = store_files(&session, &files)?;
        let mut draft = draft("data", sequence, root, blocks);
        draft.snapshot.previous = newest(&session);
        Ok(session.commit(draft)?.entry.id)
    };
    let backed = backed();
    confirm(at, backed.map(|id| (id, files)));
}

/// The snapshot that a session goes on from.
fn newest(session: &Session<'_>) -> Option<SnapshotId> {
    session.listing().entries.iter().max_by_key(|entry| entry.snapshot.sequence).map(|entry| entry.id)
}

/// A backup that finds nothing changed: it refers to blocks that it has not looked up.
fn believe_the_last(at: At<'_>, repository: &Repository) {
    let sequence = {
        let mut world = at.lock();
        world.last += 1;
        let sequence = world.last;
        at.note(&mut world, "believing backup", &format!("back up {sequence}, unchanged"));
        sequence
    };
    let backed = || -> Result<Option<(SnapshotId, Files)>> {
        let session = Session::begin(repository, Sharing::Shared)?;
        let parent = session.listing().entries.iter().rev().find(|entry| !entry.forgotten).cloned();
        let parent = parent.filter(|entry| at.lock().sides[at.side].kept.contains_key(&entry.id));
        let Some(parent) = parent else { return Ok(None) };
        let files = at.lock().sides[at.side].kept.get(&parent.id).cloned().unwrap_or_default();
        at.lock().contents.insert(sequence, files.clone());
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
        Ok(Some(confirmed)) => confirm(at, Ok(confirmed)),
        Err(error) => confirm(at, Err(error)),
    }
}

fn confirm(at: At<'_>, backed: Result<(SnapshotId, Files)>) {
    let mut world = at.lock();
    match backed {
        Ok((id, files)) => {
            at.note(&mut world, "confirmed", &format!("confirmed {}", id.short()));
            world.sides[at.side].ever.insert(id);
            world.sides[at.side].kept.insert(id, files);
        }
        Err(Error::Fenced { .. }) => at.note(&mut world, "fenced", "the backup was fenced"),
        Err(error) => at.note(&mut world, "failed", &format!("the backup fails: {error}")),
    }
}

/// Somebody who remembers what he saw, and who must never be told that it was rewound: nobody lies here.
fn look(at: At<'_>, repository: &Repository) {
    let mut seen = repository.recall(&at.lock().sides[at.side].memory);
    let mut looked = || -> Result<()> {
        let listing = repository.list_snapshots()?;
        let rewound = repository.rewinds(&seen, &listing)?;
        assert!(rewound.is_empty(), "{rewound:?}\n{}", at.lock().log.join("\n"));
        repository.remember(&mut seen, &listing, &rewound)
    };
    let is_remembered = looked().is_ok();
    let mut world = at.lock();
    if is_remembered {
        world.sides[at.side].memory = repository.memorize(&seen);
        at.note(&mut world, "looked", &format!("remembers {:?}", seen.heads().next().map(|head| head.id.short())));
    }
}

fn forget_something(at: At<'_>, repository: &Repository) {
    let mut world = at.lock();
    let Some(id) = world.any_of(at.side, |side| &side.kept) else { return };
    let files = world.sides[at.side].kept.remove(&id).unwrap_or_default();
    at.note(&mut world, "forget", &format!("forget {}", id.short()));
    drop(world);
    // Whether it is forgotten after a failure is not known.
    if repository.forget(id, 0).is_ok() {
        at.lock().sides[at.side].forgotten.insert(id, files);
    }
}

fn undelete_something(at: At<'_>, repository: &Repository) {
    if at.lock().below(3) == 0 {
        return acquit_something(at, repository);
    }
    let mut world = at.lock();
    let Some(id) = world.any_of(at.side, |side| &side.forgotten) else { return };
    let files = world.sides[at.side].forgotten.remove(&id).unwrap_or_default();
    drop(world);
    let undeleted = repository.undelete(id);
    let mut world = at.lock();
    at.note(&mut world, "undelete", &format!("undelete {}: {undeleted:?}", id.short()));
    if undeleted.is_ok() {
        at.note(&mut world, "undeleted", "it is back");
        world.sides[at.side].kept.insert(id, files);
    }
}

/// Brings back a snapshot that came after the fence of its session. Of one that a sync had brought everybody believed that it is there already.
fn acquit_something(at: At<'_>, repository: &Repository) {
    let Ok(listing) = repository.list_snapshots() else { return };
    let Some(entry) = listing.void.first() else { return };
    let undeleted = repository.undelete(entry.id);
    let mut world = at.lock();
    at.note(&mut world, "undelete", &format!("undelete {}, which is void: {undeleted:?}", entry.id.short()));
    if undeleted.is_ok() {
        at.note(&mut world, "acquitted", "it counts");
        let files = world.contents[&entry.snapshot.sequence].clone();
        world.sides[at.side].ever.insert(entry.id);
        world.sides[at.side].kept.insert(entry.id, files);
    }
}

/// Damages a pack as far as its parity can undo it.
fn damage_something(at: At<'_>, (repository, store): (&Repository, &MemoryStore)) {
    if repository.add_parity(None, 30, &Unobserved).is_err() {
        return;
    }
    let has_parity = |name: &String| {
        let id = names::parse_pack(name).unwrap().0;
        named(store, names::PARITY).iter().any(|sidecar| names::parse_parity(sidecar).unwrap().0 == id)
    };
    let packs: Vec<String> = named(store, names::PACKS).into_iter().filter(has_parity).collect();
    let mut world = at.lock();
    let number = world.below(packs.len() as u64) as usize;
    let Some(pack) = packs.get(number) else { return };
    at.note(&mut world, "damage", &format!("damage {pack}"));
    // Always the same cell, so that no number of damages is more than the parity.
    let (byte, bit) = (40 + world.below(60) as usize, world.below(8));
    store.damage(pack, |bytes| bytes[byte] ^= 1 << bit);
}

fn repair_something(at: At<'_>, repository: &Repository) {
    at.tell("repair", "repair begins");
    let repaired = repository.repair(RepairOptions { mode: RepairMode::Apply, on_loss: OnLoss::Keep });
    at.tell("repaired", &format!("repair ends: {repaired:?}"));
    if repaired.is_ok_and(|report| report.repaired.iter().any(|repaired| repaired.means == Means::Parity)) {
        at.tell("healed", "something is healed");
    }
}

/// Runs a history, then lets everybody finish.
fn simulate(seed: u64) -> BTreeMap<&'static str, u64> {
    let stores = [MemoryStore::default(), MemoryStore::default()];
    let first = create(stores[0].clone());
    let maintainer = super::blind::maintainer(&first);
    let world = Arc::new(Mutex::new(World {
        state: seed,
        last: 0,
        processes: 1,
        sides: Default::default(),
        contents: BTreeMap::new(),
        maintainer,
        counts: BTreeMap::new(),
        log: Vec::new(),
    }));
    make_the_other(&world, (&first, &stores));
    for _ in 0..OPERATIONS {
        operate(&world, &stores, 0);
    }
    let mut world = world.lock().unwrap();
    for side in [0, 1, 0, 1] {
        end(&mut world, seed, &stores, side);
    }
    std::mem::take(&mut world.counts)
}

/// The other copy of the repository: one that was created as such, or the files of a moment in which a session was at work.
fn make_the_other(world: &Shared, (first, stores): (&Repository, &[MemoryStore; 2])) {
    let (is_mirror, call, liveness) = {
        let mut world = world.lock().unwrap();
        (world.below(3) == 0, world.below(40), world.process())
    };
    if !is_mirror {
        return drop(first.create_copy(Arc::new(stores[1].clone())).unwrap());
    }
    let failing = FailingStore::new(stores[0].clone(), Failure::Never);
    let [from, to] = stores.clone();
    let copy = move || copy_files(&to, &from);
    failing.before(call, copy.clone());
    let at = At { world, side: 0, depth: 0 };
    if let Ok(repository) = Repository::open(Arc::new(failing.clone()), &secret(), liveness) {
        back_up_something(at, &repository);
    }
    if failing.calls() <= call {
        copy();
    }
    let mut world = world.lock().unwrap();
    at.note(&mut world, "mirrored", &format!("the files are copied before call {call}"));
    // What was there already was confirmed there as well.
    let listed: Vec<(SnapshotId, u64)> = {
        let entries = open(stores[1].clone(), alive()).snapshots().unwrap();
        entries.iter().map(|entry| (entry.id, entry.snapshot.sequence)).collect()
    };
    for (id, sequence) in listed {
        let files = world.contents[&sequence].clone();
        world.sides[1].ever.insert(id);
        world.sides[1].kept.insert(id, files);
    }
}

/// Everybody has gone; what is left is brought together, repaired and pruned.
fn end(world: &mut World, seed: u64, stores: &[MemoryStore; 2], side: usize) {
    let (repository, other) = (open(stores[side].clone(), restarted()), open(stores[1 - side].clone(), restarted()));
    let fail = |world: &World, what: String| -> ! { panic!("seed {seed}, {side}: {what}\n{}", world.log.join("\n")) };
    match repository.sync_from(&other, &Unobserved) {
        Ok(report) => {
            report.brought.iter().for_each(|place| world.arrive(side, place));
        }
        Err(error) => fail(world, format!("sync: {error}")),
    }
    give_up_what_never_came(world, side, &repository);
    match repository.repair(RepairOptions { mode: RepairMode::Apply, on_loss: OnLoss::Keep }) {
        Ok(report) if report.lost.is_empty() => {}
        repaired => fail(world, format!("repair: {repaired:?}")),
    }
    for prune in 0..3 {
        assert_kept(&repository, (world, side), &format!("seed {seed}, {side}, {prune} prunes later"));
        if let Err(error) = repository.prune() {
            fail(world, format!("prune: {error}"));
        }
    }
    assert_eq!(garbage(&stores[side]), [""; 0], "seed {seed}, {side}\n{}", world.log.join("\n"));
    world.last += 1;
    let (sequence, files) = (world.last, world.files());
    world.contents.insert(sequence, files.clone());
    match back_up(&repository, sequence, &files) {
        Ok(last) => world.sides[side].kept.insert(last.entry.id, files),
        Err(error) => fail(world, format!("the next backup: {error}")),
    };
    assert_kept(&repository, (world, side), &format!("seed {seed}, {side}, at the end"));
}

/// A sync that was fenced and then killed may have put a snapshot of which blocks were taken away meanwhile. Nobody was told that
/// it is there; as long as the other copy has it, the next sync completes it.
fn give_up_what_never_came(world: &mut World, side: usize, repository: &Repository) {
    for entry in repository.snapshots().unwrap().iter().filter(|entry| !entry.forgotten) {
        if !world.sides[side].kept.contains_key(&entry.id) && read_back(repository, entry).is_err() {
            *world.counts.entry("given up").or_default() += 1;
            repository.forget(entry.id, 0).unwrap();
        }
    }
}

fn assert_kept(repository: &Repository, (world, side): (&World, usize), at: &str) {
    let story = || world.log.join("\n");
    let entries = repository.snapshots().unwrap_or_else(|error| panic!("{at}: list: {error}\n{}", story()));
    for (id, files) in &world.sides[side].kept {
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
        "{run} seeds from {first}, 2 repositories, {} snapshots confirmed, {} brought by {} syncs, {} prunes, {} of them by a key that opens nothing, {} \
         undeletions, {} packs damaged, {} repairs that healed, {} backups fenced, {} looks of an observer with a memory, 0 \
         violations",
        count("confirmed"),
        count("brought"),
        count("synced"),
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
        "brought",
        "sync fenced",
    ] {
        assert!(run < SEEDS || count(what) > 20, "{what}: {total:?}");
    }
}
