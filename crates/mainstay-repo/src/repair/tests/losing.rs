//! Tests of what cannot be made whole: it is named exactly, written down, and nothing else is lost with it.

use super::*;

/// A repository in which a few blocks of one pack are beyond repair, and the files that are whole.
fn beyond_repair() -> (MemoryStore, Repository, Files, Files) {
    let (store, repository, files) = with_parity(3);
    let content = content_pack(&store);
    damage(&store, &content, 400_000, 500_000);
    let whole: Files = whole_files(&repository, &files);
    assert!(whole.len() < files.len() && !whole.is_empty());
    (store, repository, files, whole)
}

/// The files of the first snapshot that can still be read.
fn whole_files(repository: &Repository, files: &Files) -> Files {
    let entry = &repository.snapshots().unwrap()[0];
    let index = repository.index().unwrap();
    let reader = crate::tree_reader::TreeReader::new(repository.block_reader(&index));
    let nodes = reader.directory(&entry.snapshot.root).unwrap().nodes;
    let is_whole = |node: &crate::format::tree::Node| {
        reader.extents(&node.content).unwrap().iter().all(|extent| {
            let crate::format::tree::Extent::Data { block, offset, len } = extent else { return true };
            let kind = crate::format::block::BlockKind::Content;
            reader.blocks().read(*block, kind, *offset..offset + len).is_ok()
        })
    };
    let names: Vec<String> =
        nodes.iter().filter(|node| is_whole(node)).map(|node| String::from_utf8(node.name.clone()).unwrap()).collect();
    files.iter().filter(|(name, _)| names.contains(name)).map(|(name, data)| (name.clone(), data.clone())).collect()
}

#[test]
fn what_is_beyond_repair_stays_and_is_named_and_the_rest_is_still_read() {
    let (store, repository, files, whole) = beyond_repair();
    let before: Vec<_> = everything(&store).into_iter().filter(|(name, _)| !name.starts_with("coord/")).collect();
    let report = repository.repair(APPLY).unwrap();
    assert_eq!(report.repaired, []);
    assert!(!report.lost[0].is_accepted);
    let mut after: Vec<_> = everything(&store).into_iter().filter(|(name, _)| !name.starts_with("coord/")).collect();
    assert_eq!(named(&store, "losses/").len(), 1);
    after.retain(|(name, _)| !name.starts_with("losses/"));
    assert!(before == after, "nothing but the list of losses was written");
    assert!(whole_files(&open(store.clone(), restarted()), &files) == whole);
    let known = repository.known_losses().unwrap();
    assert_eq!(known.blocks.iter().collect::<Vec<_>>(), report.lost[0].blocks);
    assert!(known.accepted.is_empty());
    repository.prune().unwrap();
    assert!(whole_files(&open(store, restarted()), &files) == whole);
}

#[test]
fn an_accepted_loss_costs_no_more_than_was_lost_already() {
    let (store, repository, files, whole) = beyond_repair();
    let content = content_pack(&store);
    let shown = repository.repair(RepairOptions { mode: RepairMode::Show, ..ACCEPT }).unwrap();
    assert!(shown.lost[0].is_accepted && store.names().contains(&content));
    let report = repository.repair(ACCEPT).unwrap();
    assert_eq!(report.lost, shown.lost);
    assert!(!store.names().contains(&content));
    assert_whole(&store);
    let repository = open(store.clone(), restarted());
    assert_eq!(repository.snapshots().unwrap().len(), 1, "the snapshot stays");
    assert!(whole_files(&repository, &files) == whole);
    // The loss is known from now on, and stands in nobody's way.
    let report = repository.repair(APPLY).unwrap();
    assert!(report.repaired.is_empty() && report.lost.iter().all(|loss| loss.is_accepted), "{report:?}");
    repository.prune().unwrap();
    assert!(whole_files(&repository, &files) == whole);
    let again = back_up(&repository, 2, &files).unwrap();
    assert!(read_back(&repository, &again.entry).unwrap() == files);
    repository.prune().unwrap();
    assert!(read_back(&repository, &again.entry).unwrap() == files);
}

#[test]
fn a_pack_that_is_gone_is_named_and_can_be_given_up() {
    let (store, repository, files) = with_snapshot();
    let content = content_pack(&store);
    store.delete(&content).unwrap();
    let report = repository.repair(APPLY).unwrap();
    assert_eq!(report.lost.iter().map(|loss| loss.object.as_str()).collect::<Vec<_>>(), [content.as_str()]);
    repository.repair(ACCEPT).unwrap();
    let (id, _) = names::parse_pack(&content).unwrap();
    assert!(!repository.index().unwrap().packs().contains_key(&id));
    repository.prune().unwrap();
    let again = back_up(&repository, 2, &files).unwrap();
    assert!(read_back(&repository, &again.entry).unwrap() == files);
}

#[test]
fn two_damaged_packs_are_never_taken_for_each_others_rescue() {
    let (store, repository, files) = with_snapshot();
    let content = content_pack(&store);
    // A copy of the pack under another name: whatever it is called, it is not what its name says.
    let (_, session) = names::parse_pack(&content).unwrap();
    let copy = names::pack(PackId([7; 32]), session);
    store.put(&copy, &store.read(&content, u64::MAX).unwrap()).unwrap();
    damage(&store, &content, 5000, 1);
    let report = repository.repair(APPLY).unwrap();
    assert_eq!(report.lost, [], "{report:?}");
    assert_snapshots(&open(store.clone(), restarted()), &snapshots(1, &files));
    assert_whole(&store);
}

#[test]
fn a_pack_of_which_nothing_is_known_stays_until_it_is_given_up() {
    let (store, repository, _) = with_snapshot();
    let content = content_pack(&store);
    let footer = store.len(&content).unwrap() as usize - 3;
    damage(&store, &content, footer, 1);
    let tables = named(&store, "index/").into_iter().filter(|name| name.starts_with("index/b-"));
    tables.for_each(|table| store.delete(&table).unwrap());
    let report = repository.repair(APPLY).unwrap();
    assert!(report.lost.iter().any(|loss| loss.object == content && loss.blocks.is_empty()), "{report:?}");
    assert!(store.names().contains(&content));
    repository.repair(ACCEPT).unwrap();
    assert!(!store.names().contains(&content));
}
