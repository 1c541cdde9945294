//! Which snapshots are kept.
//!
//! Owns the rules and the plan that follows from them. Pure: the time and the time zone are handed in. Invariants: the
//! newest snapshot of a source is always kept; a rule more never forgets more; a plan carried out and made again
//! forgets nothing further.
//!
//! Times are what writers say, and a writer may lie. So rules judge only snapshots that are in the line of their source and
//! whose time lies between that of the one before and now: whoever adds snapshots cannot make an earlier one look older, nor
//! take its place in a period that has passed. All others are kept and take nobody's place, and so is the snapshot beside
//! which a time is seen to run backwards: without it the next plan would believe that time.

mod span;

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, Zoned};
use mainstay_repo::{Chain, SnapshotEntry, SnapshotId};

use crate::{Error, Result};
pub use span::parse_span;

#[cfg(test)]
mod tests;

/// What to keep; a snapshot stays if one rule wants it. Counts are per source.
#[derive(Clone, Debug, Default)]
pub struct Retention {
    /// The newest snapshots, by their order in the source's history.
    pub last: Option<u32>,
    /// The newest snapshot of each of the latest hours that have one; likewise below.
    pub hourly: Option<u32>,
    pub daily: Option<u32>,
    /// Weeks as ISO 8601 counts them, from Monday.
    pub weekly: Option<u32>,
    pub monthly: Option<u32>,
    pub yearly: Option<u32>,
    /// Every snapshot that is not older.
    pub within: Option<Span>,
    /// Every snapshot with one of these tags.
    pub keep_tags: Vec<String>,
}

impl Retention {
    /// Whether no rule would keep anything.
    pub fn is_empty(&self) -> bool {
        let counts = [self.last, self.hourly, self.daily, self.weekly, self.monthly, self.yearly];
        counts.iter().all(|count| count.unwrap_or(0) == 0) && self.within.is_none() && self.keep_tags.is_empty()
    }

    fn periods(&self) -> [(Period, u32); 5] {
        [
            (Period::Hour, self.hourly.unwrap_or(0)),
            (Period::Day, self.daily.unwrap_or(0)),
            (Period::Week, self.weekly.unwrap_or(0)),
            (Period::Month, self.monthly.unwrap_or(0)),
            (Period::Year, self.yearly.unwrap_or(0)),
        ]
    }
}

/// What becomes of each snapshot that is not forgotten yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ForgetPlan {
    /// With the reasons, oldest snapshot of a source first.
    pub keep: Vec<(SnapshotId, Vec<String>)>,
    pub forget: Vec<SnapshotId>,
}

/// Decides which snapshots are forgotten. `chain` tells what is in the line of each source; `now` is in nanoseconds since the
/// Unix epoch; hours and days are those of `zone`.
///
/// # Errors
/// [`Error::Invalid`] when no rule would keep anything: that is a mistake, not a wish to lose all.
pub fn plan_forget(
    snapshots: &[SnapshotEntry],
    chain: &Chain,
    rules: &Retention,
    now: i64,
    zone: &TimeZone,
) -> Result<ForgetPlan> {
    if rules.is_empty() {
        return Err(Error::Invalid("plan forget: no rule says what to keep".to_owned()));
    }
    let cutoff = rules.within.map(|span| cutoff(&zoned(now, zone), span)).transpose()?;
    let mut sources = BTreeMap::<&str, Vec<&SnapshotEntry>>::new();
    // One that nobody has confirmed stays, and makes no other one superfluous.
    for entry in snapshots.iter().filter(|entry| !entry.forgotten && !entry.unconfirmed) {
        sources.entry(&entry.snapshot.source).or_default().push(entry);
    }
    let mut plan = ForgetPlan::default();
    for entries in sources.into_values() {
        let mut judged = Judged::new(entries, zone);
        let believed = judged.believe(chain, now);
        judged.apply(rules, &believed, cutoff.as_ref());
        for (candidate, reasons) in judged.candidates.iter().zip(judged.reasons) {
            if reasons.is_empty() {
                plan.forget.push(candidate.entry.id);
            } else {
                plan.keep.push((candidate.entry.id, reasons));
            }
        }
    }
    Ok(plan)
}

struct Candidate<'e> {
    entry: &'e SnapshotEntry,
    time: Zoned,
}

/// The snapshots of one source, in the order of its history, and why each is kept.
struct Judged<'e> {
    candidates: Vec<Candidate<'e>>,
    reasons: Vec<Vec<String>>,
}

impl<'e> Judged<'e> {
    fn new(mut entries: Vec<&'e SnapshotEntry>, zone: &TimeZone) -> Self {
        entries.sort_by_key(|entry| (entry.snapshot.sequence, entry.snapshot.started, entry.id));
        let candidates: Vec<Candidate<'e>> =
            entries.into_iter().map(|entry| Candidate { entry, time: zoned(entry.snapshot.started, zone) }).collect();
        Self { reasons: vec![Vec::new(); candidates.len()], candidates }
    }

