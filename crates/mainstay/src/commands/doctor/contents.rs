//! Checks of what the repository holds: snapshots, history, times, leases.
//!
//! Owns what can be known without reading data; `check` and `verify` read more. Remembers nothing.

use mainstay_jobs::backup::CLOCK_TOLERANCE;
use mainstay_jobs::select;
use mainstay_repo::{Listing, LostSnapshot, Right, SnapshotEntry};

use super::checkup::Checkup;
use super::keys::mode;
use crate::context::Opened;
use crate::failure::{Failure, Result, catalogue};
use crate::location::quoted;
use crate::memory::{self, Memory};
use crate::output::{escape, time, units};
use crate::{machine, private_file};

/// A source whose last snapshot is older is told of. Nanoseconds.
const FRESH: i64 = 7 * 24 * 3600 * 1_000_000_000;

pub fn check(checkup: &mut Checkup, opened: &Opened) {
    checkup.group("contents");
    let listing = match opened.repository.list_snapshots() {
        Ok(listed) => listed,
        Err(error) => return checkup.fail("snapshots", &error.into()),
    };
    let entries = &listing.entries;
    if !opened.repository.rights().has(Right::List) {
        let count = units::counted(listing.hidden.len() as u64, "snapshot is", "snapshots are");
        checkup.ok("snapshots", format!("{count} there, which this key may not read"));
        memory(checkup, opened, &listing);
        return leases(checkup, opened);
    }
    snapshots(checkup, entries, &listing.lost);
    if let Err(failure) = history(checkup, opened, &listing) {
        checkup.fail("history", &failure);
    }
    memory(checkup, opened, &listing);
    let kept = select::history(entries, None);
    freshness(checkup, &kept);
    times(checkup, &kept);
    forgotten(checkup, opened, entries.len() - kept.len());
    leases(checkup, opened);
}

fn snapshots(checkup: &mut Checkup, entries: &[SnapshotEntry], lost: &[LostSnapshot]) {
    match lost.first() {
        None => checkup.ok(
            "snapshots",
            units::counted(entries.len() as u64, "snapshot, and it can be read", "snapshots, and all can be read"),
        ),
        Some(first) => {
            let count = units::counted(lost.len() as u64, "snapshot cannot be read", "snapshots cannot be read");
            let message = format!("{count}, the first: {}", first.error);
            checkup.fail("snapshots", &Failure::new(&catalogue::DAMAGED, message));
        }
    }
}

/// Whether every snapshot that another was made after is there, or was removed by a prune.
fn history(checkup: &mut Checkup, opened: &Opened, listing: &Listing) -> Result<()> {
    let removed = opened.repository.removed()?;
    let chain = opened.repository.chain(&listing.entries, listing.beside(), &removed);
    if let Some(gap) = chain.breaks().first() {
        let message = format!(
            "snapshot {} is neither there nor recorded as removed, and #{} ({}) was made after it",
            gap.missing.short(),
            gap.after.sequence,
            gap.after.id.short()
        );
        checkup.fail("history", &Failure::new(&catalogue::HISTORY_GAP, message));
    } else if let Some(damage) = removed.damaged.first() {
        checkup.warn("history", damage.to_string(), "bring the object back from a copy of the repository");
    } else {
        checkup.ok("history", "whole: every snapshot is there, or was removed by a prune");
    }
    Ok(())
}

