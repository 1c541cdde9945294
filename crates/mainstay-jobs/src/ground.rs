//! Real directories and a repository beside them, for tests of backup and restore.
//!
//! Owns running the two verbs with what most tests do not care about. What is planted, looked at and watched has files of
//! its own; nothing here knows what a test asserts.

mod imagined;
mod looking;
mod planting;
mod watching;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use mainstay_repo::{
    BlockKind, Content, Draft, LocalStore, MemoryStore, Node, Presence, RecoveryCode, Repository, Secret, Session,
    Sharing, Snapshot, SnapshotEntry, Store, TreeReader,
};
use mainstay_sources::files::{Owners, Preserve};
use mainstay_sources::{Source, Warning};

use crate::backup::{BackupOptions, BackupReport, BackupRun, Input, Mode, Requested, backup};
use crate::fixture::{SECOND, liveness};
use crate::restore::{Extent, Extra, Overwrite, PlannedEntry, RestoreOptions, RestoreReport, RestoreRun, restore};
use crate::{Cancel, Clock, NoProgress};

pub use imagined::{Imagined, listed};
pub use looking::{Holes, difference, look, read};
pub use planting::{Edit, Plant, Stretch, apply, drawn, edits, fill, plant, plants, set_time};
pub use watching::{Moment, Watched};

/// A directory of the test's own with a source in it, and a repository.
pub struct Ground {
    directory: tempfile::TempDir,
    pub repository: Repository,
    pub clock: Ticking,
}

/// 2200-01-01T00:00:00Z: whatever a test plants changed long before any backup, and may be believed.
const LATER: i64 = 7_258_118_400 * SECOND;

/// A clock that moves on by a second whenever it is asked.
pub struct Ticking(AtomicI64);

impl Clock for Ticking {
    fn now(&self) -> i64 {
        self.0.fetch_add(SECOND, Ordering::Relaxed)
    }
}

