//! Verify: does the data decrypt, and is it what it was?
//!
//! Owns which packs are read and by whom, and what their problems mean for snapshots and paths. Each pack is read once,
//! in pieces; nothing is written. What is wrong is data, and never ends the run.
//!
//! Concurrency: threads take whole packs from one counter and share nothing else but the keys and the progress.

mod pack;
mod rolling;
mod windows;

use std::collections::HashSet;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use mainstay_repo::store::Object;
use mainstay_repo::{Index, PackId, ReadLease, Repository, Right, SidecarDepth, TreeReader, names};

use crate::check::{self, Breakage, Finding, Inventory, Severity};
use crate::repair::{tell_copies, tell_parity};
use crate::{Cancel, Error, Phase, Progress, Result, reading};
use pack::{PackReport, PackVerifier};
pub use rolling::{Coverage, Covered};

#[cfg(test)]
mod tests;

/// Bytes of packs that all threads together hold at once.
const WINDOWS_LEN: usize = 32 << 20;
/// The most and the least that one thread reads at once.
const WINDOW_LEN_MAX: usize = 4 << 20;
const WINDOW_LEN_MIN: usize = 1 << 20;

/// What is to be verified.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VerifyOptions {
    /// Percent of the stored bytes, in whole packs; everything if there is none.
    pub sample: Option<f64>,
    /// Which packs a sample takes: another seed takes others.
    pub seed: u64,
}

/// What a verify saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Whether prune was kept away meanwhile.
    pub is_leased: bool,
    /// Damage first.
    pub findings: Vec<Finding>,
    /// Packs that were read, and their bytes.
    pub packs: u64,
    pub pack_bytes: u64,
    /// Packs that there are, and their bytes.
    pub all_packs: u64,
    pub all_pack_bytes: u64,
    pub blocks: u64,
    pub chunks: u64,
    /// Bytes of chunks that are what their identifiers say.
    pub plain_bytes: u64,
}

impl VerifyReport {
    /// Whether nothing is damaged; notes do not count.
    pub fn is_sound(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity == Severity::Note)
    }
}

/// Reads packs back: every block must open, every chunk must be what its identifier says, and every pack must be the
/// bytes that its name says.
///
/// # Errors
/// When the store cannot be listed, the sample makes no sense, or the run is cancelled.
pub fn verify(
    repository: &Repository,
    options: &VerifyOptions,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<VerifyReport> {
    let mut begun = Begun::new(repository, progress)?;
    let packs = plan_packs(begun.inventory.packs.values(), options)?;
    let packs: Vec<Object> = packs.into_iter().cloned().collect();
    begun.verify(&packs, (progress, cancel))
}

/// Verifies what is due of a rolling verification, and notes it: run by run, every pack within the period.
///
/// # Errors
/// When the store cannot be listed or the run is cancelled; then nothing is noted.
pub fn verify_rolling(
    repository: &Repository,
    coverage: &mut Coverage,
    when: (i64, i64),
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<(VerifyReport, Covered)> {
    let mut begun = Begun::new(repository, progress)?;
    let mut packs: Vec<Object> = coverage.plan(begun.inventory.packs.values(), when).into_iter().cloned().collect();
    packs.sort_by(largest_first);
    let report = begun.verify(&packs, (progress, cancel))?;
    let (now, _) = when;
    let is_damaged = |pack: &&Object| {
        let sidecar =
            names::parse_pack(&pack.name).map(|(id, _)| format!("{}{id}-", names::PARITY)).unwrap_or_default();
        let is_its = |object: &str| object == pack.name || !sidecar.is_empty() && object.starts_with(&sidecar);
        report.findings.iter().any(|finding| finding.severity == Severity::Damage && is_its(&finding.object))
    };
    let damaged: Vec<Object> = packs.iter().filter(is_damaged).cloned().collect();
    coverage.note(&ids_of(&packs), &ids_of(&damaged), now);
    Ok((report, coverage.covered(begun.inventory.packs.values(), when)))
}

fn ids_of(packs: &[Object]) -> HashSet<PackId> {
    packs.iter().filter_map(|pack| Some(names::parse_pack(&pack.name).ok()?.0)).collect()
}

/// A verification that knows what there is.
struct Begun<'r> {
    repository: &'r Repository,
    lease: ReadLease<'r>,
    findings: Vec<Finding>,
    inventory: Inventory,
}

impl<'r> Begun<'r> {
    fn new(repository: &'r Repository, progress: &dyn Progress) -> Result<Self> {
        repository.require(Right::Restore, "verify")?;
        let lease = reading::begin(repository, progress)?;
        progress.phase(Phase::Verify);
        let mut findings = Vec::new();
        let inventory = Inventory::take(repository, &mut findings)?;
        Ok(Self { repository, lease, findings, inventory })
    }

    /// Reads these packs and their parity.
    fn verify(&mut self, packs: &[Object], (progress, cancel): (&dyn Progress, &Cancel)) -> Result<VerifyReport> {
        let Self { repository, lease, inventory, .. } = self;
        let mut findings = std::mem::take(&mut self.findings);
        let mut breakages = inventory.compare_blocks(&mut findings);
        progress.expect(packs.len() as u64, packs.iter().map(|pack| pack.len).sum());
        let run = Run { repository, index: &inventory.index, progress, cancel };
        let mut report = VerifyReport {
            is_leased: lease.is_published(),
            packs: packs.len() as u64,
            pack_bytes: packs.iter().map(|pack| pack.len).sum(),
            all_packs: inventory.packs.len() as u64,
            all_pack_bytes: inventory.packs.values().map(|pack| pack.len).sum(),
            ..VerifyReport::default()
        };
        for pack in run.verify_packs(&packs.iter().collect::<Vec<_>>())? {
            report.blocks += pack.blocks;
            report.chunks += pack.chunks;
            report.plain_bytes += pack.plain_bytes;
            if let Some(problem) = pack.problem() {
                breakages.push(Breakage::parts(findings.len(), pack.broken));
                findings.push(Finding::damage(pack.name, problem));
            }
        }
        let trees = TreeReader::new(repository.block_reader(&inventory.index));
        check::trace(&trees, &inventory.snapshots, &breakages, &mut findings, cancel)?;
        check::report_sidecars(repository, (SidecarDepth::Whole, Some(&ids_of(packs))), &mut findings)?;
        check::report_history(repository, inventory, &mut findings)?;
        check::report_small_objects(repository, &mut findings)?;
        check::report_copies(repository, &mut findings)?;
        tell_parity(repository, &mut findings);
        tell_copies(repository, &mut findings);
        check::sort_findings(&mut findings);
        report.findings = findings;
        Ok(report)
    }
}

/// No thread is left alone with a large pack at the end.
fn largest_first(a: &Object, b: &Object) -> std::cmp::Ordering {
    (b.len, &a.name).cmp(&(a.len, &b.name))
}

/// The packs to read, the largest first.
fn plan_packs<'p>(packs: impl Iterator<Item = &'p Object>, options: &VerifyOptions) -> Result<Vec<&'p Object>> {
    let mut packs: Vec<&Object> = packs.collect();
    if let Some(percent) = options.sample {
        if !(percent > 0.0 && percent <= 100.0) {
            return Err(Error::Invalid(format!(
                "verify a sample of {percent} %: expected more than 0 and at most 100"
            )));
        }
        packs = draw_sample(packs, percent, options.seed);
    }
    packs.sort_by(|a, b| largest_first(a, b));
    Ok(packs)
}

