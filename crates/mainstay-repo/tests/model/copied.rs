//! A copy of the files of a repository, made while a backup was at work, and what brings its snapshot here (A1 to A4).
//!
//! Owns what the first session has left in the copy, and the acquitting steps of writers. That session never goes on here.

use crate::rules::{Flaw, Rules};
use crate::world::{Set, UNDELETER, World, own_pack, snapshot_of};
use crate::writer::At;

/// The session whose lease was copied.
const ITS_SESSION: usize = 0;
pub const ITS_SNAPSHOT: usize = snapshot_of(ITS_SESSION);

/// What had come along of it when the model begins.
#[derive(Clone, Copy, Debug)]
pub struct Copied {
    /// Blocks of its pack.
    pub blocks: Set,
    /// Whether it was settled with nothing before its snapshot was copied, too.
    pub is_void: bool,
}

impl Copied {
    pub fn leave_in(self, world: &mut World) {
        let lease = &mut world.leases[ITS_SESSION];
        lease.put = true;
        (lease.fenced, lease.settled, lease.void) = (self.is_void, self.is_void, self.is_void);
        if self.blocks != 0 {
            world.put_pack(own_pack(ITS_SESSION), self.blocks, 0);
        }
        if self.is_void {
            world.snapshots |= 1 << ITS_SNAPSHOT;
        }
    }
}

/// What a sync knows of the session of its snapshot, and what is to become of that: what is doomed, forgotten, or counts is left alone.
pub fn look_at_fences(rules: &Rules, world: &mut World, writer: usize) -> At {
    let doomed = world.doomed_snapshots(world.writers[writer].known);
    let is_sure = !needs_acquittal(rules, world) && world.counted() >> ITS_SNAPSHOT & 1 == 1;
    if is_sure || (doomed | world.marks) >> ITS_SNAPSHOT & 1 == 1 {
        return At::PutEnd;
    }
    world.writers[writer].acquits = world.leases[ITS_SESSION].fenced;
    At::ListPacks
}

/// What follows when everything is secured: the acquittal comes first where it is known to be needed.
pub fn after_securing(rules: &Rules, world: &World, writer: usize) -> At {
    match writer {
        UNDELETER if world.writers[writer].acquits => At::PutAcquittal,
        UNDELETER => At::DeleteMark,
        _ if world.writers[writer].acquits && !rules.has(Flaw::NoLookForFenceOfSnapshot) => At::ListFencesOfSnapshot,
        _ => At::PutSnapshot,
    }
}

/// Whether the session of the snapshot was fenced, and nobody has acquitted the snapshot.
pub fn list_fences_of_snapshot(rules: &Rules, world: &mut World, writer: usize) -> At {
    match needs_acquittal(rules, world) {
        true => At::PutAcquittal,
        false if world.writers[writer].has_put => confirm(world),
        false => At::PutSnapshot,
    }
}

/// A session that was fenced may be settled by one who has slept since he listed the snapshots, whatever other settlements say.
fn needs_acquittal(rules: &Rules, world: &World) -> bool {
    let lease = &world.leases[ITS_SESSION];
    let is_believed = lease.settled && !lease.void && rules.has(Flaw::SettlementIsBelieved);
    lease.fenced && !lease.acquitted && !is_believed
}

pub fn put_acquittal(world: &mut World, writer: usize) -> At {
    world.leases[ITS_SESSION].acquitted = true;
    if world.leases[world.session_of_writer(writer)].settled {
        world.limbo |= 1 << ITS_SNAPSHOT;
    }
    match writer {
        UNDELETER => At::DeleteMark,
        _ if world.writers[writer].has_put => At::ListFencesAgain,
        _ => At::PutSnapshot,
    }
}

pub fn list_fences_again(world: &mut World, writer: usize) -> At {
    let is_fenced = world.leases[world.session_of_writer(writer)].fenced;
    if is_fenced { At::Void } else { confirm(world) }
}

fn confirm(world: &mut World) -> At {
    world.confirmed |= 1 << ITS_SNAPSHOT;
    At::PutEnd
}
