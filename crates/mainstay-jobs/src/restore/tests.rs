//! Restores into real directories: what is written, what is left alone, and what cannot happen.

mod choosing;
mod damage;
mod overwriting;
mod reading;
mod replacing;
mod repository;
mod safety;
mod verifying;
mod verifying_metadata;
