//! Tests of the made-up data: the same in every run, and as compressible as it claims.

use super::*;

#[test]
fn noise_is_the_same_in_every_run_and_differs_by_seed() {
    let draw = |seed| {
        let mut noise = Noise::new(seed);
        (0..100).map(|_| noise.below(1000)).collect::<Vec<_>>()
    };
    assert_eq!(draw("a"), draw("a"));
    assert_ne!(draw("a"), draw("b"));
    assert!(draw("a").iter().all(|number| *number < 1000));
}

#[test]
fn a_database_page_has_its_size_and_no_two_are_alike() {
    let mut noise = Noise::new("x");
    let mut row = 0;
    let first = database::page(&mut noise, 0, &mut row);
    let second = database::page(&mut noise, 1, &mut row);
    assert_eq!((first.len(), second.len()), (16 << 10, 16 << 10));
    assert_ne!(first, second);
    assert!(row > 100);
}

#[test]
fn made_up_text_has_the_size_asked_for() {
    let mut noise = Noise::new("x");
    for bytes in [0, 1, 80, 4096] {
        assert_eq!(source_tree::source_text(&mut noise, bytes).len(), bytes);
    }
}

#[test]
fn a_data_set_that_does_not_exist_is_refused() {
    assert!(describe("E", PathBuf::new()).is_err());
}
