//! Where progress is shown: a line of a terminal, lines of a log, JSON, or nowhere.
//!
//! Owns the choice and the drawing. Never counts.

use std::io::{self, IsTerminal as _};
use std::sync::Mutex;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Wish;
use super::standing::{Meter, Standing};
use crate::output::{Output, Talk, escape, line_to_stderr};

const REDRAW: Duration = Duration::from_millis(100);
const LINE: Duration = Duration::from_secs(30);
const STATUS: Duration = Duration::from_secs(1);
/// More than there are, so that none is left out.
const REDRAWS_PER_SECOND_MAX: u8 = 20;
/// A terminal that does not tell its width.
const USUAL_WIDTH: usize = 80;

/// A place for progress.
pub enum Screen {
    /// Drawn over and over; the bar knows how to get out of the way.
    Terminal(Mutex<ProgressBar>),
    Log,
    Json(Output),
    Hidden,
}

impl Screen {
    pub fn choose(output: Output, wish: Wish) -> Self {
        if wish == Wish::Hidden || output.talk == Talk::Quiet {
            return Self::Hidden;
        }
        if output.is_json() {
            return Self::Json(output);
        }
        let is_dumb = crate::defaults::variable("TERM").is_none_or(|term| term == "dumb");
        if io::stderr().is_terminal() && !is_dumb {
            return Self::Terminal(Mutex::new(bar()));
        }
        Self::Log
    }

    /// How often to show; `None` for never.
    pub fn interval(&self) -> Option<Duration> {
        match self {
            Self::Terminal(_) => Some(REDRAW),
            Self::Log => Some(LINE),
            Self::Json(_) => Some(STATUS),
            Self::Hidden => None,
        }
    }

    pub fn show(&self, standing: &Standing, meter: &Meter) {
        match self {
            Self::Terminal(bar) => {
                let bar = lock(bar);
                bar.set_style(style(&cut(&standing.line(meter), width())));
                // The one call that draws.
                bar.set_message(escape::message(&standing.item));
            }
            Self::Log => line_to_stderr(&standing.line(meter)),
            // A reader of standard output that went away is noticed at the summary.
            Self::Json(output) => drop(output.message(&standing.message(meter))),
            Self::Hidden => {}
        }
    }

    /// Prints something without mixing it with the drawing.
    pub fn above(&self, print: impl FnOnce()) {
        match self {
            Self::Terminal(bar) => lock(bar).suspend(print),
            _ => print(),
        }
    }

    pub fn clear(&self) {
        if let Self::Terminal(bar) = self {
            lock(bar).finish_and_clear();
        }
    }
}

fn lock(bar: &Mutex<ProgressBar>) -> std::sync::MutexGuard<'_, ProgressBar> {
    bar.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn bar() -> ProgressBar {
    let target = ProgressDrawTarget::stderr_with_hz(REDRAWS_PER_SECOND_MAX);
    ProgressBar::with_draw_target(None, target).with_style(style(""))
}

/// The line above the current item, which is cut to the terminal's width by its columns.
fn style(line: &str) -> ProgressStyle {
    let line = line.replace('{', "{{").replace('}', "}}");
    ProgressStyle::with_template(&format!("{line}\n  {{wide_msg}}"))
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
}

fn width() -> usize {
    let size = rustix::termios::tcgetwinsize(io::stderr());
    let columns = size.map_or(0, |size| usize::from(size.ws_col));
    if columns == 0 { USUAL_WIDTH } else { columns }
}

/// The line as far as it fits; its characters are all one column wide.
fn cut(line: &str, width: usize) -> String {
    line.chars().take(width.saturating_sub(1)).collect()
}
