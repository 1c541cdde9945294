//! The plan as a pure function.

use super::*;

fn pack(number: u8, len: u64, live_bytes: u64) -> PackUse {
    PackUse { id: PackId([number; 32]), session: session_id(number), len, live_bytes }
}

fn numbers(packs: &[PackUse]) -> Vec<u8> {
    packs.iter().map(|pack| pack.id.0[0]).collect()
}

/// Deleted, rewritten and kept packs of the plan for packs given as (length, living bytes), numbered from 1.
fn planned(packs: &[(u64, u64)]) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let packs = packs.iter().zip(1..).map(|((len, live), number)| pack(number, *len, *live)).collect();
    let plan = plan_prune(packs, Vec::new());
    (numbers(&plan.delete), numbers(&plan.repack), numbers(&plan.keep))
}

#[test]
fn nothing_is_planned_for_nothing() {
    assert_eq!(plan_prune(Vec::new(), Vec::new()), PrunePlan::default());
    assert!(PrunePlan::default().is_empty());
}

#[test]
fn a_dead_pack_goes_and_a_living_one_stays() {
    assert_eq!(planned(&[(1000, 0), (1000, 1000), (0, 0)]), (vec![1, 3], vec![], vec![2]));
}

#[test]
fn waste_of_a_twentieth_is_tolerated() {
    assert_eq!(planned(&[(1050, 1000)]), (vec![], vec![], vec![1]));
    assert_eq!(planned(&[(1051, 1000)]), (vec![], vec![1], vec![]));
    assert_eq!(planned(&[(1200, 1000), (10_000, 10_000)]), (vec![], vec![], vec![1, 2]));
}

#[test]
fn the_packs_with_the_greatest_share_of_waste_are_rewritten_first() {
    let packs = [(1000, 900), (1000, 100), (1000, 500), (1000, 1000), (1000, 990)];
    let (delete, repack, keep) = planned(&packs);
    assert_eq!((delete, repack), (vec![], vec![2, 3]));
    assert_eq!(keep, [1, 5, 4], "what is left is tolerable");
}

#[test]
fn the_plan_says_what_it_frees_and_tolerates() {
    let packs = vec![pack(1, 1000, 0), pack(2, 1000, 400), pack(3, 10_000, 9_950)];
    let plan = plan_prune(packs, vec![SnapshotId([7; 32])]);
    assert_eq!(plan.freed_bytes(), 1000 + 600);
    assert_eq!(plan.tolerated_bytes, 50);
    assert_eq!(plan.snapshots, [SnapshotId([7; 32])]);
    assert!(!plan.is_empty());
}

#[test]
fn a_snapshot_alone_is_worth_a_prune() {
    assert!(!plan_prune(Vec::new(), vec![SnapshotId([7; 32])]).is_empty());
}

#[test]
fn packs_alike_are_planned_in_the_order_of_their_names() {
    let packs: Vec<PackUse> = [5, 3, 4].map(|number| pack(number, 1000, 500)).into();
    let mut other_way = packs.clone();
    other_way.reverse();
    assert_eq!(plan_prune(packs, Vec::new()), plan_prune(other_way, Vec::new()));
}

#[test]
fn every_pack_is_in_the_plan_once() {
    for seed in 0..200 {
        let bytes = seeded(seed, 60);
        let packs: Vec<PackUse> = bytes
            .chunks_exact(3)
            .zip(0..)
            .map(|(draw, number)| {
                let len = u64::from(draw[0]) * 100;
                let live = if draw[2] < 60 { 0 } else { len * u64::from(draw[1]) / 255 };
                pack(number, len, live)
            })
            .collect();
        let plan = plan_prune(packs.clone(), Vec::new());
        let mut all = [numbers(&plan.delete), numbers(&plan.repack), numbers(&plan.keep)].concat();
        all.sort_unstable();
        assert_eq!(all, numbers(&packs));
        assert!(plan.delete.iter().all(|pack| pack.live_bytes == 0));
        let live: u64 = packs.iter().map(|pack| pack.live_bytes).sum();
        let rounding = plan.keep.iter().map(|pack| pack.len / 100).sum::<u64>();
        assert!(plan.tolerated_bytes <= live / 20 + rounding, "seed {seed}");
    }
}
