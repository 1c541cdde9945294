//! Tests of adding, dropping and mending parity.

use super::*;

#[test]
fn parity_is_added_once_changed_and_dropped() {
    let (store, repository, files) = with_parity(3);
    let before = everything(&store);
    let covered = repository.parity_coverage(None).unwrap();
    assert_eq!((covered.packs, covered.covered_packs, covered.leftovers, covered.damaged.len()), (2, 2, 0, 0));
    assert_eq!(covered.covered_bytes, covered.pack_bytes);
    let added = repository.add_parity(None, 3, &Unobserved).unwrap();
    assert_eq!((added.packs, added.present), (0, 2));
    let is_object = |name: &str| !name.starts_with("coord/");
    let objects = |all: Vec<(String, Vec<u8>)>| all.into_iter().filter(|(name, _)| is_object(name)).collect::<Vec<_>>();
    assert!(objects(everything(&store)) == objects(before));
    let added = repository.add_parity(None, 10, &Unobserved).unwrap();
    // Of a pack so small as that of the trees the parity is the same for both percentages.
    assert_eq!((added.packs, added.present), (1, 1));
    assert!(repository.parity_coverage(None).unwrap().parity_bytes > covered.parity_bytes * 2);
    let dropped = repository.drop_parity(None, &Unobserved).unwrap();
    assert_eq!(dropped.packs, 2);
    assert_eq!(named(&store, "parity/"), [""; 0]);
    assert_eq!(repository.parity_coverage(None).unwrap().covered_packs, 0);
    assert_snapshots(&repository, &snapshots(1, &files));
}

#[test]
fn parity_can_be_for_what_one_snapshot_needs() {
    let (store, repository, _) = with_snapshot();
    back_up(&repository, 2, &files_of(&[("other", 9, 400_000)])).unwrap();
    let entries = repository.snapshots().unwrap();
    let added = repository.add_parity(Some(&entries[1]), 3, &Unobserved).unwrap();
    assert_eq!((added.packs, named(&store, "packs/").len()), (2, 4));
    let covered = |number: usize| repository.parity_coverage(Some(&entries[number])).unwrap().covered_packs;
    assert_eq!((covered(0), covered(1)), (0, 2));
    assert_eq!(repository.drop_parity(Some(&entries[0]), &Unobserved).unwrap().packs, 0);
    assert_eq!(repository.drop_parity(Some(&entries[1]), &Unobserved).unwrap().packs, 2);
}

#[test]
fn no_parity_is_made_of_a_damaged_pack_and_the_one_that_is_there_stays() {
    let (store, repository, files) = with_parity(3);
    let content = content_pack(&store);
    damage(&store, &content, 5000, 10);
    let added = repository.add_parity(None, 10, &Unobserved).unwrap();
    // Of a pack so small the parity is the same for both percentages.
    assert_eq!((added.packs, added.present, added.damaged.len()), (0, 1, 1));
    assert_eq!(named(&store, "parity/").len(), 2);
    assert_eq!(means(&repository.repair(APPLY).unwrap()), [(content.as_str(), Means::Parity)]);
    assert_snapshots(&repository, &snapshots(1, &files));
}

#[test]
fn a_damaged_sidecar_is_made_anew_with_its_percentage() {
    let (store, repository, _) = with_parity(20);
    for sidecar in named(&store, "parity/") {
        let original = store.read(&sidecar, u64::MAX).unwrap();
        let middle = original.len() / 2;
        for change in [
            &(|bytes: &mut Vec<u8>| bytes[middle] ^= 1) as &dyn Fn(&mut Vec<u8>),
            &|bytes| bytes[0] ^= 1,
            &|bytes| bytes.truncate(200),
            &|bytes| bytes.push(0),
        ] {
            store.damage(&sidecar, |bytes| change(bytes));
            let report = repository.repair(APPLY).unwrap();
            assert_eq!(means(&report), [(sidecar.as_str(), Means::Derived)]);
            let mended = store.read(&sidecar, u64::MAX).unwrap();
            assert!(mended == original, "{} and {} bytes", mended.len(), original.len());
        }
        store.damage(&sidecar, Vec::clear);
        assert_eq!(repository.parity_coverage(None).unwrap().damaged, std::slice::from_ref(&sidecar));
        repository.repair(APPLY).unwrap();
        assert_eq!(repository.parity_coverage(None).unwrap().covered_packs, 2);
        repository.add_parity(None, 20, &Unobserved).unwrap();
    }
}

#[test]
fn the_sidecars_of_other_packs_heal_nothing_and_break_nothing() {
    let (store, repository, files) = with_parity(3);
    let sidecars = named(&store, "parity/");
    let bytes = sidecars.iter().map(|name| store.read(name, u64::MAX).unwrap()).collect::<Vec<_>>();
    for (name, other) in sidecars.iter().zip(bytes.iter().rev()) {
        store.delete(name).unwrap();
        store.put(name, other).unwrap();
    }
    let content = content_pack(&store);
    damage(&store, &content, 5000, 10);
    let report = repository.repair(APPLY).unwrap();
    assert_eq!(report.lost.len(), 1);
    assert!(store.names().contains(&content));
    damage(&store, &content, 5000, 10);
    let report = repository.repair(APPLY).unwrap();
    assert_eq!((report.lost.len(), report.repaired.len()), (0, 1), "the sidecar of the whole pack: {report:?}");
    assert_snapshots(&repository, &snapshots(1, &files));
}

