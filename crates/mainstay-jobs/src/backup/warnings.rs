//! What is wrong with entries of the source.
//!
//! Owns counting it, and whether it ends the run: a backup goes on without an entry, a copy is whole or not made.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use mainstay_sources::Warning;

use super::BackupOptions;
use crate::{Error, Progress, Result};

/// Warnings from many threads, the first of them kept and all of them counted.
#[derive(Default)]
pub(crate) struct Warnings {
    held: Mutex<(Vec<Warning>, u64)>,
    /// The first one is the last.
    ends_run: bool,
    is_over: AtomicBool,
}

/// Warnings that a report holds; a disk that fails can give millions.
const KEPT_WARNINGS: usize = 1000;

impl Warnings {
    pub fn new(options: &BackupOptions) -> Self {
        Self { ends_run: options.copied.is_some(), ..Self::default() }
    }

    pub fn add(&self, progress: &dyn Progress, warning: Warning) {
        if self.ends_run {
            self.is_over.store(true, Ordering::Release);
        } else {
            progress.warn(&warning.path, &warning.message);
        }
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.1 += 1;
        if held.0.len() < KEPT_WARNINGS {
            held.0.push(warning);
        }
    }

    /// # Errors
    /// The first warning, where it ends the run.
    pub fn check(&self) -> Result<()> {
        if !self.is_over.load(Ordering::Acquire) {
            return Ok(());
        }
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        match held.0.first() {
            Some(first) => Err(Error::NotWhole { path: first.path.clone(), problem: first.message.clone() }),
            None => Ok(()),
        }
    }

    pub fn take(&self) -> (Vec<Warning>, u64) {
        std::mem::take(&mut *self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
