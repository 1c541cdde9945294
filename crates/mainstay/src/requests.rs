//! The requests to a store, told one by one: `-vv`.
//!
//! Owns what such a line says. Changes no request.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use mainstay_repo::store::{Around, Request, Verb};

use crate::output::{escape, line_to_stderr, units};

/// Tells every request once it was answered.
pub struct Told {
    begun: Instant,
    /// How many there were.
    count: AtomicU64,
}

impl Told {
    pub fn new() -> Self {
        Self { begun: Instant::now(), count: AtomicU64::new(0) }
    }
}

impl Around for Told {
    fn request<T>(&self, request: Request<'_>, send: impl FnOnce() -> io::Result<(T, u64)>) -> io::Result<T> {
        let at = self.begun.elapsed();
        let number = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        let answer = send();
        let took = self.begun.elapsed().saturating_sub(at);
        let what = match (&answer, request.verb) {
            (Err(error), _) => format!("failed: {error}"),
            (Ok(_), Verb::Put) => units::size(request.sent),
            (Ok((_, got)), Verb::Read) => units::size(*got),
            (Ok(_), _) => String::new(),
        };
        let line = format!(
            "request {number} at {:.3} s, {:.1} ms: {} {} {what}",
            at.as_secs_f64(),
            took.as_secs_f64() * 1000.0,
            word(request.verb),
            request.name
        );
        line_to_stderr(&escape::message(line.trim_end()));
        answer.map(|(answer, _)| answer)
    }
}

fn word(verb: Verb) -> &'static str {
    match verb {
        Verb::Put => "put",
        Verb::Read => "read",
        Verb::Len => "length of",
        Verb::List => "list",
        Verb::Delete => "delete",
        Verb::Sync => "sync",
    }
}
