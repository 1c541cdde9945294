//! Reading back the metadata of what was restored.
//!
//! Owns which differences are told: not what was told when it was written, nor what the file system cannot keep. Changes
//! nothing but for one file without a name, on which it is tried what can be kept.

use std::sync::OnceLock;

use mainstay_sources::files::{Difference, Keeping, Metadata, TargetTree, compare};

use super::passed_over::Scope;
use super::plan::PlannedNode;
use super::{Shared, join};
use crate::convert;

/// What compares entries.
pub struct Comparing<'a> {
    shared: Shared<'a>,
    target: &'a TargetTree,
    /// Made at the first difference; none where that does not work.
    keeping: OnceLock<Option<Keeping>>,
}

impl<'a> Comparing<'a> {
    pub fn new(shared: Shared<'a>, target: &'a TargetTree) -> Self {
        Self { shared, target, keeping: OnceLock::new() }
    }

    /// Tells how an entry differs from what was restored; answers whether it is there, and of the same kind.
    pub fn compare(&self, planned: &PlannedNode) -> bool {
        let path = join(&planned.directory, &planned.node.name);
        let telling = self.shared.telling;
        if telling.passed_over.contains(&path, Scope::Metadata) {
            return true;
        }
        let wanted = convert::metadata(&planned.node);
        let found = self.target.directory(&planned.directory).and_then(|parent| parent.examine(&planned.node.name));
        let found = match found {
            Ok(Some(found)) => found,
            Ok(None) => {
                telling.about(&path, "it was restored and is not there");
                return false;
            }
            Err(error) => {
                telling.about(&path, &error.to_string());
                return false;
            }
        };
        let mut differences = compare(&wanted, &found, &self.shared.run.options.preserve);
        differences.retain(|difference| {
            !telling.passed_over.contains(&path, Scope::Part(&difference.part))
                && !self.is_all_that_is_kept(difference, &wanted, &found)
        });
        if !differences.is_empty() {
            let differences: Vec<String> = differences.iter().map(Difference::to_string).collect();
            telling.about(&path, &format!("it is not as it was restored: {}", differences.join("; ")));
        }
        wanted.kind == found.kind
    }

    fn is_all_that_is_kept(&self, difference: &Difference, wanted: &Metadata, found: &Metadata) -> bool {
        let keeping = self.keeping.get_or_init(|| Keeping::begin(self.target).ok());
        let preserve = &self.shared.run.options.preserve;
        keeping.as_ref().is_some_and(|keeping| keeping.explains(difference, wanted, found, preserve))
    }
}
