//! Trials of what happens at once.
//!
//! Owns the races. Threads meet at a barrier that every one of them reaches, whatever the store answers, so that none waits for
//! ever; and each is joined before a trial ends.

use std::io;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};

use super::expect::{broken, done, holds, in_parallel};
use super::{Broken, Ground};
use crate::store::Store;

type Answer = Result<(), Broken>;

const PUT_AT_ONCE: u32 = 80;
const RIVALS: usize = 12;
const ROUNDS: usize = 5;
const REPLACED_TIMES: usize = 20;

pub fn many_threads(store: &dyn Store, ground: &Ground) -> Answer {
    in_parallel(PUT_AT_ONCE, &|number| {
        let name = ground.name(&format!("{:02x}/{number}", number / 8));
        done(&format!("put {name}"), store.put(&name, name.as_bytes()))?;
        holds(store, &name, name.as_bytes())?;
        let folder = ground.name(&format!("{:02x}/", number / 8));
        let listed = done(&format!("list {folder}"), store.list(&folder))?;
        match listed.iter().filter(|object| object.name == name).count() {
            1 => Ok(()),
            times => Err(broken(format!("{name} once in a listing while others put"), format!("it {times} times"))),
        }
    })
}

pub fn conditional_creation(store: &dyn Store, ground: &Ground) -> Answer {
    (1..=ROUNDS).try_for_each(|round| {
        let name = ground.name(&format!("round-{round}"));
        let answers = publish_at_once(store, &name);
        let won: Vec<usize> =
            (0..).zip(&answers).filter(|(_, answer)| answer.is_ok()).map(|(rival, _)| rival).collect();
        let [winner] = won[..] else {
            let got = format!("{} of {RIVALS} won in round {round}", won.len());
            return Err(broken(format!("1 of {RIVALS} threads to win"), got));
        };
        let odd =
            answers.into_iter().filter_map(Result::err).find(|error| error.kind() != io::ErrorKind::AlreadyExists);
        if let Some(error) = odd {
            return Err(broken("those that lost to be told that the name exists", error.to_string()));
        }
        holds(store, &name, &bytes_of(winner))
    })
}

fn bytes_of(rival: usize) -> [u8; 1000] {
    [u8::try_from(rival).unwrap_or(u8::MAX); 1000]
}

/// What became of each rival, in order.
fn publish_at_once(store: &dyn Store, name: &str) -> Vec<io::Result<()>> {
    let barrier = Barrier::new(RIVALS);
    let publish = |rival| {
        let begun = store.upload().and_then(|mut upload| upload.write(&bytes_of(rival)).map(|()| upload));
        barrier.wait();
        begun?.publish(name)
    };
    std::thread::scope(|scope| {
        let publish = &publish;
        let threads: Vec<_> = (0..RIVALS).map(|rival| scope.spawn(move || publish(rival))).collect();
        let panicked = |_| Err(io::Error::other("a panic of the store"));
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(panicked)).collect()
    })
}

pub fn replace_without_gap(store: &dyn Store, ground: &Ground) -> Answer {
    let name = ground.name("replaced");
    // Of one length: a store may find that out and read in two calls.
    let versions = [vec![b'a'; 1000], vec![b'b'; 1000]];
    done(&format!("put {name}"), store.put(&name, &versions[0]))?;
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            while !is_over.load(Ordering::Acquire) {
                match store.read(&name, 1000) {
                    Ok(bytes) if versions.contains(&bytes) => {}
                    Ok(bytes) => {
                        return Err(broken(
                            "either version while it is replaced",
                            format!("{} other bytes", bytes.len()),
                        ));
                    }
                    Err(error) => {
                        return Err(broken("either version while it is replaced", format!("the error {error}")));
                    }
                }
            }
            Ok(())
        });
        let mut replaced = (0..REPLACED_TIMES).zip(versions.iter().cycle().skip(1));
        let replaced =
            replaced.try_for_each(|(_, bytes)| done(&format!("replace {name}"), store.replace(&name, bytes)));
        is_over.store(true, Ordering::Release);
        let read = reader.join().unwrap_or_else(|_| Err(broken("an answer", "a panic of the store")));
        replaced.and(read)
    })
}
