//! Medians, ratios and the Markdown table for `docs/performance.md`.
//!
//! Owns how measurements become sentences. Works on rows only, so that a test can hand it numbers.

mod goals;

use super::options::OPERATIONS;
use super::round::Row;
use serde_json::{Value, json};
use std::fmt::Write as _;

#[cfg(test)]
mod tests;

/// Peers that Mainstay is compared with; `tar` is a yardstick of another kind.
const RIVALS: [&str; 3] = ["restic", "rustic", "borg"];

/// The medians of one operation of one tool.
#[derive(Clone, Copy)]
struct Median {
    wall_s: f64,
    processor_s: f64,
    peak_mib: f64,
    repository_mb: f64,
    added_mb: f64,
}

/// The table of one data set, with the conditions beneath it that are no ratio of times.
pub fn table(rows: &[Row], data_set: &str, tools: &[&'static str]) -> String {
    let rows: Vec<&Row> = rows.iter().filter(|row| row.data_set == data_set).collect();
    let mut text = format!("| operation | {} | beside the fastest | to reach |\n", tools.join(" | "));
    let _ = writeln!(text, "|---|{}---|---|", "---|".repeat(tools.len()));
    for operation in OPERATIONS {
        let medians: Vec<Option<Median>> = tools.iter().map(|tool| median(&rows, operation, tool)).collect();
        if medians.iter().all(Option::is_none) {
            continue;
        }
        let named: Vec<(&str, Option<Median>)> = tools.iter().copied().zip(medians).collect();
        text.push_str(&time_line(data_set, operation, &named));
        text.push_str(&size_line(operation, &named));
    }
    text.push_str(&conditions(&rows, data_set));
    text
}

fn time_line(data_set: &str, operation: &str, medians: &[(&str, Option<Median>)]) -> String {
    let cell =
        |median: Median| format!("{:.2} s (CPU {:.1}, {:.0} MiB)", median.wall_s, median.processor_s, median.peak_mib);
    let cells = join(medians, cell);
    let ratio = ratio(medians);
    let goal = goals::ratio(data_set, operation);
    let reached = match (ratio, goal) {
        (Some(ratio), Some(goal)) if ratio >= goal => format!("≥ {goal}× ✓"),
        (Some(_), Some(goal)) => format!("≥ {goal}× ✗"),
        (None, Some(goal)) => format!("≥ {goal}×"),
        (_, None) => "–".to_owned(),
    };
    let ratio = ratio.map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.1}×"));
    format!("| {} | {cells} | {ratio} | {reached} |\n", goals::title(operation))
}

/// Beneath the operations that write: what the repository takes, or by how much it grew.
fn size_line(operation: &str, medians: &[(&str, Option<Median>)]) -> String {
    let (title, size): (_, fn(Median) -> f64) = match operation {
        "first" | "prune" => ("… repository", |median| median.repository_mb),
        "changed" => ("… added", |median| median.added_mb),
        _ => return String::new(),
    };
    let cells = join(medians, |median| format!("{:.1} MB", size(median)));
    format!("| {title} | {cells} | – | – |\n")
}

fn join(medians: &[(&str, Option<Median>)], cell: impl Fn(Median) -> String) -> String {
    let cells = medians.iter().map(|(_, median)| median.map_or_else(|| "–".to_owned(), &cell));
    cells.collect::<Vec<_>>().join(" | ")
}

/// How many times as fast as the fastest rival Mainstay is.
fn ratio(medians: &[(&str, Option<Median>)]) -> Option<f64> {
    let wall = |name: &str| {
        let found = medians.iter().find(|(tool, _)| *tool == name)?;
        found.1.map(|median| median.wall_s)
    };
    let own = wall("mainstay")?;
    let fastest = RIVALS.iter().filter_map(|rival| wall(rival)).min_by(f64::total_cmp)?;
    Some(fastest / own)
}

/// What the issue asks for beside ratios: memory, and `tar | zstd` for a source tree.
fn conditions(rows: &[&Row], data_set: &str) -> String {
    let mut text = String::new();
    let own = rows.iter().filter(|row| row.tool == "mainstay");
    let peak = own.map(|row| row.sample.peak_bytes >> 20).max();
    if let Some(peak) = peak {
        let limit = goals::peak_mib(data_set);
        let sentence = format!("peak memory {peak} MiB, to reach ≤ {limit} MiB");
        push_condition(&mut text, peak <= limit, &sentence);
    }
    if data_set != "A" {
        return text;
    }
    let pair = |operation| {
        let own = median(rows, operation, "mainstay")?;
        Some((own, median(rows, operation, "tar")?))
    };
    if let Some((own, tar)) = pair("first") {
        let sentence = format!("first backup {:.2} s, tar | zstd {:.2} s", own.wall_s, tar.wall_s);
        push_condition(&mut text, own.wall_s <= tar.wall_s, &sentence);
        let (size, limit) = (own.repository_mb, tar.repository_mb);
        let sentence = format!("repository {size:.1} MB, .tar.zst {limit:.1} MB");
        push_condition(&mut text, size <= limit, &sentence);
    }
    if let Some((own, tar)) = pair("restore") {
        let sentence = format!("restore {:.2} s, tar -x {:.2} s", own.wall_s, tar.wall_s);
        push_condition(&mut text, own.wall_s <= tar.wall_s, &sentence);
    }
    text
}

fn push_condition(text: &mut String, is_met: bool, sentence: &str) {
    if !text.contains("\n* ") && !text.starts_with("* ") {
        text.push('\n');
    }
    let mark = if is_met { '✓' } else { '✗' };
    let _ = writeln!(text, "* {sentence} {mark}");
}

fn median(rows: &[&Row], operation: &str, tool: &str) -> Option<Median> {
    let rows: Vec<&&Row> = rows.iter().filter(|row| row.operation == operation && row.tool == tool).collect();
    let middle = |value: fn(&Row) -> f64| {
        let mut values: Vec<f64> = rows.iter().map(|row| value(row)).collect();
        values.sort_by(f64::total_cmp);
        let upper = *values.get(values.len() / 2)?;
        let lower = *values.get(values.len().checked_sub(1)? / 2)?;
        Some(f64::midpoint(lower, upper))
    };
    Some(Median {
        wall_s: middle(|row| row.sample.wall.as_secs_f64())?,
        processor_s: middle(|row| row.sample.processor.as_secs_f64())?,
        peak_mib: middle(|row| row.sample.peak_bytes as f64 / f64::from(1 << 20))?,
        repository_mb: middle(|row| row.repository_bytes as f64 / 1e6)?,
        added_mb: middle(|row| row.added_bytes as f64 / 1e6)?,
    })
}

/// The raw measurements.
pub fn json(rows: &[Row]) -> Value {
    let rows = rows.iter().map(|row| {
        json!({
            "data_set": row.data_set,
            "operation": row.operation,
            "tool": row.tool,
            "round": row.round,
            "wall_s": row.sample.wall.as_secs_f64(),
            "processor_s": row.sample.processor.as_secs_f64(),
            "peak_bytes": row.sample.peak_bytes,
            "repository_bytes": row.repository_bytes,
            "added_bytes": row.added_bytes,
        })
    });
    rows.collect()
}
