//! Gate: an error at every call of a store, and at every operation of a disk.
//!
//! Owns what counts as a false success: a command that answers success and has not done its work, a check or a verify that
//! finds a damaged repository sound, a restore without a warning that is not what was backed up. Whatever a command
//! answers, nothing confirmed is lost by it.

use std::path::Path;
use std::sync::Arc;

use mainstay_jobs::check::check;
use mainstay_jobs::verify::{VerifyOptions, verify};
use mainstay_jobs::{Cancel, NoProgress};
use mainstay_repo::{LocalStore, Repository, Store, names};

use crate::commands::{COMMANDS, Command, Process, bring_back, secret, unborn};
use crate::effort::{Effort, Figures};
use crate::fault_disk::FaultDisk;
use crate::fault_store::{FAULTS, FaultStore, Plan, Trigger};
use crate::journal_store::{JournalStore, Objects};
use crate::ledger::{Ledger, Verdict};
use crate::sim_disk::{Honesty, SimDisk, State};
use crate::sim_states::persisted;

#[derive(Default)]
struct Tally {
    injected: u64,
    /// Commands that answered success in spite of it.
    successes: u64,
    wrong: Vec<String>,
}

impl Tally {
    fn note(&mut self, story: &dyn Fn() -> String, verdict: Verdict) {
        if let Err(why) = verdict {
            self.wrong.push(format!("{}: {why}", story()));
        }
    }

    fn publish(self, mut figures: Figures) {
        figures.add(self.injected, "errors injected");
        figures.add(self.successes, "commands that went on to success");
        figures.add(self.wrong.len() as u64, "false successes or losses");
        figures.publish(Effort::Short);
        assert!(self.wrong.is_empty(), "{}: {:#?}", self.wrong.len(), &self.wrong[..self.wrong.len().min(5)]);
    }
}

/// The plans for one command: each fault at each of so many calls, once; and the first kinds from that call on.
fn plans(calls: u64) -> impl Iterator<Item = Plan> {
    (0..calls).flat_map(|at| {
        let once = FAULTS.into_iter().map(move |fault| Plan { fault, at, lasts: false });
        once.chain(FAULTS[..2].iter().map(move |fault| Plan { fault: *fault, at, lasts: true }))
    })
}

/// A repository in memory.
#[derive(Clone)]
struct InMemory {
    objects: Objects,
    ledger: Ledger,
}

impl InMemory {
    fn with_a_past() -> Self {
        use Command::{AddKey, Backup, Forget, Init};
        let mut place = Self { objects: Objects::new(), ledger: unborn(5) };
        // What is forgotten is the first by its identifier, so it must not be the newest that a restore is compared with.
        for command in [Init, AddKey, Backup, Forget, Backup, Backup] {
            let store = JournalStore::with(place.objects);
            let ledger = command
                .run(Arc::new(store.clone()), Process::FIRST, &place.ledger)
                .expect("a gate begins with what is healthy");
            place = Self { objects: store.objects(), ledger };
        }
        place
    }

    fn over(&self, plan: Option<Plan>) -> (JournalStore, FaultStore) {
        let store = JournalStore::with(self.objects.clone());
        (store.clone(), FaultStore { store: Arc::new(store), trigger: Trigger::new(plan) })
    }

    fn try_command(&self, command: Command, tally: &mut Tally) {
        let (_, healthy) = self.over(None);
        command
            .run(Arc::new(healthy.clone()), Process::FIRST, &self.ledger)
            .expect("a gate begins with what is healthy");
        for plan in plans(healthy.trigger.calls()) {
            tally.injected += 1;
            let story = || format!("{command:?} with {plan:?}");
            let (store, failing) = self.over(Some(plan));
            let answer = command.run(Arc::new(failing), Process::FIRST, &self.ledger);
            let process = Process::FIRST.after_kill();
            let store: Arc<dyn Store> = Arc::new(store);
            let ledger = match answer {
                Ok(ledger) => {
                    tally.successes += 1;
                    ledger
                }
                Err(_) => command.under_way(&self.ledger),
            };
            let verdict = ledger.look(&store, &process).and_then(|()| ledger.go_on(&store, &process));
            tally.note(&story, verdict);
        }
    }
}

