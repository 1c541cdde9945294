//! What every command that takes its time has: progress, a clean stop, and a clock.
//!
//! Owns their beginning and end.

use std::time::{Duration, Instant};

use crate::context::Context;
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Result, catalogue};
use crate::output::progress::{Counted, Monitor, Wish};
use crate::signals::Requests;

/// A run that shows its progress and can be stopped.
pub struct LongRun {
    pub monitor: Monitor,
    pub requests: Requests,
    start: Instant,
    elapsed: Option<Duration>,
}

impl LongRun {
    /// A run that counts files.
    pub fn begin(context: &Context) -> Self {
        Self::counting(context, Counted::Files)
    }

    /// A run that counts something else.
    pub fn counting(context: &Context, counted: Counted) -> Self {
        Self::begin_with(context, context.global.progress(), counted)
    }

    /// Begins a prune within a command that prints one document: with `--json` no status stands before it.
    pub fn prune_within_document(context: &Context) -> Self {
        let wish = if context.output.is_json() { Wish::Hidden } else { context.global.progress() };
        Self::begin_with(context, wish, Counted::Packs)
    }

    fn begin_with(context: &Context, wish: Wish, counted: Counted) -> Self {
        let monitor = Monitor::start(context.output, wish, counted);
        Self {
            requests: Requests::listen(context.output, monitor.teller(counted)),
            monitor,
            start: Instant::now(),
            elapsed: None,
        }
    }

    /// Ends the progress and hands on the result; a run that was stopped says by which signal.
    pub fn end<T>(&mut self, result: mainstay_jobs::Result<T>) -> Result<T> {
        self.elapsed = Some(self.start.elapsed());
        self.monitor.finish();
        result.map_err(|error| {
            let failure = Failure::from(error);
            match failure.code.number == catalogue::STOPPED.number {
                true => failure.with_exit_code(self.requests.exit_code()),
                false => failure,
            }
        })
    }

    /// How long the run took.
    pub fn elapsed(&self) -> Duration {
        self.elapsed.unwrap_or_else(|| self.start.elapsed())
    }
}

/// The end of a run whose result was printed: a reader that went away takes nothing back of how the run ended.
pub fn conclude(printed: Result<()>, ended: Result<ExitCode>) -> Result<ExitCode> {
    match (printed, ended) {
        (Err(failure), Ok(_)) if !failure.is_silent() => Err(failure),
        (_, ended) => ended,
    }
}
