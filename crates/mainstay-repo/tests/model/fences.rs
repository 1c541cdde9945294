//! Whom a collector disregards (C2): fences and settlements.
//!
//! Owns who counts as at work, and the steps that end it. Anybody may be fenced at any time, whatever truly became of them.

use crate::collector::At;
use crate::rules::{Flaw, Rules};
use crate::world::{
    SESSIONS, SWEEPER, Set, UNDELETER, World, lowest, members, session_of_collector, session_of_pack, snapshot_of,
};

/// Sessions of others that are at work.
pub fn open_sessions(rules: &Rules, world: &World, collector: usize) -> Set {
    let own = session_of_collector(collector);
    let open = (0..SESSIONS).filter(|session| {
        let lease = &world.leases[*session];
        let gone = lease.settled || rules.has(Flaw::FenceAloneCounts) && lease.fenced;
        *session != own && lease.put && !lease.ended && !gone
    });
    open.fold(0, |sessions, session| sessions | 1 << session)
}

pub fn fenceable(rules: &Rules, collector: usize) -> Set {
    if collector == SWEEPER { Set::MAX } else { rules.fenceable }
}

pub fn list_leases(rules: &Rules, world: &mut World, collector: usize, choice: u8) -> At {
    let open = open_sessions(rules, world, collector);
    let may_be_silent = members(u16::from(open & fenceable(rules, collector)));
    let chosen = may_be_silent.enumerate().filter(|(index, _)| choice >> index & 1 == 1);
    let silent = chosen.fold(0, |silent: Set, (_, session)| silent | 1 << session);
    let at_work = open & !silent;
    let own = &mut world.collectors[collector];
    own.silent = silent;
    let of_at_work = |pack: &usize| session_of_pack(*pack).is_some_and(|session| at_work >> session & 1 == 1);
    own.seen = members(own.seen).filter(|pack| !of_at_work(pack)).fold(0, |packs, pack| packs | 1 << pack);
    next_fence(rules, world, collector)
}

fn next_fence(rules: &Rules, world: &World, collector: usize) -> At {
    match world.collectors[collector].silent {
        0 => At::ListMarks,
        _ if rules.has(Flaw::SettledBeforeFenced) => At::ListSnapshotsOfFenced,
        silent if world.leases[lowest(u16::from(silent))].fenced => At::ListSnapshotsOfFenced,
        _ => At::PutFence,
    }
}

pub fn put_fence(rules: &Rules, world: &mut World, collector: usize) -> At {
    let session = lowest(u16::from(world.collectors[collector].silent));
    world.leases[session].fenced = true;
    if !rules.has(Flaw::SettledBeforeFenced) {
        return At::ListSnapshotsOfFenced;
    }
    fenced_and_settled(rules, world, collector)
}

pub fn list_snapshots_of_fenced(world: &mut World, collector: usize) -> At {
    world.collectors[collector].listing = world.snapshots;
    At::PutSettlement
}

pub fn put_settlement(rules: &Rules, world: &mut World, collector: usize) -> At {
    let listed = std::mem::take(&mut world.collectors[collector].listing);
    let session = lowest(u16::from(world.collectors[collector].silent));
    let lease = &mut world.leases[session];
    lease.settled = true;
    let is_backup = (0..UNDELETER).find(|writer| *writer == session);
    let may_be_void = |writer: usize| rules.receivers >> writer & 1 == 0;
    lease.void |= is_backup.is_some_and(|writer| may_be_void(writer) && listed >> snapshot_of(writer) & 1 == 0);
    if rules.has(Flaw::SettledBeforeFenced) {
        return At::PutFence;
    }
    fenced_and_settled(rules, world, collector)
}

fn fenced_and_settled(rules: &Rules, world: &mut World, collector: usize) -> At {
    let silent = &mut world.collectors[collector].silent;
    *silent &= *silent - 1;
    next_fence(rules, world, collector)
}
