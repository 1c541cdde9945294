//! A backup (W1 to W7), and undelete, which goes the same way.
//!
//! Owns what a writer does next and what it knows. Each step is one operation on the store; what a step does beside it is
//! in the writer's memory. A writer that stops for ever, or that is paused, is one that is not chosen again.

use crate::rules::{Flaw, Rules};
use crate::world::{OLD, Packs, Set, UNDELETER, World, own_pack, rescue_pack, snapshot_of};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum At {
    Away,
    PutLease,
    ListLists,
    PutLeaseAgain,
    ListPacks,
    PutKey,
    Store,
    /// Undelete: is the snapshot there?
    ReadSnapshot,
    ListListsAgain,
    ListPacksAgain,
    ReadCondemned,
    PutRescued,
    PutSnapshot,
    DeleteMark,
    ListFences,
    PutEnd,
    /// It confirmed; or it gave up, and would begin again as another one.
    Ended,
    /// It saw its fence: nothing was confirmed.
    Void,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Writer {
    pub at: At,
    /// Lists that it has seen.
    pub known: Set,
    /// Blocks to store or to rescue.
    pub blocks: Set,
    /// Packs that the first look found: only a flawed second look uses them.
    listed: Packs,
}

impl Writer {
    pub fn new(at: At) -> Self {
        Self { at, known: 0, blocks: 0, listed: 0 }
    }
}

pub fn is_enabled(world: &World, writer: usize) -> bool {
    match world.writers[writer].at {
        At::Away | At::Ended | At::Void => false,
        At::PutLease if writer == UNDELETER => world.marks >> OLD & 1 == 1,
        _ => true,
    }
}

pub fn step(rules: &Rules, world: &mut World, writer: usize) {
    let next = match world.writers[writer].at {
        At::PutLease => put_lease(rules, world, writer),
        At::ListLists => list_lists(world, writer),
        At::PutLeaseAgain => put_lease_again(world, writer),
        At::ListPacks => first_look(rules, world, writer),
        At::PutKey => put_key(rules, world, writer),
        At::Store => store(rules, world, writer),
        At::ReadSnapshot if world.counted() >> OLD & 1 == 1 => At::ListListsAgain,
        At::ReadSnapshot => At::PutEnd,
        At::ListListsAgain => list_lists_again(rules, world, writer),
        At::ListPacksAgain => second_look(rules, world, writer),
        At::ReadCondemned => read_condemned(world, writer),
        At::PutRescued => put_rescued(rules, world, writer),
        At::PutSnapshot => put_snapshot(rules, world, writer),
        At::DeleteMark => delete_mark(rules, world, writer),
        At::ListFences => list_fences(world, writer),
        At::PutEnd => put_end(world, writer),
        at => at,
    };
    world.writers[writer].at = next;
    if matches!(next, At::Ended | At::Void) {
        world.writers[writer] = Writer::new(next);
        try_again(world, writer);
    }
}

fn try_again(world: &mut World, writer: usize) {
    if writer == UNDELETER && world.undeletes == 2 {
        world.undeletes = 1;
        world.writers[writer].at = At::PutLease;
    }
}

/// Packs that count as absent for a writer.
fn absent(rules: &Rules, world: &World, writer: usize) -> Packs {
    if rules.has(Flaw::CondemnedPacksCount) {
        return 0;
    }
    let known = world.writers[writer].known;
    world.doomed(known) | world.sealed_under(world.doomed_keys(known))
}

fn put_lease(rules: &Rules, world: &mut World, writer: usize) -> At {
    if rules.has(Flaw::ListsBeforeLease) {
        world.writers[writer].known = world.lists;
        return unless_doomed(world, writer, At::PutLeaseAgain);
    }
    let session = world.session_of_writer(writer);
    world.leases[session].put = true;
    At::ListLists
}

fn list_lists(world: &mut World, writer: usize) -> At {
    world.writers[writer].known = world.lists;
    let next = if world.lists == 0 { after_lease(writer) } else { At::PutLeaseAgain };
    unless_doomed(world, writer, next)
}

/// What a condemned list names cannot be undeleted any more.
fn unless_doomed(world: &World, writer: usize, next: At) -> At {
    let doomed = world.doomed_snapshots(world.writers[writer].known);
    if writer == UNDELETER && doomed >> OLD & 1 == 1 { At::PutEnd } else { next }
}

fn put_lease_again(world: &mut World, writer: usize) -> At {
    let session = world.session_of_writer(writer);
    let lease = &mut world.leases[session];
    lease.put = true;
    lease.named = world.writers[writer].known;
    after_lease(writer)
}

fn after_lease(writer: usize) -> At {
    if writer == UNDELETER { At::ReadSnapshot } else { At::ListPacks }
}

fn first_look(rules: &Rules, world: &mut World, writer: usize) -> At {
    let needs = rules.writers[writer];
    if rules.has(Flaw::PackTakenOffItsList) {
        let wanted = (0..2).filter(|pack| world.content[*pack] & needs != 0).fold(0, |packs, pack| packs | 1 << pack);
        world.list_packs.iter_mut().for_each(|packs| *packs &= !wanted);
    }
    let good = world.there & !absent(rules, world, writer);
    world.writers[writer].blocks = needs & !world.blocks_of(good);
    if rules.has(Flaw::SecondLookAtOldListing) {
        world.writers[writer].listed = world.there;
    }
    if rules.has_data_keys() { At::PutKey } else { after_storing(rules, world.writers[writer].blocks) }
}

fn after_storing(rules: &Rules, blocks: Set) -> At {
    match blocks {
        0 if rules.has(Flaw::NoSecondLook) => At::PutSnapshot,
        0 => At::ListListsAgain,
        _ => At::Store,
    }
}

fn put_key(rules: &Rules, world: &mut World, writer: usize) -> At {
    world.keys |= 1 << writer;
    after_storing(rules, world.writers[writer].blocks)
}

fn store(rules: &Rules, world: &mut World, writer: usize) -> At {
    let blocks = std::mem::take(&mut world.writers[writer].blocks);
    let sealed = if rules.has_data_keys() { 1 << writer } else { 0 };
    world.put_pack(own_pack(writer), blocks, sealed);
    if rules.has(Flaw::SecondLookAtOldListing) {
        world.writers[writer].listed |= 1 << own_pack(writer);
    }
    after_storing(rules, 0)
}

fn list_lists_again(rules: &Rules, world: &mut World, writer: usize) -> At {
    let known = &mut world.writers[writer].known;
    *known = if rules.has(Flaw::SecondLookAtOldListing) { world.lists } else { *known | world.lists };
    At::ListPacksAgain
}

fn second_look(rules: &Rules, world: &mut World, writer: usize) -> At {
    let needs = if writer == UNDELETER { rules.old_snapshot } else { rules.writers[writer] };
    let listed = if rules.has(Flaw::SecondLookAtOldListing) { world.writers[writer].listed } else { world.there };
    let missing = needs & !world.blocks_of(listed & !absent(rules, world, writer));
    world.writers[writer].blocks = missing;
    match missing {
        0 if writer == UNDELETER => At::DeleteMark,
        0 => At::PutSnapshot,
        // One pack of rescued blocks is enough to find flaws; who would need a second one begins again.
        _ if world.content[rescue_pack(writer)] != 0 => At::PutEnd,
        _ => At::ReadCondemned,
    }
}

/// Packs out of which it may rescue blocks: condemned ones, but not what is sealed under a condemned key.
fn rescuable(world: &World, writer: usize) -> Packs {
    let doomed = world.doomed_keys(world.writers[writer].known);
    world.there & !world.sealed_under(doomed)
}

fn read_condemned(world: &World, writer: usize) -> At {
    let readable = world.blocks_of(rescuable(world, writer));
    if world.writers[writer].blocks & !readable == 0 { At::PutRescued } else { At::PutEnd }
}

fn put_rescued(rules: &Rules, world: &mut World, writer: usize) -> At {
    let blocks = std::mem::take(&mut world.writers[writer].blocks);
    world.copy_blocks(blocks, rescuable(world, writer), rescue_pack(writer));
    world.writers[writer].listed |= if rules.has(Flaw::SecondLookAtOldListing) { 1 << rescue_pack(writer) } else { 0 };
    At::ListListsAgain
}

fn put_snapshot(rules: &Rules, world: &mut World, writer: usize) -> At {
    world.snapshots |= 1 << snapshot_of(writer);
    // What a sync puts after it was settled is not void, and nobody is told of it: the next one completes it.
    if rules.receivers >> writer & 1 == 1 && world.leases[world.session_of_writer(writer)].settled {
        world.limbo |= 1 << snapshot_of(writer);
    }
    world.writers[writer].known = 0;
    world.writers[writer].listed = 0;
    if rules.has(Flaw::NoLookForFence) {
        world.confirmed |= 1 << snapshot_of(writer);
        return At::PutEnd;
    }
    At::ListFences
}

fn delete_mark(rules: &Rules, world: &mut World, writer: usize) -> At {
    world.marks &= !(1 << OLD);
    world.writers[writer].known = 0;
    if rules.has(Flaw::NoLookForFenceOfUndelete) {
        give_back(world);
        return At::PutEnd;
    }
    if world.leases[world.session_of_writer(writer)].settled {
        world.limbo |= 1 << OLD;
    }
    At::ListFences
}

fn list_fences(world: &mut World, writer: usize) -> At {
    if world.leases[world.session_of_writer(writer)].fenced {
        return At::Void;
    }
    if writer == UNDELETER {
        give_back(world);
    } else {
        world.confirmed |= 1 << snapshot_of(writer);
    }
    At::PutEnd
}

/// The user is told that the old snapshot is back; if it was not forgotten anew meanwhile.
fn give_back(world: &mut World) {
    if world.marks >> OLD & 1 == 0 {
        world.forgotten &= !(1 << OLD);
        world.limbo &= !(1 << OLD);
        world.confirmed |= 1 << OLD;
    }
}

fn put_end(world: &mut World, writer: usize) -> At {
    let session = world.session_of_writer(writer);
    world.leases[session].ended = true;
    At::Ended
}
