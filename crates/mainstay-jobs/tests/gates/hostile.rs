//! Gate: what a liar writes into a store.
//!
//! Owns the cases that unit tests of single decoders cannot show: whole commands over a repository that someone made to harm
//! its reader, with the memory that they take at most. Who has no key writes clear objects; who has one, trees without end.

use std::path::Path;
use std::sync::Arc;

use mainstay_jobs::browse::{Descend, Visitor, walk};
use mainstay_jobs::check::check;
use mainstay_jobs::{Cancel, NoProgress};
use mainstay_repo::{
    BackupType, BlockId, BlockSet, Content, Draft, Extent, LocalStore, Node, NodeKind, Owners, Presence, Repository,
    Session, Sharing, Snapshot, SnapshotEntry, SnapshotStatistics, Store, TreePage, TreeReader, limits, names,
};

use crate::commands::{Process, back_up, bring_back, secret, unborn};
use crate::effort::{Effort, Figures};
use crate::ledger::Ledger;
use crate::tree::Reader;

/// What a command over a hostile repository may take.
const MEMORY_MAX: u64 = 256 << 20;

/// The most memory that the process has held since this was asked last.
fn peak_memory(what: impl FnOnce()) -> u64 {
    // 5 sets the highest mark back to what is held now (proc(5)).
    std::fs::write("/proc/self/clear_refs", "5").expect("a gate begins with what is healthy");
    what();
    let status = std::fs::read_to_string("/proc/self/status").expect("a gate begins with what is healthy");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a gate begins with what is healthy");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a gate begins with what is healthy") << 10
}

struct Hostile {
    directory: tempfile::TempDir,
    ledger: Ledger,
}

impl Hostile {
    fn new() -> Self {
        let hostile =
            Self { directory: tempfile::tempdir().expect("a gate begins with what is healthy"), ledger: unborn(1) };
        let code = secret(&hostile.ledger.codes[0].1);
        Repository::create(hostile.store(), &code, "test", Process::FIRST.liveness(), 1)
            .expect("a gate begins with what is healthy");
        back_up(&hostile.open().expect("a gate begins with what is healthy"), &hostile.ledger.tree)
            .expect("a gate begins with what is healthy");
        hostile
    }

    fn root(&self) -> std::path::PathBuf {
        self.directory.path().join("repository")
    }

    fn store(&self) -> Arc<dyn Store> {
        Arc::new(LocalStore::new(self.root()))
    }

    fn open(&self) -> mainstay_repo::Result<Repository> {
        Repository::open(self.store(), &secret(&self.ledger.codes[0].1), Process::FIRST.liveness())
    }

    /// Everything that a user would do; what it answers is the business of other tests.
    fn use_it(&self) {
        let Ok(repository) = self.open() else { return };
        let _ = repository.key_slots();
        let _ = check(&repository, &NoProgress, &Cancel::default());
        let _ = back_up(&repository, &self.ledger.tree.later(2));
        let _ = repository.prune();
        if let (Ok((entries, _)), Ok(reader)) = (repository.readable_snapshots(), Reader::new(&repository)) {
            entries.iter().for_each(|entry| drop(reader.read(entry)));
        }
    }
}

/// A file that claims a length and takes no space.
fn plant(path: &Path, head: &[u8], len: u64) {
    std::fs::create_dir_all(path.parent().expect("a gate begins with what is healthy"))
        .expect("a gate begins with what is healthy");
    std::fs::write(path, head).expect("a gate begins with what is healthy");
    std::fs::File::options()
        .write(true)
        .open(path)
        .expect("a gate begins with what is healthy")
        .set_len(len)
        .expect("a gate begins with what is healthy");
}

#[test]
fn objects_that_claim_to_be_long_take_no_memory() {
    let mut figures = Figures::of("objects of false length");
    let id = "ab".repeat(16);
    let long = "ab".repeat(32);
    let planted = [
        names::CONFIG.to_owned(),
        format!("{}{}", names::KEY_SLOTS, "ab".repeat(8)),
        format!("{}{id}", names::DATA_KEYS),
        format!("{}{id}/000000", names::LEASES),
        format!("{}{id}/end", names::LEASES),
        format!("{}{id}/000000", names::INTENTS),
        format!("{}{id}", names::CONDEMNED),
        format!("{}{id}", names::HISTORY),
        format!("{}{long}", names::TRASH),
        format!("{}{long}", names::REFS),
        format!("{}{id}/000000000009-{long}", names::SNAPSHOTS),
        format!("{}b-{id}", names::INDEX),
        format!("{}c-{id}", names::INDEX),
        format!("{}ab/{long}-{id}", names::PACKS),
    ];
    let (mut cases, mut highest) = (0, 0);
    for name in planted {
        for len in [100 << 20, limits::OBJECT_LEN - 1, 1 << 40] {
            let hostile = Hostile::new();
            let path = hostile.root().join(&name);
            let head = std::fs::read(&path).unwrap_or_else(|_| b"MSC1\x0a\0\0\0".to_vec());
            plant(&path, &head, len);
            let peak = peak_memory(|| hostile.use_it());
            assert!(peak <= MEMORY_MAX, "{name} of {len} bytes: {} MiB", peak >> 20);
            (cases, highest) = (cases + 1, peak.max(highest));
        }
    }
    figures.add(cases, "cases");
    figures.add(highest >> 20, "MiB at most");
    figures.publish(Effort::Short);
}

