//! Tests of what a client remembers.

use super::super::tests::new_repository;
use super::*;
use crate::fixtures::{back_up, copy_of, create, files_of, named, open, restarted};
use crate::format::names;
use crate::store::{MemoryStore, Store as _};

/// A repository with so many snapshots of one source.
fn repository_of(count: u64) -> (MemoryStore, Repository) {
    let (store, repository) = new_repository();
    (1..=count).for_each(|sequence| drop(back_up(&repository, sequence, &files_of(&[("a", sequence, 1000)])).unwrap()));
    (store, repository)
}

/// Looks at the repository with a memory; answers the new memory and the numbers of what was seen and is missing.
fn look(store: &MemoryStore, memory: &str) -> (String, Vec<u64>) {
    let repository = open(store.clone(), restarted());
    let listing = repository.list_snapshots().unwrap();
    let mut seen = repository.recall(memory);
    let rewound = repository.rewinds(&seen, &listing).unwrap();
    repository.remember(&mut seen, &listing, &rewound).unwrap();
    (repository.memorize(&seen), rewound.into_iter().map(|rewind| rewind.seen.sequence).collect())
}

#[test]
fn a_repository_that_goes_on_raises_no_alarm() {
    let (store, repository) = repository_of(2);
    let (memory, rewound) = look(&store, "");
    assert!(rewound.is_empty());
    back_up(&repository, 3, &files_of(&[("a", 3, 1000)])).unwrap();
    let (memory, rewound) = look(&store, &memory);
    assert!(rewound.is_empty());
    let seen = repository.recall(&memory);
    assert_eq!(seen.heads().map(|place| place.sequence).collect::<Vec<_>>(), [3]);
}

#[test]
fn an_older_state_is_told_until_what_was_seen_is_back() {
    let (store, repository) = repository_of(2);
    let old = copy_of(&store);
    back_up(&repository, 3, &files_of(&[("a", 3, 1000)])).unwrap();
    let (memory, _) = look(&store, "");
    for _ in 0..2 {
        let (again, rewound) = look(&old, &memory);
        assert_eq!((again.as_str(), rewound), (memory.as_str(), vec![3]));
    }
    let rewind = {
        let repository = open(old.clone(), restarted());
        let listing = repository.list_snapshots().unwrap();
        repository.rewinds(&repository.recall(&memory), &listing).unwrap().remove(0)
    };
    assert_eq!((rewind.head.map(|head| head.sequence), rewind.source.as_deref()), (Some(2), Some("data")));
    assert_eq!(look(&store, &memory).1, [0; 0]);
}

#[test]
fn another_snapshot_in_the_place_of_the_one_seen_is_told_however_far_it_goes_on() {
    let (store, repository) = repository_of(2);
    let forked = open(copy_of(&store), restarted());
    back_up(&repository, 3, &files_of(&[("a", 3, 1000)])).unwrap();
    let (memory, _) = look(&store, "");
    for sequence in 3..6 {
        back_up(&forked, sequence, &files_of(&[("b", sequence, 1000)])).unwrap();
        let listing = forked.list_snapshots().unwrap();
        assert_eq!(forked.rewinds(&forked.recall(&memory), &listing).unwrap().len(), 1);
    }
    // Nor does it help to remove the fork again.
    forked.snapshots().unwrap().iter().skip(2).for_each(|entry| forked.forget(entry.id, 0).unwrap());
    forked.prune().unwrap();
    let listing = forked.list_snapshots().unwrap();
    assert_eq!(forked.rewinds(&forked.recall(&memory), &listing).unwrap().len(), 1);
}

#[test]
fn what_a_prune_removed_raises_no_alarm() {
    let (store, repository) = repository_of(3);
    let (memory, _) = look(&store, "");
    let newest = repository.snapshots().unwrap().pop().unwrap();
    repository.forget(newest.id, 0).unwrap();
    let (memory, rewound) = look(&store, &memory);
    assert!(rewound.is_empty());
    repository.prune().unwrap();
    let (memory, rewound) = look(&store, &memory);
    assert!(rewound.is_empty());
    assert_eq!(repository.recall(&memory).heads().map(|place| place.sequence).collect::<Vec<_>>(), [2]);
    // From there on the older head is what must not go.
    store.delete(&named(&store, names::SNAPSHOTS)[1]).unwrap();
    assert_eq!(look(&store, &memory).1, [2]);
}

#[test]
fn a_head_that_cannot_be_read_is_damage_and_no_rewind_and_stays_remembered() {
    let (store, _) = repository_of(3);
    let (memory, _) = look(&store, "");
    let newest = named(&store, names::SNAPSHOTS).pop().unwrap();
    store.damage(&newest, |bytes| bytes[200] ^= 1);
    let (memory, rewound) = look(&store, &memory);
    assert!(rewound.is_empty());
    store.delete(&newest).unwrap();
    assert_eq!(look(&store, &memory).1, [3]);
}

#[test]
fn an_emptied_repository_is_told() {
    let (store, _) = repository_of(1);
    let (memory, _) = look(&store, "");
    named(&store, names::SNAPSHOTS).iter().for_each(|name| store.delete(name).unwrap());
    assert_eq!(look(&store, &memory).1, [1]);
}

#[test]
fn a_memory_that_is_damaged_or_cut_remembers_nothing() {
    let (store, repository) = repository_of(3);
    let (memory, _) = look(&store, "");
    assert!(!repository.recall(&memory).is_empty());
    for at in 0..memory.trim_end().len() {
        let cut = memory.get(..at).unwrap_or_default();
        assert!(repository.recall(cut).is_empty(), "cut to {at} bytes");
        for bit in 0..7 {
            let mut bytes = memory.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            let flipped = String::from_utf8(bytes).unwrap();
            assert!(repository.recall(&flipped).is_empty(), "bit {bit} of byte {at} flipped");
        }
    }
}

#[test]
fn the_memory_of_another_repository_remembers_nothing() {
    let (store, _) = repository_of(3);
    let (memory, _) = look(&store, "");
    assert!(create(MemoryStore::default()).recall(&memory).is_empty());
}
