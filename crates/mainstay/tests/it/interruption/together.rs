//! Several processes at work in one repository.

use super::Open;
use crate::tree::assert_same;
use crate::world::{World, noise};

#[test]
fn prune_works_while_a_backup_is_open_and_when_it_was_killed() {
    let world = World::backed_up();
    world.write("docs/more", &noise(1 << 20));
    world.ok(&["backup", "docs"]);
    let second = world.snapshots().remove(1);
    std::fs::remove_file(world.path("docs/more")).expect("it is there");
    let open = Open::new(&world, &noise(40 << 20));
    world.ok(&["backup", "docs"]);
    let packs = super::packs(&world);
    let pruned = world.ok(&["forget", &second, "--prune"]).all();
    assert!(pruned.contains("the next prune deletes them"), "{pruned}");
    assert!(packs.iter().all(|pack| pack.exists()), "what the backup may need is there still");
    world.ok(&["prune"]);
    // Everything else goes on beside it.
    world.ok(&["backup", "docs"]);
    world.ok(&["snapshots"]);
    world.ok(&["check"]);
    world.ok(&["restore", "latest", "--target", "beside"]);
    open.kill();
    world.ok(&["prune"]);
    world.ok(&["check"]);
    world.ok(&["verify"]);
    assert_eq!(world.snapshots().len(), 3);
}

#[test]
fn a_lease_that_cannot_be_read_stops_nobody() {
    let world = World::backed_up();
    let lease = "coord/leases/0123456789abcdef0123456789abcdef/000000";
    let path = world.repository().join(lease);
    std::fs::create_dir_all(path.parent().expect("it lies in a directory")).expect("the repository can be written");
    std::fs::write(&path, b"noise").expect("the repository can be written");
    for looks in ["check", "verify"] {
        assert!(world.fails(&[looks], 4, "MS-1304").all().contains(lease), "{looks}");
    }
    world.ok(&["backup", "docs"]);
    world.ok(&["restore", "latest", "--target", "beside"]);
    world.ok(&["prune"]);
    assert!(!path.exists(), "its session is fenced");
    world.ok(&["check"]);
}

#[test]
fn a_backup_that_others_ran_beside_is_whole() {
    let world = World::backed_up();
    let open = Open::new(&world, &noise(40 << 20));
    world.ok(&["backup", "docs"]);
    world.ok(&["prune"]);
    assert_eq!(open.finish(), Some(0));
    world.ok(&["prune"]);
    world.ok(&["verify"]);
    world.ok(&["restore", "latest:stream", "--source", "stream", "--target", "target"]);
    assert!(world.read("target/stream") == noise(40 << 20), "the stream came back otherwise");
}

#[test]
fn backups_at_once_into_one_repository_all_succeed_and_verify() {
    let world = World::new();
    world.ok(&["init"]);
    let shared = noise(20 << 20);
    for (number, name) in ["a", "b", "c"].into_iter().enumerate() {
        world.write(&format!("{name}/shared"), &shared);
        world.write(&format!("{name}/own"), &shared[number + 1..(number + 5) << 20]);
        world.write(&format!("{name}/small"), name.as_bytes());
    }
    // Two of them of one source.
    let running = ["a", "b", "c", "a"].map(|name| super::start(&world, &["backup", name]));
    for mut child in running {
        assert_eq!(child.wait().expect("it ends").code(), Some(0));
    }
    assert_eq!(world.snapshots().len(), 4);
    world.ok(&["check"]);
    world.ok(&["verify"]);
    for (number, id) in world.snapshots().into_iter().enumerate() {
        let target = format!("target {number}");
        world.ok(&["restore", &id, "--target", &target]);
        let name = ["a", "b", "c"].into_iter().find(|name| world.restored(&target, name).exists());
        let name = name.expect("one of them was restored");
        assert_same(&world.restored(&target, name), &world.path(name));
    }
    // The history of the source goes on.
    world.write("a/small", b"changed");
    world.ok(&["backup", "a"]);
    world.ok(&["prune"]);
    world.ok(&["verify"]);
}
