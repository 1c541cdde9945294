//! Archives: repositories of one snapshot, sealed with a list of their objects and held until a moment.
//!
//! Owns sealing one, and what can be done with one without its keys: showing it, comparing every byte with the list, and holding it
//! longer. Reads no snapshot: to everything else an archive is a repository. Invariant: a hold is never shortened.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Error, Kind, Result};
use crate::format::archive::{Hold, Manifest, SealedObject, decode_manifest, encode_hold, encode_manifest};
use crate::format::envelope::ObjectKind;
use crate::format::{limits, names};
use crate::id::{RepositoryId, SnapshotId, TableId};
use crate::repository::{Repository, list, put, read_holds, read_manifest, store_error};
use crate::seal::random;
use crate::signer::{Judge, sign_object};
use crate::store::{Lock, LockMode, Object, Store, is_absent, is_bad_sector};

/// Bytes that are read at once.
const PIECE_LEN: u64 = 4 << 20;
/// Threads that ask the store: on one far away most of the time is waiting.
const AT_ONCE: usize = 4;

/// An archive that is looked at without its keys.
pub struct Archive {
    store: Arc<dyn Store>,
    id: RepositoryId,
    manifest: Manifest,
    held_until: Option<i64>,
}

/// An object that is not what the manifest says.
#[derive(Debug)]
pub struct ObjectDamage {
    pub name: String,
    pub error: Error,
}

/// Is told of objects that were read, and of bytes; an error of it ends the reading.
pub type Advance<'a> = dyn Fn(u64, u64) -> Result<()> + Sync + 'a;

/// Objects that no manifest lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stray {
    pub objects: u64,
    pub bytes: u64,
}

impl Repository {
    /// Seals an archive: lists every object that is there, signs the list, and has the store lock them if it can.
    ///
    /// # Errors
    /// When the repository is no archive, is sealed already, or does not hold the one snapshot and nothing else.
    pub fn seal_archive(
        &self,
        snapshot: SnapshotId,
        hold: Option<(i64, LockMode)>,
        program: &str,
        created: i64,
    ) -> Result<(Archive, Lock)> {
        if !self.is_archive() {
            return Err(Error::Invalid("seal archive: the repository was not created as one".to_owned()));
        }
        self.refuse_sealed("seal archive")?;
        let snapshots = self.snapshots()?;
        if !matches!(snapshots.as_slice(), [only] if only.id == snapshot && !only.forgotten) {
            let got = snapshots.len();
            return Err(Error::Invalid(format!("seal archive: expected its one snapshot, got {got}")));
        }
        let objects = self.sealed_objects()?;
        let held_until = hold.map(|(until, _)| until);
        let manifest = Manifest { snapshot, created, held_until, objects, program: program.to_owned() };
        let said = encode_manifest(&manifest);
        // What no reader would take is not sealed.
        decode_manifest(&said).map_err(|problem| Error::damaged("seal archive", names::MANIFEST, problem))?;
        let bytes = sign_object(self.keys.signer(), self.id(), (ObjectKind::Manifest, &said))?;
        let limit = limits::object_len(names::MANIFEST);
        if bytes.len() as u64 > limit {
            return Err(Error::Limit { what: "bytes of a manifest".to_owned(), got: bytes.len() as u64, limit });
        }
        put(&*self.store, names::MANIFEST, &bytes)?;
        let archive = Archive { store: self.store.clone(), id: self.id(), manifest, held_until };
        let lock = hold.map_or(Ok(Lock::Unsupported), |(_, mode)| archive.lock(mode))?;
        Ok((archive, lock))
    }

    /// Every object with its checksum. Packs and snapshots are named after it and were just written; the small others are read.
    fn sealed_objects(&self) -> Result<Vec<SealedObject>> {
        let mut objects = vec![self.sealed_object(names::CONFIG.to_owned())?];
        for folder in names::ARCHIVED {
            // What others have left there (`.DS_Store`) is none of it.
            let listed = list(&*self.store, folder)?.into_iter().filter(|object| names::is_of_archive(&object.name));
            for Object { name, len } in listed {
                let named = match folder {
                    names::PACKS => names::parse_pack(&name).ok().map(|(id, _)| id.0),
                    names::SNAPSHOTS => names::parse_snapshot(&name).ok().map(|(_, _, id)| id.0),
                    _ => None,
                };
                objects.push(match named {
                    Some(checksum) => SealedObject { name, len, checksum },
                    None => self.sealed_object(name)?,
                });
            }
        }
        objects.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(objects)
    }

