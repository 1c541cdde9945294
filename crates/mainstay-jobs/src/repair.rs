//! Repair: what is damaged becomes whole again, or is named with the snapshots and paths that it touches.
//!
//! Owns what a loss means for the user; the engine repairs. What is wrong is data, and never ends the run.

use std::collections::HashSet;

use mainstay_repo::{
    Loss, OnLoss, RepairMode, RepairOptions, RepairReport, Repository, SmallDamage, TreeReader, Verdict, names,
    store::Object,
};

use crate::check::{self, Breakage, Finding, Inventory, Severity};
use crate::watch::Watch;
use crate::{Cancel, Phase, Progress, Result};

#[cfg(test)]
mod tests;

/// What a repair came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RepairOutcome {
    pub report: RepairReport,
    /// What is not whole afterwards. What was given up is a note.
    pub findings: Vec<Finding>,
}

impl RepairOutcome {
    /// Whether nothing is lost but what was given up.
    pub fn is_sound(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity == Severity::Note)
    }
}

/// Makes whole what can be made whole, with what another copy of the repository lends, and says what cannot.
///
/// # Errors
/// When the store cannot be listed or written, or the run is cancelled.
pub fn repair(
    (repository, sister): (&Repository, Option<&Repository>),
    options: RepairOptions,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<RepairOutcome> {
    let report = repository.repair_from(sister, options, &Watch::of_repair(progress, cancel))?;
    progress.phase(Phase::Finish);
    let mut findings = Vec::new();
    let inventory = Inventory::take(repository, &mut findings)?;
    let told: HashSet<&str> = report
        .repaired
        .iter()
        .map(|repaired| repaired.object.as_str())
        .chain(report.lost.iter().map(|loss| loss.object.as_str()))
        .collect();
    findings.retain(|finding| finding.severity == Severity::Damage && !told.contains(finding.object.as_str()));
    if options.mode == RepairMode::Show {
        // What cannot be read for lack of an object that would be put right is no damage of its own.
        let would_be = |finding: &Finding| report.repaired.iter().any(|one| finding.problem.contains(&one.object));
        findings.retain(|finding| !would_be(finding));
    }
    let mut breakages = Vec::new();
    for loss in &report.lost {
        breakages.push(Breakage::blocks(findings.len(), loss.blocks.iter().copied()));
        findings.push(finding_of(loss, options));
    }
    for pack in &report.left {
        findings.push(Finding::damage(pack, "its session is at work: repair again when that has ended"));
    }
    for pack in &report.strangers {
        findings.push(Finding::damage(
            pack,
            "it is a copy under the name of another session: nobody can open it, delete it",
        ));
    }
    for damage in repository.damaged_small_objects()?.into_iter().chain(repository.damaged_copies()?) {
        if !told.contains(damage.name.as_str()) {
            findings.push(finding_of_small(&damage, &report));
        }
    }
    let trees = TreeReader::new(repository.block_reader(&inventory.index));
    check::trace(&trees, &inventory.snapshots, &breakages, &mut findings, cancel)?;
    check::sort_findings(&mut findings);
    Ok(RepairOutcome { report, findings })
}

/// An acquittal by which snapshots count stays, whatever is given up.
fn finding_of_small(damage: &SmallDamage, report: &RepairReport) -> Finding {
    match report.resting.iter().find(|resting| resting.acquittal == damage.name) {
        Some(resting) => {
            let problem = format!(
                "{}; snapshots count by it of which something is damaged or gone, so it stays: repair once more when they are whole, or forget them",
                damage.error
            );
            Finding::damage(&damage.name, problem).in_snapshots(resting.snapshots.iter().copied())
        }
        None => Finding::damage(&damage.name, damage.error.to_string()),
    }
}

fn finding_of(loss: &Loss, options: RepairOptions) -> Finding {
    let blocks = match loss.blocks.len() {
        0 => "its account of itself is damaged, and no index table tells what is in it".to_owned(),
        1 => "1 block that snapshots need is lost".to_owned(),
        count => format!("{count} blocks that snapshots need are lost"),
    };
    match (loss.is_accepted, options.on_loss, options.mode) {
        (true, OnLoss::Accept, RepairMode::Show) => {
            Finding::note(&loss.object, format!("{blocks}; what is left of it would be moved, and the rest given up"))
        }
        (true, OnLoss::Accept, RepairMode::Apply) => Finding::note(&loss.object, format!("{blocks}, and given up")),
        (true, ..) => Finding::note(&loss.object, format!("{blocks}; that was accepted")),
        (false, OnLoss::Accept, _) => Finding::damage(
            &loss.object,
            format!(
                "{blocks}; a session at work may rely on it, so it is not given up: run this again when that has ended"
            ),
        ),
        (false, ..) => Finding::damage(
            &loss.object,
            format!("{blocks}; the next backup stores again what its source still has, and repair then uses that"),
        ),
    }
}

/// Says in findings about small objects whether their second copies can stand in. A copy that cannot be read says nothing.
pub fn tell_copies(repository: &Repository, findings: &mut [Finding]) {
    if findings.iter().all(|finding| finding.severity != Severity::Damage) {
        return;
    }
    let unlisted = repository.unlisted_keys().unwrap_or_default();
    for finding in findings.iter_mut().filter(|finding| finding.severity == Severity::Damage) {
        let object = finding.object.as_str();
        if names::parse_key_slot(object).is_ok_and(|(slot, _)| unlisted.contains(&slot)) {
            finding.problem.push_str("; `mainstay key remove` deletes the copy");
        } else if repository.is_repairable_by_copy(object).unwrap_or_default() {
            finding.problem.push_str("; repairable from its second copy by `mainstay repair`");
        } else if names::parse_key_change(object).is_ok() {
            finding
                .problem
                .push_str("; `mainstay prune` takes it away, or, if its session did not end, `mainstay key rotate`");
        }
    }
}

/// Says in findings about damaged packs what their parity can do. A sidecar that cannot be read says nothing.
pub fn tell_parity(repository: &Repository, findings: &mut [Finding]) {
    for finding in findings.iter_mut().filter(|finding| finding.severity == Severity::Damage) {
        if names::parse_pack(&finding.object).is_err() {
            continue;
        }
        let pack = Object { name: finding.object.clone(), len: 0 };
        match repository.judge_pack(&pack) {
            Ok(Some(Verdict::Healable { .. })) => {
                finding.problem.push_str("; repairable from parity by `mainstay repair`");
            }
            Ok(Some(Verdict::Beyond)) => finding.problem.push_str("; more is damaged than its parity can undo"),
            Ok(Some(Verdict::Whole) | None) | Err(_) => {}
        }
    }
}
