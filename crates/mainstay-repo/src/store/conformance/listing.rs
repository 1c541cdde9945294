//! Trials of listing and deleting.
//!
//! Owns what a listing must show at once. A prune deletes what no listing shows to be needed, so a name that is missing in one is
//! data lost.

use std::collections::BTreeMap;
use std::io;

use super::expect::{done, holds, in_parallel, lists, refused, same};
use super::{Broken, Ground};
use crate::store::Store;

type Answer = Result<(), Broken>;

/// Objects of which every other one is deleted.
const DELETED_AMONG: u32 = 60;

/// A name in one of eight folders, and its length.
fn numbered(ground: &Ground, number: u32) -> (String, u64) {
    (ground.name(&format!("{:02x}/{number:06}", number % 8)), u64::from(number % 7))
}

fn put_numbered(store: &dyn Store, ground: &Ground, count: u32) -> Result<BTreeMap<String, u64>, Broken> {
    in_parallel(count, &|number| {
        let (name, len) = numbered(ground, number);
        done(&format!("put {name}"), store.put(&name, &vec![b'x'; len as usize]))
    })?;
    Ok((0..count).map(|number| numbered(ground, number)).collect())
}

pub fn list_after_write(store: &dyn Store, ground: &Ground) -> Answer {
    lists(store, &ground.folder(), &BTreeMap::new())?;
    let expected = put_numbered(store, ground, ground.listed)?;
    // Twice, since servers behind one name may not know the same.
    lists(store, &ground.folder(), &expected)?;
    lists(store, &ground.folder(), &expected)
}

pub fn list_after_delete(store: &dyn Store, ground: &Ground) -> Answer {
    let mut expected = put_numbered(store, ground, DELETED_AMONG)?;
    in_parallel(DELETED_AMONG, &|number| {
        let (name, _) = numbered(ground, number);
        if number % 2 == 0 { done(&format!("delete {name}"), store.delete(&name)) } else { Ok(()) }
    })?;
    for number in (0..DELETED_AMONG).step_by(2) {
        expected.remove(&numbered(ground, number).0);
    }
    lists(store, &ground.folder(), &expected)?;
    lists(store, &ground.folder(), &expected)
}

pub fn list_beneath(store: &dyn Store, ground: &Ground) -> Answer {
    let beneath = [ground.name("aa/one"), ground.name("ab/two"), ground.name("ab/deep/three")];
    let beside = [ground.name("aanot/four"), ground.name("aa-five")];
    for name in beneath.iter().chain(&beside) {
        done(&format!("put {name}"), store.put(name, b"bytes"))?;
    }
    let of = |names: &[&String]| names.iter().map(|name| ((*name).clone(), 5)).collect::<BTreeMap<_, _>>();
    lists(store, &ground.folder(), &of(&beneath.iter().chain(&beside).collect::<Vec<_>>()))?;
    lists(store, &ground.name("aa/"), &of(&[&beneath[0]]))?;
    lists(store, &ground.name("ab/"), &of(&[&beneath[1], &beneath[2]]))?;
    lists(store, &ground.name("never-written/"), &BTreeMap::new())
}

pub fn delete(store: &dyn Store, ground: &Ground) -> Answer {
    let (gone, stays) = (ground.name("gone"), ground.name("stays"));
    for name in [&gone, &stays] {
        done(&format!("put {name}"), store.put(name, b"bytes"))?;
    }
    done(&format!("delete {gone}"), store.delete(&gone))?;
    refused(&format!("read {gone}, which was deleted"), io::ErrorKind::NotFound, store.read(&gone, 10))?;
    refused(&format!("find the length of {gone}, which was deleted"), io::ErrorKind::NotFound, store.len(&gone))?;
    done(&format!("delete {gone}, which is gone, again"), store.delete(&gone))?;
    done("delete what never was", store.delete(&ground.name("never/was")))?;
    holds(store, &stays, b"bytes")
}

pub fn session_folder(store: &dyn Store, ground: &Ground) -> Answer {
    for round in 0..3 {
        let names = [ground.session_name(&format!("{round}-a")), ground.session_name(&format!("{round}-b"))];
        for name in &names {
            done(&format!("put {name}"), store.put(name, b"bytes"))?;
        }
        let folder = ground.session_name("");
        same("objects in the folder of a session:", &2, &done(&format!("list {folder}"), store.list(&folder))?.len())?;
        for name in &names {
            done(&format!("delete {name}"), store.delete(name))?;
        }
        lists(store, &folder, &BTreeMap::new())?;
    }
    Ok(())
}
