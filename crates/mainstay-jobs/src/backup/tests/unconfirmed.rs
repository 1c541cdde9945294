//! Snapshots that somebody has let count who did not come to his end: nobody has confirmed that they are whole.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::tz::TimeZone;
use mainstay_repo::store::{Object, Upload, Vacancy};
use mainstay_repo::{BackupType, MemoryStore, Store};

use crate::backup::Requested;
use crate::check::check;
use crate::fixture::noise;
use crate::ground::Ground;
use crate::retention::{Retention, plan_forget};
use crate::{Cancel, NoProgress};

/// A store in memory that deletes nothing while it is stuck.
#[derive(Clone, Default)]
struct Stuck {
    store: MemoryStore,
    is_stuck: Arc<AtomicBool>,
}

impl Store for Stuck {
    fn location(&self) -> String {
        self.store.location()
    }

    fn upload(&self) -> io::Result<Box<dyn Upload>> {
        self.store.upload()
    }

    fn len(&self, name: &str) -> io::Result<u64> {
        Store::len(&self.store, name)
    }

    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.store.read_at(name, offset, buffer)
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<Object>> {
        self.store.list(prefix)
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.store.replace(name, bytes)
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        if self.is_stuck.load(Ordering::Relaxed) {
            return Err(io::Error::other("stuck"));
        }
        self.store.delete(name)
    }

    fn prepare(&self) -> io::Result<Vacancy> {
        self.store.prepare()
    }
}

#[test]
fn a_backup_goes_on_from_no_snapshot_that_nobody_has_confirmed() {
    let store = Stuck::default();
    let ground = Ground::with(tempfile::tempdir().unwrap(), Arc::new(store.clone()));
    ground.write("a", &noise(1, 1000));
    let (first, second) = (ground.back_up(Requested::Full), ground.back_up(Requested::Incremental));
    let (first, second) = (first.entry.unwrap().id, second.entry.unwrap().id);
    ground.repository.forget(second, 0).unwrap();
    store.is_stuck.store(true, Ordering::Relaxed);
    ground.repository.undelete(second).unwrap_err();
    store.is_stuck.store(false, Ordering::Relaxed);

    let entries = ground.repository.snapshots().unwrap();
    let doubtful: Vec<bool> = entries.iter().map(|entry| entry.unconfirmed && !entry.forgotten).collect();
    assert_eq!(doubtful, [false, true]);
    let third = ground.back_up(Requested::Incremental);
    assert_eq!((third.backup_type, third.parent), (BackupType::Incremental, Some(first)));

    // It is neither forgotten nor in the place of another one.
    let last = Retention { last: Some(2), ..Retention::default() };
    let entries = ground.repository.snapshots().unwrap();
    let chain = ground.repository.chain(&entries, Default::default(), &ground.repository.removed().unwrap());
    let plan = plan_forget(&entries, &chain, &last, 0, &TimeZone::UTC).unwrap();
    assert_eq!((plan.forget.len(), plan.keep.len()), (0, 2));
    let report = check(&ground.repository, &NoProgress, &Cancel::default()).unwrap();
    assert!(
        report.findings.iter().any(|found| found.problem.contains("nobody has confirmed")),
        "{:?}",
        report.findings
    );

    ground.repository.undelete(second).unwrap();
    let entries = ground.repository.snapshots().unwrap();
    assert!(entries.iter().all(|entry| !entry.unconfirmed && !entry.forgotten));
    ground.repository.undelete(second).unwrap_err();
}
