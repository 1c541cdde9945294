//! What a restore tells of entries that are not as recorded: every warning names its entry.
//!
//! Owns how paths are shown: relative to the target, as in the plan; the target itself by its own path.

use mainstay_sources::Warning;

use super::{RestoreRun, join};
use crate::Progress;
use crate::backup::Warnings;

/// Where warnings go.
pub struct Telling<'a> {
    progress: &'a dyn Progress,
    warnings: &'a Warnings,
    target: String,
}

impl<'a> Telling<'a> {
    pub fn new(run: &RestoreRun<'a>, warnings: &'a Warnings) -> Self {
        Self { progress: run.progress, warnings, target: run.target.to_string_lossy().into_owned() }
    }

    /// Warns about the entry at a path of the target.
    pub fn about(&self, path: &[u8], message: &str) {
        let path = match path {
            b"" => self.target.clone(),
            path => String::from_utf8_lossy(path).into_owned(),
        };
        self.warnings.add(self.progress, Warning { path, message: message.to_owned() });
    }

    /// Warns about an entry for which something did not work.
    pub fn failed(&self, directory: &[u8], name: &[u8], result: mainstay_sources::Result<()>) {
        if let Err(error) = result {
            self.about(&join(directory, name), &error.to_string());
        }
    }

    /// Passes on warnings of the target, whose paths begin with its own.
    pub fn pass_on(&self, warnings: Vec<Warning>) {
        for warning in warnings {
            let beneath = warning.path.strip_prefix(&self.target).map(|path| path.trim_start_matches('/'));
            let path = beneath.filter(|path| !path.is_empty()).unwrap_or(&warning.path).to_owned();
            self.warnings.add(self.progress, Warning { path, ..warning });
        }
    }
}
