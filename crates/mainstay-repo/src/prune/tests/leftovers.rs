//! What interrupted work leaves behind, and when a prune must rather give up.

use std::sync::Arc;

use super::*;
use crate::fixtures::{FailingStore, Failure};

#[test]
fn objects_that_belong_to_no_snapshot_are_removed() {
    let (store, repository, kept) = half_dead();
    let orphan = SnapshotId([0x0f; 32]);
    // A backup killed between reference map and snapshot; a prune killed between snapshot and mark.
    let map = store.read(&named(&store, "refs/")[0], 1 << 20).unwrap();
    store.put(&names::refs(orphan), &map).unwrap();
    repository.forget(orphan, 0).unwrap();
    repository.prune().unwrap();
    assert_eq!(garbage(&store), [""; 0]);
    assert_snapshots(&repository, &[(2, kept)].into());
}

#[test]
fn the_packs_and_keys_of_a_killed_session_are_removed() {
    let (store, _, kept) = half_dead();
    let dying = crate::fixtures::FailingStore::new(store.clone(), crate::fixtures::Failure::Never);
    let repository = open(dying.clone(), alive());
    let session = Session::begin(&repository, Sharing::Shared).unwrap();
    let (_root, _blocks) = crate::fixtures::store_files(&session, &files_of(&[("x", 9, 600_000)])).unwrap();
    dying.kill();
    drop(session);
    let later = open(store.clone(), restarted());
    later.prune().unwrap();
    assert_eq!(garbage(&store), [""; 0]);
    assert_snapshots(&later, &[(2, kept)].into());
}

#[test]
fn ended_leases_are_removed() {
    let (store, repository, _) = half_dead();
    assert!(named(&store, "coord/").len() >= 4);
    repository.prune().unwrap();
    assert_eq!(named(&store, "coord/").len(), 2, "only those of the prune itself");
}

#[test]
fn a_condemned_list_of_a_killed_prune_is_removed() {
    let (store, repository, kept) = half_dead();
    let dead = repository.plan_prune().unwrap().delete[0].clone();
    let condemned = Condemned {
        id: TableId([0x0c; 16]),
        packs: vec![CondemnedPack { id: dead.id, session: dead.session }],
        snapshots: Vec::new(),
        considered: Vec::new(),
        keys: Vec::new(),
    };
    put_condemned(&store, &repository, &condemned);
    repository.prune().unwrap();
    assert_eq!(garbage(&store), [""; 0]);
    assert_snapshots(&repository, &[(2, kept)].into());
}

/// Prunes after something was lost behind the repository's back; nothing may be deleted then.
fn refused_after(lose: impl FnOnce(&MemoryStore, &Repository)) -> Kind {
    let (store, repository, _) = half_dead();
    lose(&store, &repository);
    let packs = named(&store, "packs/");
    let error = open(store.clone(), restarted()).prune().map(drop).expect_err("the prune did not notice");
    assert_eq!(named(&store, "packs/"), packs, "packs were deleted nevertheless");
    error.kind()
}

#[test]
fn a_prune_that_cannot_see_everything_gives_up() {
    let lose_map = |store: &MemoryStore, repository: &Repository| {
        store.delete(&names::refs(repository.snapshots().unwrap()[1].id)).unwrap();
    };
    assert_eq!(refused_after(lose_map), Kind::Corrupt);
    let lose_pack = |store: &MemoryStore, repository: &Repository| {
        let plan = repository.plan_prune().unwrap();
        store.delete(&names::pack(plan.repack[0].id, plan.repack[0].session)).unwrap();
    };
    let (store, repository, _) = half_dead();
    lose_pack(&store, &repository);
    assert_eq!(repository.prune().map(drop).map_err(|error| error.kind()), Err(Kind::Corrupt));
}

