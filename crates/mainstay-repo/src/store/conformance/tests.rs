//! Stores that break one promise each are found out by the trial that is made for it.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Barrier, Mutex};

use super::*;
use crate::store::{MemoryStore, Object, Upload, Vacancy};

/// What a store gets wrong, and the trial that tells.
const LIES: [(Lie, &str); 24] = [
    (Lie::ListForgetsOne, "list-after-write"),
    (Lie::ListRepeatsOne, "list-after-write"),
    (Lie::ListEndsAfterAPage, "list-after-write"),
    (Lie::ListTellsWrongLengths, "list-after-write"),
    (Lie::ListShowsDeleted, "list-after-delete"),
    (Lie::ListIsShallow, "list-beneath"),
    (Lie::ListTakesBeside, "list-beneath"),
    (Lie::ListFailsOnEmpty, "list-after-write"),
    (Lie::PutOverwrites, "published-once"),
    (Lie::PutOverwrites, "conditional-creation"),
    (Lie::PutKeepsQuiet, "published-once"),
    (Lie::PutKeepsQuiet, "conditional-creation"),
    (Lie::PutChecksTooEarly, "conditional-creation"),
    (Lie::EmptyIsDropped, "empty-object"),
    (Lie::NamesAreCutOff, "every-name"),
    (Lie::LargeIsCutOff, "large-object"),
    (Lie::UploadShowsEarly, "hidden-before"),
    (Lie::UploadShowsEarly, "given-up"),
    (Lie::RangeIsShort, "ranges"),
    (Lie::EndIsFilledUp, "beyond-the-end"),
    (Lie::AbsentIsEmpty, "absent-object"),
    (Lie::AbsentIsRefused, "absent-object"),
    (Lie::DeleteDoesNothing, "delete"),
    (Lie::DeleteTwiceFails, "delete"),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lie {
    None,
    ListForgetsOne,
    ListRepeatsOne,
    ListEndsAfterAPage,
    ListTellsWrongLengths,
    ListShowsDeleted,
    ListIsShallow,
    ListTakesBeside,
    ListFailsOnEmpty,
    PutOverwrites,
    PutKeepsQuiet,
    PutChecksTooEarly,
    EmptyIsDropped,
    NamesAreCutOff,
    LargeIsCutOff,
    UploadShowsEarly,
    RangeIsShort,
    EndIsFilledUp,
    AbsentIsEmpty,
    AbsentIsRefused,
    DeleteDoesNothing,
    DeleteTwiceFails,
}

/// A store in memory that gets one thing wrong.
#[derive(Clone)]
struct Liar {
    lie: Lie,
    inner: MemoryStore,
    deleted: Arc<Mutex<Vec<Object>>>,
    rivals: Arc<Barrier>,
}

struct LyingUpload {
    store: Liar,
    bytes: Vec<u8>,
}

impl Liar {
    fn new(lie: Lie) -> Self {
        Self { lie, inner: MemoryStore::default(), deleted: Arc::default(), rivals: Arc::new(Barrier::new(12)) }
    }

    fn name(&self, name: &str) -> String {
        match self.lie {
            Lie::NamesAreCutOff => name.chars().take(128).collect(),
            _ => name.to_owned(),
        }
    }

    fn publish(&self, name: &str, mut bytes: Vec<u8>) -> io::Result<()> {
        let name = self.name(name);
        match self.lie {
            Lie::EmptyIsDropped if bytes.is_empty() => return Ok(()),
            Lie::LargeIsCutOff => bytes.truncate(8 << 20),
            Lie::PutOverwrites => self.inner.delete(&name)?,
            Lie::PutChecksTooEarly if self.inner.len(&name).is_ok() => return Err(io::ErrorKind::AlreadyExists.into()),
            Lie::PutChecksTooEarly if name.contains("/round-") => {
                // All rivals have checked before one of them publishes.
                self.rivals.wait();
                self.inner.delete(&name)?;
            }
            _ => {}
        }
        match self.inner.put(&name, &bytes) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && self.lie == Lie::PutKeepsQuiet => Ok(()),
            // Between a rival's deletion and this.
            Err(_) if self.lie == Lie::PutOverwrites || self.lie == Lie::PutChecksTooEarly => Ok(()),
            put => put,
        }
    }

    fn absence(&self, error: io::Error) -> io::Error {
        match self.lie {
            Lie::AbsentIsRefused if error.kind() == io::ErrorKind::NotFound => io::ErrorKind::PermissionDenied.into(),
            _ => error,
        }
    }
}

