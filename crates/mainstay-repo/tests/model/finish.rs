//! Finishing a condemned list (F1 to F5), by whoever published it or found it.
//!
//! Owns the checks between a list and its deletions. Each step is one operation on the store.

use crate::collector::{At, absent, first_listing, next_list, own_lists, second_listing};
use crate::fences::open_sessions;
use crate::rules::{Flaw, Rules};
use crate::world::{Packs, World, lowest, members};

pub fn first_step(rules: &Rules) -> At {
    if rules.has(Flaw::NoLookAtLeases) { second_step(rules) } else { At::FinishListLeases }
}

fn second_step(rules: &Rules) -> At {
    if rules.has(Flaw::NoLookAtSnapshots) { At::FinishListLists } else { At::FinishListMarks }
}

pub fn step(rules: &Rules, world: &mut World, collector: usize) -> At {
    match world.collectors[collector].at {
        At::FinishListLeases => list_leases(rules, world, collector),
        At::FinishListMarks => list_marks(rules, world, collector),
        At::FinishListSnapshots => list_snapshots(rules, world, collector),
        At::FinishListLists => list_lists(rules, world, collector),
        At::FinishListPacks => list_packs(rules, world, collector),
        At::DeleteListEarly => delete_list_early(world, collector),
        At::DeleteSnapshot => delete_snapshot(world, collector),
        At::DeleteMark => delete_mark(world, collector),
        At::DeletePack => delete_pack(world, collector),
        At::DeleteList => delete_list(rules, world, collector),
        at => at,
    }
}

fn list_of(world: &World, collector: usize) -> usize {
    usize::from(world.collectors[collector].list)
}

/// Leaves the list to a later prune.
fn leave(rules: &Rules, world: &mut World, collector: usize) -> At {
    let own = &mut world.collectors[collector];
    (own.list, own.left_snapshots, own.left_packs, own.stays) = (0, 0, 0, false);
    (own.listing, own.void_listing, own.blocks, own.left_keys) = (0, 0, 0, 0);
    next_list(rules, world, collector)
}

/// F1: whoever is at work must have known the list from its beginning.
fn list_leases(rules: &Rules, world: &mut World, collector: usize) -> At {
    if rules.has(Flaw::NoLookAtLeases) {
        return second_step(rules);
    }
    let list = list_of(world, collector);
    let mut open = members(u16::from(open_sessions(rules, world, collector)));
    let is_in_the_way = open.any(|session| world.leases[session].named >> list & 1 == 0);
    if is_in_the_way { leave(rules, world, collector) } else { second_step(rules) }
}

fn list_marks(rules: &Rules, world: &mut World, collector: usize) -> At {
    first_listing(rules, world, collector);
    At::FinishListSnapshots
}

/// F2: snapshots that are needed, of which C3 did not know it, acquitted ones among them, and what of the list goes.
fn list_snapshots(rules: &Rules, world: &mut World, collector: usize) -> At {
    let seen = second_listing(rules, world, collector);
    let named = world.list_snapshots[list_of(world, collector)];
    let own = &mut world.collectors[collector];
    let known = own.kept | if rules.has(Flaw::HeldCountsAsKept) { own.held } else { 0 };
    let marks = seen.marks | if rules.has(Flaw::MarkOfVoidCounts) { seen.void_marks } else { 0 };
    let new = seen.counted & !known & !(own.forgotten & marks);
    let stay = match rules.has(Flaw::KeptSnapshotsOfListsGo) {
        true => new,
        false => seen.counted & known | own.held & seen.void | new,
    };
    own.left_snapshots = named & !stay & (seen.counted | seen.void | seen.marks | seen.void_marks);
    own.stays = named & stay != 0;
    own.blocks = rules.needs_of(new);
    if rules.has(Flaw::NoLookAtLists) { At::FinishListPacks } else { At::FinishListLists }
}

/// F3: another collector's list that this one does not know of.
fn list_lists(rules: &Rules, world: &mut World, collector: usize) -> At {
    if rules.has(Flaw::NoLookAtSnapshots) {
        world.collectors[collector].left_snapshots = world.list_snapshots[list_of(world, collector)];
    }
    let known = world.collectors[collector].known | own_lists(collector);
    if world.lists & !known != 0 { leave(rules, world, collector) } else { At::FinishListPacks }
}

/// F3, second half: the packs in which C3 and C7 count copies must be there. F4: what else is needed of the list stays, if
/// it has no copy in a pack that is there and not condemned.
fn list_packs(rules: &Rules, world: &mut World, collector: usize) -> At {
    let own = &world.collectors[collector];
    if own.relied_on & !world.there != 0 && !rules.has(Flaw::NoLookAtPacks) {
        return leave(rules, world, collector);
    }
    let good = world.there & !absent(rules, world, collector) & !world.doomed(own_lists(collector));
    let at_stake = own.blocks & !world.blocks_of(good);
    let packs: Packs = world.list_packs[list_of(world, collector)];
    let held = members(packs & world.there).filter(|pack| world.content[*pack] & at_stake != 0);
    let held: Packs = held.fold(0, |packs, pack| packs | 1 << pack);
    let own = &mut world.collectors[collector];
    (own.left_packs, own.blocks) = (packs & !held, 0);
    own.stays = (own.stays || held != 0) && !rules.has(Flaw::ListDeletedBeforeSnapshots);
    if rules.has(Flaw::ListDeletedBeforePacks) {
        return At::DeleteListEarly;
    }
    next_deletion(world, collector)
}

/// F4 and F5: snapshots, then packs, then the list.
fn next_deletion(world: &World, collector: usize) -> At {
    let own = &world.collectors[collector];
    match (own.left_snapshots, own.left_packs) {
        (0, 0) if world.list_keys[list_of(world, collector)] != 0 => At::FinishKeysListSnapshots,
        (0, 0) => At::DeleteList,
        (0, _) => At::DeletePack,
        _ => At::DeleteSnapshot,
    }
}

fn delete_list_early(world: &mut World, collector: usize) -> At {
    world.lists &= !(1 << list_of(world, collector));
    next_deletion(world, collector)
}

fn delete_snapshot(world: &mut World, collector: usize) -> At {
    let left = world.collectors[collector].left_snapshots;
    world.snapshots &= !(1 << lowest(u16::from(left)));
    At::DeleteMark
}

fn delete_mark(world: &mut World, collector: usize) -> At {
    let left = &mut world.collectors[collector].left_snapshots;
    let snapshot = lowest(u16::from(*left));
    *left &= *left - 1;
    world.delete_mark(snapshot);
    next_deletion(world, collector)
}

fn delete_pack(world: &mut World, collector: usize) -> At {
    let left = &mut world.collectors[collector].left_packs;
    world.there &= !(1 << lowest(*left));
    *left &= *left - 1;
    next_deletion(world, collector)
}

fn delete_list(rules: &Rules, world: &mut World, collector: usize) -> At {
    if !world.collectors[collector].stays {
        world.lists &= !(1 << list_of(world, collector));
    }
    leave(rules, world, collector)
}