#[test]
fn a_snapshot_goes_for_good_only_by_a_mark_that_is_whole_names_it_and_was_signed_by_somebody_who_may_forget() {
    let damage = |store: &MemoryStore, _: &Repository| {
        let mark = named(store, "trash/").remove(0);
        store.damage(&mark, |bytes| bytes[30] ^= 1);
    };
    let of_another = |store: &MemoryStore, repository: &Repository| {
        let mark = named(store, "trash/").remove(0);
        let bytes = store.read(&mark, 10_000).unwrap();
        let kept = repository.snapshots().unwrap().into_iter().find(|entry| !entry.forgotten).unwrap();
        store.put(&names::trash(kept.id), &bytes).unwrap();
        store.delete(&mark).unwrap();
    };
    let by_a_stranger = |store: &MemoryStore, repository: &Repository| {
        let (mark, stranger) = (named(store, "trash/").remove(0), crate::fixtures::holder());
        let id = SnapshotId::from_hex(mark.strip_prefix(names::TRASH).unwrap()).unwrap();
        let said = crate::format::coord::encode_trash(&crate::format::coord::Trash {
            snapshot: id,
            forgotten: 0,
            void: None,
            session: None,
        });
        let kind = crate::format::envelope::ObjectKind::Trash;
        let signature = stranger.signer().sign(&crate::format::signed::signed(kind, repository.id(), &said));
        let signed = (stranger.signer().certificates(), signature);
        let bytes = crate::format::signed::encode(kind, repository.id(), &said, signed);
        store.delete(&mark).unwrap();
        store.put(&mark, &bytes).unwrap();
    };
    for spoil in [&damage as &dyn Fn(&MemoryStore, &Repository), &of_another, &by_a_stranger] {
        let (store, repository, _) = half_dead();
        spoil(&store, &repository);
        let before: Vec<SnapshotId> = repository.snapshots().unwrap().iter().map(|entry| entry.id).collect();
        repository.prune().unwrap();
        let after: Vec<_> = repository.snapshots().unwrap();
        assert_eq!(after.iter().map(|entry| entry.id).collect::<Vec<_>>(), before);
        assert!(after.iter().all(|entry| !entry.forgotten), "it counts as kept");
        // A true mark takes the place of one that says nothing.
        repository.forget(before[0], 0).unwrap();
        repository.prune().unwrap();
        assert_eq!(repository.snapshots().unwrap().len(), before.len() - 1);
    }
}

#[test]
fn a_prune_that_cannot_open_a_snapshot_gives_up() {
    let lose_key = |store: &MemoryStore, repository: &Repository| {
        let session = repository.snapshots().unwrap()[1].snapshot.session;
        store.delete(&names::data_key(session, 0)).unwrap();
    };
    assert_eq!(refused_after(lose_key), Kind::Corrupt);
    let damage = |store: &MemoryStore, _: &Repository| {
        store.damage(&named(store, "snapshots/")[1], |bytes| bytes[60] ^= 1);
    };
    assert_eq!(refused_after(damage), Kind::Corrupt);
}

#[test]
fn a_listed_snapshot_that_is_gone_when_it_is_read_stops_a_prune() {
    // What a network file system shows for a moment: the folder lists a name that cannot be opened.
    let (store, _, _) = half_dead();
    let ghost = crate::fixtures::FailingStore::with_kind(
        store.clone(),
        crate::fixtures::Failure::Never,
        std::io::ErrorKind::NotFound,
    );
    ghost.hide(named(&store, "snapshots/").remove(1));
    let packs = named(&store, "packs/");
    let pruned = open(ghost, restarted()).prune().map(drop);
    assert!(pruned.is_err(), "a snapshot was taken for pruned, and its data with it");
    assert_eq!(named(&store, "packs/"), packs);
}

