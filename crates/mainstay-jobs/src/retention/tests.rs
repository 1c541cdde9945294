//! Tests of the rules of retention.

use jiff::tz::TimeZone;
use mainstay_repo::{Chain, Content, Link, SnapshotEntry, SnapshotId, SourceId};
use proptest::prelude::*;

mod forged;

use super::*;
use crate::fixture::{SECOND, snapshot};

const HOUR: i64 = 3600 * SECOND;
const DAY: i64 = 24 * HOUR;

/// Central Europe, written out so that no time zone database is needed.
fn berlin() -> TimeZone {
    TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
}

fn at(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_nanosecond() as i64
}

fn id(number: u32) -> SnapshotId {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    SnapshotId(bytes)
}

fn number(id: SnapshotId) -> u32 {
    let [a, b, c, d, ..] = id.0;
    u32::from_be_bytes([a, b, c, d])
}

/// Snapshots of one source, numbered from 1 in the order given.
fn history(times: &[i64]) -> Vec<SnapshotEntry> {
    let numbered = times.iter().zip(1..);
    let entries = numbered
        .map(|(time, number)| SnapshotEntry {
            id: id(number),
            snapshot: snapshot("home", number.into(), *time, Content::default()),
            forgotten: false,
            unconfirmed: false,
        })
        .collect();
    linked(entries)
}

/// Each snapshot made after the one before it of its source.
fn linked(mut entries: Vec<SnapshotEntry>) -> Vec<SnapshotEntry> {
    let mut last = BTreeMap::<String, SnapshotId>::new();
    for entry in &mut entries {
        entry.snapshot.previous = last.insert(entry.snapshot.source.clone(), entry.id);
    }
    entries
}

fn chain(entries: &[SnapshotEntry]) -> Chain {
    Chain::new(entries.iter().map(|entry| {
        let mut source = [0; 16];
        source.copy_from_slice(&blake3::hash(entry.snapshot.source.as_bytes()).as_bytes()[..16]);
        let (sequence, previous) = (entry.snapshot.sequence, entry.snapshot.previous);
        Link { source: SourceId(source), sequence, id: entry.id, previous, is_removed: false }
    }))
}

fn kept(entries: &[SnapshotEntry], rules: &Retention, now: i64, zone: &TimeZone) -> Vec<u32> {
    let plan = plan_forget(entries, &chain(entries), rules, now, zone).unwrap();
    assert_eq!(plan.keep.len() + plan.forget.len(), entries.iter().filter(|entry| !entry.forgotten).count());
    assert!(plan.keep.iter().all(|(_, reasons)| !reasons.is_empty()));
    plan.keep.into_iter().map(|(id, _)| number(id)).collect()
}

fn reasons(plan: &ForgetPlan, wanted: u32) -> Vec<&str> {
    let found = plan.keep.iter().find(|(id, _)| number(*id) == wanted);
    found.map(|(_, reasons)| reasons.iter().map(String::as_str).collect()).unwrap_or_default()
}

