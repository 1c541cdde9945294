//! One test for each row of the table in `docs/guide/fidelity.md`: what of a file comes back.
//!
//! Each plants a tree in `docs`, backs it up by the binary, restores it, and compares the two trees whole.

mod content;
mod metadata;
mod names;
mod special;

use std::path::PathBuf;

use crate::tree::{assert_same, is_root};
use crate::world::World;

/// A home with an empty directory `docs`.
fn world() -> World {
    let world = World::new();
    std::fs::create_dir(world.path("docs")).expect("a directory");
    world
}

/// Backs `docs` up and restores it; answers where it is now. Nothing that came back as it was is a difference to `--verify`;
/// what its owner may not read only root can read back.
fn round_trip(world: &World, options: &[&str]) -> PathBuf {
    world.settle();
    world.ok(&["backup", "docs"]);
    let snapshot = format!("latest:{}", world.absolute("docs"));
    let verify = if is_root() && !options.contains(&"--verify") { &["--verify"][..] } else { &[] };
    world.ok(&[&["restore", &snapshot, "--target", "restored"], options, verify].concat());
    world.path("restored")
}

/// The same, and asserts that nothing differs.
fn assert_kept(world: &World, options: &[&str]) {
    let restored = round_trip(world, options);
    assert_same(&restored, &world.path("docs"));
    // Nothing changed, so nothing is read; and what is there is taken for what it is.
    let again = world.lines(&["backup", "docs"]);
    let statistics = &again.last().expect("a summary")["statistics"];
    assert_eq!(statistics["files_read"], 0, "{statistics}");
}
