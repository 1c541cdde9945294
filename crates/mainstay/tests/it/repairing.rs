//! Parity and repair: damage is named, undone where something is left to undo it from, and never made worse.

use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use crate::world::{World, files, noise};

/// The pack with most bytes: that of content.
fn content_pack(world: &World) -> PathBuf {
    let packs = files(&world.repository().join("packs"));
    packs.into_iter().max_by_key(|path| path.metadata().expect("a pack").len()).expect("a pack")
}

/// Turns every bit of a run of bytes.
fn damage(path: &Path, offset: u64, len: usize) {
    let file = std::fs::File::options().read(true).write(true).open(path).expect("an object");
    let mut bytes = vec![0; len];
    file.read_exact_at(&mut bytes, offset).expect("it is that long");
    bytes.iter_mut().for_each(|byte| *byte = !*byte);
    file.write_all_at(&bytes, offset).expect("it is writable");
}

/// Every object of the repository but those of coordination, with its bytes.
fn objects(world: &World) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all: Vec<_> = files(&world.repository())
        .into_iter()
        .filter(|path| !path.starts_with(world.repository().join("coord")))
        .map(|path| (path.clone(), std::fs::read(&path).expect("an object")))
        .collect();
    all.sort();
    all
}

fn assert_restores(world: &World, snapshot: &str, target: &str) {
    world.ok(&["restore", snapshot, "--target", target, "--verify"]);
    for name in ["docs/notes.md", "docs/deep/er/leaf", "docs/large"] {
        let restored = std::fs::read(world.restored(target, name)).expect("a restored file");
        assert!(restored == world.read(name), "{name}");
    }
}

#[test]
fn damage_within_the_parity_is_told_and_undone() {
    let world = World::backed_up();
    assert!(world.ok(&["parity", "add"]).stdout.contains("made parity of 2 packs"));
    assert!(world.ok(&["parity", "add"]).stdout.contains("2 had it already"));
    let status = world.document(&["parity", "status"]);
    assert_eq!((&status["packs"], &status["covered_packs"]), (&2.into(), &2.into()));
    let pack = content_pack(&world);
    damage(&pack, 1_000_000, 60_000);
    let verified = world.fails(&["verify"], 4, "MS-1304");
    assert!(verified.stdout.contains("repairable from parity"), "{verified:#?}");
    let before = objects(&world);
    let shown = world.ok(&["repair", "--dry-run"]);
    assert!(shown.stdout.contains("would repair") && shown.stdout.contains("from its parity"), "{shown:#?}");
    assert!(objects(&world) == before, "showing changes nothing");
    let summary = world.lines(&["repair"]).pop().expect("a summary");
    assert_eq!((&summary["sound"], &summary["repaired"][0]["by"]), (&true.into(), &"parity".into()));
    assert!(!pack.exists());
    assert!(world.ok(&["verify"]).stdout.contains("sound"));
    world.ok(&["check"]);
    assert_restores(&world, "latest", "out");
    assert_eq!(world.document(&["parity", "status"])["covered_packs"], 2, "the new pack has parity, too");
    let dropped = world.lines(&["parity", "drop"]).pop().expect("a summary");
    assert_eq!((&dropped["packs_dropped"], &dropped["packs_kept"]), (&2.into(), &0.into()));
}

#[test]
fn a_repair_of_a_whole_repository_changes_nothing() {
    let world = World::backed_up();
    world.ok(&["parity", "add", "--percent", "10"]);
    let before = objects(&world);
    for options in [&["repair"][..], &["repair", "--accept-loss"], &["repair", "-n"]] {
        assert!(world.ok(options).stdout.contains("whole, nothing to repair"));
        assert!(objects(&world) == before, "{options:?}");
    }
}

