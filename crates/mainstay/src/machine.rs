//! What this machine and this process are, and what time it is.
//!
//! Owns reading `/etc/machine-id`, `/proc` and the clock. Must not guess: what cannot be read is left empty, and a lease
//! then counts as alive.

use std::os::unix::ffi::OsStrExt as _;
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
    let boot = first_of(&["/proc/sys/kernel/random/boot_id"]).unwrap_or_default();
    Liveness {
        machine: machine(&boot),
        boot,
        process: std::process::id(),
        process_start: Arc::new(process_start),
        now: Arc::new(now),
    }
}

/// Something that no other machine has.
///
/// Without an id of the machine, as in many containers, the one of its start takes its place: a session from before a
/// restart is then not known to be gone. The name of the host tells cloned machines apart that kept one id, and the
/// namespace of process numbers tells containers apart: only within one does a process number mean a process.
fn machine(boot: &[u8]) -> Vec<u8> {
    let id = first_of(&["/etc/machine-id", "/var/lib/dbus/machine-id"]).unwrap_or_else(|| boot.to_vec());
    let namespace = std::fs::read_link("/proc/self/ns/pid").ok();
    let (false, Some(namespace)) = (id.is_empty(), namespace) else { return Vec::new() };
    [&id, host_name().as_bytes(), namespace.as_os_str().as_bytes()].join(&b'\n')
}

/// The name of this host.
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

fn first_of(paths: &[&str]) -> Option<Vec<u8>> {
    paths
        .iter()
        .filter_map(|path| std::fs::read(path).ok())
        .map(|bytes| bytes.trim_ascii().to_vec())
        .find(|bytes| !bytes.is_empty())
}

fn process_start(process: u32) -> Option<u64> {
    let seen = std::fs::read(format!("/proc/{process}/stat")).ok().and_then(|status| parse_process_start(&status));
    seen.or_else(|| exists(process).then_some(0))
}

/// Whether there may be such a process: another user's can be hidden in `/proc`.
fn exists(process: u32) -> bool {
    let number = i32::try_from(process).ok().and_then(rustix::process::Pid::from_raw);
    number.is_some_and(|number| rustix::process::test_kill_process(number) != Err(rustix::io::Errno::SRCH))
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
