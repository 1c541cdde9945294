//! What a backup says about itself while it runs.

use std::sync::{Mutex, PoisonError};

use crate::backup::{BackupRun, CLOCK_TOLERANCE, Input, Requested, backup};
use crate::ground::{Ground, Watched, options};
use crate::{Cancel, Outlook, Phase, Progress};

/// Files and bytes.
type Counts = (u64, u64);

/// Notes what is expected and done.
#[derive(Default)]
struct Notes(Mutex<Noted>);

#[derive(Clone, Default)]
struct Noted {
    expected: Counts,
    done: Counts,
    outlooks: Vec<Outlook>,
    /// What was expected whenever all was said to be known.
    known: Vec<Counts>,
}

impl Notes {
    fn note(&self, change: impl FnOnce(&mut Noted)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Progress for Notes {
    fn phase(&self, _: Phase) {}

    fn expect(&self, files: u64, bytes: u64) {
        self.note(|noted| noted.expected = (noted.expected.0 + files, noted.expected.1 + bytes));
    }

    fn outlook(&self, outlook: Outlook) {
        self.note(|noted| {
            noted.outlooks.push(outlook);
            if outlook == Outlook::InAll {
                noted.known.push(noted.expected);
            }
        });
    }

    fn item(&self, _: &dyn Fn() -> String) {}

    fn advance(&self, files: u64, bytes: u64) {
        self.note(|noted| noted.done = (noted.done.0 + files, noted.done.1 + bytes));
    }

    fn deduplicated(&self, _: u64) {}
    fn warn(&self, _: &str, _: &str) {}
}

fn noted(ground: &Ground, requested: Requested) -> Noted {
    let notes = Notes::default();
    backup(&BackupRun {
        repository: &ground.repository,
        input: Input::Tree(&Watched::new(&ground.source())),
        options: &options(requested),
        clock: &ground.clock,
        progress: &notes,
        cancel: &Cancel::default(),
        listed: &|_| {},
    })
    .unwrap();
    notes.0.into_inner().unwrap()
}

fn ground() -> Ground {
    let (ground, _) = Ground::in_memory();
    for (name, len) in [("a", 10), ("b/c", 100), ("b/d/e", 1000), ("z", 300_000)] {
        ground.write(name, &vec![7; len]);
    }
    ground
}

#[test]
fn a_first_backup_expects_what_it_lists_and_knows_all_when_all_is_listed() {
    let noted = noted(&ground(), Requested::Incremental);
    assert_eq!(noted.outlooks, [Outlook::AtLeast, Outlook::InAll]);
    assert_eq!(noted.known, [(4, 301_110)]);
    assert_eq!(noted.done, (4, 301_110));
}

#[test]
fn a_full_backup_expects_what_the_last_snapshot_had() {
    let ground = ground();
    ground.back_up(Requested::Incremental);
    ground.write("new", &[7; 5]);
    for requested in [Requested::Full, Requested::Incremental] {
        let noted = noted(&ground, requested);
        assert_eq!(noted.outlooks, [], "{requested:?}");
        assert_eq!(noted.expected, if requested == Requested::Full { (4, 301_110) } else { (5, 301_115) });
        assert_eq!(noted.done, (5, 301_115));
    }
}

#[test]
fn a_snapshot_from_the_future_that_was_forgotten_no_longer_makes_the_clock_wrong() {
    let ground = ground();
    let now = 1_700_000_000 * 1_000_000_000;
    ground.set_clock(now + 2 * CLOCK_TOLERANCE);
    let future = ground.back_up(Requested::Full).entry.unwrap();
    ground.set_clock(now);
    assert!(ground.back_up(Requested::Full).clock_is_behind);
    ground.repository.forget(future.id, now).unwrap();
    ground.set_clock(now);
    assert!(!ground.back_up(Requested::Full).clock_is_behind);
}
