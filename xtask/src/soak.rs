//! `cargo xtask soak`: the gates in their long form, and the table of figures in `docs/reliability.md`.
//!
//! Owns the list of gates and the table. A gate is a test that reads `MAINSTAY_SOAK_MINUTES` for how long it goes on, and
//! writes its figures as one line to `target/gates/`; what it does is its own affair.

use crate::{binary, checkout, fuzz};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

#[cfg(test)]
mod tests;

const USAGE: &str = "\
usage: cargo xtask soak [--gate NAME] [--minutes N] [--short]

  --gate NAME    only this gate
  --minutes N    how long each test of a gate goes on (default 10), and longer where it has a number to reach: 20,000 kills
                 at random times, 1,000,000 swaps, 200,000 simulated histories, 10,000,000 flipped bits and executions of
                 each decoder
  --short        the short forms, as in ./test; their figures go into the table as well
";
const DOCUMENT: &str = "docs/reliability.md";
const BEGIN: &str = "<!-- figures: cargo xtask soak writes what is between these marks -->";
const END: &str = "<!-- end of figures -->";
const HEAD: &str = "| gate | form | figures | time | date | commit |\n|---|---|---|---|---|---|\n";
/// Figures wait here, one file for each test.
const FIGURES: &str = "target/gates";
const DEFAULT_MINUTES: &str = "10";

/// A gate and how it is run.
struct Gate {
    name: &'static str,
    trial: Trial,
}

