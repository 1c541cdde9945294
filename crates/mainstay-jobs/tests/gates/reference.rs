//! A small repository that has an object of every kind, and what is noticed when one of them is damaged.
//!
//! Owns making it and asking the engine: opening, check, verify, and reading every snapshot back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mainstay_jobs::check::{Finding, Severity, check};
use mainstay_jobs::verify::{VerifyOptions, verify};
use mainstay_jobs::watch::Watch;
use mainstay_jobs::{Cancel, NoProgress};
use mainstay_repo::{Error, OnLoss, RepairMode, RepairOptions, Repository, Secret, SnapshotId, Store, names};

use crate::commands::{Command, Process, secret, unborn};
use crate::journal_store::{JournalStore, Objects, Operation};
use crate::ledger::Ledger;
use crate::tree::{Reader, Tree};

pub struct Reference {
    pub objects: Objects,
    ledger: Ledger,
    /// What check and verify note while nothing is damaged.
    usual: BTreeSet<(String, String)>,
    /// Every snapshot by the name of its object, forgotten ones too.
    snapshots: BTreeMap<SnapshotId, Tree>,
}

/// How a damage was noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Noticed {
    /// The object was named.
    Named,
    /// Another object was named, or none.
    Misnamed,
    Not,
}

/// What is seen of a damaged repository.
pub struct Seen {
    /// What findings are about, or the message of an error that ended all.
    objects: Vec<String>,
    /// Bytes that are wrong were taken for right.
    pub is_deceived: bool,
}

impl Seen {
    /// An error of opening: the configuration has messages of its own.
    fn at_opening(error: &Error) -> Self {
        let is_of_config = matches!(error, Error::NoRepository { .. } | Error::TooNew { .. });
        let text = if is_of_config { names::CONFIG.to_owned() } else { error.to_string() };
        Self { objects: vec![text], is_deceived: false }
    }

    /// Whether an object is named.
    pub fn names(&self, name: &str) -> bool {
        self.objects.iter().any(|object| object.contains(name))
    }
}

/// What comes of a damaged repository.
pub struct Outcome {
    pub noticed: Noticed,
    /// Bytes that are wrong were taken for right.
    pub is_deceived: bool,
}

/// Seeds that are tried one after the other.
const ATTEMPTS: usize = 100;

impl Reference {
    /// Backups, keys of both kinds, the record of a removed snapshot, a forgotten one, a prune that was killed between condemning and deleting, a
    /// backup that was killed before its snapshot, a snapshot that was acquitted in a copy of the files, and a removal of a key that was killed when it had begun.
    pub fn new(seed: u64) -> Self {
        let seeds = (0..).map(|next: u64| seed.wrapping_add(next));
        seeds.take(ATTEMPTS).find_map(Self::of).expect("some seed makes an object of every kind")
    }

    /// None where the trees of the seed make no list of losses.
    fn of(seed: u64) -> Option<Self> {
        let mut objects = Objects::new();
        let mut ledger = unborn(seed);
        ledger.tree = small(&ledger.tree);
        use Command::{AddKey, Backup, Forget, Init, Prune, RemoveKey};
        let commands = [Init, AddKey, Backup, Backup, Forget, Prune, Backup, Forget];
        for (number, command) in commands.into_iter().enumerate() {
            if matches!(command, Forget) && number + 1 < commands.len() {
                objects = with_acquittal(objects, &mut ledger);
            }
            if number + 1 == commands.len() {
                objects = with_parity_and_losses(objects, &ledger)?;
            }
            let store = JournalStore::with(objects);
            ledger = command
                .run(Arc::new(store.clone()), Process::FIRST, &ledger)
                .expect("a gate begins with what is healthy");
            objects = store.objects();
        }
        let second = Process::FIRST.after_kill();
        objects = killed((&objects, &ledger), Prune, Process::FIRST, names::CONDEMNED);
        objects = killed((&objects, &ledger), Backup, second, names::REFS);
        objects = killed((&objects, &ledger), RemoveKey, second, "-removes");
        let store = JournalStore::with(objects);
        for command in [Backup, Forget] {
            ledger = command
                .run(Arc::new(store.clone()), second.after_kill(), &ledger)
                .expect("a gate begins with what is healthy");
        }
        let repository = open(Arc::new(store.clone()), &ledger).expect("a gate begins with what is healthy");
        repository
            .add_key(&Secret::from_text("correct horse"), "passphrase", 4)
            .expect("a gate begins with what is healthy");
        let reader = Reader::new(&repository).expect("a gate begins with what is healthy");
        let entries = repository.snapshots().expect("a gate begins with what is healthy");
        let snapshots = entries.iter().filter_map(|entry| Some((entry.id, reader.read(entry).ok()?))).collect();
        let objects = store.objects();
        let repository = open(Arc::new(store.clone()), &ledger).expect("a gate begins with what is healthy");
        let usual = findings(&repository, &store).into_iter().map(|found| (found.object, found.problem)).collect();
        Some(Self { objects, ledger, usual, snapshots })
    }

    /// What a damage to these objects does: at least one of `names` must be named.
    pub fn outcome(&self, store: &JournalStore, names: &[&str]) -> Outcome {
        let seen = self.look(store);
        let is_named = names.iter().any(|name| seen.names(name));
        let noticed = if seen.objects.is_empty() { Noticed::Not } else { judge(is_named) };
        Outcome { noticed, is_deceived: seen.is_deceived }
    }

    /// What is seen that is not there while nothing is damaged.
    pub fn look(&self, store: &JournalStore) -> Seen {
        let repository = match open(Arc::new(store.clone()), &self.ledger) {
            Ok(repository) => repository,
            Err(error) => return Seen::at_opening(&error),
        };
        let is_deceived = self.is_deceived(&repository);
        let found = findings(&repository, store).into_iter();
        let fresh = found.filter(|found| !self.usual.contains(&(found.object.clone(), found.problem.clone())));
        Seen { objects: fresh.map(|found| found.object).collect(), is_deceived }
    }

