//! Tests of what is due, over weeks.

use mainstay_repo::SessionId;

use super::*;

const MONTH: i64 = 30 * DAY;

fn packs(count: u8, len: u64) -> Vec<Object> {
    let name = |number: u8| names::pack(PackId([number; 32]), SessionId([1; 16]));
    (0..count).map(|number| Object { name: name(number), len }).collect()
}

fn ids(packs: &[&Object]) -> HashSet<PackId> {
    packs.iter().map(|pack| names::parse_pack(&pack.name).unwrap().0).collect()
}

/// Runs every so many days; answers how many packs each run took.
fn run(coverage: &mut Coverage, packs: &[Object], (first, last): (i64, i64), every: usize) -> Vec<usize> {
    let mut taken = Vec::new();
    for day in (first..=last).step_by(every) {
        let chosen = ids(&coverage.plan(packs.iter(), (day * DAY, MONTH)));
        coverage.note(&chosen, &HashSet::new(), day * DAY);
        taken.push(chosen.len());
        *coverage = Coverage::from_text(&coverage.to_text());
    }
    taken
}

#[test]
fn a_run_each_day_verifies_everything_within_the_period_in_equal_parts() {
    let (mut coverage, packs) = (Coverage::default(), packs(60, 1000));
    let taken = run(&mut coverage, &packs, (1, 90), 1);
    // Where the first month ends, what was seen first and what was verified first is due at once.
    assert!(taken.iter().all(|count| (2..=4).contains(count)), "{taken:?}");
    assert!(taken.iter().sum::<usize>() <= 190, "{taken:?}");
    let covered = coverage.covered(packs.iter(), (90 * DAY, MONTH));
    assert_eq!((covered.bytes, covered.other_bytes), (60_000, 0));
    assert!(covered.oldest.is_some_and(|oldest| oldest >= 60 * DAY));
}

#[test]
fn runs_that_are_rare_take_more_and_keep_the_promise() {
    for every in [2, 7, 10, 45] {
        let (mut coverage, packs) = (Coverage::default(), packs(61, 1000));
        run(&mut coverage, &packs, (1, 200), every);
        let end = 200 - 199 % every as i64;
        let covered = coverage.covered(packs.iter(), (end * DAY, MONTH));
        assert_eq!(covered.other_bytes, 0, "every {every} days");
    }
}

#[test]
fn what_came_later_is_verified_within_a_period_after_it_came() {
    let (mut coverage, all) = (Coverage::default(), packs(200, 1000));
    run(&mut coverage, &all[..20], (1, 40), 1);
    run(&mut coverage, &all, (41, 71), 1);
    assert_eq!(coverage.covered(all.iter(), (71 * DAY, MONTH)).other_bytes, 0);
}

#[test]
fn packs_that_are_gone_are_forgotten_and_a_clock_that_is_set_back_verifies_nothing_for_ever() {
    let (mut coverage, packs) = (Coverage::default(), packs(10, 1000));
    run(&mut coverage, &packs, (100, 140), 1);
    coverage.plan(packs[..3].iter(), (141 * DAY, MONTH));
    assert_eq!(coverage.packs.len(), 3);
    // Back to the first day: what is said to be verified in the future counts as verified now.
    run(&mut coverage, &packs, (1, 31), 1);
    assert_eq!(coverage.covered(packs.iter(), (31 * DAY, MONTH)).other_bytes, 0);
}

#[test]
fn a_memory_that_is_damaged_remembers_nothing() {
    let mut coverage = Coverage::default();
    let packs = packs(3, 1000);
    let chosen = ids(&coverage.plan(packs.iter(), (DAY, MONTH)));
    coverage.note(&chosen, &HashSet::new(), DAY);
    let text = coverage.to_text();
    assert_eq!(Coverage::from_text(&text), coverage);
    for at in 0..text.len() {
        let mut damaged = text.clone().into_bytes();
        damaged[at] ^= 1;
        let read = Coverage::from_text(&String::from_utf8_lossy(&damaged));
        assert_eq!(read, Coverage::default(), "byte {at}");
        assert_eq!(Coverage::from_text(&text[..at]), Coverage::default(), "cut to {at}");
    }
}

#[test]
fn an_empty_repository_is_covered() {
    let covered = Coverage::default().covered([].iter(), (DAY, MONTH));
    assert_eq!((covered.other_bytes, covered.oldest), (0, Some(DAY)));
    assert!(Coverage::default().plan([].iter(), (DAY, MONTH)).is_empty());
}

#[test]
fn what_is_damaged_is_read_again_by_every_run() {
    let (mut coverage, packs) = (Coverage::default(), packs(60, 1000));
    run(&mut coverage, &packs, (1, 40), 1);
    let damaged = HashSet::from([PackId([17; 32])]);
    coverage.note(&damaged, &damaged, 40 * DAY);
    for day in 41..45 {
        let chosen = ids(&coverage.plan(packs.iter(), (day * DAY, MONTH)));
        assert!(chosen.is_superset(&damaged));
        coverage.note(&chosen, &damaged, day * DAY);
        assert_eq!(coverage.covered(packs.iter(), (day * DAY, MONTH)).other_bytes, 1000);
    }
    let chosen = ids(&coverage.plan(packs.iter(), (45 * DAY, MONTH)));
    coverage.note(&chosen, &HashSet::new(), 45 * DAY);
    assert_eq!(coverage.covered(packs.iter(), (45 * DAY, MONTH)).other_bytes, 0);
}