    fn sealed_object(&self, name: String) -> Result<SealedObject> {
        let len = self.store.len(&name).map_err(|source| store_error("read", &name, source))?;
        let checksum = hash(&*self.store, &name, len, &|_| Ok(()))?;
        Ok(SealedObject { name, len, checksum })
    }
}

impl Archive {
    /// Reads what an archive says of itself; needs no key.
    ///
    /// # Errors
    /// When there is no archive, or it was never finished.
    pub fn read(store: Arc<dyn Store>) -> Result<Self> {
        let id = Repository::identify(&*store)?;
        let manifest = read_manifest(&*store, &Judge::new(id))?;
        let unfinished =
            || Error::Invalid(format!("read archive {}: it is not one, or was never finished", store.location()));
        let manifest = manifest.ok_or_else(unfinished)?;
        let held_until = manifest.held_until.max(read_holds(&*store, id)?);
        Ok(Self { store, id, manifest, held_until })
    }

    pub fn id(&self) -> RepositoryId {
        self.id
    }

    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The moment before which nothing of it is deleted.
    pub fn held_until(&self) -> Option<i64> {
        self.held_until
    }

    /// Bytes of all its objects.
    pub fn bytes(&self) -> u64 {
        self.manifest.objects.iter().map(|object| object.len).fold(0, u64::saturating_add)
    }

    /// What says that the snapshot is to be deleted, or that a deletion was begun: then it is no archive that somebody could rely on.
    pub fn leaving(&self) -> Result<Vec<String>> {
        let mut marks = list(&*self.store, names::TRASH)?;
        marks.extend(list(&*self.store, names::CONDEMNED)?);
        Ok(marks.into_iter().map(|mark| mark.name).collect())
    }

    /// Holds it until a later moment; answers whether the store itself refuses deletions until then.
    ///
    /// # Errors
    /// When it is held longer already: a hold is never shortened; and when its snapshot was forgotten.
    pub fn extend_hold(&mut self, until: i64, mode: LockMode) -> Result<Lock> {
        if self.held_until.is_some_and(|held| until < held) {
            return Err(Error::Invalid(
                "extend hold: the archive is held longer already, and no hold is shortened".to_owned(),
            ));
        }
        if let Some(mark) = self.leaving()?.first() {
            return Err(Error::Invalid(format!(
                "extend hold: its snapshot was forgotten, or is being deleted: {mark}"
            )));
        }
        // The same moment again sets the locks that a run before this one did not come to.
        if self.held_until != Some(until) {
            let hold = Hold { id: TableId(random()?), until };
            put(&*self.store, &names::hold(hold.id), &encode_hold(self.id, &hold))?;
            self.held_until = Some(until);
        }
        self.lock(mode)
    }

    /// Has the store lock every object until the end of the hold.
    fn lock(&self, mode: LockMode) -> Result<Lock> {
        let Some(until) = self.held_until else { return Ok(Lock::Unsupported) };
        let holds = list(&*self.store, names::HOLDS)?;
        let own = [names::MANIFEST].into_iter().chain(holds.iter().map(|hold| hold.name.as_str()));
        let names: Vec<&str> = own.chain(self.manifest.objects.iter().map(|object| object.name.as_str())).collect();
        let is_unlocked = AtomicBool::new(false);
        at_once(&names, |name| {
            let lock = self.store.lock(name, until, mode).map_err(|source| store_error("lock", name, source))?;
            is_unlocked.fetch_or(lock == Lock::Unsupported, Ordering::Relaxed);
            if lock == Lock::Unsupported { Ok(Onward::Stop) } else { Ok(Onward::Next) }
        })?;
        Ok(if is_unlocked.into_inner() { Lock::Unsupported } else { Lock::Set })
    }

    /// Reads every byte and compares it with the manifest; answers what differs.
    ///
    /// # Errors
    /// When the store does not answer, or whoever is told of the progress says so.
    pub fn verify(&self, advance: &Advance<'_>) -> Result<Vec<ObjectDamage>> {
        let objects = &self.manifest.objects;
        let damages = Mutex::new(Vec::new());
        at_once(objects, |object| {
            match self.compare(object, advance) {
                Ok(()) => advance(1, 0)?,
                Err(error) if error.kind() == Kind::Corrupt => {
                    let damage = ObjectDamage { name: object.name.clone(), error };
                    damages.lock().unwrap_or_else(PoisonError::into_inner).push(damage);
                }
                Err(error) => return Err(error),
            }
            Ok(Onward::Next)
        })?;
        let mut damages = damages.into_inner().unwrap_or_else(PoisonError::into_inner);
        damages.sort_by(|a: &ObjectDamage, b| a.name.cmp(&b.name));
        Ok(damages)
    }

