//! What the measurements were taken on.
//!
//! Owns the one-line description above each table: a figure without its machine says nothing.

use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

#[cfg(test)]
mod tests;

pub struct Machine {
    pub date: String,
    pub cores: usize,
    pub processor: String,
    pub memory_gib: u64,
    pub kernel: String,
    pub file_system: String,
}

impl Machine {
    /// Describes this machine, with the file system that holds `scratch`.
    pub fn describe(scratch: &Path) -> Self {
        let date = Command::new("date").arg("-I").output();
        Self {
            date: printed(date),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            processor: field("/proc/cpuinfo", "model name"),
            memory_gib: memory_gib(),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            file_system: file_system(&read("/proc/self/mounts"), scratch),
        }
    }

    pub fn line(&self) -> String {
        format!(
            "{}; {} cores, {}; {} GiB; Linux {}; {}",
            self.date, self.cores, self.processor, self.memory_gib, self.kernel, self.file_system
        )
    }

    pub fn json(&self) -> Value {
        json!({
            "date": self.date,
            "cores": self.cores,
            "processor": self.processor,
            "memory_gib": self.memory_gib,
            "kernel": self.kernel,
            "file_system": self.file_system,
        })
    }
}

fn printed(output: std::io::Result<std::process::Output>) -> String {
    output.map_or_else(|_| "unknown".to_owned(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn field(path: &str, name: &str) -> String {
    let text = read(path);
    let line = text.lines().find(|line| line.starts_with(name));
    let value = line.and_then(|line| line.split_once(':'));
    value.map_or_else(|| "unknown".to_owned(), |(_, value)| value.trim().to_owned())
}

/// The type of the mount that holds `path`: of those above it, the longest and the last.
fn file_system(mounts: &str, path: &Path) -> String {
    let mut best = ("", "unknown");
    for line in mounts.lines() {
        let mut fields = line.split(' ').skip(1);
        let (Some(point), Some(kind)) = (fields.next(), fields.next()) else {
            continue;
        };
        if path.starts_with(point) && point.len() >= best.0.len() {
            best = (point, kind);
        }
    }
    best.1.to_owned()
}

fn memory_gib() -> u64 {
    let total = field("/proc/meminfo", "MemTotal");
    let kib = total.split(' ').next().and_then(|number| number.parse::<u64>().ok());
    kib.unwrap_or(0).div_ceil(1 << 20)
}
