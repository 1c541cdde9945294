//! Keys that write and cannot read: what they can do, what they cannot, and what a stolen one cannot do to others.

use std::collections::BTreeMap;

use super::*;
use crate::fixtures::{FailingStore, Failure, process};
use crate::format::block::BlockKind;
use crate::index::{ChunkPlace, NewRows, write_tables};
use crate::keys::{RecoveryCode, Right, Secret};
use crate::repository::WriterMay;

/// Makes a writer's key, and opens the repository with it whenever it is asked to.
pub(super) struct Writer(String);

impl Writer {
    pub(super) fn of(repository: &Repository, may: WriterMay) -> Self {
        let code = RecoveryCode::generate().unwrap().to_text().to_string();
        repository.add_writer(&Secret::from_text(&code), "agent", 1, may).unwrap();
        Self(code)
    }

    pub(super) fn open(&self, store: &MemoryStore) -> Repository {
        self.open_as(store.clone(), alive())
    }

    fn open_as(&self, store: impl Store + 'static, liveness: crate::Liveness) -> Repository {
        Repository::open(Arc::new(store), &Secret::from_text(&self.0), liveness).unwrap()
    }
}

pub(super) fn some_files() -> Files {
    files_of(&[("a", 1, 1000), ("b", 2, 300_000), ("c", 3, 700_000), ("d", 4, 10), ("e", 5, 20), ("f", 6, 30)])
}

fn denied<T>(result: Result<T>) -> bool {
    result.is_err_and(|error| matches!(error, Error::NotAllowed { .. }))
}

#[test]
fn what_a_writer_backs_up_others_restore_and_it_cannot_read() {
    let (store, full) = new_repository();
    let writer = Writer::of(&full, WriterMay::Nothing);
    let report = back_up(&writer.open(&store), 1, &some_files()).unwrap();
    let repository = writer.open(&store);
    assert!(denied(repository.snapshots()) && denied(repository.readable_snapshots()));
    assert!(denied(read_back(&repository, &report.entry)), "it has the root of its tree, and no key for it");
    let hidden = repository.list_snapshots().unwrap().hidden;
    assert_eq!(hidden.iter().map(|place| place.id).collect::<Vec<_>>(), [report.entry.id]);
    assert!(denied(repository.prune()) && denied(repository.plan_prune()));
    let full = open(store, alive());
    let entries = full.snapshots().unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(read_back(&full, &entries[0]).unwrap(), some_files());
}

#[test]
fn a_writer_may_do_nothing_else_and_the_error_names_who_may() {
    let (store, full) = new_repository();
    let repository = Writer::of(&full, WriterMay::Nothing).open(&store);
    back_up(&repository, 1, &some_files()).unwrap();
    let before = store.names();
    let secret = Secret::from_text("more");
    assert!(denied(repository.add_key(&secret, "more", 1)));
    assert!(denied(repository.add_writer(&secret, "more", 1, WriterMay::List)));
    assert!(denied(repository.remove_key(full.own_slot())));
    assert!(denied(repository.prune()));
    assert_eq!(store.names(), before, "and nothing was written or deleted");
    for right in [Right::List, Right::Restore, Right::Maintain] {
        let error = repository.require(right, "look").unwrap_err().to_string();
        let expected = format!("look: this key may not {}; {} (test) may", right.name(), full.own_slot().short());
        assert_eq!(error, expected);
    }
    repository.require(Right::Write, "back up").unwrap();
}

#[test]
fn a_writer_stores_nothing_twice_and_takes_nothing_it_may_not_read_for_damage() {
    let (store, full) = new_repository();
    let writer = Writer::of(&full, WriterMay::Nothing);
    back_up(&full, 1, &files_of(&[("of another", 9, 5000)])).unwrap();
    back_up(&writer.open(&store), 1, &some_files()).unwrap();
    let again = writer.open(&store);
    let session = Session::begin(&again, Sharing::Shared).unwrap();
    assert!(
        session.listing().entries.is_empty() && session.listing().lost.is_empty() && session.lost_packs().is_empty()
    );
    assert_eq!(session.listing().hidden.len(), 2);
    let (root, blocks) = store_files(&session, &some_files()).unwrap();
    assert!(lock(&session.damaged).is_empty());
    let report = session.commit(draft("data", 2, root, blocks)).unwrap();
    assert_eq!((report.new_bytes, report.packs), (0, 0));
    let full = open(store, alive());
    let own = full.snapshots().unwrap().into_iter().filter(|entry| !full.is_own(&entry.snapshot));
    for entry in own {
        assert_eq!(read_back(&full, &entry).unwrap(), some_files());
    }
}

