//! One round over one data set: every operation, and within each every tool in turn.
//!
//! Owns the order of the operations, what must be there before each, and the check that a restore
//! brought everything back. Tools take turns within an operation, so that a noisy minute of the
//! machine does not fall on one tool alone.

use super::data::{self, DataSet};
use super::edit;
use super::measure::{self, Sample};
use super::options::Options;
use super::quarters::Quarters;
use super::tool::{Action, Existing, Place, Reading, Tool};
use std::fs;
use std::path::{Path, PathBuf};

/// One measured operation of one tool.
pub struct Row {
    pub data_set: &'static str,
    pub operation: &'static str,
    pub tool: &'static str,
    pub round: usize,
    pub sample: Sample,
    /// After the operation.
    pub repository_bytes: u64,
    /// By how much the operation changed it.
    pub added_bytes: i64,
}

/// A tool with its state in this round.
struct Runner<'a> {
    tool: &'a dyn Tool,
    place: Place,
    directory: PathBuf,
    backups: usize,
    repository_bytes: u64,
    /// A tool that failed takes no further part in the round.
    failed: bool,
}

pub struct Round<'a> {
    pub set: &'a DataSet,
    /// What is backed up: the data set or, when it is edited, its copy.
    pub source: &'a Path,
    pub quarters: Option<&'a Quarters>,
    pub options: &'a Options,
    pub scratch: &'a Path,
    pub number: usize,
}

const PRUNED_BACKUPS: [&[usize]; 4] = [&[0, 1, 2], &[0, 1, 3], &[2], &[2, 3]];
const KEPT_BACKUPS: usize = 2;

