//! Histories of a repository to which everything happens at once: sessions that die, sessions beside each other, prunes
//! that are killed, tables that are damaged or gone, and bytes that are wrong for a while.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::fixtures::{FailingStore, Failure, draft, read_back, store_files};
use crate::index::Care;
use crate::lease::Liveness;

/// Small files of one block, and large ones that have blocks of their own.
const SMALL: u64 = 20;
const LARGE: u64 = 2;

/// A repository, and what it must hold.
struct Chaos {
    seed: u64,
    state: u64,
    store: MemoryStore,
    boot: u64,
    last: u64,
    /// Whether tables were lost since the last whole prune.
    has_lost: bool,
    kept: BTreeMap<u64, Files>,
    log: Vec<String>,
}

impl Chaos {
    fn new(seed: u64) -> Self {
        let store = MemoryStore::default();
        create(store.clone());
        Self { seed, state: seed, store, boot: 0, last: 0, has_lost: false, kept: BTreeMap::new(), log: Vec::new() }
    }

    /// SplitMix64 (Steele et al., OOPSLA 2014).
    fn below(&mut self, end: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end.max(1)
    }

    /// Every step is a process of its own, and all before it are gone.
    fn process(&mut self) -> Liveness {
        self.boot += 1;
        Liveness { boot: self.boot.to_le_bytes().to_vec(), ..alive() }
    }

    fn files(&mut self) -> Files {
        let step = 1 + self.below(5);
        let from = self.below(SMALL);
        let mut files: Files = (from..from + SMALL / 2)
            .step_by(step as usize)
            .map(|n| (format!("{:02}", n % SMALL), seeded(n % SMALL, 4000)))
            .collect();
        if self.below(4) == 0 {
            let n = self.below(LARGE);
            files.insert(format!("large {n}"), crate::fixtures::sparse(100 + n, 600_000));
        }
        files
    }

    fn sharing(&mut self) -> Sharing {
        if self.below(8) == 0 { Sharing::Independent } else { Sharing::Shared }
    }

    fn failure(&mut self, calls: u64) -> Failure {
        let at = self.below(calls);
        match self.below(6) {
            0 | 1 => Failure::From(at),
            2 => Failure::Once(at),
            3 => Failure::Lost(at),
            _ => Failure::Never,
        }
    }

    fn open_failing(&mut self, failure: Failure) -> Option<Repository> {
        let liveness = self.process();
        let failing = FailingStore::new(self.store.clone(), failure);
        Repository::open(Arc::new(failing), &crate::fixtures::secret(), liveness).ok()
    }

    fn back_up(&mut self, calls: u64) {
        let (files, sharing, failure) = (self.files(), self.sharing(), self.failure(calls));
        self.last += 1;
        self.log.push(format!("back up {} {:?} {sharing:?} {failure:?}", self.last, files.keys().collect::<Vec<_>>()));
        let last = self.last;
        let backed = self.open_failing(failure).map(|repository| commit(&repository, last, &files, sharing));
        self.settle(backed, last, files, failure);
    }

    fn settle(&mut self, backed: Option<Result<()>>, sequence: u64, files: Files, failure: Failure) {
        let there = self.is_there(sequence);
        match backed {
            Some(Ok(())) => assert!(there, "{}: a confirmed snapshot is not there", self.story()),
            Some(Err(error)) if failure == Failure::Never => panic!("{}: a backup fails: {error}", self.story()),
            _ => {}
        }
        if there {
            self.kept.insert(sequence, files);
        }
    }

    fn is_there(&self, sequence: u64) -> bool {
        let repository = open(self.store.clone(), alive());
        repository.snapshots().unwrap().iter().any(|entry| entry.snapshot.sequence == sequence)
    }

    /// Two sessions of living processes; each may be killed before it commits.
    fn two_at_once(&mut self) {
        let liveness = self.process();
        let stores = [(); 2].map(|()| FailingStore::new(self.store.clone(), Failure::Never));
        let repositories = stores.each_ref().map(|store| open(store.clone(), liveness.clone()));
        let files = [self.files(), self.files()];
        let begin = |number: usize| Session::begin(&repositories[number], Sharing::Shared).unwrap();
        let first = begin(0);
        let early = (self.below(2) == 0).then(|| store_files(&first, &files[0]).unwrap());
        let second = begin(1);
        let trees = [
            early.unwrap_or_else(|| store_files(&first, &files[0]).unwrap()),
            store_files(&second, &files[1]).unwrap(),
        ];
        let mut both: Vec<_> = [first, second].into_iter().zip(trees).zip(files).zip(stores).collect();
        if self.below(2) == 0 {
            both.reverse();
        }
        for (((session, (root, blocks)), files), store) in both {
            self.last += 1;
            let is_killed = self.below(4) == 0;
            self.log.push(format!(
                "beside another {} {:?}, killed: {is_killed}",
                self.last,
                files.keys().collect::<Vec<_>>()
            ));
            if is_killed {
                store.kill();
            }
            let committed = session.commit(draft("data", self.last, root, blocks)).map(drop);
            self.settle(Some(committed), self.last, files, if is_killed { Failure::From(0) } else { Failure::Never });
        }
    }

    fn forget(&mut self) {
        if self.kept.is_empty() {
            return;
        }
        let number = self.below(self.kept.len() as u64) as usize;
        let sequence = *self.kept.keys().nth(number).unwrap();
        self.log.push(format!("forget {sequence}"));
        self.kept.remove(&sequence);
        let repository = open(self.store.clone(), self.process());
        super::forget(&repository, sequence);
    }

