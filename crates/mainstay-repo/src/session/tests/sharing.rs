//! Deduplication: within a session, between sessions, between threads, and where it must not happen.

use super::*;

#[test]
fn a_chunk_stored_twice_is_stored_once() {
    let (_store, repository) = new_repository();
    let session = Session::begin(&repository, Sharing::Shared).unwrap();
    let first = session.store_small_file(b"bytes").unwrap();
    assert_eq!(session.store_small_file(b"bytes").unwrap(), first);
    assert_eq!(session.store_run(b"bytes", &[5], Effort::Fast).unwrap(), [first]);
    assert_eq!(session.progress(), (5, 10));
}

#[test]
fn a_run_that_repeats_itself_is_stored_once() {
    let (_store, repository) = new_repository();
    let session = Session::begin(&repository, Sharing::Shared).unwrap();
    let half = seeded(1, 400_000);
    let extents = session.store_run(&[&half[..], &half].concat(), &[400_000, 400_000], Effort::Fast).unwrap();
    assert_eq!(extents[0], extents[1]);
    assert_eq!(session.progress(), (400_000, 400_000));
}

#[test]
fn a_run_that_is_known_in_part_stores_the_rest() {
    let (_store, repository) = new_repository();
    let (one, two, three) = (seeded(1, 300_000), seeded(2, 300_000), seeded(3, 300_000));
    let files =
        |list: &[&Vec<u8>]| Files::from([("file".to_owned(), list.iter().copied().flatten().copied().collect())]);
    back_up(&repository, 1, &files(&[&two])).unwrap();
    let session = Session::begin(&repository, Sharing::Shared).unwrap();
    let data = [&one[..], &two, &three].concat();
    let extents = session.store_run(&data, &[300_000; 3], Effort::Fast).unwrap();
    assert_eq!(session.progress(), (600_000, 300_000));
    assert_eq!(extents.iter().map(Extent::content_len).sum::<u64>(), 900_000);
    assert_eq!(blocks_of(&extents).len(), 2, "the old block and one new one");
}

#[test]
fn a_chunk_stored_by_many_threads_at_once_is_stored_once() {
    let (_store, repository) = new_repository();
    let session = Session::begin(&repository, Sharing::Shared).unwrap();
    let small: Vec<Vec<u8>> = (0..200).map(|seed| seeded(seed, 3000)).collect();
    let large: Vec<Vec<u8>> = (0..8).map(|seed| seeded(1000 + seed, 600_000)).collect();
    let stored: Vec<Vec<Extent>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|thread| {
                let (session, small, large) = (&session, &small, &large);
                scope.spawn(move || {
                    let mut extents = Vec::new();
                    for turn in 0..large.len() {
                        let data = &large[(turn + thread) % large.len()];
                        extents.extend(session.store_run(data, &[300_000, 300_000], Effort::Fast).unwrap());
                    }
                    extents.rotate_right(2 * thread);
                    extents.extend(small.iter().map(|data| session.store_small_file(data).unwrap()));
                    extents
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(stored.iter().all(|extents| *extents == stored[0]), "threads were told different places");
    let each = 200 * 3000 + 8 * 600_000;
    assert_eq!(session.progress(), (each, 7 * each));
}

#[test]
fn what_threads_store_at_once_reads_back() {
    let (_store, repository) = new_repository();
    let files: Files =
        (0..60).map(|seed| (format!("{seed:02}"), seeded(seed % 20, 20_000 * (1 + seed as usize % 20)))).collect();
    let session = Session::begin(&repository, Sharing::Shared).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| store_files(&session, &files).unwrap());
        }
    });
    let (root, blocks) = store_files(&session, &files).unwrap();
    let report = session.commit(draft("data", 1, root, blocks)).unwrap();
    assert_eq!(read_back(&repository, &report.entry).unwrap(), files);
}

#[test]
fn an_independent_snapshot_shares_no_pack() {
    let (store, repository) = new_repository();
    let files = files_of(&[("a", 1, 1000), ("b", 2, 700_000), ("c", 2, 700_000)]);
    let first = back_up(&repository, 1, &files).unwrap();
    let packs_before = named(&store, "packs/");
    let second = back_up_as(&repository, 2, &files, Sharing::Independent).unwrap();
    assert_eq!(second.new_bytes, first.new_bytes, "everything is stored again, but within the session once");
    let blocks = repository.references(&second.entry).unwrap();
    assert!(blocks.sessions().eq([second.entry.snapshot.session]));
    for name in packs_before {
        store.delete(&name).unwrap();
    }
    assert_eq!(read_back(&repository, &second.entry).unwrap(), files);
}

#[test]
fn a_later_session_may_use_either_copy() {
    let (_store, repository) = new_repository();
    let files = files_of(&[("a", 1, 1000), ("b", 2, 700_000)]);
    back_up(&repository, 1, &files).unwrap();
    back_up_as(&repository, 2, &files, Sharing::Independent).unwrap();
    let report = back_up(&repository, 3, &files).unwrap();
    assert_eq!(report.new_bytes, 0);
    assert_eq!(read_back(&repository, &report.entry).unwrap(), files);
}

#[test]
fn two_sessions_at_once_do_not_see_each_other_and_both_read_back() {
    let (store, repository) = new_repository();
    let files = files_of(&[("a", 1, 1000), ("b", 2, 700_000)]);
    let other = open(store, alive());
    let (one, two) =
        (Session::begin(&repository, Sharing::Shared).unwrap(), Session::begin(&other, Sharing::Shared).unwrap());
    let (root_one, blocks_one) = store_files(&one, &files).unwrap();
    let (root_two, blocks_two) = store_files(&two, &files).unwrap();
    let one = one.commit(draft("data", 1, root_one, blocks_one)).unwrap();
    let two = two.commit(draft("other", 1, root_two, blocks_two)).unwrap();
    for entry in [&one.entry, &two.entry] {
        assert_eq!(read_back(&repository, entry).unwrap(), files);
    }
}

#[test]
fn another_source_shares_chunks() {
    let (_store, repository) = new_repository();
    let files = files_of(&[("a", 1, 1000), ("b", 2, 700_000)]);
    back_up(&repository, 1, &files).unwrap();
    let session = Session::begin(&repository, Sharing::Shared).unwrap();
    let (root, blocks) = store_files(&session, &files).unwrap();
    assert_eq!(session.commit(draft("elsewhere", 1, root, blocks)).unwrap().new_bytes, 0);
}
