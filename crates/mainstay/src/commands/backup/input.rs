//! What a backup reads: paths with their excludes, or standard input.
//!
//! Owns these options, and the default name of a source. Reads nothing but lists of paths.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use mainstay_sources::command::StreamSource;
use mainstay_sources::files::{FileOptions, FileSource};
use mainstay_sources::{Owner, Source, Timestamp};

use crate::context::Context;
use crate::failure::{Failure, Result, catalogue};
use crate::location::quoted;
use crate::output::{Talk, units};
use crate::{list_file, machine};

/// Roots that the default name of a source spells out.
const NAMED_ROOTS: usize = 8;
/// A list of paths is held in memory: millions of them fit.
const PATHS_LEN_MAX: u64 = 256 << 20;
/// Nobody has more rules.
const RULES_LEN_MAX: u64 = 16 << 20;

/// What is read.
#[derive(clap::Args)]
pub struct InputArguments {
    /// Files and directories
    #[arg(value_name = "PATH", required_unless_present_any = ["files_from", "stdin_name"])]
    paths: Vec<PathBuf>,
    /// Also the paths in a file, one per line, or separated by NUL bytes (- for standard input)
    #[arg(long, value_name = "FILE")]
    files_from: Vec<PathBuf>,
    /// Back up standard input as a file of this name
    #[arg(long, value_name = "NAME", conflicts_with_all = ["paths", "files_from"])]
    stdin_name: Option<OsString>,
    /// Leave out what matches a rule in .gitignore syntax; ! takes back; may be given several times
    #[arg(long, value_name = "RULE", allow_hyphen_values = true, help_heading = "What is left out")]
    exclude: Vec<String>,
    /// Rules from a file, one per line
    #[arg(long, value_name = "FILE", help_heading = "What is left out")]
    exclude_file: Vec<PathBuf>,
    /// Leave out caches: what lies beside a CACHEDIR.TAG
    #[arg(long, help_heading = "What is left out")]
    exclude_caches: bool,
    /// Leave out what lies beside an entry of this name
    #[arg(long, value_name = "NAME", help_heading = "What is left out")]
    exclude_if_present: Vec<OsString>,
    /// Leave out files that are larger, such as 100M
    #[arg(long, value_name = "SIZE", value_parser = units::parse_size, help_heading = "What is left out")]
    exclude_larger_than: Option<u64>,
    /// Stay on the file systems of the paths
    #[arg(long, short = 'x', help_heading = "What is left out")]
    one_file_system: bool,
}

/// An opened source.
pub struct Input {
    pub source: Box<dyn Source>,
    /// The roots, for the record.
    pub paths: Vec<Vec<u8>>,
    /// What the source is called, behind the name of the host.
    pub name: String,
    /// What the source was opened with, unless it is a stream.
    files: Option<(Vec<PathBuf>, FileOptions)>,
}

impl Input {
    /// Leaves out the repository where it lies beneath a root: it would be stored in itself, and grow with every run.
    /// Answers whether it does. A root that is the repository's directory or a part of it is what the user wants; one that is its file is
    /// refused: closing a descriptor of that file would drop the locks under which it is written.
    pub fn leave_out(&mut self, repository: &Path) -> Result<bool> {
        let Some((paths, options)) = &mut self.files else { return Ok(false) };
        let Ok(repository) = repository.canonicalize() else { return Ok(false) };
        let lies_beneath = |root: &Vec<u8>| {
            let root = Path::new(OsStr::from_bytes(root));
            repository != root && repository.starts_with(root)
        };
        let is_file = repository.is_file();
        let is_it =
            |root: &Vec<u8>| Path::new(OsStr::from_bytes(root)).canonicalize().is_ok_and(|root| root == repository);
        if is_file && self.paths.iter().any(is_it) {
            let message = format!("back up {}: the repository is that file", quoted(&repository));
            return Err(
                Failure::new(&catalogue::INVALID, message).with_hint("copy it while nothing is at work, or use sync")
            );
        }
        if !self.paths.iter().any(lies_beneath) {
            return Ok(false);
        }
        let rule = rule_for(&repository);
        match is_file {
            // A file of SQLite has its journal beside it.
            true => options.excludes.extend([format!("{rule}-journal"), rule]),
            false => options.excludes.push(format!("{rule}/")),
        }
        self.source = Box::new(FileSource::new(paths, options)?);
        Ok(true)
    }
}

/// The exclude rule that matches one absolute path; bytes that a rule cannot hold match any.
fn rule_for(path: &Path) -> String {
    let mut rule = String::new();
    for chunk in path.as_os_str().as_bytes().utf8_chunks() {
        for character in chunk.valid().chars() {
            if r"\*?[]{}!#".contains(character) {
                rule.push('\\');
            }
            rule.push(character);
        }
        rule.extend(chunk.invalid().iter().map(|_| '?'));
    }
    rule
}

