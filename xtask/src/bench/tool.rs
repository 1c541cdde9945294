//! The programs that are measured, behind one trait.
//!
//! Owns what can be asked of a backup program and the surroundings it runs in: an empty home, no
//! configuration of the user, a repository in scratch space. Each program's own file owns nothing
//! but its command lines, with default settings and encryption.

mod borg;
mod mainstay;
mod restic;
mod rustic;
mod tar;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

#[cfg(test)]
mod tests;

/// Where one program keeps everything it writes in one round.
pub struct Place {
    pub repository: PathBuf,
    pub home: PathBuf,
    pub password_file: PathBuf,
}

pub enum Action<'a> {
    Create,
    Backup {
        source: &'a Path,
        reading: Reading,
        number: usize,
    },
    /// Restores the backup with this number, the newest one, below the target.
    Restore {
        target: &'a Path,
        existing: Existing,
        number: usize,
    },
    Verify,
    ForgetAndPrune {
        keep: usize,
    },
}

#[derive(Clone, Copy, PartialEq)]
pub enum Reading {
    Changed,
    Everything,
}

/// How files that are in the target already are dealt with.
#[derive(Clone, Copy, PartialEq)]
pub enum Existing {
    /// There are none.
    Empty,
    CompareBytes,
    CompareTimes,
}

pub trait Tool {
    fn name(&self) -> &'static str;
    fn version(&self) -> Command;
    /// The programs to run in this order; `None` when this tool cannot do it.
    fn commands(&self, place: &Place, action: &Action<'_>) -> Option<Vec<Command>>;
}

/// Mainstay and those of the wanted peers that are installed.
pub fn installed(mainstay: &Path, peers: &[String]) -> Vec<Box<dyn Tool>> {
    let mut tools: Vec<Box<dyn Tool>> = vec![Box::new(mainstay::Mainstay::new(mainstay))];
    let known: [Box<dyn Tool>; 4] =
        [Box::new(restic::Restic), Box::new(rustic::Rustic), Box::new(borg::Borg), Box::new(tar::Tar)];
    for tool in known {
        if !peers.iter().any(|peer| peer == tool.name()) {
            continue;
        }
        match version(tool.as_ref()) {
            Some(_) => tools.push(tool),
            None => eprintln!("bench: {} is not installed, so it is left out", tool.name()),
        }
    }
    tools
}

/// The first line that the program prints about itself.
pub fn version(tool: &dyn Tool) -> Option<String> {
    let output = tool.version().output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().next()?.trim();
    output.status.success().then(|| line.to_owned())
}

impl Place {
    /// An empty place; what was there is removed.
    pub fn create(directory: &Path) -> Result<Self, String> {
        super::data::remove(directory)?;
        let place = Self {
            repository: directory.join("repository"),
            home: directory.join("home"),
            password_file: directory.join("home/password"),
        };
        let context = |error| format!("create {}: {error}", directory.display());
        fs::create_dir_all(&place.home).map_err(context)?;
        fs::write(&place.password_file, "correct horse battery staple").map_err(context)?;
        Ok(place)
    }

    /// A command that sees nothing of the caller's environment but the search path.
    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("HOME", &self.home).env("LANG", "C.UTF-8");
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        for (name, directory) in [
            ("XDG_CONFIG_HOME", ".config"),
            ("XDG_CACHE_HOME", ".cache"),
            ("XDG_DATA_HOME", ".local/share"),
            ("XDG_STATE_HOME", ".local/state"),
        ] {
            command.env(name, self.home.join(directory));
        }
        command.current_dir(&self.home);
        command
    }
}

/// Command with its arguments added, for the command lines below.
fn with<A: AsRef<std::ffi::OsStr>>(mut command: Command, arguments: impl IntoIterator<Item = A>) -> Command {
    command.args(arguments);
    command
}
