//! A prune that is asked to stop: the engine learns of it, and the run ends with the code of the signal.

use clap::Parser as _;
use mainstay_jobs::{Cancel, NoProgress};
use mainstay_repo::PruneObserver as _;

use super::*;
use crate::arguments::Global;

#[derive(clap::Parser)]
struct Only {
    #[command(flatten)]
    global: Global,
}

#[test]
fn the_engine_sees_that_a_stop_was_asked_for() {
    let cancel = Cancel::default();
    let watch = Watch::of_prune(&NoProgress, &cancel);
    assert!(!watch.is_cancelled());
    cancel.request();
    assert!(watch.is_cancelled());
}

#[test]
fn a_prune_that_was_stopped_ends_with_130() {
    let Only { global } = Only::parse_from(["mainstay", "--quiet", "--no-progress"]);
    let mut long_run = LongRun::counting(&Context::new(global), Counted::Packs);
    let stopped = mainstay_jobs::Error::from(mainstay_repo::Error::Cancelled);
    let failure = long_run.end::<()>(Err(stopped)).unwrap_err();
    assert_eq!(failure.exit_code(), ExitCode::Interrupted);
}
