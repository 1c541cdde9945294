//! Tests of lists of paths and of default names.

use super::*;

fn paths(bytes: &[u8]) -> Vec<String> {
    split_list(bytes).iter().map(|path| path.to_string_lossy().into_owned()).collect()
}

#[test]
fn a_list_has_one_path_per_line_or_between_nul_bytes() {
    assert_eq!(paths(b"/a\n\n/b c\r\n/d"), ["/a", "/b c", "/d"]);
    assert_eq!(paths(b"/a\nb\0/c\r\0"), ["/a\nb", "/c\r"]);
    assert!(paths(b"\n").is_empty());
}

#[test]
fn the_default_name_spells_out_a_few_roots_and_counts_the_others() {
    assert_eq!(name_of(&[b"/etc".to_vec()]), "/etc");
    let many: Vec<Vec<u8>> = (0..10).map(|number| format!("/{number}").into_bytes()).collect();
    assert_eq!(name_of(&many), "/0,/1,/2,/3,/4,/5,/6,/7,+2");
}

#[test]
fn the_rule_for_a_path_matches_nothing_else() {
    assert_eq!(rule_for(Path::new("/srv/a[1]*")), r"/srv/a\[1\]\*");
    assert_eq!(rule_for(Path::new(OsStr::from_bytes(b"/\xff"))), "/?");
}
