//! `mainstay archive show`: what one archive says of itself and, with a key, of its snapshot.

use std::ffi::OsString;

use mainstay_repo::Right;
use serde::Serialize;

use super::list::ArchiveFields;
use super::places;
use crate::commands::snapshots::SnapshotFields;
use crate::context::Context;
use crate::exit_code::ExitCode;
use crate::failure::Result;
use crate::output::{escape, time, units};

const EXAMPLES: &str = "\
Examples:
  mainstay archive show /mnt/vault/20260301-1a2b3c4d
  mainstay archive show s3://vault/archives/20260301-1a2b3c4d --password-file vault-kit.txt";

/// Show an archive: how long it is held, what is in it and, with a key, which snapshot
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The archive
    #[arg(value_name = "ARCHIVE")]
    place: OsString,
}

#[derive(Serialize)]
struct Fields<'a> {
    #[serde(flatten)]
    archive: ArchiveFields,
    /// Only with a key.
    contents: Option<SnapshotFields<'a>>,
}

pub fn run(arguments: &Arguments, context: &Context) -> Result<ExitCode> {
    let place = context.find(Some(&arguments.place))?;
    let archive = places::read(&place)?;
    let entry = match context.open_if_key(&place)? {
        Some(opened) => {
            opened.repository.require(Right::List, "show")?;
            opened.repository.list_snapshots()?.entries.into_iter().next()
        }
        None => None,
    };
    if context.output.is_json() {
        let contents = entry.as_ref().map(SnapshotFields::new);
        context.output.document(&Fields { archive: ArchiveFields::new(&place, &archive), contents })?;
        return Ok(ExitCode::Success);
    }
    let manifest = archive.manifest();
    let mut text = format!("archive     {}\n", archive.id());
    text.push_str(&format!("created     {}\n", time::local(manifest.created)));
    text.push_str(&format!("held until  {}\n", archive.held_until().map_or("not held".to_owned(), time::local)));
    let (count, size) =
        (units::counted(manifest.objects.len() as u64, "object", "objects"), units::size(archive.bytes()));
    text.push_str(&format!("size        {size} in {count}\n"));
    match &entry {
        None => text.push_str("snapshot    a key is needed to read it\n"),
        Some(entry) => {
            let snapshot = &entry.snapshot;
            let (source, begun) = (escape::text(&snapshot.source), time::local(snapshot.started));
            text.push_str(&format!("snapshot    {} of {source}, begun {begun}\n", entry.id.short()));
            if let Some(origin) = snapshot.origin {
                let (repository, id) = (origin.repository.short(), origin.snapshot.short());
                text.push_str(&format!("made of     snapshot {id} of repository {repository}\n"));
            }
        }
    }
    context.output.result(&text)?;
    Ok(ExitCode::Success)
}