#[test]
fn a_writer_that_may_list_sees_its_own_past_and_nobody_elses() {
    let (store, full) = new_repository();
    let (one, other) = (Writer::of(&full, WriterMay::List), Writer::of(&full, WriterMay::List));
    back_up(&full, 1, &some_files()).unwrap();
    let own = back_up(&one.open(&store), 1, &some_files()).unwrap().entry;
    back_up(&other.open(&store), 1, &some_files()).unwrap();
    let repository = one.open(&store);
    let entries = repository.snapshots().unwrap();
    assert_eq!(entries.iter().map(|entry| entry.id).collect::<Vec<_>>(), [own.id]);
    assert_eq!(entries[0].snapshot.source, "data", "under the name that it gave");
    let index = repository.index().unwrap();
    let trees = crate::TreeReader::new(repository.block_reader(&index));
    assert_eq!(trees.directory(&own.snapshot.root).unwrap().nodes.len(), 6);
    assert!(denied(read_back(&repository, &own)), "content is for others");
    assert!(denied(repository.prune()));
}

#[test]
fn a_snapshot_of_another_domain_is_shown_apart_from_a_source_of_the_same_name() {
    let (store, full) = new_repository();
    let writer = Writer::of(&full, WriterMay::Nothing);
    back_up(&full, 1, &some_files()).unwrap();
    let repository = writer.open(&store);
    back_up(&repository, 7, &some_files()).unwrap();
    let domain = repository.keys.own_domain();
    let shown: BTreeMap<String, u64> = full
        .snapshots()
        .unwrap()
        .iter()
        .map(|entry| (entry.snapshot.source.clone(), entry.snapshot.sequence))
        .collect();
    assert_eq!(shown, BTreeMap::from([("data".to_owned(), 1), (format!("data [{}]", domain.short()), 7)]));
    for entry in full.snapshots().unwrap() {
        let name = names::snapshot(full.source_id_of(&entry.snapshot), entry.snapshot.sequence, entry.id);
        assert!(store.names().contains(&name), "{name}");
        assert_eq!(full.source_id(&entry.snapshot.source), full.source_id_of(&entry.snapshot));
    }
}

/// Publishes rows that say of every chunk of these files that it is in a block of garbage.
fn poison(repository: &Repository, ids: &Repository, files: &Files) {
    let session = Session::begin(repository, Sharing::Independent).unwrap();
    let garbage = store_large(&session, &seeded(77, 900_000)).unwrap();
    let block = *blocks_of(&garbage).first().unwrap();
    drop(session.abandon());
    let rows = files.values().map(|data| {
        let place = ChunkPlace { block, offset: 0, len: data.len() as u32, copy: None };
        (ids.chunk_id(crate::fixtures::session_id(0), BlockKind::Content, data).unwrap(), place)
    });
    let rows = NewRows { chunks: rows.collect(), ..NewRows::default() };
    write_tables(&*repository.store, &repository.keys, rows, &[]).unwrap();
}

#[test]
fn a_stolen_writer_key_poisons_nobodys_deduplication() {
    let files = some_files();
    let (store, full) = new_repository();
    let stolen = Writer::of(&full, WriterMay::List).open(&store);
    poison(&stolen, &full, &files);
    let report = back_up(&full, 1, &files).unwrap();
    assert_eq!(report.duplicate_bytes, 0, "nothing that the thief says is believed");
    assert_eq!(read_back(&full, &report.entry).unwrap(), files);
    let another = Writer::of(&full, WriterMay::Nothing).open(&store);
    assert_eq!(back_up(&another, 1, &files).unwrap().duplicate_bytes, 0);
    // That the rows would do harm if they were believed shows the same deed by one who shares the domain.
    let (_, full) = new_repository();
    poison(&full, &full, &files);
    let report = back_up(&full, 1, &files).unwrap();
    assert!(report.duplicate_bytes > 0 && read_back(&full, &report.entry).ok() != Some(files));
}

