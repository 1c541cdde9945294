//! `mainstay archive create`: a snapshot becomes a bundle of its own.
//!
//! Owns who can open the bundle, where it goes, and the presentation. Invariant: whoever is to open it can before it is sealed.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use mainstay_jobs::archive::{Sealed, create};
use mainstay_repo::store::Lock;
use mainstay_repo::{Archive, Recipient, RecoveryCode, Repository, Right, Secret, SnapshotEntry};
use serde::Serialize;

use super::hold::{Until, tell_lock};
use super::places;
use crate::arguments::reach::StorageClass;
use crate::commands::copy::copy_run;
use crate::commands::export;
use crate::commands::long_run::{LongRun, conclude};
use crate::commands::selection::OfSource;
use crate::context::{Context, Opened};
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Result, catalogue};
use crate::listing::{Asked, query};
use crate::location::Location;
use crate::output::{time, units};
use crate::{machine, recovery_kit, secrets};

const EXAMPLES: &str = "\
Examples:
  mainstay archive create latest --to /mnt/vault --hold 7y --kit vault-kit.txt
  mainstay archive create 1a2b3c4d --to s3://vault/archives --hold-until 2033-12-31 --recipient safe.pub
  mainstay archive create latest --to /mnt/vault --format tar.zst                  a plain file for any tar";

/// Make an archive of a snapshot
///
/// Without --recipient, --new-password-file and --kit the key that opens the repository opens the archive, too. With --recipient only who has the
/// private half can open it. The store is asked to refuse deletions before the end of the hold; where it cannot, that is said.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The snapshot
    #[arg(value_name = "SNAP")]
    snapshot: String,
    #[command(flatten)]
    source: OfSource,
    /// Where archives lie; each has a folder of its own there
    #[arg(long, value_name = "PLACE")]
    to: OsString,
    #[command(flatten)]
    hold: Until,
    /// mainstay: encrypted, restored by Mainstay; tar.zst: a plain file, neither encrypted nor held
    #[arg(long, value_name = "FORMAT", default_value = "mainstay", hide_possible_values = true)]
    format: Format,
    /// Who can open it: a public half that key create-recipient wrote, as a file or as text; may be given several times
    #[arg(long, value_name = "PUBLIC")]
    recipient: Vec<String>,
    /// Read a passphrase that opens it from a file
    #[arg(long, value_name = "FILE")]
    new_password_file: Option<PathBuf>,
    /// Write a recovery kit that opens it: a page to print
    #[arg(long, value_name = "FILE")]
    kit: Option<PathBuf>,
    #[command(flatten)]
    storage_class: StorageClass,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Mainstay,
    #[value(name = "tar.zst")]
    TarZst,
}

/// The last line of a run with `--json`.
#[derive(Serialize)]
struct Summary {
    message_type: &'static str,
    snapshot: String,
    format: &'static str,
    location: String,
    /// None of a plain file.
    archive: Option<String>,
    held_until: Option<String>,
    /// The store itself refuses deletions until then.
    locked: bool,
    objects: u64,
    bytes: u64,
    /// Entries that tar has no form for.
    left_out: u64,
    seconds_elapsed: f64,
}

/// Who can open the bundle.
struct Holders {
    secrets: Vec<(Secret, String)>,
    recipients: Vec<Recipient>,
}

pub fn run(arguments: &Arguments, context: &Context) -> Result<ExitCode> {
    let above = context.find(Some(&arguments.to))?.in_storage_class(&arguments.storage_class)?;
    let (opened, secret) = context.open_with_secret()?;
    opened.repository.require(Right::Restore, "create archive")?;
    if opened.location.is_same(&above) || opened.location.holds(&above) {
        let message = format!("create archive in {}: that is in the repository itself", above.quoted());
        return Err(Failure::new(&catalogue::USAGE, message).with_hint("name another place, best on another disk"));
    }
    let holders = holders(arguments, secret)?;
    query(&opened, &context.output, Asked::Named, |listing| {
        let entry = listing.find(&arguments.snapshot, arguments.source.name())?;
        let until = arguments.hold.moment(entry.snapshot.ended)?;
        match arguments.format {
            Format::Mainstay => bundle(arguments, context, (&opened, &above, entry), (holders, until)),
            Format::TarZst => plain_file(arguments, context, (&opened, &above, entry)),
        }
    })
}

