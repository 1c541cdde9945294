//! Check: is the structure sound?
//!
//! Owns the order of looking: snapshots, reference maps, index, packs by name and length, trees. Reads no file content.
//! What is wrong is data, a [`Finding`] each, and never ends the run; only a store that cannot be listed does.

mod finding;
mod history;
mod inventory;
mod pages;
mod trace;

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use mainstay_repo::{BlockId, BlockSet, PackId, Repository, SidecarDepth, SmallDamage, SnapshotId, TreeReader};

pub(crate) use finding::sort as sort_findings;
pub use finding::{Finding, Severity};
pub(crate) use inventory::Inventory;
use pages::Pages;
pub(crate) use trace::{Breakage, trace};

use crate::repair::{tell_copies, tell_parity};
use crate::{Cancel, Phase, Progress, Result, reading};

#[cfg(test)]
mod tests;

/// What a check saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// Whether prune was kept away meanwhile.
    pub is_leased: bool,
    /// Damage first.
    pub findings: Vec<Finding>,
    pub snapshots: u64,
    pub packs: u64,
    /// Blocks that the index knows.
    pub blocks: u64,
    /// Pages of directories, each counted once however many snapshots share it.
    pub tree_pages: u64,
    /// Entries on those pages.
    pub nodes: u64,
}

impl CheckReport {
    /// Whether nothing is damaged; notes do not count.
    pub fn is_sound(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity == Severity::Note)
    }
}

/// Checks that every snapshot can be restored as far as that can be known without reading file content.
///
/// # Errors
/// When the store cannot be listed, or the run is cancelled.
pub fn check(repository: &Repository, progress: &dyn Progress, cancel: &Cancel) -> Result<CheckReport> {
    repository.require_all("check")?;
    let lease = reading::begin(repository, progress)?;
    progress.phase(Phase::Plan);
    let mut findings = Vec::new();
    let inventory = Inventory::take(repository, &mut findings)?;
    cancel.check()?;
    let mut breakages = inventory.compare_blocks(&mut findings);
    inventory.report_keys(repository, &mut findings, &mut breakages)?;
    let trees = TreeReader::new(repository.block_reader(&inventory.index));
    let mut check = TreeCheck { inventory: &inventory, pages: Pages::new(&trees, &inventory.rows) };
    check.run((progress, cancel), &mut findings, &mut breakages)?;
    let (tree_pages, nodes) = (check.pages.len(), check.pages.nodes());
    trace(&trees, &inventory.snapshots, &breakages, &mut findings, cancel)?;
    report_history(repository, &inventory, &mut findings)?;
    report_small_objects(repository, &mut findings)?;
    report_sidecars(repository, (SidecarDepth::Outside, None), &mut findings)?;
    report_copies(repository, &mut findings)?;
    tell_parity(repository, &mut findings);
    tell_copies(repository, &mut findings);
    sort_findings(&mut findings);
    Ok(CheckReport {
        is_leased: lease.is_published(),
        findings,
        snapshots: inventory.snapshots.len() as u64,
        packs: inventory.packs.len() as u64,
        blocks: inventory.rows.len(),
        tree_pages,
        nodes,
    })
}

/// Reports snapshots that are not there though others name them, and leases that cannot be read.
pub(crate) fn report_history(
    repository: &Repository,
    inventory: &Inventory,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    history::check_history(repository, inventory, findings)?;
    for lease in repository.unknown_leases()? {
        let problem = format!("{}; the next prune goes on without its session", lease.problem);
        findings.push(Finding::damage(lease.name, problem));
    }
    Ok(())
}

/// Reports small objects that are damaged, those that nothing above had a use for among them.
pub(crate) fn report_small_objects(repository: &Repository, findings: &mut Vec<Finding>) -> Result<()> {
    report_untold(repository.damaged_small_objects()?, findings);
    Ok(())
}

