//! Who signs what: writers, recipients, and those whom they make known.

use super::writers::Writer;
use super::*;

use crate::format::envelope::ObjectKind;
use crate::format::signature::SigningRights;
use crate::format::snapshot::frame::{self, SnapshotHeader};
use crate::id::{SnapshotId, SourceId};
use crate::keys::{Recipient, RecipientCode, RecoveryCode, Secret};
use crate::repository::{Beside, SnapshotEntry, SnapshotPlace, WriterMay};

fn some_files() -> Files {
    files_of(&[("a", 1, 1000)])
}

fn place(repository: &Repository, entry: &SnapshotEntry) -> SnapshotPlace {
    let source = repository.source_id_of(&entry.snapshot);
    SnapshotPlace { source, sequence: entry.snapshot.sequence, id: entry.id }
}

/// Backs up as the next snapshot after one that was hidden from this session.
fn after(repository: &Repository, sequence: u64, previous: Option<SnapshotId>) -> SnapshotEntry {
    let session = Session::begin(repository, Sharing::Shared).unwrap();
    let (root, blocks) = store_files(&session, &some_files()).unwrap();
    let mut draft = draft("data", sequence, root, blocks);
    draft.snapshot.previous = previous;
    session.commit(draft).unwrap().entry
}

fn own_places(repository: &Repository) -> Vec<SnapshotPlace> {
    let source = repository.own_source_id("data");
    let hidden = repository.list_snapshots().unwrap().hidden;
    hidden.into_iter().filter(|place| place.source == source).collect()
}

#[test]
fn a_writer_signs_its_snapshots_and_nothing_else() {
    for may in [WriterMay::Nothing, WriterMay::List] {
        let (store, full) = new_repository();
        let writer = Writer::of(&full, may).open(&store);
        let entry = back_up(&writer, 1, &some_files()).unwrap().entry;
        let listed = full.snapshots().unwrap().remove(0);
        let (signed, _) = full.read_signed_snapshot(place(&full, &listed)).unwrap();
        assert_eq!((signed.signer.slot, signed.signer.label.as_str()), (writer.own_slot(), "agent"));
        let (signer, id) = (writer.keys.signer(), writer.id());
        assert!(signer.confirm(id, SigningRights::SNAPSHOTS).is_ok());
        assert!(signer.confirm(id, SigningRights::REMOVALS).is_err());
        assert!(signer.introduce(id, SigningRights::SNAPSHOTS, "more", 1).is_err());
        let before = named(&store, names::HISTORY);
        let recorded = writer.record_removal([place(&writer, &entry)], Default::default());
        assert!(recorded.is_err() && named(&store, names::HISTORY) == before, "{may:?}");
    }
}

#[test]
fn a_write_only_session_goes_on_from_the_last_snapshot_that_proves_itself() {
    let (store, full) = new_repository();
    let writer = Writer::of(&full, WriterMay::Nothing);
    let stranger = Writer::of(&full, WriterMay::Nothing).open(&store);
    let first = back_up(&writer.open(&store), 1, &some_files()).unwrap().entry;
    let second = after(&writer.open(&store), 2, Some(first.id));
    // Garbage, and a true snapshot of another writer, under the source of this one.
    let source = writer.open(&store).own_source_id("data");
    store.put(&names::snapshot(source, 7, SnapshotId([7; 32])), b"garbage").unwrap();
    let other = signed_as(&stranger, &stranger, source, 8);
    store.put(&names::snapshot(source, 8, other.0), &other.1).unwrap();
    let repository = writer.open(&store);
    assert_eq!(own_places(&repository).len(), 4);
    let found = repository.newest_proved(&own_places(&repository)).unwrap();
    assert_eq!(found.map(|place| place.id), Some(second.id));
    let listed = full.list_snapshots().unwrap();
    assert_eq!((listed.entries.len(), listed.lost.len()), (2, 2));
    let chain = full.chain(&listed.entries, Beside { lost: &[], ..listed.beside() }, &full.removed().unwrap());
    assert!(chain.breaks().is_empty() && listed.entries.iter().all(|entry| chain.is_in_line(entry.id)));
}