#[test]
fn tables_that_are_damaged_while_a_prune_is_at_work_cost_no_key() {
    let (original, _, kept) = half_dead();
    let healthy = FailingStore::new(copy_of(&original), Failure::Never);
    open(healthy.clone(), alive()).prune().unwrap();
    for number in 0..healthy.calls() {
        let store = copy_of(&original);
        let (over, beneath) = (FailingStore::new(store.clone(), Failure::Never), store.clone());
        over.before(number, move || {
            for name in named(&beneath, "index/b-") {
                beneath.damage(&name, |bytes| *bytes.last_mut().unwrap() ^= 1);
            }
        });
        let _ = open(over, alive()).prune();
        let later = open(store, restarted());
        assert_snapshots(&later, &[(2, kept.clone())].into());
        later.prune().unwrap_or_else(|error| panic!("damaged before call {number}: {error}"));
        assert_snapshots(&later, &[(2, kept.clone())].into());
    }
}

#[test]
fn a_damaged_condemned_list_stops_nobody_and_is_removed() {
    let (store, repository, kept) = half_dead();
    let name = format!("{}{}", names::CONDEMNED, TableId([0x0c; 16]));
    store.put(&name, b"no list").unwrap();
    assert_snapshots(&repository, &[(2, kept.clone())].into());
    back_up(&repository, 3, &kept).unwrap();
    repository.prune().unwrap();
    assert_eq!(garbage(&store), [""; 0]);
    assert_snapshots(&repository, &[(2, kept.clone()), (3, kept)].into());
}

#[test]
fn a_table_that_comes_back_when_its_successor_is_gone_hides_no_copy() {
    let (store, repository, kept) = half_dead();
    let old = copy_of(&store);
    repository.prune().unwrap();
    // A prune died before it had deleted the old tables, and then the new one was lost.
    named(&store, "index/b-").iter().for_each(|name| store.delete(name).unwrap());
    for name in named(&old, "index/b-") {
        store.put(&name, &old.read(&name, u64::MAX).unwrap()).unwrap();
    }
    let backed_up = open(copy_of(&store), restarted());
    back_up(&backed_up, 3, &kept).unwrap();
    for (repository, kept) in
        [(open(store, restarted()), [(2, kept.clone())].into()), (backed_up, [(2, kept.clone()), (3, kept)].into())]
    {
        repository.prune().unwrap();
        assert_snapshots(&repository, &kept);
    }
}

#[test]
fn a_list_that_names_a_snapshot_where_it_does_not_stand_takes_nothing_of_it() {
    let (store, repository, kept) = half_dead();
    let first = repository.snapshots().unwrap()[0].id;
    let elsewhere =
        crate::format::coord::CondemnedSnapshot { source: crate::id::SourceId([9; 16]), sequence: 1, id: first };
    let list = Condemned {
        id: TableId([0x0c; 16]),
        packs: Vec::new(),
        snapshots: vec![elsewhere],
        considered: Vec::new(),
        keys: Vec::new(),
    };
    put_condemned(&store, &repository, &list);
    repository.prune().unwrap();
    let (entries, lost) = repository.readable_snapshots().unwrap();
    assert!(lost.is_empty() && entries.iter().all(|entry| entry.id != first), "it is gone as a whole");
    repository.require_whole_history().unwrap();
    assert_eq!(garbage(&store), [""; 0]);
    assert_snapshots(&repository, &[(2, kept)].into());
}

#[test]
fn a_file_that_is_no_pack_stops_no_prune_and_stays() {
    let (store, repository, kept) = half_dead();
    for name in ["packs/notes.txt", "packs/00/.nfs0001"] {
        store.put(name, b"mine").unwrap();
    }
    repository.prune().unwrap();
    assert!(["packs/notes.txt", "packs/00/.nfs0001"].iter().all(|name| store.names().contains(&(*name).to_owned())));
    assert_snapshots(&repository, &[(2, kept)].into());
}

