//! Trials of what is read from a store.
//!
//! Owns ranges and the kinds of errors, on which the engine decides whether something is lost. Writes one small object each.

use std::io;

use super::expect::{done, refused, same_bytes};
use super::{Broken, Ground};
use crate::store::Store;

type Answer = Result<(), Broken>;

const DIGITS: &[u8] = b"0123456789";

fn put_digits(store: &dyn Store, ground: &Ground) -> Result<String, Broken> {
    let name = ground.name("digits");
    done(&format!("put {name}"), store.put(&name, DIGITS))?;
    Ok(name)
}

pub fn ranges(store: &dyn Store, ground: &Ground) -> Answer {
    let name = put_digits(store, ground)?;
    for (offset, len) in [(0, 10), (0, 1), (3, 4), (9, 1)] {
        // What was in the buffer before must not show through.
        let mut buffer = vec![b'x'; len];
        done(&format!("read {len} bytes of {name} at {offset}"), store.read_at(&name, offset as u64, &mut buffer))?;
        let expected = DIGITS.get(offset..offset + len).unwrap_or_default();
        same_bytes(&format!("{len} bytes of {name} at {offset}"), expected, &buffer)?;
    }
    Ok(())
}

pub fn empty_range(store: &dyn Store, ground: &Ground) -> Answer {
    let name = put_digits(store, ground)?;
    for offset in [0, 5, 10] {
        done(&format!("read 0 bytes of {name} at {offset}"), store.read_at(&name, offset, &mut []))?;
    }
    Ok(())
}

pub fn beyond_the_end(store: &dyn Store, ground: &Ground) -> Answer {
    let name = put_digits(store, ground)?;
    for (offset, len) in [(0, 11), (9, 2), (10, 1), (1000, 1), (1 << 40, 1)] {
        let read = store.read_at(&name, offset, &mut vec![0; len]);
        refused(&format!("read {len} bytes of an object of 10 at {offset}"), io::ErrorKind::UnexpectedEof, read)?;
    }
    Ok(())
}

pub fn read_limit(store: &dyn Store, ground: &Ground) -> Answer {
    let name = put_digits(store, ground)?;
    let whole = done(&format!("read {name} with a limit of 10"), store.read(&name, 10))?;
    same_bytes(&name, DIGITS, &whole)?;
    let read = store.read(&name, 9);
    refused("read an object of 10 bytes with a limit of 9", io::ErrorKind::InvalidData, read)
}

pub fn absent_object(store: &dyn Store, ground: &Ground) -> Answer {
    let absent = io::ErrorKind::NotFound;
    // The second lies in a folder that was written to.
    done("put an object beside", store.put(&ground.name("written/there"), b"bytes"))?;
    for name in [ground.name("never/absent"), ground.name("written/absent")] {
        refused(&format!("find the length of {name}, which is absent"), absent, store.len(&name))?;
        refused(&format!("read {name}, which is absent"), absent, store.read(&name, 10))?;
        refused(&format!("read a byte of {name}, which is absent"), absent, store.read_at(&name, 0, &mut [0]))?;
    }
    Ok(())
}
