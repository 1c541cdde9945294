//! One measured run of a program.
//!
//! Owns the clock: wall time from start to the end of a following sync, processor time and peak
//! memory of the program and of the children it waited for. It must not decide what is run.

use crate::binary::line_of;
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use wait4::Wait4;

/// What one operation took; for several programs in a row, their sum and their highest peak.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sample {
    pub wall: Duration,
    pub processor: Duration,
    pub peak_bytes: u64,
}

/// Runs the commands one after the other, their output into `log`, then a sync, all timed.
pub fn measure(commands: Vec<Command>, log: &Path) -> Result<Sample, String> {
    let start = Instant::now();
    let mut sample = Sample::default();
    for command in commands {
        let usage = run(command, log)?;
        sample.processor += usage.processor;
        sample.peak_bytes = sample.peak_bytes.max(usage.peak_bytes);
    }
    rustix::fs::sync();
    sample.wall = start.elapsed();
    Ok(sample)
}

/// Runs commands that prepare something; only their success matters.
pub fn prepare(commands: Vec<Command>, log: &Path) -> Result<(), String> {
    commands.into_iter().try_for_each(|command| run(command, log).map(drop))
}

fn run(mut command: Command, log: &Path) -> Result<Sample, String> {
    let name = line_of(&command);
    let context = |error| format!("run {name}: {error}");
    let output = File::options().create(true).append(true).open(log).map_err(context)?;
    let errors = output.try_clone().map_err(context)?;
    command.stdin(Stdio::null()).stdout(output).stderr(errors);
    let child = command.spawn().map_err(context)?;
    let used = child.wait4().map_err(context)?;
    if !used.status.success() {
        return Err(format!("run {name}: {}; see {}", used.status, log.display()));
    }
    Ok(Sample {
        wall: Duration::ZERO,
        processor: used.rusage.utime + used.rusage.stime,
        peak_bytes: used.rusage.maxrss,
    })
}

/// Empties the page cache, or says that this process may not.
pub fn drop_caches() {
    rustix::fs::sync();
    if let Err(error) = std::fs::write("/proc/sys/vm/drop_caches", "3") {
        eprintln!("bench: the caches stay warm: {error}");
    }
}

/// Reads every file beneath a directory, so that it is in the page cache as far as there is room.
pub fn warm(directory: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let (path, kind) = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)))?;
        if kind.is_dir() {
            warm(&path)?;
        } else if kind.is_file() {
            std::io::copy(&mut File::open(path)?, &mut std::io::sink())?;
        }
    }
    Ok(())
}
