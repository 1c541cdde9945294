//! How fast a store is, as one caller sees it.
//!
//! Owns the figures. They come after the trials, so that connections are open. A disk may answer reads from memory: what was written
//! a moment ago is there.

use std::io;
use std::time::{Duration, Instant};

use mainstay_repo::Store;
use mainstay_repo::store::conformance::content;
use serde::Serialize;

use crate::output::units;

/// How often each call is made.
const CALLS: usize = 20;
const SMALL_LEN: usize = 1024;
/// As large as a pack.
const OBJECT_LEN: u64 = 16 << 20;

const FOLDER: &str = "packs/speed/";

/// How long one kind of call takes.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Latency {
    median_seconds: f64,
    worst_seconds: f64,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct Speed {
    put: Latency,
    get: Latency,
    list: Latency,
    bytes: u64,
    object_bytes: u64,
    write_bytes_per_second: u64,
    read_bytes_per_second: u64,
}

/// Measures a store by small calls and by so many bytes.
pub fn measure(store: &dyn Store, bytes: u64) -> io::Result<Speed> {
    let small = content("small", SMALL_LEN);
    let name = |call: usize| format!("{FOLDER}small/{call}");
    let put = latency(&|call| store.put(&name(call), &small))?;
    let get = latency(&|call| store.read(&name(call), SMALL_LEN as u64).map(drop))?;
    let list = latency(&|_| store.list(FOLDER).map(drop))?;
    let (mut written, mut read) = (Duration::ZERO, Duration::ZERO);
    let object_bytes = OBJECT_LEN.min(bytes);
    let lens: Vec<u64> =
        (0..bytes.div_ceil(object_bytes)).map(|n| object_bytes.min(bytes - n * object_bytes)).collect();
    let name = |number: usize| format!("{FOLDER}large/{number}");
    for (number, len) in lens.iter().enumerate() {
        // Other bytes for each, so that no store keeps them once only.
        let object = content(&name(number), *len as usize);
        written += timed(|| store.put(&name(number), &object))?;
    }
    for (number, len) in lens.iter().enumerate() {
        read += timed(|| store.read_at(&name(number), 0, &mut vec![0; *len as usize]))?;
    }
    let rate = |took: Duration| (bytes as f64 / took.as_secs_f64().max(1e-6)) as u64;
    let (write_bytes_per_second, read_bytes_per_second) = (rate(written), rate(read));
    Ok(Speed { put, get, list, bytes, object_bytes, write_bytes_per_second, read_bytes_per_second })
}

fn timed(call: impl FnOnce() -> io::Result<()>) -> io::Result<Duration> {
    let start = Instant::now();
    call()?;
    Ok(start.elapsed())
}

fn latency(call: &dyn Fn(usize) -> io::Result<()>) -> io::Result<Latency> {
    let mut took = (0..CALLS).map(|number| timed(|| call(number))).collect::<io::Result<Vec<_>>>()?;
    took.sort_unstable();
    let seconds = |at: usize| took.get(at).map_or(0.0, Duration::as_secs_f64);
    Ok(Latency { median_seconds: seconds(CALLS / 2), worst_seconds: seconds(CALLS - 1) })
}

impl Speed {
    /// The figures for people, one a line, each with its name.
    pub fn lines(&self) -> Vec<(&'static str, String)> {
        let rate = |per_second| {
            format!(
                "{}/s, {} in objects of {}",
                units::size(per_second),
                units::size(self.bytes),
                units::size(self.object_bytes)
            )
        };
        vec![
            ("put", self.put.words()),
            ("get", self.get.words()),
            ("list", self.list.words()),
            ("write", rate(self.write_bytes_per_second)),
            ("read", rate(self.read_bytes_per_second)),
        ]
    }
}

impl Latency {
    fn words(&self) -> String {
        let milliseconds = |seconds: f64| format!("{:.2} ms", seconds * 1000.0);
        format!(
            "{} (median of {CALLS}), {} at worst",
            milliseconds(self.median_seconds),
            milliseconds(self.worst_seconds)
        )
    }
}
