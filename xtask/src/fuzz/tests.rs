//! Tests of the fuzzer's options and figures.

use super::*;

fn read(words: &[&str]) -> Result<Options, String> {
    Options::read(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
}

#[test]
fn the_short_form_goes_by_time_and_the_long_one_by_numbers() {
    let short = read(&[]).unwrap();
    assert_eq!((short.seconds, short.executions), (30, None));
    assert_eq!(read(&["--executions", "10000000"]).unwrap().executions, Some(10_000_000));
    assert_eq!(read(&["--target", "a", "--target", "b"]).unwrap().targets, ["a", "b"]);
    for wrong in [&["--seconds"][..], &["--seconds", "x"], &["--what"]] {
        assert!(read(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn figures_say_how_much_was_tried_and_how_little_of_one_target() {
    let tally = |executions| Tally { target: "a".to_owned(), executions, coverage: 7 };
    let told = figures(&[tally(1_234_567), tally(999)], &read(&[]).unwrap());
    assert!(told.starts_with("2 decoders for 30 s each, "), "{told}");
    assert!(told.contains("1,235,566 executions, at least 999 each"), "{told}");
}

#[test]
fn the_last_number_behind_a_word_is_read() {
    let told = "#1 INITED cov: 12 ft: 3\n#2 DONE   cov: 345 ft: 6\nstat::number_of_executed_units: 78\n";
    assert_eq!(number_after(told, " cov: "), Some(345));
    assert_eq!(number_after(told, "stat::number_of_executed_units:"), Some(78));
    assert_eq!(number_after(told, "nothing"), None);
}
