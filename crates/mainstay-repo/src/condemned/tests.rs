//! Tests of condemned lists.

use super::*;
use crate::fixtures::session_id;
use crate::format::coord::{CondemnedPack, encode_condemned};
use crate::store::MemoryStore;

const REPOSITORY: RepositoryId = RepositoryId([0xa1; 16]);

fn put(store: &MemoryStore, number: u8) -> String {
    let list = Condemned {
        id: TableId([number; 16]),
        packs: vec![CondemnedPack { id: PackId([number; 32]), session: session_id(1) }],
        snapshots: Vec::new(),
        considered: Vec::new(),
        keys: vec![CondemnedKey { session: session_id(number), carrier: None }],
    };
    let name = names::condemned(list.id);
    store.put(&name, &encode_condemned(REPOSITORY, &list)).unwrap();
    name
}

#[test]
fn what_any_list_names_is_condemned() {
    let store = MemoryStore::default();
    assert!(CondemnedLists::read(&store, REPOSITORY).unwrap().is_empty());
    put(&store, 1);
    put(&store, 2);
    let lists = CondemnedLists::read(&store, REPOSITORY).unwrap();
    assert_eq!(lists.packs(), [PackId([1; 32]), PackId([2; 32])].into());
    assert!(lists.has_key(session_id(2)) && !lists.has_key(session_id(3)));
}

#[test]
fn a_list_that_is_damaged_or_misnamed_is_told() {
    let store = MemoryStore::default();
    let name = put(&store, 1);
    put(&store, 2);
    store.damage(&name, |bytes| bytes[30] ^= 1);
    store.put("coord/condemned/note", b"bytes").unwrap();
    let lists = CondemnedLists::read(&store, REPOSITORY).unwrap();
    assert_eq!((lists.ids(), lists.unreadable.len()), (vec![TableId([2; 16])], 2));
}
