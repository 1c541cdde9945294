//! Archives: made in one pass, opened without the repository, proved, held, and never changed.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::reader::reader_at;
use crate::servers::S3;
use crate::tree::assert_same;
use crate::world::{World, files, only, run};

/// A home with one snapshot, and an archive of it in `vault` with a recovery kit of its own.
fn archived(hold: &[&str]) -> (World, String) {
    let world = World::with_files();
    std::os::unix::fs::symlink("notes.md", world.path("docs/link")).expect("a link");
    std::fs::hard_link(world.path("docs/large"), world.path("docs/second name")).expect("a link");
    world.settle();
    world.ok(&["backup", "docs", "--tag", "yearly"]);
    let said = world.ok(&[&["archive", "create", "latest", "--to", "vault", "--kit", "kit.txt"], hold].concat());
    assert!(said.stdout.contains("archived snapshot "), "{said:#?}");
    let place = only(&world.path("vault")).to_str().expect("plain").to_owned();
    (world, place)
}

const KIT: [&str; 2] = ["--password-file", "kit.txt"];

fn with_kit<'a>(words: &[&'a str]) -> Vec<&'a str> {
    [words, &KIT].concat()
}

/// Takes everything away but the vault and the kit.
fn on_a_bare_machine(world: &World) {
    std::fs::remove_dir_all(world.repository()).expect("a repository");
    for folder in [".config", ".local"] {
        let _ = std::fs::remove_dir_all(world.path(folder));
    }
}

#[test]
fn an_archive_restores_on_a_bare_machine_with_the_bundle_and_a_key() {
    let (world, place) = archived(&[]);
    on_a_bare_machine(&world);
    let said = world.ok(&with_kit(&["archive", "verify", &place])).stdout;
    assert!(said.contains("sound: ") && said.contains("of content opened"), "{said}");
    world.ok(&with_kit(&["archive", "restore", &place, "--target", "out", "--verify"]));
    assert_same(&world.restored("out", "docs"), &world.path("docs"));
    // It is a repository: what reads one reads it.
    world.ok(&with_kit(&["--repo", &place, "restore", "latest", "--target", "out2"]));
    assert_same(&world.restored("out2", "docs"), &world.path("docs"));
    let notes = world.absolute("docs/notes.md");
    world.ok(&with_kit(&["archive", "restore", &place, &notes, "--target", "one"]));
    assert_eq!(only(&world.path("one")).file_name().and_then(|name| name.to_str()), Some("notes.md"));
    let snapshot = &world.document(&with_kit(&["--repo", &place, "snapshots"]))[0];
    assert_eq!((&snapshot["tags"][0], &snapshot["type"]), (&"yearly".into(), &"full".into()));
    assert!(world.ok(&with_kit(&["--repo", &place, "check"])).stdout.contains("sound"));
}