/// Whether what this machine has seen is still there. It is compared, and nothing is remembered.
fn memory(checkup: &mut Checkup, opened: &Opened, listing: &Listing) {
    let memory = Memory::open(&opened.repository);
    // Once more: what somebody else has remembered since is no rewind.
    let now = opened.repository.list_snapshots();
    match memory.compare(now.as_ref().unwrap_or(listing)) {
        Err(failure) => checkup.fail("rewind", &failure),
        Ok(rewinds) => match rewinds.0.first() {
            Some(rewind) => checkup.fail("rewind", &memory::failure(rewind)),
            None => checkup.ok("rewind", "the repository leads to everything that this machine has seen"),
        },
    }
    let Ok(path) = memory::path(&opened.repository) else { return };
    let text = private_file::read(&path, 1 << 24);
    match (mode(&path), text) {
        (None, _) => checkup.ok("memory", "this machine has not seen the repository before"),
        (Some(mode), _) if mode & 0o077 != 0 => checkup.warn(
            "memory",
            format!("others may use {} (mode {mode:o})", quoted(&path)),
            format!("chmod 600 {}", quoted(&path)),
        ),
        (Some(_), Ok(_)) if !memory.is_empty() => checkup.ok("memory", quoted(&path)),
        (Some(_), _) => checkup.warn(
            "memory",
            format!("{} is damaged, and remembers nothing", quoted(&path)),
            "nothing to do: the next command writes it anew; until then a rewind goes unnoticed",
        ),
    }
}

fn freshness(checkup: &mut Checkup, kept: &[&SnapshotEntry]) {
    let mut last = std::collections::BTreeMap::<&str, &SnapshotEntry>::new();
    for entry in kept {
        last.insert(&entry.snapshot.source, entry);
    }
    let now = machine::now();
    let Some(oldest) = last.values().min_by_key(|entry| entry.snapshot.started) else {
        return checkup.warn("freshness", "nothing was backed up yet", "mainstay backup PATH");
    };
    let detail =
        format!("{} was backed up {}", escape::text(&oldest.snapshot.source), time::ago(oldest.snapshot.started, now));
    if now.saturating_sub(oldest.snapshot.started) > FRESH {
        checkup.warn("freshness", detail, "back it up, or forget the snapshots of a source that is no more");
    } else {
        checkup.ok(
            "freshness",
            format!("{}; the oldest: {detail}", units::counted(last.len() as u64, "source", "sources")),
        );
    }
    let partial = last.values().find(|entry| entry.snapshot.statistics.warnings > 0);
    match partial {
        None => checkup.ok("unread entries", "the last snapshot of each source has every entry"),
        Some(entry) => checkup.warn(
            "unread entries",
            format!(
                "{}: {} could not be read for the last snapshot",
                escape::text(&entry.snapshot.source),
                units::counted(entry.snapshot.statistics.warnings, "entry", "entries")
            ),
            "back up with --verbose to see which, then exclude them or give the rights to read them",
        ),
    }
}

fn times(checkup: &mut Checkup, kept: &[&SnapshotEntry]) {
    let now = machine::now();
    let ahead = kept.iter().filter(|entry| entry.snapshot.started.saturating_sub(CLOCK_TOLERANCE) > now).count() as u64;
    match ahead {
        0 => checkup.ok("times", "no snapshot is from the future"),
        ahead => checkup.warn(
            "times",
            format!(
                "{} from the future, by the clock of this machine",
                units::counted(ahead, "snapshot is", "snapshots are")
            ),
            "check the clocks of all machines; `forget` keeps such snapshots",
        ),
    }
}

fn forgotten(checkup: &mut Checkup, opened: &Opened, forgotten: usize) {
    match forgotten as u64 {
        0 => checkup.ok("forgotten", "no forgotten snapshot waits for a prune"),
        // Not a fault: until their hold is over they are meant to be there.
        forgotten => checkup.ok(
            "forgotten",
            format!(
                "{} until a prune after the hold: mainstay prune{}",
                units::counted(forgotten, "forgotten snapshot stays", "forgotten snapshots stay"),
                opened.location.flag()
            ),
        ),
    }
}

fn leases(checkup: &mut Checkup, opened: &Opened) {
    match opened.repository.unknown_leases() {
        Err(error) => checkup.fail("leases", &error.into()),
        Ok(unknown) => match unknown.first() {
            None => checkup.ok("leases", "every lease can be read"),
            Some(lease) => checkup.warn(
                "leases",
                format!("{} cannot be read, so its session counts as open: {}", lease.name, lease.problem),
                "make sure that no Mainstay is at work on any machine, then delete that object",
            ),
        },
    }
}
