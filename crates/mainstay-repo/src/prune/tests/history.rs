//! Any order of backing up, forgetting and pruning keeps every kept snapshot.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::fixtures::{back_up_as, read_back, sparse};

/// One step of a history.
#[derive(Clone, Debug)]
enum Step {
    /// Files by their number in the pool, and whether nothing is shared.
    BackUp(Vec<u8>, bool),
    /// The snapshot at this position of those that are kept.
    Forget(prop::sample::Index),
    Prune,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (prop::collection::vec(0u8..8, 0..5), prop::bool::weighted(0.1)).prop_map(|(files, alone)| Step::BackUp(files, alone)),
        3 => any::<prop::sample::Index>().prop_map(Step::Forget),
        2 => Just(Step::Prune),
    ]
}

/// Small files share a block; the others have one each, so that packs are dead in parts.
fn pool(number: u8) -> Vec<u8> {
    let len = if number < 5 { 2000 } else { 540_000 + usize::from(number) };
    sparse(number.into(), len)
}

fn run(steps: Vec<Step>) {
    let (store, repository) = new_repository();
    let mut model = BTreeMap::<u64, Files>::new();
    let mut last = 0;
    for step in steps {
        match step {
            Step::BackUp(numbers, alone) => {
                last += 1;
                let files: Files = numbers.iter().map(|number| (format!("file {number}"), pool(*number))).collect();
                let sharing = if alone { Sharing::Independent } else { Sharing::Shared };
                let report = back_up_as(&repository, last, &files, sharing).unwrap();
                assert!(read_back(&repository, &report.entry).unwrap() == files);
                model.insert(last, files);
            }
            Step::Forget(index) if !model.is_empty() => {
                let sequence = *index.get(&model.keys().copied().collect::<Vec<_>>());
                forget(&repository, sequence);
                model.remove(&sequence);
            }
            Step::Forget(_) => {}
            Step::Prune => {
                repository.prune().unwrap();
                assert_snapshots(&repository, &model);
                assert_eq!(garbage(&store), [""; 0]);
            }
        }
    }
    assert_snapshots(&open(store.clone(), restarted()), &model);
    repository.prune().unwrap();
    assert_snapshots(&repository, &model);
    assert_eq!(garbage(&store), [""; 0]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn any_order_of_backup_forget_and_prune_keeps_every_kept_snapshot(steps in prop::collection::vec(any_step(), 1..14)) {
        run(steps);
    }
}
