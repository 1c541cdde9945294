//! Gate: damage to packs that have parity.
//!
//! Owns the forms of damage, and what a repair must come to. Within the budget everything is whole again; beyond it exactly
//! those blocks and files are named as lost that the damage has hit, and everything else restores.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mainstay_jobs::repair::{RepairOutcome, repair};
use mainstay_jobs::watch::Watch;
use mainstay_jobs::{Cancel, NoProgress};
use mainstay_repo::{BlockId, BlockKind, OnLoss, RepairMode, RepairOptions, Repository, Store, names};

use crate::commands::{Process, back_up, secret, unborn};
use crate::effort::{Draws, Effort, Figures};
use crate::journal_store::{JournalStore, Objects};
use crate::ledger::Ledger;
use crate::tree::{Reader, Tree};

/// Patterns of damage in the short form, within the budget and beyond it.
const PATTERNS: u64 = 2_000;
const PERCENT: u8 = 20;
/// Packs as short as those of this gate are divided into cells of this length, all in one group (docs/format.md).
const CELL_LEN: usize = 1024;
/// Where the parity cells of a sidecar begin, after its header and a checksum for each cell of the pack.
const PARITY_HEADER_LEN: usize = 96;
const SUM_LEN: usize = 16;

/// A repository whose packs all have parity, and what its snapshots hold.
struct Sound {
    objects: Objects,
    ledger: Ledger,
    /// The files whose content is in each block.
    files: BTreeMap<BlockId, BTreeSet<String>>,
    /// The blocks of each pack of content: where they are in it.
    packs: BTreeMap<String, Vec<(BlockId, std::ops::Range<usize>)>>,
    /// Everything that can be damaged: packs of content, packs of trees.
    names: Vec<String>,
}

impl Sound {
    /// Three backups, each of two files that the one before did not have, so that each has a pack of content of its own, of one block
    /// or two.
    fn new(seed: u64) -> Self {
        let mut ledger = unborn(seed);
        let store = JournalStore::with(Objects::new());
        let repository = create(&store, &ledger);
        let mut files = BTreeMap::new();
        let mut tree = Tree::default();
        let mut draws = Draws::new(seed);
        for backup in 0..3 {
            let paths = [format!("of backup {backup}"), format!("folder/also of backup {backup}")];
            for path in &paths {
                let mut bytes = vec![0; 4_000 + draws.below(20_000)];
                blake3::Hasher::new().update(&draws.next().to_le_bytes()).finalize_xof().fill(&mut bytes);
                tree.0.insert(path.clone(), bytes.into());
            }
            let entry = back_up(&repository, &tree).expect("a gate begins with what is healthy");
            let reader = Reader::new(&repository).expect("a gate begins with what is healthy");
            files.extend(reader.files_by_block(&entry).expect("a gate begins with what is healthy"));
            ledger.kept.insert(entry.id, tree.clone());
        }
        let cancel = Cancel::default();
        let watch = Watch::of_repair(&NoProgress, &cancel);
        repository.add_parity(None, PERCENT, &watch).expect("a gate begins with what is healthy");
        let (mut packs, mut names) = (BTreeMap::new(), Vec::new());
        for pack in repository.list_packs().expect("a gate begins with what is healthy") {
            let listing = repository.read_pack_listing(&pack).expect("a gate begins with what is healthy");
            let content = listing.rows.iter().filter(|row| row.kind == BlockKind::Content);
            let place = |at: u32, len: u32| at as usize..(at + len) as usize;
            let blocks: Vec<_> = content.map(|row| (row.block, place(row.offset, row.stored_len))).collect();
            names.push(pack.name.clone());
            if !blocks.is_empty() {
                packs.insert(pack.name, blocks);
            }
        }
        assert_eq!((packs.len(), names.len()), (3, 6), "a pack of content and one of trees for each backup");
        Self { objects: store.objects(), ledger, files, packs, names }
    }

    fn pack(&self, name: &str) -> &[u8] {
        self.objects.get(name).map(|bytes| &bytes[..]).unwrap_or_default()
    }

    fn sidecar(&self, pack: &str) -> (&str, &[u8]) {
        let (id, _) = names::parse_pack(pack).expect("it was listed as one");
        let start = format!("{}{id}-", names::PARITY);
        let found = self.objects.iter().find(|(name, _)| name.starts_with(&start));
        found.map(|(name, bytes)| (&**name, &bytes[..])).expect("every pack has parity")
    }
}

fn create(store: &JournalStore, ledger: &Ledger) -> Repository {
    let shared: Arc<dyn Store> = Arc::new(store.clone());
    Repository::create(shared, &secret(&ledger.codes[0].1), "first", Process::FIRST.liveness(), 1)
        .expect("a gate begins with what is healthy")
}

/// A repository with damage in it.
struct Damaged<'s> {
    sound: &'s Sound,
    objects: Objects,
}

