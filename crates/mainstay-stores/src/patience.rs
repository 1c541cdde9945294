//! How long a server is waited for, and how often something is asked again.
//!
//! Owns the figures, the same for every kind of store. Sleeps nowhere.

use std::time::Duration;

/// What a user may set, and what tests make short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Until a connection stands.
    pub connect: Duration,
    /// For a whole request: 64 MiB at 1 Mbit/s take nine minutes.
    pub request: Duration,
    /// How often what failed with what may pass is asked again.
    pub retries: usize,
    /// How long it is asked again: a server starts anew in less, and whoever has mistyped its name waits no longer.
    pub retry_for: Duration,
    /// The first pause before it is asked again, and the longest.
    pub pauses: (Duration, Duration),
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(20),
            request: Duration::from_secs(600),
            retries: 100,
            retry_for: Duration::from_secs(60),
            pauses: (Duration::from_millis(500), Duration::from_secs(20)),
        }
    }
}

impl Patience {
    /// The pauses before an object is sent again of which no answer came, or that somebody else seems to be writing: 1, 3, 9,
    /// 27 and 81 seconds, if nothing else is set.
    pub fn long_pauses(&self) -> impl Iterator<Item = Duration> + use<> {
        let (first, _) = self.pauses;
        (0..self.retries.min(5) as u32).map(move |number| first * 2 * 3_u32.pow(number))
    }
}
