//! Gate: power cuts at the level of the file system, beneath the local store's own protocol.
//!
//! Owns the sequences. The real local store works on a disk that is simulated; after each operation of it the power is cut,
//! and of what was not synced any part may be there. From what is found everything confirmed must restore, and the next
//! backup and prune must succeed alone. A gate that cannot fail proves nothing: disks that lie about syncing must be caught.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use mainstay_repo::{LocalStore, Store};

use crate::commands::{COMMANDS, Command, Process, unborn};
use crate::effort::{Effort, Figures, mix};
use crate::ledger::Ledger;
use crate::sim_disk::{Honesty, SimDisk, State};
use crate::sim_states::{durable, persisted, visible};

const ROOT: &str = "/disk/repository";
const STAGING: &str = "/disk/repository/tmp";

fn store(disk: &SimDisk) -> Arc<dyn Store> {
    Arc::new(LocalStore::on(Arc::new(disk.clone()), ROOT))
}

/// A disk between two commands.
#[derive(Clone)]
struct Place {
    disk: State,
    ledger: Ledger,
}

#[derive(Default)]
struct Tally {
    sequences: u64,
    /// Operations of the file system before which the power was cut.
    cuts: u64,
    /// Cuts, times what may have persisted.
    states: u64,
    /// Those of them that look different.
    distinct: u64,
    lost: Vec<String>,
}

struct Explorer {
    honesty: Honesty,
    /// States that are only looked at, for each from which the work goes on.
    stride: u64,
    seen: HashSet<u64>,
    seen_visible: HashSet<u64>,
    /// Tells apart what is expected of equal states.
    phase: u64,
    tally: Tally,
}

impl Explorer {
    fn new(honesty: Honesty, stride: u64) -> Self {
        let (seen, seen_visible, tally) = Default::default();
        Self { honesty, stride, seen, seen_visible, phase: 0, tally }
    }

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

    /// Runs a command, and cuts the power after each operation of the disk.
    fn command(&mut self, place: &Place, command: Command, path: &[Command]) -> Place {
        self.tally.sequences += 1;
        let (states, after) = self.run(place, command, Process::FIRST);
        let during = command.under_way(&place.ledger);
        self.phase += 1;
        self.seen.clear();
        for (number, state) in states.iter().enumerate() {
            self.cut(state, &during, &|| format!("{path:?}, power cut after operation {number}"));
        }
        self.phase += 1;
        self.cut(&after.disk, &after.ledger, &|| format!("{path:?}, power cut at its end"));
        after
    }

    fn run(&self, place: &Place, command: Command, process: Process) -> (Vec<State>, Place) {
        let mut before = place.disk.clone();
        // What lies in the staging folder is nobody's: only what this command leaves there is interesting.
        before.settle(Path::new(STAGING));
        let disk = SimDisk::with(before, self.honesty);
        let after = command.run(store(&disk), process, &place.ledger);
        let ledger = after.unwrap_or_else(|error| panic!("{command:?} without a power cut: {error}"));
        (disk.take_history(), Place { disk: disk.state(), ledger })
    }

    /// Looks at everything that a power cut may leave here.
    fn cut(&mut self, state: &State, ledger: &Ledger, story: &dyn Fn() -> String) {
        self.tally.cuts += 1;
        let base = durable(state) ^ mix(self.phase);
        let process = Process::FIRST.after_power_cut();
        for found in persisted(state) {
            self.tally.states += 1;
            if !self.seen.insert(found.key(base)) {
                continue;
            }
            let disk = found.disk(state);
            if !self.seen_visible.insert(visible(&disk.state(), Path::new(STAGING)) ^ mix(self.phase)) {
                continue;
            }
            self.tally.distinct += 1;
            let store = store(&disk);
            let goes_on = self.tally.distinct.is_multiple_of(self.stride);
            let verdict = ledger.look(&store, &process);
            let verdict = verdict.and_then(|()| if goes_on { ledger.go_on(&store, &process) } else { Ok(()) });
            if let Err(why) = verdict {
                self.tally.lost.push(format!("{}: {why}", story()));
            }
        }
    }

    /// Kills a command at each of its operations, without a power cut; another one finishes its work; then the power is cut.
    /// What the first one left unsynced must not take along what the second one has confirmed.
    fn kill_and_go_on(&mut self, place: &Place, command: Command, other: Command) {
        let (states, _) = self.run(place, command, Process::FIRST);
        let during = command.under_way(&place.ledger);
        for (number, state) in states.into_iter().enumerate() {
            let mut ledger = during.clone();
            let disk = SimDisk::with(state, self.honesty);
            let process = Process::FIRST.after_kill();
            // A creation that was killed may be complete.
            if !ledger.exists {
                ledger.exists = ledger.look_whether_it_exists(&store(&disk), process);
            }
            let next = if ledger.exists { other } else { Command::Init };
            let after = next.run(store(&disk), process, &ledger);
            let after = after.unwrap_or_else(|error| panic!("{next:?} after a kill at operation {number}: {error}"));
            self.phase += 1;
            self.seen.clear();
            let story = || format!("{command:?} killed at operation {number}, then {next:?}, then a power cut");
            self.cut(&disk.state(), &after, &story);
        }
    }
}

fn nothing(seed: u64) -> Place {
    Place { disk: SimDisk::new(Honesty::Honest).state(), ledger: unborn(seed) }
}

fn with_a_past(seed: u64) -> Place {
    let explorer = Explorer::new(Honesty::Honest, 1);
    use Command::{AddKey, Backup, Forget, Init, Prune};
    let commands = [Init, AddKey, Backup, Backup, Forget, Prune, Backup, Forget];
    commands.into_iter().fold(nothing(seed), |place, command| explorer.run(&place, command, Process::FIRST).1)
}

#[test]
fn whatever_a_power_cut_leaves_on_a_disk_everything_confirmed_restores() {
    let effort = Effort::asked();
    let mut figures = Figures::of("crash states of the disk");
    let (depth, stride) = if effort.is_long() { (3, 1) } else { (2, 4) };
    let mut explorer = Explorer::new(Honesty::Honest, stride);
    let mut round = 0;
    loop {
        let (new, old) = (nothing(effort.seed(round)), with_a_past(effort.seed(round)));
        explorer.sequences(&new, 3, &mut Vec::new());
        explorer.sequences(&old, depth, &mut Vec::new());
        explorer.kill_and_go_on(&new, Command::Init, Command::Backup);
        for command in COMMANDS {
            explorer.kill_and_go_on(&old, command, Command::Backup);
            explorer.kill_and_go_on(&old, command, Command::Prune);
        }
        round += 1;
        if !effort.goes_on() || !explorer.tally.lost.is_empty() {
            break;
        }
        explorer.seen_visible.clear();
    }
    let tally = explorer.tally;
    figures.add(tally.states, "states");
    figures.add(tally.distinct, "of them different to the eye");
    figures.add(tally.cuts, "power cuts");
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

/// What the gate finds on a disk that lies.
fn found_on(honesty: Honesty) -> usize {
    let mut explorer = Explorer::new(honesty, u64::MAX);
    explorer.sequences(&nothing(1), 2, &mut Vec::new());
    explorer.tally.lost.len()
}

#[test]
fn a_disk_that_does_not_sync_files_is_found_out() {
    assert!(found_on(Honesty::SyncsNoFile) > 0);
}

#[test]
fn a_disk_that_does_not_sync_directories_is_found_out() {
    assert!(found_on(Honesty::SyncsNoDirectory) > 0);
}