/// Commits a root that somebody with a key has made.
fn commit(session: Session<'_>, root: Content) -> SnapshotEntry {
    let mut blocks = BlockSet::default();
    for extent in &root.extents {
        if let Extent::Data { block, .. } = extent {
            blocks.insert(*block);
        }
    }
    let snapshot = Snapshot {
        source: "home".to_owned(),
        sequence: 9,
        host: String::new(),
        user: String::new(),
        paths: Vec::new(),
        started: 1,
        ended: 2,
        backup_type: BackupType::Full,
        parent: None,
        base: None,
        previous: None,
        independent: false,
        root,
        references: [0; 32],
        session: session.id(),
        tags: Vec::new(),
        statistics: SnapshotStatistics::default(),
        program: "test".to_owned(),
        origin: None,
    };
    session
        .commit(Draft { snapshot, blocks, presence: Presence::Believed })
        .expect("a gate begins with what is healthy")
        .entry
}

fn directory(name: &str, page: Extent) -> Node {
    Node {
        content: Content { extents: vec![page], lists: Vec::new() },
        mode: 0o700,
        ..Node::new(name, NodeKind::Directory)
    }
}

/// A page whose subdirectories are all the page itself.
fn page_of_itself(block: BlockId, subdirectories: usize) -> TreePage {
    let with_len = |len| {
        let page = Extent::Data { block, offset: 0, len };
        let nodes = (0..subdirectories).map(|number| directory(&format!("{number:04}"), page)).collect();
        TreePage { nodes, ..TreePage::default() }
    };
    let mut len = 1;
    while with_len(len).encode().len() != len as usize {
        len = with_len(len).encode().len() as u32;
    }
    with_len(len)
}

/// Everything that walks a tree; answers how many entries were shown before the end was found to be none.
fn walk_everything(repository: &Repository, entry: &SnapshotEntry, target: &Path) -> u64 {
    struct Count(u64);
    impl Visitor for Count {
        fn node(&mut self, _: &[u8], _: &Node, _: &Owners) -> mainstay_jobs::Result<Descend> {
            self.0 += 1;
            Ok(Descend::Into)
        }
    }
    let mut count = Count(0);
    let trees =
        TreeReader::new(repository.block_reader(&repository.index().expect("a gate begins with what is healthy")));
    let walked = walk(&trees, b"", &entry.snapshot.root, &mut count);
    assert!(walked.is_err(), "a tree without end was walked to its end");
    let diffed = mainstay_jobs::diff::diff(&trees, &Content::default(), &entry.snapshot.root, &mut |_| Ok(()));
    assert!(diffed.is_err(), "a tree without end was compared to its end");
    drop(check(repository, &NoProgress, &Cancel::default()).expect("a gate begins with what is healthy"));
    let restored = bring_back(repository, entry, target);
    assert!(restored.is_ok_and(|report| !report.warnings.is_empty()), "nothing was said of a tree without end");
    count.0
}

#[test]
fn a_tree_that_contains_itself_ends_where_it_begins_again() {
    let mut figures = Figures::of("trees that contain themselves");
    let mut highest = 0;
    for subdirectories in [1, 2, 500] {
        let hostile = Hostile::new();
        let repository = hostile.open().expect("a gate begins with what is healthy");
        let session = Session::begin(&repository, Sharing::Shared).expect("a gate begins with what is healthy");
        let page = page_of_itself(BlockId { session: session.id(), serial: 0 }, subdirectories);
        let stored = session.store_tree_page(&page.encode()).expect("a gate begins with what is healthy");
        let entry = commit(session, Content { extents: vec![stored], lists: Vec::new() });
        let target = hostile.directory.path().join("target");
        let peak = peak_memory(|| assert!(walk_everything(&repository, &entry, &target) <= 1));
        assert!(peak <= MEMORY_MAX, "{subdirectories} subdirectories: {} MiB", peak >> 20);
        highest = peak.max(highest);
    }
    figures.add(3, "cases");
    figures.add(highest >> 20, "MiB at most");
    figures.publish(Effort::Short);
}

#[test]
fn a_tree_deeper_than_the_limit_is_bounded() {
    let mut figures = Figures::of("trees deeper than the limit");
    let hostile = Hostile::new();
    let repository = hostile.open().expect("a gate begins with what is healthy");
    let session = Session::begin(&repository, Sharing::Shared).expect("a gate begins with what is healthy");
    let store = |page: &TreePage| session.store_tree_page(&page.encode()).expect("a gate begins with what is healthy");
    let mut root = store(&TreePage::default());
    for _ in 0..limits::TREE_DEPTH + 100 {
        root = store(&TreePage { nodes: vec![directory("deeper", root)], ..TreePage::default() });
    }
    let entry = commit(session, Content { extents: vec![root], lists: Vec::new() });
    let trees =
        TreeReader::new(repository.block_reader(&repository.index().expect("a gate begins with what is healthy")));
    struct Nothing;
    impl Visitor for Nothing {
        fn node(&mut self, _: &[u8], _: &Node, _: &Owners) -> mainstay_jobs::Result<Descend> {
            Ok(Descend::Into)
        }
    }
    let peak = peak_memory(|| {
        assert!(walk(&trees, b"", &entry.snapshot.root, &mut Nothing).is_err());
        drop(check(&repository, &NoProgress, &Cancel::default()).expect("a gate begins with what is healthy"));
    });
    assert!(peak <= MEMORY_MAX, "{} MiB", peak >> 20);
    figures.add(1, "cases");
    figures.add(peak >> 20, "MiB at most");
    figures.publish(Effort::Short);
}
