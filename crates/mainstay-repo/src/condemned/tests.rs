//! Tests of condemned lists.

use super::*;
use crate::fixtures::{holder, session_id};
use crate::format::coord::{CondemnedPack, encode_condemned};
use crate::keys::Keys;
use crate::signer::sign_object;
use crate::store::MemoryStore;

fn judge(keys: &Keys) -> Judge {
    Judge::new(keys.config().repository)
}

fn put((store, keys): (&MemoryStore, &Keys), number: u8) -> String {
    let list = Condemned {
        id: TableId([number; 16]),
        packs: vec![CondemnedPack { id: PackId([number; 32]), session: session_id(1) }],
        snapshots: Vec::new(),
        considered: Vec::new(),
        keys: vec![CondemnedKey { session: session_id(number), carrier: None }],
    };
    let name = names::condemned(list.id);
    let said = encode_condemned(&list);
    let signed = sign_object(keys.signer(), keys.config().repository, (ObjectKind::Condemned, &said)).unwrap();
    store.put(&name, &signed).unwrap();
    name
}

#[test]
fn what_any_list_names_is_condemned() {
    let (store, keys) = (MemoryStore::default(), holder());
    assert!(CondemnedLists::read(&store, &judge(&keys)).unwrap().is_empty());
    put((&store, &keys), 1);
    put((&store, &keys), 2);
    let lists = CondemnedLists::read(&store, &judge(&keys)).unwrap();
    assert_eq!(lists.packs(), [PackId([1; 32]), PackId([2; 32])].into());
    assert!(lists.has_key(session_id(2)) && !lists.has_key(session_id(3)));
}

#[test]
fn a_list_that_is_damaged_or_misnamed_is_told() {
    let (store, keys) = (MemoryStore::default(), holder());
    let name = put((&store, &keys), 1);
    put((&store, &keys), 2);
    store.damage(&name, |bytes| bytes[30] ^= 1);
    store.put("coord/condemned/note", b"bytes").unwrap();
    let lists = CondemnedLists::read(&store, &judge(&keys)).unwrap();
    assert_eq!((lists.ids(), lists.unreadable.len()), (vec![TableId([2; 16])], 2));
}
