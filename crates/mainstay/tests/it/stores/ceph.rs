//! A repository behind Ceph's object gateway: with versions, which it lets several put under one name, and with object lock.
//!
//! Owns its life there, damage and repair, and an archive that the server itself keeps.

use super::world;
use crate::servers::assert_restores;
use crate::servers::ceph::{Ceph, Keeps};

#[test]
fn ceph_keeps_every_promise_and_holds_a_repository_as_a_directory_does() {
    let world = world();
    let server = Ceph::start(&world);
    server.create("plain", Keeps::Newest);
    server.create("versions", Keeps::Versions);
    let said = super::validate(&world, &server.repository("plain/x"));
    assert!(said.contains("yes     conditional-creation"), "{said}");
    // It answers to all who ask at once that they were the first, and writes over what is there: names are looked for instead.
    let said = super::validate(&world, &server.repository("versions/x"));
    assert!(said.contains("no      conditional-creation"), "{said}");
    super::live(&world, &server.repository("versions/db-1"));
}

#[test]
fn behind_object_lock_damage_is_healed_from_a_copy_and_an_archive_is_kept_by_the_server() {
    let world = world();
    let server = Ceph::start(&world);
    server.create("vault", Keeps::Locked);
    let repository = server.repository("vault/db-1");
    let at = |arguments: &[&str]| world.ok(&[&["--repo", &repository], arguments].concat()).all();
    at(&["init"]);
    at(&["backup", "docs"]);
    let copy = world.absolute("copy");
    at(&["sync", "--to", &copy]);
    server.ask(
        "for found in s3.list_objects_v2(Bucket='vault', Prefix='db-1/packs/')['Contents']:\n\
         \x20   s3.put_object(Bucket='vault', Key=found['Key'], Body=b'x' * found['Size'])",
    );
    let found = world.run(&["--repo", &repository, "verify"]);
    assert!(found.code == 4 && found.all().contains("packs/"), "{found:#?}");
    at(&["repair", "--from", &copy]);
    assert!(at(&["verify"]).contains("sound"));
    assert_restores(&world, &repository, "out");

    let place = server.repository("vault/archives");
    let create = ["--repo", &repository, "archive", "create", "latest", "--to", &place, "--hold-until", "2090-05-31"];
    let made = world.run(&[&create[..], &["--json"]].concat()).lines().pop().expect("a summary");
    assert_eq!(made["locked"], true, "{made}");
    let archive = made["location"].as_str().expect("a place").to_owned();
    at(&["archive", "extend-hold", &archive, "--hold-until", "2095-05-31"]);
    // Each object but leases refuses to go, and says until when. The first was put twice, to see what the server makes of it.
    let kept = server.ask(
        "n = 0\n\
         for found in s3.list_object_versions(Bucket='vault', Prefix='archives/')['Versions']:\n\
         \x20   place = dict(Bucket='vault', Key=found['Key'], VersionId=found['VersionId'])\n\
         \x20   if '/coord/' in found['Key'] or not found['IsLatest']:\n\
         \x20       continue\n\
         \x20   n += 1\n\
         \x20   until = s3.get_object_retention(**place)['Retention']\n\
         \x20   assert until['Mode'] == 'COMPLIANCE' and until['RetainUntilDate'].year == 2095, (found['Key'], until)\n\
         \x20   try:\n\
         \x20       s3.delete_object(**place)\n\
         \x20   except botocore.exceptions.ClientError as error:\n\
         \x20       assert error.response['Error']['Code'] == 'AccessDenied', error\n\
         \x20   else:\n\
         \x20       raise AssertionError(found['Key'] + ' was deleted')\n\
         print(n)",
    );
    assert!(kept.trim().parse::<u64>().expect("a number") >= made["objects"].as_u64().expect("a number"), "{kept}");
    at(&["archive", "restore", &archive, "--target", "from-archive", "--verify"]);
    assert_eq!(
        std::fs::read(world.restored("from-archive", "docs/notes.md")).expect("a file"),
        world.read("docs/notes.md")
    );
}
