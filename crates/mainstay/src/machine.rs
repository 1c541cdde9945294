//! What this machine and this process are, and what time it is.
//!
//! Owns reading `/etc/machine-id`, `/proc` and the clock. Must not guess: what cannot be read is left empty, and a lease
//! then counts as alive.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use mainstay_repo::Liveness;

/// The real clock.
pub struct SystemClock;

impl mainstay_jobs::Clock for SystemClock {
    fn now(&self) -> i64 {
        now()
    }
}

/// Nanoseconds since the Unix epoch; times that do not fit (before 1678, after 2262) are the nearest that does.
pub fn now() -> i64 {
    let nanoseconds = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_nanos()),
        Err(before) => i64::try_from(before.duration().as_nanos()).map(|before| -before),
    };
    nanoseconds.unwrap_or(i64::MAX)
}

/// What tells the sessions of this process from those of others, and whether theirs are still there.
pub fn liveness() -> Liveness {
    Liveness {
        machine: first_of(&["/etc/machine-id", "/var/lib/dbus/machine-id"])
            .unwrap_or_else(|| host_name().into_bytes()),
        boot: first_of(&["/proc/sys/kernel/random/boot_id"]).unwrap_or_default(),
        process: std::process::id(),
        process_start: Arc::new(process_start),
    }
}

/// The name of this host.
pub fn host_name() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

fn first_of(paths: &[&str]) -> Option<Vec<u8>> {
    paths
        .iter()
        .filter_map(|path| std::fs::read(path).ok())
        .map(|bytes| bytes.trim_ascii().to_vec())
        .find(|bytes| !bytes.is_empty())
}

fn process_start(process: u32) -> Option<u64> {
    let status = std::fs::read(format!("/proc/{process}/stat")).ok()?;
    parse_process_start(&status)
}

/// Field 22 of `/proc/PID/stat` (proc_pid_stat(5)); field 2 may hold spaces and parentheses.
fn parse_process_start(status: &[u8]) -> Option<u64> {
    const FIELDS_BETWEEN: usize = 19;
    let behind_name = status.iter().rposition(|byte| *byte == b')')? + 1;
    let rest = std::str::from_utf8(status.get(behind_name..)?).ok()?;
    rest.split_ascii_whitespace().nth(FIELDS_BETWEEN)?.parse().ok()
}

#[cfg(test)]
mod tests;
