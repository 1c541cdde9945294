//! `mainstay key`: who can open the repository.
//!
//! Owns the verbs on key slots. Never shows a secret: a new code goes to a file for its owner only.

mod agents;
mod recipient;
mod rotate;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use mainstay_repo::{KeySlot, KeySlots, Repository, Right, SlotId, SlotKind, SmallDamage, names};
use serde::Serialize;

use crate::context::{Context, Opened};
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Result, catalogue};
use crate::location::quoted;
use crate::output::table::{Align, Table};
use crate::output::{escape, time};
use crate::{machine, recovery_kit, secrets};

const EXAMPLES: &str = "\
Examples:
  mainstay key list
  mainstay key add --label laptop
  mainstay key create-writer --label web01           a key that backs up and cannot read
  mainstay key create-maintainer --label janitor     a key that prunes and cannot read
  mainstay key create-recipient                      a restore key that stays offline, and
  mainstay key add-recipient mainstay-recipient.pub    its public half
  mainstay key export-kit
  mainstay key remove 1a2b3c4d
  mainstay key rotate --take-along kit.txt           new secrets, which removed keys do not have";

/// Manage the keys that open the repository
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    Add(Add),
    CreateWriter(agents::WriterArguments),
    CreateMaintainer(agents::MaintainerArguments),
    CreateRecipient(recipient::CreateArguments),
    AddRecipient(recipient::AddArguments),
    List(List),
    Remove(Remove),
    Rotate(rotate::Arguments),
    ExportKit(ExportKit),
}

const ADD_EXAMPLES: &str = "\
Examples:
  mainstay key add                                      asks for a new passphrase, twice
  mainstay key add --new-password-file new.txt --label robot";

/// Add a passphrase
#[derive(clap::Args)]
#[command(after_help = ADD_EXAMPLES)]
struct Add {
    /// Read the new passphrase from a file instead of asking (- for standard input)
    #[arg(long, value_name = "FILE")]
    new_password_file: Option<PathBuf>,
    /// What the list shows for it
    #[arg(long, value_name = "TEXT", default_value = "passphrase")]
    label: String,
}

/// What to do about what is no slot.
const STRAY: &str = "it is nothing of Mainstay's: delete it where the repository lies";

/// What to do about a damaged slot.
pub const HEAL_OR_REMOVE: &str = "`mainstay repair` heals it where there is another copy of it; `mainstay key remove ID`, with the id in its name, takes it away";

const LIST_EXAMPLES: &str = "\
Examples:
  mainstay key list
  mainstay key list --json";

/// List the keys
#[derive(clap::Args)]
#[command(after_help = LIST_EXAMPLES)]
struct List {}

const REMOVE_EXAMPLES: &str = "\
Examples:
  mainstay key remove 1a2b3c4d";

/// Remove a key; it will not open the repository any more
#[derive(clap::Args)]
#[command(after_help = REMOVE_EXAMPLES)]
struct Remove {
    /// The first digits of the key's id, as listed
    #[arg(value_name = "ID")]
    id: String,
}

const KIT_EXAMPLES: &str = "\
Examples:
  mainstay key export-kit
  mainstay key export-kit /media/stick/kit.txt";