#[test]
fn parity_that_a_damaged_pack_needs_is_not_dropped() {
    let world = World::backed_up();
    world.ok(&["parity", "add"]);
    let pack = content_pack(&world);
    damage(&pack, 1_000_000, 600);
    let name = pack.file_name().expect("a name").to_str().expect("plain");
    let dropped = world.fails(&["parity", "drop"], 4, "MS-1312");
    assert!(dropped.stdout.contains("dropped the parity of 1 pack "), "{dropped:#?}");
    assert!(dropped.stderr.contains(name) && dropped.stderr.contains("run `mainstay repair` first"), "{dropped:#?}");
    let lines = world.lines(&["parity", "drop"]);
    let [summary, error] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!((&summary["packs_dropped"], &summary["packs_kept"]), (&0.into(), &1.into()));
    assert!(summary["damaged"][0].as_str().expect("a text").contains(name), "{summary}");
    assert_eq!(error["code"], "MS-1312");
    assert!(world.ok(&["repair"]).stdout.contains("from its parity"));
    world.ok(&["parity", "drop"]);
    assert_restores(&world, "latest", "out");
}

#[test]
fn a_pack_that_was_cut_short_is_told_by_check_and_healed() {
    let world = World::backed_up();
    world.ok(&["parity", "add"]);
    let pack = content_pack(&world);
    let len = pack.metadata().expect("a pack").len();
    std::fs::File::options().write(true).open(&pack).expect("a pack").set_len(len - 50_000).expect("it is cut");
    let checked = world.fails(&["check"], 4, "MS-1304");
    assert!(checked.stdout.contains("repairable from parity"), "{checked:#?}");
    world.ok(&["repair"]);
    world.ok(&["verify"]);
    assert_restores(&world, "latest", "out");
}

#[test]
fn what_is_beyond_repair_is_named_stored_again_and_healed_from_that() {
    let world = World::backed_up();
    let pack = content_pack(&world);
    damage(&pack, 1_000_000, 1000);
    let ran = world.fails(&["repair"], 4, "MS-1307");
    for part in [pack.file_name().expect("a name").to_str().expect("plain"), "docs/large", "next backup"] {
        assert!(ran.stdout.contains(part), "no {part:?} in {ran:#?}");
    }
    assert!(!ran.stdout.contains("notes.md"), "{ran:#?}");
    assert!(pack.exists(), "it stays as it is");
    // Nothing of the source has changed, and still what is lost is read and stored again.
    world.settle();
    let summary = world.lines(&["backup", "docs"]).pop().expect("a summary");
    assert!(summary["statistics"]["new_bytes"].as_u64().expect("a number") > 0, "{summary}");
    assert_restores(&world, "latest", "newest");
    assert!(world.ok(&["repair"]).stdout.contains("from what was stored again since"));
    world.ok(&["verify"]);
    world.ok(&["check"]);
    assert_restores(&world, "latest~1", "older");
    assert_eq!(files(&world.repository().join("losses")), Vec::<PathBuf>::new());
}

#[test]
fn another_copy_of_the_repository_lends_what_is_lost() {
    let world = World::backed_up();
    let mirror = world.path("mirror");
    for path in files(&world.repository()) {
        let there = mirror.join(path.strip_prefix(world.repository()).expect("it is in it"));
        std::fs::create_dir_all(there.parent().expect("a directory")).expect("a directory");
        std::fs::copy(&path, there).expect("a copy");
    }
    let from = mirror.to_str().expect("plain").to_owned();
    damage(&content_pack(&world), 1_000_000, 1000);
    for key in files(&world.repository().join("keys/data")) {
        std::fs::remove_file(key).expect("a data key");
    }
    let own = world.repository().to_str().expect("plain").to_owned();
    assert!(world.fails(&["repair", "--from", &own], 2, "MS-1001").stderr.contains("to be repaired"));
    let shown = world.ok(&["repair", "--from", &from, "--dry-run"]).stdout;
    assert!(shown.contains("would repair: keys/data/") && shown.contains("would repair: packs/"), "{shown}");
    let document = world.lines(&["repair", "--from", &from]).pop().expect("a summary");
    let by: Vec<&str> =
        document["repaired"].as_array().expect("a list").iter().filter_map(|one| one["by"].as_str()).collect();
    assert_eq!((by.as_slice(), &document["sound"]), (["other_copy"; 2].as_slice(), &true.into()), "{document}");
    world.ok(&["verify"]);
    world.ok(&["check"]);
    assert_restores(&world, "latest", "out");
    world.ok(&["--repo", "other", "init"]);
    let refused = world.run(&["repair", "--from", "other"]);
    assert!(refused.code != 0 && refused.stderr.contains("no copy of"), "{refused:#?}");
}

