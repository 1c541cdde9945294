//! An exhaustively checked model of the protocol in `docs/concurrency.md`: leases, condemned lists, fences, settlements.
//!
//! Owns the joining of actors and properties into a model, and its runs. The model is of the page, not of the code. Each
//! operation on the store is one step, and anybody may be passed over for ever after any step: so each run covers every
//! pause, every crash and every order. Listings are atomic, as the page demands of a store. Tables are part of their packs, and
//! thinning is left out.
//!
//! `MAINSTAY_MODEL=long` runs the larger settings too.

mod collector;
mod copied;
mod errands;
mod fences;
mod finish;
mod flaws;
mod leftovers;
mod promises;
mod rules;
mod settings;
mod world;
mod writer;

use std::fmt;
use std::path::Path as FilePath;
use std::time::Instant;

use stateright::{Checker, HasDiscoveries, Model, Path, Property};

use collector::Collector;
use errands::Syncer;
use rules::Rules;
use world::{COLLECTORS, LISTS, Lease, OLD, PACKS, SESSIONS, Set, WRITERS, World};
use writer::Writer;

/// The model of one setting.
#[derive(Clone)]
struct Protocol {
    rules: Rules,
}

/// One actor does one step, in one of the ways that are open to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Step {
    actor: Actor,
    choice: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Actor {
    Writer(usize),
    Collector(usize),
    Forgetter,
    Syncer,
}

impl Protocol {
    fn first_world(&self) -> World {
        let rules = &self.rules;
        let mut writers = [Writer::new(writer::At::Away); WRITERS];
        for (writer, needs) in writers.iter_mut().zip(rules.writers) {
            writer.at = if needs == 0 { writer::At::Away } else { writer::At::PutLease };
        }
        if rules.copied.is_some() {
            writers[0].at = writer::At::Away;
        }
        if rules.undeletes > 0 {
            writers[world::UNDELETER].at = writer::At::PutLease;
        }
        let mut collectors = [Collector::new(collector::At::Away); COLLECTORS];
        collectors.iter_mut().take(rules.collectors).for_each(|one| one.at = collector::At::PutLease);
        let old = if rules.old_snapshot == 0 { 0 } else { 1 << OLD };
        let mut world = World {
            there: 0,
            content: [0; PACKS],
            sealed: [0; PACKS],
            lists: 0,
            list_packs: [0; LISTS],
            list_snapshots: [0; LISTS],
            list_keys: [0; LISTS],
            snapshots: old,
            marks: if rules.begins_forgotten { old } else { 0 },
            void_marks: 0,
            keys: if rules.has_data_keys() { 0 } else { Set::MAX },
            leases: [Lease::default(); SESSIONS],
            confirmed: old,
            forgotten: if rules.begins_forgotten { old } else { 0 },
            limbo: 0,
            writers,
            collectors,
            syncer: Syncer::new(if rules.syncer { errands::At::PutLease } else { errands::At::Away }),
            forgets: rules.forgets,
            undeletes: rules.undeletes,
        };
        let packs = rules.old_packs.iter().enumerate().filter(|(_, blocks)| **blocks != 0);
        packs.for_each(|(pack, blocks)| world.put_pack(pack, *blocks, 0));
        rules.copied.into_iter().for_each(|copied| copied.leave_in(&mut world));
        world
    }
}