/// Make another recovery kit: a page to print, with a new key
#[derive(clap::Args)]
#[command(after_help = KIT_EXAMPLES)]
struct ExportKit {
    /// Where to write it; an existing file is not replaced [default: a new file in the working directory]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

/// A key in `--json` output.
#[derive(Serialize)]
struct KeyFields {
    id: String,
    kind: &'static str,
    label: String,
    created: String,
    rights: Vec<&'static str>,
    in_use: bool,
}

/// Of a key of which nothing can be read but its id.
#[derive(Serialize)]
struct BareFields {
    id: String,
}

#[derive(Serialize)]
struct KitFields {
    recovery_kit: String,
}

pub fn run(arguments: &Arguments, context: &Context) -> Result<ExitCode> {
    match &arguments.verb {
        Verb::CreateRecipient(create) => return recipient::create(create, context),
        Verb::Rotate(rotate) => return rotate::rotate(rotate, context),
        _ => {}
    }
    let opened = context.open()?;
    match &arguments.verb {
        Verb::Add(add) => run_add(add, context, &opened),
        Verb::CreateWriter(create) => agents::create_writer(create, context, &opened),
        Verb::CreateMaintainer(create) => agents::create_maintainer(create, context, &opened),
        Verb::CreateRecipient(create) => recipient::create(create, context),
        Verb::AddRecipient(add) => recipient::add(add, context, &opened),
        Verb::List(_) => run_list(context, &opened),
        Verb::Remove(remove) => run_remove(remove, context, &opened),
        Verb::Rotate(rotate) => rotate::rotate(rotate, context),
        Verb::ExportKit(export) => run_export_kit(export, context, &opened),
    }
}

fn run_add(add: &Add, context: &Context, opened: &Opened) -> Result<ExitCode> {
    let secret = match &add.new_password_file {
        Some(path) => secrets::read_file(path)?,
        None if secrets::can_ask() => secrets::ask_twice("new passphrase")?,
        None => {
            let message = "add key: no --new-password-file is named, and standard input is not a terminal";
            return Err(Failure::new(&catalogue::NO_KEY, message).with_hint("name a file by --new-password-file"));
        }
    };
    let slot = opened.repository.add_key(&secret, &add.label, machine::now())?;
    match context.output.is_json() {
        true => context.output.document(&fields(&slot, &opened.repository))?,
        false => context.output.result(&format!("added key {}\n", slot.id.short()))?,
    }
    Ok(ExitCode::Success)
}

fn run_list(context: &Context, opened: &Opened) -> Result<ExitCode> {
    let KeySlots { slots, damaged } = opened.repository.key_slots()?;
    warn_of_damage(&damaged, context);
    let ends = if damaged.is_empty() { ExitCode::Success } else { ExitCode::Incomplete };
    if context.output.is_json() {
        let fields: Vec<KeyFields> = slots.iter().map(|slot| fields(slot, &opened.repository)).collect();
        context.output.document(&fields)?;
        return Ok(ends);
    }
    let columns = ["ID", "KIND", "RIGHTS", "CREATED", "LABEL"].map(|title| (title, Align::Left));
    let mut table = Table::new(&columns);
    for slot in &slots {
        let own = if slot.id == opened.repository.own_slot() { " (in use)" } else { "" };
        let label = format!("{}{own}", escape::text(&slot.label));
        let kind = kind(slot.kind).replace('_', " ");
        table.push(vec![slot.id.short(), kind, slot.rights.names().join(" "), time::local(slot.created), label]);
    }
    context.output.table(&table)?;
    Ok(ends)
}

/// Tells of key slots that are damaged, which keeps nobody out but their holders.
pub fn warn_of_damage(damaged: &[SmallDamage], context: &Context) {
    for damage in damaged {
        let is_slot = names::parse_key_slot(&damage.name).is_ok();
        let failure = Failure::damaged(&damage.error).with_hint(if is_slot { HEAL_OR_REMOVE } else { STRAY });
        match context.output.is_json() {
            true => context.output.warning_message(&damage.name, &failure.message),
            false => context.output.warn_by_code(&failure),
        }
    }
}

fn run_remove(remove: &Remove, context: &Context, opened: &Opened) -> Result<ExitCode> {
    let known = opened.repository.key_slots()?;
    // Of one that is not listed a second copy may be left.
    let unlisted = opened.repository.unlisted_keys()?;
    if let Some(id) = unlisted.iter().find(|id| id.to_string() == remove.id) {
        opened.repository.remove_key(*id)?;
        told_removed(*id, &format!("removed the second copy of key {}\n", id.short()), context)?;
        return Ok(ExitCode::Success);
    }
    let id = find(&known, &remove.id)?;
    if id == opened.repository.own_slot() {
        let message = format!("remove key {}: it is the one that opened the repository", id.short());
        let hint = "open the repository with another key, which proves that the other one works";
        return Err(Failure::new(&catalogue::LAST_KEY, message).with_hint(hint));
    }
    opened.repository.remove_key(id)?;
    let Some(slot) = known.slots.iter().find(|slot| slot.id == id) else {
        told_removed(id, &format!("removed key {}, of which nothing could be read\n", id.short()), context)?;
        return Ok(ExitCode::Success);
    };
    match context.output.is_json() {
        true => context.output.document(&fields(slot, &opened.repository))?,
        false => context.output.result(&format!("removed key {}\n", id.short()))?,
    }
    context.output.say(what_removing_does(slot));
    Ok(ExitCode::Success)
}

/// Says that a key is gone of which nothing else is known.
fn told_removed(id: SlotId, line: &str, context: &Context) -> Result<()> {
    match context.output.is_json() {
        true => context.output.document(&BareFields { id: id.to_string() }),
        false => context.output.result(line),
    }
}

/// What was taken away, and what cannot be.
fn what_removing_does(slot: &KeySlot) -> &'static str {
    if slot.rights.has(Right::Maintain) && !slot.rights.has(Right::Write) {
        return "it opens this repository no more. Whoever kept its secrets could never read anything, and can still sign that \
                snapshots are forgotten, which the next prune believes: take away their access to the store";
    }
    match (slot.rights.has(Right::Restore), slot.rights.has(Right::List)) {
        (false, false) => {
            "it opens this repository no more; what it wrote stays and can be restored. Whoever kept its secrets could never \
             read anything, and can still add snapshots of its own sources if the store lets them in"
        }
        (false, true) => {
            "it opens this repository no more; what it wrote stays and can be restored. Whoever kept its secrets can still \
             list its own snapshots in a copy of the repository, and add more if the store lets them in"
        }
        _ => {
            "it opens this repository no more. Whoever used it may have kept the secrets behind it, or an old copy of its \
             slot, and with either can read a copy of the repository, later backups included, until you run `mainstay key \
             rotate`. What was copied before that stays readable for them: if it was stolen, consider the content known"
        }
    }
}

