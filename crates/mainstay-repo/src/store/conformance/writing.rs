//! Trials of what is put into a store.
//!
//! Owns uploads, names and replacing. Never lists more than a folder of a few objects, but for what must be seen nowhere.

use std::collections::BTreeMap;
use std::io;

use super::expect::{broken, done, holds, lists, refused, same, same_bytes};
use super::{Broken, Ground, content};
use crate::format::names;
use crate::store::Store;

type Answer = Result<(), Broken>;

/// More than the parts of 5 MiB and 8 MiB in which stores on the network take objects.
const LARGE_LEN: usize = (8 << 20) + 1;

fn put(store: &dyn Store, name: &str, bytes: &[u8]) -> Answer {
    done(&format!("put {name}"), store.put(name, bytes))
}

pub fn read_back(store: &dyn Store, ground: &Ground) -> Answer {
    for (rest, len) in [("small", 5), ("deep-er/medium", 70_000), ("deep-er/still/large", (1 << 20) + 1)] {
        let (name, bytes) = (ground.name(rest), content(rest, len));
        put(store, &name, &bytes)?;
        holds(store, &name, &bytes)?;
    }
    Ok(())
}

pub fn empty_object(store: &dyn Store, ground: &Ground) -> Answer {
    let name = ground.name("empty");
    put(store, &name, b"")?;
    holds(store, &name, b"")?;
    lists(store, &ground.folder(), &BTreeMap::from([(name.clone(), 0)]))?;
    done(&format!("read 0 bytes of {name}"), store.read_at(&name, 0, &mut []))?;
    refused(&format!("put {name} again"), io::ErrorKind::AlreadyExists, store.put(&name, b"more"))
}

pub fn large_object(store: &dyn Store, ground: &Ground) -> Answer {
    let (name, bytes) = (ground.name("large"), content("large", LARGE_LEN));
    let mut upload = done("begin an upload", store.upload())?;
    let mut rest = &bytes[..];
    // Pieces from one byte to a megabyte, in no step with any part or page.
    for piece_len in [1, 4095, 70_001, 1 << 20, 333_333].into_iter().cycle() {
        let (piece, after) = rest.split_at(rest.len().min(piece_len));
        if piece.is_empty() {
            break;
        }
        done(&format!("write a piece of {name}"), upload.write(piece))?;
        rest = after;
    }
    done(&format!("publish {name}"), upload.publish(&name))?;
    for (offset, len) in [(0, 1), (4090, 20), ((5 << 20) - 7, 100_000), ((8 << 20) - 3, 4), (LARGE_LEN - 1, 1)] {
        let mut buffer = vec![0; len];
        done(&format!("read {len} bytes of {name} at {offset}"), store.read_at(&name, offset as u64, &mut buffer))?;
        let expected = bytes.get(offset..offset + len).unwrap_or_default();
        same_bytes(&format!("{name} at {offset}"), expected, &buffer)?;
    }
    holds(store, &name, &bytes)
}

pub fn every_name(store: &dyn Store, ground: &Ground) -> Answer {
    let long = "0123456789".repeat(20);
    // The last two differ in their last byte alone: a store that cuts names off takes them for one.
    let rests =
        ["0123456789abcdefghijklmnopqrstuvwxyz.-", "a", "a-b", "a.b", "ab", &format!("{long}a"), &format!("{long}b")];
    let names = rests.map(|rest| ground.name(rest));
    for name in &names {
        put(store, name, name.as_bytes())?;
    }
    for name in &names {
        holds(store, name, name.as_bytes())?;
    }
    lists(store, &ground.folder(), &names.iter().map(|name| (name.clone(), name.len() as u64)).collect())
}

pub fn published_once(store: &dyn Store, ground: &Ground) -> Answer {
    let name = ground.name("taken");
    put(store, &name, b"first")?;
    refused(&format!("put {name} again"), io::ErrorKind::AlreadyExists, store.put(&name, b"second"))?;
    holds(store, &name, b"first")?;
    let mut upload = done("begin an upload", store.upload())?;
    done(&format!("write a piece of {name}"), upload.write(b"third one"))?;
    refused(&format!("publish {name} again"), io::ErrorKind::AlreadyExists, upload.publish(&name))?;
    holds(store, &name, b"first")
}

/// How many objects there are in the folders of a repository.
fn objects_seen(store: &dyn Store) -> Result<usize, Broken> {
    let folders = [names::PACKS, names::INDEX, names::REFS, names::SNAPSHOTS, names::COORD, "keys/"];
    folders.iter().try_fold(0, |seen, folder| Ok(seen + done(&format!("list {folder}"), store.list(folder))?.len()))
}

pub fn hidden_before(store: &dyn Store, ground: &Ground) -> Answer {
    let name = ground.name("whole");
    let before = objects_seen(store)?;
    let mut upload = done("begin an upload", store.upload())?;
    done("write a piece", upload.write(b"one "))?;
    done("write a piece", upload.write(b"two"))?;
    same("the number of objects before one is published to stay", &before, &objects_seen(store)?)?;
    refused(&format!("read {name} before it is published"), io::ErrorKind::NotFound, store.read(&name, 100))?;
    done(&format!("publish {name}"), upload.publish(&name))?;
    same("the number of objects after one was published to be", &(before + 1), &objects_seen(store)?)?;
    holds(store, &name, b"one two")
}

pub fn given_up(store: &dyn Store, ground: &Ground) -> Answer {
    let before = objects_seen(store)?;
    let mut upload = done("begin an upload", store.upload())?;
    done("write a piece", upload.write(b"unfinished"))?;
    drop(upload);
    same("the number of objects after an upload that was given up to stay", &before, &objects_seen(store)?)?;
    let name = ground.name("next");
    put(store, &name, b"")?;
    lists(store, &ground.folder(), &BTreeMap::from([(name, 0)]))
}

pub fn uploads_apart(store: &dyn Store, ground: &Ground) -> Answer {
    let (mut one, mut two) = (done("begin an upload", store.upload())?, done("begin an upload", store.upload())?);
    for _ in 0..100 {
        done("write to the first of two uploads", one.write(b"1"))?;
        done("write to the second of two uploads", two.write(b"22"))?;
    }
    let names = [ground.name("one"), ground.name("two")];
    done(&format!("publish {}", names[1]), two.publish(&names[1]))?;
    done(&format!("publish {}", names[0]), one.publish(&names[0]))?;
    holds(store, &names[0], &[b'1'; 100])?;
    holds(store, &names[1], &[b'2'; 200])
}

pub fn replace(store: &dyn Store, ground: &Ground) -> Answer {
    let (there, gone) = (ground.name("there"), ground.name("gone"));
    put(store, &there, b"first bytes")?;
    for name in [&there, &gone] {
        done(&format!("replace {name}"), store.replace(name, b"second"))?;
        holds(store, name, b"second")?;
    }
    lists(store, &ground.folder(), &BTreeMap::from([(there.clone(), 6), (gone, 6)]))?;
    match store.put(&there, b"third") {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        _ => Err(broken(format!("{there}, which was replaced, to stay taken"), "another object put over it")),
    }
}

pub fn durable_again(store: &dyn Store, ground: &Ground) -> Answer {
    let name = ground.name("deep-er/seen");
    put(store, &name, b"bytes")?;
    done(&format!("make {name} durable"), store.make_durable(&name))?;
    for folder in [ground.folder(), ground.name("never-written/")] {
        done(&format!("make {folder} durable"), store.make_durable(&folder))?;
    }
    holds(store, &name, b"bytes")
}