    fn prune(&mut self, failure: Failure) {
        self.log.push(format!("prune {failure:?}"));
        let Some(repository) = self.open_failing(failure) else { return };
        let pruned = repository.prune();
        if failure == Failure::Never {
            match pruned {
                Err(error) => panic!("{}: a prune is stuck: {error}", self.story()),
                Ok(report) => assert!(report.left.is_empty(), "{}: {:?}", self.story(), report.reasons),
            }
            let index = repository.index_without(HashSet::new(), Care::BlockPages).unwrap();
            assert!(index.lost().is_empty(), "{}: {:?}", self.story(), index.lost());
            self.has_lost = false;
            self.check();
            // A dead block in a pack that is hardly wasteful keeps its key.
            let mut sessions = HashSet::new();
            index
                .for_each_block(|block, _| {
                    sessions.insert(names::data_key(block.session, 0));
                })
                .unwrap();
            let left: Vec<String> = garbage(&self.store).into_iter().filter(|name| !sessions.contains(name)).collect();
            assert_eq!(left, [""; 0], "{}", self.story());
        }
    }

    /// Damages or removes a table for good.
    fn lose_table(&mut self) {
        let tables = named(&self.store, names::INDEX);
        if tables.is_empty() {
            return;
        }
        let name = tables[self.below(tables.len() as u64) as usize].clone();
        let kind = self.below(4);
        self.log.push(format!("lose {name} by {kind}"));
        let at = self.below(self.store.len(&name).unwrap()) as usize;
        self.has_lost = true;
        match kind {
            0 | 1 => self.store.delete(&name).unwrap(),
            2 => self.store.damage(&name, |bytes| bytes[at] ^= 1),
            _ => self.store.damage(&name, |bytes| bytes.truncate(at)),
        }
    }

    /// Something happens while a byte of an object is wrong; then it is right again.
    fn wrong_for_a_while(&mut self, prefixes: &[&str]) {
        let prefix = prefixes[self.below(prefixes.len() as u64) as usize];
        let objects = named(&self.store, prefix);
        if objects.is_empty() {
            return;
        }
        let name = objects[self.below(objects.len() as u64) as usize].clone();
        let at = self.below(self.store.len(&name).unwrap()) as usize;
        self.log.push(format!("wrong byte {at} in {name}"));
        self.store.damage(&name, |bytes| bytes[at] ^= 1);
        let Some(repository) = self.open_failing(Failure::Never) else { return };
        let _ = repository.prune();
        self.store.damage(&name, |bytes| bytes[at] ^= 1);
    }

    /// Asserts that every kept snapshot reads back, where a table is gone without a trace after a prune: until then the
    /// only copy of a block that is known may be a thinned one.
    fn check(&mut self) {
        let store = if self.has_lost { copy_of(&self.store) } else { self.store.clone() };
        let repository = open(store, self.process());
        if self.has_lost {
            repository.prune().unwrap_or_else(|error| panic!("{}: a prune is stuck: {error}", self.story()));
        }
        let entries = repository.snapshots().unwrap_or_else(|error| panic!("{}: {error}", self.story()));
        let found: BTreeMap<u64, _> =
            entries.iter().filter(|entry| !entry.forgotten).map(|entry| (entry.snapshot.sequence, entry)).collect();
        assert!(found.keys().eq(self.kept.keys()), "{}: {:?} are there", self.story(), found.keys());
        for (sequence, entry) in found {
            let read = read_back(&repository, entry)
                .unwrap_or_else(|error| panic!("{}: snapshot {sequence}: {error}", self.story()));
            assert!(read == self.kept[&sequence], "{}: snapshot {sequence} reads back wrong", self.story());
        }
    }

    fn story(&self) -> String {
        format!("seed {}\n  {}\n", self.seed, self.log.join("\n  "))
    }

    fn step(&mut self, menu: &[Step]) {
        match menu[self.below(menu.len() as u64) as usize] {
            Step::BackUp => self.back_up(60),
            Step::Two => self.two_at_once(),
            Step::Forget => self.forget(),
            Step::Prune => self.prune(Failure::Never),
            Step::Die => {
                let at = self.below(120);
                let failure = [Failure::Once(at), Failure::Lost(at), Failure::From(at)][self.below(3) as usize];
                self.prune(failure);
            }
            Step::Lose => self.lose_table(),
            Step::Wrong => self.wrong_for_a_while(&[names::PACKS, names::INDEX, names::REFS, names::DATA_KEYS]),
        }
        self.check();
    }
}

/// What happens next.
#[derive(Clone, Copy)]
enum Step {
    BackUp,
    Two,
    Forget,
    Prune,
    Die,
    Lose,
    Wrong,
}

fn commit(repository: &Repository, sequence: u64, files: &Files, sharing: Sharing) -> Result<()> {
    let session = Session::begin(repository, sharing)?;
    let (root, blocks) = store_files(&session, files)?;
    let mut draft = draft("data", sequence, root, blocks);
    draft.snapshot.independent = sharing == Sharing::Independent;
    session.commit(draft).map(drop)
}

/// So many histories of so many steps.
const HISTORIES: u64 = 80;
const STEPS: usize = 25;

#[test]
fn nothing_that_happens_to_a_repository_costs_a_snapshot_or_stops_a_prune() {
    let menus: [&[Step]; 4] = [&[], &[Step::Die, Step::Die], &[Step::Lose], &[Step::Die, Step::Lose, Step::Wrong]];
    for seed in 0..HISTORIES {
        let usual = [Step::BackUp, Step::BackUp, Step::Two, Step::Forget, Step::Forget, Step::Prune];
        let menu: Vec<Step> = usual.iter().chain(menus[seed as usize % menus.len()]).copied().collect();
        let mut chaos = Chaos::new(seed);
        (0..STEPS).for_each(|_| chaos.step(&menu));
        chaos.prune(Failure::Never);
    }
}
