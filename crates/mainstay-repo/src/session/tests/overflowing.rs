//! A session with more chunks than it keeps in memory.

use super::*;
use crate::format::refs::BlockSet;

/// More than half a million, so that rows are published in the middle of the session.
const CHUNKS: u64 = 700_000;

/// Stores every `step`-th of so many chunks of random bytes; answers how many bytes of them were new.
fn store_many(session: &Session<'_>, step: usize) -> u64 {
    let before = session.progress().0;
    for number in (0..CHUNKS).step_by(step) {
        session.store_small_file(blake3::hash(&number.to_le_bytes()).as_bytes()).unwrap();
    }
    session.progress().0 - before
}

#[test]
fn chunks_that_left_memory_are_still_known() {
    let (store, repository) = new_repository();
    let session = Session::begin(&repository, Sharing::Shared).unwrap();
    assert_eq!(store_many(&session, 1), CHUNKS * 32);
    assert_eq!(store_many(&session, 17), 0);
    let checkpoints = named(&store, names::INTENTS).len();
    assert!(checkpoints > 0 && session.known.len() < CHUNKS as usize, "nothing left memory");
    let root = crate::format::tree::Content::default();
    session.commit(draft("data", 1, root, BlockSet::default())).unwrap();
    let session = Session::begin(&repository, Sharing::Shared).unwrap();
    assert_eq!(store_many(&session, 17), 0);
}
