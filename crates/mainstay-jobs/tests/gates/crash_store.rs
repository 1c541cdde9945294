//! Gate: crashes at the level of the store's contract.
//!
//! Owns the sequences. Every sequence of one to three commands is run from an empty store and from a repository with a past;
//! a crash leaves what was published and deleted before any one operation. From each such state everything confirmed must
//! restore, and the next backup and prune must succeed alone; and those are killed before each of their operations in turn.
//! Two writers beside each other leave any number of the operations of each.

use std::sync::Arc;

use mainstay_repo::{Store, names};

use crate::commands::{COMMANDS, Command, Process, unborn};
use crate::effort::{Draws, Effort, Figures};
use crate::journal_store::{JournalStore, Objects, Operation};
use crate::ledger::{Ledger, Verdict};

/// A repository as it is between two commands.
#[derive(Clone)]
struct Place {
    objects: Objects,
    ledger: Ledger,
}

/// What was counted, and what was lost.
#[derive(Default)]
struct Tally {
    sequences: u64,
    /// Crashes of a command.
    crashes: u64,
    /// Crashes of what ran after a crash.
    second_crashes: u64,
    lost: Vec<String>,
}

impl Tally {
    fn note(&mut self, story: impl FnOnce() -> String, verdict: Verdict) {
        if let Err(why) = verdict {
            self.lost.push(format!("{}: {why}", story()));
        }
    }

    fn states(&self) -> u64 {
        self.crashes + self.second_crashes
    }
}

/// The stride of the short form.
const SHORT_STRIDE: usize = 3;

struct Explorer {
    tally: Tally,
    /// Of what goes on after a crash every how manieth operation is killed, another set of them at each crash.
    stride: usize,
}

impl Explorer {
    /// Runs every sequence of up to `depth` commands that begins here.
    fn sequences(&mut self, place: &Place, depth: usize, path: &mut Vec<Command>) {
        if depth == 0 {
            return;
        }
        for command in COMMANDS.into_iter().chain([Command::Init]) {
            if !command.applies(&place.ledger) {
                continue;
            }
            path.push(command);
            let after = self.command(place, command, path);
            self.sequences(&after, depth - 1, path);
            path.pop();
        }
    }

    /// Runs a command, and looks at each state in which a crash may leave the store.
    fn command(&mut self, place: &Place, command: Command, path: &[Command]) -> Place {
        self.tally.sequences += 1;
        let place = &if command == Command::Repair { damaged(place) } else { place.clone() };
        let store = JournalStore::with(place.objects.clone());
        let after = command.run(Arc::new(store.clone()), Process::FIRST, &place.ledger);
        let after = after.unwrap_or_else(|error| panic!("{path:?} without a crash: {error}"));
        let operations = store.take_operations();
        let during = command.under_way(&place.ledger);
        let mut objects = place.objects.clone();
        for (number, operation) in operations.iter().enumerate() {
            self.crash(&objects, &during, || format!("{path:?}, killed before operation {number}"));
            operation.apply(&mut objects);
        }
        self.crash(&objects, &after, || format!("{path:?}, killed at its end"));
        Place { objects, ledger: after }
    }

    fn crash(&mut self, objects: &Objects, ledger: &Ledger, story: impl Fn() -> String) {
        self.tally.crashes += 1;
        let process = Process::FIRST.after_kill();
        let store = JournalStore::with(objects.clone());
        let shared: Arc<dyn Store> = Arc::new(store.clone());
        let verdict = ledger.look(&shared, &process).and_then(|()| ledger.go_on(&shared, &process));
        self.tally.note(&story, verdict);
        let mut during = ledger.clone();
        during.under_way.push(ledger.next_tree());
        self.second_crashes((objects.clone(), &store.take_operations()), &during, story);
    }

    /// Kills what went on after a crash, before each of its operations.
    fn second_crashes(
        &mut self,
        (mut objects, operations): (Objects, &[Operation]),
        ledger: &Ledger,
        story: impl Fn() -> String,
    ) {
        let process = Process::FIRST.after_kill().after_kill();
        let turn = self.tally.crashes as usize;
        for (number, operation) in operations.iter().enumerate() {
            operation.apply(&mut objects);
            if !(number + turn).is_multiple_of(self.stride) {
                continue;
            }
            self.tally.second_crashes += 1;
            let store: Arc<dyn Store> = Arc::new(JournalStore::with(objects.clone()));
            let verdict = ledger.look(&store, &process);
            self.tally.note(|| format!("{}, and again after operation {number}", story()), verdict);
        }
    }