/// Draws packs until they have the given part of all bytes. The draw depends on seed and names alone: the same seed
/// draws the same packs, and one more pack in the repository does not change the order of the others.
fn draw_sample(mut packs: Vec<&Object>, percent: f64, seed: u64) -> Vec<&Object> {
    packs.sort_by_cached_key(|pack| {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&seed.to_le_bytes()).update(pack.name.as_bytes());
        *hasher.finalize().as_bytes()
    });
    let all: u64 = packs.iter().map(|pack| pack.len).sum();
    let wanted = (all as f64 * percent / 100.0).ceil() as u64;
    let mut drawn = 0;
    packs.retain(|pack| {
        let is_drawn = drawn < wanted;
        drawn += pack.len;
        is_drawn
    });
    packs
}

/// What every thread needs.
struct Run<'a> {
    repository: &'a Repository,
    index: &'a std::sync::Arc<Index>,
    progress: &'a dyn Progress,
    cancel: &'a Cancel,
}

impl Run<'_> {
    /// Reads packs with as many threads as there are processors, or as the store takes requests at once; the reports come in the order of the packs' names.
    fn verify_packs(&self, packs: &[&Object]) -> Result<Vec<PackReport>> {
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
        // Where each request takes its time, one pack is opened while the next are on their way.
        let far = self.repository.store().publishes_at_once();
        let at_once = if far > 1 { far } else { processors };
        let threads = at_once.clamp(1, packs.len().max(1));
        let window_len = (WINDOWS_LEN / threads).clamp(WINDOW_LEN_MIN, WINDOW_LEN_MAX);
        let next = AtomicUsize::new(0);
        let reports = Mutex::new(Vec::with_capacity(packs.len()));
        let work = || -> Result<()> {
            let blocks = self.repository.block_reader(self.index);
            let mut verifier = PackVerifier::new(self.repository, &blocks, window_len);
            while let Some(pack) = packs.get(next.fetch_add(1, Ordering::Relaxed)) {
                let report = self.verify_pack(&mut verifier, pack)?;
                reports.lock().unwrap_or_else(PoisonError::into_inner).push(report);
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
            let own = work();
            let ended = others.into_iter().map(|thread| match thread.join() {
                Ok(ended) => ended,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            ended.fold(own, Result::and)
        })?;
        let mut reports = reports.into_inner().unwrap_or_else(PoisonError::into_inner);
        reports.sort_by(|a: &PackReport, b| a.name.cmp(&b.name));
        Ok(reports)
    }

    fn verify_pack(&self, verifier: &mut PackVerifier<'_>, pack: &Object) -> Result<PackReport> {
        self.progress.item(&|| pack.name.clone());
        let listing = self.repository.read_pack_listing(pack);
        let mut report = PackReport::new(&pack.name);
        let rows = match listing {
            Ok(listing) => listing.rows,
            Err(error) => {
                report.add_unreadable(&error);
                self.rows_of_index(pack)
            }
        };
        let mut advance = |bytes: u64| {
            self.progress.advance(0, bytes);
            self.cancel.check()
        };
        verifier.verify(pack, rows, &mut report, &mut advance)?;
        self.progress.advance(1, 0);
        Ok(report)
    }

    /// The blocks of a pack as the index has them, for a pack whose own directory is damaged; without chunk tables.
    fn rows_of_index(&self, pack: &Object) -> Vec<mainstay_repo::PackRow> {
        let Ok((id, _)): Result<(PackId, _), _> = names::parse_pack(&pack.name) else {
            return Vec::new();
        };
        let mut rows = Vec::new();
        // A table with a damaged page was reported with the inventory; what can be read of it is enough here.
        let _ = self.index.for_each_block(|block, place| {
            if place.pack == id {
                rows.push(mainstay_repo::PackRow {
                    block,
                    kind: place.kind,
                    thinned: place.thinned,
                    offset: place.offset,
                    stored_len: place.stored_len,
                    table_offset: 0,
                    table_len: 0,
                });
            }
        });
        rows
    }
}