    fn compare(&self, object: &SealedObject, advance: &Advance<'_>) -> Result<()> {
        let SealedObject { name, len, checksum } = object;
        let found = match self.store.len(name) {
            Err(source) if is_absent(&source) => return Err(Error::Missing { verb: "verify", name: name.clone() }),
            found => found.map_err(|source| store_error("verify", name, source))?,
        };
        if found != *len {
            return Err(Error::damaged("verify", name, format!("expected {len} bytes, got {found}")));
        }
        if hash(&*self.store, name, *len, &|bytes| advance(0, bytes))? != *checksum {
            return Err(Error::damaged("verify", name, "its bytes are not those that were sealed"));
        }
        Ok(())
    }

    /// The packs that the store must bring back from a cold storage class before they can be read.
    ///
    /// # Errors
    /// When the store does not answer. What is missing or cut short is not cold.
    pub fn cold(&self) -> Result<Vec<&SealedObject>> {
        let packs: Vec<&SealedObject> =
            self.manifest.objects.iter().filter(|object| object.name.starts_with(names::PACKS)).collect();
        let cold = Mutex::new(Vec::new());
        at_once(&packs, |pack| {
            match self.store.read_at(&pack.name, 0, &mut [0]) {
                Err(error) if error.kind() == std::io::ErrorKind::ResourceBusy => {
                    cold.lock().unwrap_or_else(PoisonError::into_inner).push(*pack);
                }
                Err(error) if is_absent(&error) || error.kind() == std::io::ErrorKind::UnexpectedEof => {}
                read => read.map_err(|source| store_error("read", &pack.name, source))?,
            }
            Ok(Onward::Next)
        })?;
        let mut cold = cold.into_inner().unwrap_or_else(PoisonError::into_inner);
        cold.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(cold)
    }

    /// Counts what lies among its objects and is none of them.
    pub fn strays(&self) -> Result<Stray> {
        let known: HashSet<&str> = self.manifest.objects.iter().map(|object| object.name.as_str()).collect();
        let mut stray = Stray::default();
        for folder in names::ARCHIVED.into_iter().chain([names::COPIES]) {
            for object in list(&*self.store, folder)?.iter().filter(|object| !known.contains(object.name.as_str())) {
                stray.objects += 1;
                stray.bytes = stray.bytes.saturating_add(object.len);
            }
        }
        Ok(stray)
    }
}

/// Whether there is more to do.
enum Onward {
    Next,
    Stop,
}

/// Works on several things at once, until one of them says stop or fails.
fn at_once<T: Sync>(things: &[T], work: impl Fn(&T) -> Result<Onward> + Sync) -> Result<()> {
    let (next, failure) = (AtomicUsize::new(0), Mutex::new(None));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(thing) = things.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match work(thing) {
                        Ok(Onward::Next) => continue,
                        Ok(Onward::Stop) => {}
                        Err(error) => {
                            failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                        }
                    }
                    next.store(things.len(), Ordering::Relaxed);
                }
            });
        }
    });
    failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

/// BLAKE3 of an object, read in pieces.
fn hash(store: &dyn Store, name: &str, len: u64, advance: &dyn Fn(u64) -> Result<()>) -> Result<[u8; 32]> {
    let mut hasher = blake3::Hasher::new();
    let (mut offset, mut buffer) = (0, Vec::new());
    while offset < len {
        let piece = (len - offset).min(PIECE_LEN);
        buffer.resize(piece as usize, 0);
        store.read_at(name, offset, &mut buffer).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => Error::Missing { verb: "read", name: name.to_owned() },
            std::io::ErrorKind::UnexpectedEof => Error::damaged("read", name, "it is shorter than it was"),
            _ if is_bad_sector(&source) => Error::damaged("read", name, source),
            _ => store_error("read", name, source),
        })?;
        hasher.update(&buffer);
        offset += piece;
        advance(piece)?;
    }
    Ok(*hasher.finalize().as_bytes())
}

#[cfg(test)]
mod tests;