    /// Two writers that began at the same time: a crash leaves so many operations of the one and so many of the other.
    fn two_writers(&mut self, place: &Place) {
        let runs: Vec<_> = [0, 1000]
            .map(|more| {
                let store = JournalStore::with(place.objects.clone());
                let ledger = Ledger { step: place.ledger.step + more, ..place.ledger.clone() };
                let after = Command::Backup
                    .run(Arc::new(store.clone()), Process::FIRST, &ledger)
                    .expect("a gate begins with what is healthy");
                (store.take_operations(), Command::Backup.under_way(&ledger).under_way, after.kept)
            })
            .into();
        let [(first, first_tree, first_kept), (second, second_tree, second_kept)] = &runs[..] else { return };
        for of_first in 0..=first.len() {
            for of_second in 0..=second.len() {
                let mut objects = place.objects.clone();
                first[..of_first].iter().chain(&second[..of_second]).for_each(|one| one.apply(&mut objects));
                let mut ledger = place.ledger.clone();
                ledger.under_way.extend(first_tree.iter().chain(second_tree).cloned());
                if of_first == first.len() {
                    ledger.kept.extend(first_kept.clone());
                }
                if of_second == second.len() {
                    ledger.kept.extend(second_kept.clone());
                }
                self.crash(&objects, &ledger, || format!("two backups, killed after {of_first} and {of_second}"));
            }
        }
    }
}

/// The same place with damage to a pack that has parity, if there is one.
fn damaged(place: &Place) -> Place {
    let has_parity = |name: &str| {
        let id = names::parse_pack(name).map(|(id, _)| format!("{}{id}-", names::PARITY));
        id.is_ok_and(|sidecar| place.objects.keys().any(|other| other.starts_with(&sidecar)))
    };
    let mut damaged = place.clone();
    let pack = place.objects.iter().find(|(name, _)| name.starts_with(names::PACKS) && has_parity(name));
    if let Some((name, bytes)) = pack {
        let mut bytes = bytes.to_vec();
        bytes[50] ^= 1;
        damaged.objects.insert(name.clone(), bytes.into());
        damaged.ledger.is_damaged = true;
    }
    damaged
}

/// An empty store, and the code that will open it.
fn nothing(seed: u64) -> Place {
    Place { objects: Objects::new(), ledger: unborn(seed) }
}

/// A repository with two keys, three snapshots of which one is forgotten, parity, and a prune behind it.
fn with_a_past(seed: u64) -> Place {
    let mut place = nothing(seed);
    use Command::{AddKey, AddParity, Backup, Forget, Init, Prune};
    for command in [Init, AddKey, Backup, Backup, Forget, Prune, Backup, AddParity, Backup, Forget] {
        let store = JournalStore::with(place.objects);
        let ledger = command
            .run(Arc::new(store.clone()), Process::FIRST, &place.ledger)
            .expect("a gate begins with what is healthy");
        place = Place { objects: store.objects(), ledger };
    }
    place
}

/// Explores from one place until there is enough of it, and says what it came to.
fn explore(gate: &'static str, mut round: impl FnMut(&mut Explorer, u64)) {
    let effort = Effort::asked();
    let mut figures = Figures::of(gate);
    let mut explorer = Explorer { tally: Tally::default(), stride: if effort.is_long() { 1 } else { SHORT_STRIDE } };
    let mut number = 0;
    loop {
        round(&mut explorer, effort.seed(number));
        number += 1;
        if !effort.goes_on() || !explorer.tally.lost.is_empty() {
            break;
        }
    }
    let tally = explorer.tally;
    figures.add(tally.states(), "states");
    figures.add(tally.second_crashes, "of them after a second crash");
    figures.add(tally.sequences, "sequences");
    figures.add(tally.lost.len() as u64, "lost");
    figures.publish(effort);
    assert!(
        tally.lost.is_empty(),
        "{} lost, the first: {:#?}",
        tally.lost.len(),
        &tally.lost[..tally.lost.len().min(5)]
    );
}

#[test]
fn whatever_a_crash_leaves_in_a_new_store_everything_confirmed_restores() {
    explore("crash states of a new store", |explorer, seed| {
        explorer.sequences(&nothing(seed), 3, &mut Vec::new());
        explorer.two_writers(&with_a_past(Draws::new(seed).next() >> 8));
    });
}

#[test]
fn whatever_a_crash_leaves_in_a_store_with_a_past_everything_confirmed_restores() {
    explore("crash states of a store with a past", |explorer, seed| {
        explorer.sequences(&with_a_past(seed), 3, &mut Vec::new());
    });
}
