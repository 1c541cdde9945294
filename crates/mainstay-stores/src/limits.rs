//! Limits of what goes to a store and comes from it: bytes a second, requests at once.
//!
//! Owns who waits and for how long. A request waits as a whole, before it is sent or after it was answered: over a few packs the
//! rate is what was asked for, within one it is that of the line.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use mainstay_repo::Permits;
use mainstay_repo::store::{Around, Request};

#[cfg(test)]
mod tests;

/// What a user allows.
pub struct Limits {
    up: Option<Pace>,
    down: Option<Pace>,
    at_once: Option<Permits>,
}

impl Limits {
    /// Bytes a second to the store and from it, and requests at once; `None` for no limit.
    pub fn new(up: Option<u64>, down: Option<u64>, at_once: Option<usize>) -> Self {
        Self { up: up.map(Pace::new), down: down.map(Pace::new), at_once: at_once.map(Permits::new) }
    }
}

impl Around for Limits {
    fn request<T>(&self, request: Request<'_>, send: impl FnOnce() -> io::Result<(T, u64)>) -> io::Result<T> {
        let _permit = self.at_once.as_ref().map(Permits::take);
        wait(self.up.as_ref(), request.sent);
        let (answer, got) = send()?;
        wait(self.down.as_ref(), got);
        Ok(answer)
    }
}

fn wait(pace: Option<&Pace>, bytes: u64) {
    if let Some(pace) = pace.filter(|_| bytes > 0) {
        thread::sleep(pace.delay(bytes, Instant::now()));
    }
}

/// Bytes a second, over all who ask.
struct Pace {
    rate: u64,
    /// When what was allowed so far has gone through.
    free: Mutex<Option<Instant>>,
}

impl Pace {
    fn new(rate: u64) -> Self {
        Self { rate: rate.max(1), free: Mutex::new(None) }
    }

    /// How long whoever moves so many bytes now has to wait; what was moved before has its time first.
    fn delay(&self, bytes: u64, now: Instant) -> Duration {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let begins = free.filter(|free| *free > now).unwrap_or(now);
        let lasts = Duration::from_secs_f64(bytes as f64 / self.rate as f64);
        *free = begins.checked_add(lasts);
        begins.duration_since(now)
    }
}
