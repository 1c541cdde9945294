//! How fast something advances, over the last few seconds.
//!
//! Pure: moments and counts are handed in.

use std::collections::VecDeque;
use std::time::Duration;

/// Long enough to even out single files, short enough to show a change.
const WINDOW: Duration = Duration::from_secs(5);

/// A rate over a moving window.
#[derive(Default)]
pub struct Rate {
    samples: VecDeque<(Duration, u64)>,
}

impl Rate {
    /// Takes the count at a moment since the start.
    pub fn sample(&mut self, elapsed: Duration, count: u64) {
        // A count that went back began anew.
        if self.samples.back().is_some_and(|(_, last)| *last > count) {
            self.samples.clear();
        }
        self.samples.push_back((elapsed, count));
        // The oldest kept sample is the last one that is as old as the window.
        while let Some((second, _)) = self.samples.get(1)
            && elapsed.saturating_sub(*second) >= WINDOW
        {
            self.samples.pop_front();
        }
    }

    /// Units per second.
    pub fn per_second(&self) -> f64 {
        let (Some((from, low)), Some((to, high))) = (self.samples.front(), self.samples.back()) else {
            return 0.0;
        };
        let seconds = to.saturating_sub(*from).as_secs_f64();
        if seconds <= 0.0 { 0.0 } else { high.saturating_sub(*low) as f64 / seconds }
    }

    /// How long the rest will take at this rate; `None` when nothing moves or the end is not known.
    pub fn remaining(&self, done: u64, expected: u64) -> Option<Duration> {
        let rest = expected.checked_sub(done).filter(|_| expected > 0)?;
        let seconds = rest as f64 / self.per_second();
        // A century is as good as never.
        (seconds.is_finite() && seconds < 3.2e9).then(|| Duration::from_secs_f64(seconds))
    }
}

#[cfg(test)]
mod tests;
