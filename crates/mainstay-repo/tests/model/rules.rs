//! What is modelled: who takes part, what they may do, and which flaw the protocol has.
//!
//! Owns the settings of one model. A flaw is a way to break the protocol that must be found out.

use crate::copied::{Copied, ITS_SNAPSHOT};
use crate::world::{OLD, Set, UNDELETER, snapshot_of};

/// One way to do it wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    Nothing,
    /// The condemned lists are read before the lease is put.
    ListsBeforeLease,
    /// A backup does not look at its blocks again before its snapshot.
    NoSecondLook,
    /// The second look takes the packs of the first one, and forgets which lists it saw then.
    SecondLookAtOldListing,
    /// A backup does not look for its fence.
    NoLookForFence,
    /// Condemned packs count as copies.
    CondemnedPacksCount,
    /// Who needs a condemned pack takes it off its list.
    PackTakenOffItsList,
    /// A list is finished whoever is at work.
    NoLookAtLeases,
    /// A list is finished by what was needed when the prune began.
    NoLookAtSnapshots,
    /// A list is finished whatever other collectors have condemned.
    NoLookAtLists,
    /// A list is finished by the packs that were there when the prune began.
    NoLookAtPacks,
    ListDeletedBeforePacks,
    SettledBeforeFenced,
    /// A session counts for nothing as soon as it is fenced.
    FenceAloneCounts,
    /// A list of which a snapshot came back is deleted all the same.
    ListDeletedBeforeSnapshots,
    /// A snapshot of a list is deleted although it had come back when the prune began.
    KeptSnapshotsOfListsGo,
    /// An undelete does not look for its fence.
    NoLookForFenceOfUndelete,
    /// Packs to copy are listed before snapshots to copy.
    SyncListsPacksFirst,
    /// Copies are looked for among the packs that were listed before the snapshots.
    PacksListedOnce,
    /// Snapshots are listed before marks.
    MarksListedLast,
    /// A prune is refused at once when something that it needs is gone.
    RefusesAtOnce,
    /// A sync does not look whether the session of its snapshot was fenced.
    NoLookForFenceOfSnapshot,
    /// What a settlement names is not acquitted.
    SettlementIsBelieved,
    /// What is void is acquitted without a look at what it needs.
    AcquittedUnsecured,
    /// What a list names is acquitted all the same.
    DoomedIsAcquitted,
    /// The mark of a void snapshot counts when the snapshot does.
    MarkOfVoidCounts,
    /// A snapshot that was held counts as seen to, though it was acquitted since.
    HeldCountsAsKept,
    /// Data keys are deleted when no pack holds a block that is sealed under them, and nobody is at work.
    DataKeysGo,
}

#[derive(Clone, Copy, Debug)]
pub struct Rules {
    pub name: &'static str,
    /// Two of them show that each of two steps makes up for the other.
    pub flaws: [Flaw; 2],
    /// Blocks that each backup needs; 0 if it does not take part.
    pub writers: [Set; 2],
    pub collectors: usize,
    /// How many times somebody tries to bring the old snapshot back.
    pub undeletes: u8,
    pub syncer: bool,
    /// Writers that are syncs which bring a snapshot: it is of another session, so that none of its own fences makes it void.
    pub receivers: Set,
    /// Blocks of the packs that are there at the beginning.
    pub old_packs: [Set; 2],
    /// Blocks that the old snapshot needs; 0 if there is none.
    pub old_snapshot: Set,
    /// The first writer was at work elsewhere when the files of its repository were copied, and is not at work here; the second one is a sync
    /// that brings its snapshot, and an undeletion brings back that one.
    pub copied: Option<Copied>,
    /// Collectors to which what was forgotten, and is void, is held still.
    pub holding: Set,
    /// Whether the old snapshot is forgotten at the beginning.
    pub begins_forgotten: bool,
    /// How many marks are put, and on which snapshots.
    pub forgets: u8,
    pub forgettable: Set,
    /// Sessions that may seem silent or gone, truly or not.
    pub fenceable: Set,
    /// Whether collectors condemn second copies.
    pub drops_copies: bool,
    /// Whether collectors move blocks to new packs.
    pub moves: bool,
    /// Whether data keys go when nothing is left that they open; not where blocks are moved.
    pub data_keys: bool,
}

impl Rules {
    /// Nobody and nothing.
    pub const fn named(name: &'static str) -> Self {
        Self {
            name,
            flaws: [Flaw::Nothing; 2],
            writers: [0, 0],
            collectors: 0,
            undeletes: 0,
            syncer: false,
            receivers: 0,
            copied: None,
            holding: 0,
            old_packs: [0, 0],
            old_snapshot: 0,
            begins_forgotten: false,
            forgets: 0,
            forgettable: 1,
            fenceable: 0,
            drops_copies: false,
            moves: false,
            data_keys: false,
        }
    }

    pub const fn with(self, flaws: [Flaw; 2]) -> Self {
        Self { flaws, ..self }
    }

    pub fn has(&self, flaw: Flaw) -> bool {
        self.flaws.contains(&flaw)
    }

    pub fn has_data_keys(&self) -> bool {
        self.data_keys || self.has(Flaw::DataKeysGo)
    }

    /// The snapshot that a writer brings.
    pub fn target(&self, writer: usize) -> usize {
        match (writer, self.copied) {
            (_, Some(_)) => ITS_SNAPSHOT,
            (UNDELETER, None) => OLD,
            (_, None) => snapshot_of(writer),
        }
    }

    /// Blocks that these snapshots need.
    pub fn needs_of(&self, snapshots: Set) -> Set {
        let needs = [self.old_snapshot, self.writers[0], self.writers[1]];
        (0..needs.len()).filter(|snapshot| snapshots >> snapshot & 1 == 1).fold(0, |blocks, one| blocks | needs[one])
    }
}
