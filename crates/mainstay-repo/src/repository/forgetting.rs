//! Forgetting: the marks of snapshots that go with a later prune.
//!
//! Owns putting and reading them. A mark counts only if somebody has signed it who may record removals: who may write to the store and
//! no more can make none.

use std::collections::HashSet;

use super::{Repository, delete, list, put};
use crate::error::{Error, Kind, Result};
use crate::format::envelope::ObjectKind;
use crate::format::{coord, names};
use crate::id::SnapshotId;
use crate::pack_reader::read_object;
use crate::signer::sign_object;

impl Repository {
    /// Marks a snapshot as forgotten; the next prune removes it.
    pub fn forget(&self, id: SnapshotId, now: i64) -> Result<()> {
        self.put_mark(&coord::Trash { snapshot: id, forgotten: now, void: None })
    }

    /// Notes since when a void snapshot waits for its removal. Should somebody acquit it, the mark says nothing.
    pub(crate) fn forget_void(&self, id: SnapshotId, now: i64) -> Result<()> {
        self.put_mark(&coord::Trash { snapshot: id, forgotten: now, void: Some(true) })
    }

    fn put_mark(&self, mark: &coord::Trash) -> Result<()> {
        self.refuse_held("forget")?;
        let (id, name) = (mark.snapshot, names::trash(mark.snapshot));
        let said = coord::encode_trash(mark);
        let bytes = sign_object(self.keys.signer(), self.id(), (ObjectKind::Trash, &said))?;
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

    /// The snapshots that are marked as forgotten. A mark that is damaged, or that nobody has signed who may, marks nothing: its
    /// snapshot is kept. Nor does one that a prune has put for a void snapshot.
    pub fn marked(&self) -> Result<HashSet<SnapshotId>> {
        let mut marked = HashSet::new();
        for object in list(&*self.store, names::TRASH)? {
            let id = object.name.strip_prefix(names::TRASH).and_then(|id| SnapshotId::from_hex(id).ok());
            if let Some(id) = id
                && self.mark(id)?.is_some_and(|mark| !mark.is_of_void())
            {
                marked.insert(id);
            }
        }
        Ok(marked)
    }
}
