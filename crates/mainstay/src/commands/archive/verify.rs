//! `mainstay archive verify`: proves an archive without restoring it.
//!
//! Owns the presentation. Without a key every byte is compared with the signed list; with one everything is opened as well.

use std::ffi::OsString;

use mainstay_jobs::check::{Finding, Severity};
use mainstay_jobs::verify::{VerifyOptions, verify};
use mainstay_jobs::{Phase, Progress as _};
use mainstay_repo::{Archive, Error, ObjectDamage, Stray};
use serde::Serialize;

use super::places;
use crate::commands::long_run::{LongRun, conclude};
use crate::context::{Context, Opened};
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Result, catalogue};
use crate::location::Location;
use crate::output::progress::Counted;
use crate::output::{escape, units};

const EXAMPLES: &str = "\
Examples:
  mainstay archive verify /mnt/vault/20260301-1a2b3c4d
  mainstay archive verify s3://vault/archives/20260301-1a2b3c4d --password-file vault-kit.txt";

/// Prove an archive: every byte is compared with its signed list and, with a key, everything is opened
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The archive
    #[arg(value_name = "ARCHIVE")]
    place: OsString,
    /// Compare the bytes only, even where there is a key
    #[arg(long)]
    without_key: bool,
}

/// The last line of a run with `--json`.
#[derive(Serialize)]
struct Summary {
    message_type: &'static str,
    sound: bool,
    archive: String,
    objects: u64,
    bytes: u64,
    damaged: Vec<DamageFields>,
    stray_objects: u64,
    /// Bytes of content that were opened; none without a key.
    opened_bytes: Option<u64>,
    seconds_elapsed: f64,
}

#[derive(Serialize)]
struct DamageFields {
    object: String,
    problem: String,
}

/// What was found.
struct Found {
    damages: Vec<DamageFields>,
    stray: Stray,
    opened_bytes: Option<u64>,
}

pub fn run(arguments: &Arguments, context: &Context) -> Result<ExitCode> {
    let place = context.find(Some(&arguments.place))?;
    let archive = places::read(&place)?;
    places::require_warm(&archive, &place, context)?;
    let opened = match arguments.without_key {
        true => None,
        false => context.open_if_key(&place)?,
    };
    let mut long_run = LongRun::counting(context, Counted::Objects);
    let looked = look(&archive, opened.as_ref(), &long_run);
    let found = long_run.end(looked)?;
    let printed = print(context, (&archive, &place), &found, &long_run);
    conclude(printed, ended(&found))
}

fn look(archive: &Archive, opened: Option<&Opened>, long_run: &LongRun) -> mainstay_jobs::Result<Found> {
    let (monitor, cancel) = (&long_run.monitor, &long_run.requests.cancel);
    monitor.phase(Phase::Verify);
    monitor.expect(archive.manifest().objects.len() as u64, archive.bytes());
    let damaged = archive.verify(&|objects, bytes| {
        monitor.advance(objects, bytes);
        if cancel.is_requested() { Err(Error::Cancelled) } else { Ok(()) }
    })?;
    let fields =
        |damage: &ObjectDamage| DamageFields { object: damage.name.clone(), problem: damage.error.to_string() };
    let mut found =
        Found { damages: damaged.iter().map(fields).collect(), stray: archive.strays()?, opened_bytes: None };
    let problem = "the snapshot of the archive was forgotten, or is being deleted";
    let leaving = |object: String| DamageFields { object, problem: problem.to_owned() };
    found.damages.extend(archive.leaving()?.into_iter().map(leaving));
    // What is damaged is told already; only what is whole is worth opening.
    if let (Some(opened), true) = (opened, damaged.is_empty()) {
        let options = VerifyOptions { sample: None, seed: 0 };
        let report = verify(&opened.repository, &options, monitor, cancel)?;
        let damage = report.findings.iter().filter(|finding| finding.severity == Severity::Damage);
        let fields =
            |finding: &Finding| DamageFields { object: finding.object.clone(), problem: finding.problem.clone() };
        found.damages.extend(damage.map(fields));
        found.opened_bytes = Some(report.plain_bytes);
    }
    Ok(found)
}

fn ended(found: &Found) -> Result<ExitCode> {
    if found.damages.is_empty() {
        return Ok(ExitCode::Success);
    }
    let count = units::counted(found.damages.len() as u64, "object", "objects");
    Err(Failure::new(&catalogue::ARCHIVE_DAMAGED, format!("the archive is not sound: {count} damaged")))
}

fn print(context: &Context, (archive, place): (&Archive, &Location), found: &Found, long_run: &LongRun) -> Result<()> {
    let objects = archive.manifest().objects.len() as u64;
    let output = &context.output;
    if output.is_json() {
        let fields =
            |damage: &DamageFields| DamageFields { object: damage.object.clone(), problem: damage.problem.clone() };
        return output.message(&Summary {
            message_type: "summary",
            sound: found.damages.is_empty(),
            archive: archive.id().to_string(),
            objects,
            bytes: archive.bytes(),
            damaged: found.damages.iter().map(fields).collect(),
            stray_objects: found.stray.objects,
            opened_bytes: found.opened_bytes,
            seconds_elapsed: long_run.elapsed().as_secs_f64(),
        });
    }
    for damage in &found.damages {
        output.warn(&format!("{}: {}", escape::text(&damage.object), escape::message(&damage.problem)));
    }
    if found.stray.objects > 0 {
        let count = units::counted(found.stray.objects, "object lies", "objects lie");
        output.say(&format!("{count} there that the archive was not sealed with"));
    }
    let sound = if found.damages.is_empty() { "sound" } else { "not sound" };
    let opened = match found.opened_bytes {
        Some(bytes) => format!("{} of content opened", units::size(bytes)),
        None => "not opened".to_owned(),
    };
    let (count, size) = (units::counted(objects, "object", "objects"), units::size(archive.bytes()));
    let elapsed = units::duration(long_run.elapsed());
    output.outcome(&format!(
        "{sound}: {} · {count}, {size} compared with the signed list · {opened} · {elapsed}\n",
        place.quoted()
    ))
}
