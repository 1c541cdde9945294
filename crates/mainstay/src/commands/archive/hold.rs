//! `mainstay archive extend-hold`, and the words for how long an archive is held.
//!
//! Owns turning a date or a length of time into a moment. A date means the end of that day wherever on earth one is, so that no hold
//! is shorter than somebody meant.

use std::ffi::OsString;

use jiff::civil::Date;
use jiff::tz::{Offset, TimeZone};
use jiff::{Span, Timestamp};
use mainstay_jobs::backup::CLOCK_TOLERANCE;
use mainstay_repo::store::{Lock, LockMode};
use serde::Serialize;

use super::places;
use crate::context::Context;
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Result, catalogue};
use crate::machine;
use crate::output::time;

const EXAMPLES: &str = "\
Examples:
  mainstay archive extend-hold /mnt/vault/20260301-1a2b3c4d --hold-until 2040-12-31
  mainstay archive extend-hold /mnt/vault/20260301-1a2b3c4d --hold 5y           from today";

/// Hold an archive longer; needs no key, and never shortens
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The archive
    #[arg(value_name = "ARCHIVE")]
    place: OsString,
    #[command(flatten)]
    hold: Until,
}

/// How long.
#[derive(clap::Args)]
#[group(skip)]
pub struct Until {
    /// Delete nothing of it before the end of this day
    #[arg(long, value_name = "DATE", conflicts_with = "hold", value_parser = date)]
    hold_until: Option<Date>,
    /// Delete nothing of it for this long: 90d, 7y
    #[arg(long, value_name = "TIME", value_parser = crate::commands::prune::span)]
    hold: Option<Span>,
    /// Who may end a lock of the store early: nobody (compliance), or who has a special right (governance) [default: compliance, or as it is locked]
    #[arg(long, value_name = "MODE", hide_possible_values = true)]
    lock_mode: Option<Mode>,
}

/// The modes of object lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Mode {
    Compliance,
    Governance,
}

fn date(text: &str) -> std::result::Result<Date, String> {
    text.parse().map_err(|_| "expected a date such as 2033-12-31".to_owned())
}

impl Until {
    /// Where none is named, new locks are those that nobody ends, and others stay what they are.
    pub fn mode(&self) -> LockMode {
        match self.lock_mode {
            Some(Mode::Compliance) => LockMode::Compliance,
            Some(Mode::Governance) => LockMode::Governance,
            None => LockMode::AsBefore,
        }
    }

    /// The moment that is meant, if one is; lengths count from the later of two moments: the present, and the snapshot's end, since a
    /// clock may be behind.
    pub fn moment(&self, ended: i64) -> Result<Option<i64>> {
        let now = machine::now();
        if ended.saturating_sub(CLOCK_TOLERANCE) > now && self.hold.is_some() {
            let message = format!(
                "hold archive: it is {} by this machine, and the snapshot ended at {}",
                time::utc(now),
                time::utc(ended)
            );
            return Err(Failure::new(&catalogue::INVALID, message).with_hint(
                "one of the clocks is wrong, and a lock until a wrong date cannot be taken back: say --hold-until DATE",
            ));
        }
        let start = now.max(ended);
        let until = match (self.hold_until, self.hold) {
            (Some(date), _) => end_of(date),
            (None, Some(span)) => {
                let start = Timestamp::from_nanosecond(start.into()).ok();
                let end = start.and_then(|start| start.to_zoned(TimeZone::UTC).checked_add(span).ok());
                end.and_then(|end| nanoseconds(end.timestamp()))
            }
            (None, None) => return Ok(None),
        };
        let until = until.ok_or_else(|| {
            Failure::new(&catalogue::INVALID, "hold archive: the date is later than any clock shows (the year 2262)")
        })?;
        if until <= now {
            let message = format!("hold archive until {}: that is past", time::utc(until));
            return Err(Failure::new(&catalogue::INVALID, message));
        }
        Ok(Some(until))
    }
}

/// The end of a day in the last place on earth where it ends, twelve hours behind UTC.
fn end_of(date: Date) -> Option<i64> {
    let next = date.tomorrow().ok()?.to_zoned(TimeZone::fixed(Offset::constant(-12))).ok()?;
    nanoseconds(next.timestamp())
}

fn nanoseconds(moment: Timestamp) -> Option<i64> {
    i64::try_from(moment.as_nanosecond()).ok()
}

#[derive(Serialize)]
struct Fields {
    archive: String,
    location: String,
    held_until: String,
    /// The store itself refuses deletions until then.
    locked: bool,
}

pub fn run(arguments: &Arguments, context: &Context) -> Result<ExitCode> {
    let place = context.find(Some(&arguments.place))?;
    let mut archive = places::read(&place)?;
    let until = arguments.hold.moment(i64::MIN)?;
    let until = until.ok_or_else(|| {
        Failure::usage("extend-hold: no date is given").with_hint("say --hold-until DATE or --hold TIME")
    })?;
    let lock = archive.extend_hold(until, arguments.hold.mode()).map_err(|error| {
        let held = archive.held_until().map(time::utc).unwrap_or_default();
        let hint = match error {
            mainstay_repo::Error::Invalid(_) => {
                format!("it is held until {held}; a hold is extended to a later date, of an archive that is whole")
            }
            _ => "run the command again: locks that are missing are set".to_owned(),
        };
        Failure::from(error).with_hint(hint)
    })?;
    if context.output.is_json() {
        context.output.document(&Fields {
            archive: archive.id().to_string(),
            location: place.text().to_string_lossy().into_owned(),
            held_until: time::utc(until),
            locked: lock == Lock::Set,
        })?;
    } else {
        context.output.result(&format!("archive {} is held until {}\n", place.quoted(), time::utc(until)))?;
        tell_lock(context, lock);
    }
    Ok(ExitCode::Success)
}

/// Says what a hold rests on.
pub fn tell_lock(context: &Context, lock: Lock) {
    context.output.say(match lock {
        Lock::Set => "the store itself refuses to delete it until then",
        Lock::Unsupported => {
            "the store has no lock that Mainstay can set: Mainstay deletes nothing of it until then, whoever may delete in the store still can"
        }
    });
}
