//! What must hold always, and what must be possible.
//!
//! Owns the properties of the model. None of them looks at what an actor believes, only at the store and at what users
//! were told; but for `no_prune_is_refused`, which says that nobody is sent away without need.

use crate::Protocol;
use crate::collector::{self, At, Collector};
use crate::rules::Rules;
use crate::world::{OLD, Packs, SWEEPER, Set, UNDELETER, World, members, session_of_collector};
use crate::writer;

/// Whether each of these snapshots has a copy of each of its blocks among the packs.
fn are_whole(rules: &Rules, world: &World, snapshots: Set, packs: Packs) -> bool {
    rules.needs_of(snapshots) & !world.blocks_of(packs) == 0
}

/// A snapshot that was confirmed, and not given up, is there, counts, and has all its blocks.
pub fn confirmed_snapshots_are_whole(model: &Protocol, world: &World) -> bool {
    let owed = world.confirmed & !world.forgotten;
    let has_keys = world.keys_of(0, owed) & !world.keys == 0;
    owed & !world.counted() == 0 && has_keys && are_whole(&model.rules, world, owed, world.readable())
}

/// So has one that merely counts. Half an undelete by a session that was fenced promises nothing.
pub fn counted_snapshots_are_whole(model: &Protocol, world: &World) -> bool {
    are_whole(&model.rules, world, world.counted() & !world.marks & !world.limbo, world.there)
}

pub fn no_prune_is_refused(_: &Protocol, world: &World) -> bool {
    let refused = |collector: &usize| {
        let is_fenced = world.leases[session_of_collector(*collector)].fenced;
        world.collectors[*collector].at == At::Refused && !is_fenced && world.limbo == 0
    };
    !(0..SWEEPER).any(|collector| refused(&collector))
}

/// The second repository never has a snapshot without its blocks.
pub fn synced_snapshots_are_whole(model: &Protocol, world: &World) -> bool {
    are_whole(&model.rules, world, world.syncer.second_snapshots & !world.limbo, world.syncer.second_packs)
}

/// Whoever stopped, and wherever: one prune later no garbage is left, no list, and all that is owed is there.
pub fn a_later_prune_cleans_up(model: &Protocol, world: &World) -> bool {
    if world.limbo != 0 {
        return true;
    }
    let after = swept(&model.rules, world);
    let counted = after.counted();
    let needed = model.rules.needs_of(counted);
    let is_garbage = |pack: usize| after.content[pack] & needed == 0;
    let is_left = |list: usize| after.list_snapshots[list] & counted == 0 && after.list_keys[list] & after.keys == 0;
    after.collectors[SWEEPER].at == At::Ended
        && !members(after.there).any(is_garbage)
        && !members(u16::from(after.lists)).any(is_left)
        && after.marks & counted == 0
        && confirmed_snapshots_are_whole(model, &after)
}

/// The world after a prune of its own, to which everybody else is silent.
fn swept(rules: &Rules, world: &World) -> World {
    let mut world = world.clone();
    world.collectors[SWEEPER] = Collector::new(At::PutLease);
    loop {
        let Some(last) = collector::choices(rules, &world, SWEEPER).checked_sub(1) else {
            return world;
        };
        if collector::step(rules, &mut world, SWEEPER, last).is_none() {
            return world;
        }
    }
}

pub fn a_list_is_finished(_: &Protocol, world: &World) -> bool {
    let gone = |list: &usize| world.list_packs[*list] != 0 && world.lists >> list & 1 == 0;
    (0..world.list_packs.len()).any(|list| gone(&list))
}

pub fn a_fenced_writer_notices(_: &Protocol, world: &World) -> bool {
    world.writers.iter().any(|writer| writer.at == writer::At::Void)
}

pub fn a_writer_confirms_beside_a_list(model: &Protocol, world: &World) -> bool {
    let written = world.confirmed & !(1 << OLD);
    model.rules.writers != [0, 0] && written != 0 && world.lists != 0
}

pub fn a_snapshot_comes_back(model: &Protocol, world: &World) -> bool {
    let given_back = world.confirmed & !world.forgotten;
    world.writers[UNDELETER].at == writer::At::Ended && given_back >> model.rules.target(UNDELETER) & 1 == 1
}

pub fn a_snapshot_is_acquitted(_: &Protocol, world: &World) -> bool {
    let is_acquitted = world.leases.iter().any(|lease| lease.void && lease.acquitted);
    is_acquitted && world.confirmed & world.counted() != 0
}

pub fn a_snapshot_is_synced(_: &Protocol, world: &World) -> bool {
    world.syncer.second_snapshots != 0
}