fn run_export_kit(export: &ExportKit, context: &Context, opened: &Opened) -> Result<ExitCode> {
    opened.repository.require_all("export recovery kit")?;
    let path = match &export.file {
        Some(path) => path.clone(),
        None => free_name(&format!("mainstay-{}", recovery_kit::file_name(&opened.repository))),
    };
    let path = new_file(&path, "write recovery kit")?;
    recovery_kit::create(&opened.repository, &opened.location, &path)?;
    if context.output.is_json() {
        context.output.document(&KitFields { recovery_kit: path.to_string_lossy().into_owned() })?;
        return Ok(ExitCode::Success);
    }
    context.output.result(&format!("wrote recovery kit {}\n", quoted(&path)))?;
    context.output.say("next: print it, keep it away from this machine, delete the file");
    Ok(ExitCode::Success)
}

/// The whole path of a file that is to be written and must not be there.
fn new_file(path: &Path, verb: &str) -> Result<PathBuf> {
    let path = std::path::absolute(path).map_err(|error| Failure::file(verb, path, &error))?;
    if path.symlink_metadata().is_err() {
        return Ok(path);
    }
    let failure = Failure::file(verb, &path, &io::Error::from(io::ErrorKind::AlreadyExists));
    Err(failure.with_hint("name another file: one that exists is never replaced"))
}

/// This name, or one with a number where there is such a file already.
fn free_name(name: &str) -> PathBuf {
    let (stem, end) = name.rsplit_once('.').unwrap_or((name, "txt"));
    let numbered = (2..1000).map(|number| format!("{stem}-{number}.{end}"));
    let mut names = std::iter::once(name.to_owned()).chain(numbered).map(PathBuf::from);
    names.find(|path| path.symlink_metadata().is_err()).unwrap_or_else(|| name.into())
}

/// The key whose id begins so; its slot may be damaged.
fn find(known: &KeySlots, text: &str) -> Result<SlotId> {
    let ids: BTreeSet<SlotId> = known.slots.iter().map(|slot| slot.id).chain(known.damaged_holders()).collect();
    let is_meant = |id: &SlotId| !text.is_empty() && id.to_string().starts_with(&text.to_ascii_lowercase());
    let found: Vec<SlotId> = ids.into_iter().filter(is_meant).collect();
    match found.as_slice() {
        [id] => Ok(*id),
        others => {
            let message = format!("find key {text:?}: {} keys have ids that begin so", others.len());
            Err(Failure::new(&catalogue::NO_KEY_SLOT, message))
        }
    }
}

fn kind(kind: SlotKind) -> &'static str {
    match kind {
        SlotKind::Passphrase => "passphrase",
        SlotKind::RecoveryCode => "recovery_code",
        SlotKind::Recipient => "recipient",
    }
}

fn fields(slot: &KeySlot, repository: &Repository) -> KeyFields {
    KeyFields {
        id: slot.id.to_string(),
        kind: kind(slot.kind),
        label: slot.label.clone(),
        created: time::utc(slot.created),
        rights: slot.rights.names(),
        in_use: slot.id == repository.own_slot(),
    }
}
