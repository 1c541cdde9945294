//! Reading what only some holders may sign, for whoever would lose something by disregarding what is damaged.
//!
//! Owns telling what somebody has said who may from what he may have said and from what a stranger says. Decides nothing by it.

use crate::error::{Error, Result};
use crate::format::Decoded;
use crate::format::envelope::ObjectKind;
use crate::pack_reader::{read_kept_object, read_object};
use crate::signer::Judge;
use crate::store::{Store, is_lost_on_disk};

/// What was heard in a signed object.
#[derive(Debug)]
pub enum Heard<T> {
    /// Somebody has put it who may.
    Said(T),
    /// It is damaged, or lost on the disk: somebody may have put it who may.
    Perhaps,
    /// It is whole, and was signed by nobody who may: a stranger has put it.
    Nothing,
}

/// Reads an object, of a kind and under a name, for the sake of what `verb` says. What a disk does not give at this moment is read once more before
/// it counts as lost.
///
/// # Errors
/// [`Error::Missing`], and what the store says.
pub fn hear<T>(
    (store, judge): (&dyn Store, &Judge),
    (kind, name, verb): (ObjectKind, &str, &'static str),
    decode: impl FnOnce(&[u8]) -> Decoded<T>,
) -> Result<Heard<T>> {
    let read = || read_object(store, name, verb);
    let read = match read() {
        Err(error) if is_lost(&error) => read(),
        read => read,
    };
    match read {
        Err(error) if is_lost(&error) => Ok(Heard::Perhaps),
        read => Ok(judge_bytes(judge, (kind, &read?), decode)),
    }
}

/// The same by what is kept near of it, which is worth as much where what is said `lasts`: it is true as long as the object is listed, or for
/// good. What does not last is not kept.
///
/// # Errors
/// Those of [`hear`].
pub fn hear_kept<T>(
    (store, judge): (&dyn Store, &Judge),
    (kind, name, verb): (ObjectKind, &str, &'static str),
    decode: impl Fn(&[u8]) -> Decoded<T>,
    lasts: impl FnOnce(&T) -> bool,
) -> Result<Heard<T>> {
    match read_kept_object(store, name, verb).map(|bytes| judge_bytes(judge, (kind, &bytes), &decode)) {
        Ok(Heard::Said(said)) if lasts(&said) => Ok(Heard::Said(said)),
        Ok(heard) if !store.forget_kept(name) => Ok(heard),
        Err(error) if !is_lost(&error) => Err(error),
        _ => hear((store, judge), (kind, name, verb), decode),
    }
}

fn judge_bytes<T>(
    judge: &Judge,
    (kind, bytes): (ObjectKind, &[u8]),
    decode: impl FnOnce(&[u8]) -> Decoded<T>,
) -> Heard<T> {
    match judge.open_object(kind, bytes).and_then(|said| decode(&said)) {
        Ok(said) => Heard::Said(said),
        Err(_) if judge.is_whole(kind, bytes) => Heard::Nothing,
        Err(_) => Heard::Perhaps,
    }
}

/// Whether the bytes of an object that is there are lost.
fn is_lost(error: &Error) -> bool {
    matches!(error, Error::Store { source, .. } if is_lost_on_disk(source))
}
