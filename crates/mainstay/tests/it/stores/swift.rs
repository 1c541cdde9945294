//! A repository by OpenDAL in Swift: OpenStack's own, and as Ceph's object gateway speaks it.
//!
//! Owns its life there, and what is told of credentials and places that are none. Built with the feature `opendal`.

use super::world;
use crate::servers::assert_restores;
use crate::servers::ceph::Ceph;
use crate::servers::swift::OpenStack;

#[test]
fn swift_of_ceph_keeps_every_promise_but_the_bonus_and_holds_a_repository_as_a_directory_does() {
    let mut world = world();
    let server = Ceph::start(&world);
    let (account, token) = server.swift("backups");
    let place = |rest: &str| format!("opendal://swift/{rest}&endpoint={account}");
    let repository = place("db-1?container=backups");

    let unnamed = world.fails(&["--repo", &repository, "snapshots"], 2, "MS-1003");
    assert!(unnamed.stderr.contains("OPENDAL_SWIFT_TOKEN or OS_AUTH_TOKEN holds it"), "{unnamed:#?}");
    world.set("OS_AUTH_TOKEN", "no-token");
    let denied = world.run(&["--repo", &repository, "snapshots"]);
    assert!(denied.code != 0 && denied.stderr.contains("the token may have run out"), "{denied:#?}");
    assert!(!denied.all().contains("no-token"), "{denied:#?}");

    // It goes before the other.
    world.set("OPENDAL_SWIFT_TOKEN", &token);
    let said = super::validate(&world, &place("x?container=backups"));
    assert!(said.contains("no      conditional-creation") && said.contains("only if new"), "{said}");
    world.fails(&["--repo", &repository, "snapshots"], 10, "MS-1101");
    super::live(&world, &repository);
    let listed = server.ask(
        "print([found['Key'] for found in s3.list_objects_v2(Bucket='backups')['Contents'] \
         if not found['Key'].startswith('db-1/')])",
    );
    assert_eq!(listed.trim(), "[]");
    let second = place("db-2?container=backups");
    world.ok(&["--repo", &second, "init"]);
    world.fails(&["--repo", &place("?container=backups").replace("/?", "?"), "init"], 16, "MS-1102");

    let nowhere = world.run(&["--repo", &place("x?container=nothing"), "snapshots"]);
    assert!(nowhere.code != 0 && nowhere.stderr.contains("there is no such place"), "{nowhere:#?}");
    let secret = world.fails(&["--repo", &format!("{repository}&token=hush-hush"), "snapshots"], 2, "MS-1003");
    assert!(!secret.all().contains("hush-hush"), "{secret:#?}");
}

#[test]
fn swift_of_openstack_keeps_every_promise_but_the_bonus_and_holds_a_repository() {
    let mut world = world();
    let server = OpenStack::with_container("backups");
    world.set("OS_STORAGE_URL", &server.account());
    world.set("OS_AUTH_TOKEN", "nobody-asks");
    let place = "opendal://swift/x?container=backups";
    let said = world.ok(&["store", "validate", place, "--size", "1MiB", "--objects", "60"]).stdout;
    assert!(said.contains("fit for a repository") && said.contains("no      conditional-creation"), "{said}");
    assert!(said.contains("list"), "{said}");
    world.ok(&["--repo", place, "init"]);
    world.ok(&["--repo", place, "backup", "docs"]);
    assert!(world.ok(&["--repo", place, "check"]).all().contains("sound"));
    assert_restores(&world, place, "out");
}
