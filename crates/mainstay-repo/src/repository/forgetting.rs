//! Forgetting: the marks of snapshots that go with a later prune.
//!
//! Owns putting and reading them, and those of snapshots that are to count and that nobody has confirmed. A mark counts only if somebody has signed it who may record removals: who may write to the store and
//! no more can make none.

use std::collections::HashSet;

use super::{Repository, delete, list, put, store_error};
use crate::error::{Error, Kind, Result};
use crate::format::envelope::ObjectKind;
use crate::format::{coord, names};
use crate::id::{SessionId, SnapshotId};
use crate::pack_reader::read_object;
use crate::signer::sign_object;

/// What marks say of snapshots.
#[derive(Default)]
pub struct Marks {
    pub forgotten: HashSet<SnapshotId>,
    /// Those that nobody has confirmed yet, if they count: whoever lets one count has it marked until it has looked for its fence.
    pub unconfirmed: HashSet<SnapshotId>,
}

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

    /// The same in the place of the mark by which it is forgotten: from now on it counts.
    pub(crate) fn take_back_mark(&self, id: SnapshotId) -> Result<()> {
        let bytes = self.signed_mark(&self.mark_of_arrival(id, None))?;
        let name = names::trash(id);
        let replace = || self.store.replace(&name, &bytes).map_err(|source| store_error("replace", &name, source));
        self.with_reserve(replace)
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
        let put_mark = || put(&*self.store, &name, &bytes);
        match self.with_reserve(put_mark) {
            Err(Error::Store { source, .. }) if source.kind() == std::io::ErrorKind::AlreadyExists => {
                if self.mark(id)?.is_some_and(|known| mark.is_of_void() || !known.is_of_void()) {
                    // By a command before this one, or by the first try of this one: whether it lasts, nobody knows yet.
                    return self.make_durable(&name);
                }
                // A mark that says nothing, or less, stands in the way of a true one.
                delete(&*self.store, &name)?;
                self.with_reserve(put_mark)
            }
            other => other,
        }
    }

    /// The mark of a forgotten snapshot; none if there is none, or none that somebody has signed who may.
    pub(crate) fn mark(&self, id: SnapshotId) -> Result<Option<coord::Trash>> {
        let bytes = match read_object(&*self.store, &names::trash(id), "read trash mark") {
            Err(Error::Missing { .. }) => return Ok(None),
            Err(error) if error.kind() == Kind::Corrupt => return Ok(None),
            bytes => bytes?,
        };
        let said = self.judge.open_object(ObjectKind::Trash, &bytes);
        Ok(said.and_then(|said| coord::decode_trash(id, &said)).ok())
    }

    /// The snapshots that are marked as forgotten.
    pub fn marked(&self) -> Result<HashSet<SnapshotId>> {
        self.marks().map(|marks| marks.forgotten)
    }

    /// What the marks say that are listed. One that is damaged, or that nobody has signed who may, says nothing: its snapshot is kept.
    pub fn marks(&self) -> Result<Marks> {
        let mut marks = Marks::default();
        for object in list(&*self.store, names::TRASH)? {
            let id = object.name.strip_prefix(names::TRASH).and_then(|id| SnapshotId::from_hex(id).ok());
            let Some(id) = id else { continue };
            match self.mark(id)? {
                Some(mark) if mark.is_of_void() => drop(marks.unconfirmed.insert(id)),
                Some(_) => drop(marks.forgotten.insert(id)),
                None => {}
            }
        }
        Ok(marks)
    }
}
