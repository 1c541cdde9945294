//! Whoever may only add snapshots takes away no place of those that are there, whatever times, hosts and tags are forged.

use super::*;

/// Three years of a daily backup at noon.
const DAYS: i64 = 3 * 365;

/// The time of the forget command, some hours after the last true backup.
fn now() -> i64 {
    NOW + 4 * HOUR
}

fn true_history() -> Vec<SnapshotEntry> {
    history(&(0..DAYS).map(|day| NOW - (DAYS - 1 - day) * DAY).collect::<Vec<_>>())
}

fn rules() -> Retention {
    Retention {
        last: Some(5),
        hourly: Some(10),
        daily: Some(7),
        weekly: Some(5),
        monthly: Some(12),
        yearly: Some(3),
        within: Some(parse_span("2w").unwrap()),
        keep_tags: vec!["release".to_owned()],
    }
}

/// Adds so many forged snapshots after the last true one, as a writer would, with a time for each.
fn with_forged(mut entries: Vec<SnapshotEntry>, count: u32, time: impl Fn(u32) -> i64) -> Vec<SnapshotEntry> {
    let before = entries.len() as u32;
    for number in 0..count {
        let place = before + number + 1;
        let mut forged = snapshot("home", place.into(), time(number), Content::default());
        forged.host = format!("host {}", number % 7);
        forged.tags = vec!["release".to_owned()];
        entries.push(SnapshotEntry { id: id(place), snapshot: forged, forgotten: false, unconfirmed: false });
    }
    linked(entries)
}

/// The true snapshots that are kept, and why.
fn kept_of_true(entries: &[SnapshotEntry]) -> BTreeMap<u32, Vec<String>> {
    let plan = plan_forget(entries, &chain(entries), &rules(), now(), &TimeZone::UTC).unwrap();
    let kept = plan.keep.into_iter().map(|(id, reasons)| (number(id), reasons));
    kept.filter(|(number, _)| i64::from(*number) <= DAYS).collect()
}

/// Every true snapshot that is kept without the forged ones is kept with them, for the same reasons at least.
fn assert_nothing_is_pushed_out(forged: &[SnapshotEntry], what: &str) {
    let (alone, beside) = (kept_of_true(&true_history()), kept_of_true(forged));
    for (number, reasons) in alone {
        let held = beside.get(&number).unwrap_or_else(|| panic!("{what}: #{number} is gone, kept for {reasons:?}"));
        assert!(reasons.iter().all(|reason| held.contains(reason)), "{what}: #{number}: {reasons:?} became {held:?}");
    }
}

/// The time of the forged snapshot with this number.
type ForgedTime = Box<dyn Fn(u32) -> i64>;

#[test]
fn ten_thousand_snapshots_with_forged_times_push_out_no_true_one() {
    let spread = |number: u32| i64::from(number).wrapping_mul(7919) % (4 * 365);
    let attacks: [(&str, ForgedTime); 7] = [
        ("1970", Box::new(i64::from)),
        ("the oldest time there is", Box::new(|_| i64::MIN)),
        ("one for each past day, just before midnight", Box::new(move |number| NOW - spread(number) * DAY + 11 * HOUR)),
        ("just before the last true one", Box::new(|_| NOW - 1)),
        ("the future", Box::new(move |number| now() + 1 + spread(number) * DAY)),
        ("the last time there is", Box::new(|_| i64::MAX - SECOND)),
        ("past and future by turns", Box::new(move |number| NOW + (spread(number) - 2 * 365) * DAY + HOUR / 2)),
    ];
    for (what, time) in attacks {
        // Of those by turns, hours between the last true one and now are left to the next test.
        let time = |number: u32| match time(number) {
            time if time >= NOW && time <= now() => NOW - 1,
            time => time,
        };
        assert_nothing_is_pushed_out(&with_forged(true_history(), 10_000, time), what);
    }
}

#[test]
fn times_that_might_be_true_take_places_of_the_present_only() {
    let forged = with_forged(true_history(), 10_000, |number| NOW + i64::from(number) * (now() - NOW) / 10_000);
    let (alone, beside) = (kept_of_true(&true_history()), kept_of_true(&forged));
    let lost: Vec<u32> = alone.keys().filter(|number| !beside.contains_key(number)).copied().collect();
    assert_eq!(lost, [0; 0], "all within two weeks, and the newest of each earlier period");
    let reasons = |kept: &BTreeMap<u32, Vec<String>>| {
        kept.values().flatten().filter(|reason| reason.starts_with("daily")).count()
    };
    assert_eq!((reasons(&alone), reasons(&beside)), (7, 6), "today's place is that of today's newest");
}

#[test]
fn a_snapshot_slipped_into_the_past_takes_no_place() {
    let entries = true_history();
    // Later on the same day as each, with the number of the next one, made after the one before it.
    let slipped = entries.iter().rev().skip(2).take(400).enumerate().map(|(number, entry)| {
        let mut forged =
            snapshot("home", entry.snapshot.sequence + 1, entry.snapshot.started + HOUR, Content::default());
        forged.previous = Some(entry.id);
        SnapshotEntry { id: id(100_000 + number as u32), snapshot: forged, forgotten: false, unconfirmed: false }
    });
    let all: Vec<SnapshotEntry> = slipped.chain(entries.iter().cloned()).collect();
    assert_nothing_is_pushed_out(&all, "slipped in");
}

#[test]
fn a_forged_head_that_names_an_old_snapshot_as_the_one_before_it_pushes_out_nothing() {
    let mut entries = with_forged(true_history(), 1, |_| NOW + HOUR);
    entries.last_mut().unwrap().snapshot.previous = Some(id(1));
    let plan = plan_forget(&entries, &chain(&entries), &rules(), now(), &TimeZone::UTC).unwrap();
    assert!(plan.forget.is_empty(), "what is not in the line any more is kept");
}

#[test]
fn another_source_is_judged_apart_whatever_is_forged_there() {
    let mut entries = with_forged(true_history(), 10_000, |number| NOW + i64::from(number));
    entries.iter_mut().skip(DAYS as usize).for_each(|entry| entry.snapshot.source = "elsewhere".to_owned());
    let entries = linked(entries);
    assert_nothing_is_pushed_out(&entries, "another source");
}