#[test]
fn a_prune_takes_sidecars_along_with_their_packs() {
    let (store, repository, _) = with_parity(3);
    let files = files_of(&[("other", 9, 400_000)]);
    back_up(&repository, 2, &files).unwrap();
    let first = repository.snapshots().unwrap().remove(0);
    repository.forget(first.id, 0).unwrap();
    repository.add_parity(None, 3, &Unobserved).unwrap();
    repository.prune().unwrap();
    assert_whole(&store);
    assert_eq!(repository.parity_coverage(None).unwrap().leftovers, 0);
    assert!(!named(&store, "parity/").is_empty());
    assert_snapshots(&repository, &snapshots(2, &files));
}

#[test]
fn statistics_count_parity() {
    let (_, repository, _) = with_parity(3);
    let with = repository.statistics().unwrap();
    let dropped = repository.drop_parity(None, &Unobserved).unwrap();
    let without = repository.statistics().unwrap();
    assert!(with.other_bytes - without.other_bytes >= dropped.bytes - 1000);
}

#[test]
fn the_parity_of_a_damaged_pack_is_not_dropped_and_heals_it_later() {
    let (store, repository, files) = with_parity(3);
    let content = content_pack(&store);
    damage(&store, &content, 5000, 10);
    let dropped = repository.drop_parity(None, &Unobserved).unwrap();
    let [told] = dropped.damaged.as_slice() else { panic!("{dropped:?}") };
    assert!(told.to_string().contains(&content), "{told}");
    assert_eq!((dropped.packs, dropped.copies.kept), (1, 0), "the other pack is whole");
    assert_eq!(named(&store, "parity/"), [sidecar_of(&store, names::parse_pack(&content).unwrap().0)]);
    assert_eq!(means(&repository.repair(APPLY).unwrap()), [(content.as_str(), Means::Parity)]);
    assert_snapshots(&repository, &snapshots(1, &files));
    let dropped = repository.drop_parity(None, &Unobserved).unwrap();
    assert!(dropped.damaged.is_empty() && named(&store, "parity/").is_empty(), "{dropped:?}");
}

#[test]
fn a_drop_for_one_snapshot_asks_only_for_what_it_needs() {
    let (store, repository, _) = with_parity(3);
    damage(&store, &content_pack(&store), 5000, 10);
    back_up(&repository, 2, &files_of(&[("other", 9, 400_000)])).unwrap();
    let entries = repository.snapshots().unwrap();
    repository.add_parity(Some(&entries[1]), 3, &Unobserved).unwrap();
    let dropped = repository.drop_parity(Some(&entries[1]), &Unobserved).unwrap();
    assert_eq!((dropped.packs, dropped.damaged.len()), (2, 0));
    let dropped = repository.drop_parity(Some(&entries[0]), &Unobserved).unwrap();
    assert_eq!((dropped.packs, dropped.damaged.len()), (1, 1));
}

#[test]
fn parity_goes_whose_pack_is_gone_or_stands_whole_beside_a_copy_that_is_not() {
    let (store, repository, _) = with_parity(3);
    store.delete(&tree_pack(&store)).unwrap();
    let content = content_pack(&store);
    let (pack, _) = names::parse_pack(&content).unwrap();
    let other = names::pack(pack, crate::id::SessionId([7; 16]));
    store.put(&other, b"something else").unwrap();
    let dropped = repository.drop_parity(None, &Unobserved).unwrap();
    assert_eq!((dropped.packs, dropped.damaged.len()), (2, 0));
    assert_eq!(named(&store, "parity/"), [""; 0]);
}

/// Asks to stop as soon as anything was read.
#[derive(Default)]
struct StopsAtOnce(std::sync::atomic::AtomicBool);

impl PruneObserver for StopsAtOnce {
    fn phase(&self, _: crate::prune::PrunePhase) {}
    fn expect(&self, packs: u64, bytes: u64) {
        assert!(packs == 2 && bytes > 0, "{packs} packs, {bytes} bytes");
    }
    fn advance(&self, _: u64, bytes: u64) {
        self.0.fetch_or(bytes > 0, std::sync::atomic::Ordering::Relaxed);
    }
    fn is_cancelled(&self) -> bool {
        self.0.load(std::sync::atomic::Ordering::Relaxed)
    }
}

#[test]
fn a_drop_hears_a_stop_before_the_sidecar_goes() {
    let (store, repository, _) = with_parity(3);
    let stopped = repository.drop_parity(None, &StopsAtOnce::default()).unwrap_err();
    assert!(matches!(stopped, crate::error::Error::Cancelled), "{stopped}");
    assert_eq!(named(&store, "parity/").len(), 2);
}
