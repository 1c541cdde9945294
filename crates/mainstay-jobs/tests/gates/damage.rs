//! Gate: every bit, every length, every exchange of objects.
//!
//! Owns the kinds of damage and the count of what is noticed. Check and verify together must notice each of them and name
//! the object; no snapshot may restore to other bytes than it had.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use mainstay_repo::names;

use crate::effort::{Draws, Effort, Figures};
use crate::journal_store::JournalStore;
use crate::reference::{Noticed, Outcome, Reference};

/// An object of a store, as [`JournalStore`] holds it.
type NamedBytes<'a> = (&'a Arc<str>, &'a Arc<[u8]>);

/// What was noticed, by kind of object.
#[derive(Default)]
struct Tally {
    damages: u64,
    deceived: u64,
    bad: BTreeMap<(String, Noticed), Vec<String>>,
}

impl Tally {
    fn note(&mut self, name: &str, outcome: Outcome, story: impl FnOnce() -> String) {
        self.damages += 1;
        self.deceived += u64::from(outcome.is_deceived);
        if outcome.noticed != Noticed::Named || outcome.is_deceived {
            self.bad.entry((kind_of(name), outcome.noticed)).or_default().push(story());
        }
    }

    fn add(&mut self, other: Self) {
        self.damages += other.damages;
        self.deceived += other.deceived;
        other.bad.into_iter().for_each(|(kind, stories)| self.bad.entry(kind).or_default().extend(stories));
    }

    fn count(&self, noticed: Noticed) -> u64 {
        self.bad.iter().filter(|((_, how), _)| *how == noticed).map(|(_, stories)| stories.len() as u64).sum()
    }

    fn publish(self, mut figures: Figures, effort: Effort) {
        figures.add(self.damages, "damages");
        figures.add(self.count(Noticed::Not), "unnoticed");
        figures.add(self.count(Noticed::Misnamed), "put to another object");
        figures.add(self.deceived, "wrong bytes accepted");
        figures.publish(effort);
        let told: Vec<String> = self
            .bad
            .iter()
            .map(|((kind, how), stories)| {
                format!("{kind}: {how:?} {} times, first {:?}", stories.len(), stories.first())
            })
            .collect();
        assert!(told.is_empty(), "{told:#?}");
    }
}

/// The kind of an object, by its folder or the beginning of its name.
fn kind_of(name: &str) -> String {
    let end = name.rfind('/').map_or(name.len(), |end| end + 1);
    let folder = name.get(..end).unwrap_or(name);
    let parts: Vec<&str> = folder.split('/').take(2).collect();
    match name {
        _ if name.starts_with("index/") => name.get(..8).unwrap_or(name).to_owned(),
        _ if name.ends_with("-removes") => "coord/keys/…-removes".to_owned(),
        _ if name.ends_with("-acquits") => "coord/fences/…-acquits".to_owned(),
        _ if name.ends_with("/end") => "coord/leases/…/end".to_owned(),
        _ if name.starts_with("packs/") || name.starts_with("snapshots/") => parts[0].to_owned(),
        _ => parts.join("/"),
    }
}

/// Objects of which every bit is flipped and every length cut even in the short form: what is signed has a few hundred bytes
/// of certificates.
fn is_small(bytes: &[u8]) -> bool {
    bytes.len() <= 320
}

/// Which bits of an object the short form flips while all else is whole, each of which is a check and verify of everything: one
/// of each byte. Of a second copy fewer: they are decoded as those are of which it is a copy.
fn bits_to_flip(name: &str, bytes: &[u8]) -> impl Iterator<Item = usize> {
    let step = if name.starts_with(names::COPIES) { 8 } else { 1 };
    (0..bytes.len()).step_by(step).map(move |byte| byte * 8 + byte / step % 8)
}

fn flipped(bytes: &[u8], bit: usize) -> Arc<[u8]> {
    let mut flipped = bytes.to_vec();
    flipped[bit / 8] ^= 1 << (bit % 8);
    flipped.into()
}

fn flip(reference: &Reference, store: &JournalStore, (name, bytes): NamedBytes, bit: usize) -> Outcome {
    store.exchange(name, Some(flipped(bytes, bit)));
    let outcome = reference.outcome(store, &[name]);
    store.exchange(name, Some(bytes.clone()));
    outcome
}

