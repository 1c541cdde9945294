//! One fuzzer for all targets; `MAINSTAY_FUZZ_TARGET` says which.
//!
//! Owns the choice only: what a target does, and what must hold, stands in the crates' `fuzzing` modules.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

const VARIABLE: &str = "MAINSTAY_FUZZ_TARGET";

static CHOSEN: LazyLock<fn(&[u8]) -> bool> = LazyLock::new(|| {
    let name = std::env::var(VARIABLE).unwrap_or_default();
    let targets = mainstay_jobs::fuzzing::targets();
    let chosen = targets.iter().find(|(known, _)| *known == name).map(|(_, target)| *target);
    chosen.unwrap_or_else(|| {
        let known: Vec<&str> = targets.iter().map(|(known, _)| *known).collect();
        panic!("{VARIABLE}={name:?} is none of {}", known.join(" "))
    })
});

fuzz_target!(|input: &[u8]| {
    CHOSEN(input);
});