/// Reports sidecars that are damaged, of all packs or of these. Their packs may be whole, and repair makes them anew.
pub(crate) fn report_sidecars(
    repository: &Repository,
    (depth, packs): (SidecarDepth, Option<&HashSet<PackId>>),
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let damaged = repository.damaged_sidecars(depth, packs)?;
    findings.extend(damaged.iter().map(|damage| inventory::damage_of(&damage.name, &damage.error)));
    Ok(())
}

/// Reports second copies that are damaged, and what is gone but for its copy.
pub(crate) fn report_copies(repository: &Repository, findings: &mut Vec<Finding>) -> Result<()> {
    report_untold(repository.damaged_copies()?, findings);
    Ok(())
}

/// Reports those that no finding tells of yet.
fn report_untold(damages: Vec<SmallDamage>, findings: &mut Vec<Finding>) {
    for damage in damages {
        let is_told = |finding: &Finding| finding.severity == Severity::Damage && finding.object == damage.name;
        if !findings.iter().any(is_told) {
            findings.push(inventory::damage_of(&damage.name, &damage.error));
        }
    }
}

/// The part of a check that reads trees.
struct TreeCheck<'a> {
    inventory: &'a Inventory,
    pages: Pages<'a>,
}

impl TreeCheck<'_> {
    fn run(
        &mut self,
        (progress, cancel): (&dyn Progress, &Cancel),
        findings: &mut Vec<Finding>,
        breakages: &mut Vec<Breakage>,
    ) -> Result<()> {
        progress.expect(self.inventory.snapshots.len() as u64, 0);
        for held in &self.inventory.snapshots {
            progress.item(&|| format!("snapshot {}", held.entry.id.short()));
            let roots = self.pages.read(&held.entry.snapshot.root, cancel)?;
            if let Some(references) = &held.references {
                let needed = self.pages.needed(&roots);
                let name = mainstay_repo::names::refs(held.entry.id);
                compare_references((held.entry.id, &name), &needed, references, (findings, breakages));
            }
            progress.advance(1, 0);
        }
        self.report_pages(findings, breakages);
        Ok(())
    }

    /// Reports what is wrong with pages, one finding for all pages of a block that have the same problem.
    fn report_pages(&mut self, findings: &mut Vec<Finding>, breakages: &mut Vec<Breakage>) {
        let missing: HashSet<BlockId> = breakages.iter().flat_map(Breakage::broken_blocks).collect();
        let mut problems = BTreeMap::<(BlockId, String), Vec<Range<u32>>>::new();
        for pages::Problem { place: (block, range), text } in self.pages.take_problems() {
            // A block that is in no pack was reported as missing.
            if !missing.contains(&block) {
                problems.entry((block, text)).or_default().push(range);
            }
        }
        for ((block, text), ranges) in problems {
            let parts = ranges.into_iter().map(|range| (block, Some(range)));
            breakages.push(Breakage::parts(findings.len(), parts));
            findings.push(Finding::damage(self.inventory.object_of(block), text));
        }
    }
}

/// Compares what a snapshot's trees need with what its reference map says they need.
fn compare_references(
    (snapshot, name): (SnapshotId, &str),
    needed: &pages::Needed,
    references: &BlockSet,
    (findings, breakages): (&mut Vec<Finding>, &mut Vec<Breakage>),
) {
    let absent: Vec<_> = needed.blocks.iter().copied().filter(|block| !references.contains(*block)).collect();
    if let Some(first) = absent.first() {
        // The next prune would take these blocks away.
        let problem = format!(
            "{} that its trees need are not in it, the first is {first}",
            finding::count(absent.len(), "block")
        );
        breakages.push(Breakage::blocks(findings.len(), absent.iter().copied()).only_in(snapshot));
        findings.push(Finding::damage(name, problem));
    }
    let used = (needed.blocks.len() - absent.len()) as u64;
    let unused = references.len().saturating_sub(used);
    if needed.is_complete && unused > 0 {
        let problem = format!("{} in it that no tree needs", finding::count(unused as usize, "block"));
        findings.push(Finding::note(name, problem).in_snapshots([snapshot]));
    }
}
