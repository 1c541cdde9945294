//! `mainstay archive list`: the archives beneath a place, without a key.

use std::ffi::OsString;

use mainstay_repo::Archive;
use serde::Serialize;

use super::places;
use crate::context::Context;
use crate::exit_code::ExitCode;
use crate::failure::Result;
use crate::location::Location;
use crate::machine;
use crate::output::table::{Align, Table};
use crate::output::{time, units};

const EXAMPLES: &str = "\
Examples:
  mainstay archive list /mnt/vault
  mainstay archive list s3://vault/archives --json";

/// List the archives beneath a place; needs no key
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Where they lie
    #[arg(value_name = "PLACE")]
    place: OsString,
}

/// An archive, as it is shown without a key.
#[derive(Serialize)]
pub struct ArchiveFields {
    location: String,
    archive: Option<String>,
    snapshot: Option<String>,
    created: Option<String>,
    held_until: Option<String>,
    /// Whether the hold lasts, by this machine's clock.
    held: bool,
    objects: u64,
    bytes: u64,
    /// Why nothing more is known: it was never finished, or is damaged.
    problem: Option<String>,
}

impl ArchiveFields {
    pub fn new(place: &Location, archive: &Archive) -> Self {
        let manifest = archive.manifest();
        Self {
            location: place.text().to_string_lossy().into_owned(),
            archive: Some(archive.id().to_string()),
            snapshot: Some(manifest.snapshot.to_string()),
            created: Some(time::utc(manifest.created)),
            held_until: archive.held_until().map(time::utc),
            held: archive.held_until().is_some_and(|until| machine::now() < until),
            objects: manifest.objects.len() as u64,
            bytes: archive.bytes(),
            problem: None,
        }
    }

    fn unread(place: &Location, problem: String) -> Self {
        Self {
            location: place.text().to_string_lossy().into_owned(),
            archive: None,
            snapshot: None,
            created: None,
            held_until: None,
            held: false,
            objects: 0,
            bytes: 0,
            problem: Some(problem),
        }
    }
}

pub fn run(arguments: &Arguments, context: &Context) -> Result<ExitCode> {
    let above = context.find(Some(&arguments.place))?;
    let mut fields = Vec::new();
    let mut table = Table::new(&[
        ("ARCHIVE", Align::Left),
        ("CREATED", Align::Left),
        ("HELD UNTIL", Align::Left),
        ("OBJECTS", Align::Right),
        ("SIZE", Align::Right),
    ]);
    for place in places::find(&above)? {
        match Archive::read(place.store()) {
            Ok(archive) => {
                let manifest = archive.manifest();
                table.push(vec![
                    place.quoted(),
                    time::local(manifest.created),
                    archive.held_until().map_or("-".to_owned(), time::local),
                    units::count(manifest.objects.len() as u64),
                    units::size(archive.bytes()),
                ]);
                fields.push(ArchiveFields::new(&place, &archive));
            }
            Err(error) => {
                context.output.warn(&error.to_string());
                fields.push(ArchiveFields::unread(&place, error.to_string()));
            }
        }
    }
    let is_whole = fields.iter().all(|archive| archive.problem.is_none());
    match context.output.is_json() {
        true => context.output.document(&fields)?,
        false if fields.is_empty() => context.output.say("no archives"),
        false => context.output.table(&table)?,
    }
    Ok(if is_whole { ExitCode::Success } else { ExitCode::Incomplete })
}