/// Opens what the options name.
pub fn open(arguments: &InputArguments, context: &Context) -> Result<Input> {
    match &arguments.stdin_name {
        Some(name) => open_stream(name, context),
        None => open_files(arguments, context),
    }
}

fn open_files(arguments: &InputArguments, context: &Context) -> Result<Input> {
    let mut paths = arguments.paths.clone();
    for list in &arguments.files_from {
        if list.as_os_str() == "-" {
            require_free_input(context)?;
        }
        paths.extend(read_list(list)?);
    }
    let options = options(arguments, context)?;
    let source = FileSource::new(&paths, &options)?;
    let roots = source.roots();
    let name = match arguments.files_from.first() {
        // A list of many files is one source, whatever it lists today.
        Some(list) if arguments.paths.is_empty() => format!("@{}", absolute(list)),
        _ => name_of(&roots),
    };
    Ok(Input { source: Box::new(source), paths: roots, name, files: Some((paths, options)) })
}

fn open_stream(name: &OsString, context: &Context) -> Result<Input> {
    require_free_input(context)?;
    let now = machine::now();
    let modified = Timestamp {
        seconds: now.div_euclid(1_000_000_000),
        nanoseconds: u32::try_from(now.rem_euclid(1_000_000_000)).unwrap_or(0),
    };
    let owner = Owner { user: rustix::process::getuid().as_raw(), group: rustix::process::getgid().as_raw() };
    let source = StreamSource::new(name.as_bytes(), modified, owner, Box::new(io::stdin()))?;
    let paths = vec![[b"/", name.as_bytes()].concat()];
    Ok(Input { source: Box::new(source), paths, name: name.to_string_lossy().into_owned(), files: None })
}

/// Standard input can be read for one thing only.
pub fn require_free_input(context: &Context) -> Result<()> {
    if context.global.password_file.as_deref() == Some(Path::new("-")) {
        let message = "read standard input: it is the password file already";
        return Err(Failure::new(&catalogue::INVALID, message).with_hint("name another file by --password-file"));
    }
    Ok(())
}

fn options(arguments: &InputArguments, context: &Context) -> Result<FileOptions> {
    let mut options = FileOptions {
        excludes: arguments.exclude.clone(),
        exclude_caches: arguments.exclude_caches,
        exclude_if_present: arguments.exclude_if_present.iter().map(|name| name.as_bytes().to_vec()).collect(),
        exclude_larger_than: arguments.exclude_larger_than,
        one_file_system: arguments.one_file_system,
        name_left_out: context.output.talk >= Talk::Verbose,
    };
    for path in &arguments.exclude_file {
        options.add_excludes(&read_rules(path)?);
    }
    Ok(options)
}

fn read_rules(path: &Path) -> Result<String> {
    let verb = "read exclude file";
    String::from_utf8(list_file::read(verb, path, RULES_LEN_MAX)?)
        .map_err(|_| Failure::file(verb, path, &io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8")))
}

fn read_list(path: &Path) -> Result<Vec<PathBuf>> {
    let verb = "read list of paths";
    let bytes = match path.as_os_str() == "-" {
        true => list_file::read_input(verb, PATHS_LEN_MAX)?,
        false => list_file::read(verb, path, PATHS_LEN_MAX)?,
    };
    Ok(split_list(&bytes))
}

/// Lines, or what stands between NUL bytes if there is one; empty ones do not count.
fn split_list(bytes: &[u8]) -> Vec<PathBuf> {
    let separator = if bytes.contains(&0) { 0 } else { b'\n' };
    let parts = bytes.split(|byte| *byte == separator);
    let parts = parts.map(|part| if separator == b'\n' { part.strip_suffix(b"\r").unwrap_or(part) } else { part });
    parts.filter(|part| !part.is_empty()).map(|part| PathBuf::from(OsString::from_vec(part.to_vec()))).collect()
}

fn absolute(path: &Path) -> String {
    let is_stream = path.as_os_str() == "-";
    let absolute = if is_stream { None } else { std::path::absolute(path).ok() };
    absolute.as_deref().unwrap_or(path).to_string_lossy().into_owned()
}

fn name_of(roots: &[Vec<u8>]) -> String {
    let named = roots.iter().take(NAMED_ROOTS).map(|root| String::from_utf8_lossy(root));
    let mut name = named.collect::<Vec<_>>().join(",");
    let others = roots.len().saturating_sub(NAMED_ROOTS);
    if others > 0 {
        name.push_str(&format!(",+{others}"));
    }
    name
}

#[cfg(test)]
mod tests;