#[test]
fn rules_keep_the_newest_of_each_period() {
    let times = [
        at("2025-11-30T12:00:00Z"), // 1
        at("2025-12-31T12:00:00Z"), // 2: Wednesday of 2026-W01
        at("2026-01-01T12:00:00Z"), // 3
        at("2026-01-04T08:10:00Z"), // 4: Sunday
        at("2026-01-04T08:50:00Z"), // 5
        at("2026-01-05T09:00:00Z"), // 6: Monday of 2026-W02
        at("2026-01-06T09:00:00Z"), // 7
    ];
    let now = at("2026-01-06T10:00:00Z");
    let entries = history(&times);
    let none = Retention::default;
    let table: [(&str, Retention, &[u32]); 12] = [
        ("last 2", Retention { last: Some(2), ..none() }, &[6, 7]),
        ("last beyond all", Retention { last: Some(99), ..none() }, &[1, 2, 3, 4, 5, 6, 7]),
        ("hourly 3", Retention { hourly: Some(3), ..none() }, &[5, 6, 7]),
        ("daily 3", Retention { daily: Some(3), ..none() }, &[5, 6, 7]),
        ("daily 4", Retention { daily: Some(4), ..none() }, &[3, 5, 6, 7]),
        ("weekly 1", Retention { weekly: Some(1), ..none() }, &[7]),
        ("weekly 3", Retention { weekly: Some(3), ..none() }, &[1, 5, 7]),
        ("monthly 2", Retention { monthly: Some(2), ..none() }, &[2, 7]),
        ("monthly 9", Retention { monthly: Some(9), ..none() }, &[1, 2, 7]),
        ("yearly 5", Retention { yearly: Some(5), ..none() }, &[2, 7]),
        ("within 2d", Retention { within: Some(parse_span("2d").unwrap()), ..none() }, &[6, 7]),
        (
            "last 1, monthly 2, weekly 2",
            Retention { last: Some(1), monthly: Some(2), weekly: Some(2), ..none() },
            &[2, 5, 7],
        ),
    ];
    for (name, rules, expected) in table {
        assert_eq!(kept(&entries, &rules, now, &TimeZone::UTC), expected, "{name}");
    }
}

#[test]
fn every_reason_is_told() {
    let mut entries = history(&[at("2026-01-05T08:00:00Z"), at("2026-01-05T09:30:00Z")]);
    entries[0].snapshot.tags.push("before-upgrade".to_owned());
    let rules = Retention {
        last: Some(1),
        hourly: Some(1),
        daily: Some(1),
        weekly: Some(1),
        monthly: Some(1),
        yearly: Some(1),
        within: Some(parse_span("1h").unwrap()),
        keep_tags: vec!["before-upgrade".to_owned()],
    };
    let plan = plan_forget(&entries, &chain(&entries), &rules, at("2026-01-05T10:00:00Z"), &TimeZone::UTC).unwrap();
    assert_eq!(reasons(&plan, 1), ["tag before-upgrade"]);
    assert_eq!(
        reasons(&plan, 2),
        [
            "last 1",
            "hourly 2026-01-05 09:00+00:00",
            "daily 2026-01-05",
            "weekly 2026-W02",
            "monthly 2026-01",
            "yearly 2026",
            "not before 2026-01-05 09:00",
        ]
    );
}

#[test]
fn days_and_hours_are_those_of_the_zone() {
    // 23:30 and 00:30 in Berlin are one day in UTC.
    let entries = history(&[at("2026-01-01T22:30:00Z"), at("2026-01-01T23:30:00Z")]);
    let now = at("2026-01-02T12:00:00Z");
    let daily = Retention { daily: Some(9), ..Retention::default() };
    assert_eq!(kept(&entries, &daily, now, &TimeZone::UTC), [2]);
    assert_eq!(kept(&entries, &daily, now, &berlin()), [1, 2]);
}

#[test]
fn the_hour_that_comes_twice_is_two_hours() {
    // On 2026-10-25 clocks in Berlin go from 03:00 back to 02:00.
    let entries = history(&[at("2026-10-25T00:30:00Z"), at("2026-10-25T01:30:00Z")]);
    let hourly = Retention { hourly: Some(9), ..Retention::default() };
    assert_eq!(kept(&entries, &hourly, at("2026-10-26T00:00:00Z"), &berlin()), [1, 2]);
}

#[test]
fn a_rule_set_that_keeps_nothing_is_refused() {
    let entries = history(&[at("2026-01-01T00:00:00Z")]);
    for rules in [Retention::default(), Retention { last: Some(0), daily: Some(0), ..Retention::default() }] {
        let planned = plan_forget(&entries, &chain(&entries), &rules, at("2026-01-02T00:00:00Z"), &TimeZone::UTC);
        assert!(matches!(planned, Err(Error::Invalid(_))));
    }
}