    /// Whether some snapshot can be read and is not what it was.
    fn is_deceived(&self, repository: &Repository) -> bool {
        let (Ok((entries, _)), Ok(reader)) = (repository.readable_snapshots(), Reader::new(repository)) else {
            return false;
        };
        entries.iter().any(|entry| {
            let read = reader.read(entry);
            read.is_ok_and(|tree| self.snapshots.get(&entry.id).is_none_or(|expected| *expected != tree))
        })
    }
}

/// A backup during which the files were copied: in the copy it was taken for dead, and its snapshot came later.
fn with_acquittal(objects: Objects, ledger: &mut Ledger) -> Objects {
    let store = JournalStore::with(objects);
    store.take_operations();
    *ledger = Command::Backup
        .run(Arc::new(store.clone()), Process::FIRST, ledger)
        .expect("a gate begins with what is healthy");
    let copied = JournalStore::with(store.objects());
    for operation in store.take_operations() {
        if let Operation::Put(name, _) = operation
            && (name.starts_with(names::SNAPSHOTS) || name.ends_with("/end"))
        {
            copied.exchange(&name, None);
        }
    }
    let mirror = || open(Arc::new(copied.clone()), ledger).expect("a gate begins with what is healthy");
    mirror().prune().expect("a gate begins with what is healthy");
    let there = copied.objects();
    for (name, bytes) in store.objects().iter().filter(|(name, _)| !there.contains_key(*name)) {
        copied.exchange(name, Some(bytes.clone()));
    }
    let listing = mirror().list_snapshots().expect("a gate begins with what is healthy");
    for void in listing.void {
        mirror().undelete(void.id).expect("a gate begins with what is healthy");
    }
    copied.objects()
}

fn judge(is_named: bool) -> Noticed {
    if is_named { Noticed::Named } else { Noticed::Misnamed }
}

/// What ended a check: as a finding about the object that the error names.
fn ended(error: &mainstay_jobs::Error) -> Finding {
    Finding {
        severity: Severity::Damage,
        object: error.to_string(),
        problem: "it ends the run".to_owned(),
        snapshots: Vec::new(),
        paths: Vec::new(),
        path_count: 0,
    }
}

/// Everything that check and verify find; what they cannot even begin with is a finding as well.
fn findings(repository: &Repository, store: &JournalStore) -> Vec<Finding> {
    store.take_operations();
    let options = VerifyOptions { sample: None, seed: 0 };
    let mut findings = match check(repository, &NoProgress, &Cancel::default()) {
        Ok(report) => report.findings,
        Err(error) => vec![ended(&error)],
    };
    match verify(repository, &options, &NoProgress, &Cancel::default()) {
        Ok(report) => findings.extend(report.findings),
        Err(error) => findings.push(ended(&error)),
    }
    // Their own leases.
    store.take_operations().iter().for_each(|operation| {
        if let Operation::Put(name, _) = operation {
            store.exchange(name, None);
        }
    });
    findings
}

fn open(store: Arc<dyn Store>, ledger: &Ledger) -> mainstay_repo::Result<Repository> {
    Repository::open(store, &secret(&ledger.codes[0].1), Process::FIRST.after_kill().after_kill().liveness())
}

/// Only the short files: every bit of theirs is flipped.
fn small(tree: &Tree) -> Tree {
    Tree(
        tree.0
            .iter()
            .filter(|(_, bytes)| bytes.len() < 1000)
            .map(|(path, bytes)| (path.clone(), bytes.clone()))
            .collect(),
    )
}

/// The same store with parity for what the last snapshot needs, and with a list of losses: of a pack that was damaged while a
/// repair looked at it, and is whole again.
fn with_parity_and_losses(objects: Objects, ledger: &Ledger) -> Option<Objects> {
    let store = JournalStore::with(objects);
    let repository = open(Arc::new(store.clone()), ledger).expect("a gate begins with what is healthy");
    let last = repository.snapshots().expect("a gate begins with what is healthy").pop();
    let cancel = Cancel::default();
    let watch = Watch::of_repair(&NoProgress, &cancel);
    repository.add_parity(last.as_ref(), 1, &watch).expect("a gate begins with what is healthy");
    let has_parity = |name: &str| {
        let id = names::parse_pack(name).map(|(id, _)| format!("{}{id}-", names::PARITY));
        id.is_ok_and(|sidecar| store.objects().keys().any(|other| other.starts_with(&sidecar)))
    };
    let objects = store.objects();
    // One that the first snapshot needs and the second one does not.
    let (name, bytes) = objects.iter().find(|(name, _)| name.starts_with(names::PACKS) && !has_parity(name))?;
    store.exchange(name, Some(bytes.iter().map(|byte| !byte).collect()));
    let options = RepairOptions { mode: RepairMode::Apply, on_loss: OnLoss::Keep };
    repository.repair(options).expect("a repair of what it cannot heal ends with a list");
    store.exchange(name, Some(bytes.clone()));
    Some(store.objects())
}

/// The store after a command was killed right behind its first object of such a name.
fn killed((objects, ledger): (&Objects, &Ledger), command: Command, process: Process, part: &str) -> Objects {
    let store = JournalStore::with(objects.clone());
    command.run(Arc::new(store.clone()), process, ledger).expect("a gate begins with what is healthy");
    let mut left = objects.clone();
    for operation in store.take_operations() {
        operation.apply(&mut left);
        if matches!(&operation, Operation::Put(name, _) if name.contains(part)) {
            break;
        }
    }
    left
}
