//! A copy is the snapshot again, and nothing that could not be read.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mainstay_repo::store::{Object, Upload, Vacancy};
use mainstay_repo::{
    Content, Extent, MemoryStore, Node, NodeKind, RecoveryCode, Repository, Secret, SnapshotEntry, Store, TreeReader,
};
use mainstay_sources::files::Owners as MachineOwners;
use proptest::prelude::*;

use super::{CopyPlan, CopyReport, CopyRun, Forgotten, copy, origin_of, plan_copy};
use crate::backup::{BackupOptions, Requested};
use crate::browse::{BlockBuffer, Descend, Visitor, extents, walk};
use crate::fixture::{liveness, noise};
use crate::ground::{Edit, Ground, Plant, Watched, apply, drawn, edits, options, plant, plants, write};
use crate::{Cancel, NoProgress, Result};

/// A repository with other keys.
struct Target {
    store: Dying,
    repository: Repository,
}

impl Target {
    fn new() -> Self {
        let store = Dying { store: MemoryStore::default(), left: Arc::new(AtomicUsize::new(usize::MAX)) };
        let secret = Secret::from_text(&RecoveryCode::generate().unwrap().to_text());
        let shared: Arc<dyn Store> = Arc::new(store.clone());
        let repository = Repository::create(shared, &secret, "other", liveness(), 0).unwrap();
        Self { store, repository }
    }

    fn held(&self) -> Vec<SnapshotEntry> {
        self.repository.list_snapshots().unwrap().entries
    }

    fn trees(&self) -> TreeReader {
        TreeReader::new(self.repository.block_reader(&self.repository.index().unwrap()))
    }
}

fn run_copy(from: &Ground, to: &Target, forgotten: Forgotten) -> Result<CopyReport> {
    let all = from.repository.list_snapshots().unwrap().entries;
    let held = to.held();
    let plan = plan_copy((from.repository.id(), all.iter().collect()), (to.repository.id(), &held), forgotten);
    let run = CopyRun {
        from: &from.repository,
        to: &to.repository,
        clock: &from.clock,
        progress: &NoProgress,
        cancel: &Cancel::default(),
        program: "test".to_owned(),
    };
    copy(&run, &plan, &all)
}

/// Everything beneath a root that a restore brings back, with the hash of each content and where its holes are.
#[derive(Default)]
struct Seen(Vec<(Vec<u8>, Node, String)>);

struct Seeing<'t>(&'t TreeReader, Seen);

impl Visitor for Seeing<'_> {
    fn node(&mut self, path: &[u8], node: &Node, owners: &mainstay_repo::Owners) -> Result<Descend> {
        let (mut hash, mut holes) = (blake3::Hasher::new(), String::new());
        let (mut at, mut buffer) = (0, BlockBuffer::new(self.0));
        let is_file = node.kind == NodeKind::File;
        for extent in extents(self.0, &node.content).filter(|_| is_file) {
            let extent = extent?;
            match extent {
                Extent::Data { block, offset, len } => drop(hash.update(buffer.read(block, offset, len)?)),
                Extent::Hole { len } => holes.push_str(&format!(" {len} at {at}")),
            }
            at += extent.content_len();
        }
        let name = |names: &[(u32, String)], number| names.iter().find(|(known, _)| *known == number).cloned();
        let owner = (name(&owners.users, node.user), name(&owners.groups, node.group));
        let content = format!("{} holes {holes} of {owner:?}", hash.finalize());
        self.1.0.push((path.to_vec(), Node { content: Content::default(), ..node.clone() }, content));
        Ok(Descend::Into)
    }
}

fn see(trees: &TreeReader, entry: &SnapshotEntry) -> Vec<(Vec<u8>, Node, String)> {
    let mut seeing = Seeing(trees, Seen::default());
    walk(trees, b"", &entry.snapshot.root, &mut seeing).unwrap();
    seeing.1.0
}

fn assert_copies(from: &Ground, to: &Target) {
    let (held, from_trees, to_trees) = (to.held(), from.trees(), to.trees());
    for original in from.repository.list_snapshots().unwrap().entries {
        let origin = Some(origin_of(from.repository.id(), &original));
        let copies: Vec<_> = held.iter().filter(|entry| entry.snapshot.origin == origin).collect();
        assert_eq!(copies.len(), 1, "of snapshot {}", original.id);
        assert_eq!(see(&to_trees, copies[0]), see(&from_trees, &original));
        let (copy, original) = (&copies[0].snapshot, &original.snapshot);
        assert_eq!((&copy.source, &copy.host, &copy.tags), (&original.source, &original.host, &original.tags));
        assert_eq!((copy.started, copy.ended), (original.started, original.ended));
        assert_eq!((copy.backup_type, copy.sequence), (original.backup_type, original.sequence));
        assert_eq!(copy.statistics.content_bytes, original.statistics.content_bytes);
    }
}