#[test]
fn a_snapshot_from_the_future_is_kept_and_takes_no_place_of_another() {
    let entries = history(&[
        at("2026-01-01T12:00:00Z"),
        at("2030-01-01T12:00:00Z"),
        at("2026-01-02T12:00:00Z"),
        at("2026-01-03T12:00:00Z"),
    ]);
    let rules = Retention { last: Some(2), ..Retention::default() };
    let plan = plan_forget(&entries, &chain(&entries), &rules, at("2026-01-04T00:00:00Z"), &TimeZone::UTC).unwrap();
    assert_eq!(reasons(&plan, 2), ["its time is in the future"]);
    assert_eq!(plan.forget, [id(1)]);
}

#[test]
fn the_newest_snapshot_of_a_source_is_kept_even_if_no_rule_wants_it() {
    let entries = history(&[at("2020-01-01T00:00:00Z"), at("2020-01-02T00:00:00Z")]);
    let rules = Retention { within: Some(parse_span("30d").unwrap()), ..Retention::default() };
    let plan = plan_forget(&entries, &chain(&entries), &rules, at("2026-01-01T00:00:00Z"), &TimeZone::UTC).unwrap();
    assert_eq!(reasons(&plan, 2), ["newest of its source"]);
    assert_eq!(plan.forget, [id(1)]);
}

#[test]
fn a_clock_that_was_set_back_does_not_make_the_newest_snapshot_the_oldest() {
    let entries = history(&[at("2026-01-01T00:00:00Z"), at("2026-01-02T00:00:00Z"), at("1970-01-01T00:05:00Z")]);
    let rules = Retention { last: Some(1), ..Retention::default() };
    assert_eq!(kept(&entries, &rules, at("2026-01-03T00:00:00Z"), &TimeZone::UTC), [2, 3]);
}

#[test]
fn each_source_is_judged_by_itself_and_the_forgotten_are_left_alone() {
    let mut entries = history(&[DAY, 2 * DAY, 3 * DAY, 4 * DAY]);
    entries[1].snapshot.source = "other".to_owned();
    entries[3].forgotten = true;
    let entries = linked(entries);
    let rules = Retention { last: Some(1), ..Retention::default() };
    let plan = plan_forget(&entries, &chain(&entries), &rules, 9 * DAY, &TimeZone::UTC).unwrap();
    assert_eq!(plan.keep.iter().map(|(id, _)| number(*id)).collect::<Vec<_>>(), [3, 2]);
    assert_eq!(plan.forget, [id(1)]);
}

#[test]
fn a_time_that_no_calendar_holds_is_an_error() {
    let entries = history(&[DAY]);
    let rules = Retention { within: Some(parse_span("19998y").unwrap()), ..Retention::default() };
    let planned = plan_forget(&entries, &chain(&entries), &rules, 9 * DAY, &TimeZone::UTC);
    assert!(matches!(planned, Err(Error::Invalid(_))), "{planned:?}");
}

#[test]
fn lengths_of_time_are_read_as_people_write_them() {
    for (text, expected) in [
        ("30d", "P30D"),
        ("6h", "PT6H"),
        ("1y6m2w3d", "P1Y6M2W3D"),
        ("1y12h", "P1YT12H"),
        ("P30D", "P30D"),
        ("PT36H", "PT36H"),
    ] {
        assert_eq!(parse_span(text).unwrap().to_string(), expected, "{text}");
    }
    for text in
        ["", "0d", "30", "d", "3x", "2d1y", "1d1d", "-1d", "P0D", "-P1D", "Pfoo", "1.5d", "99999999999999999999d"]
    {
        assert!(matches!(parse_span(text), Err(Error::Invalid(_))), "{text}");
    }
}

/// Times within some years around `NOW`, some of them in the future.
const NOW: i64 = 1_767_225_600 * SECOND;

