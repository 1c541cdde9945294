//! What is expected of an answer, and the words for what came instead.
//!
//! Owns the comparisons of all trials. Never asks a store more than a listing.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;

use super::Broken;
use crate::store::Store;

/// How many threads ask a store at once.
const THREADS: usize = 8;

pub fn broken(expected: impl Into<String>, got: impl Into<String>) -> Broken {
    Broken { expected: expected.into(), got: got.into() }
}

/// The answer of a call that must succeed.
pub fn done<T>(call: &str, result: io::Result<T>) -> Result<T, Broken> {
    result.map_err(|error| broken(format!("to {call}"), format!("the error {}", words(&error))))
}

/// Requires an error of this kind, which the engine acts upon.
pub fn refused<T>(call: &str, kind: io::ErrorKind, result: io::Result<T>) -> Result<(), Broken> {
    let expected = || format!("an error of kind {kind:?} from an attempt to {call}");
    match result {
        Err(error) if error.kind() == kind => Ok(()),
        Err(error) => Err(broken(expected(), format!("{:?}: {}", error.kind(), words(&error)))),
        Ok(_) => Err(broken(expected(), "no error")),
    }
}

pub fn same<T: PartialEq + Debug>(what: &str, expected: &T, got: &T) -> Result<(), Broken> {
    if expected == got { Ok(()) } else { Err(broken(format!("{what} {expected:?}"), format!("{got:?}"))) }
}

pub fn same_bytes(what: &str, expected: &[u8], got: &[u8]) -> Result<(), Broken> {
    if expected == got {
        return Ok(());
    }
    let differs = expected.iter().zip(got).position(|(expected, got)| expected != got);
    let differs = differs.map_or_else(String::new, |at| format!(" that differ from byte {at} on"));
    Err(broken(format!("{what} as its {} bytes", expected.len()), format!("{} bytes{differs}", got.len())))
}

/// Reads a whole object, which must be these bytes.
pub fn holds(store: &dyn Store, name: &str, expected: &[u8]) -> Result<(), Broken> {
    let len = done(&format!("find the length of {name}"), store.len(name))?;
    same(&format!("{name} to have the length"), &(expected.len() as u64), &len)?;
    let got = done(&format!("read {name}"), store.read(name, expected.len() as u64))?;
    same_bytes(name, expected, &got)
}

/// Lists a folder, which must hold these objects with these lengths, each once.
pub fn lists(store: &dyn Store, folder: &str, expected: &BTreeMap<String, u64>) -> Result<(), Broken> {
    let objects = done(&format!("list {folder}"), store.list(folder))?;
    let expectation = || format!("{} objects in a listing of {folder}", expected.len());
    let mut found = BTreeMap::new();
    for object in objects {
        let Some(len) = expected.get(&object.name) else {
            return Err(broken(expectation(), format!("{} as well", object.name)));
        };
        same(&format!("{} to be listed with the length", object.name), len, &object.len)?;
        if found.insert(object.name.clone(), object.len).is_some() {
            return Err(broken(expectation(), format!("{} twice", object.name)));
        }
    }
    match expected.keys().find(|name| !found.contains_key(*name)) {
        Some(missing) => Err(broken(expectation(), format!("{}: {missing} is missing", found.len()))),
        None => Ok(()),
    }
}

/// Does something for each number by several threads, since a store far away answers slowly.
pub fn in_parallel(count: u32, work: &(dyn Fn(u32) -> Result<(), Broken> + Sync)) -> Result<(), Broken> {
    std::thread::scope(|scope| {
        let of_thread = |thread| move || (0..count).skip(thread).step_by(THREADS).try_for_each(work);
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(of_thread(thread))).collect();
        // Every thread is joined, also after one that failed.
        let panicked = |_| Err(broken("an answer", "a panic of the store"));
        let ended: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap_or_else(panicked)).collect();
        ended.into_iter().collect()
    })
}

/// The text of an error, which some leave empty.
fn words(error: &io::Error) -> String {
    let text = error.to_string();
    if text.is_empty() { format!("{:?}", error.kind()) } else { text }
}
