//! The commands that gates put in sequence, and what each of them promises once it has answered.
//!
//! Owns running one over any store and writing its promise into the [`Ledger`]. A new command is a new variant: what it
//! has under way, what it does, and what is confirmed by its success.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use mainstay_jobs::backup::{BackupOptions, BackupRun, Input, Mode, Requested, backup};
use mainstay_jobs::restore::{Extent, Extra, Overwrite, RestoreOptions, RestoreReport, RestoreRun, restore};
use mainstay_jobs::watch::Watch;
use mainstay_jobs::{Cancel, Clock, NoProgress};
use mainstay_repo::{
    Error, Liveness, OnLoss, OtherKeys, RecoveryCode, RepairMode, RepairOptions, Repository, Result, Secret, Sharing,
    SnapshotEntry, SnapshotId, Store,
};
use mainstay_sources::files::{Owners, Preserve};

use crate::ledger::Ledger;
use crate::tree::Tree;

/// A process on one machine. Those with smaller numbers are gone; so is everything from before the machine was started.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    pub number: u32,
    pub boot: u8,
}

impl Process {
    pub const FIRST: Self = Self { number: 1, boot: 1 };

    /// One that runs when this one was killed.
    pub fn after_kill(self) -> Self {
        Self { number: self.number + 1, ..self }
    }

    /// One that runs after the power was cut.
    pub fn after_power_cut(self) -> Self {
        Self { number: 1, boot: self.boot + 1 }
    }

    pub fn liveness(self) -> Liveness {
        Liveness {
            machine: b"machine".to_vec(),
            boot: vec![self.boot],
            process: self.number,
            process_start: Arc::new(move |number| (number == self.number).then_some(7)),
            now: Arc::new(|| 0),
        }
    }
}

/// What a user does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    Init,
    Backup,
    Forget,
    Undelete,
    Prune,
    AddKey,
    RemoveKey,
    Rotate,
    AddParity,
    /// Of one pack, as far as its parity can undo it.
    Repair,
}

/// All that can be done to a repository that is there.
pub const COMMANDS: [Command; 9] = [
    Command::Backup,
    Command::Forget,
    Command::Undelete,
    Command::Prune,
    Command::AddKey,
    Command::RemoveKey,
    Command::Rotate,
    Command::AddParity,
    Command::Repair,
];

/// Percent of a pack that its parity can undo.
const PARITY: u8 = 10;

impl Command {
    /// Whether there is anything to do it to.
    pub fn applies(self, ledger: &Ledger) -> bool {
        match self {
            Self::Init => !ledger.exists,
            Self::Backup | Self::Prune | Self::AddKey | Self::Rotate | Self::AddParity => ledger.exists,
            Self::Undelete => ledger.undeletable().is_some(),
            Self::Repair => ledger.has_parity,
            Self::Forget => !ledger.kept.is_empty(),
            Self::RemoveKey => ledger.codes.len() > 1,
        }
    }

    /// The ledger while the command is at work: what it may or may not have done.
    pub fn under_way(self, ledger: &Ledger) -> Ledger {
        let mut during = ledger.clone();
        during.step += 1;
        match self {
            Self::Backup => {
                during.tree = during.tree.later(during.step);
                during.under_way.push(during.tree.clone());
            }
            Self::Forget => {
                if let Some((id, tree)) = during.kept.pop_first() {
                    during.leaving.insert(id, tree);
                }
            }
            Self::Undelete => {
                if let Some(id) = ledger.undeletable() {
                    during.forgotten.remove(&id);
                }
            }
            Self::RemoveKey => drop(during.codes.pop()),
            Self::Init | Self::Prune | Self::AddKey | Self::Rotate | Self::AddParity | Self::Repair => {}
        }
        during
    }

