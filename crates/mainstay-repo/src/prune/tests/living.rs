//! The ranges of a block that are needed, compared with a map of its bytes.

use super::*;
use crate::fixtures::block_id;
use crate::prune::living::Living;

#[test]
fn ranges_in_any_order_come_out_ascending_and_apart() {
    for seed in 0..300 {
        let draws = seeded(seed, 80);
        let (mut living, mut bytes) = (Living::default(), [false; 300]);
        for draw in draws.chunks_exact(2).take(1 + seed as usize % 40) {
            let range = u32::from(draw[0])..u32::from(draw[0]) + 1 + u32::from(draw[1] % 40);
            bytes[range.start as usize..range.end as usize].fill(true);
            living.add(block_id(1, 130), range);
        }
        let ranges = living.of(block_id(1, 130)).unwrap();
        assert!(ranges.is_sorted_by(|a, b| a.end < b.start), "seed {seed}: {ranges:?}");
        let covered: Vec<usize> = ranges.iter().cloned().flatten().map(|byte| byte as usize).collect();
        let expected: Vec<usize> = (0..bytes.len()).filter(|byte| bytes[*byte]).collect();
        assert_eq!(covered, expected, "seed {seed}");
    }
}

#[test]
fn a_block_that_the_walk_never_came_to_has_no_ranges() {
    let mut living = Living::default();
    living.add(block_id(1, 70), 0..10);
    assert_eq!(living.of(block_id(1, 70)), Some(std::slice::from_ref(&(0..10))));
    for other in [block_id(1, 6), block_id(1, 71), block_id(2, 70)] {
        assert_eq!(living.of(other), None);
    }
    let mut blocks = crate::format::refs::BlockSet::default();
    living.add_blocks(&mut blocks);
    assert_eq!(blocks.iter().collect::<Vec<_>>(), [block_id(1, 70)]);
}
