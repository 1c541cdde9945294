//! A prune that is asked to stop, and what it tells until then.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

/// Hears everything, and asks to stop from the n-th time on that it is asked, or after so many packs were rewritten.
struct Watching {
    asked: AtomicU64,
    stop_at: u64,
    stop_after_packs: u64,
    phases: Mutex<Vec<(PrunePhase, [u64; 4])>>,
}

impl Watching {
    fn new(stop_at: u64, stop_after_packs: u64) -> Self {
        Self { asked: AtomicU64::new(0), stop_at, stop_after_packs, phases: Mutex::default() }
    }

    fn count(&self, at: usize, packs: u64, bytes: u64) {
        let mut phases = self.phases.lock().unwrap();
        let (_, counts) = phases.last_mut().unwrap();
        counts[at] += packs;
        counts[at + 1] += bytes;
    }
}

impl PruneObserver for Watching {
    fn phase(&self, phase: PrunePhase) {
        self.phases.lock().unwrap().push((phase, [0; 4]));
    }

    fn expect(&self, packs: u64, bytes: u64) {
        self.count(0, packs, bytes);
    }

    fn advance(&self, packs: u64, bytes: u64) {
        self.count(2, packs, bytes);
    }

    fn is_cancelled(&self) -> bool {
        let phases = self.phases.lock().unwrap();
        let rewritten: u64 = phases.iter().filter(|(phase, _)| *phase == PrunePhase::Rewrite).map(|(_, n)| n[2]).sum();
        self.asked.fetch_add(1, Ordering::SeqCst) >= self.stop_at || rewritten >= self.stop_after_packs
    }
}

/// Two packs to be rewritten, and packs to be deleted.
fn two_sparse_packs() -> (MemoryStore, Repository, Files) {
    let (store, repository) = new_repository();
    let kept = files_of(&[("a", 1, 600_000), ("c", 3, 600_000)]);
    back_up(&repository, 1, &files_of(&[("a", 1, 600_000), ("b", 2, 600_000)])).unwrap();
    back_up(&repository, 2, &files_of(&[("c", 3, 600_000), ("d", 4, 600_000)])).unwrap();
    back_up(&repository, 3, &kept).unwrap();
    forget(&repository, 1);
    forget(&repository, 2);
    (store, repository, kept)
}

#[test]
fn a_prune_that_is_stopped_keeps_what_it_has_done_and_the_next_goes_on() {
    let (store, repository, kept) = two_sparse_packs();
    let sparse = repository.plan_prune().unwrap().repack;
    assert_eq!(sparse.len(), 2);
    let stopped = repository.prune_observed(0, &Watching::new(u64::MAX, 1));
    assert_eq!(stopped.map(drop).map_err(|error| error.kind()), Err(Kind::Cancelled));
    let is_there = |pack: &PackUse| store.names().contains(&names::pack(pack.id, pack.session));
    assert_eq!(
        sparse.iter().map(is_there).collect::<Vec<_>>(),
        [false, true],
        "the first was rewritten, the other not"
    );
    assert_snapshots(&repository, &[(3, kept.clone())].into());
    let report = repository.prune().unwrap();
    assert_eq!(report.plan.repack.iter().map(|pack| pack.id).collect::<Vec<_>>(), [sparse[1].id]);
    assert_snapshots(&repository, &[(3, kept)].into());
    assert_eq!(garbage(&store), [""; 0]);
}

#[test]
fn a_prune_that_is_stopped_at_any_boundary_loses_nothing_and_is_in_nobodys_way() {
    let (original, _, kept) = two_sparse_packs();
    for boundary in 0.. {
        let store = copy_of(&original);
        let repository = open(store.clone(), alive());
        let done = match repository.prune_observed(0, &Watching::new(boundary, u64::MAX)) {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(error.kind(), Kind::Cancelled, "boundary {boundary}");
                false
            }
        };
        assert_snapshots(&repository, &[(3, kept.clone())].into());
        back_up(&repository, 4, &kept).unwrap();
        repository.prune().unwrap();
        assert_snapshots(&repository, &[(3, kept.clone()), (4, kept.clone())].into());
        assert_eq!(garbage(&store), [""; 0], "boundary {boundary}");
        if done {
            assert!(boundary > 5, "pages, packs and stages are boundaries");
            return;
        }
    }
}

#[test]
fn a_plan_can_be_stopped_as_well() {
    let (store, repository, _) = two_sparse_packs();
    let before = store.names();
    let planned = repository.plan_prune_observed(0, &Watching::new(0, u64::MAX));
    assert_eq!(planned.map(drop).map_err(|error| error.kind()), Err(Kind::Cancelled));
    assert_eq!(store.names(), before);
}

#[test]
fn a_prune_tells_its_phases_and_how_far_it_is() {
    let (_store, repository, _) = two_sparse_packs();
    let packs = repository.list_packs().unwrap().len() as u64;
    let watching = Watching::new(u64::MAX, u64::MAX);
    let report = repository.prune_observed(0, &watching).unwrap();
    let bytes: u64 = report.plan.repack.iter().map(|pack| pack.len).sum();
    let phases = watching.phases.into_inner().unwrap();
    let expected = [
        (PrunePhase::Plan, [packs, 0, packs, 0]),
        (PrunePhase::Rewrite, [2, bytes, 2, bytes]),
        (PrunePhase::Finish, [0; 4]),
    ];
    assert_eq!(phases, expected);
}

#[test]
fn packs_are_read_no_more_when_nobody_takes_their_blocks() {
    let (_store, repository, _) = half_dead();
    let inventory =
        Inventory::take(&repository, &Surroundings::look(&repository).unwrap(), None, (0, &Unobserved)).unwrap();
    let pack = inventory.plan().repack.remove(0);
    let repack =
        Repack { repository: &repository, inventory: &inventory, session: session_id(9), observer: &Unobserved };
    let renewal = renewal::Renewal::new(&repository, &inventory.needs);
    let (standing, _) = std::sync::mpsc::sync_channel(1);
    let (renewed, _) = std::sync::mpsc::sync_channel(1);
    assert_eq!(repack.read_packs(&renewal, &[pack.clone(), pack], (&standing, &renewed)), 1);
}
