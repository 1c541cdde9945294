//! Tests of sealing, of what is refused then, and of proving an archive without its keys.

use std::sync::atomic::{AtomicI64, Ordering};

use super::*;
use crate::fixtures::{alive, back_up, files_of, named};
use crate::keys::{RecoveryCode, Secret};
use crate::lease::Liveness;
use crate::repository::SnapshotEntry;
use crate::session::{Session, Sharing};
use crate::store::MemoryStore;

const MODE: LockMode = LockMode::Compliance;
const YEAR: i64 = 365 * 86_400 * 1_000_000_000;

/// An archive that is held for a year after 1970, a clock to turn, and its snapshot.
struct Sealed {
    store: MemoryStore,
    repository: Repository,
    archive: Archive,
    clock: Arc<AtomicI64>,
    entry: SnapshotEntry,
}

fn sealed(held_until: Option<i64>) -> Sealed {
    let store = MemoryStore::default();
    let clock = Arc::new(AtomicI64::new(0));
    let told = clock.clone();
    let liveness = Liveness { now: Arc::new(move || told.load(Ordering::Relaxed)), ..alive() };
    let secret = Secret::from_text(&RecoveryCode::generate().unwrap().to_text());
    let repository = Repository::create_archive(Arc::new(store.clone()), &secret, "test", liveness, 0).unwrap();
    let entry = back_up(&repository, 1, &files_of(&[("a", 1, 300_000), ("b", 2, 10)])).unwrap().entry;
    let (archive, lock) = repository.seal_archive(entry.id, held_until.map(|until| (until, MODE)), "test", 0).unwrap();
    assert_eq!(lock, Lock::Unsupported);
    Sealed { store, repository, archive, clock, entry }
}

fn is_held<T>(result: Result<T>) -> bool {
    matches!(result, Err(Error::Held { .. }))
}

#[test]
fn nothing_goes_before_the_end_of_the_hold_and_everything_can_go_after_it() {
    let Sealed { repository, clock, entry, store, .. } = sealed(Some(YEAR));
    let before = store.names();
    for now in [i64::MIN, 0, YEAR - 1] {
        clock.store(now, Ordering::Relaxed);
        assert!(is_held(repository.forget(entry.id, now)));
        assert!(is_held(repository.prune()));
        assert!(is_held(repository.plan_prune()));
        assert!(is_held(repository.remove_key(repository.own_slot())));
    }
    assert_eq!(store.names(), before, "refusing leaves nothing behind");
    clock.store(YEAR, Ordering::Relaxed);
    repository.forget(entry.id, YEAR).unwrap();
    repository.prune().unwrap();
    assert!(named(&store, names::PACKS).is_empty());
}

#[test]
fn the_latest_of_all_holds_counts_and_none_is_shortened() {
    let Sealed { repository, store, mut archive, clock, .. } = sealed(Some(YEAR));
    assert!(archive.extend_hold(YEAR - 1, MODE).is_err());
    archive.extend_hold(3 * YEAR, MODE).unwrap();
    archive.extend_hold(2 * YEAR, MODE).unwrap_err();
    assert_eq!(repository.held_until().unwrap(), Some(3 * YEAR));
    // Somebody else who read it before may put a shorter one: it takes nothing back.
    let hold = Hold { id: TableId([5; 16]), until: 2 * YEAR };
    put(&store, &names::hold(hold.id), &encode_hold(repository.id(), &hold)).unwrap();
    assert_eq!(Archive::read(Arc::new(store.clone())).unwrap().held_until(), Some(3 * YEAR));
    clock.store(3 * YEAR - 1, Ordering::Relaxed);
    assert!(is_held(repository.prune()));
    // The same again is no shorter one, and puts nothing.
    archive.extend_hold(3 * YEAR, MODE).unwrap();
    assert_eq!(named(&store, names::HOLDS).len(), 2);
}

#[test]
fn a_hold_or_a_list_that_cannot_be_read_holds() {
    let Sealed { repository, store, mut archive, clock, .. } = sealed(None);
    archive.extend_hold(YEAR, MODE).unwrap();
    clock.store(9 * YEAR, Ordering::Relaxed);
    let damaged = [named(&store, names::HOLDS), vec![names::MANIFEST.to_owned()]].concat();
    for name in damaged {
        let whole = store.read(&name, 1 << 20).unwrap();
        store.damage(&name, |bytes| bytes[30] ^= 1);
        assert_eq!(repository.prune().unwrap_err().kind(), Kind::Corrupt, "{name}");
        store.damage(&name, |bytes| *bytes = whole);
    }
    repository.prune().unwrap();
}

#[test]
fn nothing_is_added_to_what_is_sealed() {
    let Sealed { repository, entry, store, .. } = sealed(None);
    let before = store.names();
    assert!(matches!(Session::begin(&repository, Sharing::Shared), Err(Error::Sealed { .. })));
    assert!(matches!(repository.undelete(entry.id), Err(Error::Sealed { .. })));
    assert!(matches!(repository.seal_archive(entry.id, None, "test", 0), Err(Error::Sealed { .. })));
    assert_eq!(store.names(), before);
}

#[test]
fn only_an_archive_with_its_one_snapshot_is_sealed() {
    let store = MemoryStore::default();
    let secret = Secret::from_text(&RecoveryCode::generate().unwrap().to_text());
    let repository = Repository::create_archive(Arc::new(store), &secret, "test", alive(), 0).unwrap();
    let first = back_up(&repository, 1, &files_of(&[("a", 1, 10)])).unwrap().entry;
    back_up(&repository, 2, &files_of(&[("a", 2, 10)])).unwrap();
    assert!(repository.seal_archive(first.id, None, "test", 0).is_err());
    let growing = crate::fixtures::create(MemoryStore::default());
    let entry = back_up(&growing, 1, &files_of(&[("a", 1, 10)])).unwrap().entry;
    assert!(growing.seal_archive(entry.id, None, "test", 0).is_err());
}

#[test]
fn every_damage_to_every_object_is_named_without_a_key() {
    let Sealed { archive, store, .. } = sealed(None);
    assert!(archive.verify(&|_, _| Ok(())).unwrap().is_empty());
    assert_eq!(archive.strays().unwrap(), Stray::default());
    for object in &archive.manifest().objects {
        let whole = store.read(&object.name, 1 << 30).unwrap();
        let changes: [fn(&mut Vec<u8>); 3] =
            [|bytes| bytes[0] ^= 1, |bytes| bytes.truncate(bytes.len() - 1), |bytes| bytes.push(0)];
        for change in changes {
            store.damage(&object.name, change);
            let found = archive.verify(&|_, _| Ok(())).unwrap();
            assert_eq!(found.iter().map(|damage| &damage.name).collect::<Vec<_>>(), [&object.name]);
            store.damage(&object.name, |bytes| bytes.clone_from(&whole));
        }
        store.delete(&object.name).unwrap();
        assert!(matches!(archive.verify(&|_, _| Ok(())).unwrap()[0].error, Error::Missing { .. }));
        store.put(&object.name, &whole).unwrap();
    }
    store.put("packs/aa/stray", b"12345").unwrap();
    assert_eq!(archive.strays().unwrap(), Stray { objects: 1, bytes: 5 });
}

#[test]
fn a_list_that_a_stranger_signed_is_not_believed() {
    let own = sealed(None);
    let other = sealed(None);
    let forged = other.store.read(names::MANIFEST, 1 << 20).unwrap();
    own.store.damage(names::MANIFEST, |bytes| *bytes = forged);
    assert_eq!(Archive::read(Arc::new(own.store.clone())).err().map(|error| error.kind()), Some(Kind::Corrupt));
}
