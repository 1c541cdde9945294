//! Whether the history is whole: each snapshot that another was made after is there, or was removed by a prune.
//!
//! Owns those findings. Repeats nothing that was found already of a snapshot that is lost.

use mainstay_repo::{Beside, Repository, SnapshotEntry, names};

use super::finding::Finding;
use super::inventory::{Inventory, damage_of};
use crate::Result;

/// Reports what the history leads to and the repository lacks.
pub fn check_history(repository: &Repository, inventory: &Inventory, findings: &mut Vec<Finding>) -> Result<()> {
    // After the snapshots were listed: a removal is recorded before the snapshot goes.
    let removed = repository.removed()?;
    for error in &removed.damaged {
        let name = match error {
            mainstay_repo::Error::Damaged { name, .. } => name.as_str(),
            _ => names::HISTORY,
        };
        findings.push(damage_of(name, error));
    }
    let entries: Vec<SnapshotEntry> = inventory.snapshots.iter().map(|held| held.entry.clone()).collect();
    let beside = Beside { void: &inventory.void, ..Beside::default() };
    for gap in repository.chain(&entries, beside, &removed).breaks() {
        if findings.iter().any(|finding| finding.snapshots.contains(&gap.missing)) {
            continue;
        }
        let after = names::snapshot(gap.after.source, gap.after.sequence, gap.after.id);
        let problem = format!("it was made after snapshot {}, which is lost: no prune removed it", gap.missing.short());
        findings.push(Finding::damage(after, problem).in_snapshots([gap.missing]));
    }
    Ok(())
}
