//! Random bytes from the operating system, and the refusal to go on without them.
//!
//! Owns the one door to the generator. Invariant: nothing is sealed with what a generator gave that is stuck: every draw is
//! followed by another one that must differ. That costs one more system call, and asks nothing of earlier draws.

use crate::error::{Error, Result};

/// Bytes of a draw that are compared: two honest draws agree in them once in 2⁶⁴ times.
const SAMPLE_LEN: usize = 8;

/// Draws random bytes from the operating system.
///
/// # Errors
/// When the generator fails, answers only zeros, or the same bytes twice in a row: sealing with such bytes would give data
/// away.
pub fn random<const N: usize>() -> Result<[u8; N]> {
    const { assert!(N >= SAMPLE_LEN, "too few bytes to tell whether the generator is stuck") };
    let mut bytes = [0; N];
    draw(&mut bytes)?;
    let mut next = [0; SAMPLE_LEN];
    draw(&mut next)?;
    if bytes.starts_with(&next) {
        return Err(Error::Random("the system's generator gave the same bytes twice"));
    }
    Ok(bytes)
}

fn draw(bytes: &mut [u8]) -> Result<()> {
    fill(bytes).ok_or(Error::Random("the system's generator failed"))?;
    if bytes.iter().all(|byte| *byte == 0) {
        return Err(Error::Random("the system's generator gave only zeros"));
    }
    Ok(())
}

#[cfg(not(test))]
fn fill(bytes: &mut [u8]) -> Option<()> {
    getrandom::fill(bytes).ok()
}

/// A generator that stands in for the system's in tests; answers whether it gave anything.
#[cfg(test)]
pub type Generator = fn(&mut [u8]) -> bool;

#[cfg(test)]
std::thread_local! {
    static GENERATOR: std::cell::Cell<Option<Generator>> = const { std::cell::Cell::new(None) };
}

#[cfg(test)]
fn fill(bytes: &mut [u8]) -> Option<()> {
    match GENERATOR.get() {
        Some(generator) => generator(bytes).then_some(()),
        None => getrandom::fill(bytes).ok(),
    }
}

/// Does some work on this thread with another generator.
#[cfg(test)]
pub fn with_generator<T>(generator: Generator, work: impl FnOnce() -> T) -> T {
    GENERATOR.set(Some(generator));
    let done = work();
    GENERATOR.set(None);
    done
}
