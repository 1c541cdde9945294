//! Tests of medians, ratios and conditions.

use super::super::measure::Sample;
use super::*;
use std::time::Duration;

fn row(tool: &'static str, operation: &'static str, wall_ms: u64) -> Row {
    Row {
        data_set: "A",
        operation,
        tool,
        round: 0,
        sample: Sample {
            wall: Duration::from_millis(wall_ms),
            processor: Duration::from_millis(2 * wall_ms),
            peak_bytes: 100 << 20,
        },
        repository_bytes: wall_ms * 1_000_000,
        added_bytes: 0,
    }
}

#[test]
fn the_ratio_is_taken_of_medians_to_the_fastest_rival() {
    let rows = [
        row("mainstay", "first", 1000),
        row("mainstay", "first", 9000),
        row("mainstay", "first", 2000),
        row("restic", "first", 9000),
        row("rustic", "first", 7000),
        row("tar", "first", 1900),
    ];
    let text = table(&rows, "A", &["mainstay", "restic", "rustic", "tar"]);
    assert!(text.contains("| 2.00 s (CPU 4.0, 100 MiB) |"), "{text}");
    assert!(text.contains("| 3.5× | ≥ 3× ✓ |"), "{text}");
    assert!(text.contains("* first backup 2.00 s, tar | zstd 1.90 s ✗"), "{text}");
    assert!(text.contains("* peak memory 100 MiB, to reach ≤ 128 MiB ✓"), "{text}");
}

#[test]
fn a_missing_peer_leaves_a_dash() {
    let text = table(&[row("mainstay", "verify", 500)], "A", &["mainstay", "borg"]);
    assert!(text.contains("| – | – | ≥ 5.5× |"), "{text}");
    assert!(!text.contains("first backup"), "{text}");
}

#[test]
fn an_even_number_of_runs_takes_the_middle() {
    let rows = [row("mainstay", "verify", 1000), row("mainstay", "verify", 3000)];
    assert!(table(&rows, "A", &["mainstay"]).contains("2.00 s"));
}
