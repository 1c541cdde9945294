//! `mainstay stats`: what the repository holds.
//!
//! Owns the figures' presentation; the engine counts.

use mainstay_repo::Right;
use serde::Serialize;

use crate::context::Context;
use crate::exit_code::ExitCode;
use crate::failure::Result;
use crate::output::units;

const EXAMPLES: &str = "\
Examples:
  mainstay stats
  mainstay stats --repo /mnt/disk/backup --json";

/// Show the size of the repository and what it holds
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {}

/// What `--json` prints.
#[derive(Serialize)]
struct Fields {
    repository: String,
    location: String,
    snapshots: u64,
    forgotten_snapshots: u64,
    /// Content of all snapshots, each counted whole.
    content_bytes: u64,
    stored_bytes: u64,
    pack_bytes: u64,
    other_bytes: u64,
    packs: u64,
    blocks: u64,
    chunks: u64,
    objects: u64,
}

pub fn run(_: &Arguments, context: &Context) -> Result<ExitCode> {
    let opened = context.open_to(Right::List, "stats")?;
    let statistics = opened.repository.statistics()?;
    let entries = opened.repository.snapshots()?;
    let kept = entries.iter().filter(|entry| !entry.forgotten);
    let fields = Fields {
        repository: opened.repository.id().to_string(),
        location: opened.location.text().to_string_lossy().into_owned(),
        snapshots: statistics.snapshots,
        forgotten_snapshots: statistics.forgotten_snapshots,
        content_bytes: kept.map(|entry| entry.snapshot.statistics.content_bytes).sum(),
        stored_bytes: statistics.pack_bytes + statistics.other_bytes,
        pack_bytes: statistics.pack_bytes,
        other_bytes: statistics.other_bytes,
        packs: statistics.packs,
        blocks: statistics.blocks,
        chunks: statistics.chunks,
        objects: statistics.objects,
    };
    if context.output.is_json() {
        context.output.document(&fields)?;
    } else {
        context.output.result(&text(&fields, &opened.location.quoted()))?;
    }
    Ok(ExitCode::Success)
}

fn text(fields: &Fields, location: &str) -> String {
    let forgotten = match fields.forgotten_snapshots {
        0 => String::new(),
        count => format!(" and {} forgotten", units::count(count)),
    };
    let ratio = fields.content_bytes as f64 / fields.stored_bytes.max(1) as f64;
    let ratio = if ratio > 1.0 { format!(", {ratio:.1} times less") } else { String::new() };
    format!(
        "\
repository   {repository} at {location}
snapshots    {snapshots}{forgotten}
content      {content} in all snapshots together
stored       {stored}{ratio}
  packs      {packs} in {pack_count}
  other      {other} (index, reference maps, snapshots, keys, reserve)
blocks       {blocks}
chunks       {chunks} in the index
objects      {objects}
",
        repository = fields.repository,
        snapshots = units::count(fields.snapshots),
        content = units::size(fields.content_bytes),
        stored = units::size(fields.stored_bytes),
        packs = units::size(fields.pack_bytes),
        pack_count = units::counted(fields.packs, "object", "objects"),
        other = units::size(fields.other_bytes),
        blocks = units::count(fields.blocks),
        chunks = units::count(fields.chunks),
        objects = units::count(fields.objects),
    )
}