fn any_entries() -> impl Strategy<Value = Vec<SnapshotEntry>> {
    let one = (-900 * 24..20i64, 0..60i64, 0..3u8, any::<bool>());
    proptest::collection::vec(one, 1..40).prop_map(|drawn| {
        let hours: Vec<i64> = drawn.iter().map(|(hour, minute, ..)| NOW + hour * HOUR + minute * HOUR / 60).collect();
        let mut entries = history(&hours);
        for (entry, (_, _, source, is_tagged)) in entries.iter_mut().zip(&drawn) {
            entry.snapshot.source = format!("source {source}");
            entry.snapshot.tags = is_tagged.then(|| "kept".to_owned()).into_iter().collect();
        }
        linked(entries)
    })
}

fn any_rules() -> impl Strategy<Value = Retention> {
    let count = || proptest::option::weighted(0.4, 1..6u32);
    let within = proptest::option::weighted(0.3, 1..600i64);
    (count(), count(), count(), count(), (count(), count()), within, any::<bool>()).prop_map(
        |(last, hourly, daily, weekly, (monthly, yearly), within, tags)| Retention {
            last,
            hourly,
            daily,
            weekly,
            monthly,
            yearly,
            within: within.map(|days| Span::new().days(days)),
            keep_tags: if tags { vec!["kept".to_owned()] } else { Vec::new() },
        },
    )
}

fn plan(entries: &[SnapshotEntry], rules: &Retention) -> Option<ForgetPlan> {
    plan_forget(entries, &chain(entries), rules, NOW, &berlin()).ok()
}

/// All that either rule set asks for.
fn more(a: &Retention, b: &Retention) -> Retention {
    Retention {
        last: a.last.max(b.last),
        hourly: a.hourly.max(b.hourly),
        daily: a.daily.max(b.daily),
        weekly: a.weekly.max(b.weekly),
        monthly: a.monthly.max(b.monthly),
        yearly: a.yearly.max(b.yearly),
        within: a.within.or(b.within),
        keep_tags: [a.keep_tags.as_slice(), b.keep_tags.as_slice()].concat(),
    }
}

proptest! {
    #[test]
    fn any_rules_keep_the_newest_of_each_source(entries in any_entries(), rules in any_rules()) {
        let Some(plan) = plan(&entries, &rules) else { return Ok(()) };
        for entry in &entries {
            let newest = entries
                .iter()
                .filter(|other| other.snapshot.source == entry.snapshot.source)
                .max_by_key(|other| other.snapshot.sequence)
                .unwrap();
            prop_assert!(!plan.forget.contains(&newest.id));
        }
    }

    #[test]
    fn every_snapshot_is_either_kept_or_forgotten(entries in any_entries(), rules in any_rules()) {
        let Some(plan) = plan(&entries, &rules) else { return Ok(()) };
        let mut all: Vec<SnapshotId> = plan.keep.iter().map(|(id, _)| *id).chain(plan.forget).collect();
        all.sort();
        let mut expected: Vec<SnapshotId> = entries.iter().map(|entry| entry.id).collect();
        expected.sort();
        prop_assert_eq!(all, expected);
    }

    #[test]
    fn more_rules_never_forget_more(entries in any_entries(), a in any_rules(), b in any_rules()) {
        let (Some(few), Some(many)) = (plan(&entries, &a), plan(&entries, &more(&a, &b))) else { return Ok(()) };
        for id in many.forget {
            prop_assert!(few.forget.contains(&id));
        }
    }

    #[test]
    fn a_plan_that_was_carried_out_forgets_nothing_more(entries in any_entries(), rules in any_rules()) {
        let Some(first) = plan(&entries, &rules) else { return Ok(()) };
        // What was removed is recorded, and stays a link.
        let whole = chain(&entries);
        let mut left = entries;
        left.retain(|entry| !first.forget.contains(&entry.id));
        let second = plan_forget(&left, &whole, &rules, NOW, &berlin()).unwrap();
        prop_assert_eq!(second.forget, Vec::new());
        prop_assert_eq!(second.keep.len(), first.keep.len());
    }
}
