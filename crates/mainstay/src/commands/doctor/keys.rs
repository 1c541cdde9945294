//! Checks of the keys: those on this machine, and those of the repository.
//!
//! Owns whether the repository can be opened tomorrow, and by whom. Changes nothing, and shows no secret.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use mainstay_repo::{KeySlot, Repository, Right};

use super::checkup::Checkup;
use crate::commands::key;
use crate::context::{Context, Opened};
use crate::failure::Failure;
use crate::location::quoted;
use crate::output::{escape, units};
use crate::{defaults, key_file, machine, recovery_kit, secrets};

/// What opens the repository, or why nothing does.
pub fn opened(checkup: &mut Checkup, context: &Context) -> Option<Opened> {
    checkup.group("keys");
    match context.open() {
        Ok(opened) => {
            let named = matches!(context.named_secret(), Ok(Some(_)));
            let path = key_file::path(opened.repository.id()).ok().filter(|path| path.exists() && !named);
            let what = path.map_or_else(|| "a password that you give".to_owned(), |path| quoted(&path));
            checkup.ok("key", format!("the repository opens with {what}"));
            Some(opened)
        }
        Err(failure) => {
            checkup.fail("key", &failure);
            None
        }
    }
}

pub fn check(checkup: &mut Checkup, opened: &Opened) {
    folder(checkup);
    kit(checkup, opened);
    slots(checkup, opened);
    match opened.repository.confirm_signer() {
        Ok(()) => checkup.ok("signature", "what this key signs is believed"),
        Err(error) => checkup.fail("signature", &error.into()),
    }
}

fn folder(checkup: &mut Checkup) {
    let Ok(folder) = defaults::config_directory().map(|folder| folder.join("keys")) else { return };
    match mode(&folder) {
        None => checkup.ok("key directory", "there is none: no key is kept on this machine"),
        Some(mode) if mode & 0o022 == 0 => checkup.ok("key directory", quoted(&folder)),
        Some(mode) => checkup.warn(
            "key directory",
            format!("others may write in {} (mode {mode:o})", quoted(&folder)),
            format!("chmod 700 {}", quoted(&folder)),
        ),
    }
}

fn kit(checkup: &mut Checkup, opened: &Opened) {
    let opens = |kit: &Path| {
        let secret = secrets::read_file(kit);
        secret.is_ok_and(|secret| Repository::open(opened.location.store(), &secret, machine::liveness()).is_ok())
    };
    match recovery_kit::default_path(&opened.repository).ok().filter(|kit| kit.exists()) {
        Some(kit) if !opens(&kit) => checkup.warn(
            "recovery kit",
            format!("{} opens this repository no more: its key was removed, or shut out by a rotation", quoted(&kit)),
            format!(
                "delete it, its printed pages too, and make another: mainstay key{} export-kit",
                opened.location.flag()
            ),
        ),
        Some(kit) => checkup.warn(
            "recovery kit",
            format!("{} is still on this machine", quoted(&kit)),
            "print it, keep the page elsewhere, and delete the file",
        ),
        None => checkup.ok("recovery kit", "none lies about on this machine"),
    }
}

fn slots(checkup: &mut Checkup, opened: &Opened) {
    let known = match opened.repository.key_slots() {
        Err(error) => return checkup.fail("key slots", &error.into()),
        Ok(known) => known,
    };
    for damage in known.damaged {
        checkup.fail("key slots", &Failure::from(damage.error).with_hint(key::HEAL_OR_REMOVE));
    }
    let reads = |slot: &&KeySlot| slot.rights.has(Right::Restore);
    let newest = known.slots.iter().filter(reads).map(|slot| slot.generation).max().unwrap_or_default();
    let is_old = |slot: &KeySlot| slot.rights.has(Right::Restore) && slot.generation < newest;
    let (old, slots): (Vec<KeySlot>, Vec<KeySlot>) = known.slots.into_iter().partition(is_old);
    for slot in old {
        let what = format!("{} ({})", slot.id.short(), escape::text(&slot.label));
        checkup.warn(
            "key slots",
            format!("key {what} has the secrets of before a rotation: it opens nothing that was sealed since"),
            format!("mainstay key{} remove {}, and add it again", opened.location.flag(), slot.id.short()),
        );
    }
    if slots.iter().filter(reads).count() < 2 {
        return checkup.warn(
            "key slots",
            "only one key can restore from this repository",
            format!("make a recovery kit: mainstay key{} export-kit", opened.location.flag()),
        );
    }
    let labels: Vec<String> = slots.iter().map(|slot| escape::text(&slot.label)).collect();
    let count = units::counted(slots.len() as u64, "key opens", "keys open");
    checkup.ok("key slots", format!("{count} this repository: {}", labels.join(", ")));
}

/// The permission bits of a file that is there.
pub fn mode(path: &Path) -> Option<u32> {
    path.metadata().ok().map(|metadata| metadata.permissions().mode() & 0o7777)
}