/// A snapshot as one repository seals it and another signs it.
fn signed_as(sealer: &Repository, signer: &Repository, source: SourceId, sequence: u64) -> (SnapshotId, Vec<u8>) {
    let session = Session::begin(sealer, Sharing::Shared).unwrap();
    let (root, blocks) = store_files(&session, &some_files()).unwrap();
    let snapshot =
        crate::format::snapshot::Snapshot { session: session.id(), ..draft("data", sequence, root, blocks).snapshot };
    let (repository, certificates) = (sealer.id(), signer.keys.signer().certificates().to_vec());
    let (session_id, nonce) = (session.id(), [3; 12]);
    let (references, independent) = (snapshot.references, snapshot.independent);
    let header = SnapshotHeader {
        repository,
        source,
        sequence,
        previous: None,
        references,
        independent,
        session: session_id,
        nonce,
        certificates,
    };
    let mut bytes = header.encode();
    let head_len = bytes.len();
    let data = frame::sealed_with(repository, &bytes);
    bytes.extend_from_slice(&snapshot.encode());
    session.data_key.object_key(ObjectKind::Snapshot).unwrap().seal(nonce, &data, &mut bytes, head_len);
    let (head, sealed) = bytes.split_at(head_len);
    let signature = signer.keys.signer().sign(&frame::signed(repository, head, sealed));
    bytes.extend_from_slice(&signature);
    drop(session.abandon());
    (SnapshotId(*blake3::hash(&bytes).as_bytes()), bytes)
}

#[test]
fn what_a_writer_signs_in_another_domain_is_damage_whatever_it_got_hold_of() {
    let (store, full) = new_repository();
    let stolen = Writer::of(&full, WriterMay::Nothing).open(&store);
    let source = full.own_source_id("data");
    for (signer, expected) in [(&full, (1, 0)), (&stolen, (0, 1))] {
        let (id, bytes) = signed_as(&full, signer, source, 1);
        let name = names::snapshot(source, 1, id);
        store.put(&name, &bytes).unwrap();
        let listed = full.list_snapshots().unwrap();
        assert_eq!((listed.entries.len(), listed.lost.len()), expected);
        store.delete(&name).unwrap();
    }
}

#[test]
fn sources_of_one_name_in_two_domains_have_a_chain_and_a_memory_each() {
    let (store, full) = new_repository();
    let writer = Writer::of(&full, WriterMay::List);
    let mine: Vec<SnapshotEntry> = (1..=2).map(|sequence| after(&full, sequence, None)).collect();
    let first = after(&writer.open(&store), 1, None);
    after(&writer.open(&store), 2, Some(first.id));
    let full = open(store.clone(), alive());
    let listing = full.list_snapshots().unwrap();
    let chain = full.chain(&listing.entries, listing.beside(), &full.removed().unwrap());
    let heads: Vec<(u64, bool)> =
        chain.heads().values().map(|head| (head.sequence, head.previous == Some(first.id))).collect();
    assert!(heads.len() == 2 && heads.contains(&(2, true)) && heads.contains(&(2, false)), "{heads:?}");
    assert!(!chain.is_in_line(mine[0].id) && chain.is_in_line(first.id));
    let mut seen = full.recall("");
    full.remember(&mut seen, &listing, &[]).unwrap();
    assert_eq!(seen.heads().count(), 2);
    // The writer's memory on the same machine is the same: what is hidden from it is no rewind.
    let writer = writer.open(&store);
    let recalled = writer.recall(&full.memorize(&seen));
    assert_eq!(recalled.heads().count(), 2);
    assert!(writer.rewinds(&recalled, &writer.list_snapshots().unwrap()).unwrap().is_empty());
}

#[test]
fn a_writer_that_sees_only_names_notices_that_its_last_snapshot_is_gone_or_void() {
    let (store, full) = new_repository();
    let writer = Writer::of(&full, WriterMay::Nothing);
    let repository = writer.open(&store);
    let first = after(&repository, 1, None);
    let last = after(&repository, 2, Some(first.id));
    let mut seen = repository.recall("");
    repository.remember_made(&mut seen, &last, &[]);
    let told = |store: &MemoryStore| -> Vec<(u64, Option<u64>)> {
        let repository = writer.open(store);
        let recalled = repository.recall(&repository.memorize(&seen));
        let rewinds = repository.rewinds(&recalled, &repository.list_snapshots().unwrap()).unwrap();
        rewinds.into_iter().map(|rewind| (rewind.seen.sequence, rewind.head.map(|head| head.sequence))).collect()
    };
    let nothing = [];
    assert_eq!(told(&store), nothing);
    let rewound = crate::fixtures::copy_of(&store);
    let place = place(&repository, &last);
    rewound.delete(&names::snapshot(place.source, place.sequence, place.id)).unwrap();
    assert_eq!(told(&rewound), [(2, Some(1))]);
    let voided = crate::fixtures::copy_of(&store);
    let (session, collector) = (last.snapshot.session, crate::fixtures::session_id(9));
    let settled = crate::format::coord::Settlement { session, collector, survivors: Vec::new() };
    crate::fence::put_settlement(&voided, &full.keys, &settled).unwrap();
    assert_eq!(told(&voided).len(), 1);
    full.forget(full.snapshots().unwrap().pop().unwrap().id, 0).unwrap();
    full.prune().unwrap();
    assert_eq!(told(&store), nothing, "a prune recorded that it removed it");
}

