//! Tests of moments as text.

use super::*;

#[test]
fn moments_carry_their_zone() {
    let moment = 1_600_000_000_123_456_789;
    assert_eq!(utc(moment), "2020-09-13T12:26:40.123456789Z");
    let zone = TimeZone::fixed(jiff::tz::offset(2));
    assert_eq!(zoned(moment, zone), "2020-09-13T14:26:40+02:00");
}

#[test]
fn ages_count_from_the_present_that_is_given() {
    assert_eq!(ago(0, 240_000_000_000), "4 min ago");
    assert_eq!(ago(10, 5), "in the future");
    assert_eq!(ago(i64::MIN, i64::MAX), "106751 d 23 h ago");
}

#[test]
fn times_of_files_that_no_calendar_holds_are_still_shown() {
    assert_eq!(utc_of(0, 1), "1970-01-01T00:00:00.000000001Z");
    assert!(utc_of(i64::MAX, 999_999_999).starts_with("9999-12-30"));
    assert!(utc_of(i64::MIN, u32::MAX).starts_with("-009999"));
}
