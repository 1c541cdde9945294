//! Tests of sizes, counts and lengths of time.

use super::*;

#[test]
fn sizes_have_three_or_four_digits_and_iec_units() {
    for (bytes, shown) in [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.00 KiB"),
        (1_048_064, "1.00 MiB"),
        (1_300_000_000, "1.21 GiB"),
        (10 << 20, "10.0 MiB"),
        (100 << 20, "100 MiB"),
        (u64::MAX, "16.0 EiB"),
    ] {
        assert_eq!(size(bytes), shown);
    }
}

#[test]
fn lengths_of_time_have_at_most_two_units() {
    for (milliseconds, shown) in [
        (0, "0.0 s"),
        (840, "0.8 s"),
        (41_000, "41 s"),
        (200_000, "3 min 20 s"),
        (7_500_000, "2 h 5 min"),
        (3_600_000, "1 h"),
        (273_600_000, "3 d 4 h"),
    ] {
        assert_eq!(duration(Duration::from_millis(milliseconds)), shown);
    }
}

#[test]
fn counts_have_their_thousands_apart() {
    assert_eq!(count(0), "0");
    assert_eq!(count(999), "999");
    assert_eq!(count(80_000), "80,000");
    assert_eq!(count(1_234_567), "1,234,567");
    assert_eq!(counted(1, "file", "files"), "1 file");
}

#[test]
fn typed_sizes_are_powers_of_1024_and_nonsense_is_refused() {
    for (text, bytes) in [("0", 0), ("100M", 100 << 20), ("2GiB", 2 << 30), ("5 k", 5 << 10), ("7b", 7)] {
        assert_eq!(parse_size(text), Ok(bytes), "{text}");
    }
    for text in ["", "M", "1.5G", "-1", "10MB", "99999999999T", "1 0K"] {
        assert!(parse_size(text).is_err(), "{text}");
    }
}

#[test]
fn shares_are_above_nothing_and_at_most_everything() {
    assert_eq!(parse_percent("5%"), Ok(5.0));
    assert_eq!(parse_percent("0.5%"), Ok(0.5));
    for text in ["5", "0%", "101%", "-1%", "x%", "%", "NaN%"] {
        assert!(parse_percent(text).is_err(), "{text}");
    }
    assert_eq!(percent(1, 3), "33 %");
    assert_eq!(percent(1, 50), "2.0 %");
    assert_eq!(percent(0, 0), "0 %");
}
