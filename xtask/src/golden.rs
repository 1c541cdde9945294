//! `cargo xtask golden`: one small repository per format version, written once and kept for ever.
//!
//! Owns `tests/golden/v<FORMAT>/`: the repository of two snapshots and of the record that a third was removed, the configuration directory
//! with its key, a manifest of each snapshot's tree, and checksums of all of it. A folder that is
//! there is never touched again; `--check` restores those of today's format with today's binary and sees the others refused.

mod manifest;
mod tree;

use crate::binary::{Binary, Request, Scratch, output, text};
use crate::checkout;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const FOLDER: &str = "tests/golden";
const USAGE: &str = "usage: cargo xtask golden [--check] [--mainstay PATH]";
/// Paths are part of what is stored, so this one must not depend on who writes it.
const WORKSHOP: &str = "/tmp/mainstay-golden";
const CHECKSUMS: &str = "SHA256SUMS";
/// How each snapshot is named to the binary, and where its manifest is.
const SNAPSHOTS: [(&str, &str); 2] = [("latest~1", "tree-1.manifest"), ("latest", "tree-2.manifest")];

pub fn run(arguments: &[String]) -> Result<(), String> {
    let Request { is_check, binary } = Request::read(arguments, USAGE)?;
    let folder = checkout::root().join(FOLDER);
    match is_check {
        true => check_all(&binary, &folder),
        false => write(&binary, &folder),
    }
}

/// The surroundings in which a golden repository is used.
struct Workshop {
    scratch: Scratch,
}

impl Workshop {
    fn open() -> Result<Self, String> {
        let scratch = Scratch::create_at(Path::new(WORKSHOP))?;
        Ok(Self { scratch })
    }

    fn at(&self, name: &str) -> PathBuf {
        self.scratch.path.join(name)
    }

    fn mainstay(&self, binary: &Binary, arguments: &[&str]) -> Result<(), String> {
        let mut command = binary.command(&self.scratch.path);
        command.env("XDG_CONFIG_HOME", self.at("config")).env("MAINSTAY_REPO", self.at("repository")).args(arguments);
        output(command).map(drop)
    }
}

fn write(binary: &Binary, folder: &Path) -> Result<(), String> {
    let workshop = Workshop::open()?;
    let tree = workshop.at("tree");
    let source = tree.to_string_lossy().into_owned();
    workshop.mainstay(binary, &["init"])?;
    let version = format_version(&workshop.at("repository"))?;
    let goal = folder.join(format!("v{version}"));
    if goal.exists() {
        return Err(format!("{} is there and is never written again", goal.display()));
    }
    let content = workshop.at("content");
    fs::create_dir(&content).map_err(|error| format!("create {}: {error}", content.display()))?;
    for (step, (_, name)) in SNAPSHOTS.iter().enumerate() {
        tree::make(&tree, step)?;
        workshop.mainstay(binary, &["backup", &source])?;
        if step == 0 {
            // One more that is removed again, so that there is a record of it.
            workshop.mainstay(binary, &["backup", &source])?;
            workshop.mainstay(binary, &["forget", "latest~1"])?;
            workshop.mainstay(binary, &["prune", "--hold", "0d"])?;
        }
        let manifest = manifest::describe(&tree)?;
        let path = content.join(name);
        fs::write(&path, manifest).map_err(|error| format!("write {}: {error}", path.display()))?;
    }
    for name in ["repository", "config"] {
        copy(&workshop.at(name), &content.join(name))?;
    }
    let sums = checksums(&content)?;
    fs::write(content.join(CHECKSUMS), sums).map_err(|error| format!("write {CHECKSUMS}: {error}"))?;
    fs::create_dir_all(folder).map_err(|error| format!("create {}: {error}", folder.display()))?;
    copy(&content, &goal)?;
    println!("golden: wrote {}", goal.display());
    Ok(())
}

