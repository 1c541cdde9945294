//! A backup (W1 to W7), and undelete, which goes the same way.
//!
//! Owns what a writer does next and what it knows. Each step is one operation on the store; what a step does beside it is
//! in the writer's memory. A writer that stops for ever, or that is paused, is one that is not chosen again.

use crate::copied;
use crate::rules::{Flaw, Rules};
use crate::world::{Packs, Set, UNDELETER, World, own_pack, rescue_pack};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum At {
    Away,
    PutLease,
    ListLists,
    PutLeaseAgain,
    // Of a sync whose snapshot is of a session that is known here.
    LookAtFences,
    ListFencesOfSnapshot,
    PutAcquittal,
    ListFencesAgain,
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
    /// Its snapshot is void: it will acquit it.
    pub acquits: bool,
    /// Its snapshot is there.
    pub has_put: bool,
}

impl Writer {
    pub fn new(at: At) -> Self {
        Self { at, known: 0, blocks: 0, listed: 0, acquits: false, has_put: false }
    }
}

pub fn is_enabled(rules: &Rules, world: &World, writer: usize) -> bool {
    match world.writers[writer].at {
        At::Away | At::Ended | At::Void => false,
        At::PutLease if writer == UNDELETER => {
            let void = world.snapshots & !world.counted();
            (world.marks | void) >> rules.target(writer) & 1 == 1
        }
        _ => true,
    }
}

pub fn step(rules: &Rules, world: &mut World, writer: usize) {
    let next = match world.writers[writer].at {
        At::PutLease => put_lease(rules, world, writer),
        At::ListLists => list_lists(rules, world, writer),
        At::PutLeaseAgain => put_lease_again(rules, world, writer),
        At::LookAtFences => copied::look_at_fences(rules, world, writer),
        At::ListFencesOfSnapshot => copied::list_fences_of_snapshot(rules, world, writer),
        At::PutAcquittal => copied::put_acquittal(world, writer),
        At::ListFencesAgain => copied::list_fences_again(world, writer),
        At::ListPacks => first_look(rules, world, writer),
        At::PutKey => put_key(rules, world, writer),
        At::Store => store(rules, world, writer),
        At::ReadSnapshot => read_snapshot(rules, world, writer),
        At::ListListsAgain => list_lists_again(rules, world, writer),
        At::ListPacksAgain => second_look(rules, world, writer),
        At::ReadCondemned => read_condemned(world, writer),
        At::PutRescued => put_rescued(rules, world, writer),
        At::PutSnapshot => put_snapshot(rules, world, writer),
        At::DeleteMark => delete_mark(rules, world, writer),
        At::ListFences => list_fences(rules, world, writer),
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
        return unless_doomed(rules, world, writer, At::PutLeaseAgain);
    }
    let session = world.session_of_writer(writer);
    world.leases[session].put = true;
    At::ListLists
}

fn list_lists(rules: &Rules, world: &mut World, writer: usize) -> At {
    world.writers[writer].known = world.lists;
    let next = if world.lists == 0 { after_lease(rules, writer) } else { At::PutLeaseAgain };
    unless_doomed(rules, world, writer, next)
}

/// What a condemned list names cannot be undeleted any more.
fn unless_doomed(rules: &Rules, world: &World, writer: usize, next: At) -> At {
    let doomed = world.doomed_snapshots(world.writers[writer].known);
    let is_past_saving = doomed >> rules.target(writer) & 1 == 1 && !rules.has(Flaw::DoomedIsAcquitted);
    if writer == UNDELETER && is_past_saving { At::PutEnd } else { next }
}

fn put_lease_again(rules: &Rules, world: &mut World, writer: usize) -> At {
    let session = world.session_of_writer(writer);
    let lease = &mut world.leases[session];
    lease.put = true;
    lease.named = world.writers[writer].known;
    after_lease(rules, writer)
}

fn after_lease(rules: &Rules, writer: usize) -> At {
    match rules.copied {
        _ if writer == UNDELETER => At::ReadSnapshot,
        Some(_) => At::LookAtFences,
        None => At::ListPacks,
    }
}

fn read_snapshot(rules: &Rules, world: &mut World, writer: usize) -> At {
    let target = rules.target(writer);
    world.writers[writer].acquits = world.counted() >> target & 1 == 0;
    if world.snapshots >> target & 1 == 0 { At::PutEnd } else { At::ListListsAgain }
}

fn first_look(rules: &Rules, world: &mut World, writer: usize) -> At {
    let needs = rules.needs_of(1 << rules.target(writer));
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
    let needs = rules.needs_of(1 << rules.target(writer));
    let listed = if rules.has(Flaw::SecondLookAtOldListing) { world.writers[writer].listed } else { world.there };
    let is_looked_at = !(world.writers[writer].acquits && rules.has(Flaw::AcquittedUnsecured));
    let missing = if is_looked_at { needs & !world.blocks_of(listed & !absent(rules, world, writer)) } else { 0 };
    world.writers[writer].blocks = missing;
    match missing {
        0 => copied::after_securing(rules, world, writer),
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
    let snapshot = rules.target(writer);
    world.snapshots |= 1 << snapshot;
    world.writers[writer].has_put = true;
    // What a sync puts after it was settled is not void, and nobody is told of it: the next one completes it.
    if rules.receivers >> writer & 1 == 1 && world.leases[world.session_of_writer(writer)].settled {
        world.limbo |= 1 << snapshot;
    }
    world.writers[writer].known = 0;
    world.writers[writer].listed = 0;
    if rules.has(Flaw::NoLookForFence) {
        world.confirmed |= 1 << snapshot;
        return At::PutEnd;
    }
    At::ListFences
}

fn delete_mark(rules: &Rules, world: &mut World, writer: usize) -> At {
    let target = rules.target(writer);
    world.delete_mark(target);
    world.writers[writer].known = 0;
    if rules.has(Flaw::NoLookForFenceOfUndelete) {
        give_back(world, target);
        return At::PutEnd;
    }
    if world.leases[world.session_of_writer(writer)].settled {
        world.limbo |= 1 << target;
    }
    At::ListFences
}

fn list_fences(rules: &Rules, world: &mut World, writer: usize) -> At {
    if world.leases[world.session_of_writer(writer)].fenced {
        return At::Void;
    }
    let target = rules.target(writer);
    match writer {
        UNDELETER => give_back(world, target),
        _ if rules.copied.is_some() && !rules.has(Flaw::NoLookForFenceOfSnapshot) => return At::ListFencesOfSnapshot,
        _ => world.confirmed |= 1 << target,
    }
    At::PutEnd
}

/// The user is told that the snapshot is back; if it was not forgotten anew meanwhile.
fn give_back(world: &mut World, snapshot: usize) {
    if world.marks >> snapshot & 1 == 0 {
        world.forgotten &= !(1 << snapshot);
        world.limbo &= !(1 << snapshot);
        world.confirmed |= 1 << snapshot;
    }
}

fn put_end(world: &mut World, writer: usize) -> At {
    let session = world.session_of_writer(writer);
    world.leases[session].ended = true;
    At::Ended
}
