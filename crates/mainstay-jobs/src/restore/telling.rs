//! What a restore tells of entries that are not as recorded: every warning names its entry.
//!
//! Owns how paths are shown: relative to the target, as in the plan; the target itself by its own path. And that nothing
//! is told twice, by those who write and by those who compare.

use mainstay_sources::Warning;
use mainstay_sources::files::Applied;

use super::passed_over::{PassedOver, Scope};
use super::{RestoreRun, join};
use crate::Progress;
use crate::backup::Warnings;

/// Where warnings go.
pub struct Telling<'a> {
    progress: &'a dyn Progress,
    warnings: &'a Warnings,
    target: String,
    pub passed_over: PassedOver,
}

impl<'a> Telling<'a> {
    pub fn new(run: &RestoreRun<'a>, warnings: &'a Warnings) -> Self {
        let target = run.target.to_string_lossy().into_owned();
        Self { progress: run.progress, warnings, target, passed_over: PassedOver::new(run.options.extent) }
    }

    /// Warns about the entry at a path of the target.
    pub fn about(&self, path: &[u8], message: &str) {
        let path = match path {
            b"" => self.target.clone(),
            path => String::from_utf8_lossy(path).into_owned(),
        };
        self.warnings.add(self.progress, Warning { path, message: message.to_owned() });
    }

    /// Warns about an entry that could not be made what it should be.
    pub fn failed(&self, directory: &[u8], name: &[u8], result: mainstay_sources::Result<()>) {
        if let Err(error) = result {
            let path = join(directory, name);
            self.about(&path, &error.to_string());
            self.passed_over.insert(&path, Scope::Entry);
        }
    }

    /// Warns about an entry that could not be made, or what of its metadata could not be set.
    pub fn made(&self, directory: &[u8], name: &[u8], made: mainstay_sources::Result<Applied>) {
        match made {
            Ok(applied) => self.applied(&join(directory, name), applied),
            Err(error) => self.failed(directory, name, Err(error)),
        }
    }

    /// Warns about what of the metadata of an entry that is there could not be set: what is in it is still compared.
    pub fn set(&self, directory: &[u8], name: &[u8], set: mainstay_sources::Result<Applied>) {
        let path = join(directory, name);
        match set {
            Ok(applied) => self.applied(&path, applied),
            Err(error) => {
                self.about(&path, &error.to_string());
                self.passed_over.insert(&path, Scope::Metadata);
            }
        }
    }

    fn applied(&self, path: &[u8], Applied { warnings, unset }: Applied) {
        self.pass_on(warnings);
        for part in &unset {
            self.passed_over.insert(path, Scope::Part(part));
        }
    }

    /// Passes on warnings of the target, whose paths begin with its own.
    fn pass_on(&self, warnings: Vec<Warning>) {
        for warning in warnings {
            let beneath = warning.path.strip_prefix(&self.target).map(|path| path.trim_start_matches('/'));
            let path = beneath.filter(|path| !path.is_empty()).unwrap_or(&warning.path).to_owned();
            self.warnings.add(self.progress, Warning { path, ..warning });
        }
    }
}
