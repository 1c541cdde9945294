//! The committed corpus of every target, replayed whole without coverage: what was found once stays found.

use std::path::{Path, PathBuf};

use super::targets;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz-corpus")
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn every_target_has_a_corpus_and_takes_each_input_of_it() {
    let mut known: Vec<&str> = targets().iter().map(|(name, _)| *name).collect();
    known.sort_unstable();
    assert_eq!(names(&corpus()), known);
    for (name, target) in targets() {
        let folder = corpus().join(name);
        let inputs = names(&folder);
        let taken = inputs.iter().filter(|input| target(&std::fs::read(folder.join(input)).unwrap())).count();
        // Else the format has moved on, and the fuzzer begins with nothing.
        assert!(taken > 0, "{name}: none of {inputs:?} is taken any more");
    }
}

/// Bytes of no plan at all are refused or taken by every target, and none of them panics.
#[test]
fn every_target_takes_what_is_damaged() {
    for (name, target) in targets() {
        let folder = corpus().join(name);
        for input in names(&folder) {
            let whole = std::fs::read(folder.join(input)).unwrap();
            (0..whole.len()).for_each(|len| _ = target(&whole[..len]));
            for position in 0..whole.len() {
                let mut damaged = whole.clone();
                damaged[position] ^= 1 << (position % 8);
                target(&damaged);
            }
        }
    }
}
