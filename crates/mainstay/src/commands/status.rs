//! `mainstay status`: is everything backed up, and since when?
//!
//! Owns the summary per source and what deserves a warning. Reads no index, so that it is quick.

use std::collections::BTreeMap;
use std::path::Path;

use mainstay_jobs::backup::CLOCK_TOLERANCE;
use mainstay_jobs::select;
use mainstay_repo::{LostSnapshot, Right, SnapshotEntry};
use serde::Serialize;

use crate::context::{Context, Opened};
use crate::exit_code::ExitCode;
use crate::failure::Result;
use crate::listing::{Asked, Listing};
use crate::location::quoted;
use crate::output::table::{Align, Table};
use crate::output::{escape, time, units};
use crate::places::Places;
use crate::{machine, memory, recovery_kit};

const EXAMPLES: &str = "\
Examples:
  mainstay status
  mainstay status --json";

/// Show for each source when it was backed up last, in how many places that is, and what needs attention
///
/// Other places count as this machine found them when it last ran `sync` or `copy`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {}

/// What `--json` prints.
#[derive(Serialize)]
struct Fields<'a> {
    repository: String,
    location: String,
    pack_bytes: u64,
    packs: u64,
    snapshots: u64,
    forgotten_snapshots: u64,
    sources: Vec<SourceFields<'a>>,
    warnings: Vec<String>,
}

/// One source.
#[derive(Serialize)]
struct SourceFields<'a> {
    source: &'a str,
    snapshots: u64,
    last_snapshot: String,
    last_started: String,
    age_seconds: i64,
    #[serde(rename = "last_type")]
    backup_type: &'static str,
    last_content_bytes: u64,
    last_warnings: u64,
    last_full_started: Option<String>,
    /// Other places that had the last snapshot when this machine last synchronised with them or copied to them.
    also_in: Vec<&'a str>,
}

pub fn run(_: &Arguments, context: &Context) -> Result<ExitCode> {
    let opened = context.open_near_to(Right::List, "status")?;
    let listing = Listing::read(&opened)?;
    let entries = &listing.entries;
    let damage =
        |lost: &LostSnapshot| format!("damage: {}; run `mainstay check`", escape::message(&lost.error.to_string()));
    let mut warnings: Vec<String> = listing.lost.iter().map(damage).collect();
    let rewound =
        |rewind| format!("{}; do not prune, and see `mainstay help MS-1305`", memory::failure(rewind).message);
    warnings.extend(listing.rewinds.0.iter().map(rewound));
    let packs = opened.repository.list_packs()?;
    let now = machine::now();
    let kept = select::history(entries, None);
    let mut sources = BTreeMap::<&str, Vec<&SnapshotEntry>>::new();
    for entry in &kept {
        sources.entry(&entry.snapshot.source).or_default().push(entry);
    }
    let forgotten = entries.len().saturating_sub(kept.len()) as u64;
    warnings.extend(attention(&opened, &sources, forgotten, now)?);
    let places = Places::beside(&opened);
    let fields = Fields {
        repository: opened.repository.id().to_string(),
        location: opened.location.text().to_string_lossy().into_owned(),
        pack_bytes: packs.iter().map(|pack| pack.len).sum(),
        packs: packs.len() as u64,
        snapshots: kept.len() as u64,
        forgotten_snapshots: forgotten,
        sources: sources.values().filter_map(|entries| source_fields(entries, &places, now)).collect(),
        warnings,
    };
    if context.output.is_json() {
        context.output.document(&fields)?;
        return Ok(listing.exit_code(Asked::All, ExitCode::Success));
    }
    context.output.table(&table(&sources, &places, now))?;
    context.output.result(&format!(
        "repository {} at {}: {}, {} stored\n",
        opened.repository.id().short(),
        opened.location.quoted(),
        units::counted(fields.snapshots, "snapshot", "snapshots"),
        units::size(fields.pack_bytes),
    ))?;
    for (name, place) in places.iter() {
        let has = sources.values().filter_map(|entries| entries.last()).filter(|last| place.has(last.id)).count();
        context.output.result(&format!(
            "copies at {}: {} of {}, as of {}\n",
            quoted(Path::new(name)),
            units::count(has as u64),
            units::counted(sources.len() as u64, "last snapshot", "last snapshots"),
            time::ago(place.seen, now),
        ))?;
    }
    fields.warnings.iter().for_each(|warning| context.output.warn(warning));
    if kept.is_empty() {
        context.output.say(&format!("next: mainstay backup{} PATH", opened.location.flag()));
    }
    Ok(listing.exit_code(Asked::All, ExitCode::Success))
}

