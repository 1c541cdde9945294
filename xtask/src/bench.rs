//! `cargo xtask bench`: Mainstay beside its peers, in turn, on the same data and machine.
//!
//! Owns the course of a whole benchmark. Tools are run as a user runs them: default settings,
//! encrypted, a fresh repository per round, a home directory of their own.

mod data;
mod edit;
mod machine;
mod measure;
mod options;
mod quarters;
mod report;
mod round;
mod tool;

use crate::binary::Binary;
use data::{DataSet, Edit};
use machine::Machine;
use options::Options;
use quarters::Quarters;
use round::{Round, Row};
use serde_json::json;
use std::fs;
use std::path::Path;
use tool::Tool;

/// Measures, and prints the tables on standard output; progress goes to standard error.
pub fn run(arguments: &[String]) -> Result<(), String> {
    if arguments.iter().any(|flag| flag == "--help" || flag == "-h") {
        print!("{}", options::USAGE);
        return Ok(());
    }
    let options = Options::parse(arguments)?;
    for directory in [&options.data, &options.scratch] {
        fs::create_dir_all(directory).map_err(|error| format!("create {}: {error}", directory.display()))?;
    }
    let scratch =
        fs::canonicalize(&options.scratch).map_err(|error| format!("find {}: {error}", options.scratch.display()))?;
    let binary = Binary::find(options.mainstay.as_deref())?;
    let tools = tool::installed(&binary.path, &options.peers);
    let names: Vec<&'static str> = tools.iter().map(|tool| tool.name()).collect();
    let machine = Machine::describe(&scratch);
    print_heading(&machine, &tools, &options);
    let mut rows = Vec::new();
    for name in &options.only {
        let set = data::prepare(name, &options)?;
        rows.extend(run_set(&set, &tools, &options, &scratch)?);
        println!("### {}: {}\n", set.name, describe(&set)?);
        println!("{}", report::table(&rows, set.name, &names));
        if let Some(path) = &options.json {
            let raw = json!({ "machine": machine.json(), "rows": report::json(&rows) });
            fs::write(path, format!("{raw:#}\n")).map_err(|error| format!("write {}: {error}", path.display()))?;
        }
    }
    Ok(())
}

fn run_set(set: &DataSet, tools: &[Box<dyn Tool>], options: &Options, scratch: &Path) -> Result<Vec<Row>, String> {
    let scratch = scratch.join(set.name);
    data::remove(&scratch)?;
    fs::create_dir_all(&scratch).map_err(|error| format!("create {}: {error}", scratch.display()))?;
    let source = match set.edit {
        Edit::Nothing => set.path.clone(),
        Edit::Files | Edit::Pages => {
            let copy = scratch.join("source");
            data::copy(&set.path, &copy)?;
            copy
        }
    };
    let is_wanted = options.operations.iter().any(|wanted| wanted == "prune");
    let quarters = match is_wanted && set.operations.contains(&"prune") {
        true => Some(Quarters::create(&set.path, &scratch)?),
        false => None,
    };
    let mut rows = Vec::new();
    for number in 0..options.runs {
        let round = Round { set, source: &source, quarters: quarters.as_ref(), options, scratch: &scratch, number };
        rows.extend(round.run(tools)?);
    }
    if !options.keep {
        data::remove(&scratch)?;
    }
    Ok(rows)
}

fn print_heading(machine: &Machine, tools: &[Box<dyn Tool>], options: &Options) {
    println!("{}; medians of {}\n", machine.line(), options.runs);
    for tool in tools {
        let version = tool::version(tool.as_ref());
        println!("* {}: {}", tool.name(), version.unwrap_or_else(|| "version unknown".to_owned()));
    }
    println!();
}

fn describe(set: &DataSet) -> Result<String, String> {
    let (files, bytes) = data::totals(&set.path)?;
    let gigabytes = bytes as f64 / 1e9;
    Ok(format!("{} ({files} files, {gigabytes:.2} GB)", set.what))
}
