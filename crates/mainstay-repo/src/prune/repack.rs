//! Moving what is needed of sparse packs into new ones.
//!
//! Owns the threads and what becomes of each pack. Deletes no pack.
//!
//! Concurrency: one thread reads, as many as there are processors open and seal, and the caller's appends. Each ends when the
//! next has ended or the one before has nothing more.

use std::collections::HashSet;
use std::num::NonZero;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use super::inventory::Inventory;
use super::new_packs::NewPacks;
use super::observer::{PruneObserver, PrunePhase};
use super::plan::PackUse;
use super::renewal::{Renewal, Renewed, Standing};
use super::tables::NewTables;
use crate::error::{Error, Kind, Result};
use crate::id::{PackId, SessionId};
use crate::repository::Repository;

/// Blocks that wait before each step.
const WAITING: usize = 8;

/// What a rewriting of packs needs.
pub struct Repack<'r> {
    pub repository: &'r Repository,
    pub inventory: &'r Inventory,
    pub session: SessionId,
    pub observer: &'r dyn PruneObserver,
}

/// What was moved.
pub struct Moved<'r> {
    /// Where the blocks are now, and the chunks of those that were thinned.
    pub tables: NewTables<'r>,
    /// Names of the new packs.
    pub packs: Vec<String>,
    /// New packs that are of no use, since the store is full.
    pub given_up: Vec<PackUse>,
    /// Bytes of new packs.
    pub bytes: u64,
    /// Packs that stay where they are.
    pub left: HashSet<PackId>,
    /// Why, unless it is that a stop was asked for.
    pub reasons: Vec<Error>,
}

impl<'r> Repack<'r> {
    /// Moves what is needed of these packs. One that is damaged is left, and what could be moved of it is in both places. On
    /// a store that is full all are left, and nothing new. Once a stop is asked for, those that were not begun are left.
    pub fn run(&self, packs: &[PackUse]) -> Result<Moved<'r>> {
        self.observer.phase(PrunePhase::Rewrite);
        self.observer.expect(packs.len() as u64, packs.iter().map(|pack| pack.len).sum());
        let independent = self.inventory.snapshots.independent();
        let mut new = NewPacks::new(self.repository, self.session, independent);
        let mut damaged = Damaged::default();
        let begun = self.move_blocks(packs, &mut new, &mut damaged);
        let Damaged { packs: mut left, mut reasons } = damaged;
        let mut given_up = Vec::new();
        match begun.and_then(|begun| new.finish().map(|()| begun)) {
            Ok(begun) => left.extend(packs.iter().skip(begun).map(|pack| pack.id)),
            Err(error) if error.kind() == Kind::NoSpace => {
                given_up = new.give_up()?;
                left = packs.iter().map(|pack| pack.id).collect();
                reasons = vec![error];
            }
            Err(error) => return Err(error),
        }
        let packs = new.finished.iter().map(PackUse::name).collect();
        Ok(Moved { packs, given_up, bytes: new.bytes, tables: new.tables, left, reasons })
    }

    /// Moves blocks, pack by pack; answers how many packs were begun.
    fn move_blocks(&self, packs: &[PackUse], new: &mut NewPacks<'_>, damaged: &mut Damaged) -> Result<usize> {
        let renewal = &Renewal::new(self.repository, &self.inventory.needs);
        let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
        std::thread::scope(|scope| {
            let (standing, blocks) = sync_channel(WAITING);
            let (renewed, renewed_blocks) = sync_channel(WAITING);
            let blocks = Arc::new(Mutex::new(blocks));
            for _ in 0..threads {
                let (blocks, renewed) = (blocks.clone(), renewed.clone());
                scope.spawn(move || renew_all(renewal, &blocks, &renewed));
            }
            drop(blocks);
            let reader = scope.spawn(move || self.read_packs(renewal, packs, (&standing, &renewed)));
            let appended = renewed_blocks.into_iter().try_for_each(|(pack, block)| match block {
                Err(error) if error.kind() == Kind::Corrupt => {
                    damaged.add(pack, error);
                    Ok(())
                }
                block => append(new, block?, renewal),
            });
            let begun = reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            appended.map(|()| begun)
        })
    }

    /// Reads packs until they are all read, a stop is asked for, or nobody takes their blocks; answers how many were begun.
    pub(super) fn read_packs(
        &self,
        renewal: &Renewal<'_>,
        packs: &[PackUse],
        (standing, renewed): (&SyncSender<Standing>, &SyncSender<Answer>),
    ) -> usize {
        for (number, pack) in packs.iter().enumerate() {
            if self.observer.is_cancelled() {
                return number;
            }
            let is_taken = match renewal.read_pack(pack, standing) {
                Ok(is_taken) => is_taken,
                Err(error) => renewed.send((pack.id, Err(error))).is_ok(),
            };
            if !is_taken {
                // Whoever has ended has said why.
                return number + 1;
            }
            self.observer.advance(1, pack.len);
        }
        packs.len()
    }
}

/// What became of a block of this pack.
pub(super) type Answer = (PackId, Result<Renewed>);

fn renew_all(renewal: &Renewal<'_>, blocks: &Mutex<Receiver<Standing>>, renewed: &SyncSender<Answer>) {
    let next = || blocks.lock().unwrap_or_else(PoisonError::into_inner).recv();
    while let Ok(block) = next() {
        if renewed.send((block.pack, renewal.renew(block))).is_err() {
            return;
        }
    }
}

fn append(new: &mut NewPacks<'_>, (block, thinned): Renewed, renewal: &Renewal<'_>) -> Result<()> {
    new.append(&block, thinned)?;
    renewal.give_back(block.bytes);
    Ok(())
}

/// Packs with something that is needed and damaged, and the first reason of each.
#[derive(Default)]
struct Damaged {
    packs: HashSet<PackId>,
    reasons: Vec<Error>,
}

impl Damaged {
    fn add(&mut self, pack: PackId, reason: Error) {
        if self.packs.insert(pack) {
            self.reasons.push(reason);
        }
    }
}