fn check_all(binary: &Binary, folder: &Path) -> Result<(), String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("read {FOLDER}: {error}"))?;
    let mut folders: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_dir()).collect();
    folders.sort();
    if folders.is_empty() {
        return Err(format!("{FOLDER} is empty; write it with `cargo xtask golden`"));
    }
    let current = current_version(binary)?;
    for golden in &folders {
        let is_current = format_version(&golden.join("repository"))? == current;
        let checked = if is_current { check(binary, golden) } else { check_refusal(binary, golden) };
        checked.map_err(|message| format!("{}: {message}", golden.display()))?;
    }
    println!("golden: {} repositories restored or, before version 1.0, refused", folders.len());
    Ok(())
}

/// The format that the binary writes.
fn current_version(binary: &Binary) -> Result<u64, String> {
    let workshop = Workshop::open()?;
    workshop.mainstay(binary, &["init"])?;
    format_version(&workshop.at("repository"))
}

/// Until version 1.0 an older format is refused, with its number.
fn check_refusal(binary: &Binary, golden: &Path) -> Result<(), String> {
    let number = format_version(&golden.join("repository"))?;
    let workshop = Workshop::open()?;
    copy(&golden.join("repository"), &workshop.at("repository"))?;
    match workshop.mainstay(binary, &["snapshots"]) {
        Ok(()) => Err(format!("format {number} is not refused")),
        Err(message) if message.contains("MS-1103") && message.contains(&format!("format {number}")) => Ok(()),
        Err(message) => Err(message),
    }
}

/// Restores both snapshots of a copy, because a restore may leave a lease in a repository.
fn check(binary: &Binary, golden: &Path) -> Result<(), String> {
    let expected = fs::read_to_string(golden.join(CHECKSUMS)).unwrap_or_default();
    if checksums(golden)? != expected {
        return Err(format!("{CHECKSUMS} does not fit: a golden repository is never edited"));
    }
    let workshop = Workshop::open()?;
    for name in ["repository", "config"] {
        copy(&golden.join(name), &workshop.at(name))?;
    }
    // Version control keeps no modes, and a key that others may read is refused.
    let mut command = Command::new("chmod");
    command.args(["-R", "go="]).arg(workshop.at("config"));
    output(command)?;
    for (step, (snapshot, name)) in SNAPSHOTS.iter().enumerate() {
        let target = workshop.at(&format!("restored-{step}"));
        let argument = target.to_string_lossy().into_owned();
        workshop.mainstay(binary, &["restore", snapshot, "--target", &argument])?;
        let expected = fs::read_to_string(golden.join(name)).map_err(|error| format!("read {name}: {error}"))?;
        let found = manifest::describe(&tree::restored(&target)?)?;
        manifest::compare(&expected, &found).map_err(|message| format!("{snapshot}: {message}"))?;
    }
    Ok(())
}

/// The number in the repository's own first object.
fn format_version(repository: &Path) -> Result<u64, String> {
    let path = repository.join("mainstay.json");
    let bytes = fs::read(&path).map_err(|error| format!("read {}: {error}", path.display()))?;
    let value: serde_json::Value =
        serde_json::from_slice(&bytes).map_err(|error| format!("read {}: {error}", path.display()))?;
    let number = value.get("format").and_then(serde_json::Value::as_u64);
    number.ok_or_else(|| format!("read {}: expected a number `format`", path.display()))
}

/// What `sha256sum` says about every file but the list itself, in the order of their names.
fn checksums(directory: &Path) -> Result<String, String> {
    let script = format!("find . -type f ! -name {CHECKSUMS} -print0 | LC_ALL=C sort -z | xargs -0 sha256sum");
    let mut command = Command::new("bash");
    command.args(["-euo", "pipefail", "-c", &script]).current_dir(directory);
    Ok(text(&output(command)?.stdout))
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let mut command = Command::new("cp");
    command.args(["-a", "-T"]).args([from, to]);
    output(command).map(drop)
}
