//! Finding a snapshot where some cannot be read: what a person means must not silently become something else.
//!
//! Owns the rule: `latest` never stands for an older snapshot than the newest one that is there, and the digits of a lost
//! snapshot never for nothing. Whoever brings files back at night must hear that the newest ones are not among them.

use mainstay_repo::{LostSnapshot, Repository, SnapshotEntry, SnapshotId, SnapshotPlace};

use super::{Reference, find_snapshot, history};
use crate::{Error, Result};

/// The snapshots of a repository, those that can be read and those that cannot.
pub struct Listed<'a> {
    pub repository: &'a Repository,
    pub entries: &'a [SnapshotEntry],
    pub lost: &'a [LostSnapshot],
}

impl<'a> Listed<'a> {
    /// Finds the snapshot that `text` means, as [`find_snapshot`] does.
    ///
    /// # Errors
    /// Those of [`find_snapshot`], and [`Error::LostSnapshot`] when one that cannot be read may be meant.
    pub fn find(&self, text: &str, source: Option<&str>) -> Result<&'a SnapshotEntry> {
        let found = find_snapshot(self.entries, text, source);
        let lost = match Reference::parse(text) {
            Ok(Reference::Latest { .. }) => self.lost_after(found.as_ref().ok().copied(), source),
            Ok(Reference::Prefix(prefix)) => self.lost_of(source, &|place| place.id.to_string().starts_with(&prefix)),
            Err(_) => None,
        };
        let Some(lost) = lost else { return found };
        let newest = history(self.entries, source).last().map(|entry| (entry.id, entry.snapshot.started));
        Err(Error::LostSnapshot { text: text.to_owned(), cause: lost.error.to_string(), newest })
    }

    /// Finds the snapshot that is to be forgotten: also one that cannot be read, if its digits are given, it alone begins so, and it proves
    /// where it stands.
    ///
    /// # Errors
    /// Those of [`Self::find`].
    pub fn find_to_forget(&self, text: &str, source: Option<&str>) -> Result<SnapshotId> {
        let unfound = match self.find(text, source) {
            Ok(entry) => return Ok(entry.id),
            Err(error) => error,
        };
        let Ok(Reference::Prefix(prefix)) = Reference::parse(text) else { return Err(unfound) };
        let is_named = |id: SnapshotId| id.to_string().starts_with(&prefix);
        let is_named_place = |place: &SnapshotPlace| is_named(place.id);
        let lost = self.lost_of(source, &is_named_place);
        let named =
            self.lost.iter().filter_map(|lost| lost.place.as_ref()).filter(|place| is_named_place(place)).count();
        let is_alone = named == 1 && self.entries.iter().all(|entry| !is_named(entry.id));
        match lost.filter(|_| is_alone) {
            Some(lost) if self.repository.proves_itself(lost)? => lost.place.map(|place| place.id).ok_or(unfound),
            _ => Err(unfound),
        }
    }

    /// Whether any snapshot, forgotten or lost ones included, is of the source.
    ///
    /// # Errors
    /// [`Error::NoSource`] when none is: the name is more likely mistyped than meant.
    pub fn require_source(&self, source: Option<&str>) -> Result<()> {
        let Some(source) = source else { return Ok(()) };
        match self.lost_of(Some(source), &|_| true) {
            Some(_) => Ok(()),
            None => super::require_source(self.entries, source),
        }
    }

    /// A lost snapshot that may be newer than the one found. Of a lost one nothing but its place in the history of its
    /// source is known: it is older if a later one of that source stands before the one found, or is it.
    fn lost_after(&self, found: Option<&SnapshotEntry>, source: Option<&str>) -> Option<&'a LostSnapshot> {
        let order = history(self.entries, source);
        let position = found.and_then(|found| order.iter().position(|entry| entry.id == found.id));
        let older = position.and_then(|position| order.get(..=position)).unwrap_or_default();
        let is_older = |place: &SnapshotPlace| {
            older.iter().any(|entry| {
                entry.snapshot.sequence > place.sequence
                    && self.repository.source_id_of(&entry.snapshot) == place.source
            })
        };
        self.lost_of(source, &|place| !is_older(place))
    }

    /// The last lost snapshot of the source, if one is named, that is not forgotten and passes the test.
    fn lost_of(&self, source: Option<&str>, wanted: &dyn Fn(&SnapshotPlace) -> bool) -> Option<&'a LostSnapshot> {
        let source = source.map(|source| self.repository.source_id(source));
        let is_wanted = |place: &SnapshotPlace| source.is_none_or(|source| place.source == source) && wanted(place);
        self.lost.iter().rfind(|lost| !lost.forgotten && lost.place.as_ref().is_some_and(is_wanted))
    }
}