    /// Finds the snapshots that rules may judge, in the order of their history and thus of their times, and keeps the others.
    fn believe(&mut self, chain: &Chain, now: i64) -> Vec<usize> {
        let mut believed: Vec<usize> = Vec::new();
        for position in 0..self.candidates.len() {
            let Some(entry) = self.entry(position) else { continue };
            let before = believed.last().copied().and_then(|before| Some((before, self.entry(before)?)));
            let reason = match before {
                _ if !chain.is_in_line(entry.id) => "not in the line of its source",
                _ if entry.snapshot.started > now => "its time is in the future",
                Some((witness, before)) if entry.snapshot.started < before.snapshot.started => {
                    self.keep_once(witness, "a later one has an earlier time");
                    "its time is before that of an earlier one"
                }
                _ => {
                    believed.push(position);
                    continue;
                }
            };
            self.keep(position, reason.to_owned());
        }
        believed
    }

    fn apply(&mut self, rules: &Retention, believed: &[usize], cutoff: Option<&Zoned>) {
        self.keep_last(believed, rules.last.unwrap_or(0));
        for (period, count) in rules.periods() {
            self.keep_periods(believed, period, count);
        }
        for position in believed {
            if let (Some(cutoff), Some(time)) = (cutoff, self.time(*position))
                && time >= cutoff
            {
                let reason = format!("not before {}", cutoff.strftime("%Y-%m-%d %H:%M"));
                self.keep(*position, reason);
            }
        }
        for position in 0..self.candidates.len() {
            self.keep_tagged(position, &rules.keep_tags);
        }
        // The newest, and the newest whose time is believed, should the newest lie.
        for newest in [self.candidates.len().checked_sub(1), believed.last().copied()].into_iter().flatten() {
            if self.reasons.get(newest).is_some_and(Vec::is_empty) {
                self.keep(newest, "newest of its source".to_owned());
            }
        }
    }

    fn keep_last(&mut self, believed: &[usize], count: u32) {
        for (number, position) in believed.iter().rev().take(count as usize).enumerate() {
            self.keep(*position, format!("last {}", number + 1));
        }
    }

    /// Keeps the newest snapshot of each of the latest `count` periods that have one.
    fn keep_periods(&mut self, believed: &[usize], period: Period, count: u32) {
        let mut seen = BTreeSet::new();
        for position in believed.iter().rev() {
            let Some(name) = self.time(*position).map(|time| period.name_at(time)) else { continue };
            if seen.len() == count as usize && !seen.contains(&name) {
                break;
            }
            if seen.insert(name.clone()) {
                self.keep(*position, format!("{} {name}", period.rule()));
            }
        }
    }

    fn keep_tagged(&mut self, position: usize, tags: &[String]) {
        let Some(candidate) = self.candidates.get(position) else { return };
        let found = candidate.entry.snapshot.tags.iter().find(|tag| tags.contains(tag));
        if let Some(tag) = found {
            self.keep(position, format!("tag {tag}"));
        }
    }

    fn entry(&self, position: usize) -> Option<&'e SnapshotEntry> {
        self.candidates.get(position).map(|candidate| candidate.entry)
    }

    fn time(&self, position: usize) -> Option<&Zoned> {
        self.candidates.get(position).map(|candidate| &candidate.time)
    }

    /// Keeps a snapshot for a reason that may come up several times.
    fn keep_once(&mut self, position: usize, reason: &str) {
        if self.reasons.get(position).is_some_and(|reasons| !reasons.iter().any(|known| known == reason)) {
            self.keep(position, reason.to_owned());
        }
    }

    fn keep(&mut self, position: usize, reason: String) {
        if let Some(reasons) = self.reasons.get_mut(position) {
            reasons.push(reason);
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Period {
    Hour,
    Day,
    Week,
    Month,
    Year,
}

impl Period {
    fn rule(self) -> &'static str {
        match self {
            Self::Hour => "hourly",
            Self::Day => "daily",
            Self::Week => "weekly",
            Self::Month => "monthly",
            Self::Year => "yearly",
        }
    }

    /// The period that holds a time, in words; two times are in the same period if the words are the same.
    fn name_at(self, time: &Zoned) -> String {
        let format = match self {
            // The hour that comes twice when clocks are set back differs in its offset.
            Self::Hour => "%Y-%m-%d %H:00%:z",
            Self::Day => "%Y-%m-%d",
            Self::Week => "%G-W%V",
            Self::Month => "%Y-%m",
            Self::Year => "%Y",
        };
        time.strftime(format).to_string()
    }
}

/// Every 64-bit count of nanoseconds is a time between 1677 and 2262, which a timestamp can be.
fn zoned(nanoseconds: i64, zone: &TimeZone) -> Zoned {
    Timestamp::from_nanosecond(nanoseconds.into()).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(zone.clone())
}

fn cutoff(now: &Zoned, span: Span) -> Result<Zoned> {
    now.checked_sub(span).map_err(|error| Error::Invalid(format!("plan forget: subtract {span} from now: {error}")))
}
