//! Tests of the table of figures.

use super::*;

fn row(gate: &str, form: &str, rest: &str) -> Row {
    Row { key: (gate.to_owned(), form.to_owned()), rest: rest.to_owned() }
}

fn document(table: &str) -> String {
    format!("before\n{BEGIN}\n{table}{END}\nafter\n")
}

#[test]
fn a_new_figure_takes_the_place_of_the_old_one_of_the_same_form() {
    let old =
        format!("{HEAD}| bits | short | 1 damage | 2 s | 2026-01-01 | abc |\n| bits | soak | 9 | 9 s | x | y |\n");
    let text = with_rows(&document(&old), &[row("bits", "short", "7 damages | 3 s | 2026-02-02 | def")]).unwrap();
    let new =
        format!("{HEAD}| bits | short | 7 damages | 3 s | 2026-02-02 | def |\n| bits | soak | 9 | 9 s | x | y |\n");
    assert_eq!(text, document(&new));
}

#[test]
fn the_first_figures_make_the_table() {
    let rows = [row("a", "short", "1 | 1 s | d | c"), row("b", "short", "2 | 1 s | d | c")];
    let text = with_rows(&document(""), &rows).unwrap();
    assert_eq!(text, document(&format!("{HEAD}| a | short | 1 | 1 s | d | c |\n| b | short | 2 | 1 s | d | c |\n")));
    assert_eq!(with_rows(&text, &[]).unwrap(), text);
}

#[test]
fn a_document_without_the_marks_is_an_error() {
    assert!(with_rows("nothing here", &[]).is_err());
}

#[test]
fn what_a_gate_wrote_becomes_a_row() {
    let found = Row::of_figures("bits\tshort\t1,000 damages, 0 unnoticed\t12 s\n", "2026-02-02 | abc").unwrap();
    assert_eq!(found, row("bits", "short", "1,000 damages, 0 unnoticed | 12 s | 2026-02-02 | abc"));
    assert_eq!(Row::of_figures("no figures", "x | y"), None);
}

#[test]
fn options_that_make_no_sense_are_refused() {
    let read = |words: &[&str]| read_options(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
    assert_eq!(read(&[]).unwrap().minutes.as_deref(), Some(DEFAULT_MINUTES));
    assert_eq!(read(&["--short"]).unwrap().minutes, None);
    assert_eq!(read(&["--gate", "damage", "--minutes", "0.5"]).unwrap().gate.as_deref(), Some("damage"));
    assert!(read(&["--minutes", "many"]).is_err());
    assert!(read(&["--gate"]).is_err());
}