#[test]
fn every_flipped_bit_is_noticed_in_the_right_object() {
    let effort = Effort::asked();
    let mut figures = Figures::of("flipped bits");
    let (kinds, tally) = if effort.is_long() { flips_in_many_references(effort) } else { flips_of_one_reference() };
    figures.add(kinds.len() as u64, "kinds of objects");
    tally.publish(figures, effort);
}

/// One bit of each byte alone, and every bit of what is small while others are damaged too.
fn flips_of_one_reference() -> (BTreeSet<String>, Tally) {
    let reference = Reference::new(0);
    let store = JournalStore::with(reference.objects.clone());
    let mut tally = Tally::default();
    for object in &reference.objects {
        for bit in bits_to_flip(object.0, object.1) {
            let outcome = flip(&reference, &store, object, bit);
            tally.note(object.0, outcome, || format!("{}, bit {} of byte {}", object.0, bit % 8, bit / 8));
        }
    }
    for objects in groups_of(reference.objects.iter().filter(|(_, bytes)| is_small(bytes))) {
        tally.add(flip_together(&reference, &objects));
    }
    (reference.objects.keys().map(|name| kind_of(name)).collect(), tally)
}

/// So many flips in the long form, however long they take.
const MANY_FLIPS: u64 = 10_000_000;

/// Objects whose damage is seen though others of the same group are damaged too. Without a key nothing is read, and a map of
/// references is read for a snapshot that is whole.
fn group_of(name: &str) -> &str {
    let groups = [names::CONFIG, names::KEY_SLOTS, names::DATA_KEYS, names::REFS];
    groups.into_iter().find(|group| name.starts_with(group)).unwrap_or("all others")
}

fn groups_of<'a>(objects: impl Iterator<Item = NamedBytes<'a>>) -> Vec<Vec<NamedBytes<'a>>> {
    let mut groups = BTreeMap::<&str, Vec<_>>::new();
    objects.for_each(|object| groups.entry(group_of(object.0)).or_default().push(object));
    groups.into_values().collect()
}

/// Every bit of references of other seeds, on all processors; bits of all objects of a group together.
fn flips_in_many_references(effort: Effort) -> (BTreeSet<String>, Tally) {
    let total = Mutex::new((BTreeSet::new(), Tally::default()));
    let locked = || total.lock().expect("no other worker failed");
    let round = AtomicU64::new(0);
    let work = || {
        while locked().1.damages < MANY_FLIPS || effort.goes_on() {
            let reference = Reference::new(effort.seed(round.fetch_add(1, Ordering::Relaxed)));
            for objects in groups_of(reference.objects.iter()) {
                locked().1.add(flip_together(&reference, &objects));
            }
            locked().0.extend(reference.objects.keys().map(|name| kind_of(name)));
            println!("{} bits flipped", locked().1.damages);
        }
    };
    std::thread::scope(|scope| {
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        (0..workers).for_each(|_| drop(scope.spawn(work)));
    });
    total.into_inner().expect("no worker failed")
}

/// Flips every bit of these objects, one of each at a time. Whichever is not named then, because the damage of another hides
/// it, is damaged alone.
fn flip_together(reference: &Reference, objects: &[NamedBytes]) -> Tally {
    let store = JournalStore::with(reference.objects.clone());
    let mut tally = Tally::default();
    let longest = objects.iter().map(|(_, bytes)| bytes.len() * 8).max().unwrap_or_default();
    for bit in 0..longest {
        let hit: Vec<_> = objects.iter().filter(|(_, bytes)| bit < bytes.len() * 8).collect();
        for (name, bytes) in &hit {
            store.exchange(name, Some(flipped(bytes, bit)));
        }
        let seen = reference.look(&store);
        hit.iter().for_each(|(name, bytes)| store.exchange(name, Some((*bytes).clone())));
        for object in hit {
            let outcome = match seen.names(object.0) {
                true => Outcome { noticed: Noticed::Named, is_deceived: seen.is_deceived },
                false => flip(reference, &store, *object, bit),
            };
            tally.note(object.0, outcome, || format!("{}, bit {bit}, of a reference", object.0));
        }
    }
    tally
}

