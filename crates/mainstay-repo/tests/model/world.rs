//! The store and everybody at work in it, as small as can be.
//!
//! Owns what is in the store, what each actor knows, and what was promised to users. It makes no step: see `writer`,
//! `collector`, `finish` and `errands`. All sets are bit sets; no number is used twice, as no name in a store is.

use crate::collector::Collector;
use crate::errands::Syncer;
use crate::writer::Writer;

/// A set of packs.
pub type Packs = u16;
/// A set of snapshots, lists, sessions or blocks.
pub type Set = u8;

pub const PACKS: usize = 13;
pub const LISTS: usize = 6;
pub const SESSIONS: usize = 7;
pub const WRITERS: usize = 3;
pub const COLLECTORS: usize = 3;

/// The third writer is no backup: it brings a snapshot back.
pub const UNDELETER: usize = 2;
/// The third collector comes only when everybody else has stopped.
pub const SWEEPER: usize = 2;
pub const SYNCER_SESSION: usize = 5;
/// The snapshot that was there before.
pub const OLD: usize = 0;

pub const fn session_of_collector(collector: usize) -> usize {
    [3, 4, 6][collector]
}

/// The snapshot that the session of a writer writes.
pub const fn snapshot_of(writer: usize) -> usize {
    writer + 1
}

pub const fn own_pack(writer: usize) -> usize {
    2 + 2 * writer
}

pub const fn rescue_pack(writer: usize) -> usize {
    [3, 5, 10][writer]
}

pub const fn collector_pack(collector: usize) -> usize {
    [6, 8, 11][collector]
}

/// The session that wrote a pack; the first two are of sessions long gone.
pub fn session_of_pack(pack: usize) -> Option<usize> {
    [None, None, Some(0), Some(0), Some(1), Some(1), Some(3), Some(3), Some(4), Some(4), Some(2), Some(6), Some(6)]
        [pack]
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Lease {
    pub put: bool,
    pub ended: bool,
    pub fenced: bool,
    /// There is a settlement.
    pub settled: bool,
    /// A settlement does not name the snapshot of the session.
    pub void: bool,
    /// Somebody has acquitted it.
    pub acquitted: bool,
    /// Lists that the lease names.
    pub named: Set,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    /// Packs in the store. A pack is found once it is there: its table is part of it.
    pub there: Packs,
    /// Blocks in each pack that was ever there.
    pub content: [Set; PACKS],
    /// Writers under whose data keys the blocks of each pack are sealed: whoever copies a block leaves it so.
    pub sealed: [Set; PACKS],
    /// Condemned lists in the store.
    pub lists: Set,
    /// What each list that was ever there names.
    pub list_packs: [Packs; LISTS],
    pub list_snapshots: [Set; LISTS],
    /// Writers whose data keys each list names.
    pub list_keys: [Set; LISTS],
    pub snapshots: Set,
    /// Marks of snapshots that a user forgot, and those that a collector put for void ones: a name holds one of the two.
    pub marks: Set,
    pub void_marks: Set,
    /// Writers whose data key is in the store; all of them where data keys are left out.
    pub keys: Set,
    pub leases: [Lease; SESSIONS],
    /// Snapshots that were confirmed to a user.
    pub confirmed: Set,
    /// Snapshots that a user gave up and did not get back.
    pub forgotten: Set,
    /// Snapshots whose mark a session deleted that did not count any more, or that such a sync put, and that nobody was told of.
    pub limbo: Set,
    pub writers: [Writer; WRITERS],
    pub collectors: [Collector; COLLECTORS],
    pub syncer: Syncer,
    /// How many marks the forgetter may still put.
    pub forgets: u8,
    /// How many undeletes have not ended.
    pub undeletes: u8,
}

/// The numbers in a set.
pub fn members(set: u16) -> impl Iterator<Item = usize> {
    (0..16).filter(move |number| set >> number & 1 == 1)
}

pub fn lowest(set: u16) -> usize {
    set.trailing_zeros() as usize
}

impl World {
    pub fn session_of_writer(&self, writer: usize) -> usize {
        // Whoever tries a second time is another session; where there is no syncer, its number is free.
        if writer == UNDELETER && self.undeletes == 2 { SYNCER_SESSION } else { writer }
    }

    /// Blocks of which one of these packs has a copy, whether it is there or not.
    pub fn blocks_of(&self, packs: Packs) -> Set {
        members(packs).fold(0, |blocks, pack| blocks | self.content[pack])
    }

    /// Packs that these lists name.
    pub fn doomed(&self, lists: Set) -> Packs {
        members(u16::from(lists)).fold(0, |packs, list| packs | self.list_packs[list])
    }

    pub fn doomed_snapshots(&self, lists: Set) -> Set {
        members(u16::from(lists)).fold(0, |snapshots, list| snapshots | self.list_snapshots[list])
    }

    /// Snapshots in the store that no settlement voids, or that were acquitted.
    pub fn counted(&self) -> Set {
        let void = (0..UNDELETER).filter(|writer| self.leases[*writer].void && !self.leases[*writer].acquitted);
        void.fold(self.snapshots, |snapshots, writer| snapshots & !(1 << snapshot_of(writer)))
    }

    pub fn delete_mark(&mut self, snapshot: usize) {
        self.marks &= !(1 << snapshot);
        self.void_marks &= !(1 << snapshot);
    }

    /// Data keys that these lists name.
    pub fn doomed_keys(&self, lists: Set) -> Set {
        members(u16::from(lists)).fold(0, |keys, list| keys | self.list_keys[list])
    }

    /// Packs in the store that are sealed under one of these keys.
    pub fn sealed_under(&self, keys: Set) -> Packs {
        let packs = members(self.there).filter(|pack| self.sealed[*pack] & keys != 0);
        packs.fold(0, |packs, pack| packs | 1 << pack)
    }

    /// Packs in the store that somebody can decrypt.
    pub fn readable(&self) -> Packs {
        self.there & !self.sealed_under(!self.keys)
    }

    /// Keys without which nobody can read some pack or snapshot that is listed now.
    pub fn keys_of(&self, packs: Packs, snapshots: Set) -> Set {
        let sealed = members(packs).fold(0, |keys, pack| keys | self.sealed[pack]);
        let written = (0..UNDELETER).filter(|writer| snapshots >> snapshot_of(*writer) & 1 == 1);
        written.fold(sealed, |keys, writer| keys | 1 << writer)
    }

    pub fn put_pack(&mut self, pack: usize, blocks: Set, sealed: Set) {
        self.there |= 1 << pack;
        self.content[pack] = blocks;
        self.sealed[pack] = sealed;
    }

    /// Copies blocks out of these packs into a new one, as they are: of several copies any.
    pub fn copy_blocks(&mut self, blocks: Set, from: Packs, into: usize) {
        let of = |block: usize| members(from).find(|pack| self.content[*pack] >> block & 1 == 1);
        let sources = members(u16::from(blocks)).filter_map(of);
        let sealed = sources.fold(0, |keys, pack| keys | self.sealed[pack]);
        self.put_pack(into, blocks, sealed);
    }
}
