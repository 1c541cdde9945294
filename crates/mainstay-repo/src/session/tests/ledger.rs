//! The nonce ledger: no key ever seals twice under one nonce; and without random bytes nothing is sealed at all.

use super::*;
use crate::fixtures::{FailingStore, Failure};
use crate::keys::{RecipientCode, RecoveryCode, Secret};
use crate::repository::{OtherKeys, WriterMay};
use crate::seal::{Generator, ledger, with_generator};

/// Stores many small files from many threads, and ends with a snapshot.
fn back_up_in_threads(repository: &Repository, sequence: u64, seed: u64) {
    let session = Session::begin(repository, Sharing::Shared).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let session = &session;
            scope.spawn(move || {
                for number in 0..40 {
                    session.store_small_file(&seeded(seed * 10_000 + thread * 100 + number, 9000)).unwrap();
                    store_large(session, &seeded(seed * 10_000 + thread * 100 + number + 50, 60_000)).unwrap();
                }
            });
        }
    });
    let files = files_of(&[("a", seed, 300_000), ("b", seed + 1, 300), ("c", seed + 2, 300), ("d", seed + 3, 300)]);
    let (root, blocks) = store_files(&session, &files).unwrap();
    session.commit(draft("data", sequence, root, blocks)).unwrap();
}

#[test]
fn no_key_seals_twice_under_one_nonce_whatever_happens() {
    let (store, full) = new_repository();
    ledger::watch(full.id());
    let code = RecoveryCode::generate().unwrap().to_text();
    full.add_writer(&Secret::from_text(&code), "agent", 1, WriterMay::Nothing).unwrap();
    full.add_recipient(&RecipientCode::generate().unwrap().recipient(), "safe", 1).unwrap();
    let writer = Repository::open(Arc::new(store.clone()), &Secret::from_text(&code), alive()).unwrap();
    for sequence in 1..=3 {
        std::thread::scope(|scope| {
            scope.spawn(|| back_up_in_threads(&full, sequence, sequence));
            scope.spawn(|| back_up_in_threads(&writer, sequence, sequence));
        });
    }
    // A session that is killed, and the one that goes on with what it left.
    let dying = FailingStore::new(store.clone(), Failure::Never);
    let killed = open(dying.clone(), alive());
    let session = Session::begin(&killed, Sharing::Shared).unwrap();
    store_large(&session, &seeded(5, 18 << 20)).unwrap();
    dying.kill();
    drop(session);
    let full = open(store.clone(), restarted());
    let resumed = Session::begin(&full, Sharing::Shared).unwrap();
    store_large(&resumed, &seeded(5, 18 << 20)).unwrap();
    drop(resumed.abandon());
    // Thinned blocks are sealed anew under their old session, serial and key, twice.
    for sequence in [1, 2] {
        let entries = full.snapshots().unwrap();
        entries.iter().filter(|e| e.snapshot.sequence == sequence).for_each(|e| full.forget(e.id, 9).unwrap());
        full.prune().unwrap();
        back_up_in_threads(&full, 10 + sequence, 3);
    }
    // Data keys are wrapped anew, twice, and the slot with them.
    for sequence in [21, 22] {
        let full = open(store.clone(), restarted());
        full.rotate(&crate::fixtures::secret(), &[], OtherKeys::Remove).unwrap();
        back_up_in_threads(&open(store.clone(), restarted()), sequence, 3);
    }
    let ledger = ledger::take(full.id());
    assert_eq!(ledger.repeated, 0);
    assert!(ledger.pairs.len() > 300, "{} pairs", ledger.pairs.len());
}

#[test]
fn the_ledger_notices_a_pair_that_repeats() {
    let repository = crate::id::RepositoryId([0x1e; 16]);
    ledger::watch(repository);
    let key = crate::seal::SealKey::new(crate::format::config::Suite::Aes256Gcm, &[1; 32]);
    let data = crate::format::envelope::associated_data(repository, crate::format::envelope::ObjectKind::Lease, &[]);
    for nonce in [[1; 12], [2; 12], [1; 12]] {
        key.seal(nonce, &data, &mut Vec::new(), 0);
    }
    let ledger = ledger::take(repository);
    assert_eq!((ledger.pairs.len(), ledger.repeated), (2, 1));
}

fn stuck(bytes: &mut [u8]) -> bool {
    bytes.fill(0xa5);
    true
}

fn zeros(bytes: &mut [u8]) -> bool {
    bytes.fill(0);
    true
}

fn failing(_: &mut [u8]) -> bool {
    false
}

#[test]
fn a_generator_that_is_stuck_or_fails_lets_nothing_be_sealed() {
    let generators: [(&str, Generator); 3] = [("stuck", stuck), ("only zeros", zeros), ("failing", failing)];
    for (name, generator) in generators {
        let (store, full) = new_repository();
        back_up(&full, 1, &files_of(&[("a", 1, 1000)])).unwrap();
        let before = store.names();
        let secret = || Secret::from_text("passphrase");
        let refused = [
            with_generator(generator, || Session::begin(&full, Sharing::Shared).err()),
            with_generator(generator, || full.add_key(&secret(), "more", 1).err()),
            with_generator(generator, || full.add_writer(&secret(), "more", 1, WriterMay::Nothing).err()),
            with_generator(generator, || full.prune().err()),
            with_generator(generator, || full.rotate(&crate::fixtures::secret(), &[], OtherKeys::Remove).err()),
            with_generator(generator, || RecipientCode::generate().and(RecoveryCode::generate()).err()),
            with_generator(generator, || {
                let empty = Arc::new(MemoryStore::default());
                Repository::create(empty, &secret(), "new", alive(), 1).err()
            }),
        ];
        for (number, error) in refused.iter().enumerate() {
            assert!(matches!(error, Some(Error::Random(_))), "{name}, {number}: {error:?}");
        }
        assert_eq!(store.names(), before, "{name}");
        back_up(&full, 2, &files_of(&[("b", 2, 1000)])).unwrap();
    }
}
