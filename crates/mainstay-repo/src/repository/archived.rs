//! What it means for a repository to be an archive: sealed, and held until a moment.
//!
//! Owns refusing what an archive does not allow, and until when. Every session that writes and every one that deletes asks here first.
//! Invariant: what cannot be read counts as a reason to refuse, and a clock that is wrong holds too long rather than too short where
//! the store has a clock of its own.

use super::{Repository, delete, list, store_error};
use crate::error::{Error, Result};
use crate::format::archive::{Manifest, decode_hold, decode_manifest};
use crate::format::config::Form;
use crate::format::envelope::ObjectKind;
use crate::format::names;
use crate::id::{RepositoryId, SessionId};
use crate::pack_reader::read_object;
use crate::seal::random;
use crate::signer::Judge;
use crate::store::{Store, is_absent};

/// Reads the manifest of an archive; none where the archive was never finished.
///
/// # Errors
/// When it is damaged, or nobody has signed it who may.
pub(crate) fn read_manifest(store: &dyn Store, judge: &Judge) -> Result<Option<Manifest>> {
    let name = names::MANIFEST;
    let bytes = match read_object(store, name, "read manifest") {
        Err(Error::Missing { .. }) => return Ok(None),
        bytes => bytes?,
    };
    let said = judge.open_object(ObjectKind::Manifest, &bytes);
    said.and_then(|said| decode_manifest(&said))
        .map(Some)
        .map_err(|problem| Error::damaged("read manifest", name, problem))
}

/// The latest end of the holds that were put since an archive was sealed.
///
/// # Errors
/// When one of them cannot be read: it may be the one that counts.
pub(crate) fn read_holds(store: &dyn Store, repository: RepositoryId) -> Result<Option<i64>> {
    let mut until = None;
    for object in list(store, names::HOLDS)? {
        let damaged = |problem| Error::damaged("read hold", &object.name, problem);
        let id = names::parse_hold(&object.name).map_err(damaged)?;
        let bytes = read_object(store, &object.name, "read hold")?;
        until = until.max(Some(decode_hold(repository, id, &bytes).map_err(damaged)?.until));
    }
    Ok(until)
}

/// The clocks that are asked whether a hold is over.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Clocks {
    Own,
    /// That of the store, too.
    All,
}

impl Repository {
    /// Whether it was created for one snapshot.
    pub fn is_archive(&self) -> bool {
        self.keys.config().form == Form::Archive
    }

    /// The moment before which nothing of this archive is deleted; none for what is no archive, or is not held.
    pub fn held_until(&self) -> Result<Option<i64>> {
        if !self.is_archive() {
            return Ok(None);
        }
        let manifest = read_manifest(&*self.store, &self.judge)?;
        let sealed = manifest.and_then(|manifest| manifest.held_until);
        Ok(sealed.max(read_holds(&*self.store, self.id())?))
    }

    /// # Errors
    /// [`Error::Sealed`] for an archive that has its snapshot.
    pub(crate) fn refuse_sealed(&self, verb: &'static str) -> Result<()> {
        if !self.is_archive() {
            return Ok(());
        }
        match self.store.len(names::MANIFEST) {
            Ok(_) => Err(Error::Sealed { verb }),
            Err(error) if is_absent(&error) => Ok(()),
            Err(error) => Err(store_error("read", names::MANIFEST, error)),
        }
    }

    /// # Errors
    /// [`Error::Held`] for an archive before the end of its hold.
    pub(crate) fn refuse_held(&self, verb: &'static str) -> Result<()> {
        self.refuse_held_by(verb, Clocks::All)
    }

    /// The same for whoever may write nothing, as the store's clock is read from what is written.
    pub(crate) fn refuse_held_by_own_clock(&self, verb: &'static str) -> Result<()> {
        self.refuse_held_by(verb, Clocks::Own)
    }

    fn refuse_held_by(&self, verb: &'static str, asked: Clocks) -> Result<()> {
        let Some(until) = self.held_until()? else { return Ok(()) };
        let now = (self.liveness.now)();
        // The store is asked only when it matters.
        if now < until || asked == Clocks::All && self.store_time()?.is_some_and(|now| now < until) {
            return Err(Error::Held { verb, until });
        }
        Ok(())
    }

    /// The present by the store's own clock, if it has one: when an object was written just now.
    fn store_time(&self) -> Result<Option<i64>> {
        let session = SessionId(random()?);
        let name = names::lease_end(session);
        self.leases().end(session)?;
        let written = self.store.written_at(&name).map_err(|source| store_error("read", &name, source));
        delete(&*self.store, &name)?;
        written
    }
}
