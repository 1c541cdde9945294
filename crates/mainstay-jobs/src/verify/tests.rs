//! Tests of the verify: every kind of damage in a pack is found, named, and traced.

use mainstay_repo::{BlockId, BlockKind, PackRow, SessionId, limits};
use proptest::prelude::*;

use super::windows::{Window, plan_windows, take_impossible};
use super::*;
use crate::NoProgress;
use crate::fixture::{Backup, Files, Fixture, START, files, noise, text};

const ALL: VerifyOptions = VerifyOptions { sample: None, seed: 0 };

fn verified(fixture: &Fixture) -> VerifyReport {
    verify(&fixture.repository, &ALL, &NoProgress, &Cancel::default()).unwrap()
}

/// The one finding; anything else fails the test.
fn only_finding(report: &VerifyReport) -> &Finding {
    assert_eq!(report.findings.len(), 1, "{:#?}", report.findings);
    assert_eq!(report.findings[0].severity, Severity::Damage);
    assert!(!report.is_sound());
    &report.findings[0]
}

fn tree() -> Files {
    files([
        ("docs/a.txt", b"alpha"),
        ("docs/b.txt", b"beta"),
        ("large", &noise(1, 1_500_000)),
        ("text", &text("words", 700_000)),
        ("x/y/z", b"deep"),
    ])
}

/// The row of the block that holds a file, and its pack.
fn place_of(fixture: &Fixture, path: &[u8]) -> (Object, PackRow) {
    let entry = fixture.entries().into_iter().next().unwrap();
    let node = crate::select::find_in_snapshot(&fixture.trees(), &entry, path).unwrap().unwrap();
    let mainstay_repo::Extent::Data { block, .. } = node.content.extents[0] else { panic!("a hole") };
    for pack in fixture.repository.list_packs().unwrap() {
        let rows = fixture.repository.read_pack_listing(&pack).unwrap().rows;
        if let Some(row) = rows.into_iter().find(|row| row.block == block) {
            return (pack, row);
        }
    }
    panic!("no pack holds the block");
}

#[test]
fn a_whole_repository_verifies_and_everything_is_counted() {
    let fixture = Fixture::new();
    let entry = fixture.back_up_at(START, &tree());
    let report = verified(&fixture);
    assert_eq!(report.findings, []);
    assert!(report.is_sound());
    assert_eq!((report.packs, report.all_packs), (2, 2));
    assert_eq!(report.pack_bytes, report.all_pack_bytes);
    assert_eq!(report.blocks, fixture.repository.references(&entry).unwrap().len());
    assert!(report.plain_bytes > 1_500_000 + 700_000, "{}", report.plain_bytes);
    assert!(report.chunks > 10);
}

#[test]
fn an_empty_repository_verifies() {
    assert_eq!(verified(&Fixture::new()), VerifyReport { is_leased: true, ..VerifyReport::default() });
}

#[test]
fn a_flipped_bit_in_a_block_names_pack_block_and_paths() {
    let fixture = Fixture::new();
    let entry = fixture.back_up_at(START, &tree());
    let later = Backup { source: "other", started: START + 1, ..Backup::default() };
    let other = fixture.back_up(&files([("mine", b"own")]), &later);
    let (pack, row) = place_of(&fixture, b"docs/a.txt");
    fixture.flip(&pack.name, row.offset as usize + 60);
    let report = verified(&fixture);
    let finding = only_finding(&report);
    assert_eq!(finding.object, pack.name);
    assert!(finding.problem.contains(&row.block.to_string()), "{}", finding.problem);
    assert!(finding.problem.contains("its seal does not match"), "{}", finding.problem);
    assert_eq!(finding.snapshots, [entry.id]);
    assert_ne!(finding.snapshots, [other.id]);
    assert_eq!(finding.paths, ["/docs/a.txt", "/docs/b.txt", "/x/y/z"]);
}

