//! Tests of where chunks end.

use super::*;
use crate::fixtures::seeded;

const KEY: [u8; 32] = *b"the frozen key of the test cuts.";

fn cuts(chunker: &Chunker, cutting: Cutting, mut data: &[u8]) -> Vec<usize> {
    let mut lens = Vec::new();
    while !data.is_empty() {
        let len = chunker.cut(cutting, data);
        assert!(len > 0 && len <= MAX_CHUNK_LEN && len <= data.len(), "a chunk of {len} bytes");
        lens.push(len);
        data = &data[len..];
    }
    lens
}

fn content_cuts(data: &[u8]) -> Vec<usize> {
    cuts(&Chunker::new(&KEY), Cutting::Content, data)
}

/// Positions of the boundaries, counted from the end of the data.
fn boundaries_from_end(lens: &[usize]) -> std::collections::BTreeSet<usize> {
    let mut left: usize = lens.iter().sum();
    lens.iter()
        .map(|len| {
            left -= len;
            left
        })
        .collect()
}

#[test]
fn chunks_of_known_data_end_here_for_ever() {
    let lens = content_cuts(&seeded(1, 8 << 20));
    assert_eq!(lens, FROZEN_CUTS);
}

const FROZEN_CUTS: [usize; 13] =
    [676520, 544214, 1039393, 541313, 647463, 591958, 672141, 344291, 637299, 596281, 844041, 829851, 423843];

#[test]
fn another_key_cuts_elsewhere() {
    let data = seeded(1, 8 << 20);
    let other = cuts(&Chunker::new(&[7; 32]), Cutting::Content, &data);
    let common = boundaries_from_end(&other).intersection(&boundaries_from_end(&content_cuts(&data))).count();
    assert_eq!(common, 1, "only the end of the data is common to both");
}

#[test]
fn the_mean_length_is_about_half_a_mebibyte() {
    let lens = content_cuts(&seeded(2, 64 << 20));
    let (last, whole) = lens.split_last().expect("64 MiB are some chunks");
    assert!(*last <= MAX_CHUNK_LEN);
    assert!(whole.iter().all(|len| *len >= MIN_LEN), "a chunk is shorter than the minimum");
    let mean = whole.iter().sum::<usize>() / whole.len() / 1024;
    assert!((450..=750).contains(&mean), "{mean} KiB");
}

#[test]
fn boundaries_meet_again_after_an_insertion() {
    let chunker = Chunker::new(&KEY);
    let mut lost = Vec::new();
    for seed in 0..20 {
        let data = seeded(100 + seed, 12 << 20);
        let changed = [&data[..1_000_000], &seeded(seed, 300_000)[..], &data[1_000_000..]].concat();
        let before = boundaries_from_end(&cuts(&chunker, Cutting::Content, &data));
        let after = boundaries_from_end(&cuts(&chunker, Cutting::Content, &changed));
        lost.push(before.difference(&after).count());
    }
    let mean = lost.iter().sum::<usize>() as f64 / lost.len() as f64;
    assert!(mean <= 4.0 && lost.iter().all(|lost| *lost <= 12), "of some 20 boundaries each: {lost:?}");
}

#[test]
fn data_without_any_boundary_is_cut_at_the_longest_length() {
    let zeros = vec![0; 2 * MAX_CHUNK_LEN + 1000];
    assert_eq!(content_cuts(&zeros), [MAX_CHUNK_LEN, MAX_CHUNK_LEN, 1000]);
}

#[test]
fn short_data_is_one_chunk() {
    for len in [1, 2, 1000, MIN_LEN - 1, MIN_LEN, MIN_LEN + 1] {
        assert_eq!(content_cuts(&seeded(5, len)), [len]);
    }
}

#[test]
fn a_cut_depends_on_nothing_behind_the_longest_chunk() {
    let data = seeded(6, 8 << 20);
    let chunker = Chunker::new(&KEY);
    let mut rest = &data[..];
    while rest.len() > MAX_CHUNK_LEN {
        let len = chunker.cut(Cutting::Content, rest);
        assert_eq!(chunker.cut(Cutting::Content, &rest[..MAX_CHUNK_LEN]), len);
        rest = &rest[len..];
    }
}

/// The description in docs/format.md, word for word: one byte a step.
fn described_cut(chunker: &Chunker, data: &[u8]) -> usize {
    let mut hash = 0u64;
    for (position, byte) in data.iter().enumerate().take(MAX_CHUNK_LEN).skip(262_144) {
        hash = (hash << 1).wrapping_add(chunker.gear[usize::from(*byte)]);
        let mask = if position < 524_288 { 0x2bed_f2a4_e000_0000 } else { 0x23e9_f204_e000_0000 };
        if hash & mask == 0 {
            return position + 1;
        }
    }
    data.len().min(MAX_CHUNK_LEN)
}

#[test]
fn the_fast_loop_cuts_where_the_described_one_does() {
    let chunker = Chunker::new(&KEY);
    for seed in 10..14 {
        let data = seeded(seed, (6 << 20) + seed as usize);
        let mut rest = &data[..];
        while !rest.is_empty() {
            let len = chunker.cut(Cutting::Content, rest);
            assert_eq!(len, described_cut(&chunker, rest), "seed {seed}, {} bytes left", rest.len());
            rest = &rest[len..];
        }
    }
}

#[test]
fn fixed_cutting_ignores_the_content() {
    let chunker = Chunker::new(&KEY);
    let lens = cuts(&chunker, Cutting::Fixed { len: 65_536 }, &seeded(7, 200_000));
    assert_eq!(lens, [65_536, 65_536, 65_536, 3392]);
}
