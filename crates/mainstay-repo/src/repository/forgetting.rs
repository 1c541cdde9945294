//! Forgetting: the marks of snapshots that go with a later prune.
//!
//! Owns putting and reading them, and those of snapshots that are to count and that nobody has confirmed. A mark counts only if somebody has signed it who may record removals: who may write to the store and
//! no more can make none.

use std::collections::HashSet;

use super::{Repository, delete, list, put, store_error};
use crate::error::{Error, Result};
use crate::format::envelope::ObjectKind;
use crate::format::{coord, names};
use crate::heard::{Heard, hear, hear_kept};
use crate::id::{SessionId, SnapshotId};
use crate::signer::sign_object;
use crate::store::each;

/// What marks say of snapshots.
#[derive(Clone, Default)]
pub struct Marks {
    pub forgotten: HashSet<SnapshotId>,
    /// Those that nobody has confirmed yet, if they count: whoever lets one count has it marked until it has looked for its fence.
    pub unconfirmed: HashSet<SnapshotId>,
}

/// How a mark is read.
type HearMark = fn(&Repository, SnapshotId) -> Result<Heard<coord::Trash>>;

impl Repository {
    /// Marks a snapshot as forgotten; the next prune removes it.
    pub fn forget(&self, id: SnapshotId, now: i64) -> Result<()> {
        self.put_mark(&coord::Trash { snapshot: id, forgotten: now, void: None, session: None })
    }

    /// Notes since when a void snapshot waits for its removal. Should somebody acquit it, it is not forgotten by that.
    pub(crate) fn forget_void(&self, id: SnapshotId, now: i64) -> Result<()> {
        self.put_mark(&coord::Trash { snapshot: id, forgotten: now, void: Some(true), session: None })
    }

    /// Notes that somebody is about to let a snapshot count that is not forgotten; its session, if that brings the snapshot: then the mark stays
    /// without it.
    pub(crate) fn begin_to_count(&self, id: SnapshotId, session: Option<SessionId>) -> Result<()> {
        self.put_mark(&self.mark_of_arrival(id, session))
    }

    /// The same in the place of whatever mark there is, one that is damaged among them: from now on the snapshot is not
    /// forgotten, and nobody relies on it.
    pub(crate) fn take_back_mark(&self, id: SnapshotId) -> Result<()> {
        self.replace_mark(&self.mark_of_arrival(id, None))
    }

    /// Says that a snapshot that counts is whole: whoever says it has looked for its fence. The mark of a user who has forgotten it meanwhile
    /// stays.
    pub(crate) fn confirm_counting(&self, id: SnapshotId) -> Result<()> {
        match self.mark(id)? {
            Some(mark) if !mark.is_of_void() => Ok(()),
            _ => delete(&*self.store, &names::trash(id)),
        }
    }

    fn mark_of_arrival(&self, id: SnapshotId, session: Option<SessionId>) -> coord::Trash {
        let now = (self.liveness.now)();
        coord::Trash { snapshot: id, forgotten: now, void: Some(true), session }
    }

    fn signed_mark(&self, mark: &coord::Trash) -> Result<Vec<u8>> {
        sign_object(self.keys.signer(), self.id(), (ObjectKind::Trash, &coord::encode_trash(mark)))
    }

    fn put_mark(&self, mark: &coord::Trash) -> Result<()> {
        self.refuse_held("forget")?;
        let (id, name) = (mark.snapshot, names::trash(mark.snapshot));
        let bytes = self.signed_mark(mark)?;
        match self.with_reserve(|| put(&*self.store, &name, &bytes)) {
            Err(Error::Store { source, .. }) if source.kind() == std::io::ErrorKind::AlreadyExists => {
                match in_the_place_of(&self.hear_mark(id)?, mark) {
                    Some(mark) => self.replace_mark(&mark),
                    // By a command before this one, or by the first try of this one: whether it lasts, nobody knows yet.
                    None => self.make_durable(&name),
                }
            }
            other => other,
        }
    }

    /// Never by deleting the old one first: in between a snapshot that nobody has confirmed would count like any other.
    fn replace_mark(&self, mark: &coord::Trash) -> Result<()> {
        let (name, bytes) = (names::trash(mark.snapshot), self.signed_mark(mark)?);
        let replace = || self.store.replace(&name, &bytes).map_err(|source| store_error("replace", &name, source));
        self.with_reserve(replace)
    }

    /// The mark of a snapshot; none if there is none, or none that somebody has signed who may.
    pub(crate) fn mark(&self, id: SnapshotId) -> Result<Option<coord::Trash>> {
        match self.hear_mark(id)? {
            Heard::Said(mark) => Ok(Some(mark)),
            Heard::Perhaps | Heard::Nothing => Ok(None),
        }
    }

