//! A repository on a WebDAV server.
//!
//! Owns the same life on two servers, damage, wrong credentials, and a server that ends while it is needed.

use super::world;
use crate::servers::assert_restores;
use crate::servers::webdav::{Make, Webdav};
use crate::world::World;

#[test]
fn a_webdav_server_holds_a_repository_as_a_directory_does() {
    let world = world();
    let server = Webdav::start(&world, Make::Wsgidav);
    super::live(&world, &server.repository("some/where"));
    assert!(server.path("some/where/mainstay.json").is_file());
    assert_eq!(crate::world::files(&server.path("some/where/tmp")), Vec::<std::path::PathBuf>::new());
}

#[test]
fn a_webdav_server_of_another_make_does_so_too_and_its_directory_is_a_repository() {
    let world = world();
    let server = Webdav::start(&world, Make::Rclone);
    super::live(&world, &server.repository("some%20where"));
    let directory = server.path("some where").to_str().expect("a plain path").to_owned();
    assert!(world.ok(&["--repo", &directory, "verify"]).stdout.contains("sound"));
}

#[test]
fn webdav_servers_keep_every_promise() {
    for make in [Make::Wsgidav, Make::Rclone] {
        let world = World::new();
        let server = Webdav::start(&world, make);
        // Conditional creation is a bonus, and both look first and move then: a busy machine shows it, an idle one does not.
        super::validate(&world, &server.repository(""));
        assert_eq!(std::fs::read_dir(server.path("")).expect("a directory").count(), 0, "{make:?}");
    }
}

#[test]
fn damage_on_a_webdav_server_is_named_and_brought_back_from_a_copy() {
    let world = world();
    let mut server = Webdav::start(&world, Make::Rclone);
    let repository = server.repository("x");
    world.ok(&["--repo", &repository, "init"]);
    world.ok(&["--repo", &repository, "backup", "docs"]);
    let copy = world.absolute("copy");
    world.ok(&["--repo", &repository, "sync", "--to", &copy]);
    for (number, pack) in (0..).zip(crate::world::files(&server.path("x/packs"))) {
        let mut bytes = std::fs::read(&pack).expect("a file");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        // Changed, cut short, gone.
        match number % 3 {
            0 => std::fs::write(&pack, bytes).expect("it is ours"),
            1 => std::fs::write(&pack, &bytes[..middle]).expect("it is ours"),
            _ => std::fs::remove_file(&pack).expect("it is ours"),
        }
    }
    // It remembers for minutes what it has seen.
    server.kill_and_start_anew();
    let found = world.run(&["--repo", &repository, "verify"]);
    assert!(found.code != 0 && found.all().contains("packs/"), "{found:#?}");
    world.ok(&["--repo", &repository, "repair", "--from", &copy]);
    assert!(world.ok(&["--repo", &repository, "verify"]).stdout.contains("sound"));
    assert_restores(&world, &repository, "out");
}

#[test]
fn a_backup_outlives_a_webdav_server_that_ends_and_is_started_anew() {
    for make in [Make::Wsgidav, Make::Rclone] {
        let world = world();
        let mut server = Webdav::start(&world, make);
        let repository = server.repository("x");
        world.ok(&["--repo", &repository, "init"]);
        world.ok(&["--repo", &repository, "backup", "docs"]);
        let packs = || crate::world::files(&server.path("x/packs")).len();
        let before = packs();
        world.write("docs/large", &crate::world::noise(200 << 20));
        world.settle();
        let mut backup = world.command(&["--repo", &repository, "backup", "docs"]).spawn().expect("the binary");
        while packs() == before {
            assert!(backup.try_wait().expect("it is ours").is_none(), "it ended before it wrote a pack");
            std::thread::yield_now();
        }
        server.kill_and_start_anew();
        assert!(backup.try_wait().expect("it is ours").is_none(), "{make:?}: it was at work");
        assert!(backup.wait().expect("it is ours").success(), "{make:?}");
        assert!(world.ok(&["--repo", &repository, "verify"]).stdout.contains("sound"));
        assert_restores(&world, &repository, "out");
    }
}

#[test]
fn what_is_wrong_with_a_webdav_server_is_told_as_it_is() {
    let world = World::with_files();
    let server = Webdav::start(&world, Make::Wsgidav);
    world.fails(&["--repo", &server.repository("nothing"), "snapshots"], 10, "MS-1101");
    let secret = world.run(&["--repo", "webdavs://me:hush@host/x", "snapshots"]);
    assert!(secret.stderr.contains("credentials do not belong into an address"), "{secret:#?}");
    let open = |name: &str, password: &str| {
        let mut command = world.command(&["--repo", &server.repository("x"), "snapshots"]);
        crate::world::run(command.env("WEBDAV_USERNAME", name).env("WEBDAV_PASSWORD", password))
    };
    let wrong = open("me", "wrong");
    assert!(wrong.stderr.contains("401") && !wrong.stderr.contains("wrong"), "{wrong:#?}");
    open("me", "hush").failed(10, "MS-1101");
    std::fs::remove_file(world.path(".netrc")).expect("it is ours");
    let none = world.run(&["--repo", &server.repository("x"), "snapshots"]);
    assert!(none.stderr.contains("no credentials were found"), "{none:#?}");
}

#[test]
fn a_server_by_tls_is_believed_only_with_a_certificate_that_is_trusted() {
    let world = world();
    let server = Webdav::start(&world, Make::RcloneByTls);
    let repository = server.repository("x");
    let run = |arguments: &[&str], trusted: Option<&std::path::Path>| {
        let mut command = world.command(&[&["--repo", &repository], arguments].concat());
        crate::world::run(command.envs(trusted.map(|path| ("SSL_CERT_FILE", path))))
    };
    let refused = run(&["snapshots"], None);
    assert!(refused.code != 0 && refused.stderr.contains("certificate"), "{refused:#?}");
    assert_eq!(std::fs::read_dir(server.path("")).expect("a directory").count(), 0);
    let certificate = server.certificate();
    for arguments in [&["init"][..], &["backup", "docs"], &["restore", "latest", "--target", "out", "--verify"]] {
        let ran = run(arguments, Some(&certificate));
        assert_eq!(ran.code, 0, "{arguments:?}: {ran:#?}");
    }
}