impl<'s> Damaged<'s> {
    fn new(sound: &'s Sound) -> Self {
        Self { sound, objects: sound.objects.clone() }
    }

    fn change(&mut self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = self.objects.get(name).map(|bytes| bytes.to_vec()).unwrap_or_default();
        change(&mut bytes);
        self.objects.insert(name.into(), bytes.into());
    }

    /// Damages as many cells of a pack and of its parity as it has parity cells, or fewer, in one of several forms.
    fn within(&mut self, pack: &str, draws: &mut Draws) {
        let len = self.sound.pack(pack).len();
        let cells = len.div_ceil(CELL_LEN);
        let parity = (cells * usize::from(PERCENT)).div_ceil(100).max(2);
        let of_parity = draws.below(parity.min(3));
        let budget = (parity - of_parity).min(cells);
        let count = 1 + draws.below(budget);
        match draws.below(3) {
            0 => self.cells(pack, draws, count),
            1 => self.run(pack, draws, count),
            _ => {
                let left = (cells - count) * CELL_LEN + draws.below(CELL_LEN);
                self.change(pack, |bytes| bytes.truncate(left.min(len - 1)));
            }
        }
        let (sidecar, bytes) = self.sound.sidecar(pack);
        let first = PARITY_HEADER_LEN + SUM_LEN * cells;
        assert!(bytes.len() > first + parity * CELL_LEN, "a sidecar is divided as this gate believes");
        self.change(sidecar, |bytes| {
            for number in 0..of_parity {
                bytes[first + number * CELL_LEN + draws.below(CELL_LEN)] ^= 1 << draws.below(8);
            }
        });
    }

    /// So many cells anywhere: a bit of one, or all of it.
    fn cells(&mut self, pack: &str, draws: &mut Draws, count: usize) {
        let len = self.sound.pack(pack).len();
        let cells = len.div_ceil(CELL_LEN);
        self.change(pack, |bytes| {
            let mut numbers: Vec<usize> = (0..cells).collect();
            for _ in 0..count {
                let start = numbers.swap_remove(draws.below(numbers.len())) * CELL_LEN;
                let cell = &mut bytes[start..len.min(start + CELL_LEN)];
                match draws.below(3) {
                    0 => cell[draws.below(cell.len())] ^= 1 << draws.below(8),
                    1 => cell.fill(0),
                    _ => cell.iter_mut().for_each(|byte| *byte = !*byte),
                }
            }
        });
    }

    /// A run that touches so many cells.
    fn run(&mut self, pack: &str, draws: &mut Draws, count: usize) {
        let len = self.sound.pack(pack).len();
        let cells = len.div_ceil(CELL_LEN);
        let first = draws.below(cells - count + 1);
        let range = first * CELL_LEN..len.min((first + count) * CELL_LEN);
        self.change(pack, |bytes| bytes[range].iter_mut().for_each(|byte| *byte ^= 0x5a));
    }

    /// A run longer than all parity, in the pack, and nothing of its sidecar: answers where it is.
    fn beyond(&mut self, pack: &str, draws: &mut Draws) -> std::ops::Range<usize> {
        let len = self.sound.pack(pack).len();
        let cells = len.div_ceil(CELL_LEN);
        let parity = (cells * usize::from(PERCENT)).div_ceil(100).max(2);
        let count = (parity + 1 + draws.below(3)).min(cells);
        let start = draws.below(len.saturating_sub(count * CELL_LEN).max(1));
        let range = start..len.min(start + count * CELL_LEN);
        let hit = range.clone();
        self.change(pack, |bytes| bytes[hit].iter_mut().for_each(|byte| *byte ^= 0x5a));
        range
    }

    fn repair(&self) -> Result<(Repository, RepairOutcome), String> {
        let store: Arc<dyn Store> = Arc::new(JournalStore::with(self.objects.clone()));
        let secret = secret(&self.sound.ledger.codes[0].1);
        let process = Process::FIRST.after_kill();
        let repository =
            Repository::open(store.clone(), &secret, process.liveness()).map_err(|error| error.to_string())?;
        let options = RepairOptions { mode: RepairMode::Apply, on_loss: OnLoss::Keep };
        let outcome = repair((&repository, None), options, &NoProgress, &Cancel::default());
        let outcome = outcome.map_err(|error| format!("repair: {error}"))?;
        // As a command that comes later sees it.
        let repository = Repository::open(store, &secret, process.liveness()).map_err(|error| error.to_string())?;
        Ok((repository, outcome))
    }

