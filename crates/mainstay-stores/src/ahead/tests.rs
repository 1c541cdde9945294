//! Tests of reading ahead.

use mainstay_repo::MemoryStore;
use mainstay_repo::store::Call;

use super::*;

const PACK: &str = "packs/aa/1";

fn with_pack(len: usize) -> (MemoryStore, Layered<Ahead>) {
    let far = MemoryStore::default();
    let bytes: Vec<u8> = (0..len).map(|at| at as u8).collect();
    far.put(PACK, &bytes).unwrap();
    let store = Ahead::over(Arc::new(far.clone()));
    (far, store)
}

fn reads(far: &MemoryStore) -> usize {
    far.take_calls().iter().filter(|call| matches!(call, Call::Read { .. })).count()
}

fn read(store: &Layered<Ahead>, offset: u64, len: usize) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0; len];
    store.read_at(PACK, offset, &mut buffer).map(|()| buffer)
}

#[test]
fn a_pack_that_was_listed_is_read_once_however_short_the_ranges_are() {
    let (far, store) = with_pack(1000);
    store.list(names::PACKS).unwrap();
    for offset in 0..10 {
        assert_eq!(read(&store, offset * 100, 100).unwrap()[7], (offset * 100 + 7) as u8);
    }
    assert_eq!(reads(&far), 1);
}

#[test]
fn what_was_not_listed_or_lies_beyond_is_asked_of_the_store() {
    let (far, store) = with_pack(1000);
    assert_eq!(read(&store, 5, 3).unwrap(), [5, 6, 7]);
    assert_eq!(reads(&far), 1);
    store.list(names::PACKS).unwrap();
    assert_eq!(read(&store, 999, 2).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    far.damage(PACK, |bytes| bytes.truncate(500));
    assert_eq!(read(&store, 400, 3).unwrap(), [400_u64 as u8, 145, 146], "a stretch that is cut short is not all lost");
    assert_eq!(read(&store, 600, 3).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn a_few_stretches_are_held_and_no_more() {
    let (far, store) = with_pack(10);
    for number in 0..7 {
        far.put(&format!("packs/bb/{number}"), &[number; 10]).unwrap();
    }
    store.list(names::PACKS).unwrap();
    far.take_calls();
    let mut buffer = [0; 4];
    for number in [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5, 6, 5, 0] {
        store.read_at(&format!("packs/bb/{number}"), 2, &mut buffer).unwrap();
        assert_eq!(buffer, [number; 4]);
    }
    assert_eq!(reads(&far), 8, "the first, which was used longest ago, was given up for the seventh");
}
