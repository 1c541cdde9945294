//! Reading what only some holders may sign, for whoever would lose something by disregarding what is damaged.
//!
//! Owns telling what somebody has said who may from what he may have said and from what a stranger says. Decides nothing by it.

use crate::error::{Error, Kind, Result};
use crate::format::Decoded;
use crate::format::envelope::ObjectKind;
use crate::pack_reader::read_object;
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

/// Reads an object, of a kind and under a name, for the sake of what `verb` says.
///
/// # Errors
/// [`Error::Missing`], and what the store says: what cannot be read at this moment is not damaged.
pub fn hear<T>(
    (store, judge): (&dyn Store, &Judge),
    (kind, name, verb): (ObjectKind, &str, &'static str),
    decode: impl FnOnce(&[u8]) -> Decoded<T>,
) -> Result<Heard<T>> {
    let bytes = match read_object(store, name, verb) {
        Err(error) if error.kind() == Kind::Corrupt => return Ok(Heard::Perhaps),
        bytes => bytes?,
    };
    Ok(match judge.open_object(kind, &bytes).and_then(|said| decode(&said)) {
        Ok(said) => Heard::Said(said),
        Err(_) if judge.is_whole(kind, &bytes) => Heard::Nothing,
        Err(_) => Heard::Perhaps,
    })
}

/// The same for whoever has to go on where a disk cannot give an object, now or ever.
pub fn or_lost_on_disk<T>(heard: Result<Heard<T>>) -> Result<Heard<T>> {
    match heard {
        Err(Error::Store { source, .. }) if is_lost_on_disk(&source) => Ok(Heard::Perhaps),
        heard => heard,
    }
}