enum Trial {
    /// The tests of the engine's gates whose path begins so.
    Engine(&'static str),
    /// The same of those that hurt the real binary.
    Binary(&'static str),
    /// Those that are unit tests of the engine.
    Inside(&'static str),
    Model,
    Fuzzing,
}

/// Every gate. Whoever adds one has it write its figures as the others do.
const GATES: [Gate; 16] = [
    Gate { name: "crash-store", trial: Trial::Engine("crash_store::") },
    Gate { name: "crash-disk", trial: Trial::Engine("crash_disk::") },
    Gate { name: "errors", trial: Trial::Engine("errors::") },
    Gate { name: "requests", trial: Trial::Engine("requests::") },
    Gate { name: "far", trial: Trial::Engine("far::") },
    Gate { name: "damage", trial: Trial::Engine("damage::") },
    Gate { name: "parity", trial: Trial::Engine("parity::") },
    Gate { name: "parity-code", trial: Trial::Inside("parity::tests::patterns::") },
    Gate { name: "simulation", trial: Trial::Inside("simulation::") },
    Gate { name: "model", trial: Trial::Model },
    Gate { name: "system-call-kills", trial: Trial::Binary("gates::kills::") },
    Gate { name: "system-call-errors", trial: Trial::Binary("gates::errors::") },
    Gate { name: "random-kills", trial: Trial::Binary("gates::chance::") },
    Gate { name: "swaps", trial: Trial::Binary("gates::swaps::") },
    Gate { name: "memory", trial: Trial::Binary("gates::memory::") },
    Gate { name: "fuzzing", trial: Trial::Fuzzing },
];
/// Of each decoder, in the long form: it goes by numbers, not by time.
const FUZZ_EXECUTIONS: &str = "10000000";

/// What was asked for.
#[derive(Debug, PartialEq)]
struct Options {
    gate: Option<String>,
    /// None for the short form.
    minutes: Option<String>,
}

fn read_options(arguments: &[String]) -> Result<Options, String> {
    let mut options = Options { gate: None, minutes: Some(DEFAULT_MINUTES.to_owned()) };
    let mut arguments = arguments.iter();
    while let Some(flag) = arguments.next() {
        match flag.as_str() {
            "--short" => options.minutes = None,
            "--gate" => options.gate = Some(arguments.next().ok_or(USAGE)?.clone()),
            "--minutes" => {
                let minutes = arguments.next().ok_or(USAGE)?;
                minutes.parse::<f64>().map_err(|_| USAGE)?;
                options.minutes = Some(minutes.clone());
            }
            _ => return Err(USAGE.to_owned()),
        }
    }
    Ok(options)
}

/// Runs the gates one after the other, and writes the table though one of them fails.
pub fn run(arguments: &[String]) -> Result<(), String> {
    if arguments.iter().any(|flag| flag == "--help" || flag == "-h") {
        print!("{USAGE}");
        return Ok(());
    }
    let options = read_options(arguments)?;
    let gates: Vec<&Gate> =
        GATES.iter().filter(|gate| options.gate.as_ref().is_none_or(|name| gate.name == name)).collect();
    if gates.is_empty() {
        let known: Vec<&str> = GATES.iter().map(|gate| gate.name).collect();
        return Err(format!("there is no such gate; there are {}", known.join(", ")));
    }
    let root = checkout::root();
    let begun = SystemTime::now();
    let failed: Vec<&str> =
        gates.iter().filter(|gate| run_gate(&root, gate, &options).is_err()).map(|gate| gate.name).collect();
    let rows = fresh_rows(&root.join(FIGURES), begun, &stamp()?)?;
    rows.iter().for_each(|row| println!("{}", row.line()));
    let path = root.join(DOCUMENT);
    let text = fs::read_to_string(&path).map_err(|error| format!("read {DOCUMENT}: {error}"))?;
    fs::write(&path, with_rows(&text, &rows)?).map_err(|error| format!("write {DOCUMENT}: {error}"))?;
    if failed.is_empty() { Ok(()) } else { Err(format!("these gates failed: {}", failed.join(", "))) }
}

fn run_gate(root: &Path, gate: &Gate, options: &Options) -> Result<(), String> {
    println!("==> {}", gate.name);
    let (package, target, filter): (_, &[&str], _) = match gate.trial {
        Trial::Engine(filter) => ("mainstay-jobs", &["--test", "gates"], filter),
        Trial::Binary(filter) => ("mainstay", &["--test", "it"], filter),
        Trial::Inside(filter) => ("mainstay-repo", &["--lib"], filter),
        Trial::Model => ("mainstay-repo", &["--test", "model"], "no_order_of_steps"),
        Trial::Fuzzing => return run_fuzzer(options),
    };
    let mut command = Command::new("cargo");
    command.current_dir(root).args(["test", "--locked", "--package", package]).args(target);
    if let Some(minutes) = &options.minutes {
        command.args(["--profile", "soak"]).env("MAINSTAY_SOAK_MINUTES", minutes);
    }
    // One after the other, so that the time of each is its own.
    command.args(["--", "--nocapture", "--test-threads=1", filter]);
    let status = command.status().map_err(|error| format!("run {}: {error}", binary::line_of(&command)))?;
    if status.success() { Ok(()) } else { Err(format!("{}: {status}", gate.name)) }
}

fn run_fuzzer(options: &Options) -> Result<(), String> {
    let arguments: &[&str] = if options.minutes.is_some() { &["--executions", FUZZ_EXECUTIONS] } else { &[] };
    let arguments: Vec<String> = arguments.iter().map(|word| (*word).to_owned()).collect();
    // What was found is told at the end with the other gates, so it must be said here.
    fuzz::run(&arguments).inspect_err(|problem| eprintln!("{problem}"))
}

/// One line of the table.
#[derive(Clone, Debug, PartialEq)]
struct Row {
    /// Gate and form: a new row takes the place of the one that has the same.
    key: (String, String),
    rest: String,
}

impl Row {
    fn line(&self) -> String {
        format!("| {} | {} | {} |", self.key.0, self.key.1, self.rest)
    }

    /// Reads a line of the table.
    fn parse(line: &str) -> Option<Self> {
        let inner = line.strip_prefix("| ")?.strip_suffix(" |")?;
        let mut cells = inner.splitn(3, " | ");
        Some(Self { key: (cells.next()?.to_owned(), cells.next()?.to_owned()), rest: cells.next()?.to_owned() })
    }

    /// Reads what a gate has written.
    fn of_figures(text: &str, stamp: &str) -> Option<Self> {
        let mut cells = text.trim_end().split('\t');
        let key = (cells.next()?.to_owned(), cells.next()?.to_owned());
        Some(Self { key, rest: format!("{} | {} | {stamp}", cells.next()?, cells.next()?) })
    }
}

/// The figures that were written since a moment, by the names of the gates.
fn fresh_rows(folder: &Path, since: SystemTime, stamp: &str) -> Result<Vec<Row>, String> {
    let context = |error: std::io::Error| format!("read {}: {error}", folder.display());
    let mut rows = Vec::new();
    for entry in fs::read_dir(folder).map_err(context)? {
        let entry = entry.map_err(context)?;
        if entry.metadata().and_then(|metadata| metadata.modified()).map_err(context)? >= since {
            rows.extend(Row::of_figures(&fs::read_to_string(entry.path()).map_err(context)?, stamp));
        }
    }
    rows.sort_by(|a: &Row, b| a.key.cmp(&b.key));
    Ok(rows)
}

/// Date and commit as two cells; a commit with changes on top of it says so.
fn stamp() -> Result<String, String> {
    let output = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.current_dir(checkout::root()).args(arguments);
        binary::output(command).map(|output| binary::text(&output.stdout).trim().to_owned())
    };
    let date = output("date", &["-u", "+%Y-%m-%d"])?;
    let commit = output("git", &["rev-parse", "--short", "HEAD"])?;
    let changed = output("git", &["status", "--porcelain", "--untracked-files=no", "--", "crates", "Cargo.lock"])?;
    Ok(format!("{date} | {commit}{}", if changed.is_empty() { "" } else { " and changes" }))
}

/// The document with these rows in its table, each in the place of the one with the same gate and form.
fn with_rows(text: &str, rows: &[Row]) -> Result<String, String> {
    let missing = || format!("{DOCUMENT} lacks the marks of the table");
    let (before, rest) = text.split_once(BEGIN).ok_or_else(missing)?;
    let (table, after) = rest.split_once(END).ok_or_else(missing)?;
    let of_head = |row: &Row| row.key.0 == "gate" || row.key.0.starts_with("--");
    let mut all: Vec<Row> = table.lines().filter_map(Row::parse).filter(|row| !of_head(row)).collect();
    all.retain(|row| !rows.iter().any(|new| new.key == row.key));
    all.extend_from_slice(rows);
    all.sort_by(|a, b| a.key.cmp(&b.key));
    let lines: String = all.iter().map(|row| row.line() + "\n").collect();
    Ok(format!("{before}{BEGIN}\n{HEAD}{lines}{END}{after}"))
}
