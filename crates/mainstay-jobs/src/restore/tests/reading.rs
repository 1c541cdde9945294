//! What a restore reads from the store: each range of a pack once, in few requests.

use std::collections::BTreeMap;

use mainstay_repo::store::Call;
use mainstay_repo::{BlockId, BlockKind, BlockPlace, MemoryStore, PackId, SessionId};
use proptest::prelude::*;

use crate::backup::Requested;
use crate::fixture::{Files, Fixture, START, noise};
use crate::ground::{Ground, as_recorded, drawn, plant, plants, read};
use crate::restore::ranges::{NeededBlock, Range, Reading, plan_ranges};
use crate::restore::{RestoreRun, restore};
use crate::{Cancel, NoProgress};

/// What was read of each pack, by offset.
fn reads(store: &MemoryStore) -> BTreeMap<String, Vec<(u64, u64)>> {
    let mut reads = BTreeMap::<String, Vec<(u64, u64)>>::new();
    for call in store.take_calls() {
        if let Call::Read { name, offset, len } = call
            && name.starts_with("packs/")
        {
            reads.entry(name).or_default().push((offset, offset + len));
        }
    }
    reads.values_mut().for_each(|ranges| ranges.sort_unstable());
    reads
}

fn overlap(ranges: &[(u64, u64)]) -> Option<&[(u64, u64)]> {
    ranges.windows(2).find(|pair| matches!(pair, [first, second] if second.0 < first.1))
}

proptest! {
    #![proptest_config(drawn(8))]

    #[test]
    fn a_restore_reads_each_byte_of_a_pack_at_most_once(tree in plants(60)) {
        let (ground, store) = Ground::in_memory();
        plant(&ground.source(), &tree);
        let entry = ground.back_up(Requested::Full).entry.unwrap();
        store.take_calls();
        ground.restore_with(&entry, &ground.path("target"), &as_recorded());
        for (pack, ranges) in reads(&store) {
            prop_assert_eq!(overlap(&ranges), None, "{} was read twice", pack);
        }
    }

    #[test]
    fn ranges_hold_every_block_once_and_nothing_is_longer_than_it_may_be(
        drawn in proptest::collection::vec((0..3_u8, 1..2_000_000_u32, 0..200_000_u32), 0..60),
    ) {
        let blocks = blocks(&drawn);
        let total: u64 = blocks.iter().map(|block| u64::from(block.place.stored_len)).sum();
        let count = blocks.len();
        let ranges = plan_ranges(blocks, Reading::NEAR);
        prop_assert_eq!(ranges.iter().map(|range| range.blocks.len()).sum::<usize>(), count);
        let read: u64 = ranges.iter().map(|range| range.len).sum();
        prop_assert!(read >= total && read <= total + (64 << 10) * count as u64);
        for range in &ranges {
            assert_range(range)?;
        }
    }
}

/// Blocks one behind the other in three packs, with gaps.
fn blocks(drawn: &[(u8, u32, u32)]) -> Vec<NeededBlock> {
    let mut ends = [40_u32; 3];
    let place = |(serial, (pack, len, gap)): (u32, &(u8, u32, u32))| {
        let end = &mut ends[usize::from(*pack)];
        let offset = *end + gap;
        *end = offset + len;
        let session = SessionId([1; 16]);
        NeededBlock {
            id: BlockId { session, serial },
            place: BlockPlace {
                pack: PackId([*pack; 32]),
                pack_session: session,
                offset,
                stored_len: *len,
                kind: BlockKind::Content,
                thinned: false,
            },
            pieces: Vec::new(),
            pieces_ahead: Vec::new(),
        }
    };
    let mut blocks: Vec<NeededBlock> = (0..).zip(drawn).map(place).collect();
    blocks.reverse();
    blocks
}

fn assert_range(range: &Range) -> Result<(), TestCaseError> {
    prop_assert!(range.blocks.len() == 1 || range.len <= 4 << 20);
    let pack = range.blocks[0].place.pack;
    let mut at = range.offset;
    for block in &range.blocks {
        prop_assert_eq!(block.place.pack, pack);
        prop_assert!(u64::from(block.place.offset) >= at);
        at = u64::from(block.place.offset) + u64::from(block.place.stored_len);
    }
    prop_assert_eq!(at, range.offset + range.len);
    Ok(())
}

#[test]
fn a_large_file_is_read_in_requests_of_megabytes() {
    let (ground, store) = Ground::in_memory();
    ground.write("large", &noise(1, 24 << 20));
    let entry = ground.back_up(Requested::Full).entry.unwrap();
    store.take_calls();
    ground.restore(&entry, "target");
    let requests: usize = reads(&store).values().map(Vec::len).sum();
    assert!(requests <= 14, "{requests} requests for 24 MiB");
}

#[test]
fn one_small_file_of_many_costs_one_block() {
    let (ground, store) = Ground::in_memory();
    for number in 0..200 {
        ground.write(&format!("{number}"), &noise(number as u8, 30_000));
    }
    let entry = ground.back_up(Requested::Full).entry.unwrap();
    store.take_calls();
    ground.restore_path(&entry, Some(b"150"), &ground.path("target"), &as_recorded());
    let read: u64 = reads(&store).values().flatten().map(|(start, end)| end - start).sum();
    assert!(read <= 2 << 20, "{read} bytes were read for 30,000");
}

#[test]
fn blocks_in_which_one_batch_ends_and_the_next_begins_are_read_once() {
    // Three batches of about 500 files, and blocks of about 250.
    let bytes = noise(1, 4000);
    let file = |number: u32| -> (&'static str, Vec<u8>) {
        let name = Box::leak(format!("{number:04}").into_boxed_str());
        (name, [&number.to_le_bytes(), bytes.as_slice()].concat())
    };
    let files: Files = (0..1400).map(file).collect();
    let fixture = Fixture::new();
    let entry = fixture.back_up_at(START, &files);
    let target = tempfile::tempdir().unwrap();
    fixture.store.take_calls();
    let restored = restore(&RestoreRun {
        repository: &fixture.repository,
        entry: &entry,
        path: None,
        target: target.path(),
        options: &as_recorded(),
        planned: &|_| {},
        progress: &NoProgress,
        cancel: &Cancel::default(),
    });
    assert_eq!(restored.unwrap().files, 1400);
    let content = fixture.packs(BlockKind::Content);
    for (pack, ranges) in reads(&fixture.store).into_iter().filter(|(pack, _)| content.contains(pack)) {
        assert_eq!(overlap(&ranges), None, "{pack} was read twice");
    }
    for (name, bytes) in files {
        assert!(read(&target.path().join(name)) == bytes, "{name}");
    }
}
