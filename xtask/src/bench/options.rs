//! What the user asked `cargo xtask bench` to do.
//!
//! Owns the flags and their defaults. Paths are not looked at here; whoever uses one reports it.

use std::path::PathBuf;

#[cfg(test)]
mod tests;

pub const USAGE: &str = "\
usage: cargo xtask bench [options]

  --data DIR           where the data sets A B C D are, or are made (default target/bench/data)
  --scratch DIR        where repositories and restored trees go (default target/bench/scratch)
  --only A,B,…         data sets (default A,B,C,D)
  --operations LIST    first,unchanged,unchanged-cold,changed,forced,restore,restore-over,
                       restore-over-mtime,verify,prune (default all that the data set has)
  --peers LIST         restic,rustic,borg,tar (default all that are installed)
  --runs N             rounds; the tools take turns within a round (default 3)
  --mainstay PATH      the binary to measure (default: builds target/release/mainstay)
  --source-tree PATH   what A is made of: a directory, a tarball or the word made-up (default: the
                       kernel source package when it is installed, else a made-up tree)
  --database DIR       what B is made of (default: made-up database pages)
  --scale PERCENT      size of made-up data (default 100)
  --json FILE          raw results
  --keep               leave repositories and restored trees behind
";

pub const OPERATIONS: [&str; 10] = [
    "first",
    "unchanged",
    "unchanged-cold",
    "changed",
    "forced",
    "restore",
    "restore-over",
    "restore-over-mtime",
    "verify",
    "prune",
];
pub const PEERS: [&str; 4] = ["restic", "rustic", "borg", "tar"];
pub const DATA_SETS: [&str; 4] = ["A", "B", "C", "D"];

#[derive(Debug, PartialEq)]
pub struct Options {
    pub data: PathBuf,
    pub scratch: PathBuf,
    pub only: Vec<String>,
    pub operations: Vec<String>,
    pub peers: Vec<String>,
    pub runs: usize,
    pub mainstay: Option<PathBuf>,
    pub source_tree: Option<PathBuf>,
    pub database: Option<PathBuf>,
    pub scale_percent: u64,
    pub json: Option<PathBuf>,
    pub keep: bool,
}

impl Options {
    fn new() -> Self {
        Self {
            data: PathBuf::from("target/bench/data"),
            scratch: PathBuf::from("target/bench/scratch"),
            only: owned(&DATA_SETS),
            operations: owned(&OPERATIONS),
            peers: owned(&PEERS),
            runs: 3,
            mainstay: None,
            source_tree: None,
            database: None,
            scale_percent: 100,
            json: None,
            keep: false,
        }
    }

    pub fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self::new();
        let mut arguments = arguments.iter();
        while let Some(flag) = arguments.next() {
            match flag.as_str() {
                "--keep" => options.keep = true,
                "--help" | "-h" => return Err(USAGE.to_owned()),
                _ => {
                    let value = arguments.next().ok_or_else(|| format!("{flag}: expected a value\n{USAGE}"))?;
                    options.set(flag, value)?;
                }
            }
        }
        Ok(options)
    }

    fn set(&mut self, flag: &str, value: &str) -> Result<(), String> {
        match flag {
            "--data" => self.data = PathBuf::from(value),
            "--scratch" => self.scratch = PathBuf::from(value),
            "--mainstay" => self.mainstay = Some(PathBuf::from(value)),
            "--source-tree" => self.source_tree = Some(PathBuf::from(value)),
            "--database" => self.database = Some(PathBuf::from(value)),
            "--json" => self.json = Some(PathBuf::from(value)),
            "--only" => self.only = list(flag, value, &DATA_SETS)?,
            "--operations" => self.operations = list(flag, value, &OPERATIONS)?,
            "--peers" => self.peers = list(flag, value, &PEERS)?,
            "--runs" => self.runs = number(flag, value)?,
            "--scale" => self.scale_percent = number(flag, value)?,
            _ => return Err(format!("unknown option {flag}\n{USAGE}")),
        }
        Ok(())
    }
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// A comma-separated list of known words; an empty list is allowed, as in `--peers ''`.
fn list(flag: &str, value: &str, known: &[&str]) -> Result<Vec<String>, String> {
    let words: Vec<&str> = value.split(',').filter(|word| !word.is_empty()).collect();
    match words.iter().find(|word| !known.contains(word)) {
        Some(word) => Err(format!("{flag}: expected some of {}, got {word}", known.join(","))),
        None => Ok(owned(&words)),
    }
}

fn number<N: std::str::FromStr + PartialOrd + From<u8>>(flag: &str, value: &str) -> Result<N, String> {
    match value.parse::<N>() {
        Ok(number) if number >= N::from(1) => Ok(number),
        _ => Err(format!("{flag}: expected a number from 1, got {value}")),
    }
}
