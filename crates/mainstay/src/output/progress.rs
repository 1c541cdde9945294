//! Progress of a running verb: counted by the workers, shown by a thread of its own.
//!
//! Owns the counters and the thread. A worker's call is a few atomic additions; nothing is formatted and no lock is taken
//! unless the thread asked for the current item. On a terminal a line is redrawn ten times a second, elsewhere a plain
//! line appears every 30 seconds, and with `--json` a `status` line every second.

mod screen;
mod standing;

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mainstay_jobs::{Decision, Outlook, Phase, Progress};
use serde::Serialize;

use super::{Output, Talk, escape, line_to_stderr};
use screen::Screen;
pub use standing::Counted;
use standing::{Meter, Standing};

/// Whether progress is shown, as far as the user decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    Shown,
    Hidden,
}

/// Warnings of a run that are printed in full; the rest is counted, and listed with `--verbose`.
const WARNINGS_SHOWN: u64 = 20;

/// What the workers count.
#[derive(Default)]
struct Counters {
    phase: AtomicU8,
    files: AtomicU64,
    bytes: AtomicU64,
    expected_files: AtomicU64,
    expected_bytes: AtomicU64,
    expects_more: AtomicBool,
    deduplicated: AtomicU64,
    warnings: AtomicU64,
    wants_item: AtomicBool,
    item: Mutex<String>,
}

impl Counters {
    /// Begins to count entries and bytes anew.
    fn restart(&self) {
        for counter in [&self.files, &self.bytes, &self.expected_files, &self.expected_bytes, &self.deduplicated] {
            counter.store(0, Relaxed);
        }
        self.expects_more.store(false, Relaxed);
    }

    fn standing(&self, counted: Counted, elapsed: Duration) -> Standing {
        let item = self.item.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // The next worker that comes by says what it is busy with.
        self.wants_item.store(true, Relaxed);
        Standing {
            counted,
            phase: phase_of(self.phase.load(Relaxed)),
            files: self.files.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            expected_files: self.expected_files.load(Relaxed),
            expected_bytes: self.expected_bytes.load(Relaxed),
            outlook: if self.expects_more.load(Relaxed) { Outlook::AtLeast } else { Outlook::InAll },
            deduplicated: self.deduplicated.load(Relaxed),
            warnings: self.warnings.load(Relaxed),
            item,
            elapsed,
        }
    }
}

const PHASES: [Phase; 9] = [
    Phase::BackUp,
    Phase::Commit,
    Phase::Plan,
    Phase::Restore,
    Phase::Finish,
    Phase::Verify,
    Phase::Prune,
    Phase::Sync,
    Phase::Copy,
];

fn phase_of(number: u8) -> Option<Phase> {
    usize::from(number).checked_sub(1).and_then(|index| PHASES.get(index)).copied()
}

/// How a thread is told to end.
#[derive(Default)]
struct Stop {
    requested: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    /// Waits; `true` once a stop is requested.
    fn wait(&self, time: Duration) -> bool {
        let requested = self.requested.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(requested, time, |requested| !*requested);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn request(&self) {
        *self.requested.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }
}

/// The progress of one run.
pub struct Monitor {
    output: Output,
    counters: Arc<Counters>,
    screen: Arc<Screen>,
    stop: Arc<Stop>,
    thread: Option<JoinHandle<()>>,
}

/// What becomes of an entry, with `--verbose --json`.
#[derive(Serialize)]
struct PlanMessage<'a> {
    message_type: &'static str,
    action: &'static str,
    path: &'a str,
    rule: Option<&'a str>,
}

impl Monitor {
    /// Starts to count and, where it is wanted, to show.
    pub fn start(output: Output, wish: Wish, counted: Counted) -> Self {
        let screen = Arc::new(Screen::choose(output, wish));
        let mut monitor =
            Self { output, counters: Arc::default(), screen: Arc::clone(&screen), stop: Arc::default(), thread: None };
        if let Some(interval) = screen.interval() {
            let (counters, stop) = (Arc::clone(&monitor.counters), Arc::clone(&monitor.stop));
            let show = move || show((&counters, counted), &screen, &stop, interval);
            // Without a thread for it the run goes on unseen.
            monitor.thread = std::thread::Builder::new().name("progress".to_owned()).spawn(show).ok();
        }
        monitor
    }

