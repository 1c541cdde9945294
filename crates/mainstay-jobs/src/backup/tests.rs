//! Backups of real trees: what comes back, what was read, and what was written to the store.

mod believing;
mod changing;
mod ending;
mod identity;
mod large;
mod lost;
mod rights;
mod telling;
mod types;
mod unconfirmed;
mod wide;
mod writing;