fn holders(arguments: &Arguments, own: Secret) -> Result<Holders> {
    let recipients = arguments.recipient.iter().map(|text| recipient(text)).collect::<Result<Vec<_>>>()?;
    let host = machine::host_name();
    let mut secrets = Vec::new();
    if let Some(path) = &arguments.new_password_file {
        secrets.push((secrets::read_file(path)?, format!("passphrase on {host}")));
    }
    if secrets.is_empty() && recipients.is_empty() && arguments.kit.is_none() {
        secrets.push((own, format!("key of the repository on {host}")));
    }
    Ok(Holders { secrets, recipients })
}

/// A public half, as it is or in a file.
fn recipient(text: &str) -> Result<Recipient> {
    if let Some(recipient) = Recipient::parse(text) {
        return Ok(recipient);
    }
    let path = Path::new(text);
    let read = secrets::read_text(path, "read recipient")?;
    Recipient::parse(&read).ok_or_else(|| {
        let error = std::io::Error::new(std::io::ErrorKind::InvalidData, "it holds no public half of a recipient");
        Failure::file("read recipient", path, &error).with_hint("the public half begins with MSP1")
    })
}

/// Creates the bundle's repository with its holders. The key that it is born with goes where none but others are to open it.
fn create_bundle(arguments: &Arguments, place: &Location, holders: Holders) -> Result<Opened> {
    let Holders { mut secrets, recipients } = holders;
    let now = machine::now();
    let is_for_others = secrets.is_empty();
    let (first, label) = match secrets.is_empty() {
        true => (Secret::Code(RecoveryCode::generate()?), "maker".to_owned()),
        false => secrets.remove(0),
    };
    let repository = Repository::create_archive(place.store(), &first, &label, machine::liveness(), now)?;
    for (secret, label) in &secrets {
        repository.add_key(secret, label, now)?;
    }
    for recipient in &recipients {
        repository.add_recipient(recipient, "recipient", now)?;
    }
    if let Some(path) = &arguments.kit {
        recovery_kit::create(&repository, place, path)?;
    }
    if is_for_others {
        repository.remove_key(repository.own_slot())?;
    }
    Ok(Opened { repository, location: place.clone() })
}

fn bundle(
    arguments: &Arguments,
    context: &Context,
    (opened, above, entry): (&Opened, &Location, &SnapshotEntry),
    (holders, until): (Holders, Option<i64>),
) -> Result<ExitCode> {
    let place = places::free(above, entry.id, machine::now())?;
    let to = create_bundle(arguments, &place, holders)?;
    let mut long_run = LongRun::begin(context);
    let sealed = create(&copy_run(opened, &to, &long_run), entry, until.map(|until| (until, arguments.hold.mode())));
    let sealed = long_run.end(sealed).map_err(|failure| {
        let hint = format!("{}; {}", failure.hint(), what_is_there(&place));
        failure.with_hint(hint)
    })?;
    let printed = print_bundle(context, (&sealed, &place, entry), &long_run);
    conclude(printed, Ok(ExitCode::Success))
}

/// What a run that failed has left.
fn what_is_there(place: &Location) -> String {
    match Archive::read(place.store()) {
        Ok(_) => {
            format!(
                "the archive is whole, and its locks are not all set: extend its hold, mainstay archive extend-hold {}",
                place.quoted()
            )
        }
        Err(mainstay_repo::Error::NoRepository { .. } | mainstay_repo::Error::Invalid(_)) => {
            format!("what was begun at {} is no archive: delete it", place.quoted())
        }
        // Sealed or not: nothing that may be held is given up for a server that is away.
        Err(_) => format!(
            "whether the archive at {0} was finished is not known now: look by mainstay archive show {0} before anything of it is deleted",
            place.quoted()
        ),
    }
}