#[test]
fn a_doomed_pack_that_is_damaged_stays_while_something_needed_of_it_is_nowhere_else() {
    let mut tried = 0;
    for call in 0.. {
        let (store, repository) = new_repository();
        let all = super::thinning::small(0..40);
        let first = back_up(&repository, 1, &all).unwrap().entry.id;
        back_up(&repository, 2, &super::thinning::small((0..40).step_by(4))).unwrap();
        forget(&repository, 1);
        let whole = repository.index().unwrap().packs();
        // A prune thins blocks, and dooms the whole ones, while somebody takes back that the snapshot was forgotten.
        let failing = FailingStore::new(store.clone(), Failure::Never);
        let pruning = store.clone();
        failing.before(call, move || drop(open(pruning.clone(), process(2, Some(1))).prune()));
        let undeleted = open(failing.clone(), process(1, Some(1))).undelete(first);
        if failing.calls() <= call {
            break;
        }
        let doomed = repository.condemned().unwrap().packs();
        let doomed = whole.values().find(|pack| doomed.contains(&pack.id) && pack.len > 10_000);
        let doomed = doomed.map(|pack| names::pack(pack.id, pack.session)).filter(|name| store.names().contains(name));
        let (Ok(()), Some(pack)) = (undeleted, doomed) else { continue };
        tried += 1;
        store.damage(&pack, |bytes| bytes[200] ^= 1);
        for _ in 0..2 {
            let _ = open(store.clone(), restarted()).prune();
        }
        // As parity would do it.
        assert!(store.names().contains(&pack), "call {call}");
        store.damage(&pack, |bytes| bytes[200] ^= 1);
        open(store.clone(), restarted()).prune().unwrap();
        assert_snapshots(
            &open(store.clone(), restarted()),
            &[(1, all), (2, super::thinning::small((0..40).step_by(4)))].into(),
        );
    }
    assert!(tried > 0, "the case never came about");
}

#[test]
fn a_thinned_copy_with_the_chunk_table_of_the_whole_one_is_taken_for_no_more_than_it_is() {
    use crate::index::{NewRows, write_tables};
    use crate::pack_writer::{PackWriter, SealedBlock};
    let (store, repository) = new_repository();
    let all = super::thinning::small(0..40);
    let few = super::thinning::small((0..40).step_by(4));
    let first = back_up(&repository, 1, &all).unwrap().entry.id;
    back_up(&repository, 2, &few).unwrap();
    let before = copy_of(&store);
    repository.forget(first, 0).unwrap();
    repository.prune().unwrap();
    // Whoever kept an old state puts the thinned block once more, beside the table of all chunks that it once had.
    let (old, place) = (open(before.clone(), restarted()), |repository: &Repository| {
        let index = repository.index().unwrap();
        let mut found = Vec::new();
        index.for_each_block(|block, place| found.push((block, place))).unwrap();
        found
    });
    let (block, thinned) = place(&repository).into_iter().find(|(_, place)| place.thinned).unwrap();
    let whole = old.index().unwrap().find_block(block).unwrap().unwrap();
    let part = |store: &MemoryStore, place: &crate::index::BlockPlace, offset: u32, len: u32| {
        let pack = store.read(&names::pack(place.pack, place.pack_session), u64::MAX).unwrap();
        pack[offset as usize..(offset + len) as usize].to_vec()
    };
    let pack = Object { name: names::pack(whole.pack, whole.pack_session), len: u64::MAX };
    let len = before.len(&pack.name).unwrap();
    let listing = old.read_pack_listing(&Object { len, ..pack }).unwrap();
    let row = listing.rows.iter().find(|row| row.block == block).unwrap();
    let forger = crate::id::SessionId([9; 16]);
    let mut forged = PackWriter::begin(&store, repository.id(), forger).unwrap();
    forged
        .append(&SealedBlock {
            id: block,
            kind: thinned.kind,
            thinned: true,
            bytes: part(&store, &thinned, thinned.offset, thinned.stored_len),
            table: part(&before, &whole, row.table_offset, row.table_len),
        })
        .unwrap();
    let forged = forged.finish().unwrap();
    let mut rows = NewRows::default();
    rows.add_pack(forged.named(), &forged.rows);
    write_tables(&store, &repository.keys, rows, &[]).unwrap();
    for sequence in 3..5 {
        let report = back_up(&open(store.clone(), restarted()), sequence, &all).unwrap();
        let repository = open(store.clone(), restarted());
        assert!(crate::fixtures::read_back(&repository, &report.entry).unwrap() == all);
        repository.prune().unwrap();
        assert!(crate::fixtures::read_back(&repository, &report.entry).unwrap() == all);
    }
}

