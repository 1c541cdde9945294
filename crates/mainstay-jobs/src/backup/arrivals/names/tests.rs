//! Tests of names that members come to; which member has one is tried with whole archives.

use super::*;

fn path(text: &str) -> Vec<&[u8]> {
    parts(text.as_bytes()).unwrap().names
}

#[test]
fn a_path_is_taken_apart_and_never_leads_upwards() {
    let names =
        |text: &str| path(text).iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect::<Vec<_>>();
    assert_eq!(names("./a//b/./c/"), ["a", "b", "c"]);
    assert_eq!(names("/a"), ["a"]);
    assert!(parts(b"/a").unwrap().is_absolute && !parts(b"a/").unwrap().is_absolute);
    assert_eq!(names(""), Vec::<String>::new());
    for odd in [&b".."[..], b"a/..", b"a/../b", b"a\0b", &[b'n'; 256]] {
        assert!(parts(odd).is_err(), "{odd:?}");
    }
    assert!(parts(&b"d/".repeat(limits::TREE_DEPTH)).is_ok() && parts(&b"d/".repeat(limits::TREE_DEPTH + 1)).is_err());
}

#[test]
fn a_file_without_a_name_left_is_let_go() {
    let mut names = Names::new();
    let first = names.add_file(&path("a"), &empty()).unwrap();
    names.fill(first, empty(), Vec::new());
    names.add_link(&path("b"), &path("a"), &empty()).unwrap();
    assert_eq!(names.file(first).unwrap().names, 2);
    names.add_file(&path("a"), &empty()).unwrap();
    assert!(names.file(first).unwrap().node.is_some());
    names.add_directory(&path("b"), empty()).unwrap();
    let file = names.file(first).unwrap();
    assert!(file.names == 0 && file.node.is_none());
    names.fill(first, empty(), Vec::new());
    assert!(names.file(first).unwrap().node.is_none(), "what comes too late is not kept");
}

#[test]
fn links_to_links_are_settled_whatever_their_order_and_circles_are_told() {
    let mut names = Names::new();
    for number in (1..20).rev() {
        let (own, other) = (format!("l{number}"), format!("l{}", number - 1));
        names.add_link(&path(&own), &path(&other), &empty()).unwrap();
    }
    names.add_link(&path("x"), &path("y"), &empty()).unwrap();
    names.add_link(&path("y"), &path("x"), &empty()).unwrap();
    let file = names.add_file(&path("l0"), &empty()).unwrap();
    let mut lost: Vec<Vec<u8>> = names.settle_links().into_iter().map(|(path, _)| path).collect();
    lost.sort();
    assert_eq!(lost, [b"x", b"y"]);
    assert_eq!(names.file(file).unwrap().names, 20);
}

#[test]
fn a_name_that_came_after_a_waiting_link_is_not_taken_by_it() {
    let mut names = Names::new();
    names.add_link(&path("taken"), &path("other"), &empty()).unwrap();
    names.add_link(&path("twice"), &path("other"), &empty()).unwrap();
    names.add_link(&path("twice"), &path("last"), &empty()).unwrap();
    let before = names.add_file(&path("before"), &empty()).unwrap();
    names.add_link(&path("before"), &path("other"), &empty()).unwrap();
    let taken = names.add_file(&path("taken"), &empty()).unwrap();
    let other = names.add_file(&path("other"), &empty()).unwrap();
    let last = names.add_file(&path("last"), &empty()).unwrap();
    assert_eq!(names.settle_links(), []);
    let place = |name: &str| names.find(&path(name));
    assert_eq!((place("taken"), place("twice")), (Some(Place::File(taken)), Some(Place::File(last))));
    assert_eq!(place("before"), Some(Place::File(other)), "what was there before gives way");
    assert_eq!(names.file(before).unwrap().names, 0);
}
