//! A repository in a schema of PostgreSQL.
//!
//! Owns its life there, damage, wrong credentials, a server that does not sync, and one that ends while it is needed.

use std::os::unix::fs::PermissionsExt;

use super::world;
use crate::servers::assert_restores;
use crate::servers::lossy::Lossy;
use crate::servers::postgres::Postgres;
use crate::world::World;

#[test]
fn a_schema_of_postgresql_holds_a_repository_as_a_directory_does() {
    let world = world();
    let server = Postgres::start(&world, &[]);
    super::live(&world, &server.repository("backups"));
    // The same objects by another way, and nothing that no object has.
    let by_socket = server.repository_by_socket("backups");
    assert!(world.ok(&["--repo", &by_socket, "verify"]).stdout.contains("sound"));
    let orphans = "SELECT count(*) FROM backups.parts WHERE upload NOT IN (SELECT upload FROM backups.objects)";
    assert_eq!(server.sql(orphans), "0");
}

#[test]
fn postgresql_keeps_every_promise() {
    let world = World::new();
    let server = Postgres::start(&world, &[]);
    let said = super::validate(&world, &server.repository("backups"));
    for bonus in ["yes     conditional-creation", "yes     replace-without-gap"] {
        assert!(said.contains(bonus), "{said}");
    }
    let left = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE '%backups%' OR nspname LIKE '%mainstay%'";
    assert_eq!(server.sql(left), "0");
}

#[test]
fn damage_in_postgresql_is_named_and_brought_back_from_a_copy() {
    let world = world();
    let server = Postgres::start(&world, &[]);
    let repository = server.repository("backups");
    world.ok(&["--repo", &repository, "init"]);
    world.ok(&["--repo", &repository, "backup", "docs"]);
    let copy = world.absolute("copy");
    world.ok(&["--repo", &repository, "sync", "--to", &copy]);
    let of_packs = "upload IN (SELECT upload FROM backups.objects WHERE name LIKE 'packs/%')";
    // A byte in the middle changed; then all of it gone.
    let change = format!(
        "UPDATE backups.parts SET bytes = set_byte(bytes, length(bytes) / 2, 255 - get_byte(bytes, length(bytes) / 2)) \
         WHERE {of_packs}"
    );
    for damage in [change, format!("DELETE FROM backups.parts WHERE {of_packs}")] {
        server.sql(&damage);
        let found = world.run(&["--repo", &repository, "verify"]);
        assert!(found.code != 0 && found.all().contains("packs/"), "{found:#?}");
        world.ok(&["--repo", &repository, "repair", "--from", &copy]);
        assert!(world.ok(&["--repo", &repository, "verify"]).stdout.contains("sound"), "{damage}");
    }
    assert_restores(&world, &repository, "out");
}

#[test]
fn a_backup_outlives_a_postgresql_that_is_killed_and_started_anew() {
    let world = world();
    let mut server = Postgres::start(&world, &[]);
    let repository = server.repository("backups");
    world.ok(&["--repo", &repository, "init"]);
    world.ok(&["--repo", &repository, "backup", "docs"]);
    let packs = |server: &Postgres| server.sql("SELECT count(*) FROM backups.objects WHERE name LIKE 'packs/%'");
    let before = packs(&server);
    world.write("docs/large", &crate::world::noise(300 << 20));
    world.settle();
    let mut backup = world.command(&["--repo", &repository, "backup", "docs"]).spawn().expect("the binary");
    while packs(&server) == before {
        assert!(backup.try_wait().expect("it is ours").is_none(), "it ended before it wrote a pack");
    }
    server.kill_and_start_anew();
    assert!(backup.try_wait().expect("it is ours").is_none(), "it was at work");
    assert!(backup.wait().expect("it is ours").success());
    assert!(world.ok(&["--repo", &repository, "verify"]).stdout.contains("sound"));
    assert_restores(&world, &repository, "out");
}

#[test]
fn what_is_wrong_with_postgresql_is_told_as_it_is() {
    let world = World::with_files();
    let server = Postgres::start(&world, &[]);
    let repository = server.repository("backups");
    world.fails(&["--repo", &repository, "snapshots"], 10, "MS-1101");
    let secret = world.run(&["--repo", "postgresql://me:hush@host/x", "snapshots"]);
    assert!(secret.stderr.contains("credentials do not belong into an address"), "{secret:#?}");
    let mut wrong = world.command(&["--repo", &repository, "snapshots"]);
    let wrong = crate::world::run(wrong.env("PGPASSWORD", "wrong"));
    assert!(wrong.code != 0 && wrong.stderr.contains("28P01") && !wrong.stderr.contains("wrong\""), "{wrong:#?}");
    let no_service =
        crate::world::run(world.command(&["--repo", &repository, "snapshots"]).env("PGSERVICE", "nothing"));
    assert!(no_service.code != 0 && no_service.stderr.contains("PGSERVICE"), "{no_service:#?}");
    server.sql("CREATE SCHEMA taken CREATE TABLE others (number integer)");
    world.fails(&["--repo", &server.repository("taken"), "init"], 16, "MS-1102");
    assert_eq!(server.sql("SELECT count(*) FROM information_schema.tables WHERE table_schema = 'taken'"), "1");
    let no_database = world.run(&["--repo", &repository.replace("/postgres?", "/nothing?"), "snapshots"]);
    assert!(no_database.code != 0 && !no_database.stderr.contains("MS-1101"), "{no_database:#?}");
}

#[test]
fn user_and_password_come_from_the_service_that_is_named() {
    let world = World::with_files();
    let server = Postgres::start(&world, &[]);
    std::fs::remove_file(world.path(".pgpass")).expect("a file");
    let services = world.write(".pg_service.conf", b"[backups]\ndbname=postgres\nuser=me\npassword=hush\n");
    std::fs::set_permissions(services, PermissionsExt::from_mode(0o600)).expect("it is ours");
    let place = server.repository("backups").replace("//me@", "//");
    let ran = crate::world::run(world.command(&["--repo", &place, "init"]).env("PGSERVICE", "backups"));
    assert_eq!(ran.code, 0, "{ran:#?}");
    assert_ne!(world.run(&["--repo", &place, "snapshots"]).code, 0, "nothing else knows the password");
}

#[test]
fn a_server_that_does_not_sync_is_not_written_to() {
    let world = World::with_files();
    let server = Postgres::start(&world, &["-c", "fsync=off"]);
    let refused = world.run(&["--repo", &server.repository("backups"), "init"]);
    assert!(refused.code != 0 && refused.stderr.contains("fsync = off"), "{refused:#?}");
}

#[test]
fn what_became_of_a_commit_whose_answer_is_lost_is_looked_after() {
    let world = world();
    let server = Postgres::start(&world, &[]);
    let between = Lossy::before(server.port, 5);
    let repository = format!("postgresql://me@127.0.0.1:{}/postgres?schema=backups&sslmode=disable", between.port);
    world.ok(&["--repo", &repository, "init"]);
    world.ok(&["--repo", &repository, "backup", "docs"]);
    assert!(world.ok(&["--repo", &repository, "verify"]).stdout.contains("sound"));
    assert_restores(&world, &repository, "out");
    assert!(between.lost() > 3, "{} answers were lost", between.lost());
    let orphans = "SELECT count(*) FROM backups.parts WHERE upload NOT IN (SELECT upload FROM backups.objects)";
    assert_eq!(server.sql(orphans), "0");
}