#[test]
fn a_condemned_list_that_a_stranger_puts_dooms_nothing() {
    let store = MemoryStore::default();
    let repository = create(store.clone());
    let files = files_of(&[("a", 1, 200_000)]);
    let first = back_up(&repository, 1, &files).unwrap().entry;
    let writer = crate::keys::Secret::from_text("agent");
    repository.add_writer(&writer, "agent", 1, crate::repository::WriterMay::List).unwrap();
    repository.forget(first.id, 0).unwrap();
    let list = Condemned {
        id: TableId([0x0c; 16]),
        packs: Vec::new(),
        snapshots: vec![crate::format::coord::CondemnedSnapshot {
            source: repository.source_id_of(&first.snapshot),
            sequence: 1,
            id: first.id,
        }],
        considered: vec![first.id],
        keys: vec![crate::format::coord::CondemnedKey { session: first.snapshot.session, carrier: None }],
    };
    let stolen = Repository::open(Arc::new(store.clone()), &writer, alive()).unwrap();
    let said = crate::format::coord::encode_condemned(&list);
    let kind = crate::format::envelope::ObjectKind::Condemned;
    // By a key that may sign snapshots and remove nothing, and by nobody at all.
    let signer = stolen.keys.signer();
    let signature = signer.sign(&crate::format::signed::signed(kind, repository.id(), &said));
    let of_writer = crate::format::signed::encode(kind, repository.id(), &said, (signer.certificates(), signature));
    let of_nobody = crate::format::envelope::encode_clear(kind, repository.id(), &said);
    for forged in [of_writer, of_nobody] {
        store.put(&names::condemned(list.id), &forged).unwrap();
        let lists = repository.condemned().unwrap();
        assert!(lists.is_empty() && !lists.has_key(first.snapshot.session), "it counts for nothing");
        open(store.clone(), alive()).undelete(first.id).unwrap();
        assert_snapshots(&open(store.clone(), alive()), &[(1, files.clone())].into());
        assert_eq!(back_up(&open(store.clone(), alive()), 2, &files).unwrap().new_bytes, 0);
        store.delete(&names::condemned(list.id)).unwrap();
        let second = repository.snapshots().unwrap()[1].id;
        repository.forget(second, 0).unwrap();
        repository.prune().unwrap();
        repository.forget(first.id, 0).unwrap();
    }
}

#[test]
fn what_is_no_lease_by_its_name_is_cleared_away() {
    let store = MemoryStore::default();
    let repository = create(store.clone());
    back_up(&repository, 1, &files_of(&[("a", 1, 1000)])).unwrap();
    for stray in ["coord/leases/stray", "coord/leases/00/000001"] {
        store.put(stray, b"stray").unwrap();
    }
    repository.prune().unwrap();
    assert!(!store.names().iter().any(|name| name.contains("stray") || name.contains("/00/")), "{:?}", store.names());
}

#[test]
fn a_reference_map_without_a_snapshot_and_without_a_mark_is_removed() {
    let (store, repository, kept) = half_dead();
    let map = store.read(&named(&store, "refs/")[0], 1 << 20).unwrap();
    store.put(&names::refs(SnapshotId([0x0f; 32])), &map).unwrap();
    repository.prune().unwrap();
    assert_eq!(garbage(&store), [""; 0]);
    assert_snapshots(&repository, &[(2, kept)].into());
}