    /// Everything is whole again, and a second repair finds nothing to do.
    fn look_whole(&self) -> Result<(), String> {
        let (repository, outcome) = self.repair()?;
        if !outcome.findings.is_empty() || outcome.report.repaired.is_empty() {
            return Err(format!("{outcome:?}"));
        }
        for (id, tree) in &self.sound.ledger.kept {
            let lost = lost_files(&repository, *id, tree)?;
            if !lost.is_empty() {
                return Err(format!("not restored: {lost:?}"));
            }
        }
        let again = repair(
            (&repository, None),
            RepairOptions { mode: RepairMode::Show, on_loss: OnLoss::Keep },
            &NoProgress,
            &Cancel::default(),
        );
        match again {
            Ok(again) if again.report.repaired.is_empty() && again.findings.is_empty() => Ok(()),
            other => Err(format!("a second repair: {other:?}")),
        }
    }

    /// Exactly these blocks are lost, exactly their files are named, and everything else is restored.
    fn look_lost(&self, lost: &BTreeSet<BlockId>) -> Result<(), String> {
        let (repository, outcome) = self.repair()?;
        let named: BTreeSet<BlockId> = outcome.report.lost.iter().flat_map(|loss| loss.blocks.clone()).collect();
        if named != *lost {
            return Err(format!("lost are {lost:?}, named are {named:?}"));
        }
        let files: BTreeSet<String> =
            lost.iter().filter_map(|block| self.sound.files.get(block)).flatten().cloned().collect();
        let told: BTreeSet<String> = outcome.findings.iter().flat_map(|finding| finding.paths.clone()).collect();
        if told != files {
            return Err(format!("lost are {files:?}, named are {told:?}"));
        }
        for (id, tree) in &self.sound.ledger.kept {
            let missing = lost_files(&repository, *id, tree)?;
            let expected: BTreeSet<String> =
                files.iter().filter(|path| tree.0.contains_key(&path[1..])).cloned().collect();
            if missing != expected {
                return Err(format!("lost are {expected:?}, not restored are {missing:?}"));
            }
        }
        Ok(())
    }
}

/// The files of a snapshot that do not come back; one that comes back as something else is an error.
fn lost_files(repository: &Repository, id: mainstay_repo::SnapshotId, tree: &Tree) -> Result<BTreeSet<String>, String> {
    let entries = repository.snapshots().map_err(|error| format!("list: {error}"))?;
    let entry = entries.iter().find(|entry| entry.id == id).ok_or("a snapshot is gone")?;
    let reader = Reader::new(repository).map_err(|error| format!("open the index: {error}"))?;
    let (read, failed) = reader.read_as_far_as_possible(entry).map_err(|error| format!("read {id}: {error}"))?;
    for (path, bytes) in &read.0 {
        if tree.0.get(path) != Some(bytes) {
            return Err(format!("{path} is something else"));
        }
    }
    Ok(failed.into_iter().map(|path| format!("/{path}")).collect())
}

#[test]
fn damage_within_the_parity_is_always_undone_and_beyond_it_the_loss_is_exact() {
    let effort = Effort::asked();
    let mut figures = Figures::of("parity");
    let (mut repaired, mut exact, mut lost, mut bad) = (0, 0, 0, Vec::new());
    let mut round = 0;
    loop {
        let seed = effort.seed(round);
        let sound = Sound::new(seed);
        let mut draws = Draws::new(seed ^ 0x9a71);
        for pattern in 0..PATTERNS {
            let mut damaged = Damaged::new(&sound);
            // Twice the same pack might be more than its parity can undo.
            let packs = (0..1 + draws.below(3)).map(|_| draws.below(sound.names.len())).collect::<BTreeSet<_>>();
            packs.into_iter().for_each(|number| damaged.within(&sound.names[number], &mut draws));
            match damaged.look_whole() {
                Ok(()) => repaired += 1,
                Err(why) => bad.push(format!("seed {seed}, pattern {pattern} within the parity: {why}")),
            }
            let mut damaged = Damaged::new(&sound);
            let pack = sound.packs.keys().nth(draws.below(sound.packs.len())).expect("there are three");
            let hit = damaged.beyond(pack, &mut draws);
            let blocks = sound.packs[pack].iter().filter(|(_, place)| place.start < hit.end && hit.start < place.end);
            let blocks: BTreeSet<BlockId> = blocks.map(|(block, _)| *block).collect();
            lost += blocks.len() as u64;
            match damaged.look_lost(&blocks) {
                Ok(()) => exact += 1,
                Err(why) => bad.push(format!("seed {seed}, pattern {pattern} beyond the parity: {why}")),
            }
        }
        round += 1;
        if !effort.goes_on() || !bad.is_empty() {
            break;
        }
    }
    figures.add(repaired, "patterns within the parity repaired");
    figures.add(exact, "patterns beyond it with an exact list of losses");
    figures.add(lost, "blocks lost in these");
    figures.add(bad.len() as u64, "failures");
    figures.publish(effort);
    assert!(bad.is_empty(), "{} failures, the first: {:#?}", bad.len(), &bad[..bad.len().min(3)]);
}