fn source_fields<'a>(entries: &[&'a SnapshotEntry], places: &'a Places, now: i64) -> Option<SourceFields<'a>> {
    let last = entries.last()?;
    let snapshot = &last.snapshot;
    let is_full = |entry: &&&SnapshotEntry| entry.snapshot.backup_type == mainstay_repo::BackupType::Full;
    Some(SourceFields {
        source: &snapshot.source,
        snapshots: entries.len() as u64,
        last_snapshot: last.id.to_string(),
        last_started: time::utc(snapshot.started),
        age_seconds: now.saturating_sub(snapshot.started) / 1_000_000_000,
        backup_type: snapshot.backup_type.name(),
        last_content_bytes: snapshot.statistics.content_bytes,
        last_warnings: snapshot.statistics.warnings,
        last_full_started: entries.iter().rfind(is_full).map(|entry| time::utc(entry.snapshot.started)),
        also_in: places.with(last.id),
    })
}

fn table(sources: &BTreeMap<&str, Vec<&SnapshotEntry>>, places: &Places, now: i64) -> Table {
    let mut table = Table::new(&[
        ("LAST GOOD", Align::Left),
        ("AGE", Align::Right),
        ("ID", Align::Left),
        ("TYPE", Align::Left),
        ("SNAPSHOTS", Align::Right),
        ("PLACES", Align::Right),
        ("SIZE", Align::Right),
        ("SOURCE", Align::Left),
    ]);
    for (source, entries) in sources {
        let Some(last) = entries.last() else { continue };
        table.push(vec![
            time::local(last.snapshot.started),
            time::ago(last.snapshot.started, now),
            last.id.short(),
            last.snapshot.backup_type.name().to_owned(),
            units::count(entries.len() as u64),
            units::count(1 + places.with(last.id).len() as u64),
            units::size(last.snapshot.statistics.content_bytes),
            escape::text(source),
        ]);
    }
    table
}

/// What a person should look after.
fn attention(
    opened: &Opened,
    sources: &BTreeMap<&str, Vec<&SnapshotEntry>>,
    forgotten: u64,
    now: i64,
) -> Result<Vec<String>> {
    let mut warnings = Vec::new();
    for (source, entries) in sources {
        let Some(last) = entries.last() else { continue };
        let source = escape::text(source);
        match last.snapshot.statistics.warnings {
            0 => {}
            count => warnings.push(format!(
                "{source}: {} could not be read for the last snapshot",
                units::counted(count, "entry", "entries")
            )),
        }
        let is_ahead = |entry: &&&SnapshotEntry| entry.snapshot.started.saturating_sub(CLOCK_TOLERANCE) > now;
        match entries.iter().filter(is_ahead).count() as u64 {
            0 => {}
            count => warnings.push(format!(
                "{source}: {} from the future; check the clocks",
                units::counted(count, "snapshot is", "snapshots are")
            )),
        }
    }
    if forgotten > 0 {
        let count = units::counted(forgotten, "forgotten snapshot", "forgotten snapshots");
        warnings.push(format!("{count} still here; `mainstay prune` frees the space"));
    }
    let flag = opened.location.flag();
    let keys = opened.repository.key_slots()?;
    warnings.extend(keys.damaged.iter().map(|damage| escape::message(&damage.error.to_string())));
    if keys.slots.iter().filter(|slot| slot.rights.has(Right::Restore)).count() == 1 {
        warnings
            .push(format!("only one key opens this repository; `mainstay key{flag} export-kit` makes a recovery kit"));
    }
    if let Some(kit) = recovery_kit::default_path(&opened.repository).ok().filter(|kit| kit.exists()) {
        warnings.push(format!(
            "the recovery kit {} is still on this machine: print it, keep it elsewhere, delete the file",
            quoted(&kit)
        ));
    }
    Ok(warnings)
}