#[test]
fn a_table_of_one_domain_supersedes_none_of_another() {
    let (store, full) = new_repository();
    back_up(&full, 1, &some_files()).unwrap();
    let stolen = Writer::of(&full, WriterMay::Nothing).open(&store);
    let victims: Vec<_> = named(&store, "index/c-").iter().map(|name| names::parse_table(name).unwrap().1).collect();
    let mut writer =
        crate::index::begin_chunk_table(&*stolen.store, &stolen.keys, stolen.keys.own_domain(), 1).unwrap();
    writer.name(vec![crate::fixtures::session_id(1)], Vec::new(), std::iter::empty()).unwrap();
    let place = ChunkPlace { block: crate::fixtures::block_id(1, 0), offset: 0, len: 1, copy: None };
    writer.push_chunk(&crate::fixtures::chunk_id(1), &place).unwrap();
    writer.finish(&victims).unwrap();
    assert_eq!(back_up(&full, 2, &some_files()).unwrap().new_bytes, 0, "the rows of the victim still count");
    full.prune().unwrap();
    assert_eq!(back_up(&full, 3, &some_files()).unwrap().new_bytes, 0);
}

#[test]
fn a_prune_thins_the_blocks_of_every_domain_and_keeps_them_apart() {
    let (store, full) = new_repository();
    let writer = Writer::of(&full, WriterMay::Nothing);
    let names: Vec<String> = (0..40).map(|number| format!("{number:02}")).collect();
    let list: Vec<(&str, u64, usize)> =
        names.iter().zip(100..).map(|(name, seed)| (name.as_str(), seed, 20_000)).collect();
    let (all, some): (Files, Files) = (files_of(&list), files_of(&list[..8]));
    for (repository, sequence, files) in [
        (&open(store.clone(), alive()), 1, &all),
        (&writer.open(&store), 1, &all),
        (&open(store.clone(), alive()), 2, &some),
        (&writer.open(&store), 2, &some),
    ] {
        back_up(repository, sequence, files).unwrap();
    }
    for entry in full.snapshots().unwrap().iter().filter(|entry| entry.snapshot.sequence == 1) {
        full.forget(entry.id, 9).unwrap();
    }
    let report = full.prune().unwrap();
    assert!(report.repacked_bytes > 0 && report.left.is_empty(), "{report:?}");
    let full = open(store.clone(), alive());
    assert_eq!(full.snapshots().unwrap().len(), 2);
    for entry in full.snapshots().unwrap() {
        assert_eq!(read_back(&full, &entry).unwrap(), some, "{}", entry.snapshot.source);
    }
    assert_eq!(back_up(&writer.open(&store), 3, &some).unwrap().new_bytes, 0, "the writer finds what stayed");
    assert_eq!(back_up(&full, 3, &some).unwrap().new_bytes, 0, "and so do others what is theirs");
    assert!(back_up(&writer.open(&store), 4, &all).unwrap().new_bytes > 0, "what went is stored again");
    let full = open(store, alive());
    let last = full.snapshots().unwrap().into_iter().find(|entry| entry.snapshot.sequence == 4).unwrap();
    assert_eq!(read_back(&full, &last).unwrap(), all);
}

/// Kills a session of a writer when its first pack is indexed; answers what it stored.
fn kill_a_session(writer: &Writer, store: &MemoryStore) -> Vec<u8> {
    let dying = FailingStore::new(store.clone(), Failure::Never);
    let repository = writer.open_as(dying.clone(), alive());
    let session = Session::begin(&repository, Sharing::Shared).unwrap();
    let data = seeded(1, 20 << 20);
    store_large(&session, &data).unwrap();
    while named(store, "coord/intents/").is_empty() {
        std::thread::yield_now();
    }
    dying.kill();
    drop(session);
    data
}

