//! Tests of text tables.

use super::*;

#[test]
fn columns_line_up_and_no_line_ends_with_spaces() {
    let mut table = Table::new(&[("ID", Align::Left), ("SIZE", Align::Right), ("NAME", Align::Left)]);
    table.push(vec!["1a2b3c4d".to_owned(), "5 B".to_owned(), "a".to_owned()]);
    table.push(vec!["\u{fc}".to_owned(), "1.00 MiB".to_owned(), String::new()]);
    let expected = "\
ID            SIZE  NAME
1a2b3c4d       5 B  a
\u{fc}         1.00 MiB
";
    assert_eq!(table.render(Paint::Plain), expected);
}

#[test]
fn an_empty_table_is_nothing() {
    assert_eq!(Table::new(&[("ID", Align::Left)]).render(Paint::Plain), "");
}
