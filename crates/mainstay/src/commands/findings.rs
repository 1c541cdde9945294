//! What a check or a verify found, as text and as JSON.
//!
//! Owns the presentation of findings, which both commands share.

use mainstay_jobs::check::{Finding, Severity};
use mainstay_repo::names;
use serde::Serialize;

use crate::context::Context;
use crate::failure::{Failure, NEWER_SECRETS, Result, catalogue};
use crate::output::{escape, units};

/// Paths of one finding that are shown; `--verbose` shows all that are known.
const PATHS_SHOWN: usize = 5;

/// A finding in `--json` output.
#[derive(Serialize)]
pub struct FindingFields<'a> {
    severity: &'static str,
    object: &'a str,
    problem: &'a str,
    snapshots: Vec<String>,
    paths: &'a [String],
    path_count: u64,
}

impl<'a> FindingFields<'a> {
    fn new(finding: &'a Finding) -> Self {
        Self {
            severity: word(finding.severity),
            object: &finding.object,
            problem: &finding.problem,
            snapshots: finding.snapshots.iter().map(ToString::to_string).collect(),
            paths: &finding.paths,
            path_count: finding.path_count,
        }
    }
}

pub fn fields(findings: &[Finding]) -> Vec<FindingFields<'_>> {
    findings.iter().map(FindingFields::new).collect()
}

/// Prints the findings, worst first.
pub fn show(context: &Context, findings: &[Finding]) -> Result<()> {
    let shown = match context.output.talk {
        crate::output::Talk::Verbose | crate::output::Talk::Requests => usize::MAX,
        _ => PATHS_SHOWN,
    };
    for finding in findings {
        context.output.result(&text(finding, shown))?;
    }
    Ok(())
}

/// The failure that damage ends in.
pub fn damage(findings: &[Finding]) -> Option<Failure> {
    let damage = findings.iter().filter(|finding| finding.severity == Severity::Damage).count() as u64;
    let count = units::counted(damage, "damaged object or structure", "damaged objects or structures");
    let failure = Failure::new(&catalogue::DAMAGE_FOUND, format!("the repository is not whole: {count}"));
    (damage > 0).then(|| with_cure(failure, findings))
}

/// Adds to the failure that findings end in the advice that fits, where the general one does not.
pub fn with_cure(failure: Failure, findings: &[Finding]) -> Failure {
    let damage = || findings.iter().filter(|finding| finding.severity == Severity::Damage);
    if damage().any(|finding| mainstay_repo::Error::tells_of_newer_secrets(&finding.problem)) {
        return failure.with_hint(NEWER_SECRETS);
    }
    if damage().all(|finding| names::parse_lease(&finding.object).is_ok()) {
        return failure.with_hint(OF_LEASES);
    }
    if damage().all(|finding| names::parse_snapshot(&finding.object).is_ok()) {
        return failure.with_hint(OF_SNAPSHOTS);
    }
    failure
}

/// What can be had elsewhere comes first.
const OF_SNAPSHOTS: &str = "bring it back from a second copy or another copy of the repository, by `mainstay repair` or `mainstay repair --from`; or give each snapshot that is \
                            named up by `mainstay prune --accept-loss ID`, or drop it by `mainstay forget ID`";

/// A lease is no data: nothing heals it, and nothing is lost with it.
const OF_LEASES: &str = "run `mainstay prune`, which goes on without the session of a lease that cannot be read and takes it away; a backup that is at work \
                         by it has to be run again";

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Damage => "damage",
        Severity::Note => "note",
    }
}

fn text(finding: &Finding, shown: usize) -> String {
    let mut text = format!(
        "{}: {}: {}\n",
        word(finding.severity),
        escape::text(&finding.object),
        escape::message(&finding.problem)
    );
    if !finding.snapshots.is_empty() {
        let ids: Vec<String> = finding.snapshots.iter().map(|id| id.short()).collect();
        text.push_str(&format!("    in snapshots {}\n", ids.join(", ")));
    }
    for path in finding.paths.iter().take(shown) {
        text.push_str(&format!("    {}\n", escape::text(path)));
    }
    let hidden = finding.path_count.saturating_sub(finding.paths.len().min(shown) as u64);
    if hidden > 0 {
        text.push_str(&format!("    and {}\n", units::counted(hidden, "more path", "more paths")));
    }
    text
}