#[test]
fn second_copies_stand_in_for_what_opens_the_repository_and_heal_it() {
    let world = World::backed_up();
    let added = world.ok(&["parity", "add"]).stdout;
    assert!(added.contains("made second copies of 5 small objects"), "{added}");
    let status = world.document(&["parity", "status"]);
    assert_eq!((&status["small_objects"], &status["copied_objects"]), (&5.into(), &5.into()));
    assert!(world.ok(&["parity", "status"]).stdout.contains("second copies of 5 of 5 small objects"));
    let before = objects(&world);
    let object = |folder: &str| files(&world.repository().join(folder)).pop().expect("an object");
    let (config, key) = (world.repository().join("mainstay.json"), object("keys/data"));
    // That of the key file and that of the recovery kit.
    files(&world.repository().join("keys/slots")).iter().for_each(|slot| damage(slot, 60, 3));
    damage(&key, 60, 3);
    // A digit of the identifier by which the key file is found.
    let text = std::fs::read_to_string(&config).expect("it is text");
    let at = text.find("\"repository\": \"").expect("it is in it") + 15;
    let other = if text.as_bytes()[at] == b'0' { "1" } else { "0" };
    std::fs::write(&config, [&text[..at], other, &text[at + 1..]].concat()).expect("it is writable");
    let checked = world.fails(&["check"], 4, "MS-1304");
    for name in ["mainstay.json", "keys/slots/", "keys/data/"] {
        assert!(checked.stdout.contains(name), "no {name} in {checked:#?}");
    }
    assert!(checked.stdout.contains("repairable from its second copy"), "{checked:#?}");
    assert!(checked.stderr.contains("opened by a second copy"), "{checked:#?}");
    let shown = world.ok(&["repair", "-n"]);
    assert!(shown.stdout.contains("would repair: mainstay.json: from its second copy"), "{shown:#?}");
    std::fs::remove_file(&config).expect("it is there");
    let summary = world.lines(&["repair"]).pop().expect("a summary");
    let by: Vec<&str> =
        summary["repaired"].as_array().expect("a list").iter().filter_map(|one| one["by"].as_str()).collect();
    assert_eq!((by.as_slice(), &summary["sound"]), (["second_copy"; 4].as_slice(), &true.into()), "{summary}");
    assert!(objects(&world) == before, "every byte is as it was");
    assert_restores(&world, "latest", "out");
    world.ok(&["check"]);
    damage(&object("copies/keys/data"), 60, 3);
    assert!(world.fails(&["verify"], 4, "MS-1304").stdout.contains("copies/keys/data/"));
    assert!(world.ok(&["repair"]).stdout.contains("made anew"));
    damage(&key, 60, 3);
    let added = world.fails(&["parity", "add"], 4, "MS-1308");
    assert!(added.stderr.contains("no second copy was made of 1 damaged object"), "{added:#?}");
    let dropped = world.lines(&["parity", "drop"]).pop().expect("a summary");
    assert_eq!((&dropped["copies_dropped"], &dropped["copies_kept"]), (&4.into(), &1.into()));
    world.ok(&["repair"]);
    assert_restores(&world, "latest", "again");
}

#[test]
fn a_damaged_lease_is_told_with_the_command_that_takes_it_away() {
    let world = World::backed_up();
    let claims = files(&world.repository().join("coord/leases"));
    let claim = claims.iter().find(|path| !path.ends_with("end")).expect("the lease of the backup");
    damage(claim, 40, 3);
    for command in ["check", "repair"] {
        let ran = world.run(&[command]);
        assert!(ran.code == 4 && ran.stderr.contains("hint: run `mainstay prune`"), "{command}: {ran:#?}");
    }
    world.ok(&["prune"]);
    world.ok(&["check"]);
    assert_restores(&world, "latest", "out");
}

