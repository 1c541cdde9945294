//! A rolling verification: what this machine remembers of the packs that it has read back.
//!
//! Owns the file, one for each repository, in `$XDG_STATE_HOME/mainstay/verified`. It is disposable: without it every pack counts as
//! never verified, and the period begins anew.

use std::path::PathBuf;

use jiff::Span;
use mainstay_jobs::verify::{Coverage, Covered};
use mainstay_repo::Repository;
use serde::Serialize;

use crate::commands::prune::nanoseconds;
use crate::failure::Result;
use crate::output::{Output, units};
use crate::{defaults, machine, private_file};

/// More than a million packs.
const LEN_MAX: u64 = 256 << 20;

/// The memory of one repository, and the period of one run.
pub struct Rolling {
    path: PathBuf,
    pub coverage: Coverage,
    /// When the run began, and the period; nanoseconds.
    pub when: (i64, i64),
}

/// What `--json` says of it.
#[derive(Serialize)]
pub struct RollingFields {
    period_seconds: i64,
    /// Bytes of packs that were read back within the period, and those of the others.
    verified_bytes: u64,
    other_bytes: u64,
    /// Age of the verification that is longest ago; null if some pack never was verified.
    oldest_seconds: Option<i64>,
}

impl Rolling {
    pub fn open(repository: &Repository, period: Span) -> Result<Self> {
        let path = defaults::state_directory()?.join("verified").join(repository.id().to_string());
        let coverage =
            private_file::read(&path, LEN_MAX).map_or_else(|_| Coverage::default(), |text| Coverage::from_text(&text));
        Ok(Self { path, coverage, when: (machine::now(), nanoseconds("a period", period)?) })
    }

    /// Remembers what was verified.
    pub fn save(&self, output: &Output) {
        if let Err(error) = private_file::replace(&self.path, &self.coverage.to_text()) {
            output.warn(&format!("what was verified is not remembered: write {}: {error}", self.path.display()));
        }
    }

    pub fn fields(&self, covered: &Covered) -> RollingFields {
        let (now, period) = self.when;
        RollingFields {
            period_seconds: seconds(period),
            verified_bytes: covered.bytes,
            other_bytes: covered.other_bytes,
            oldest_seconds: covered.oldest.map(|oldest| seconds(now.saturating_sub(oldest))),
        }
    }

    pub fn line(&self, covered: &Covered) -> String {
        let (now, period) = self.when;
        let days = |nanoseconds: i64| units::counted((seconds(nanoseconds) / 86_400).unsigned_abs(), "day", "days");
        let whole = covered.bytes + covered.other_bytes;
        match covered.oldest.filter(|_| covered.other_bytes == 0) {
            Some(oldest) => format!(
                "every byte was verified within {}, the longest ago {} ago",
                days(period),
                days(now.saturating_sub(oldest))
            ),
            None => format!(
                "{} of {} verified within {}: the rest is due in the coming runs",
                units::size(covered.bytes),
                units::size(whole),
                days(period)
            ),
        }
    }
}

fn seconds(nanoseconds: i64) -> i64 {
    nanoseconds / 1_000_000_000
}
