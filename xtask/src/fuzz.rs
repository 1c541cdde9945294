//! `cargo xtask fuzz`: every decoder under libFuzzer, guided by coverage, on the stable toolchain.
//!
//! Owns the build with coverage and the runs. No sanitizer is needed: the project has no unsafe code, so what can go wrong
//! is a panic, a promise that is not kept, too much memory or too much time.

use crate::checkout;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::time::Instant;

#[cfg(test)]
mod tests;

const USAGE: &str = "\
usage: cargo xtask fuzz [--seconds N] [--executions N] [--target NAME]… [--minimize]

  --seconds N       how long each target runs [default: 30]
  --executions N    run each target until so many inputs were tried instead
  --target NAME     only this one; may be given several times
  --minimize        write the smallest corpus of the same coverage to tests/fuzz-corpus
";

/// The runtime reads coverage from these; `cargo fuzz` passes the same.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing";

/// Of resident memory, and of address space: what is asked for and never touched counts as well.
const MEMORY_MIB: u32 = 256;
const ADDRESS_SPACE_KIB: u32 = 1 << 20;
/// An input that takes longer is a finding. It is the clock on the wall, and the long form runs for hours beside other work.
const SLOWEST_SECONDS: u32 = 10;
const SLOWEST_SECONDS_IN_LONG: u32 = 120;
const LONGEST_INPUT: u32 = 1 << 16;
const AT_ONCE: usize = 2;
const CORPUS: &str = "tests/fuzz-corpus";
/// Seeds longer than this stay out of the repository.
const COMMITTED_LEN: u64 = 2048;

struct Options {
    seconds: u32,
    executions: Option<u64>,
    targets: Vec<String>,
    minimize: bool,
}

struct Fuzzer {
    root: PathBuf,
    program: PathBuf,
    options: Options,
}

/// What a target's run came to.
struct Tally {
    target: String,
    executions: u64,
    coverage: u64,
}

pub fn run(arguments: &[String]) -> Result<(), String> {
    let options = Options::read(arguments)?;
    let root = checkout::root();
    let program = build(&root)?;
    let fuzzer = Fuzzer { root, program, options };
    let targets = fuzzer.targets()?;
    if fuzzer.options.minimize {
        return targets.iter().try_for_each(|target| fuzzer.minimize(target));
    }
    let begun = Instant::now();
    let tallies = fuzzer.run_all(&targets)?;
    fuzzer.publish(&tallies, begun)
}

impl Options {
    fn read(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self { seconds: 30, executions: None, targets: Vec::new(), minimize: false };
        let mut arguments = arguments.iter();
        while let Some(flag) = arguments.next() {
            let mut value = || arguments.next().ok_or(USAGE);
            match flag.as_str() {
                "--seconds" => options.seconds = value()?.parse().map_err(|_| USAGE)?,
                "--executions" => options.executions = Some(value()?.parse().map_err(|_| USAGE)?),
                "--target" => options.targets.push(value()?.clone()),
                "--minimize" => options.minimize = true,
                _ => return Err(USAGE.to_owned()),
            }
        }
        Ok(options)
    }
}

/// Builds `fuzz/` for this machine's own triple by name: flags do not reach build scripts then.
fn build(root: &Path) -> Result<PathBuf, String> {
    let triple = host()?;
    let target = target_directory(root).join("fuzz-build");
    let status = Command::new("cargo")
        .args(["build", "--release", "--locked", "--manifest-path", "fuzz/Cargo.toml", "--target", &triple])
        .arg("--target-dir")
        .arg(&target)
        .env("RUSTFLAGS", COVERAGE)
        .current_dir(root)
        .status()
        .map_err(|error| format!("build the fuzzer: {error}"))?;
    if !status.success() {
        return Err(format!("build the fuzzer: cargo ended with {status}"));
    }
    Ok(target.join(triple).join("release/mainstay-fuzz"))
}

