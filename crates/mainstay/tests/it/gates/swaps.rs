//! Restores into a target in which somebody swaps directories and files for links to elsewhere, all the time.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::{Effort, Figures};
use crate::tree::look;
use crate::world::World;

const SHORT_SWAPS: u64 = 20_000;
const LONG_SWAPS: u64 = 1_000_000;
/// However fast the swapping is, so many restores meet it.
const RESTORES: u64 = 100;

/// What is swapped, beneath the target, each with where the links that stand in for it lead. None lies beneath another:
/// whoever swaps would then follow the link himself.
const SWAPPED: [(&str, &str); 4] =
    [("first", "first"), ("second/inner", "first/inner"), ("third/leaf", "leaf"), ("file", "leaf")];

#[test]
fn a_restore_while_directories_are_swapped_for_links_never_leaves_its_target() {
    let (effort, mut figures) = (Effort::asked(), Figures::of("links swapped during restores"));
    let world = World::new();
    for name in ["first/inner/leaf", "first/next", "second/inner/leaf", "second/inner/more", "third/leaf", "file"] {
        world.write(&format!("docs/{name}"), format!("content of {name}\n").as_bytes());
    }
    // Where an escape would be seen: the same names, other content, and something that `--delete` would take.
    for name in ["first/inner/leaf", "first/inner/more", "first/next", "first/stays", "leaf"] {
        world.write(&format!("outside/{name}"), b"somebody else's\n");
    }
    world.ok(&["backup", "docs"]);
    let before = look(&world.path("outside"));
    let (swaps, is_done) = (AtomicU64::new(0), AtomicBool::new(false));
    let wanted = if effort.is_long() { LONG_SWAPS } else { SHORT_SWAPS };
    let mut restores = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| swap(&world, &swaps, &is_done));
        while restores < RESTORES || swaps.load(Ordering::Relaxed) < wanted || effort.goes_on() {
            restore(&world);
            restores += 1;
            let is_same = look(&world.path("outside")) == before;
            if !is_same {
                is_done.store(true, Ordering::Relaxed);
            }
            assert!(is_same, "restore {restores} wrote outside its target");
        }
        is_done.store(true, Ordering::Relaxed);
    });
    let user = if rustix::process::geteuid().is_root() { "root" } else { "a user who is not root" };
    figures.add(swaps.into_inner(), "swaps of directories and files for links");
    figures.add(restores, format!("restores as {user}"));
    figures.add(0, "escapes");
    figures.publish(effort);
}

/// A restore may fail on what it meets, but it ends, and it panics nowhere.
fn restore(world: &World) {
    let snapshot = format!("latest:{}", world.absolute("docs"));
    let ran = world.run(&["restore", &snapshot, "--target", "target", "--overwrite", "always", "--delete"]);
    assert!(matches!(ran.code, 0 | 1 | 3 | 14 | 16), "{ran:#?}");
    assert!(!ran.all().contains("panicked"), "{ran:#?}");
}

/// Puts links in the places of what is restored and takes them away again, as fast as it can.
fn swap(world: &World, swaps: &AtomicU64, is_done: &AtomicBool) {
    let links: Vec<(PathBuf, PathBuf)> = SWAPPED.iter().map(|(name, leads_to)| link(world, name, leads_to)).collect();
    while !is_done.load(Ordering::Relaxed) {
        for (place, link) in &links {
            // It may be away at the moment, with the directory above it, or not restored yet.
            let swapped = renameat_with(CWD, place, CWD, link, RenameFlags::EXCHANGE);
            swaps.fetch_add(u64::from(swapped.is_ok()), Ordering::Relaxed);
        }
    }
}

/// A link beside the target, on the same file system, that leads outside; what it is exchanged for waits in its place.
fn link(world: &World, name: &str, leads_to: &str) -> (PathBuf, PathBuf) {
    let link = world.path(&format!("link-{}", name.replace('/', "-")));
    symlink(Path::new(&world.path("outside")).join(leads_to), &link).expect("a link");
    (world.path("target").join(name), link)
}