#[test]
fn every_truncation_and_all_that_is_put_behind_or_zeroed_is_noticed() {
    let effort = Effort::asked();
    let figures = Figures::of("truncations");
    let mut tally = Tally::default();
    let reference = Reference::new(effort.seed(u64::from(effort.is_long())));
    let store = JournalStore::with(reference.objects.clone());
    for (name, bytes) in &reference.objects {
        let stride = if is_small(bytes) || effort.is_long() { 1 } else { 7 };
        let cut = (0..bytes.len()).step_by(stride).map(|len| (format!("cut to {len}"), bytes[..len].to_vec()));
        let longer = [1, 512].map(|more| (format!("{more} bytes more"), [&bytes[..], &vec![0; more]].concat()));
        let zeroed = (0..bytes.len()).step_by(512).map(|start| {
            let mut zeroed = bytes.to_vec();
            let end = bytes.len().min(start + 512);
            zeroed[start..end].fill(0);
            (format!("zeros from {start}"), zeroed)
        });
        for (story, changed) in cut.chain(longer).chain(zeroed).filter(|(_, changed)| changed[..] != bytes[..]) {
            store.exchange(name, Some(changed.into()));
            let outcome = reference.outcome(&store, &[name]);
            tally.note(name, outcome, || format!("{name}, {story}"));
        }
        store.exchange(name, Some(bytes.clone()));
    }
    tally.publish(figures, effort);
}

/// Whether anything says what an object of this name must hold. A map is bound to its name by its snapshot; of one that has
/// none, another whole map says as much: nothing reads either.
fn is_bound(reference: &Reference, name: &str) -> bool {
    let Some(id) = name.strip_prefix(names::REFS) else { return true };
    reference.objects.keys().any(|other| other.starts_with(names::SNAPSHOTS) && other.ends_with(id))
}

#[test]
fn an_object_under_the_name_of_another_is_noticed() {
    let effort = Effort::asked();
    let figures = Figures::of("exchanged objects");
    let mut tally = Tally::default();
    let reference = Reference::new(effort.seed(0));
    let stranger = Reference::new(effort.seed(0));
    let store = JournalStore::with(reference.objects.clone());
    for (name, bytes) in &reference.objects {
        // Every other object under this name, of its own kind and of others; both the older and the newer.
        let says_more = |other: &str| is_bound(&reference, name) || kind_of(other) != kind_of(name);
        let others = reference.objects.iter().filter(|(other, its_bytes)| *its_bytes != bytes && says_more(other));
        for (other, its_bytes) in others {
            store.exchange(name, Some(its_bytes.clone()));
            let outcome = reference.outcome(&store, &[name]);
            tally.note(name, outcome, || format!("{other} as {name}"));
            if name < other {
                store.exchange(other, Some(bytes.clone()));
                let outcome = reference.outcome(&store, &[name, other]);
                tally.note(name, outcome, || format!("{name} and {other} exchanged"));
                store.exchange(other, Some(its_bytes.clone()));
            }
        }
        // Objects of the same kind of another repository.
        for (_, foreign) in stranger.objects.iter().filter(|(other, _)| kind_of(other) == kind_of(name)) {
            store.exchange(name, Some(foreign.clone()));
            let outcome = reference.outcome(&store, &[name]);
            tally.note(name, outcome, || format!("one of another repository as {name}"));
        }
        store.exchange(name, Some(bytes.clone()));
    }
    tally.publish(figures, effort);
}

#[test]
fn any_damage_at_random_is_noticed() {
    let effort = Effort::asked();
    let figures = Figures::of("random damage");
    let mut tally = Tally::default();
    let mut draws = Draws::new(effort.seed(u64::from(effort.is_long())));
    let reference = Reference::new(draws.next() >> 8);
    let store = JournalStore::with(reference.objects.clone());
    let objects: Vec<_> = reference.objects.iter().collect();
    let mut count = 0;
    while if effort.is_long() { effort.goes_on() } else { count < 2_000 } {
        count += 1;
        let (name, bytes) = objects[draws.below(objects.len())];
        let mut changed = bytes.to_vec();
        for _ in 0..1 + draws.below(4) {
            let start = draws.below(changed.len());
            let end = changed.len().min(start + 1 + draws.below(40));
            changed[start..end].iter_mut().for_each(|byte| *byte = draws.next() as u8);
        }
        if changed[..] == bytes[..] {
            continue;
        }
        store.exchange(name, Some(changed.into()));
        let outcome = reference.outcome(&store, &[name]);
        tally.note(name, outcome, || format!("{name}, damage {count}"));
        store.exchange(name, Some(bytes.clone()));
    }
    tally.publish(figures, effort);
}