#[test]
fn a_flipped_bit_in_a_block_of_trees_names_the_directories() {
    let fixture = Fixture::new();
    let entry = fixture.back_up_at(START, &tree());
    let pack = &fixture.packs(BlockKind::Tree)[0];
    fixture.flip(pack, 150);
    let report = verified(&fixture);
    let finding = only_finding(&report);
    assert_eq!((finding.object.as_str(), finding.snapshots.as_slice()), (pack.as_str(), &[entry.id][..]));
    assert_eq!(finding.paths, ["/"]);
}

#[test]
fn a_flipped_bit_in_a_large_file_names_that_file_alone() {
    let fixture = Fixture::new();
    fixture.back_up_at(START, &tree());
    let (pack, row) = place_of(&fixture, b"large");
    fixture.flip(&pack.name, (row.offset + row.stored_len / 2) as usize);
    assert_eq!(only_finding(&verified(&fixture)).paths, ["/large"]);
}

#[test]
fn a_flipped_bit_anywhere_in_a_pack_is_found() {
    let fixture = Fixture::new();
    fixture.back_up_at(START, &files([("a", b"alpha"), ("b", b"beta")]));
    for kind in [BlockKind::Content, BlockKind::Tree] {
        let pack = fixture.packs(kind)[0].clone();
        let len = fixture.repository.store().len(&pack).unwrap() as usize;
        for offset in 0..len {
            fixture.flip(&pack, offset);
            let report = verified(&fixture);
            let named = report.findings.iter().any(|finding| finding.object == pack);
            assert!(named && !report.is_sound(), "byte {offset} of {len}: {:#?}", report.findings);
            fixture.flip(&pack, offset);
        }
    }
    assert!(verified(&fixture).is_sound());
}

#[test]
fn damage_to_a_chunk_table_loses_no_path() {
    let fixture = Fixture::new();
    fixture.back_up_at(START, &tree());
    let (pack, row) = place_of(&fixture, b"text");
    fixture.flip(&pack.name, row.table_offset as usize + 20);
    let report = verified(&fixture);
    let finding = only_finding(&report);
    assert!(finding.problem.contains("chunk table"), "{}", finding.problem);
    assert_eq!((finding.path_count, finding.snapshots.len()), (0, 0));
}

#[test]
fn blocks_are_verified_even_if_the_directory_of_their_pack_is_damaged() {
    let fixture = Fixture::new();
    fixture.back_up_at(START, &tree());
    let (pack, row) = place_of(&fixture, b"large");
    let intact = verified(&fixture).blocks;
    fixture.flip(&pack.name, pack.len as usize - 30);
    let report = verified(&fixture);
    let finding = only_finding(&report);
    assert!(finding.problem.contains("checksum of its directory"), "{}", finding.problem);
    assert_eq!((finding.path_count, report.blocks), (0, intact));
    fixture.flip(&pack.name, row.offset as usize + 99);
    let report = verified(&fixture);
    let finding = only_finding(&report);
    assert_eq!(finding.paths, ["/large"]);
    assert_eq!(report.blocks, intact - 1);
}

#[test]
fn damage_in_one_pack_does_not_hide_that_in_another() {
    let fixture = Fixture::new();
    fixture.back_up_at(START, &tree());
    let (content, tree) = (&fixture.packs(BlockKind::Content)[0], &fixture.packs(BlockKind::Tree)[0]);
    fixture.flip(content, 500);
    fixture.flip(tree, 100);
    let report = verified(&fixture);
    let mut objects: Vec<&str> = report.findings.iter().map(|finding| finding.object.as_str()).collect();
    objects.sort_unstable();
    let mut expected = [content.as_str(), tree.as_str()];
    expected.sort_unstable();
    assert_eq!(objects, expected);
}