#[test]
fn a_recipient_opened_later_maintains_and_makes_others_known() {
    let (store, full) = new_repository();
    let private = RecipientCode::generate().unwrap();
    let public = Recipient::parse(&private.recipient().to_text()).unwrap();
    let slot = full.add_recipient(&public, "safe", 5).unwrap();
    back_up(&full, 1, &some_files()).unwrap();
    back_up(&full, 2, &some_files()).unwrap();
    // The key that made it known goes, and with it the first holder of all.
    let opened = |secret: &Secret| Repository::open(Arc::new(store.clone()), secret, alive()).unwrap();
    let safe = opened(&Secret::from_text(&private.to_text()));
    assert_eq!(safe.own_slot(), slot.id);
    safe.remove_key(full.own_slot()).unwrap();
    let first = safe.snapshots().unwrap().remove(0);
    safe.forget(first.id, 0).unwrap();
    safe.prune().unwrap();
    assert!(safe.removed().unwrap().contains(first.id) && safe.removed().unwrap().damaged.is_empty());
    let code = RecoveryCode::generate().unwrap().to_text();
    safe.add_key(&Secret::from_text(&code), "new", 6).unwrap();
    let newcomer = opened(&Secret::from_text(&code));
    let entry = back_up(&newcomer, 3, &some_files()).unwrap().entry;
    let (signed, _) = safe.read_signed_snapshot(place(&safe, &entry)).unwrap();
    assert_eq!((signed.signer.slot, signed.signer.label.as_str()), (newcomer.own_slot(), "new"));
    let agent = Writer::of(&newcomer, WriterMay::Nothing).open(&store);
    back_up(&agent, 1, &some_files()).unwrap();
    assert_eq!(safe.snapshots().unwrap().len(), 3, "two of the repository's own, one of the writer");
}

/// A repository with a maintainer and a writer, and the source that both look at.
fn with_maintainer_and_writer() -> (MemoryStore, Repository, Repository, Repository) {
    let (store, full) = new_repository();
    let code = crate::keys::RecoveryCode::generate().unwrap().to_text().to_string();
    let secret = crate::keys::Secret::from_text(&code);
    full.add_maintainer(&secret, "janitor", 5).unwrap();
    let blind = Repository::open(Arc::new(store.clone()), &secret, alive()).unwrap();
    let writer = Writer::of(&full, WriterMay::Nothing).open(&store);
    back_up(&full, 1, &some_files()).unwrap();
    (store, full, blind, writer)
}

#[test]
fn a_writer_that_claims_the_source_of_another_domain_misleads_no_maintainers_memory() {
    for is_remembered in [true, false] {
        let (store, full, blind, writer) = with_maintainer_and_writer();
        let source = full.source_id("data");
        let mut seen = crate::repository::Seen::default();
        let mut look = || {
            let listing = blind.list_snapshots().unwrap();
            assert!(blind.rewinds(&seen, &listing).unwrap().is_empty());
            blind.remember(&mut seen, &listing, &[]).unwrap();
            seen.heads().map(|place| place.sequence).collect::<Vec<_>>()
        };
        if is_remembered {
            assert_eq!(look(), [1]);
        }
        let (id, bytes) = signed_as(&writer, &writer, source, 999);
        store.put(&names::snapshot(source, 999, id), &bytes).unwrap();
        after(&full, 2, full.readable_snapshots().unwrap().0.last().map(|entry| entry.id));
        assert_eq!(look(), if is_remembered { vec![2] } else { vec![] }, "{is_remembered}");
    }
}

#[test]
fn a_signed_snapshot_of_garbage_stops_no_repair() {
    let (store, full, _, writer) = with_maintainer_and_writer();
    let source = writer.own_source_id("data");
    let session = Session::begin(&writer, Sharing::Shared).unwrap();
    let header = SnapshotHeader {
        repository: full.id(),
        source,
        sequence: 1,
        previous: None,
        references: [7; 32],
        independent: false,
        session: session.id(),
        nonce: [3; 12],
        certificates: writer.keys.signer().certificates().to_vec(),
    };
    let (head, body) = (header.encode(), [7; 40]);
    let signature = writer.keys.signer().sign(&frame::signed(full.id(), &head, &body));
    let bytes = [&head[..], &body, &signature].concat();
    let id = SnapshotId(*blake3::hash(&bytes).as_bytes());
    store.put(&names::snapshot(source, 1, id), &bytes).unwrap();
    drop(session.abandon());
    let options = crate::RepairOptions { mode: crate::RepairMode::Apply, on_loss: crate::OnLoss::Keep };
    assert_eq!(open(store, restarted()).repair(options).unwrap().lost, []);
}
