//! The gates of the engine: what is promised when everything else has failed, tried by the ten thousand.
//!
//! Each gate runs in a short form with all other tests, and in a long one under `cargo xtask soak`. It writes its figures
//! to `target/gates/`, from where `./test` prints them. Nothing here knows more of the engine than a program that embeds it.

mod commands;
mod crash_disk;
mod crash_store;
mod damage;
mod effort;
mod errors;
mod far;
mod fault_disk;
mod fault_store;
mod hostile;
mod journal_store;
mod ledger;
mod parity;
mod reference;
mod requests;
mod s3;
mod sim_disk;
mod sim_states;
mod tree;
