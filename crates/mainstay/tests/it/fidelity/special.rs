//! Links, devices, FIFOs and sockets.

use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode};

use super::{assert_kept, round_trip, world};
use crate::tree::{assert_same, is_root, look, set_time};
use crate::world::os;

fn make(path: &Path, kind: FileType, device: u64) -> bool {
    rustix::fs::mknodat(CWD, path, kind, Mode::RUSR | Mode::WUSR | Mode::RGRP, device).is_ok()
}

#[test]
fn fidelity_keeps_hard_links() {
    let world = world();
    let docs = world.path("docs");
    for name in ["a/first", "b/first", "empty"] {
        world.write(&format!("docs/{name}"), if name == "empty" { b"" } else { name.as_bytes() });
    }
    world.write("docs/large", &vec![7; 3 << 20]);
    std::fs::create_dir(docs.join("c")).expect("a directory");
    // The name that comes first in the order of the walk is not always the one that was made first.
    let links =
        [("a/first", "a/second"), ("a/first", "c/third"), ("b/first", "a/0"), ("empty", "c/empty"), ("large", "0")];
    for (from, to) in links {
        std::fs::hard_link(docs.join(from), docs.join(to)).expect("a link");
    }
    symlink("nowhere", docs.join("symbolic")).expect("a link");
    std::fs::hard_link(docs.join("symbolic"), docs.join("c/symbolic")).expect("a link to a link");
    assert!(make(&docs.join("fifo"), FileType::Fifo, 0));
    std::fs::hard_link(docs.join("fifo"), docs.join("c/fifo")).expect("a link to a FIFO");
    assert_kept(&world, &[]);
    let restored = world.path("restored");
    let inode = |name: &str| restored.join(name).symlink_metadata().expect("it was restored").ino();
    assert_eq!(inode("a/first"), inode("c/third"));
    assert_ne!(inode("a/first"), inode("b/first"));
    // A link that became a file of its own becomes a link again.
    std::fs::remove_file(restored.join("c/third")).expect("it is there");
    std::fs::write(restored.join("c/third"), b"something else").expect("a file");
    let snapshot = format!("latest:{}", world.absolute("docs"));
    world.ok(&["restore", &snapshot, "--target", "restored", "--overwrite", "always"]);
    assert_same(&restored, &docs);
}

#[test]
fn fidelity_keeps_one_of_several_names_of_a_file() {
    let world = world();
    let inside = world.write("docs/file", b"content");
    std::fs::hard_link(&inside, world.path("outside")).expect("a link");
    let restored = round_trip(&world, &[]);
    let (found, wanted) = (look(&restored), look(&world.path("docs")));
    assert_eq!(found[Path::new("file")].content, wanted[Path::new("file")].content);
    assert_eq!(restored.join("file").metadata().expect("it was restored").nlink(), 1);
}

#[test]
fn fidelity_keeps_symbolic_links() {
    let world = world();
    let docs = world.path("docs");
    world.write("docs/directory/file", b"content");
    let longest = vec![b'x'; 4095];
    let targets: [&[u8]; 8] =
        [b"directory/file", b"directory", b"nowhere", b"/absolute/nowhere", b"../..", b"\xff\n\xfe", b".", &longest];
    for (number, target) in targets.into_iter().enumerate() {
        let link = docs.join(format!("link {number}"));
        symlink(os(target), &link).expect("a link");
        set_time(&link, 1_500_000_000 + number as i64, 987_654_321);
    }
    symlink("itself", docs.join("itself")).expect("a link");
    assert_kept(&world, &[]);
}

#[test]
fn fidelity_keeps_fifos() {
    let world = world();
    let fifo = world.path("docs/fifo");
    assert!(make(&fifo, FileType::Fifo, 0));
    set_time(&fifo, 1_500_000_000, 5);
    assert_kept(&world, &[]);
    assert!(world.path("restored/fifo").symlink_metadata().expect("it was restored").file_type().is_fifo());
}

#[test]
fn fidelity_keeps_sockets() {
    let world = world();
    let socket = world.path("docs/socket");
    let listener = UnixListener::bind(&socket).expect("a socket");
    set_time(&socket, 1_500_000_000, 5);
    assert_kept(&world, &[]);
    assert!(world.path("restored/socket").symlink_metadata().expect("it was restored").file_type().is_socket());
    drop(listener);
}

#[test]
fn fidelity_keeps_devices_when_asked() {
    let world = world();
    // A device that every machine has, since not everybody may make one.
    let mut sources = vec!["/dev/null"];
    let docs = world.path("docs");
    let made = make(&docs.join("character"), FileType::CharacterDevice, rustix::fs::makedev(1, 5))
        && make(&docs.join("block"), FileType::BlockDevice, rustix::fs::makedev(7, 4000));
    if made {
        sources.push("docs");
    }
    world.ok(&[&["backup"], sources.as_slice()].concat());
    let unasked = world.run(&["restore", "latest", "--target", "unasked"]);
    assert_eq!(unasked.code, 3, "{unasked:#?}");
    assert!(unasked.all().contains("devices are not restored unless asked for"), "{unasked:#?}");
    assert!(!world.path("unasked/dev/null").exists());
    let asked = world.run(&["restore", "latest", "--target", "asked", "--preserve", "devices"]);
    if !made {
        assert_eq!(asked.code, 3, "{asked:#?}");
        assert!(asked.all().contains("null"), "{asked:#?}");
        return;
    }
    assert!(is_root() || asked.code == 3);
    assert_eq!(asked.code, 0, "{asked:#?}");
    assert_same(&world.restored("asked", "docs"), &docs);
    let null = |path: &Path| path.symlink_metadata().expect("it is there").rdev();
    assert_eq!(null(&world.path("asked/dev/null")), null(Path::new("/dev/null")));
}
