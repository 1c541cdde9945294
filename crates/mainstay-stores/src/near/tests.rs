//! Tests of the copies on this machine.

use super::*;

fn near(directory: &Path) -> Near {
    Near::open(directory, 1 << 30).expect("a directory takes copies")
}

fn read(near: &Near, object: &str, offset: u64, len: usize) -> Option<Vec<u8>> {
    let mut buffer = vec![0; len];
    near.read_at(object, offset, &mut buffer).then_some(buffer)
}

#[test]
fn what_is_kept_is_read_again_by_the_next_opening() {
    let directory = tempfile::tempdir().unwrap();
    let bytes: Vec<u8> = (0..CELL as usize * 2 + 10).map(|at| at as u8).collect();
    near(directory.path()).keep("index/c-1", bytes.len() as u64, 0, &bytes);
    let again = near(directory.path());
    assert_eq!(again.len("index/c-1"), Some(bytes.len() as u64));
    assert_eq!(read(&again, "index/c-1", 0, bytes.len()).as_ref(), Some(&bytes));
    let (start, end) = (CELL - 3, CELL + 3);
    assert_eq!(read(&again, "index/c-1", start, 6).as_deref(), bytes.get(start as usize..end as usize));
    assert_eq!(read(&again, "index/c-1", bytes.len() as u64 - 1, 2), None, "nothing lies behind the end");
    assert_eq!((again.len("index/c-2"), read(&again, "index/c-2", 0, 1)), (None, None));
}

#[test]
fn an_object_of_which_a_part_is_kept_is_not_whole() {
    let directory = tempfile::tempdir().unwrap();
    let near = near(directory.path());
    near.keep("packs/aa/1", 3 * CELL, 1, &vec![7; CELL as usize]);
    assert_eq!(read(&near, "packs/aa/1", CELL, 4), Some(vec![7; 4]));
    assert_eq!(read(&near, "packs/aa/1", CELL - 1, 4), None);
    assert_eq!(read(&near, "packs/aa/1", 2 * CELL - 1, 4), None);
}

#[test]
fn what_was_used_last_goes_last() {
    let directory = tempfile::tempdir().unwrap();
    let cell = vec![1; CELL as usize];
    let first = near(directory.path());
    (0..8).for_each(|number| first.keep(&format!("refs/{number}"), CELL, 0, &cell));
    drop(first);
    let second = near(directory.path());
    assert!(read(&second, "refs/0", 0, 1).is_some());
    drop(second);
    let third = Near::open(directory.path(), 4 * CELL).unwrap();
    let is_kept = |number: &u64| third.len(&format!("refs/{number}")).is_some();
    let kept: Vec<u64> = (0..8).filter(is_kept).collect();
    assert_eq!(kept, [0, 6, 7], "a tenth beneath the limit");
    assert!(read(&third, "refs/0", 0, 1).is_some());
}

#[test]
fn a_copy_that_has_changed_is_forgotten() {
    let directory = tempfile::tempdir().unwrap();
    let held = near(directory.path());
    held.keep("refs/1", 4, 0, b"four");
    held.with(|connection| connection.execute("UPDATE cells SET bytes = x'666f7573'", [])).unwrap();
    assert_eq!((read(&held, "refs/1", 0, 4), held.len("refs/1")), (None, None));
    held.keep("refs/1", 4, 0, b"four");
    assert_eq!(read(&held, "refs/1", 0, 4).as_deref(), Some(&b"four"[..]));
}

#[test]
fn a_file_that_is_damaged_or_of_another_program_is_begun_anew() {
    let directory = tempfile::tempdir().unwrap();
    near(directory.path()).keep("refs/1", 4, 0, b"four");
    fs::write(directory.path().join(FILE), b"no database").unwrap();
    let again = near(directory.path());
    assert_eq!(again.len("refs/1"), None);
    again.keep("refs/2", 4, 0, b"four");
    drop(again);
    let other = Connection::open(directory.path().join(FILE)).unwrap();
    other.execute_batch("PRAGMA application_id = 7").unwrap();
    drop(other);
    assert_eq!(near(directory.path()).len("refs/2"), None);
}

#[test]
fn a_file_that_breaks_while_it_is_open_is_done_without() {
    let directory = tempfile::tempdir().unwrap();
    let held = near(directory.path());
    held.keep("refs/1", 4, 0, b"four");
    held.with(|connection| connection.execute_batch("DROP TABLE cells")).unwrap();
    assert_eq!(read(&held, "refs/1", 0, 4), None);
    held.keep("refs/1", 4, 0, b"four");
    assert_eq!(held.len("refs/1"), None, "it is used no more");
    assert!(!directory.path().join(FILE).exists());
}

#[test]
fn the_directory_is_nobody_elses_and_is_marked_as_a_cache() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cache/mainstay/1");
    drop(near(&path));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(fs::metadata(path.join(FILE)).unwrap().permissions().mode() & 0o777, 0o600);
    let tag = fs::read_to_string(path.join("CACHEDIR.TAG")).unwrap();
    assert!(tag.starts_with("Signature: 8a477f597d28d172789f06886806bc55\n"));
    assert!(Near::open(&directory.path().join("cache/mainstay/1/CACHEDIR.TAG"), 1).is_none(), "a file is no directory");
}

#[test]
fn no_more_is_kept_than_the_limit_even_before_the_next_opening() {
    let directory = tempfile::tempdir().unwrap();
    let held = Near::open(directory.path(), 2 * CELL).unwrap();
    let cell = vec![1; CELL as usize];
    (0..4).for_each(|number| held.keep(&format!("refs/{number}"), CELL, 0, &cell));
    let kept: Vec<usize> = (0..4).filter(|number| held.len(&format!("refs/{number}")).is_some()).collect();
    assert_eq!(kept, [0, 1]);
}

#[test]
fn a_file_at_which_others_are_at_work_is_left_to_them() {
    let directory = tempfile::tempdir().unwrap();
    near(directory.path()).keep("refs/1", 4, 0, b"four");
    let other = Connection::open(directory.path().join(FILE)).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    drop(Near::open(directory.path(), 1 << 30));
    other.execute_batch("ROLLBACK").unwrap();
    drop(other);
    assert_eq!(read(&near(directory.path()), "refs/1", 0, 4).as_deref(), Some(&b"four"[..]));
}