#[test]
fn an_error_of_a_store_never_ends_in_a_success_that_is_none() {
    let (figures, mut tally) = (Figures::of("errors of the store"), Tally::default());
    let nothing = InMemory { objects: Objects::new(), ledger: unborn(3) };
    nothing.try_command(Command::Init, &mut tally);
    let place = InMemory::with_a_past();
    for command in COMMANDS {
        place.try_command(command, &mut tally);
    }
    tally.publish(figures);
}

/// The same repository with one byte of a pack of this kind exchanged.
fn damaged(place: &InMemory, largest: bool) -> InMemory {
    let mut place = place.clone();
    let packs = place.objects.iter().filter(|(name, _)| name.starts_with(names::PACKS));
    let key = |bytes: &Arc<[u8]>| if largest { bytes.len() as i64 } else { -(bytes.len() as i64) };
    let (name, bytes) = packs
        .max_by_key(|(_, bytes)| key(bytes))
        .map(|(name, bytes)| (name.clone(), bytes))
        .expect("a gate begins with what is healthy");
    let mut bytes = bytes.to_vec();
    bytes[100] ^= 1;
    place.objects.insert(name, bytes.into());
    place
}

/// Whether check and verify, together, find this repository sound. An error is no such answer.
fn is_called_sound(store: Arc<dyn Store>, ledger: &Ledger) -> bool {
    let options = VerifyOptions { sample: None, seed: 0 };
    let Ok(repository) = Repository::open(store, &secret(&ledger.codes[0].1), Process::FIRST.liveness()) else {
        return false;
    };
    let checked = check(&repository, &NoProgress, &Cancel::default());
    let verified = verify(&repository, &options, &NoProgress, &Cancel::default());
    checked.is_ok_and(|report| report.is_sound()) && verified.is_ok_and(|report| report.is_sound())
}

/// Restores the newest snapshot; answers whether nothing was said to be wrong.
fn restores(store: Arc<dyn Store>, ledger: &Ledger, target: &Path) -> bool {
    let Ok(repository) = Repository::open(store, &secret(&ledger.codes[0].1), Process::FIRST.liveness()) else {
        return false;
    };
    let newest = repository.snapshots().ok().and_then(|entries| entries.into_iter().rfind(|entry| !entry.forgotten));
    let Some(entry) = newest else { return false };
    bring_back(&repository, &entry, target).is_ok_and(|report| report.warnings.is_empty())
}

#[test]
fn an_error_of_a_store_never_makes_damage_look_sound() {
    let (figures, mut tally) = (Figures::of("errors under check and verify"), Tally::default());
    let whole = InMemory::with_a_past();
    assert!(is_called_sound(whole.over(None).1.store, &whole.ledger));
    for place in [damaged(&whole, true), damaged(&whole, false)] {
        let (_, healthy) = place.over(None);
        assert!(!is_called_sound(Arc::new(healthy.clone()), &place.ledger));
        for plan in plans(healthy.trigger.calls()) {
            tally.injected += 1;
            if is_called_sound(Arc::new(place.over(Some(plan)).1), &place.ledger) {
                tally.note(&|| format!("{plan:?}"), Err("a damaged repository is called sound".to_owned()));
            }
        }
    }
    tally.publish(figures);
}