impl Model for Protocol {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        vec![self.first_world()]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        let mut add = |actor, choices| steps.extend((0..choices).map(|choice| Step { actor, choice }));
        for writer in 0..WRITERS {
            add(Actor::Writer(writer), u8::from(writer::is_enabled(&self.rules, world, writer)));
        }
        for collector in 0..world::SWEEPER {
            add(Actor::Collector(collector), collector::choices(&self.rules, world, collector));
        }
        let forgettable = errands::forgettable(&self.rules, world).count_ones();
        add(Actor::Forgetter, u8::try_from(forgettable).expect("there are three snapshots"));
        add(Actor::Syncer, u8::from(errands::is_enabled(world)));
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        let mut world = world.clone();
        match step.actor {
            Actor::Writer(writer) => writer::step(&self.rules, &mut world, writer),
            Actor::Collector(collector) => collector::step(&self.rules, &mut world, collector, step.choice)?,
            Actor::Forgetter => errands::forget(&self.rules, &mut world, step.choice)?,
            Actor::Syncer => errands::sync(&self.rules, &mut world),
        }
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let rules = &self.rules;
        let possible = [
            (true, Property::sometimes("a list is finished", promises::a_list_is_finished)),
            (
                rules.fenceable & 0b111 != 0,
                Property::sometimes("a fenced writer notices", promises::a_fenced_writer_notices),
            ),
            (
                rules.writers != [0, 0],
                Property::sometimes("a writer confirms beside a list", promises::a_writer_confirms_beside_a_list),
            ),
            (rules.undeletes > 0, Property::sometimes("a snapshot comes back", promises::a_snapshot_comes_back)),
            (rules.syncer, Property::sometimes("a snapshot is synced", promises::a_snapshot_is_synced)),
            (rules.copied.is_some(), Property::sometimes("a snapshot is acquitted", promises::a_snapshot_is_acquitted)),
        ];
        let mut properties = vec![
            Property::always("confirmed snapshots are whole", promises::confirmed_snapshots_are_whole),
            Property::always("counted snapshots are whole", promises::counted_snapshots_are_whole),
            Property::always("no prune is refused", promises::no_prune_is_refused),
            Property::always("synced snapshots are whole", promises::synced_snapshots_are_whole),
            Property::always("a later prune cleans up", promises::a_later_prune_cleans_up),
        ];
        properties.extend(possible.into_iter().filter(|(is_open, _)| *is_open).map(|(_, property)| property));
        properties
    }
}

/// Every state of a setting was seen, and nothing is wrong; how many there are.
fn exhaust(rules: &Rules) -> usize {
    let checker = Protocol { rules: *rules }.checker().threads(2).spawn_bfs().join();
    for property in checker.model().properties() {
        let found = checker.discovery(property.name);
        let should_be_found = !property.expectation.discovery_is_failure();
        if found.is_some() != should_be_found {
            let story = found.map_or_else(|| "it never happens".to_owned(), |path| Story(path).to_string());
            panic!("{}: {}:\n{story}", rules.name, property.name);
        }
    }
    checker.unique_state_count()
}

/// The shortest way to break a promise, if there is one.
fn break_a_promise(rules: &Rules, promise: &'static str) -> Option<Story> {
    let is_broken = HasDiscoveries::AllOf([promise].into());
    let builder = Protocol { rules: *rules }.checker().threads(1).finish_when(is_broken);
    builder.spawn_bfs().join().discovery(promise).map(Story)
}

/// A path, told as steps of actors.
struct Story(Path<World, Step>);

impl fmt::Display for Story {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (world, step)) in self.0.clone().into_vec().into_iter().enumerate() {
            let Some(Step { actor, choice }) = step else {
                return writeln!(formatter, "{world:?}");
            };
            let what = match actor {
                Actor::Writer(writer) => format!("{:?}", world.writers[writer].at),
                Actor::Collector(collector) => format!("{:?}", world.collectors[collector].at),
                Actor::Forgetter => "PutMark".to_owned(),
                Actor::Syncer => format!("{:?}", world.syncer.at),
            };
            writeln!(formatter, "{number:3} {actor:?} {what} [{choice}]")?;
        }
        Ok(())
    }
}

#[test]
fn no_order_of_steps_loses_a_confirmed_snapshot() {
    let is_asked = std::env::var_os("MAINSTAY_MODEL").is_some_and(|value| value == "long");
    let is_long = is_asked || std::env::var_os("MAINSTAY_SOAK_MINUTES").is_some();
    let settings = settings::SHORT.iter().chain(settings::LONG.iter().filter(|_| is_long));
    let began = Instant::now();
    let (mut total, mut largest) = (0, 0);
    for rules in settings {
        let setting_began = Instant::now();
        let states = exhaust(rules);
        println!("{}: {states} distinct states, {:.1?}", rules.name, setting_began.elapsed());
        (total, largest) = (total + states, largest.max(states));
    }
    let form = if is_long { "soak" } else { "short" };
    let figures = format!("{total} distinct states, {largest} in the largest setting, 0 lost");
    // As the gates of `mainstay-jobs` write theirs.
    let line = format!("model of prune beside writers\t{form}\t{figures}\t{} s", began.elapsed().as_secs());
    println!("{line}");
    let target = FilePath::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    std::fs::create_dir_all(target.join("gates")).unwrap();
    std::fs::write(target.join("gates/model.txt"), line + "\n").unwrap();
    assert!(largest >= 1_000_000, "the largest setting has {largest} states");
}