#[test]
fn a_reader_that_was_written_from_the_format_alone_restores_an_archive() {
    let (world, place) = archived(&["--hold", "7y"]);
    let kit = String::from_utf8(world.read("kit.txt")).expect("text");
    let code = kit.lines().map(str::trim).find(|line| line.starts_with("MSK1-")).expect("a code");
    world.write("code", format!("{code}\n").as_bytes());
    let target = world.absolute("out");
    let ran = reader_at(&world, Path::new(&place), "code", &["restore", "latest", "--target", &target]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:#?}");
    assert_same(&world.restored("out", "docs"), &world.path("docs"));
}

#[test]
fn what_needs_no_key_tells_without_one() {
    let (world, place) = archived(&["--hold", "7y"]);
    on_a_bare_machine(&world);
    let listed = world.document(&["archive", "list", "vault"]);
    assert_eq!((&listed[0]["location"], &listed[0]["held"]), (&Value::from(place.clone()), &true.into()), "{listed}");
    let shown = world.document(&["archive", "show", &place]);
    assert_eq!((&shown["contents"], &shown["held_until"]), (&Value::Null, &listed[0]["held_until"]));
    let opened = world.document(&with_kit(&["archive", "show", &place]));
    assert_eq!(opened["contents"]["tags"][0], "yearly");
    let said = world.ok(&["archive", "verify", &place]).stdout;
    assert!(said.contains("sound: ") && said.contains("not opened"), "{said}");
    world.fails(&["archive", "restore", &place, "--target", "out"], 12, "MS-1202");
    world.fails(&["archive", "show", "vault"], 10, "MS-1101");
}

#[test]
fn damage_of_any_object_is_named() {
    let (world, place) = archived(&[]);
    let of_bundle = |path: &PathBuf| {
        let name = path.strip_prefix(&place).expect("beneath").to_str().expect("plain").to_owned();
        !["coord/", "tmp/", "archive/"].iter().any(|folder| name.starts_with(folder)) && name != "mainstay.json"
    };
    let objects: Vec<PathBuf> = files(Path::new(&place)).into_iter().filter(of_bundle).collect();
    assert!(objects.len() >= 7, "{objects:?}");
    for object in objects {
        let name = object.strip_prefix(&place).expect("beneath").to_str().expect("plain");
        let whole = std::fs::read(&object).expect("an object");
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 1;
        for damaged in [Some(flipped), Some(whole[..whole.len() - 1].to_vec()), None] {
            match &damaged {
                Some(bytes) => std::fs::write(&object, bytes).expect("it is writable"),
                None => std::fs::remove_file(&object).expect("it is there"),
            }
            let ran = world.run(&["archive", "verify", &place, "--without-key"]);
            assert_eq!(ran.code, 4, "{name}: {ran:#?}");
            assert!(ran.stderr.contains("MS-1311") && ran.stderr.contains(name), "{name}: {ran:#?}");
        }
        std::fs::write(&object, &whole).expect("it is writable");
    }
    world.ok(&with_kit(&["archive", "verify", &place]));
    // The list itself is signed.
    let manifest = Path::new(&place).join("archive/manifest");
    let mut bytes = std::fs::read(&manifest).expect("a manifest");
    bytes[200] ^= 1;
    std::fs::write(&manifest, &bytes).expect("it is writable");
    world.fails(&["archive", "verify", &place], 4, "MS-1301");
    let listed = world.run(&["archive", "list", "vault"]);
    assert_eq!(listed.code, 3, "{listed:#?}");
}

#[test]
fn nothing_is_deleted_before_the_end_of_the_hold_and_nothing_is_added() {
    let (world, place) = archived(&["--hold", "7y"]);
    let before = contents(&place);
    let id = world.document(&with_kit(&["--repo", &place, "snapshots"]))[0]["id"].as_str().expect("an id").to_owned();
    for words in [
        &["forget", id.as_str()][..],
        &["forget", "--keep-last", "1", "--prune"],
        &["prune"],
        &["prune", "--dry-run"],
        &["repair"],
    ] {
        let ran = world.fails(&with_kit(&[&["--repo", &place], words].concat()), 16, "MS-1121");
        assert!(ran.stderr.contains("until 20"), "{words:?}: {ran:#?}");
    }
    world.fails(&with_kit(&["--repo", &place, "backup", "docs"]), 16, "MS-1122");
    world.fails(&with_kit(&["--repo", &place, "sync", "--to", "elsewhere"]), 16, "MS-1122");
    world.write("docs/more", b"more");
    world.settle();
    world.ok(&["backup", "docs"]);
    world.fails(&["copy", "--to", &place, "--to-password-file", "kit.txt"], 16, "MS-1122");
    assert_eq!(contents(&place), before);
}

/// The objects of an archive but for leases, with their lengths.
fn contents(place: &str) -> Vec<(PathBuf, u64)> {
    let objects = files(Path::new(place)).into_iter().filter(|path| !path.starts_with(Path::new(place).join("coord")));
    objects.map(|path| (path.clone(), path.metadata().expect("a file").len())).collect()
}

#[test]
fn a_hold_is_extended_without_a_key_and_never_shortened() {
    let (world, place) = archived(&["--hold-until", "2090-05-31"]);
    on_a_bare_machine(&world);
    let until = |world: &World| world.document(&["archive", "show", &place])["held_until"].as_str().map(str::to_owned);
    // The end of the day in the last place on earth.
    assert_eq!(until(&world).as_deref(), Some("2090-06-01T12:00:00Z"));
    let shorter = world.fails(&["archive", "extend-hold", &place, "--hold-until", "2090-05-30"], 2, "MS-1002");
    assert!(shorter.stderr.contains("2090-06-01T12:00:00Z"), "{shorter:#?}");
    world.fails(&["archive", "extend-hold", &place, "--hold-until", "2001-01-01"], 2, "MS-1002");
    world.fails(&["archive", "extend-hold", &place], 2, "MS-1001");
    let said = world.ok(&["archive", "extend-hold", &place, "--hold-until", "2099-12-31"]);
    assert!(said.stderr.contains("no lock that Mainstay can set"), "{said:#?}");
    assert_eq!(until(&world).as_deref(), Some("2100-01-01T12:00:00Z"));
    assert_eq!(files(&Path::new(&place).join("archive/holds")).len(), 1);
    world.ok(&["archive", "verify", &place]);
    // A hold that cannot be read counts as one that lasts.
    std::fs::write(only(&Path::new(&place).join("archive/holds")), b"damaged").expect("it is writable");
    world.fails(&with_kit(&["--repo", &place, "prune"]), 4, "MS-1301");
}

#[test]
fn without_a_hold_an_archive_can_be_forgotten() {
    let (world, place) = archived(&[]);
    let id = world.document(&with_kit(&["--repo", &place, "snapshots"]))[0]["id"].as_str().expect("an id").to_owned();
    world.ok(&with_kit(&["--repo", &place, "forget", &id]));
    world.ok(&with_kit(&["--repo", &place, "prune"]));
    assert!(files(&Path::new(&place).join("packs")).is_empty());
}

#[test]
fn a_recipient_alone_opens_what_was_made_for_him() {
    let world = World::backed_up();
    world.ok(&["key", "create-recipient", "safe"]);
    world.ok(&["archive", "create", "latest", "--to", "vault", "--recipient", "safe.pub"]);
    let place = only(&world.path("vault")).to_str().expect("plain").to_owned();
    assert_eq!(files(&Path::new(&place).join("keys/slots")).len(), 1);
    let own = world.key_file();
    let own = own.to_str().expect("plain");
    world.fails(&["--password-file", own, "archive", "restore", &place, "--target", "out"], 12, "MS-1201");
    world.ok(&["--password-file", "safe.key", "archive", "restore", &place, "--target", "out", "--verify"]);
    assert_same(&world.restored("out", "docs"), &world.path("docs"));
    world.fails(&["archive", "create", "latest", "--to", "vault", "--recipient", "docs/notes.md"], 17, "MS-1006");
}

#[test]
fn the_key_of_the_repository_opens_it_where_nobody_else_is_named() {
    let world = World::backed_up();
    world.ok(&["archive", "create", "latest", "--to", "vault"]);
    world.ok(&["archive", "create", "latest", "--to", "vault"]);
    let places = files(&world.path("vault")).into_iter().filter(|path| path.ends_with("mainstay.json")).count();
    assert_eq!(places, 2, "each has a place of its own");
    let listed = world.document(&["archive", "list", "vault"]);
    let place = listed[1]["location"].as_str().expect("a place").to_owned();
    let said = world.ok(&["archive", "verify", &place]).stdout;
    assert!(said.contains("of content opened"), "{said}");
    assert_eq!(std::fs::read_dir(world.path(".config/mainstay/keys")).expect("keys").count(), 1);
    world.ok(&["status"]);
    // And a passphrase, where one is named; a store that is one file holds one archive.
    world.write("new.txt", b"a passphrase of its own\n");
    let file = format!("sqlite://{}", world.absolute("one.db"));
    world.ok(&["archive", "create", "latest", "--to", &file, "--new-password-file", "new.txt", "--hold", "1y"]);
    assert_eq!(world.document(&["archive", "list", &file])[0]["held"], true);
    world.ok(&["--password-file", "new.txt", "archive", "restore", &file, "--target", "out", "--verify"]);
    world.fails(&["archive", "create", "latest", "--to", &file], 16, "MS-1102");
}

#[test]
fn a_plain_archive_is_opened_by_the_systems_tar() {
    let world = World::backed_up();
    let said = world.ok(&["archive", "create", "latest", "--to", "vault", "--format", "tar.zst"]);
    assert!(said.stderr.contains("not encrypted and not held"), "{said:#?}");
    let file = only(&world.path("vault"));
    std::fs::create_dir(world.path("out")).expect("a directory");
    let mut tar = Command::new("tar");
    tar.args(["--zstd", "-xpf"]).arg(&file).arg("-C").arg(world.path("out"));
    let output = tar.output().expect("tar is there");
    assert!(output.status.success(), "{output:?}");
    assert_same(&world.restored("out", "docs"), &world.path("docs"));
    for words in [&["--hold", "1y"][..], &["--kit", "kit.txt"], &["--recipient", "MSP1"]] {
        let create = ["archive", "create", "latest", "--to", "vault", "--format", "tar.zst"];
        let ran = run(&mut world.command(&[&create, words].concat()));
        assert!(ran.code == 2 || ran.code == 17, "{words:?}: {ran:#?}");
    }
}

#[test]
fn an_archive_that_was_not_finished_is_none_and_is_told() {
    let (world, place) = archived(&["--hold", "1y"]);
    std::fs::remove_file(Path::new(&place).join("archive/manifest")).expect("it is there");
    let listed = world.run(&["archive", "list", "vault"]);
    assert!(listed.code == 3 && listed.stderr.contains("never finished"), "{listed:#?}");
    let ran = world.fails(&["archive", "verify", &place], 2, "MS-1002");
    assert!(ran.stderr.contains("mainstay archive list"), "{ran:#?}");
    let own = world.repository().to_str().expect("plain").to_owned();
    world.fails(&["archive", "create", "latest", "--to", &own], 2, "MS-1001");
}

#[test]
fn a_bucket_with_object_lock_refuses_deletions_itself_and_is_extended() {
    let world = World::backed_up();
    let server = S3::with_locking_bucket(&world, "vault");
    let place = server.repository("vault/archives");
    let create = ["archive", "create", "latest", "--to", &place, "--hold-until", "2090-05-31", "--json"];
    let made = world.run(&create).lines().pop().expect("a summary");
    assert_eq!(made["locked"], true, "{made}");
    let archive = made["location"].as_str().expect("a place").to_owned();
    let is_leased = |name: &str| name.contains("/coord/");
    let versions: Vec<_> = server.versions("vault").into_iter().filter(|(name, _)| !is_leased(name)).collect();
    assert_eq!(versions.len() as u64, made["objects"].as_u64().expect("a number") + 1, "{versions:?}");
    for version in &versions {
        let answer = server.delete_version("vault", version);
        assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("AccessDenied"), "{version:?}: {answer}");
        assert!(server.retention("vault", &version.0).contains("2090-06-01T12:00:00"), "{version:?}");
    }
    let listed = world.document(&["archive", "list", &place]);
    assert_eq!((&listed[0]["location"], &listed[0]["held"]), (&Value::from(archive.clone()), &true.into()));
    let said = world.ok(&["archive", "extend-hold", &archive, "--hold-until", "2095-05-31"]);
    assert!(said.stderr.contains("the store itself refuses"), "{said:#?}");
    for (name, _) in &versions {
        let kept = server.retention("vault", name);
        assert!(kept.contains("2095-06-01T12:00:00") && kept.contains("COMPLIANCE"), "{name}: {kept}");
    }
    world.fails(&["archive", "extend-hold", &archive, "--hold-until", "2094-05-31"], 2, "MS-1002");
    world.ok(&["archive", "restore", &archive, "--target", "out", "--verify"]);
    assert_same(&world.restored("out", "docs"), &world.path("docs"));
}