fn assert_history(tree: &[Plant], first: &[Edit], second: &[Edit]) {
    let (from, _) = Ground::in_memory();
    let to = Target::new();
    plant(&from.source(), tree);
    from.back_up(Requested::Full);
    apply(&from.source(), first);
    from.back_up(Requested::Incremental);
    assert_eq!(run_copy(&from, &to, Forgotten::StaysAway).unwrap().copied.len(), 2);
    apply(&from.source(), second);
    from.back_up(Requested::Differential);
    assert_eq!(run_copy(&from, &to, Forgotten::StaysAway).unwrap().copied.len(), 1);
    assert_copies(&from, &to);
    let again = run_copy(&from, &to, Forgotten::StaysAway).unwrap();
    assert!(again.copied.is_empty() && again.left_out.is_empty());
}

proptest! {
    #![proptest_config(drawn(12))]

    #[test]
    fn every_snapshot_of_a_history_is_the_same_in_a_repository_with_other_keys(
        tree in plants(30),
        first in edits(12),
        second in edits(12),
    ) {
        assert_history(&tree, &first, &second);
    }
}

#[test]
fn names_of_owners_and_files_in_many_pages_and_lists_come_along() {
    let (from, _) = Ground::in_memory();
    for number in 0..6000 {
        from.write(&format!("many/{number:05}"), b"");
    }
    // Pages of a database are chunks of their own: more of them than a node keeps extents.
    from.write("large.sqlite", &noise(3, 9 << 20));
    let number = rustix::process::getuid().as_raw();
    let passwd = format!("somebody:x:{number}:0::/:/bin/sh\n");
    let named = BackupOptions { owner_names: MachineOwners::parse(passwd.as_bytes(), b""), ..options(Requested::Full) };
    from.try_backup(&Watched::new(&from.source()), &named).unwrap();
    let to = Target::new();
    run_copy(&from, &to, Forgotten::StaysAway).unwrap();
    assert_copies(&from, &to);
    let seen = see(&to.trees(), &to.held()[0]);
    assert!(seen.len() > 6000 && seen.iter().all(|(_, _, content)| content.contains("somebody")));
}

#[test]
fn what_did_not_change_is_neither_read_nor_stored_again() {
    let (from, _) = Ground::in_memory();
    from.write("large", &noise(1, 8 << 20));
    from.back_up(Requested::Full);
    let to = Target::new();
    run_copy(&from, &to, Forgotten::StaysAway).unwrap();
    from.write("small", b"new");
    from.back_up(Requested::Incremental);
    let report = run_copy(&from, &to, Forgotten::StaysAway).unwrap();
    let copy = &report.copied[0].copy.snapshot;
    assert_eq!((copy.statistics.files_believed, copy.statistics.files_read), (1, 1));
    assert!(report.copied[0].stored_bytes < 64 << 10, "{}", report.copied[0].stored_bytes);
    assert_copies(&from, &to);
}

#[test]
fn content_that_changed_behind_the_same_metadata_is_copied() {
    let (from, _) = Ground::in_memory();
    from.write("a", &noise(1, 5000));
    from.write("b", &noise(2, 5000));
    let entry = from.back_up(Requested::Full).entry.unwrap();
    let to = Target::new();
    run_copy(&from, &to, Forgotten::StaysAway).unwrap();
    from.amend(&entry, |nodes| {
        let [a, b] = nodes.as_mut_slice() else { panic!("two files") };
        std::mem::swap(&mut a.content, &mut b.content);
    });
    assert_eq!(run_copy(&from, &to, Forgotten::StaysAway).unwrap().copied.len(), 1);
    assert_copies(&from, &to);
}

#[test]
fn a_snapshot_that_cannot_be_read_whole_is_left_out_and_the_others_are_copied() {
    let from = Ground::new();
    from.write("good", b"good");
    from.back_up(Requested::Full);
    let before = from.packs(mainstay_repo::BlockKind::Content);
    from.write("large", &noise(1, 2 << 20));
    from.back_up(Requested::Incremental);
    for pack in from.packs(mainstay_repo::BlockKind::Content).difference(&before) {
        let path = from.path("repository").join(pack);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[5000] ^= 1;
        write(&path, &bytes);
    }
    let to = Target::new();
    let report = run_copy(&from, &to, Forgotten::StaysAway).unwrap();
    assert_eq!((report.copied.len(), report.left_out.len(), to.held().len()), (1, 1, 1));
    let problem = report.left_out[0].1.to_string();
    assert!(problem.contains("its seal does not match"), "{problem}");
}

