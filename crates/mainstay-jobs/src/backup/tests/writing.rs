//! What a backup writes to the store: which objects, in which order, and what is left when the store fails in between.

use std::collections::{BTreeSet, HashSet};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mainstay_repo::store::{Call, Object, Upload, Vacancy};
use mainstay_repo::{BlockId, BlockKind, Content, Extent, Kind, MemoryStore, SnapshotEntry, Store, TreeReader};

use crate::backup::Requested;
use crate::check::check;
use crate::fixture::{noise, text};
use crate::ground::{Ground, Moment, Stretch, Watched, fill, look, options};
use crate::{Cancel, Error, NoProgress};

/// What is written, without the identifiers in the names.
fn kinds(calls: &[Call]) -> Vec<String> {
    let puts = calls.iter().filter_map(|call| match call {
        Call::Put(name) => Some(name.as_str()),
        _ => None,
    });
    puts.map(kind).collect()
}

fn kind(name: &str) -> String {
    let parts: Vec<&str> = name.split('/').collect();
    match parts.as_slice() {
        ["coord", "leases", _, "end"] => "lease end".to_owned(),
        ["coord", "leases", ..] => "lease".to_owned(),
        ["index", table] => format!("index {}", &table[..1]),
        ["keys", "data", _] => "data key".to_owned(),
        [first, ..] => (*first).to_owned(),
        [] => String::new(),
    }
}

fn plant(ground: &Ground) {
    ground.write("notes", &text("notes", 5000));
    ground.write("deep/er/leaf", b"leaf");
    ground.write("large", &noise(1, 3 << 20));
    ground.write("empty", b"");
}

#[test]
fn an_unchanged_backup_writes_exactly_these_objects_and_deletes_nothing() {
    let (ground, store) = Ground::in_memory();
    plant(&ground);
    ground.back_up(Requested::Full);
    store.take_calls();
    let report = ground.back_up(Requested::Incremental);
    let calls = store.take_calls();
    assert_eq!(kinds(&calls), ["lease", "data key", "refs", "snapshots", "lease end"]);
    assert!(!calls.iter().any(|call| matches!(call, Call::Delete(_))));
    assert_eq!((report.packs, report.stored_bytes, report.new_bytes), (0, 0, 0));
}

#[test]
fn an_unchanged_backup_reads_no_content_and_each_tree_once() {
    let (ground, store) = Ground::in_memory();
    plant(&ground);
    ground.back_up(Requested::Full);
    let content = ground.packs(BlockKind::Content);
    store.take_calls();
    ground.back_up(Requested::Incremental);
    let mut seen = HashSet::new();
    for call in store.take_calls() {
        let Call::Read { name, offset, len } = call else { continue };
        assert!(!content.contains(&name), "content was read: {name}");
        if name.starts_with("packs/") {
            assert!(seen.insert((name.clone(), offset, len)), "{name} was read twice at {offset}");
        }
    }
}

#[test]
fn everything_that_a_snapshot_needs_is_written_before_it() {
    let (ground, store) = Ground::in_memory();
    plant(&ground);
    store.take_calls();
    ground.back_up(Requested::Full);
    let mut written = kinds(&store.take_calls());
    written.dedup();
    assert_eq!(written, ["lease", "data key", "packs", "index c", "index b", "refs", "snapshots", "lease end"]);
}

/// Every block that a tree and its files lie in, found by walking.
fn blocks_of(trees: &TreeReader, directory: &Content, found: &mut BTreeSet<BlockId>) {
    let pages = trees.extents(directory).unwrap();
    note(&pages, found);
    note(&directory.lists, found);
    for page in &pages {
        for node in trees.page(page).unwrap().nodes {
            if node.kind == mainstay_repo::NodeKind::Directory {
                blocks_of(trees, &node.content, found);
            } else {
                note(&node.content.lists, found);
                note(&trees.extents(&node.content).unwrap(), found);
            }
        }
    }
}

fn note(extents: &[Extent], found: &mut BTreeSet<BlockId>) {
    found.extend(extents.iter().filter_map(|extent| match extent {
        Extent::Data { block, .. } => Some(*block),
        Extent::Hole { .. } => None,
    }));
}

fn assert_references(ground: &Ground, entry: &SnapshotEntry) {
    let index = ground.repository.index().unwrap();
    let trees = TreeReader::new(ground.repository.block_reader(&index));
    let mut walked = BTreeSet::new();
    blocks_of(&trees, &entry.snapshot.root, &mut walked);
    let referred: BTreeSet<BlockId> = ground.repository.references(entry).unwrap().iter().collect();
    assert_eq!(referred, walked);
}

