//! Whoever else is at work: the user who forgets, and the copying into a second repository.
//!
//! Owns their steps. Forgetting takes no lease. The syncer is a reader with a lease; it copies packs, then snapshots, and
//! looks at them in the other order.

use crate::rules::{Flaw, Rules};
use crate::world::{Packs, SYNCER_SESSION, Set, World, lowest, members};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum At {
    Away,
    PutLease,
    ListLists,
    PutLeaseAgain,
    ListSnapshots,
    ListMarks,
    ListPacks,
    CopyPack,
    CopySnapshot,
    PutEnd,
    Ended,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Syncer {
    pub at: At,
    known: Set,
    /// What is still to be copied.
    packs: Packs,
    snapshots: Set,
    /// What is in the second repository.
    pub second_packs: Packs,
    pub second_snapshots: Set,
}

impl Syncer {
    pub fn new(at: At) -> Self {
        Self { at, known: 0, packs: 0, snapshots: 0, second_packs: 0, second_snapshots: 0 }
    }
}

/// Snapshots that a user may forget now.
pub fn forgettable(rules: &Rules, world: &World) -> Set {
    if world.forgets == 0 { 0 } else { world.counted() & !world.marks & rules.forgettable }
}

/// Puts the mark of the nth snapshot that may be forgotten.
pub fn forget(rules: &Rules, world: &mut World, choice: u8) -> Option<()> {
    let snapshot = members(u16::from(forgettable(rules, world))).nth(usize::from(choice))?;
    world.marks |= 1 << snapshot;
    world.void_marks &= !(1 << snapshot);
    world.forgotten |= 1 << snapshot;
    world.forgets -= 1;
    Some(())
}

pub fn is_enabled(world: &World) -> bool {
    !matches!(world.syncer.at, At::Away | At::Ended)
}

pub fn sync(rules: &Rules, world: &mut World) {
    world.syncer.at = match world.syncer.at {
        At::PutLease => put_lease(world),
        At::ListLists => list_lists(rules, world),
        At::PutLeaseAgain => put_lease_again(rules, world),
        At::ListSnapshots => list_snapshots(world),
        At::ListMarks => list_marks(rules, world),
        At::ListPacks => list_packs(rules, world),
        At::CopyPack => copy_pack(world),
        At::CopySnapshot => copy_snapshot(world),
        At::PutEnd => put_end(world),
        at => at,
    };
}

fn put_lease(world: &mut World) -> At {
    world.leases[SYNCER_SESSION].put = true;
    At::ListLists
}

fn list_lists(rules: &Rules, world: &mut World) -> At {
    world.syncer.known = world.lists;
    if world.lists == 0 { first_listing(rules) } else { At::PutLeaseAgain }
}

fn put_lease_again(rules: &Rules, world: &mut World) -> At {
    world.leases[SYNCER_SESSION].named = std::mem::take(&mut world.syncer.known);
    first_listing(rules)
}

fn first_listing(rules: &Rules) -> At {
    if rules.has(Flaw::SyncListsPacksFirst) { At::ListPacks } else { At::ListSnapshots }
}

fn list_snapshots(world: &mut World) -> At {
    world.syncer.snapshots = world.counted();
    At::ListMarks
}

/// Forgotten snapshots stay behind.
fn list_marks(rules: &Rules, world: &mut World) -> At {
    world.syncer.snapshots &= !world.marks;
    if rules.has(Flaw::SyncListsPacksFirst) { next_copy(world) } else { At::ListPacks }
}

fn list_packs(rules: &Rules, world: &mut World) -> At {
    world.syncer.packs = world.there;
    if rules.has(Flaw::SyncListsPacksFirst) { At::ListSnapshots } else { next_copy(world) }
}

fn next_copy(world: &World) -> At {
    match (world.syncer.packs, world.syncer.snapshots) {
        (0, 0) => At::PutEnd,
        (0, _) => At::CopySnapshot,
        _ => At::CopyPack,
    }
}

/// A pack that is gone ends it: what is in the second repository by then is packs of no snapshot.
fn copy_pack(world: &mut World) -> At {
    let pack = lowest(world.syncer.packs);
    if world.there >> pack & 1 == 0 {
        (world.syncer.packs, world.syncer.snapshots) = (0, 0);
        return At::PutEnd;
    }
    world.syncer.second_packs |= 1 << pack;
    world.syncer.packs &= !(1 << pack);
    next_copy(world)
}

/// A snapshot that was removed meanwhile is not copied.
fn copy_snapshot(world: &mut World) -> At {
    let snapshot = lowest(u16::from(world.syncer.snapshots));
    world.syncer.second_snapshots |= world.snapshots & 1 << snapshot;
    world.syncer.snapshots &= !(1 << snapshot);
    next_copy(world)
}

fn put_end(world: &mut World) -> At {
    world.leases[SYNCER_SESSION].ended = true;
    At::Ended
}
