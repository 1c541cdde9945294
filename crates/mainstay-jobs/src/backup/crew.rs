//! The threads of a backup, the walk's own aside.
//!
//! Owns starting them and bringing them to an end, whichever of them fails first. Safety: a thread that fails or panics
//! ends the run, so that nobody waits for work that nobody does; the walk's end, a panic included, ends all the others.

use std::sync::{Mutex, PoisonError};
use std::thread::ScopedJoinHandle;

use super::queue::Queue;
use super::scan::{SCAN_THREADS, Scanner};
use super::store_file::Worker;
use crate::{Error, Result};

/// Runs the walk beside reading threads and workers. What made a thread fail matters more than how the walk ended.
pub fn run_beside<T>(
    scanner: &Scanner<'_>,
    queue: &Queue,
    workers: Vec<Worker<'_>>,
    walk: impl FnOnce() -> Result<T>,
) -> Result<T> {
    run_all_beside(Some(scanner), queue, workers, walk)
}

/// The same where nothing is listed.
pub fn run_workers_beside<T>(queue: &Queue, workers: Vec<Worker<'_>>, walk: impl FnOnce() -> Result<T>) -> Result<T> {
    run_all_beside(None, queue, workers, walk)
}

fn run_all_beside<T>(
    scanner: Option<&Scanner<'_>>,
    queue: &Queue,
    workers: Vec<Worker<'_>>,
    walk: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let failure = Failure::default();
    let walked = std::thread::scope(|scope| {
        let ending = Ending { scanner, queue };
        let scanners = scanner.into_iter().flat_map(|scanner| std::iter::repeat_n(scanner, SCAN_THREADS));
        let mut threads: Vec<ScopedJoinHandle<'_, ()>> =
            scanners.map(|scanner| scope.spawn(|| scanner.run())).collect();
        for worker in workers {
            let failure = &failure;
            threads.push(scope.spawn(move || work(&worker, queue, failure)));
        }
        let walked = walk();
        drop(ending);
        for thread in threads {
            if thread.join().is_err() {
                failure.note(Error::Invalid("internal error: a thread of the backup panicked".to_owned()));
            }
        }
        walked
    });
    match failure.0.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => walked,
    }
}

fn work(worker: &Worker<'_>, queue: &Queue, failure: &Failure) {
    let _abandoning = AbandonOnPanic(queue);
    if let Err(error) = worker.run() {
        failure.note(error);
        queue.abandon();
    }
}

/// The first error of a thread.
#[derive(Default)]
struct Failure(Mutex<Option<Error>>);

impl Failure {
    fn note(&self, error: Error) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }
}

/// Sends everybody home when it is dropped.
struct Ending<'a> {
    scanner: Option<&'a Scanner<'a>>,
    queue: &'a Queue,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        if let Some(scanner) = self.scanner {
            scanner.close();
        }
        self.queue.abandon();
    }
}

struct AbandonOnPanic<'a>(&'a Queue);

impl Drop for AbandonOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.abandon();
        }
    }
}
