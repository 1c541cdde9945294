//! Limits of the process that reading a deep tree needs raised.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Raises the number of files this process may have open to the most the system allows; the binary calls it once.
///
/// A walk holds one open directory per level and per pending directory, and the usual soft limit of 1024 is for programs
/// that use `select`. Returns the limit now in force (`None`: no limit).
pub fn raise_open_files() -> Option<u64> {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let before = limit.current;
        limit.current = limit.maximum;
        // A refusal leaves the old limit, with which all but very deep trees work.
        if setrlimit(Resource::Nofile, limit).is_err() {
            limit.current = before;
        }
    }
    limit.current
}
