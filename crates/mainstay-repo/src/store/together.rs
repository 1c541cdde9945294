//! Two questions to a store that do not wait for each other.
//!
//! Owns asking them at once where a request takes its time. Decides nothing about their order: whoever calls this says that
//! there is none.

use std::thread;

use super::Store;

/// Does both; at once in a store that takes several requests, else one after the other, so that every run is the same.
pub fn both<A: Send, B>(store: &dyn Store, one: impl FnOnce() -> A + Send, other: impl FnOnce() -> B) -> (A, B) {
    if store.publishes_at_once() < 2 {
        return (one(), other());
    }
    thread::scope(|scope| {
        let one = scope.spawn(one);
        let other = other();
        (one.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), other)
    })
}
