//! What is in files: nothing, much, and holes.

use std::fs::File;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;

use super::{assert_kept, world};
use crate::tree::data_of;
use crate::world::{World, noise};

#[test]
fn fidelity_keeps_empty_files_and_directories() {
    let world = world();
    for name in ["docs/empty", "docs/directory/empty"] {
        world.write(name, b"");
    }
    std::fs::create_dir_all(world.path("docs/none/at/all")).expect("directories");
    assert_kept(&world, &["--verify"]);
}

#[test]
fn fidelity_keeps_a_source_without_any_entry() {
    let world = world();
    assert_kept(&world, &[]);
}

#[test]
fn fidelity_keeps_files_larger_than_many_blocks() {
    let world = world();
    let mut random = noise(40 << 20);
    world.write("docs/random", &random);
    // Shifted content, repeated content, and content that compresses.
    random.rotate_left(1_234_567);
    random.truncate(9 << 20);
    world.write("docs/shifted", &random);
    world.write("docs/zeros", &vec![0; 20 << 20]);
    let lines = (0..400_000).map(|number| format!("line {number} of a long text\n"));
    world.write("docs/text", lines.collect::<String>().as_bytes());
    world.write("docs/pages.db", &[noise(64 << 10), vec![0; 5 << 20], noise(3_000_001)].concat());
    assert_kept(&world, &["--verify"]);
}

#[test]
fn fidelity_keeps_files_around_every_border() {
    let world = world();
    for border in [1, 4096, 256 << 10, 512 << 10, 1 << 20, 2 << 20, 3 << 20] {
        for len in [border - 1, border, border + 1] {
            let mut content = noise(len + border);
            content.drain(..border);
            world.write(&format!("docs/{len}"), &content);
        }
    }
    assert_kept(&world, &["--verify"]);
}

/// A file of this length with data at these places.
fn sparse(world: &World, name: &str, len: u64, data: &[(u64, usize)]) {
    let file = File::create(world.path(name)).expect("a file");
    for (offset, len) in data {
        file.write_all_at(&noise(*len), *offset).expect("room");
    }
    file.set_len(len).expect("room");
}

#[test]
fn fidelity_keeps_holes() {
    const UNIT: u64 = 64 << 10;
    let world = world();
    sparse(&world, "docs/all", 1 << 40, &[]);
    sparse(&world, "docs/start", 10 * UNIT, &[(0, 5000)]);
    sparse(&world, "docs/middle", 100 * UNIT, &[(40 * UNIT, 100_000)]);
    sparse(&world, "docs/end", (1 << 26) + 5, &[((1 << 26) - UNIT, 65_541)]);
    let many: Vec<(u64, usize)> = (0..300).map(|number| (number * 4 * UNIT, 8192)).collect();
    sparse(&world, "docs/many", 300 * 4 * UNIT, &many);
    // The whole of it cannot be compared byte by byte in good time.
    std::fs::rename(world.path("docs/all"), world.path("all")).expect("a name");
    assert_kept(&world, &["--verify"]);
    for name in ["start", "middle", "end", "many"] {
        let blocks = |directory: &str| world.path(directory).join(name).metadata().expect("it is there").blocks();
        assert_eq!(blocks("restored"), blocks("docs"), "{name}");
    }
    world.ok(&["backup", "all"]);
    world.ok(&["restore", "latest", "--target", "huge", "--verify"]);
    let restored = world.restored("huge", "all");
    assert_eq!(restored.metadata().expect("it was restored").len(), 1 << 40);
    assert_eq!(data_of(&restored, 1 << 40), []);
    assert_holes_come_back_in_place(&world, &restored);
}

/// Data that was written into a hole since the backup becomes a hole again.
fn assert_holes_come_back_in_place(world: &World, restored: &Path) {
    let file = File::options().write(true).open(restored).expect("a file");
    file.write_all_at(&noise(100_000), 1 << 39).expect("room");
    assert_ne!(data_of(restored, 1 << 40), []);
    world.ok(&["restore", "latest", "--target", "huge", "--overwrite", "always"]);
    assert_eq!(data_of(restored, 1 << 40), []);
}