#[test]
fn a_bucket_without_object_lock_says_so() {
    let world = World::backed_up();
    let server = S3::with_bucket(&world, "plain");
    let place = server.repository("plain/archives");
    let said = world.ok(&["archive", "create", "latest", "--to", &place, "--hold", "1y"]);
    assert!(said.stderr.contains("no lock that Mainstay can set"), "{said:#?}");
    let archive = world.document(&["archive", "list", &place])[0]["location"].as_str().expect("a place").to_owned();
    world.ok(&["archive", "verify", &archive]);
}

#[test]
fn packs_in_a_cold_class_are_listed_before_anything_is_restored() {
    let world = World::backed_up();
    let server = S3::with_bucket(&world, "cold");
    let place = format!("{}&storage-class=GLACIER", server.repository("cold/archives"));
    world.ok(&["archive", "create", "latest", "--to", &place]);
    let listed = world.document(&["archive", "list", &place]);
    let archive = listed[0]["location"].as_str().expect("a place").to_owned();
    assert_eq!(world.document(&["archive", "show", &archive])["contents"]["type"], "full");
    let packs: Vec<String> = server.objects("cold").into_iter().filter(|name| name.contains("/packs/")).collect();
    assert!(packs.len() >= 2, "{packs:?}");
    for words in [&["restore", "--target", "out"][..], &["verify"]] {
        let ran = world.run(&[&["archive", words[0], &archive], &words[1..]].concat());
        assert!(ran.code == 13 && ran.stderr.contains("MS-1123"), "{ran:#?}");
        let told: Vec<&str> = ran.stdout.lines().collect();
        assert!(told.len() == packs.len() && packs.iter().all(|pack| told.iter().any(|name| pack.ends_with(name))));
    }
    assert!(!world.path("out").exists());
}
