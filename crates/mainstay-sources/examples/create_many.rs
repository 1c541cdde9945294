//! Measures how many small files per second a restore can create: `create_many [DIRECTORY] [FILES] [THREADS]`.
//!
//! Each thread makes directories of 100 files of 2 KiB with mode and time, as a restore does. The directory made is
//! removed at the end. On ext4 a second run within five minutes measures something else: it does not use inodes again
//! that were just freed, and its search for others (`recently_deleted`) is ten times slower than all the rest.

use std::path::PathBuf;
use std::time::Instant;

use mainstay_sources::files::{Metadata, Preserve, TargetTree};
use mainstay_sources::{Kind, Owner, Result, Timestamp};

const FILES_PER_DIRECTORY: usize = 100;
const BYTES: usize = 2048;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let base = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let files: usize = arguments.next().and_then(|count| count.parse().ok()).unwrap_or(200_000);
    let threads: usize = arguments.next().and_then(|count| count.parse().ok()).unwrap_or(2);
    let name = format!("create-many-{}", std::process::id());
    let tree = TargetTree::open_or_create(&base.join(&name))?;
    let start = Instant::now();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                scope.spawn({
                    let tree = &tree;
                    move || create(tree, thread, files / threads)
                })
            })
            .collect();
        workers
            .into_iter()
            .for_each(|worker| worker.join().expect("a worker does not panic").expect("files can be created"));
    });
    let seconds = start.elapsed().as_secs_f64();
    println!("{files} files, {threads} threads: {seconds:.3} s, {:.0} files/s", files as f64 / seconds);
    let start = Instant::now();
    TargetTree::open_or_create(&base)?.top().remove_tree(name.as_bytes())?;
    let seconds = start.elapsed().as_secs_f64();
    println!("removed in {seconds:.3} s, {:.0} files/s", files as f64 / seconds);
    Ok(())
}

fn create(tree: &TargetTree, thread: usize, files: usize) -> Result<()> {
    let metadata = Metadata {
        kind: Kind::File,
        mode: 0o644,
        owner: Owner { user: rustix::process::geteuid().as_raw(), group: rustix::process::getegid().as_raw() },
        modified: Timestamp { seconds: 1_600_000_000, nanoseconds: 123_456_789 },
        attributes: Vec::new(),
        link_target: None,
        size: BYTES as u64,
    };
    let preserve = Preserve::as_recorded();
    let bytes = [7_u8; BYTES];
    for number in 0..files {
        let path = format!("thread-{thread}/directory-{}", number / FILES_PER_DIRECTORY);
        let directory = if number % FILES_PER_DIRECTORY == 0 {
            tree.create_directories(path.as_bytes())?
        } else {
            tree.directory(path.as_bytes())?
        };
        let file = directory.create_file_for(format!("file-{number}").as_bytes(), &metadata, &preserve)?;
        file.write_all_at(0, &bytes)?;
        for warning in file.finish(&metadata, &preserve)?.warnings {
            eprintln!("{}: {}", warning.path, warning.message);
        }
    }
    Ok(())
}
