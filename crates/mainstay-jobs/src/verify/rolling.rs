//! Verifying a part of the packs with each run, so that within a period every byte was verified.
//!
//! Owns what is remembered of earlier runs, and the choice of what is due. Pure data: reads no clock and no file. What is
//! remembered is disposable: without it every pack counts as never verified, and the period begins anew.

use std::collections::{BTreeMap, HashSet};

use mainstay_repo::store::Object;
use mainstay_repo::{PackId, names};

#[cfg(test)]
mod tests;

const FIRST_LINE: &str = "mainstay verified 1";
/// How long the next run is taken to be away where that is not known.
const DAY: i64 = 24 * 3600 * 1_000_000_000;

/// What is known of one pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Known {
    /// When it was verified last, or seen first if it never was; nanoseconds since 1970.
    since: i64,
    is_verified: bool,
}

/// What earlier runs have verified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    packs: BTreeMap<PackId, Known>,
    /// When the last run began.
    last_run: Option<i64>,
}

/// How far the packs that there are have been verified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Covered {
    /// Bytes of packs that were verified within the period, and those of the others.
    pub bytes: u64,
    pub other_bytes: u64,
    /// When the pack was verified whose verification is longest ago; none if one never was.
    pub oldest: Option<i64>,
}

impl Coverage {
    /// Reads what [`Coverage::to_text`] has written; of anything else nothing is remembered.
    pub fn from_text(text: &str) -> Self {
        Self::parse(text).unwrap_or_default()
    }

    fn parse(text: &str) -> Option<Self> {
        let (body, sum) = text.strip_suffix('\n')?.rsplit_once('\n')?;
        if blake3::hash(body.as_bytes()).to_hex().as_str() != sum {
            return None;
        }
        let mut lines = body.lines();
        if lines.next()? != FIRST_LINE {
            return None;
        }
        let last_run = lines.next()?.parse().ok();
        let mut coverage = Self { packs: BTreeMap::new(), last_run };
        for line in lines {
            let (id, rest) = line.split_once(' ')?;
            let (since, verified) = rest.split_once(' ')?;
            let known = Known { since: since.parse().ok()?, is_verified: verified == "verified" };
            coverage.packs.insert(PackId::from_hex(id).ok()?, known);
        }
        Some(coverage)
    }

    /// What is to be remembered, as text with a checksum at its end.
    pub fn to_text(&self) -> String {
        let mut text = format!("{FIRST_LINE}\n{}", self.last_run.map_or("never".to_owned(), |time| time.to_string()));
        for (id, known) in &self.packs {
            let verified = if known.is_verified { "verified" } else { "seen" };
            text.push_str(&format!("\n{id} {} {verified}", known.since));
        }
        let sum = blake3::hash(text.as_bytes()).to_hex();
        text + "\n" + sum.as_str() + "\n"
    }

    /// Chooses the packs of a run that begins at `now`, those that have waited longest first: all that would be older than the
    /// period before the next run, if that is as far away as the last one, and of all bytes the share of the period that has
    /// passed since then. Forgets packs that are gone.
    pub fn plan<'p>(&mut self, packs: impl Iterator<Item = &'p Object>, (now, period): (i64, i64)) -> Vec<&'p Object> {
        let packs: Vec<(PackId, &Object)> =
            packs.filter_map(|pack| Some((names::parse_pack(&pack.name).ok()?.0, pack))).collect();
        let present: HashSet<PackId> = packs.iter().map(|(id, _)| *id).collect();
        self.packs.retain(|id, _| present.contains(id));
        for (id, _) in &packs {
            let known = self.packs.entry(*id).or_insert(Known { since: now, is_verified: false });
            // A clock that was set back makes nothing verified in the future.
            known.since = known.since.min(now);
        }
        let interval = self.last_run.map_or(DAY, |last| now.saturating_sub(last)).clamp(1, period.max(1));
        let all: u64 = packs.iter().map(|(_, pack)| pack.len).sum();
        let share = (all as f64 * interval as f64 / period.max(1) as f64).ceil() as u64;
        let mut waiting: Vec<(Known, PackId, &Object)> =
            packs.into_iter().filter_map(|(id, pack)| Some((*self.packs.get(&id)?, id, pack))).collect();
        // Those that wait equally long in another order each time: where nothing is remembered, it is not always the same part.
        let drawn = |id: &PackId| *blake3::Hasher::new().update(&now.to_le_bytes()).update(&id.0).finalize().as_bytes();
        waiting.sort_by_cached_key(|(known, id, _)| (known.since, drawn(id)));
        let mut chosen = 0;
        waiting.retain(|(known, _, pack)| {
            let is_due = known.since.saturating_add(period) <= now.saturating_add(interval);
            let is_chosen = is_due || chosen < share;
            chosen += if is_chosen { pack.len } else { 0 };
            is_chosen
        });
        waiting.into_iter().map(|(_, _, pack)| pack).collect()
    }

    /// Notes that these packs were verified by a run that began at `now`. Those of them that are damaged are due again in every
    /// run: what is damaged is told until it is mended.
    pub fn note(&mut self, read: &HashSet<PackId>, damaged: &HashSet<PackId>, now: i64) {
        self.last_run = Some(now);
        for id in read {
            let is_verified = !damaged.contains(id);
            let since = if is_verified { now } else { 0 };
            self.packs.insert(*id, Known { since, is_verified });
        }
    }

    /// How far these packs have been verified within the period before `now`.
    pub fn covered<'p>(&self, packs: impl Iterator<Item = &'p Object>, (now, period): (i64, i64)) -> Covered {
        let mut covered = Covered { oldest: Some(now), ..Covered::default() };
        for pack in packs {
            let known = names::parse_pack(&pack.name).ok().and_then(|(id, _)| self.packs.get(&id));
            let verified = known.filter(|known| known.is_verified).map(|known| known.since);
            match verified.filter(|since| since.saturating_add(period) >= now) {
                Some(_) => covered.bytes += pack.len,
                None => covered.other_bytes += pack.len,
            }
            covered.oldest = covered.oldest.zip(verified).map(|(oldest, since)| oldest.min(since));
        }
        covered
    }
}