#[test]
fn an_error_of_a_store_never_makes_a_restore_silently_wrong() {
    let (figures, mut tally) = (Figures::of("errors under restore"), Tally::default());
    let place = InMemory::with_a_past();
    let directory = tempfile::tempdir().expect("a gate begins with what is healthy");
    let (_, healthy) = place.over(None);
    assert!(restores(Arc::new(healthy.clone()), &place.ledger, &directory.path().join("whole")));
    for (number, plan) in plans(healthy.trigger.calls()).enumerate() {
        tally.injected += 1;
        let target = directory.path().join(number.to_string());
        if restores(Arc::new(place.over(Some(plan)).1), &place.ledger, &target) {
            tally.successes += 1;
            tally.note(&|| format!("{plan:?}"), compare(&target, &place.ledger));
        }
    }
    tally.publish(figures);
}

/// Compares what was restored with what the source held.
fn compare(target: &Path, ledger: &Ledger) -> Verdict {
    for (path, bytes) in &ledger.tree.0 {
        match std::fs::read(target.join(path)) {
            Ok(restored) if restored == **bytes => {}
            Ok(_) => return Err(format!("{path} is wrong")),
            Err(error) => return Err(format!("{path}: {error}")),
        }
    }
    Ok(())
}

const ROOT: &str = "/disk/repository";

fn on(disk: FaultDisk) -> Arc<dyn Store> {
    Arc::new(LocalStore::on(Arc::new(disk), ROOT))
}

/// A repository on a simulated disk.
struct OnDisk {
    state: State,
    ledger: Ledger,
}

impl OnDisk {
    fn with_a_past() -> Self {
        use Command::{AddKey, Backup, Forget, Init};
        let mut place = Self { state: SimDisk::new(Honesty::Honest).state(), ledger: unborn(6) };
        for command in [Init, AddKey, Backup, Backup, Forget] {
            let disk = place.disk(None);
            let ledger = command
                .run(on(disk.clone()), Process::FIRST, &place.ledger)
                .expect("a gate begins with what is healthy");
            place = Self { state: disk.disk.state(), ledger };
        }
        place
    }

    fn disk(&self, plan: Option<Plan>) -> FaultDisk {
        let disk = SimDisk::with(self.state.clone(), Honesty::Honest);
        FaultDisk { disk, trigger: Trigger::new(plan) }
    }

    fn try_command(&self, command: Command, tally: &mut Tally) {
        let healthy = self.disk(None);
        command.run(on(healthy.clone()), Process::FIRST, &self.ledger).expect("a gate begins with what is healthy");
        for plan in plans(healthy.trigger.calls()) {
            tally.injected += 1;
            let story = || format!("{command:?} on a disk with {plan:?}");
            let failing = self.disk(Some(plan));
            let answer = command.run(on(failing.clone()), Process::FIRST, &self.ledger);
            let ledger = match &answer {
                Ok(ledger) => ledger.clone(),
                Err(_) => command.under_way(&self.ledger),
            };
            tally.successes += u64::from(answer.is_ok());
            // What is there now, and what is there when the power is cut at once.
            let now = failing.disk.state();
            let process = Process::FIRST.after_power_cut();
            let goes_on = tally.injected.is_multiple_of(5);
            for found in [SimDisk::with(now.clone(), Honesty::Honest), persisted(&now)[0].disk(&now)] {
                let store = on(FaultDisk { disk: found, trigger: Trigger::new(None) });
                let verdict = ledger.look(&store, &process);
                let verdict = verdict.and_then(|()| if goes_on { ledger.go_on(&store, &process) } else { Ok(()) });
                tally.note(&story, verdict);
            }
        }
    }
}

#[test]
fn an_error_of_a_disk_never_ends_in_a_success_that_is_none() {
    let (figures, mut tally) = (Figures::of("errors of the disk"), Tally::default());
    let nothing = OnDisk { state: SimDisk::new(Honesty::Honest).state(), ledger: unborn(3) };
    nothing.try_command(Command::Init, &mut tally);
    let place = OnDisk::with_a_past();
    for command in COMMANDS {
        place.try_command(command, &mut tally);
    }
    tally.publish(figures);
}