    /// The same for whoever must not pass over one that is damaged.
    pub(crate) fn hear_mark(&self, id: SnapshotId) -> Result<Heard<coord::Trash>> {
        let object = (ObjectKind::Trash, &*names::trash(id), "read trash mark");
        match hear((&*self.store, &self.judge), object, |said| coord::decode_trash(id, said)) {
            Err(Error::Missing { .. }) => Ok(Heard::Nothing),
            heard => heard,
        }
    }

    /// The same for whoever deletes nothing: that a user has forgotten a snapshot is taken from what is kept near, as long as a mark of it is listed.
    /// If that says something else by now, the snapshot is one that nobody has confirmed, and nobody relies on either.
    fn hear_kept_mark(&self, id: SnapshotId) -> Result<Heard<coord::Trash>> {
        let object = (ObjectKind::Trash, &*names::trash(id), "read trash mark");
        let decode = |said: &[u8]| coord::decode_trash(id, said);
        match hear_kept((&*self.store, &self.judge), object, decode, |mark| !mark.is_of_void()) {
            Err(Error::Missing { .. }) => Ok(Heard::Nothing),
            heard => heard,
        }
    }

    /// The snapshots that are marked as forgotten.
    pub fn marked(&self) -> Result<HashSet<SnapshotId>> {
        self.marks().map(|marks| marks.forgotten)
    }

    /// What the marks say that are listed. By one that is damaged nobody is forgotten, and nobody counts as confirmed; one that nobody has
    /// signed who may says nothing.
    pub fn marks(&self) -> Result<Marks> {
        let mut marks = Marks::default();
        self.add_marks(&mut marks, Self::hear_mark)?;
        Ok(marks)
    }

    /// The same as far as whoever deletes nothing has to know: a snapshot that was forgotten and is being undeleted may still be told as forgotten.
    pub(super) fn kept_marks(&self) -> Result<Marks> {
        let mut marks = Marks::default();
        self.add_marks(&mut marks, Self::hear_kept_mark)?;
        Ok(marks)
    }

    /// Snapshots that were marked since as not confirmed: whoever lets one count marks it before, so this is looked at after all by which they
    /// count.
    pub(super) fn unconfirmed_since(&self, before: &Marks) -> Result<HashSet<SnapshotId>> {
        let mut now = before.clone();
        self.add_marks(&mut now, Self::hear_mark)?;
        Ok(now.unconfirmed)
    }

    /// Adds what is said of snapshots of which nothing was known.
    fn add_marks(&self, marks: &mut Marks, hear: HearMark) -> Result<()> {
        let listed = list(&*self.store, names::TRASH)?.into_iter();
        let ids = listed.filter_map(|object| SnapshotId::from_hex(object.name.strip_prefix(names::TRASH)?).ok());
        let new: Vec<_> = ids.filter(|id| !marks.forgotten.contains(id) && !marks.unconfirmed.contains(id)).collect();
        for (id, heard) in new.iter().zip(each(&*self.store, &new, |id| hear(self, *id))) {
            let (forgotten, unconfirmed) = match heard? {
                Heard::Said(mark) => (!mark.is_of_void(), mark.is_of_unconfirmed()),
                Heard::Perhaps => (false, true),
                Heard::Nothing => (false, false),
            };
            forgotten.then(|| marks.forgotten.insert(*id));
            unconfirmed.then(|| marks.unconfirmed.insert(*id));
        }
        Ok(())
    }
}

/// What is to be put where a mark stands that says this; nothing if that may stay. What a user has forgotten stays forgotten, and what nobody has
/// confirmed is not confirmed by being forgotten.
fn in_the_place_of(known: &Heard<coord::Trash>, mark: &coord::Trash) -> Option<coord::Trash> {
    let void = match known {
        Heard::Said(known) if !known.is_of_void() => {
            // Whoever brings it is named, so that the mark outlives it.
            let is_said = known.is_of_unconfirmed() && (mark.session.is_none() || mark.session == known.session);
            let forgotten = coord::Trash { void: Some(false), session: mark.session, ..known.clone() };
            return (mark.is_of_void() && !is_said).then_some(forgotten);
        }
        Heard::Said(known) if mark.is_of_void() && (mark.session.is_none() || mark.session == known.session) => {
            return None;
        }
        Heard::Said(_) | Heard::Perhaps => Some(false),
        Heard::Nothing => None,
    };
    Some(coord::Trash { void: mark.void.or(void), ..mark.clone() })
}

#[cfg(test)]
mod tests;