fn host() -> Result<String, String> {
    let output = Command::new("rustc").arg("-vV").output().map_err(|error| format!("ask rustc: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "rustc does not say which machine this is".to_owned())
}

fn target_directory(root: &Path) -> PathBuf {
    root.join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

impl Fuzzer {
    /// The targets that were named, or all: there is a corpus for each.
    fn targets(&self) -> Result<Vec<String>, String> {
        if !self.options.targets.is_empty() {
            return Ok(self.options.targets.clone());
        }
        let folder = self.root.join(CORPUS);
        let entries = fs::read_dir(&folder).map_err(|error| format!("read {}: {error}", folder.display()))?;
        let entries = entries.filter_map(Result::ok).filter(|entry| entry.path().is_dir());
        let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        Ok(names)
    }

    /// What a target found so far, apart from the seeds that are committed.
    fn found(&self, target: &str) -> Result<PathBuf, String> {
        let folder = target_directory(&self.root).join("fuzz").join(target);
        fs::create_dir_all(&folder).map_err(|error| format!("create {}: {error}", folder.display()))?;
        Ok(folder)
    }

    /// The program in a shell that bounds its address space.
    fn command(&self, target: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", &format!(r#"ulimit -v {ADDRESS_SPACE_KIB} && exec "$0" "$@""#)])
            .arg(&self.program)
            .env("MAINSTAY_FUZZ_TARGET", target)
            .current_dir(&self.root)
            .stdin(Stdio::null());
        command
    }

    fn run_all(&self, targets: &[String]) -> Result<Vec<Tally>, String> {
        let waiting = Mutex::new(targets.iter());
        let tallies = Mutex::new(Vec::new());
        let next = || waiting.lock().ok()?.next();
        std::thread::scope(|scope| {
            let work = || -> Result<(), String> {
                while let Some(target) = next() {
                    let tally = self.run_one(target)?;
                    println!("{:16} {:>12} executions, coverage {}", tally.target, tally.executions, tally.coverage);
                    tallies.lock().map_err(|error| error.to_string())?.push(tally);
                }
                Ok(())
            };
            let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
            workers.into_iter().try_for_each(|worker| worker.join().unwrap_or_else(|_| Err("a worker died".to_owned())))
        })?;
        tallies.into_inner().map_err(|error| error.to_string())
    }

    fn run_one(&self, target: &str) -> Result<Tally, String> {
        let found = self.found(target)?;
        let artifacts = target_directory(&self.root).join(format!("fuzz/finding-{target}-"));
        let slowest = if self.options.executions.is_some() { SLOWEST_SECONDS_IN_LONG } else { SLOWEST_SECONDS };
        let mut command = self.command(target);
        command.arg(&found).arg(self.root.join(CORPUS).join(target)).args([
            format!("-rss_limit_mb={MEMORY_MIB}"),
            format!("-timeout={slowest}"),
            format!("-max_len={LONGEST_INPUT}"),
            format!("-artifact_prefix={}", artifacts.display()),
            "-print_final_stats=1".to_owned(),
        ]);
        match self.options.executions {
            Some(count) => command.arg(format!("-runs={count}")),
            None => command.arg(format!("-max_total_time={}", self.options.seconds)),
        };
        let output = command.output().map_err(|error| format!("run the fuzzer: {error}"))?;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        if !output.status.success() {
            return Err(format!("{target}: {}\n{}", output.status, last_lines(&told, 60)));
        }
        let executions = number_after(&told, "stat::number_of_executed_units:");
        let coverage = number_after(&told, " cov: ");
        match (executions, coverage) {
            (Some(executions), Some(coverage)) if coverage > 0 => {
                Ok(Tally { target: target.to_owned(), executions, coverage })
            }
            _ => Err(format!("{target}: no coverage was seen\n{}", last_lines(&told, 20))),
        }
    }

    /// Replaces the committed seeds by the smallest ones that reach what all inputs together reach.
    fn minimize(&self, target: &str) -> Result<(), String> {
        let (found, seeds) = (self.found(target)?, self.root.join(CORPUS).join(target));
        let small = target_directory(&self.root).join(format!("fuzz/smallest-{target}"));
        let failed = |error: std::io::Error| format!("minimize {target}: {error}");
        let _ = fs::remove_dir_all(&small);
        fs::create_dir_all(&small).map_err(failed)?;
        let output = self.command(target).arg("-merge=1").args([&small, &seeds, &found]).output().map_err(failed)?;
        expect_success(target, &output)?;
        fs::remove_dir_all(&seeds).and_then(|()| fs::create_dir(&seeds)).map_err(failed)?;
        for entry in fs::read_dir(&small).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if entry.metadata().map_err(failed)?.len() <= COMMITTED_LEN {
                fs::copy(entry.path(), seeds.join(entry.file_name())).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Writes the figures as the gates do.
    fn publish(&self, tallies: &[Tally], begun: Instant) -> Result<(), String> {
        let form = if self.options.executions.is_some() { "soak" } else { "short" };
        let line = format!("fuzzing\t{form}\t{}\t{} s\n", figures(tallies, &self.options), begun.elapsed().as_secs());
        print!("{line}");
        let folder = target_directory(&self.root).join("gates");
        let written = fs::create_dir_all(&folder).and_then(|()| fs::write(folder.join("fuzzing.txt"), &line));
        written.map_err(|error| format!("write {}: {error}", folder.display()))
    }
}

fn figures(tallies: &[Tally], options: &Options) -> String {
    let executions: u64 = tallies.iter().map(|tally| tally.executions).sum();
    let fewest = tallies.iter().map(|tally| tally.executions).min().unwrap_or_default();
    let how_long =
        if options.executions.is_some() { String::new() } else { format!(" for {} s each", options.seconds) };
    format!(
        "{} decoders{how_long}, guided by coverage, {} executions, at least {} each, at most {MEMORY_MIB} MiB of memory, \
         0 findings",
        tallies.len(),
        grouped(executions),
        grouped(fewest)
    )
}

/// 1234567 as `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().filter_map(|group| str::from_utf8(group).ok()).collect();
    groups.join(",")
}

fn expect_success(target: &str, output: &Output) -> Result<(), String> {
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{target}: {}\n{}", output.status, last_lines(&String::from_utf8_lossy(&output.stderr), 40)))
}

/// The last number that stands behind a word.
fn number_after(text: &str, word: &str) -> Option<u64> {
    let rest = text.rsplit_once(word)?.1.trim_start();
    let digits = rest.len() - rest.trim_start_matches(|digit: char| digit.is_ascii_digit()).len();
    rest.get(..digits)?.parse().ok()
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(count)..).unwrap_or_default().join("\n")
}