fn print_bundle(
    context: &Context,
    (sealed, place, entry): (&Sealed, &Location, &SnapshotEntry),
    long_run: &LongRun,
) -> Result<()> {
    let (archive, output) = (&sealed.archive, &context.output);
    let objects = archive.manifest().objects.len() as u64;
    if output.is_json() {
        return output.message(&Summary {
            message_type: "summary",
            snapshot: entry.id.to_string(),
            format: "mainstay",
            location: place.text().to_string_lossy().into_owned(),
            archive: Some(archive.id().to_string()),
            held_until: archive.held_until().map(time::utc),
            locked: sealed.lock == Lock::Set,
            objects,
            bytes: archive.bytes(),
            left_out: 0,
            seconds_elapsed: long_run.elapsed().as_secs_f64(),
        });
    }
    let (size, count) = (units::size(archive.bytes()), units::counted(objects, "object", "objects"));
    let (id, elapsed) = (entry.id.short(), units::duration(long_run.elapsed()));
    let held = archive.held_until().map_or("not held".to_owned(), |until| format!("held until {}", time::utc(until)));
    output
        .outcome(&format!("archived snapshot {id} at {}: {size} in {count} · {held} · {elapsed}\n", place.quoted()))?;
    if archive.held_until().is_some() {
        tell_lock(context, sealed.lock);
    }
    output.say(&format!("next: mainstay archive verify {}", place.quoted()));
    Ok(())
}

/// Writes the form that any tar opens; it is no repository, so nothing can hold it.
fn plain_file(
    arguments: &Arguments,
    context: &Context,
    (opened, above, entry): (&Opened, &Location, &SnapshotEntry),
) -> Result<ExitCode> {
    let refused = |what: &str| Failure::usage(format!("create archive as tar.zst: {what}"));
    let asks_for_more = arguments.hold.moment(i64::MIN)?.is_some()
        || arguments.kit.is_some()
        || arguments.new_password_file.is_some()
        || !arguments.recipient.is_empty();
    if asks_for_more {
        return Err(
            refused("a plain file is neither encrypted nor held").with_hint("leave out --format for a bundle that is")
        );
    }
    let Some(directory) = above.directory() else {
        return Err(refused("it is written into a directory only").with_hint("name a directory, then copy the file"));
    };
    std::fs::create_dir_all(directory).map_err(|error| Failure::file("create", directory, &error))?;
    let file = directory.join(format!("{}.tar.zst", places::name(entry.id, machine::now())));
    let mut long_run = LongRun::begin(context);
    let name: &OsStr = file.as_os_str();
    let report = export::write((name, export::Format::TarZst), opened, (entry, b""), &mut long_run)?;
    let bytes = file.metadata().map_err(|error| Failure::file("read", &file, &error))?.len();
    let ended = if report.left_out > 0 { ExitCode::Incomplete } else { ExitCode::Success };
    if context.output.is_json() {
        let printed = context.output.message(&Summary {
            message_type: "summary",
            snapshot: entry.id.to_string(),
            format: "tar.zst",
            location: file.to_string_lossy().into_owned(),
            archive: None,
            held_until: None,
            locked: false,
            objects: 1,
            bytes,
            left_out: report.left_out,
            seconds_elapsed: long_run.elapsed().as_secs_f64(),
        });
        return conclude(printed, Ok(ended));
    }
    let (id, elapsed) = (entry.id.short(), units::duration(long_run.elapsed()));
    let (shown, size) = (crate::location::quoted(&file), units::size(bytes));
    let printed = context.output.outcome(&format!("archived snapshot {id} as {shown}: {size} · {elapsed}\n"));
    context.output.say("it is not encrypted and not held: whoever may read the file reads it all");
    conclude(printed, Ok(ended))
}
