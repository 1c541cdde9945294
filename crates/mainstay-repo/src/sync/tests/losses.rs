//! Tests of losses that were accepted and healed since: when the same is lost again, nobody has accepted that.

use super::*;

const ACCEPT: RepairOptions = RepairOptions { mode: RepairMode::Apply, on_loss: OnLoss::Accept };
const SHOW: RepairOptions = RepairOptions { mode: RepairMode::Show, on_loss: OnLoss::Keep };

fn later(store: &MemoryStore) -> crate::repository::Repository {
    open(store.clone(), restarted())
}

/// The pack with most bytes.
fn largest(store: &MemoryStore) -> String {
    named(store, names::PACKS).into_iter().max_by_key(|name| store.len(name).unwrap()).unwrap()
}

/// A repository and its copy; here the largest pack is gone, and that was accepted. Also the bytes of the pack.
fn with_accepted_loss() -> (MemoryStore, MemoryStore, BTreeMap<u64, Files>, (String, Vec<u8>)) {
    let (there, here, kept) = with_copy();
    sync(&here, &there).unwrap();
    let pack = largest(&here);
    let bytes = here.read(&pack, u64::MAX).unwrap();
    here.delete(&pack).unwrap();
    later(&here).repair(ACCEPT).unwrap();
    assert!(!later(&here).known_losses().unwrap().accepted.is_empty());
    later(&here).prune().unwrap();
    assert!(!later(&here).known_losses().unwrap().accepted.is_empty(), "what is lost still stays accepted");
    (there, here, kept, (pack, bytes))
}

fn assert_lost_again(here: &MemoryStore, pack: &str) {
    assert!(later(here).known_losses().unwrap().blocks.is_empty());
    here.delete(pack).unwrap();
    assert!(later(here).prune().is_err(), "nobody has accepted this loss");
    let report = later(here).repair(SHOW).unwrap();
    assert!(!report.lost.is_empty() && report.lost.iter().all(|loss| !loss.is_accepted), "{report:?}");
}

#[test]
fn what_a_sync_brought_back_is_lost_anew_when_it_is_lost_again() {
    let (there, here, kept, _) = with_accepted_loss();
    sync(&here, &there).unwrap();
    assert_snapshots(&later(&here), &kept);
    assert_lost_again(&here, &largest(&here));
}

#[test]
fn what_a_pack_that_was_put_back_has_is_lost_anew_when_it_is_lost_again() {
    let (_, here, kept, (pack, bytes)) = with_accepted_loss();
    here.put(&pack, &bytes).unwrap();
    later(&here).prune().unwrap();
    assert_snapshots(&later(&here), &kept);
    assert_lost_again(&here, &largest(&here));
}

#[test]
fn a_sync_that_brings_something_else_leaves_what_is_accepted() {
    let (there, here, _, _) = with_accepted_loss();
    back_up_next(&there, 3, &small([7]));
    let lost = later(&here).known_losses().unwrap();
    for pack in named(&there, names::PACKS) {
        let has_lost = later(&there).index().unwrap();
        let is_lost = lost.blocks.iter().any(|block| {
            has_lost.find_block(block).unwrap().is_some_and(|place| names::pack(place.pack, place.pack_session) == pack)
        });
        if is_lost {
            there.delete(&pack).unwrap();
        }
    }
    let _ = sync(&here, &there);
    assert_eq!(later(&here).known_losses().unwrap(), lost);
}
