//! The built `mainstay`, run as a stranger's shell would run it.
//!
//! Owns the release build and the clean surroundings of a command: nothing of the caller's
//! environment but the search path gets through, so that results do not depend on who runs it.

use crate::checkout;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Help is wrapped at this width wherever it is generated.
const COLUMNS: &str = "100";

/// What a tool that runs the binary is told.
pub struct Request {
    pub is_check: bool,
    pub binary: Binary,
}

impl Request {
    /// Reads `[--check] [--mainstay PATH]` and finds the binary.
    pub fn read(arguments: &[String], usage: &str) -> Result<Self, String> {
        let (mut is_check, mut given) = (false, None);
        let mut arguments = arguments.iter();
        while let Some(flag) = arguments.next() {
            match flag.as_str() {
                "--check" => is_check = true,
                "--mainstay" => given = Some(PathBuf::from(arguments.next().ok_or(usage)?)),
                _ => return Err(usage.to_owned()),
            }
        }
        Ok(Self { is_check, binary: Binary::find(given.as_deref())? })
    }
}

pub struct Binary {
    pub path: PathBuf,
}

impl Binary {
    /// The binary at `given`, or else the release binary, built first.
    pub fn find(given: Option<&Path>) -> Result<Self, String> {
        let path = match given {
            Some(path) => path.to_path_buf(),
            None => build_release()?,
        };
        let path = fs::canonicalize(&path).map_err(|error| format!("find the binary {}: {error}", path.display()))?;
        Ok(Self { path })
    }

    pub fn command(&self, home: &Path) -> Command {
        clean(Command::new(&self.path), home)
    }

    /// A shell in which `mainstay` is the binary.
    pub fn shell(&self, home: &Path) -> Command {
        let mut command = clean(Command::new("bash"), home);
        let own = self.path.parent().unwrap_or(Path::new("/"));
        let others = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{others}", own.display()));
        command
    }
}

fn clean(mut command: Command, home: &Path) -> Command {
    command
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .envs([("COLUMNS", COLUMNS), ("NO_COLOR", "1"), ("TERM", "dumb")])
        .envs([("LANG", "C.UTF-8"), ("TZ", "UTC"), ("USER", "user")])
        .env("HOME", home)
        .current_dir(home)
        .stdin(Stdio::null());
    command
}

fn build_release() -> Result<PathBuf, String> {
    let root = checkout::root();
    let status = Command::new("cargo")
        .args(["build", "--release", "--package", "mainstay"])
        .current_dir(&root)
        .status()
        .map_err(|error| format!("build mainstay: {error}"))?;
    if !status.success() {
        return Err(format!("build mainstay: cargo ended with {status}"));
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    Ok(root.join(target).join("release/mainstay"))
}

/// Runs a command and returns what it printed, or an error that shows it.
pub fn output(mut command: Command) -> Result<Output, String> {
    let name = line_of(&command);
    let output = command.output().map_err(|error| format!("run {name}: {error}"))?;
    if output.status.success() {
        return Ok(output);
    }
    let (printed, errors) = (text(&output.stdout), text(&output.stderr));
    Err(format!("run {name}: {}\n{printed}{errors}", output.status))
}

/// The command as one would type it, without its surroundings.
pub fn line_of(command: &Command) -> String {
    let arguments = command.get_args().map(|word| word.to_string_lossy());
    let program = command.get_program().to_string_lossy();
    let words: Vec<_> = std::iter::once(program).chain(arguments).collect();
    words.join(" ")
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// An empty directory for one purpose; it is removed when this is dropped.
pub struct Scratch {
    pub path: PathBuf,
}

impl Scratch {
    pub fn create(purpose: &str) -> Result<Self, String> {
        let name = format!("mainstay-{purpose}-{}", std::process::id());
        Self::create_at(&std::env::temp_dir().join(name))
    }

    /// An empty directory under a name that must be the same in every run.
    pub fn create_at(path: &Path) -> Result<Self, String> {
        fs::create_dir(path).map_err(|error| format!("create {}: {error}", path.display()))?;
        let path = path.to_path_buf();
        Ok(Self { path })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            eprintln!("xtask: remove {}: {error}", self.path.display());
        }
    }
}