#[test]
fn the_reference_map_names_every_block_of_the_tree_and_no_other() {
    let (ground, _) = Ground::in_memory();
    plant(&ground);
    // More extents than a node keeps inline.
    let stretches = |seed: u8| {
        let pairs = (0..600).flat_map(move |number: usize| {
            let byte = Stretch::Noise { seed: seed.wrapping_add(number as u8), len: 4096 };
            [byte, Stretch::Hole { len: 64 << 10 }]
        });
        pairs.collect::<Vec<_>>()
    };
    fill(&ground.source().join("holes"), &stretches(0));
    let first = ground.back_up(Requested::Full).entry.unwrap();
    assert_references(&ground, &first);
    ground.write("notes", b"changed and of another length");
    let second = ground.back_up(Requested::Incremental).entry.unwrap();
    assert_references(&ground, &second);
    // What only the believed file needs survives the first snapshot.
    ground.repository.forget(first.id, 0).unwrap();
    ground.repository.prune().unwrap();
    assert_eq!(look(&ground.restore(&second, "target")), look(&ground.source()));
}

#[test]
fn a_backup_that_is_stopped_writes_no_snapshot_and_leaves_what_it_stored_to_the_next_one() {
    let (ground, _) = Ground::in_memory();
    ground.write("large", &noise(1, 40 << 20));
    let cancel = Cancel::default();
    let (reads, stop) = (AtomicU64::new(0), cancel.clone());
    let source = Watched::acting(&ground.source(), move |_, moment| {
        if moment == Moment::AfterReading && reads.fetch_add(1, Ordering::Relaxed) == 10 {
            stop.request();
        }
    });
    let stopped = ground.backup_until(&source, &options(Requested::Full), &cancel);
    assert!(matches!(stopped, Err(Error::Cancelled)), "{stopped:?}");
    assert_eq!(ground.repository.snapshots().unwrap(), []);
    let report = ground.back_up(Requested::Full);
    assert!(report.duplicate_bytes >= 16 << 20, "{report:?}");
    assert_eq!(look(&ground.restore(&report.entry.unwrap(), "target")), look(&ground.source()));
    // The session that was stopped stands in nobody's way.
    ground.repository.prune().unwrap();
}

/// A store that takes so many bytes more and is full then.
struct Small {
    inner: MemoryStore,
    room: Arc<AtomicU64>,
}

struct SmallUpload {
    inner: Box<dyn Upload>,
    room: Arc<AtomicU64>,
}

impl Store for Small {
    fn location(&self) -> String {
        self.inner.location()
    }

    fn upload(&self) -> io::Result<Box<dyn Upload>> {
        Ok(Box::new(SmallUpload { inner: self.inner.upload()?, room: Arc::clone(&self.room) }))
    }

    fn len(&self, name: &str) -> io::Result<u64> {
        Store::len(&self.inner, name)
    }

    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.inner.read_at(name, offset, buffer)
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<Object>> {
        self.inner.list(prefix)
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        self.inner.delete(name)
    }

    fn prepare(&self) -> io::Result<Vacancy> {
        self.inner.prepare()
    }
}

impl Upload for SmallUpload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let len = bytes.len() as u64;
        let taken = self.room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |room| room.checked_sub(len));
        taken.map_err(|_| io::Error::from(io::ErrorKind::StorageFull))?;
        self.inner.write(bytes)
    }

    fn publish(self: Box<Self>, name: &str) -> io::Result<()> {
        self.inner.publish(name)
    }
}

#[test]
fn a_store_that_fills_up_at_any_point_gets_no_broken_snapshot_and_is_used_again() {
    let room = Arc::new(AtomicU64::new(u64::MAX));
    let store = Small { inner: MemoryStore::default(), room: Arc::clone(&room) };
    let ground = Ground::with(tempfile::tempdir().unwrap(), Arc::new(store));
    ground.write("first", b"first");
    ground.back_up(Requested::Full);
    let mut refusals = 0;
    for (round, bytes) in (0_u8..).zip([0, 100, 300, 700, 2_000, 900_000, 1_500_000, 2_100_000]) {
        ground.write("large", &noise(round, 2 << 20));
        ground.write(&format!("small {round}"), &noise(round, 3000));
        let before = ground.repository.snapshots().unwrap();
        room.store(bytes, Ordering::Relaxed);
        let report = ground.try_backup(&Watched::new(&ground.source()), &options(Requested::Incremental));
        room.store(u64::MAX, Ordering::Relaxed);
        match report {
            Err(Error::Repository(error)) => {
                refusals += 1;
                assert_eq!(error.kind(), Kind::NoSpace, "{bytes} bytes: {error}");
                assert_eq!(ground.repository.snapshots().unwrap(), before);
            }
            other => panic!("{bytes} bytes: {other:?}"),
        }
        let checked = check(&ground.repository, &NoProgress, &Cancel::default()).unwrap();
        assert!(checked.is_sound(), "{bytes} bytes: {checked:?}");
        let entry = ground.back_up(Requested::Incremental).entry.unwrap();
        assert_eq!(look(&ground.restore(&entry, &format!("target {round}"))), look(&ground.source()));
    }
    assert_eq!(refusals, 8);
}
