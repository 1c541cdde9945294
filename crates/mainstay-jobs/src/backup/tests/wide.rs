//! Directories of very many entries: how far anything runs ahead, and what becomes of nodes that were let go.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use mainstay_sources::{Entry, Kind};

use crate::backup::pages::HELD_NODES;
use crate::backup::scan::AHEAD;
use crate::backup::walk::{BATCH_FILES, NODES_AHEAD};
use crate::backup::{BackupReport, Requested};
use crate::ground::{Ground, Imagined, listed};

fn name(number: usize) -> String {
    format!("{number:06}")
}

#[test]
fn nothing_runs_ahead_of_a_file_that_takes_long_but_a_window() {
    const FILES: usize = 120_000;
    const PART: usize = 1000;
    let (ground, _) = Ground::in_memory();
    let told = Arc::new(AtomicUsize::new(0));
    let told_at_end = Arc::new(AtomicUsize::new(0));
    let overtaken = Arc::new(AtomicBool::new(false));
    let (told_now, told_then, was_overtaken) = (told.clone(), told_at_end.clone(), overtaken.clone());
    let (opened, more) = (Mutex::new(0), Condvar::new());
    let first_is_read = AtomicBool::new(false);
    let read = move |entry: &Entry| {
        let mut opened = opened.lock().unwrap();
        *opened += 1;
        more.notify_all();
        if entry.name == name(0).as_bytes() {
            // As long as anything else can be done; the rest of its batch waits behind it.
            drop(more.wait_while(opened, |opened| *opened < NODES_AHEAD + 2 - BATCH_FILES).unwrap());
            told_then.store(told_now.load(Ordering::Relaxed), Ordering::Relaxed);
            first_is_read.store(true, Ordering::Relaxed);
        } else if entry.name.as_slice() > name(NODES_AHEAD).as_bytes() && !first_is_read.load(Ordering::Relaxed) {
            was_overtaken.store(true, Ordering::Relaxed);
        }
        Vec::new()
    };
    let list = |_| (0..FILES).map(|number| listed(&name(number), Kind::File, 0)).collect();
    let source = Imagined::in_parts(PART, told.clone(), list, read);
    let report = ground.back_up_from(&source, Requested::Full);
    assert_eq!((report.statistics.files, told.load(Ordering::Relaxed)), (FILES as u64, FILES));
    assert!(!overtaken.load(Ordering::Relaxed), "a file behind the window was opened");
    let told = told_at_end.load(Ordering::Relaxed);
    assert!(told <= NODES_AHEAD + AHEAD + 2 * PART, "{told} entries were listed");
    let root = &report.entry.unwrap().snapshot.root;
    let nodes = ground.trees().directory(root).unwrap().nodes;
    assert!(nodes.iter().enumerate().all(|(number, node)| node.name == name(number).as_bytes()));
    assert_eq!(nodes.len(), FILES);
}

type Edit = fn(&mut Vec<Entry>);

fn back_up(ground: &Ground, entries: &[Entry], requested: Requested) -> BackupReport {
    let entries = entries.to_vec();
    let source = Imagined::in_parts(700, Arc::default(), move |_| entries.clone(), |_| b"text".to_vec());
    ground.back_up_from(&source, requested)
}

#[test]
fn a_change_anywhere_in_a_large_directory_gives_the_tree_that_a_full_backup_gives() {
    let count = 2 * HELD_NODES + 500;
    let entries: Vec<Entry> = (0..count).map(|number| listed(&name(number), Kind::File, 4)).collect();
    let edits: [(&str, Edit); 7] = [
        ("nothing", |_| ()),
        ("the last one changed", |entries| entries.last_mut().unwrap().mode = 0o600),
        ("one came at the end", |entries| entries.push(listed("x", Kind::File, 4))),
        ("the last one went", |entries| drop(entries.pop())),
        ("one in the middle went", |entries| drop(entries.remove(HELD_NODES + 100))),
        ("the first one changed", |entries| entries[0].mode = 0o600),
        ("almost all went", |entries| entries.retain(|entry| entry.name.ends_with(b"5000"))),
    ];
    for (what, edit) in edits {
        let (ground, _) = Ground::in_memory();
        let first = back_up(&ground, &entries, Requested::Full).entry.unwrap();
        let mut edited = entries.clone();
        edit(&mut edited);
        let second = back_up(&ground, &edited, Requested::Incremental);
        assert!(second.statistics.files_read <= 1, "{what}");
        let second = second.entry.unwrap().snapshot.root;
        assert_eq!(second == first.snapshot.root, what == "nothing");
        let nodes = ground.trees().directory(&second).unwrap().nodes;
        let told: Vec<(&[u8], u32)> = nodes.iter().map(|node| (node.name.as_slice(), node.mode)).collect();
        let expected: Vec<(&[u8], u32)> = edited.iter().map(|entry| (entry.name.as_slice(), entry.mode)).collect();
        assert!(told == expected, "{what}: {} nodes of {}", told.len(), expected.len());
        // Cut at the same names, so that nothing is stored twice.
        let full = back_up(&ground, &edited, Requested::Full);
        assert!(full.entry.unwrap().snapshot.root == second, "{what}");
        assert_eq!(full.new_bytes, 0, "{what}");
    }
}