    /// Says on standard error where the run stands, whenever somebody asks, even where no progress is shown.
    pub fn teller(&self, counted: Counted) -> impl Fn() + Send + 'static {
        let (counters, screen, start) = (Arc::clone(&self.counters), Arc::clone(&self.screen), Instant::now());
        move || {
            let standing = counters.standing(counted, start.elapsed());
            let line = standing.line_since_begin();
            let item = escape::message(&standing.item);
            screen.above(|| line_to_stderr(format!("{line}  {item}").trim_end()));
        }
    }

    /// Stops showing and leaves nothing on the screen.
    pub fn finish(&mut self) {
        self.stop.request();
        if let Some(thread) = self.thread.take() {
            // A thread that only draws has nothing to report.
            let _ = thread.join();
        }
        self.screen.clear();
        let hidden = self.counters.warnings.swap(0, Relaxed).saturating_sub(WARNINGS_SHOWN);
        if hidden > 0 && self.output.talk < Talk::Verbose {
            let text = format!("{hidden} more warnings; --verbose lists them all");
            self.output.warn(&text);
        }
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.finish();
    }
}

fn show((counters, counted): (&Counters, Counted), screen: &Screen, stop: &Stop, interval: Duration) {
    let start = Instant::now();
    let mut meter = Meter::default();
    meter.sample(&counters.standing(counted, Duration::ZERO));
    while !stop.wait(interval) {
        let standing = counters.standing(counted, start.elapsed());
        meter.sample(&standing);
        screen.show(&standing, &meter);
    }
}

impl Progress for Monitor {
    fn phase(&self, phase: Phase) {
        let position = PHASES.iter().position(|known| *known == phase);
        let number = position.and_then(|position| u8::try_from(position + 1).ok());
        if matches!(phase, Phase::Verify | Phase::Prune | Phase::Sync) {
            // What was written or looked at is read again: it counts anew.
            self.counters.restart();
        }
        self.counters.phase.store(number.unwrap_or(0), Relaxed);
    }

    fn expect(&self, files: u64, bytes: u64) {
        self.counters.expected_files.fetch_add(files, Relaxed);
        self.counters.expected_bytes.fetch_add(bytes, Relaxed);
    }

    fn outlook(&self, outlook: Outlook) {
        self.counters.expects_more.store(outlook == Outlook::AtLeast, Relaxed);
    }

    fn item(&self, path: &dyn Fn() -> String) {
        let wanted = &self.counters.wants_item;
        if wanted.load(Relaxed) && wanted.swap(false, Relaxed) {
            let path = path();
            *self.counters.item.lock().unwrap_or_else(PoisonError::into_inner) = path;
        }
    }

    fn decided(&self, decision: Decision<'_>, path: &dyn Fn() -> String) {
        if self.output.talk < Talk::Verbose {
            return;
        }
        let (action, rule) = match decision {
            Decision::New => ("new", None),
            Decision::Changed => ("changed", None),
            Decision::Read => ("read", None),
            Decision::Unchanged => ("unchanged", None),
            Decision::Excluded(rule) => ("excluded", Some(rule)),
        };
        let path = path();
        // A reader of standard output that went away is noticed at the summary.
        if self.output.is_json() {
            let _ = self.output.message(&PlanMessage { message_type: "plan", action, path: &path, rule });
            return;
        }
        let rule = rule.map(|rule| format!("  ({})", escape::text(rule))).unwrap_or_default();
        let line = format!("{action:<9}  {}{rule}\n", escape::text(&path));
        self.screen.above(|| drop(self.output.result(&line)));
    }

    fn advance(&self, files: u64, bytes: u64) {
        self.counters.files.fetch_add(files, Relaxed);
        self.counters.bytes.fetch_add(bytes, Relaxed);
    }

    fn deduplicated(&self, bytes: u64) {
        self.counters.deduplicated.fetch_add(bytes, Relaxed);
    }

    fn warn(&self, path: &str, message: &str) {
        let earlier = self.counters.warnings.fetch_add(1, Relaxed);
        if self.output.is_json() {
            return self.output.warning_message(path, message);
        }
        if earlier < WARNINGS_SHOWN || self.output.talk >= Talk::Verbose {
            self.screen.above(|| self.output.warn(&warning_line(path, message)));
        }
    }
}

/// A warning with its path; the message of an error about that path or object, "verb path: reason", has it already.
fn warning_line(path: &str, message: &str) -> String {
    // A name alone may stand in a message by chance.
    let is_named = (path.contains('/') && message.contains(&format!(" {path}:")))
        || (!path.starts_with('/') && message.contains(&format!("/{path}:")));
    if is_named {
        return escape::message(message);
    }
    format!("{}: {}", escape::message(path), escape::message(message))
}

#[cfg(test)]
mod tests;