#[test]
fn many_problems_of_one_pack_are_counted_in_one_finding() {
    let fixture = Fixture::new();
    fixture.back_up_at(START, &files([("large", &noise(1, 7_000_000))]));
    let (pack, _) = place_of(&fixture, b"large");
    for row in fixture.repository.read_pack_listing(&pack).unwrap().rows {
        fixture.flip(&pack.name, row.offset as usize + 77);
    }
    let report = verified(&fixture);
    let finding = only_finding(&report);
    assert!(finding.problem.ends_with("; and 4 problems more"), "{}", finding.problem);
    assert_eq!(finding.paths, ["/large"]);
}

#[test]
fn a_pack_that_is_gone_or_cut_short_is_named() {
    for is_gone in [true, false] {
        let fixture = Fixture::new();
        let entry = fixture.back_up_at(START, &tree());
        let pack = fixture.packs(BlockKind::Content)[0].clone();
        if is_gone {
            fixture.repository.store().delete(&pack).unwrap();
        } else {
            fixture.store.damage(&pack, |bytes| bytes.truncate(1000));
        }
        let report = verified(&fixture);
        for finding in &report.findings {
            assert_eq!((&finding.object, finding.snapshots.as_slice()), (&pack, &[entry.id][..]), "{finding:#?}");
        }
        assert_eq!(report.findings[0].path_count, 5);
    }
}

#[test]
fn blocks_of_a_session_whose_data_key_is_gone_do_not_open() {
    let fixture = Fixture::new();
    fixture.back_up_at(START, &tree());
    for name in fixture.names("keys/data/") {
        fixture.repository.store().delete(&name).unwrap();
    }
    let report = verified(&fixture.reopen());
    assert_eq!(report.blocks, 0);
    assert!(report.findings.iter().any(|finding| finding.problem.contains("keys/data/")), "{:#?}", report.findings);
}

#[test]
fn a_sample_is_drawn_by_bytes_and_the_same_seed_draws_the_same() {
    let object = |number: u64| Object { name: format!("packs/{number}"), len: 100 + number };
    let packs: Vec<Object> = (0..200).map(object).collect();
    let all: u64 = packs.iter().map(|pack| pack.len).sum();
    let draw = |packs: &[Object], percent, seed| -> Vec<String> {
        let options = VerifyOptions { sample: Some(percent), seed };
        plan_packs(packs.iter(), &options).unwrap().into_iter().map(|pack| pack.name.clone()).collect()
    };
    let len =
        |names: &[String]| packs.iter().filter(|pack| names.contains(&pack.name)).map(|pack| pack.len).sum::<u64>();
    for percent in [0.001, 5.0, 50.0, 100.0] {
        let drawn = draw(&packs, percent, 7);
        let wanted = all as f64 * percent / 100.0;
        assert!(len(&drawn) as f64 >= wanted && len(&drawn) as f64 <= wanted + 300.0, "{percent}");
        assert_eq!(drawn, draw(&packs, percent, 7));
    }
    assert_eq!(draw(&packs, 100.0, 1).len(), 200);
    assert_ne!(draw(&packs, 5.0, 1), draw(&packs, 5.0, 2));
    assert!(draw(&[], 5.0, 1).is_empty());
}

#[test]
fn a_sample_that_makes_no_sense_is_refused() {
    let fixture = Fixture::new();
    for percent in [0.0, -1.0, 100.1, f64::NAN, f64::INFINITY] {
        let options = VerifyOptions { sample: Some(percent), seed: 0 };
        let refused = verify(&fixture.repository, &options, &NoProgress, &Cancel::default());
        assert!(matches!(refused, Err(Error::Invalid(_))), "{percent}");
    }
}

#[test]
fn a_sample_reads_only_the_packs_it_draws() {
    let fixture = Fixture::new();
    for number in 0..6 {
        fixture.back_up_at(START + i64::from(number), &files([("a", &noise(number, 100_000))]));
    }
    let options = VerifyOptions { sample: Some(10.0), seed: 3 };
    let report = verify(&fixture.repository, &options, &NoProgress, &Cancel::default()).unwrap();
    assert!(report.packs < report.all_packs && report.pack_bytes < report.all_pack_bytes, "{report:?}");
    assert!(report.packs >= 1 && report.is_sound());
}

