//! Tests of the bounded cache.

use super::{Cache, GENERATION};

#[test]
fn it_never_holds_more_than_two_generations() {
    let mut cache = Cache::new();
    for number in 0..10_000_u32 {
        cache.insert(&number.to_be_bytes(), number);
        assert!(cache.young.len() + cache.old.len() <= 2 * GENERATION);
    }
    assert_eq!(cache.get(&9_999_u32.to_be_bytes()), Some(9_999));
    assert_eq!(cache.get(&1_u32.to_be_bytes()), None);
}

#[test]
fn what_is_asked_for_stays() {
    let mut cache = Cache::new();
    cache.insert(b"wanted", 0);
    for number in 0..10_000_u32 {
        cache.insert(&number.to_be_bytes(), number);
        assert_eq!(cache.get(b"wanted"), Some(0));
    }
    cache.clear();
    assert_eq!(cache.get(b"wanted"), None);
}
