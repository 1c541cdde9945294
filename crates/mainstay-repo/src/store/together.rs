//! Questions to a store that do not wait for each other.
//!
//! Owns asking them at once where a request takes its time. Decides nothing about their order: whoever calls this says that
//! there is none.

use std::sync::atomic::{AtomicUsize, Ordering};
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

/// Does the same for each of these, and answers in their order; as many at once as the store takes requests.
pub fn each<T: Sync, A: Send>(store: &dyn Store, things: &[T], work: impl Fn(&T) -> A + Sync) -> Vec<A> {
    let workers = store.publishes_at_once().min(things.len());
    if workers < 2 {
        return things.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let take = || {
        let mut answers = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(thing) = things.get(at) else { return answers };
            answers.push((at, work(thing)));
        }
    };
    let mut answers: Vec<(usize, A)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(take)).collect();
        let joined =
            workers.into_iter().map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        joined.flatten().collect()
    });
    answers.sort_by_key(|(at, _)| *at);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

#[cfg(test)]
mod tests;
