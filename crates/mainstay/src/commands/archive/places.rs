//! Where archives lie: beneath a place that is theirs, each in a folder of its own; in a store that is one file, the file.
//!
//! Owns their names and finding them. Opens none.

use std::io;
use std::path::Path;

use mainstay_repo::{Archive, Locked, Repository, SnapshotId, names};

use crate::context::Context;
use crate::failure::{Failure, Result, catalogue};
use crate::location::{Location, quoted};
use crate::output::{escape, time, units};

/// Archives of one snapshot that are made on one day.
const MOST_OF_A_DAY: u32 = 1000;

/// A free place for a new archive: `20260301-1a2b3c4d`, after the day and the snapshot.
pub fn free(above: &Location, snapshot: SnapshotId, now: i64) -> Result<Location> {
    let name = name(snapshot, now);
    if is_one_file(above) {
        return Ok(above.clone());
    }
    for number in 1..MOST_OF_A_DAY {
        let name = if number == 1 { name.clone() } else { format!("{name}-{number}") };
        let place = above.beneath(&name)?;
        match Repository::identify(&*place.store()) {
            Err(mainstay_repo::Error::NoRepository { .. }) => return Ok(place),
            Err(error) if error.kind() != mainstay_repo::Kind::Corrupt => return Err(error.into()),
            _ => {}
        }
    }
    let message = format!("create archive in {}: there are too many of this snapshot and day", above.quoted());
    Err(Failure::new(&catalogue::OCCUPIED, message))
}

/// The name of an archive of a snapshot that is made now.
pub fn name(snapshot: SnapshotId, now: i64) -> String {
    let day: String = time::utc(now).chars().take(10).filter(char::is_ascii_digit).collect();
    format!("{day}-{}", snapshot.short())
}

/// A store that is one file has no folders.
fn is_one_file(place: &Location) -> bool {
    place.path().is_some() && place.directory().is_none()
}

/// The archives at or beneath a place, by name.
pub fn find(above: &Location) -> Result<Vec<Location>> {
    if let Ok(itself) = Locked::find(above.store()) {
        return Ok(if itself.is_archive() { vec![above.clone()] } else { Vec::new() });
    }
    let names = match above.directory() {
        Some(path) => folders(path)?,
        None => prefixes(above)?,
    };
    let mut found = Vec::new();
    for name in names {
        let place = above.beneath(&name)?;
        // What cannot be read may be one, and says why when it is looked at.
        if Locked::find(place.store()).map_or(true, |found| found.is_archive()) {
            found.push(place);
        }
    }
    Ok(found)
}

fn folders(path: &Path) -> Result<Vec<String>> {
    let failed = |error: &io::Error| Failure::file("list archives in", path, error);
    let entries = std::fs::read_dir(path).map_err(|error| failed(&error))?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| failed(&error))?;
        if entry.path().join(names::CONFIG).is_file() {
            names.extend(entry.file_name().into_string().ok());
        }
    }
    names.sort();
    Ok(names)
}

/// The folders of a bucket that have a configuration.
fn prefixes(above: &Location) -> Result<Vec<String>> {
    let listed = above.store().list("").map_err(|error| {
        let message = format!("list archives in {}: {error}", above.quoted());
        Failure::new(&catalogue::STORE, message)
    })?;
    let end = format!("/{}", names::CONFIG);
    let is_folder = |name: &&str| !name.is_empty() && !name.contains('/');
    let mut names: Vec<String> = listed
        .iter()
        .filter_map(|object| object.name.strip_suffix(&end))
        .filter(is_folder)
        .map(str::to_owned)
        .collect();
    names.sort();
    Ok(names)
}

/// Reads what the archive at a place says of itself.
pub fn read(place: &Location) -> Result<Archive> {
    Archive::read(place.store()).map_err(|error| {
        let is_none = matches!(error, mainstay_repo::Error::NoRepository { .. } | mainstay_repo::Error::Invalid(_));
        let failure = Failure::from(error);
        if !is_none {
            return failure;
        }
        failure.with_hint(format!("name one archive; `mainstay archive list {}` shows them", quoted(&parent(place))))
    })
}

/// Makes sure that nothing of an archive lies in a cold storage class; what does is listed.
pub fn require_warm(archive: &Archive, place: &Location, context: &Context) -> Result<()> {
    let cold = archive.cold()?;
    if cold.is_empty() {
        return Ok(());
    }
    let count = units::counted(cold.len() as u64, "object", "objects");
    let size = units::size(cold.iter().map(|object| object.len).fold(0, u64::saturating_add));
    if !context.output.is_json() {
        let names: String = cold.iter().map(|object| format!("{}\n", escape::text(&object.name))).collect();
        context.output.result(&names)?;
    }
    let message = format!(
        "read archive {}: {count} of it, {size}, must be restored from a cold storage class first",
        place.quoted()
    );
    Err(Failure::new(&catalogue::ARCHIVE_COLD, message))
}

fn parent(place: &Location) -> std::path::PathBuf {
    let text = place.text();
    Path::new(&text).parent().unwrap_or(Path::new(&text)).to_owned()
}
