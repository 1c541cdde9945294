//! `mainstay archive restore`: brings back the one snapshot of an archive.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;

use mainstay_jobs::select::normalise;
use mainstay_repo::Right;

use super::places;
use crate::commands::restore::{How, bring_back};
use crate::context::Context;
use crate::exit_code::ExitCode;
use crate::failure::Result;

const EXAMPLES: &str = "\
Examples:
  mainstay archive restore /mnt/vault/20260301-1a2b3c4d --target out --password-file vault-kit.txt
  mainstay archive restore /mnt/vault/20260301-1a2b3c4d /home/me/notes --target notes --verify";

/// Bring back what is in an archive, or a path of it
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The archive
    #[arg(value_name = "ARCHIVE")]
    place: OsString,
    /// A path in it [default: all]
    #[arg(value_name = "PATH")]
    path: Option<OsString>,
    #[command(flatten)]
    how: How,
}

pub fn run(arguments: &Arguments, context: &Context) -> Result<ExitCode> {
    let place = context.find(Some(&arguments.place))?;
    let archive = places::read(&place)?;
    places::require_warm(&archive, &place, context)?;
    let snapshot = archive.manifest().snapshot.to_string();
    let path = arguments.path.as_ref().map(|path| normalise(path.as_bytes())).transpose()?;
    let opened = context.open_place(&place)?;
    opened.repository.require(Right::Restore, "restore")?;
    bring_back(&opened, (&snapshot, None, path), &arguments.how, context)
}
