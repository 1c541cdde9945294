//! Behaviour of the real binary, as a person or a script meets it.
//!
//! One test binary for all of it; each module is one part of the command line. Every test has an empty home of its own.

mod appearance;
mod archiving;
mod backing_up;
mod copying;
mod doctoring;
mod exporting;
mod failures;
mod fidelity;
mod first_run;
mod forgetting;
mod gates;
mod help;
mod importing;
mod incomplete;
mod interruption;
mod json;
mod keys;
mod looking;
mod lost_snapshots;
mod reader;
mod repairing;
mod requests;
mod restoring;
mod rewinding;
mod rights;
mod rolling;
mod safe_choices;
mod secrets;
mod servers;
mod sftp;
mod signals;
mod store;
mod stores;
mod syncing;
mod terminal;
mod tree;
mod troubles;
mod unprivileged;
mod world;
