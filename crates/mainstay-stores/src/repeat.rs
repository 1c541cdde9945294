//! Requests that are repeated after what may pass.
//!
//! Owns the pauses between attempts. Knows no protocol: whether a trouble may pass, and whether it is harmless to ask again, is
//! said by whoever asks.

use std::io;
use std::time::{Duration, Instant};

use crate::patience::Patience;

/// Why a request came to nothing.
#[derive(Debug)]
pub struct Trouble {
    pub error: io::Error,
    pub is_passing: bool,
    /// When the server wants to be asked again.
    pub after: Option<Duration>,
}

impl Trouble {
    /// What will be the same the next time.
    pub fn lasting(error: io::Error) -> Self {
        Self { error, is_passing: false, after: None }
    }

    /// A connection that broke, or an answer that did not come.
    pub fn passing(message: impl Into<String>) -> Self {
        let error = io::Error::new(io::ErrorKind::TimedOut, message.into());
        Self { error, is_passing: true, after: None }
    }
}

/// The pauses between attempts that belong together.
pub struct Pauses {
    patience: Patience,
    next: Duration,
    left: usize,
    begun: Instant,
}

impl Patience {
    pub fn pauses(self) -> Pauses {
        Pauses { patience: self, next: self.pauses.0, left: self.retries, begun: Instant::now() }
    }

    /// Tries until it works, until a trouble that lasts, or until there is no patience left.
    pub fn repeat<T>(self, mut attempt: impl FnMut() -> Result<T, Trouble>) -> io::Result<T> {
        let mut pauses = self.pauses();
        loop {
            match attempt() {
                Ok(done) => return Ok(done),
                Err(trouble) => pauses.wait(trouble)?,
            }
        }
    }
}

impl Pauses {
    /// Waits before the next attempt.
    ///
    /// # Errors
    /// The trouble, when it lasts or there is no time left.
    pub fn wait(&mut self, trouble: Trouble) -> io::Result<()> {
        let pause = trouble.after.unwrap_or_default().max(self.next);
        let is_over = self.left == 0 || self.begun.elapsed().saturating_add(pause) > self.patience.retry_for;
        if !trouble.is_passing || is_over {
            return Err(trouble.error);
        }
        std::thread::sleep(pause);
        self.left -= 1;
        self.next = (self.next * 2).min(self.patience.pauses.1);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
