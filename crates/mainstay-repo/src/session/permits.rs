//! A bound on how many threads do something at once.
//!
//! Owns counting and waiting. A permit is given back when it is dropped, whatever happened meanwhile.

use std::sync::{Condvar, Mutex, PoisonError};

pub struct Permits {
    left: Mutex<usize>,
    returned: Condvar,
}

impl Permits {
    pub fn new(count: usize) -> Self {
        Self { left: Mutex::new(count), returned: Condvar::new() }
    }

    /// Waits for a permit.
    pub fn take(&self) -> Permit<'_> {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        while *left == 0 {
            left = self.returned.wait(left).unwrap_or_else(PoisonError::into_inner);
        }
        *left -= 1;
        Permit(self)
    }
}

/// The right to be one of those threads.
pub struct Permit<'a>(&'a Permits);

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        *self.0.left.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.returned.notify_one();
    }
}