/// How much of something a writer stores that comes after a session that was killed.
fn stored_again(writer: &Writer, store: &MemoryStore, data: &[u8]) -> u64 {
    let again = writer.open_as(store.clone(), process(1, Some(1)));
    let session = Session::begin(&again, Sharing::Shared).unwrap();
    store_large(&session, data).unwrap();
    session.progress().0
}

#[test]
fn a_writer_finds_again_what_it_had_indexed_when_it_was_killed() {
    let (store, full) = new_repository();
    let writer = Writer::of(&full, WriterMay::Nothing);
    let data = kill_a_session(&writer, &store);
    let new_bytes = stored_again(&writer, &store, &data);
    assert!(new_bytes < data.len() as u64 / 2, "{new_bytes} bytes are stored again");
}

#[test]
fn what_a_killed_writer_left_unindexed_is_believed_once_somebody_has_opened_it() {
    for by_itself in [true, false] {
        let (store, full) = new_repository();
        let (writer, other) = (Writer::of(&full, WriterMay::Nothing), Writer::of(&full, WriterMay::Nothing));
        let data = kill_a_session(&writer, &store);
        // As if it had been killed a moment before.
        named(&store, "index/").iter().for_each(|table| store.delete(table).unwrap());
        // Its process is gone for everybody, whatever its domain.
        back_up(&other.open_as(store.clone(), restarted()), 1, &some_files()).unwrap();
        let index = open(store.clone(), restarted()).index().unwrap();
        let left = |index: &Index| named(&store, "packs/").len() - index.packs().len();
        assert_eq!(left(&index), 1, "the other writer leaves it alone");
        let heir =
            if by_itself { writer.open_as(store.clone(), restarted()) } else { open(store.clone(), restarted()) };
        drop(Session::begin(&heir, Sharing::Shared).unwrap().abandon());
        assert_eq!(left(&open(store.clone(), restarted()).index().unwrap()), 0);
        let new_bytes = stored_again(&writer, &store, &data);
        let is_believed = new_bytes < data.len() as u64 / 2;
        assert_eq!(is_believed, !by_itself, "{new_bytes} bytes are stored again");
    }
}

#[test]
fn a_key_that_may_not_mend_leaves_damaged_tables_to_others() {
    let (store, full) = new_repository();
    let writer = Writer::of(&full, WriterMay::Nothing);
    back_up(&full, 1, &some_files()).unwrap();
    let table = named(&store, "index/b-").remove(0);
    store.damage(&table, |bytes| *bytes.last_mut().unwrap() ^= 1);
    back_up(&writer.open(&store), 1, &some_files()).unwrap();
    assert!(store.names().contains(&table));
    let full = open(store.clone(), restarted());
    assert_eq!(full.index().unwrap().lost().len(), 1, "it is still known to be lost");
    assert_eq!(back_up(&full, 2, &some_files()).unwrap().new_bytes, 0, "and mended by who can read all packs");
    assert_eq!(full.index().unwrap().lost().len(), 0);
    for entry in full.snapshots().unwrap() {
        assert_eq!(read_back(&full, &entry).unwrap(), some_files());
    }
}

#[test]
fn a_snapshot_that_claims_the_session_of_another_is_damage() {
    let (store, full) = new_repository();
    let victim = back_up(&full, 1, &some_files()).unwrap().entry;
    let stolen = Writer::of(&full, WriterMay::List).open(&store);
    let session = Session::begin(&stolen, Sharing::Shared).unwrap();
    let (root, blocks) = store_files(&session, &some_files()).unwrap();
    let mut snapshot = draft("data", 2, root, blocks).snapshot;
    snapshot.session = victim.snapshot.session;
    let (id, bytes) = session.seal(&snapshot).unwrap();
    store.put(&names::snapshot(stolen.own_source_id("data"), 2, id), &bytes).unwrap();
    drop(session.abandon());
    let (entries, lost) = full.readable_snapshots().unwrap();
    assert_eq!(entries.iter().map(|entry| entry.id).collect::<Vec<_>>(), [victim.id]);
    assert_eq!(lost.len(), 1);
    assert!(lost[0].error.to_string().contains("another session wrote it"), "{}", lost[0].error);
}
