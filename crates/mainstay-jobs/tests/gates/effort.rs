//! How much a gate does, and where its figures go.
//!
//! Owns the environment variables by which `cargo xtask soak` asks for the long form.

use std::fmt::Display;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long a gate goes on.
#[derive(Clone, Copy, Debug)]
pub enum Effort {
    /// A fixed amount of work, the same on every machine.
    Short,
    /// Until that moment, with other seeds every time.
    Long(Instant),
}

impl Effort {
    /// The long form where `MAINSTAY_SOAK_MINUTES` says for how long.
    pub fn asked() -> Self {
        let minutes = std::env::var("MAINSTAY_SOAK_MINUTES").ok();
        match minutes.and_then(|minutes| minutes.parse::<f64>().ok()) {
            Some(minutes) => Self::Long(Instant::now() + Duration::from_secs_f64(minutes * 60.0)),
            None => Self::Short,
        }
    }

    pub fn is_long(self) -> bool {
        matches!(self, Self::Long(_))
    }

    /// Whether there is time for more in the long form.
    pub fn goes_on(self) -> bool {
        matches!(self, Self::Long(until) if Instant::now() < until)
    }

    /// The seed of a round: 0 first, so that the short form is always the same.
    pub fn seed(self, round: u64) -> u64 {
        match (self, round) {
            (Self::Short, _) | (_, 0) => round,
            (Self::Long(_), _) => {
                let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
                clock.map_or(round, |since| since.as_nanos() as u64) ^ round.rotate_left(32)
            }
        }
    }
}

/// What a gate counted, as a line of a table.
pub struct Figures {
    gate: &'static str,
    begun: Instant,
    parts: Vec<String>,
}

impl Figures {
    pub fn of(gate: &'static str) -> Self {
        Self { gate, begun: Instant::now(), parts: Vec::new() }
    }

    /// Adds a figure: `figures.add(52_114, "states")`.
    pub fn add(&mut self, number: u64, what: impl Display) {
        self.parts.push(format!("{} {what}", grouped(number)));
    }

    /// Writes the line to `target/gates/<gate>.txt`, and prints it.
    pub fn publish(self, effort: Effort) {
        let form = if effort.is_long() { "soak" } else { "short" };
        let line =
            format!("{}\t{form}\t{}\t{:.0} s\n", self.gate, self.parts.join(", "), self.begun.elapsed().as_secs_f64());
        let folder = folder();
        let file = folder.join(format!("{}.txt", self.gate));
        std::fs::create_dir_all(&folder)
            .and_then(|()| std::fs::write(file, &line))
            .expect("a gate begins with what is healthy");
        println!("{}", line.trim_end());
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/gates")
}

/// 1234567 as `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Numbers that look random, from a seed.
pub struct Draws(u64);

impl Draws {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

/// Spreads the bits of a number (the finaliser of SplitMix64).
pub fn mix(number: u64) -> u64 {
    let mut mixed = number;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