#[test]
fn a_verify_stops_on_request() {
    let fixture = Fixture::new();
    fixture.back_up_at(START, &tree());
    let cancel = Cancel::default();
    cancel.request();
    assert!(matches!(verify(&fixture.repository, &ALL, &NoProgress, &cancel), Err(Error::Cancelled)));
}

fn row(serial: u32, offset: u32, stored_len: u32) -> PackRow {
    let block = BlockId { session: SessionId([1; 16]), serial };
    PackRow { block, kind: BlockKind::Content, thinned: false, offset, stored_len, table_offset: 0, table_len: 64 }
}

#[test]
fn windows_hold_whole_blocks_and_the_rest_of_the_pack() {
    let rows = [row(0, 40, 60), row(1, 100, 50), row(2, 150, 100)];
    let window = |range, rows| Window { range, rows };
    assert_eq!(plan_windows(&rows, 400, 150), [window(0..150, 0..2), window(150..300, 2..3), window(300..400, 3..3)]);
    // A block that is longer than a window is a window.
    assert_eq!(
        plan_windows(&rows, 300, 70),
        [
            window(0..40, 0..0),
            window(40..100, 0..1),
            window(100..150, 1..2),
            window(150..250, 2..3),
            window(250..300, 3..3),
        ]
    );
    assert_eq!(plan_windows(&[], 100, 60), [window(0..60, 0..0), window(60..100, 0..0)]);
    assert_eq!(plan_windows(&[], 0, 60), []);
}

#[test]
fn rows_that_cannot_be_read_as_they_say_are_taken_out() {
    let mut rows = vec![row(3, 500, 100), row(0, 40, 60), row(1, 90, 20), row(2, 100, 50), row(4, 580, 50)];
    rows.push(row(5, 1000, limits::BLOCK_LEN as u32 + (1 << 17)));
    rows.push(PackRow { table_len: u32::MAX, ..row(6, 700, 10) });
    let impossible = take_impossible(&mut rows, 600);
    let serials = |rows: &[PackRow]| rows.iter().map(|row| row.block.serial).collect::<Vec<_>>();
    assert_eq!(serials(&rows), [0, 2, 3]);
    assert_eq!(serials(&impossible), [1, 4, 6, 5]);
}

proptest! {
    #[test]
    fn windows_cover_every_byte_once_and_cut_no_block(
        blocks in proptest::collection::vec((0..50u32, 1..200u32), 0..30),
        tail in 0..500u64,
        window_len in 1..400u64,
    ) {
        let mut rows = Vec::new();
        let mut end = 0;
        for (serial, (gap, len)) in blocks.into_iter().enumerate() {
            rows.push(row(serial as u32, end + gap, len));
            end += gap + len;
        }
        let windows = plan_windows(&rows, u64::from(end) + tail, window_len);
        let (mut next_byte, mut next_row) = (0, 0);
        for window in &windows {
            prop_assert_eq!(window.range.start, next_byte);
            prop_assert!(!window.range.is_empty());
            prop_assert_eq!(window.rows.start, next_row);
            next_byte = window.range.end;
            next_row = window.rows.end;
            for row in &rows[window.rows.clone()] {
                prop_assert!(window.range.start <= u64::from(row.offset));
                prop_assert!(u64::from(row.offset + row.stored_len) <= window.range.end);
            }
            let longest = rows[window.rows.clone()].iter().map(|row| u64::from(row.stored_len)).max().unwrap_or(0);
            prop_assert!(window.range.end - window.range.start <= window_len.max(longest));
        }
        prop_assert_eq!((next_byte, next_row), (u64::from(end) + tail, rows.len()));
    }
}
