//! Tests of the moving rate.

use super::*;

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[test]
fn the_rate_follows_the_last_seconds_only() {
    let mut rate = Rate::default();
    for second in 0..=20 {
        rate.sample(seconds(second), second * 100);
    }
    assert_eq!(rate.per_second(), 100.0);
    for second in 21..=30 {
        rate.sample(seconds(second), 2000 + (second - 20) * 10);
    }
    assert_eq!(rate.per_second(), 10.0);
    assert!(rate.samples.len() <= 7);
}

#[test]
fn the_rest_is_known_only_when_something_moves_towards_an_end() {
    let mut rate = Rate::default();
    assert_eq!(rate.remaining(0, 100), None);
    rate.sample(seconds(0), 0);
    assert_eq!(rate.remaining(0, 100), None);
    rate.sample(seconds(1), 20);
    assert_eq!(rate.remaining(20, 100), Some(seconds(4)));
    assert_eq!(rate.remaining(20, 0), None);
    assert_eq!(rate.remaining(120, 100), None);
}

#[test]
fn a_count_that_begins_anew_has_a_rate_of_its_own() {
    let mut rate = Rate::default();
    rate.sample(seconds(0), 0);
    rate.sample(seconds(1), 1000);
    rate.sample(seconds(2), 10);
    rate.sample(seconds(3), 20);
    assert_eq!(rate.per_second(), 10.0);
}