impl Ground {
    /// With a repository on the disk.
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = LocalStore::new(directory.path().join("repository"));
        Self::with(directory, Arc::new(store))
    }

    /// With a repository in memory, whose calls are counted.
    pub fn in_memory() -> (Self, MemoryStore) {
        let store = MemoryStore::default();
        (Self::with(tempfile::tempdir().unwrap(), Arc::new(store.clone())), store)
    }

    pub fn with(directory: tempfile::TempDir, store: Arc<dyn Store>) -> Self {
        std::fs::create_dir(directory.path().join("source")).unwrap();
        let secret = Secret::from_text(&RecoveryCode::generate().unwrap().to_text());
        let repository = Repository::create(store, &secret, "test", liveness(), 0).unwrap();
        Self { directory, repository, clock: Ticking(AtomicI64::new(LATER)) }
    }

    /// Sets what the clock shows when it is asked next.
    pub fn set_clock(&self, now: i64) {
        self.clock.0.store(now, Ordering::Relaxed);
    }

    pub fn source(&self) -> PathBuf {
        self.path("source")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file of the source and the directories above it.
    pub fn write(&self, name: &str, bytes: &[u8]) {
        write(&self.source().join(name), bytes);
    }

    /// Backs the source up; warnings fail the test.
    pub fn back_up(&self, requested: Requested) -> BackupReport {
        let report = self.back_up_from(&Watched::new(&self.source()), requested);
        assert_eq!(report.warnings, []);
        report
    }

    pub fn back_up_from(&self, source: &dyn Source, requested: Requested) -> BackupReport {
        self.try_backup(source, &options(requested)).unwrap()
    }

    pub fn try_backup(&self, source: &dyn Source, options: &BackupOptions) -> crate::Result<BackupReport> {
        self.backup_until(source, options, &Cancel::default())
    }

    /// A backup that is stopped when the test says so.
    pub fn backup_until(
        &self,
        source: &dyn Source,
        options: &BackupOptions,
        cancel: &Cancel,
    ) -> crate::Result<BackupReport> {
        backup(&BackupRun {
            repository: &self.repository,
            input: Input::Tree(source),
            options,
            clock: &self.clock,
            progress: &NoProgress,
            cancel,
            listed: &|_| {},
        })
    }

    /// Makes a snapshot that follows another one and has other nodes in its root.
    pub fn amend(&self, entry: &SnapshotEntry, edit: impl FnOnce(&mut Vec<Node>)) -> SnapshotEntry {
        let session = Session::begin(&self.repository, Sharing::Shared).unwrap();
        let mut page = self.trees().directory(&entry.snapshot.root).unwrap();
        edit(&mut page.nodes);
        let extent = session.store_tree_page(&page.encode()).unwrap();
        let mut blocks = self.repository.references(entry).unwrap();
        if let mainstay_repo::Extent::Data { block, .. } = extent {
            blocks.insert(block);
        }
        let root = Content { extents: vec![extent], lists: Vec::new() };
        let snapshot = Snapshot { sequence: entry.snapshot.sequence + 1, root, ..entry.snapshot.clone() };
        session.commit(Draft { snapshot, blocks, presence: Presence::Confirmed }).unwrap().entry
    }

    pub fn trees(&self) -> TreeReader {
        TreeReader::new(self.repository.block_reader(&self.repository.index().unwrap()))
    }

    /// Names of the packs that hold blocks of this kind.
    pub fn packs(&self, kind: BlockKind) -> HashSet<String> {
        let packs = self.repository.list_packs().unwrap();
        let of_kind = packs
            .into_iter()
            .filter(|pack| self.repository.read_pack_listing(pack).unwrap().rows.iter().all(|row| row.kind == kind));
        of_kind.map(|pack| pack.name).collect()
    }

    /// Restores a snapshot into a target that does not exist yet; warnings fail the test.
    pub fn restore(&self, entry: &SnapshotEntry, target: &str) -> PathBuf {
        let target = self.path(target);
        let report = self.restore_with(entry, &target, &as_recorded());
        assert_eq!(report.warnings, []);
        target
    }

    pub fn restore_with(&self, entry: &SnapshotEntry, target: &Path, options: &RestoreOptions) -> RestoreReport {
        self.restore_path(entry, None, target, options)
    }

    pub fn restore_path(
        &self,
        entry: &SnapshotEntry,
        path: Option<&[u8]>,
        target: &Path,
        options: &RestoreOptions,
    ) -> RestoreReport {
        self.restore_telling((entry, path), target, options, &|_| {}).unwrap()
    }

    /// A restore that tells each planned entry.
    pub fn restore_telling(
        &self,
        (entry, path): (&SnapshotEntry, Option<&[u8]>),
        target: &Path,
        options: &RestoreOptions,
        planned: &(dyn Fn(&PlannedEntry<'_>) + Sync),
    ) -> crate::Result<RestoreReport> {
        restore(&RestoreRun {
            repository: &self.repository,
            entry,
            path,
            target,
            options,
            planned,
            progress: &NoProgress,
            cancel: &Cancel::default(),
        })
    }
}

/// A backup of this type and nothing special.
pub fn options(requested: Requested) -> BackupOptions {
    BackupOptions {
        source: "home".to_owned(),
        host: "host".to_owned(),
        user: "user".to_owned(),
        paths: Vec::new(),
        tags: Vec::new(),
        requested,
        sharing: Sharing::Shared,
        mode: Mode::Store,
        program: "test".to_owned(),
        owner_names: Owners::default(),
        copied: None,
    }
}

/// A restore of everything as it was, over whatever is there.
pub fn as_recorded() -> RestoreOptions {
    RestoreOptions {
        overwrite: Overwrite::Always,
        extra: Extra::Keep,
        include: Vec::new(),
        exclude: Vec::new(),
        preserve: Preserve::as_recorded(),
        extent: Extent::Write,
        spared: Vec::new(),
    }
}

pub fn write(path: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// Takes a file out of the page cache, so that a long one is read past it.
pub fn make_cold(path: &Path) {
    let file = std::fs::File::open(path).unwrap();
    file.sync_all().unwrap();
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
}

/// The paths that warnings are about, sorted.
pub fn paths(warnings: &[Warning]) -> Vec<&str> {
    let mut paths: Vec<&str> = warnings.iter().map(|warning| warning.path.as_str()).collect();
    paths.sort_unstable();
    paths.dedup();
    paths
}