#[test]
fn a_key_that_a_rotation_left_behind_is_told_of_the_other_one() {
    let world = World::backed_up();
    let kits = files(&world.path(".config/mainstay"));
    let is_kit = |path: &&PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().contains("recovery-kit"));
    let kit = kits.iter().find(is_kit).and_then(|path| path.to_str()).expect("the recovery kit");
    let slots = world.repository().join("keys/slots");
    let before: Vec<_> = files(&slots).into_iter().map(|path| (std::fs::read(&path).expect("a slot"), path)).collect();
    let rotated = world.document(&["key", "rotate", "--take-along", kit]);
    let of_kit =
        rotated["kept"].as_array().expect("keys").iter().find(|key| key["in_use"] == false).expect("the kit's");
    // As if it had been killed when the own slot was there.
    std::fs::remove_file(slots.join(format!("{}.1", of_kit["id"].as_str().expect("an id")))).expect("its new slot");
    before.iter().for_each(|(bytes, path)| std::fs::write(path, bytes).expect("a slot"));
    let large = |seed: u8| (0..2000_u32).map(|at| (at as u8).wrapping_mul(seed)).collect::<Vec<_>>();
    world.write("docs/notes.md", &large(7));
    world.ok(&["backup", "docs"]);
    for command in [&["check"][..], &["verify"], &["repair"], &["prune"], &["restore", "latest", "--target", "out"]] {
        let ran = world.run(&[&["--password-file", kit], command].concat());
        assert!(ran.code == 4 && ran.stderr.contains("mainstay key rotate --take-along"), "{command:?}: {ran:#?}");
        assert!(!ran.stderr.contains("--accept-loss"), "{command:?}: {ran:#?}");
    }
    world.ok(&["key", "rotate", "--take-along", kit]);
    world.ok(&["--password-file", kit, "check"]);
    world.ok(&["--password-file", kit, "restore", "latest", "--target", "out"]);
    assert_eq!(std::fs::read(world.restored("out", "docs/notes.md")).expect("restored"), large(7));
}

#[test]
fn a_loss_is_accepted_only_when_asked_and_costs_nothing_more() {
    let world = World::backed_up();
    let pack = content_pack(&world);
    damage(&pack, 1_000_000, 1000);
    world.write("docs/large", &noise(1000));
    let ran = world.ok(&["repair", "--accept-loss"]);
    assert!(ran.stdout.contains("given up") && ran.stdout.contains("docs/large"), "{ran:#?}");
    assert!(!pack.exists());
    let checked = world.ok(&["check"]);
    assert!(checked.stdout.contains("known losses") && checked.stdout.contains("docs/large"), "{checked:#?}");
    world.ok(&["verify"]);
    world.ok(&["prune"]);
    assert_eq!(world.run(&["restore", "latest", "--target", "out"]).code, 3, "all but one file");
    let restored = std::fs::read(world.restored("out", "docs/notes.md")).expect("a restored file");
    assert_eq!(restored, b"first line\n");
    world.settle();
    world.ok(&["backup", "docs"]);
    world.ok(&["forget", "--keep-last", "1", "--prune"]);
    let checked = world.ok(&["check"]);
    assert!(!checked.stdout.contains("known losses"), "{checked:#?}");
}

#[test]
fn parity_for_one_snapshot_covers_what_it_needs() {
    let world = World::backed_up();
    world.write("more/file", &noise(500_000));
    world.ok(&["backup", "more"]);
    let ran = world.ok(&["parity", "add", "latest", "--percent", "5"]);
    let of_all = world.document(&["parity", "status"]);
    let of_latest = world.document(&["parity", "status", "latest"]);
    // Its own two, and that of the first backup's trees where a directory above both has not changed.
    let covered = of_latest["packs"].as_u64().expect("a number");
    assert!((2..=3).contains(&covered) && ran.stdout.contains(&format!("made parity of {covered} packs")), "{ran:#?}");
    assert_eq!((&of_latest["covered_packs"], &of_all["covered_packs"]), (&covered.into(), &covered.into()));
    assert_eq!(of_all["packs"], 4);
    world.fails(&["parity", "add", "--percent", "31"], 2, "MS-1001");
    world.fails(&["parity", "add", "absent"], 1, "MS-1401");
}

#[test]
fn no_parity_is_made_of_damage() {
    let world = World::backed_up();
    damage(&content_pack(&world), 1_000_000, 1000);
    let ran = world.fails(&["parity", "add"], 4, "MS-1308");
    assert!(ran.stderr.contains("its bytes do not match its name"), "{ran:#?}");
    assert_eq!(world.document(&["parity", "status"])["covered_packs"], 1);
}