    /// Runs it; answers the ledger with what its success has confirmed.
    pub fn run(self, store: Arc<dyn Store>, process: Process, ledger: &Ledger) -> Result<Ledger> {
        let mut after = self.under_way(ledger);
        if self == Self::Init {
            let (_, code) = &ledger.codes[0];
            Repository::create(store, &secret(code), "first", process.liveness(), 1)?;
            after.exists = true;
            return Ok(after);
        }
        let repository = Repository::open(store, &secret(&ledger.codes[0].1), process.liveness())?;
        match self {
            Self::Init => {}
            Self::Backup => {
                let entry = back_up(&repository, &after.tree)?;
                after.under_way.pop();
                after.kept.insert(entry.id, after.tree.clone());
            }
            Self::Forget => {
                let id = first_of(ledger)?;
                forget(&repository, id)?;
                after.forgotten.insert(id);
            }
            Self::Undelete => {
                let id = ledger.undeletable().ok_or_else(|| Error::Invalid("nothing to take back".to_owned()))?;
                repository.undelete(id)?;
                after.kept.extend(after.leaving.remove(&id).map(|tree| (id, tree)));
            }
            Self::AddParity => {
                repository.add_parity(None, PARITY, &Watch::of_repair(&NoProgress, &Cancel::default()))?;
                after.has_parity = true;
            }
            Self::Repair => {
                heal(&repository)?;
                after.is_damaged = false;
            }
            Self::Prune => after.removed.extend(repository.prune()?.plan.snapshots),
            Self::AddKey => {
                let code = RecoveryCode::generate()?.to_text().to_string();
                let label = format!("key {}", after.step);
                repository.add_key(&secret(&code), &label, 2)?;
                after.codes.push((label, code));
            }
            Self::RemoveKey => {
                let Some((label, code)) = ledger.codes.last() else { return Ok(after) };
                remove_key(&repository, label)?;
                after.removed_codes.push(code.clone());
            }
            Self::Rotate => {
                let others: Vec<Secret> = ledger.codes[1..].iter().map(|(_, code)| secret(code)).collect();
                // A key whose addition was not confirmed is nobody's.
                repository.rotate(&secret(&ledger.codes[0].1), &others, OtherKeys::Remove)?;
            }
        }
        Ok(after)
    }
}

/// Makes whole what is damaged; that something is lost is an error.
pub fn heal(repository: &Repository) -> Result<()> {
    let report = repository.repair(RepairOptions { mode: RepairMode::Apply, on_loss: OnLoss::Keep })?;
    match report.lost.first() {
        Some(loss) => Err(Error::damaged("repair", &loss.object, "something of it is lost")),
        None => Ok(()),
    }
}

fn first_of(ledger: &Ledger) -> Result<SnapshotId> {
    ledger.kept.keys().next().copied().ok_or_else(|| Error::Invalid("no snapshot to forget".to_owned()))
}

fn forget(repository: &Repository, id: SnapshotId) -> Result<()> {
    repository.forget(id, 3)
}

fn remove_key(repository: &Repository, label: &str) -> Result<()> {
    let slots = repository.key_slots()?.slots;
    let slot = slots.iter().find(|slot| slot.label == label);
    repository.remove_key(slot.ok_or_else(|| Error::Invalid(format!("no key {label}")))?.id)
}

/// A ledger of nothing yet, and of the code that will open it.
pub fn unborn(seed: u64) -> Ledger {
    let code = RecoveryCode::generate().expect("a gate begins with what is healthy").to_text().to_string();
    Ledger { codes: vec![("first".to_owned(), code)], tree: Tree::planted(seed), step: seed, ..Ledger::default() }
}

pub fn secret(code: &str) -> Secret {
    Secret::from_text(code)
}

/// A clock that moves on by a second whenever it is asked; it began in 2200, so that every file changed long before.
struct Ticking(AtomicI64);

impl Clock for Ticking {
    fn now(&self) -> i64 {
        self.0.fetch_add(1_000_000_000, Ordering::Relaxed)
    }
}

static CLOCK: Ticking = Ticking(AtomicI64::new(7_258_118_400_000_000_000));

/// Backs a tree up as the next snapshot of the one source.
pub fn back_up(repository: &Repository, tree: &Tree) -> Result<SnapshotEntry> {
    let options = BackupOptions {
        source: "home".to_owned(),
        host: "host".to_owned(),
        user: "user".to_owned(),
        paths: Vec::new(),
        tags: Vec::new(),
        requested: Requested::Incremental,
        sharing: Sharing::Shared,
        mode: Mode::Store,
        program: "test".to_owned(),
        owner_names: Owners::default(),
        copied: None,
    };
    let run = BackupRun {
        repository,
        input: Input::Tree(tree),
        options: &options,
        clock: &CLOCK,
        progress: &NoProgress,
        cancel: &Cancel::default(),
        listed: &|_| {},
    };
    match backup(&run) {
        Ok(report) => {
            assert_eq!(report.warnings, []);
            report.entry.ok_or_else(|| Error::Bug("a backup without a snapshot".to_owned()))
        }
        Err(mainstay_jobs::Error::Repository(error)) => Err(error),
        Err(error) => Err(Error::Invalid(error.to_string())),
    }
}

/// Restores a snapshot with everything that was recorded.
pub fn bring_back(
    repository: &Repository,
    entry: &SnapshotEntry,
    target: &Path,
) -> mainstay_jobs::Result<RestoreReport> {
    let options = RestoreOptions {
        overwrite: Overwrite::Always,
        extra: Extra::Keep,
        include: Vec::new(),
        exclude: Vec::new(),
        preserve: Preserve::as_recorded(),
        extent: Extent::Write,
        spared: Vec::new(),
    };
    restore(&RestoreRun {
        repository,
        entry,
        path: None,
        target,
        options: &options,
        planned: &|_| {},
        progress: &NoProgress,
        cancel: &Cancel::default(),
    })
}
