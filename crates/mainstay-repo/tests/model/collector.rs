//! A prune (C1 to C8), up to the finishing of its lists.
//!
//! Owns what a collector does next, what it knows, and what it may plan. Finishing a list is in `finish`. Each step is one
//! operation on the store. Where the protocol leaves a choice (whom to fence, which packs go), every choice is tried.

use crate::fences;
use crate::finish;
use crate::leftovers;
use crate::rules::{Flaw, Rules};
use crate::world::{Packs, SWEEPER, Set, World, collector_pack, lowest, members, session_of_collector};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum At {
    Away,
    PutLease,
    ListLists,
    PutLeaseAgain,
    ListPacks,
    ListLeases,
    PutFence,
    ListSnapshotsOfFenced,
    PutSettlement,
    ListMarks,
    ListSnapshots,
    ListPacksAgain,
    ReadCondemned,
    PutRescued,
    PutMarksOfVoid,
    PutFirstList,
    PutMoved,
    PutSecondList,
    // Finishing a list.
    FinishListLeases,
    FinishListMarks,
    FinishListSnapshots,
    FinishListLists,
    FinishListPacks,
    DeleteListEarly,
    DeleteSnapshot,
    DeleteMark,
    DeletePack,
    DeleteList,
    // Data keys: which are left over, and the end of a list of them.
    ListKeys,
    KeysListLeases,
    KeysListSnapshots,
    KeysListPacks,
    PutKeyList,
    FinishKeysListSnapshots,
    FinishKeysListPacks,
    DeleteKeys,
    PutEnd,
    Ended,
    /// Something that is needed is nowhere: it changed nothing, and asks for help.
    Refused,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Collector {
    pub at: At,
    /// Lists that were there at C1.
    pub known: Set,
    /// Lists of these that are still to be finished.
    pub found: Set,
    /// Packs that were there at C2, less those of sessions at work.
    pub seen: Packs,
    /// Sessions to fence and to settle.
    pub silent: Set,
    /// Marks or snapshots of the last listing, and marks of void ones.
    pub listing: Set,
    pub void_listing: Set,
    pub looks_again: bool,
    /// Snapshots that go.
    pub goes: Set,
    /// Blocks that are needed; after the plan those to rescue.
    pub blocks: Set,
    /// Packs that the first list names, and those that the second one names.
    pub drop: Packs,
    pub moved: Packs,
    /// Blocks to move: what is needed of the moved packs.
    pub carried: Set,
    /// The list that is being finished, with what is left to delete of it.
    pub list: u8,
    pub left_snapshots: Set,
    pub left_packs: Packs,
    pub left_keys: Set,
    /// Something of the list is needed, so the list stays.
    pub stays: bool,
    /// It has seen to the data keys.
    pub keys_done: bool,
    /// What C3 found: snapshots that are needed, those that were forgotten, and the packs in which it counts copies.
    pub kept: Set,
    pub forgotten: Set,
    /// Void ones that stay for now.
    pub held: Set,
    pub relied_on: Packs,
}

impl Collector {
    pub fn new(at: At) -> Self {
        Self {
            at,
            known: 0,
            found: 0,
            seen: 0,
            silent: 0,
            listing: 0,
            void_listing: 0,
            looks_again: false,
            goes: 0,
            blocks: 0,
            drop: 0,
            moved: 0,
            carried: 0,
            list: 0,
            left_snapshots: 0,
            left_packs: 0,
            left_keys: 0,
            stays: false,
            keys_done: false,
            kept: 0,
            forgotten: 0,
            held: 0,
            relied_on: 0,
        }
    }
}

pub fn first_list(collector: usize) -> usize {
    2 * collector
}

pub fn second_list(collector: usize) -> usize {
    2 * collector + 1
}

pub fn own_lists(collector: usize) -> Set {
    0b11 << first_list(collector)
}

/// How many ways there are to go on; ways that make no sense are refused by `step`.
pub fn choices(rules: &Rules, world: &World, collector: usize) -> u8 {
    match world.collectors[collector].at {
        At::Away | At::Ended | At::Refused => 0,
        At::ListLeases => {
            let silent = fences::open_sessions(rules, world, collector) & fences::fenceable(rules, collector);
            1 << silent.count_ones()
        }
        At::ListPacksAgain => 3_u8.pow(worth_a_thought(rules, world, collector).count_ones()),
        _ => 1,
    }
}

/// Does one step, if the choice makes sense.
pub fn step(rules: &Rules, world: &mut World, collector: usize, choice: u8) -> Option<()> {
    let next = match world.collectors[collector].at {
        At::PutLease => put_lease(world, collector),
        At::ListLists => list_lists(world, collector),
        At::PutLeaseAgain => put_lease_again(world, collector),
        At::ListPacks => list_packs(world, collector),
        At::ListLeases => fences::list_leases(rules, world, collector, choice),
        At::PutFence => fences::put_fence(rules, world, collector),
        At::ListSnapshotsOfFenced => fences::list_snapshots_of_fenced(world, collector),
        At::PutSettlement => fences::put_settlement(rules, world, collector),
        At::ListMarks => list_marks(rules, world, collector),
        At::ListSnapshots => list_snapshots(rules, world, collector),
        At::ListPacksAgain => plan(rules, world, collector, choice)?,
        At::ReadCondemned => read_condemned(rules, world, collector),
        At::PutRescued => put_rescued(rules, world, collector),
        At::PutMarksOfVoid => put_marks_of_void(rules, world, collector),
        At::PutFirstList => put_first_list(rules, world, collector),
        At::PutMoved => put_moved(world, collector),
        At::PutSecondList => put_second_list(rules, world, collector),
        At::PutEnd => put_end(world, collector),
        At::ListKeys
        | At::KeysListLeases
        | At::KeysListSnapshots
        | At::KeysListPacks
        | At::PutKeyList
        | At::FinishKeysListSnapshots
        | At::FinishKeysListPacks
        | At::DeleteKeys => leftovers::step(rules, world, collector),
        _ => finish::step(rules, world, collector),
    };
    world.collectors[collector].at = next;
    if matches!(next, At::Ended | At::Refused | At::PutEnd) {
        world.collectors[collector] = Collector::new(next);
    }
    Some(())
}

fn put_lease(world: &mut World, collector: usize) -> At {
    world.leases[session_of_collector(collector)].put = true;
    At::ListLists
}

fn list_lists(world: &mut World, collector: usize) -> At {
    let lists = world.lists;
    let own = &mut world.collectors[collector];
    (own.known, own.found) = (lists, lists);
    if lists == 0 { At::ListPacks } else { At::PutLeaseAgain }
}

fn put_lease_again(world: &mut World, collector: usize) -> At {
    world.leases[session_of_collector(collector)].named = world.collectors[collector].known;
    At::ListPacks
}

fn list_packs(world: &mut World, collector: usize) -> At {
    world.collectors[collector].seen = world.there;
    At::ListLeases
}

/// The first of two listings that C3 and F2 are made of. Marks come first: of a snapshot that another collector removes
/// between the two listings, the mark goes last.
pub fn first_listing(rules: &Rules, world: &mut World, collector: usize) {
    let listing = if rules.has(Flaw::MarksListedLast) { world.counted() } else { world.marks };
    world.collectors[collector].listing = listing;
    world.collectors[collector].void_listing = world.void_marks;
}

/// What the two listings show.
pub struct Seen {
    pub counted: Set,
    pub void: Set,
    pub marks: Set,
    pub void_marks: Set,
}

/// The second one.
pub fn second_listing(rules: &Rules, world: &mut World, collector: usize) -> Seen {
    let own = &mut world.collectors[collector];
    let (first, void_marks) = (std::mem::take(&mut own.listing), std::mem::take(&mut own.void_listing));
    let (counted, marks) =
        if rules.has(Flaw::MarksListedLast) { (first, world.marks) } else { (world.counted(), first) };
    Seen { counted, void: world.snapshots & !world.counted(), marks, void_marks }
}

fn list_marks(rules: &Rules, world: &mut World, collector: usize) -> At {
    first_listing(rules, world, collector);
    At::ListSnapshots
}

fn list_snapshots(rules: &Rules, world: &mut World, collector: usize) -> At {
    let Seen { counted, void, marks, .. } = second_listing(rules, world, collector);
    let own = &mut world.collectors[collector];
    let is_holding = rules.holding >> collector & 1 == 1;
    own.goes = if is_holding { 0 } else { counted & marks | void };
    (own.kept, own.held, own.forgotten) = (counted & !own.goes, void & !own.goes, own.goes);
    own.blocks = rules.needs_of(own.kept);
    At::ListPacksAgain
}

/// Packs in which a copy can be relied on, of those that are listed now.
fn good_packs(rules: &Rules, world: &World, collector: usize) -> Packs {
    let own = &world.collectors[collector];
    let listed = if rules.has(Flaw::PacksListedOnce) { own.seen } else { world.there };
    listed & !absent(rules, world, collector)
}

/// Packs that count as absent for a collector.
pub fn absent(rules: &Rules, world: &World, collector: usize) -> Packs {
    if rules.has(Flaw::CondemnedPacksCount) { 0 } else { world.doomed(world.collectors[collector].known) }
}

/// Packs that may go, and hold something that is needed.
fn worth_a_thought(rules: &Rules, world: &World, collector: usize) -> Packs {
    if !rules.drops_copies && !rules.moves || collector == SWEEPER {
        return 0;
    }
    let own = &world.collectors[collector];
    let candidates = members(own.seen & good_packs(rules, world, collector));
    let needed = candidates.filter(|pack| world.content[*pack] & own.blocks != 0);
    // More than four are never of use at once, and each trebles the choices.
    needed.take(4).fold(0, |packs, pack| packs | 1 << pack)
}

fn plan(rules: &Rules, world: &mut World, collector: usize, choice: u8) -> Option<At> {
    let (mut drop, mut moved, mut digits): (Packs, Packs, u8) = (0, 0, choice);
    for pack in members(worth_a_thought(rules, world, collector)) {
        match digits % 3 {
            1 => drop |= 1 << pack,
            2 => moved |= 1 << pack,
            _ => {}
        }
        digits /= 3;
    }
    let good = good_packs(rules, world, collector);
    // What a void snapshot that is held lacks stops nobody.
    let blocks = world.blocks_of(good);
    let own = &mut world.collectors[collector];
    own.blocks |= rules.needs_of(own.held) & blocks;
    let needed = own.blocks;
    let stays = world.blocks_of(good & !drop);
    let is_allowed = (drop == 0 || rules.drops_copies) && (moved == 0 || rules.moves) && moved.count_ones() <= 1;
    let missing = needed & !world.blocks_of(good);
    if rules.has(Flaw::PacksListedOnce) && missing & !world.blocks_of(world.collectors[collector].seen) != 0 {
        return Some(At::Refused);
    }
    if !is_allowed || needed & !missing & !stays != 0 {
        return None;
    }
    let candidates = members(world.collectors[collector].seen & good);
    let dead = candidates.filter(|pack| world.content[*pack] & needed == 0).fold(0, |packs, pack| packs | 1 << pack);
    let carried = world.blocks_of(moved) & needed;
    let own = &mut world.collectors[collector];
    own.carried = carried;
    own.relied_on = good & !drop & !dead;
    (own.drop, own.moved, own.blocks) = (drop | dead, moved, missing);
    Some(if missing == 0 { begin_lists(rules, world, collector) } else { At::ReadCondemned })
}

/// What is needed and cannot be read may have been given up since: it looks again, once.
fn read_condemned(rules: &Rules, world: &mut World, collector: usize) -> At {
    let readable = world.blocks_of(world.there);
    let own = &mut world.collectors[collector];
    if own.blocks & !readable == 0 {
        return At::PutRescued;
    }
    if std::mem::replace(&mut own.looks_again, true) || rules.has(Flaw::RefusesAtOnce) {
        return At::Refused;
    }
    *own =
        Collector { known: own.known, found: own.found, seen: own.seen, looks_again: true, ..Collector::new(own.at) };
    At::ListMarks
}

fn put_rescued(rules: &Rules, world: &mut World, collector: usize) -> At {
    let blocks = std::mem::take(&mut world.collectors[collector].blocks);
    world.copy_blocks(blocks, world.there, collector_pack(collector));
    world.collectors[collector].relied_on |= 1 << collector_pack(collector);
    begin_lists(rules, world, collector)
}

fn begin_lists(rules: &Rules, world: &mut World, collector: usize) -> At {
    let own = &mut world.collectors[collector];
    (own.seen, own.looks_again) = (0, false);
    if own.held == 0 { next_list(rules, world, collector) } else { At::PutMarksOfVoid }
}

/// The hold of a void snapshot begins; where a mark is there, that stays.
fn put_marks_of_void(rules: &Rules, world: &mut World, collector: usize) -> At {
    world.void_marks |= world.collectors[collector].held & !world.marks;
    next_list(rules, world, collector)
}

/// Lists that were found come first, then those of this prune.
pub fn next_list(rules: &Rules, world: &mut World, collector: usize) -> At {
    let own = &mut world.collectors[collector];
    if own.found != 0 {
        own.list = u8::try_from(lowest(u16::from(own.found))).expect("there are few lists");
        own.found &= own.found - 1;
        At::FinishListLeases
    } else if own.goes != 0 || own.drop != 0 {
        At::PutFirstList
    } else if own.moved != 0 {
        At::PutMoved
    } else {
        leftovers::first_step(rules, own)
    }
}

fn put_first_list(rules: &Rules, world: &mut World, collector: usize) -> At {
    let own = &mut world.collectors[collector];
    let (packs, snapshots) = (std::mem::take(&mut own.drop), std::mem::take(&mut own.goes));
    put_list(world, first_list(collector), (packs, snapshots, 0));
    begin_to_finish(rules, world, collector, first_list(collector))
}

pub fn put_list(world: &mut World, list: usize, (packs, snapshots, keys): (Packs, Set, Set)) {
    world.lists |= 1 << list;
    world.list_packs[list] = packs;
    world.list_snapshots[list] = snapshots;
    world.list_keys[list] = keys;
}

pub fn begin_to_finish(rules: &Rules, world: &mut World, collector: usize, list: usize) -> At {
    world.collectors[collector].list = u8::try_from(list).expect("there are few lists");
    finish::first_step(rules)
}

fn put_moved(world: &mut World, collector: usize) -> At {
    let own = &mut world.collectors[collector];
    if own.moved & !world.there != 0 {
        return At::PutEnd;
    }
    let (blocks, moved) = (std::mem::take(&mut own.carried), own.moved);
    own.relied_on = own.relied_on & !own.moved | 1 << (collector_pack(collector) + 1);
    world.copy_blocks(blocks, moved, collector_pack(collector) + 1);
    At::PutSecondList
}

fn put_second_list(rules: &Rules, world: &mut World, collector: usize) -> At {
    let packs = std::mem::take(&mut world.collectors[collector].moved);
    put_list(world, second_list(collector), (packs, 0, 0));
    begin_to_finish(rules, world, collector, second_list(collector))
}

fn put_end(world: &mut World, collector: usize) -> At {
    world.leases[session_of_collector(collector)].ended = true;
    At::Ended
}
