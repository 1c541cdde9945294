//! Moments, checksums, and when a lock counts.

use super::*;

#[test]
fn a_moment_is_the_next_whole_second_in_utc() {
    for (nanoseconds, expected) in [
        (0, "1970-01-01T00:00:00"),
        (1, "1970-01-01T00:00:01"),
        (-1, "1970-01-01T00:00:00"),
        (951_782_400_000_000_000, "2000-02-29T00:00:00"),
        (1_772_373_731_001_747_031, "2026-03-01T14:02:12"),
        (4_102_444_799_000_000_000, "2099-12-31T23:59:59"),
        (i64::MAX, "2262-04-11T23:47:17"),
        (i64::MIN, "1677-09-21T00:12:44"),
    ] {
        assert_eq!(seconds_of(nanoseconds), expected);
    }
}

#[test]
fn checksums_are_those_that_everybody_computes() {
    // The check value of CRC-32/ISO-HDLC.
    assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    assert_eq!(base64(0xcbf4_3926), "y/Q5Jg==");
    assert_eq!(base64(0), "AAAAAA==");
    assert_eq!(base64(u32::MAX), "/////w==");
}

#[test]
fn a_lock_counts_if_it_is_as_long_and_as_strict() {
    let shown = Shown::parse;
    let wanted = shown("COMPLIANCE", "2033-03-01T14:02:12Z").unwrap();
    assert!(shown("COMPLIANCE", "2033-03-01T14:02:12.000Z").unwrap().keeps(&wanted));
    assert!(shown("COMPLIANCE", "2040-01-01T00:00:00Z").unwrap().keeps(&wanted));
    assert!(!shown("COMPLIANCE", "2033-03-01T14:02:11Z").unwrap().keeps(&wanted));
    assert!(!shown("GOVERNANCE", "2040-01-01T00:00:00Z").unwrap().keeps(&wanted));
    assert_eq!(shown("COMPLIANCE", "soon"), None);
}
