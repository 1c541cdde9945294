//! Checks of the directory that holds the repository, and of its disk.
//!
//! Owns rights, space and place. Writes nothing, not even to see whether it could.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use mainstay_repo::{Repository, Store};
use rustix::fs::{Access, StatVfs, access, statvfs};

use super::checkup::Checkup;
use super::keys::mode;
use crate::failure::{Failure, catalogue};
use crate::location::{Location, quoted};
use crate::output::units;

/// Less is not enough for one more pack and what goes with it.
const SPACE_NEEDED: u64 = 256 << 20;
/// Less is told of, and so is less than 5 % of the disk.
const SPACE_WISHED: u64 = 2 << 30;

/// Checks the store; answers whether there is a repository to look into.
pub fn check(checkup: &mut Checkup, location: &Location) -> bool {
    checkup.group("store");
    let store = location.store();
    match Repository::identify(&*store) {
        Ok(id) => checkup.ok("repository", format!("{} at {}", id.short(), location.quoted())),
        Err(error) => {
            checkup.fail("repository", &error.into());
            return false;
        }
    }
    if let Some(path) = location.directory() {
        directory(checkup, path);
    }
    // A bucket has no end.
    if location.path().is_some() {
        reserve(checkup, &*store);
    }
    true
}

fn directory(checkup: &mut Checkup, path: &Path) {
    rights(checkup, path);
    match statvfs(path) {
        Ok(disk) => {
            space(checkup, &disk);
            inodes(checkup, &disk);
        }
        Err(error) => checkup.fail("space", &Failure::file("measure the disk of", path, &error.into())),
    }
    place(checkup, path);
    unfinished(checkup, path);
}

fn rights(checkup: &mut Checkup, path: &Path) {
    match mode(path) {
        Some(mode) if mode & 0o077 != 0 => checkup.warn(
            "access of others",
            format!("others may use {} (mode {mode:o})", quoted(path)),
            format!("chmod 700 {}", quoted(path)),
        ),
        _ => checkup.ok("access of others", "only the owner may use the directory"),
    }
    match access(path, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) => checkup.ok("own access", "you may write"),
        Err(error) => checkup.warn(
            "own access",
            format!("you may not write: {error}; restoring works, backing up does not"),
            "check the owner of the directory, and that its disk is mounted for writing",
        ),
    }
}

fn space(checkup: &mut Checkup, disk: &StatVfs) {
    let (free, all) = (disk.f_bavail.saturating_mul(disk.f_frsize), disk.f_blocks.saturating_mul(disk.f_frsize));
    let detail = format!("{} of {} free", units::size(free), units::size(all));
    if free < SPACE_NEEDED {
        checkup.fail("space", &Failure::new(&catalogue::NO_SPACE, detail));
    } else if free < SPACE_WISHED || free < all / 20 {
        checkup.warn("space", detail, "free space on the disk, or forget snapshots and prune");
    } else {
        checkup.ok("space", detail);
    }
}

fn inodes(checkup: &mut Checkup, disk: &StatVfs) {
    // File systems without a fixed number say 0.
    let (free, all) = (disk.f_favail, disk.f_files);
    if all == 0 {
        checkup.ok("inodes", "as many as there is space");
    } else if free < all / 100 || free < 10_000 {
        checkup.warn(
            "inodes",
            format!("{} of {} free", units::count(free), units::count(all)),
            "delete small files on that disk, or move the repository to another one",
        );
    } else {
        checkup.ok("inodes", format!("{} of {} free", units::count(free), units::count(all)));
    }
}

fn reserve(checkup: &mut Checkup, store: &dyn Store) {
    match store.reserve_len() {
        Ok(0) => checkup.warn(
            "reserve",
            "no space is set aside for the day when the disk is full",
            "mainstay prune: it sets some aside when it is done",
        ),
        Ok(len) => checkup.ok("reserve", format!("{} set aside for a full disk", units::size(len))),
        Err(error) => checkup.warn("reserve", error.to_string(), "check the owner and mode of the directory"),
    }
}

/// A repository on the disk that it protects goes with it.
fn place(checkup: &mut Checkup, path: &Path) {
    let device = |path: &Path| path.metadata().ok().map(|metadata| metadata.dev());
    let home = crate::defaults::variable("HOME").map(std::path::PathBuf::from);
    match (device(path), home.as_deref().and_then(device)) {
        (Some(own), Some(home)) if own == home => checkup.warn(
            "disk",
            "the repository is on the same disk as your home directory: it survives a deleted file, not a dead disk",
            "keep it, or a second one, on another disk: --repo PATH",
        ),
        _ => checkup.ok("disk", "the repository is on another disk than your home directory"),
    }
}

fn unfinished(checkup: &mut Checkup, path: &Path) {
    let left = std::fs::read_dir(path.join("tmp")).map_or(0, Iterator::count) as u64;
    match left {
        0 => checkup.ok("unfinished", "nothing is left of sessions that were killed"),
        left => checkup.warn(
            "unfinished",
            format!(
                "{} of sessions that are at work or were killed",
                units::counted(left, "unfinished object", "unfinished objects")
            ),
            "mainstay prune clears what was left, once no other session is at work",
        ),
    }
}
