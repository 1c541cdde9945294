//! Moments as text: RFC 3339 with the zone, and how long ago they were.
//!
//! Owns both forms. Asks no clock: the present is handed in.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::units;

/// A moment in the zone of this machine: `2026-03-01T14:02:11+01:00`.
pub fn local(nanoseconds: i64) -> String {
    zoned(nanoseconds, TimeZone::system())
}

fn zoned(nanoseconds: i64, zone: TimeZone) -> String {
    timestamp(nanoseconds).to_zoned(zone).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// A moment for JSON: in UTC, with all its digits.
pub fn utc(nanoseconds: i64) -> String {
    timestamp(nanoseconds).to_string()
}

/// A time of a file, in seconds and nanoseconds, for JSON; times beyond the year 9999 are the last one of it.
pub fn utc_of(seconds: i64, nanoseconds: u32) -> String {
    file_time(seconds, nanoseconds).to_string()
}

/// A time of a file in the zone of this machine.
pub fn local_of(seconds: i64, nanoseconds: u32) -> String {
    let zoned = file_time(seconds, nanoseconds).to_zoned(TimeZone::system());
    zoned.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// How long ago something was: `4 min ago`, `in the future`.
pub fn ago(then: i64, now: i64) -> String {
    match u64::try_from(now.saturating_sub(then)) {
        Ok(age) => format!("{} ago", units::duration(Duration::from_nanos(age))),
        Err(_) => "in the future".to_owned(),
    }
}

fn timestamp(nanoseconds: i64) -> Timestamp {
    // All moments of an i64 lie between 1677 and 2262.
    Timestamp::from_nanosecond(nanoseconds.into()).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn file_time(seconds: i64, nanoseconds: u32) -> Timestamp {
    let seconds = seconds.clamp(Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
    let nanoseconds = i32::try_from(nanoseconds).unwrap_or(0);
    Timestamp::new(seconds, nanoseconds).or_else(|_| Timestamp::from_second(seconds)).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests;
