//! What a check or a verify found.
//!
//! Owns the shape of a finding and the bound on what it lists. Prints nothing.

use mainstay_repo::SnapshotId;

/// Paths that a finding lists; it counts them all.
pub const LISTED_PATHS: usize = 100;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Data is lost or will be, or the repository cannot be used fully.
    Damage,
    /// Nothing is lost.
    Note,
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub severity: Severity,
    /// Name of the object in the store, or of the blocks that no object holds.
    pub object: String,
    pub problem: String,
    /// The snapshots that it touches, newest first.
    pub snapshots: Vec<SnapshotId>,
    /// The first of the paths that it touches, from the root of a snapshot; one that ends in `/` stands for everything
    /// beneath. A path that is touched in several snapshots is one.
    pub paths: Vec<String>,
    /// How many paths there are.
    pub path_count: u64,
}

impl Finding {
    pub fn damage(object: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            severity: Severity::Damage,
            object: object.into(),
            problem: problem.into(),
            snapshots: Vec::new(),
            paths: Vec::new(),
            path_count: 0,
        }
    }

    pub fn note(object: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { severity: Severity::Note, ..Self::damage(object, problem) }
    }

    pub fn in_snapshots(mut self, snapshots: impl IntoIterator<Item = SnapshotId>) -> Self {
        self.snapshots.extend(snapshots);
        self
    }

    pub fn add_path(&mut self, path: impl FnOnce() -> String) {
        self.path_count += 1;
        if self.paths.len() < LISTED_PATHS {
            self.paths.push(path());
        }
    }
}

/// Puts damage first, then orders by object.
pub fn sort(findings: &mut [Finding]) {
    findings.sort_by(|a, b| (a.severity, &a.object, &a.problem).cmp(&(b.severity, &b.object, &b.problem)));
}

/// `1 block`, `2 blocks`.
pub fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