impl Round<'_> {
    /// Measures the selected operations; rows come in the order of measurement.
    pub fn run(&self, tools: &[Box<dyn Tool>]) -> Result<Vec<Row>, String> {
        let mut rows = Vec::new();
        let mut runners = self.runners(tools)?;
        for operation in self.set.operations {
            if !self.is_needed(operation) {
                continue;
            }
            self.before(operation)?;
            if *operation == "prune" {
                runners = self.runners(tools)?;
                self.back_up_quarters(&mut runners)?;
            }
            let is_measured = self.is_wanted(operation);
            for runner in runners.iter_mut().filter(|runner| !runner.failed) {
                match self.perform(operation, runner) {
                    Ok(Some(row)) if is_measured => rows.push(row),
                    Ok(_) => {}
                    Err(message) => {
                        eprintln!("bench: {}: {operation}: {message}", runner.tool.name());
                        runner.failed = true;
                    }
                }
            }
        }
        if !self.options.keep {
            for runner in &runners {
                data::set_aside(&runner.directory, self.scratch)?;
            }
        }
        Ok(rows)
    }

    fn runners<'t>(&self, tools: &'t [Box<dyn Tool>]) -> Result<Vec<Runner<'t>>, String> {
        let mut runners = Vec::new();
        for tool in tools {
            let directory = self.scratch.join(tool.name());
            data::set_aside(&directory, self.scratch)?;
            let mut runner = Runner {
                tool: tool.as_ref(),
                place: Place::create(&directory)?,
                directory,
                backups: 0,
                repository_bytes: 0,
                failed: false,
            };
            let created = self.prepare(&runner, &Action::Create);
            runner.failed = created.is_err();
            if let Err(message) = created {
                eprintln!("bench: {}: {message}", tool.name());
            }
            runners.push(runner);
        }
        // Another tool goes first in each round.
        let first = self.number % runners.len().max(1);
        runners.rotate_left(first);
        Ok(runners)
    }

    fn is_wanted(&self, operation: &str) -> bool {
        self.options.operations.iter().any(|wanted| wanted == operation)
    }

    /// Wanted itself, or wanted by a later operation.
    fn is_needed(&self, operation: &str) -> bool {
        let of_main_repository = |wanted: &&str| *wanted != "prune" && self.is_wanted(wanted);
        match operation {
            "first" => self.set.operations.iter().any(of_main_repository),
            "restore" => {
                let mut later = ["restore", "restore-over", "restore-over-mtime"].iter();
                later.any(|wanted| self.set.operations.contains(wanted) && self.is_wanted(wanted))
            }
            _ => self.is_wanted(operation),
        }
    }

    /// What all tools share before an operation.
    fn before(&self, operation: &str) -> Result<(), String> {
        eprintln!("bench: {} round {} {operation}", self.set.name, self.number + 1);
        if operation == "changed" {
            edit::apply(self.source, self.set.edit, self.number)?;
        }
        Ok(())
    }

    fn perform(&self, operation: &'static str, runner: &mut Runner<'_>) -> Result<Option<Row>, String> {
        let target = runner.directory.join("restored");
        self.before_tool(operation, &target)?;
        let Some(sample) = self.act(operation, runner, &target)? else {
            return Ok(None);
        };
        let before = runner.repository_bytes;
        runner.repository_bytes = data::totals(&runner.place.repository)?.1;
        let row = Row {
            data_set: self.set.name,
            operation,
            tool: runner.tool.name(),
            round: self.number,
            sample,
            repository_bytes: runner.repository_bytes,
            added_bytes: runner.repository_bytes.cast_signed() - before.cast_signed(),
        };
        report_progress(&row);
        self.after_tool(&row, &target)?;
        Ok(Some(row))
    }

    fn before_tool(&self, operation: &str, target: &Path) -> Result<(), String> {
        match operation {
            "first" | "unchanged-cold" => measure::drop_caches(),
            // Borg drops what it has read from the cache, and whoever comes after it would pay for that.
            "forced" => {
                measure::warm(self.source).map_err(|error| format!("read {}: {error}", self.source.display()))?
            }
            "restore" => {
                data::set_aside(target, self.scratch)?;
                let created = fs::create_dir_all(target);
                created.map_err(|error| format!("create {}: {error}", target.display()))?;
                rustix::fs::sync();
            }
            "restore-over" | "restore-over-mtime" => {
                let turn = self.number + if operation == "restore-over" { 33 } else { 66 };
                edit::apply(&restored_root(target, self.source), self.set.edit, turn)?;
                rustix::fs::sync();
            }
            _ => {}
        }
        Ok(())
    }

    /// Runs the operation, or returns `None` when the tool does not have it.
    fn act(&self, operation: &str, runner: &mut Runner<'_>, target: &Path) -> Result<Option<Sample>, String> {
        let number = runner.backups;
        let newest = number.saturating_sub(1);
        let backup = |reading| Action::Backup { source: self.source, reading, number };
        let restore = |existing| Action::Restore { target, existing, number: newest };
        let action = match operation {
            "first" | "unchanged" | "unchanged-cold" | "changed" => backup(Reading::Changed),
            "forced" => backup(Reading::Everything),
            "restore" => restore(Existing::Empty),
            "restore-over" => restore(Existing::CompareBytes),
            "restore-over-mtime" => restore(Existing::CompareTimes),
            "verify" => Action::Verify,
            _ => Action::ForgetAndPrune { keep: KEPT_BACKUPS },
        };
        let Some(commands) = runner.tool.commands(&runner.place, &action) else {
            return Ok(None);
        };
        let sample = measure::measure(commands, &self.log(runner.tool))?;
        runner.backups += usize::from(matches!(action, Action::Backup { .. }));
        Ok(Some(sample))
    }

    /// A restore that lost something is no result.
    fn after_tool(&self, row: &Row, target: &Path) -> Result<(), String> {
        let operation = row.operation;
        if !operation.starts_with("restore") {
            return Ok(());
        }
        let expected = data::totals(self.source)?;
        let found = data::totals(&restored_root(target, self.source))?;
        // The archive of tar holds the state before "1 % changed": its bytes differ.
        if expected.0 != found.0 || (row.tool != "tar" && expected.1 != found.1) {
            return Err(format!("restored {found:?} files and bytes, expected {expected:?}"));
        }
        let is_used_again = operation != "restore-over-mtime"
            && self.set.operations.contains(&"restore-over")
            && (self.is_wanted("restore-over") || self.is_wanted("restore-over-mtime"));
        if !is_used_again && !self.options.keep {
            data::set_aside(target, self.scratch)?;
        }
        Ok(())
    }

    /// Four backups whose older two hold what the newer two do not.
    fn back_up_quarters(&self, runners: &mut [Runner<'_>]) -> Result<(), String> {
        let Some(quarters) = self.quarters else {
            return Ok(());
        };
        for shown in PRUNED_BACKUPS {
            quarters.show(shown)?;
            for runner in runners.iter_mut().filter(|runner| !runner.failed) {
                let action =
                    Action::Backup { source: quarters.shown(), reading: Reading::Changed, number: runner.backups };
                runner.failed = self.prepare(runner, &action).is_err();
                runner.backups += 1;
            }
        }
        for runner in runners.iter_mut() {
            runner.repository_bytes = data::totals(&runner.place.repository).unwrap_or_default().1;
        }
        rustix::fs::sync();
        Ok(())
    }

    /// Does something unmeasured; a tool without it succeeds by doing nothing.
    fn prepare(&self, runner: &Runner<'_>, action: &Action<'_>) -> Result<(), String> {
        let commands = runner.tool.commands(&runner.place, action);
        measure::prepare(commands.unwrap_or_default(), &self.log(runner.tool))
    }

    fn log(&self, tool: &dyn Tool) -> PathBuf {
        self.scratch.join(format!("{}.log", tool.name()))
    }
}

/// Where a tool put the tree: under its full path, under its name, or right into the target.
fn restored_root(target: &Path, source: &Path) -> PathBuf {
    let full = target.join(source.strip_prefix("/").unwrap_or(source));
    let named = target.join(source.file_name().unwrap_or_default());
    [full, named].into_iter().find(|path| path.is_dir()).unwrap_or_else(|| target.to_path_buf())
}

fn report_progress(row: &Row) {
    eprintln!(
        "bench:   {:9} {:8.2} s  CPU {:7.2} s  {:5} MiB  repository {} MB",
        row.tool,
        row.sample.wall.as_secs_f64(),
        row.sample.processor.as_secs_f64(),
        row.sample.peak_bytes >> 20,
        row.repository_bytes / 1_000_000,
    );
}