impl Store for Liar {
    fn location(&self) -> String {
        format!("{:?}", self.lie)
    }

    fn upload(&self) -> io::Result<Box<dyn Upload>> {
        if self.lie == Lie::UploadShowsEarly {
            let _ = self.inner.put(&format!("packs/upload-{}", self.inner.names().len()), b"");
        }
        Ok(Box::new(LyingUpload { store: self.clone(), bytes: Vec::new() }))
    }

    fn len(&self, name: &str) -> io::Result<u64> {
        match self.inner.len(&self.name(name)) {
            Err(_) if self.lie == Lie::AbsentIsEmpty => Ok(0),
            answer => answer.map_err(|error| self.absence(error)),
        }
    }

    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let got = match self.lie {
            Lie::RangeIsShort => buffer.len().saturating_sub(1),
            _ => buffer.len(),
        };
        match self.inner.read_at(&self.name(name), offset, buffer.get_mut(..got).unwrap()) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && self.lie == Lie::EndIsFilledUp => Ok(()),
            answer => answer.map_err(|error| self.absence(error)),
        }
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<Object>> {
        let whole = if self.lie == Lie::ListTakesBeside { prefix.trim_end_matches('/') } else { prefix };
        let mut objects = self.inner.list(whole)?;
        match self.lie {
            Lie::ListForgetsOne => drop(objects.pop()),
            Lie::ListRepeatsOne => objects.extend(objects.first().cloned()),
            Lie::ListEndsAfterAPage => objects.truncate(1000),
            Lie::ListTellsWrongLengths => objects.iter_mut().for_each(|object| object.len += 1),
            Lie::ListShowsDeleted => objects.extend(self.deleted.lock().unwrap().clone()),
            Lie::ListIsShallow => objects.retain(|object| !object.name[prefix.len()..].contains('/')),
            Lie::ListFailsOnEmpty if objects.is_empty() => return Err(io::ErrorKind::NotFound.into()),
            _ => {}
        }
        Ok(objects)
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        if self.lie == Lie::DeleteDoesNothing {
            return Ok(());
        }
        if self.lie == Lie::DeleteTwiceFails {
            self.inner.len(name)?;
        }
        if let Ok(len) = self.inner.len(name) {
            self.deleted.lock().unwrap().push(Object { name: name.to_owned(), len });
        }
        self.inner.delete(&self.name(name))
    }

    fn prepare(&self) -> io::Result<Vacancy> {
        self.inner.prepare()
    }
}

impl Upload for LyingUpload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn publish(self: Box<Self>, name: &str) -> io::Result<()> {
        self.store.publish(name, self.bytes)
    }
}

fn tried(lie: Lie, name: &str) -> Result<(), Broken> {
    let trial = TRIALS.iter().find(|trial| trial.name == name).unwrap();
    trial.run(&Liar::new(lie), &Ground::with_listed(1100))
}

#[test]
fn a_store_that_breaks_a_promise_is_found_out_by_the_trial_made_for_it() {
    for (lie, trial) in LIES {
        assert!(tried(lie, trial).is_err(), "{lie:?} was not noticed by {trial}");
    }
}

#[test]
fn a_store_that_keeps_its_promises_is_accused_of_nothing() {
    let store = Liar::new(Lie::None);
    // Memory deletes and puts where it replaces, and whether a reader comes in between is chance.
    for trial in TRIALS.iter().filter(|trial| trial.name != "replace-without-gap") {
        assert_eq!(trial.run(&store, &Ground::default()), Ok(()), "{}", trial.name);
    }
}

#[test]
fn a_name_that_is_taken_only_after_it_was_asked_for_is_told_by_a_race_alone() {
    assert_eq!(tried(Lie::PutChecksTooEarly, "published-once"), Ok(()));
    assert!(tried(Lie::PutChecksTooEarly, "conditional-creation").is_err());
}

#[test]
fn all_winners_of_a_race_are_counted() {
    let broken = tried(Lie::PutKeepsQuiet, "conditional-creation").unwrap_err();
    assert_eq!(broken.to_string(), "expected 1 of 12 threads to win, got 12 of 12 won in round 1");
}

#[test]
fn trials_have_plain_names_that_differ_and_promises_that_are_sentences() {
    let names: BTreeSet<&str> = TRIALS.iter().map(|trial| trial.name).collect();
    assert_eq!(names.len(), TRIALS.len());
    for trial in TRIALS {
        assert!(trial.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{}", trial.name);
        assert!(trial.promise.len() > 20 && !trial.promise.ends_with('.'), "{}", trial.promise);
    }
}