/// A repository of one snapshot, and another one to which it was copied.
fn copied_once() -> (Ground, Target, CopyReport) {
    let (from, _) = Ground::in_memory();
    from.write("file", b"bytes");
    from.back_up(Requested::Full);
    let to = Target::new();
    let report = run_copy(&from, &to, Forgotten::StaysAway).unwrap();
    (from, to, report)
}

#[test]
fn a_copy_that_was_forgotten_comes_again_only_when_it_is_asked_for() {
    let (from, to, first) = copied_once();
    to.repository.forget(first.copied[0].copy.id, 0).unwrap();
    assert!(run_copy(&from, &to, Forgotten::StaysAway).unwrap().copied.is_empty());
    assert_eq!(run_copy(&from, &to, Forgotten::IsCopiedAgain).unwrap().copied.len(), 1);
}

#[test]
fn a_copy_that_nobody_has_confirmed_is_made_again() {
    let (from, to, _) = copied_once();
    let (originals, mut held) = (from.repository.list_snapshots().unwrap().entries, to.held());
    for unconfirmed in [false, true] {
        held[0].unconfirmed = unconfirmed;
        let wanted = originals.iter().collect();
        let plan = plan_copy((from.repository.id(), wanted), (to.repository.id(), &held), Forgotten::StaysAway);
        assert_eq!(plan.missing.len(), usize::from(unconfirmed));
    }
}

#[test]
fn a_copy_of_a_copy_and_a_copy_that_comes_back_are_known() {
    let (from, to, _) = copied_once();
    let (copies, originals) = (to.held(), from.repository.list_snapshots().unwrap().entries);
    let back = |held: &[SnapshotEntry], id| {
        let plan: CopyPlan<'_> =
            plan_copy((to.repository.id(), copies.iter().collect()), (id, held), Forgotten::StaysAway);
        (plan.missing.len(), plan.present.len())
    };
    assert_eq!(back(&originals, from.repository.id()), (0, 1));
    let third = Target::new();
    assert_eq!(back(&[], third.repository.id()), (1, 0));
    run_copy(&from, &third, Forgotten::StaysAway).unwrap();
    assert_eq!(back(&third.held(), third.repository.id()), (0, 1));
}

#[test]
fn a_copy_that_dies_before_any_object_is_published_is_made_whole_by_the_next_one() {
    let (from, _) = Ground::in_memory();
    from.write("docs/a", &noise(1, 300_000));
    from.write("docs/b", b"small");
    from.back_up(Requested::Full);
    from.write("docs/c", &noise(2, 3000));
    from.back_up(Requested::Incremental);
    let mut left = 0;
    loop {
        let to = Target::new();
        to.store.left.store(left, Ordering::Relaxed);
        let died = run_copy(&from, &to, Forgotten::StaysAway);
        to.store.left.store(usize::MAX, Ordering::Relaxed);
        let is_whole = died.is_ok();
        run_copy(&from, &to, Forgotten::StaysAway).unwrap();
        assert_copies(&from, &to);
        if is_whole {
            break;
        }
        left += 1;
    }
    assert!(left >= 10, "it publishes more than {left} objects");
}

/// A store that publishes so many objects, and then none.
#[derive(Clone)]
struct Dying {
    store: MemoryStore,
    left: Arc<AtomicUsize>,
}

impl Store for Dying {
    fn location(&self) -> String {
        self.store.location()
    }

    fn upload(&self) -> io::Result<Box<dyn Upload>> {
        Ok(Box::new(DyingUpload { upload: self.store.upload()?, left: self.left.clone() }))
    }

    fn len(&self, name: &str) -> io::Result<u64> {
        self.store.len(name)
    }

    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.store.read_at(name, offset, buffer)
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<Object>> {
        self.store.list(prefix)
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        self.store.delete(name)
    }

    fn prepare(&self) -> io::Result<Vacancy> {
        self.store.prepare()
    }
}

struct DyingUpload {
    upload: Box<dyn Upload>,
    left: Arc<AtomicUsize>,
}

impl Upload for DyingUpload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.upload.write(bytes)
    }

    fn publish(self: Box<Self>, name: &str) -> io::Result<()> {
        let alive = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        alive.map_err(|_| io::Error::other("dead"))?;
        self.upload.publish(name)
    }
}
