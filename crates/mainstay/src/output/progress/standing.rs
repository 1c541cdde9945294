//! Where a run stands at a moment, as text and as JSON.
//!
//! Pure data and its formatting.

use std::time::Duration;

use mainstay_jobs::{Outlook, Phase};
use serde::Serialize;

use crate::output::rate::Rate;
use crate::output::units;

/// What a run counts beside bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    Files,
    Packs,
    Snapshots,
    Objects,
}

impl Counted {
    fn count(self, number: u64) -> String {
        match self {
            Self::Files => units::counted(number, "file", "files"),
            Self::Packs => units::counted(number, "pack", "packs"),
            Self::Snapshots => units::counted(number, "snapshot", "snapshots"),
            Self::Objects => units::counted(number, "object", "objects"),
        }
    }
}

/// A reading of all counters.
#[derive(Clone, Debug)]
pub struct Standing {
    pub counted: Counted,
    pub phase: Option<Phase>,
    pub files: u64,
    pub bytes: u64,
    /// 0 where nothing is known.
    pub expected_files: u64,
    pub expected_bytes: u64,
    pub outlook: Outlook,
    pub deduplicated: u64,
    pub warnings: u64,
    pub item: String,
    pub elapsed: Duration,
}

/// How fast a run advances.
#[derive(Default)]
pub struct Meter {
    bytes: Rate,
    work: Rate,
}

/// What a file costs beside its bytes, in bytes that take as long.
const FILE_WORK: u64 = 32 << 10;

impl Meter {
    pub fn sample(&mut self, standing: &Standing) {
        self.bytes.sample(standing.elapsed, standing.bytes);
        self.work.sample(standing.elapsed, standing.work());
    }

    fn remaining(&self, standing: &Standing) -> Option<Duration> {
        standing.fraction()?;
        self.work.remaining(standing.work(), standing.expected_work())
    }
}

/// One `status` line of `--json`.
#[derive(Serialize)]
pub struct StatusMessage<'a> {
    message_type: &'static str,
    phase: &'static str,
    seconds_elapsed: f64,
    seconds_remaining: Option<f64>,
    files_done: u64,
    files_expected: Option<u64>,
    bytes_done: u64,
    bytes_expected: Option<u64>,
    expected_in_all: bool,
    bytes_per_second: u64,
    bytes_deduplicated: u64,
    warnings: u64,
    item: &'a str,
}

impl Standing {
    fn work(&self) -> u64 {
        self.bytes.saturating_add(self.files.saturating_mul(FILE_WORK))
    }

    /// 0 where no end is known.
    fn expected_work(&self) -> u64 {
        self.expected_bytes.saturating_add(self.expected_files.saturating_mul(FILE_WORK))
    }

    /// Work done of all work; `None` where its end is not known, or what was expected was too little.
    fn fraction(&self) -> Option<(u64, u64)> {
        let (done, all) = (self.work(), self.expected_work());
        (self.outlook == Outlook::InAll && all > 0 && done <= all).then_some((done, all))
    }

    /// The line of a terminal or of a log.
    pub fn line(&self, meter: &Meter) -> String {
        let mut parts = vec![
            self.counted.count(self.files),
            units::size(self.bytes),
            format!("{}/s", units::size(meter.bytes.per_second() as u64)),
        ];
        if self.deduplicated > 0 {
            parts.push(format!("{} deduplicated", units::percent(self.deduplicated, self.bytes)));
        }
        if self.warnings > 0 {
            parts.push(units::counted(self.warnings, "warning", "warnings"));
        }
        if let Some((done, all)) = self.fraction() {
            parts.push(format!("{} %", u128::from(done) * 100 / u128::from(all)));
        } else if self.outlook == Outlook::AtLeast && self.expected_files > 0 {
            let (files, bytes) = (self.counted.count(self.expected_files), units::size(self.expected_bytes));
            parts.push(format!("at least {files} and {bytes} in all"));
        }
        if let Some(remaining) = meter.remaining(self) {
            parts.push(format!("{} left", units::duration(remaining)));
        }
        format!("{}: {}", title(self.phase), parts.join(" · "))
    }

    /// The line with the rate since the run began.
    pub fn line_since_begin(&self) -> String {
        let mut meter = Meter::default();
        meter.sample(&Self { files: 0, bytes: 0, elapsed: Duration::ZERO, ..self.clone() });
        meter.sample(self);
        self.line(&meter)
    }

    pub fn message(&self, meter: &Meter) -> StatusMessage<'_> {
        StatusMessage {
            message_type: "status",
            phase: word(self.phase),
            seconds_elapsed: self.elapsed.as_secs_f64(),
            seconds_remaining: meter.remaining(self).map(|time| time.as_secs_f64()),
            files_done: self.files,
            files_expected: Some(self.expected_files).filter(|files| *files > 0),
            bytes_done: self.bytes,
            expected_in_all: self.outlook == Outlook::InAll,
            bytes_expected: Some(self.expected_bytes).filter(|bytes| *bytes > 0),
            bytes_per_second: meter.bytes.per_second() as u64,
            bytes_deduplicated: self.deduplicated,
            warnings: self.warnings,
            item: &self.item,
        }
    }
}

fn title(phase: Option<Phase>) -> &'static str {
    match phase {
        None => "Starting",
        Some(Phase::BackUp) => "Backing up",
        Some(Phase::Commit) => "Writing the snapshot",
        Some(Phase::Plan) => "Planning",
        Some(Phase::Restore) => "Restoring",
        Some(Phase::Finish) => "Finishing",
        Some(Phase::Verify) => "Verifying",
        Some(Phase::Prune) => "Pruning",
        Some(Phase::Sync) => "Synchronising",
        Some(Phase::Copy) => "Copying",
    }
}

fn word(phase: Option<Phase>) -> &'static str {
    match phase {
        None => "start",
        Some(Phase::BackUp) => "backup",
        Some(Phase::Commit) => "commit",
        Some(Phase::Plan) => "plan",
        Some(Phase::Restore) => "restore",
        Some(Phase::Finish) => "finish",
        Some(Phase::Verify) => "verify",
        Some(Phase::Prune) => "prune",
        Some(Phase::Sync) => "sync",
        Some(Phase::Copy) => "copy",
    }
}
