//! Data keys under which nothing is left: which they are, and the end of a list of them.
//!
//! Owns what comes after the lists of packs. Also the way that looks harmless, and is not: deleting them at once, while nobody is
//! at work.

use crate::collector::{At, Collector, begin_to_finish, put_list, second_list};
use crate::fences::open_sessions;
use crate::rules::{Flaw, Rules};
use crate::world::{Set, UNDELETER, World};

pub fn first_step(rules: &Rules, own: &Collector) -> At {
    if rules.has_data_keys() && !own.keys_done { At::ListKeys } else { At::PutEnd }
}

pub fn step(rules: &Rules, world: &mut World, collector: usize) -> At {
    match world.collectors[collector].at {
        At::ListKeys => {
            world.collectors[collector].listing = world.keys;
            At::KeysListLeases
        }
        At::KeysListLeases => list_leases(rules, world, collector),
        At::KeysListSnapshots => {
            keep_those_of_snapshots(world, collector);
            At::KeysListPacks
        }
        At::KeysListPacks => list_packs(rules, world, collector),
        At::PutKeyList => put_key_list(rules, world, collector),
        At::FinishKeysListSnapshots => {
            world.collectors[collector].left_keys = world.list_keys[usize::from(world.collectors[collector].list)];
            let needed = world.keys_of(0, world.snapshots);
            keep_of_list(world, collector, needed);
            At::FinishKeysListPacks
        }
        At::FinishKeysListPacks => {
            let needed = world.keys_of(world.there, 0);
            keep_of_list(world, collector, needed);
            At::DeleteKeys
        }
        At::DeleteKeys if rules.has(Flaw::DataKeysGo) => {
            world.keys &= !world.collectors[collector].listing;
            At::PutEnd
        }
        At::DeleteKeys => {
            world.keys &= !std::mem::take(&mut world.collectors[collector].left_keys);
            At::DeleteList
        }
        _ => At::PutEnd,
    }
}

/// Only keys of sessions that ended in good order go, and only while nobody is at work: whoever was fenced may wake and go on.
fn list_leases(rules: &Rules, world: &mut World, collector: usize) -> At {
    if open_sessions(rules, world, collector) != 0 {
        return At::PutEnd;
    }
    if rules.has(Flaw::DataKeysGo) {
        return At::KeysListPacks;
    }
    let ended = |writer: &usize| world.leases[*writer].ended && !world.leases[*writer].fenced;
    let ended = (0..UNDELETER).filter(ended).fold(0, |keys: Set, writer| keys | 1 << writer);
    world.collectors[collector].listing &= ended;
    At::KeysListSnapshots
}

fn keep_those_of_snapshots(world: &mut World, collector: usize) {
    world.collectors[collector].listing &= !world.keys_of(0, world.snapshots);
}

fn list_packs(rules: &Rules, world: &mut World, collector: usize) -> At {
    let in_use = world.keys_of(world.there, 0);
    let own = &mut world.collectors[collector];
    own.listing &= !in_use;
    match own.listing {
        _ if rules.has(Flaw::DataKeysGo) => At::DeleteKeys,
        0 => At::PutEnd,
        _ => At::PutKeyList,
    }
}

fn put_key_list(rules: &Rules, world: &mut World, collector: usize) -> At {
    let own = &mut world.collectors[collector];
    own.keys_done = true;
    let keys = std::mem::take(&mut own.listing);
    put_list(world, second_list(collector), (0, 0, keys));
    begin_to_finish(rules, world, collector, second_list(collector))
}

/// What is needed of a list stays, and with it the list.
fn keep_of_list(world: &mut World, collector: usize, needed: Set) {
    let own = &mut world.collectors[collector];
    own.stays |= own.left_keys & needed != 0;
    own.left_keys &= !needed;
}
