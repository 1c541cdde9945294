//! Forget, prune, and what is left afterwards.

use crate::world::{World, files, noise};

/// Three snapshots, each with a large file of its own.
fn three_snapshots() -> World {
    let world = World::with_files();
    for number in 0..3_u8 {
        let content: Vec<u8> = noise(2 << 20).iter().map(|byte| byte ^ number.wrapping_mul(77)).collect();
        world.write("docs/large", &content);
        world.ok(&["backup", "docs"]);
    }
    world
}

#[test]
fn a_dry_run_forgets_nothing_and_shows_the_reasons() {
    let world = three_snapshots();
    let ran = world.ok(&["forget", "--keep-last", "1", "--dry-run"]);
    assert!(ran.stdout.contains("would forget 2 snapshots, 1 kept"), "{ran:#?}");
    assert!(ran.stdout.contains("last 1"), "{ran:#?}");
    assert_eq!(world.snapshots().len(), 3);
}

#[test]
fn forgetting_and_pruning_frees_space_and_keeps_the_rest_whole() {
    let world = three_snapshots();
    let size = || {
        files(&world.repository().join("packs")).iter().map(|path| path.metadata().expect("a pack").len()).sum::<u64>()
    };
    let before = size();
    let ran = world.ok(&["forget", "--keep-last", "1"]);
    assert!(ran.stderr.contains("next: mainstay prune"), "{ran:#?}");
    assert_eq!(world.snapshots().len(), 1);
    assert_eq!(world.document(&["snapshots", "--all"]).as_array().map(Vec::len), Some(3));
    assert!(world.ok(&["status"]).stderr.contains("2 forgotten snapshots"));
    let planned = world.ok(&["prune", "--dry-run"]);
    assert!(planned.stdout.starts_with("would remove 2 snapshots"), "{planned:#?}");
    assert_eq!(size(), before);
    let pruned = world.ok(&["prune"]);
    assert!(pruned.stdout.starts_with("removed 2 snapshots, freed "), "{pruned:#?}");
    assert!(size() + (3 << 20) < before, "{} of {before}", size());
    world.ok(&["check"]);
    world.ok(&["verify"]);
    world.ok(&["restore", "latest", "--target", "out", "--verify"]);
}

#[test]
fn snapshots_are_forgotten_by_name_and_pruned_at_once() {
    let world = three_snapshots();
    let ids = world.snapshots();
    let done = world.document(&["forget", &ids[0], &ids[1], "--prune"]);
    assert_eq!(done["forget"].as_array().map(Vec::len), Some(2));
    assert_eq!(done["prune"]["snapshots_removed"], 2);
    assert_eq!(world.snapshots(), ids[2..]);
    world.ok(&["verify"]);
}

#[test]
fn rules_count_per_source_and_can_be_limited_to_one() {
    let world = three_snapshots();
    world.ok(&["backup", "docs/deep", "--source", "other", "--tag", "keep"]);
    world.ok(&["backup", "docs/deep", "--source", "other"]);
    world.ok(&["forget", "--keep-last", "1", "--keep-tag", "keep", "--source", "other"]);
    assert_eq!(world.snapshots().len(), 5);
    world.ok(&["forget", "--keep-within", "30d", "--keep-daily", "1"]);
    assert_eq!(world.snapshots().len(), 5);
    world.ok(&["forget", "--keep-last", "1"]);
    assert_eq!(world.snapshots().len(), 2);
}

#[test]
fn verify_reads_a_sample_that_a_seed_repeats() {
    let world = three_snapshots();
    let run = || {
        let lines = world.lines(&["verify", "--sample", "10%", "--seed", "7"]);
        lines.last().expect("a summary")["pack_bytes"].as_u64().expect("a number")
    };
    let all = world.lines(&["verify"]).pop().expect("a summary")["pack_bytes"].as_u64().expect("a number");
    assert_eq!(run(), run());
    assert!(run() > 0 && run() < all);
}

#[test]
fn what_was_forgotten_is_held_for_a_week_and_comes_back() {
    let world = three_snapshots();
    let ids = world.snapshots();
    world.ok(&["forget", &ids[0], &ids[1]]);
    let held = world.ok(&["prune", "--hold", "7d"]);
    assert!(held.stdout.starts_with("removed 0 snapshots"), "{held:#?}");
    assert!(held.stderr.contains("2 forgotten snapshots are held for now"), "{held:#?}");
    let listed = world.ok(&["undelete"]);
    assert!(listed.stdout.contains(&ids[0][..8]) && listed.stdout.contains(&ids[1][..8]), "{listed:#?}");
    let back = world.ok(&["undelete", &ids[0][..8]]);
    assert!(back.stdout.starts_with("brought back snapshot "), "{back:#?}");
    world.ok(&["prune", "--hold", "0d"]);
    assert_eq!(world.snapshots(), [&*ids[0], &*ids[2]]);
    world.ok(&["check"]);
    world.ok(&["restore", &ids[0], "--target", "out", "--verify"]);
    world.fails(&["undelete", &ids[1][..8]], 1, "MS-1401");
    world.fails(&["undelete", &ids[2][..8]], 1, "MS-1401");
    assert!(world.ok(&["undelete"]).stderr.contains("no snapshot is forgotten"));
}

#[test]
fn prune_holds_what_was_forgotten_unless_it_is_told_otherwise() {
    let world = three_snapshots();
    let ids = world.snapshots();
    let mut command = world.command(&["forget", &ids[0], "--prune", "--json"]);
    let done = command.env_remove("MAINSTAY_HOLD").output().expect("it runs");
    let done: serde_json::Value = serde_json::from_slice(&done.stdout).expect("a document");
    assert_eq!((&done["prune"]["snapshots_held"], &done["prune"]["snapshots_removed"]), (&1.into(), &0.into()));
    world.ok(&["undelete", &ids[0]]);
    assert_eq!(world.snapshots(), ids);
}

#[test]
fn a_snapshot_that_came_late_into_a_copy_of_the_files_is_told_and_taken_back() {
    let world = three_snapshots();
    let last = world.snapshots().pop().expect("three snapshots");
    let (original, mirror) = (world.repository(), world.path("mirror"));
    copy_missing(&original, &mirror);
    // As if the files had been copied just before the last snapshot was written.
    let late = files(&mirror).into_iter().filter(|file| {
        let name = file.strip_prefix(&mirror).expect("it is in the mirror").to_string_lossy().into_owned();
        name.starts_with("snapshots/") && name.contains(&last)
            || name.starts_with("coord/leases/") && name.ends_with("/end")
    });
    late.for_each(|file| std::fs::remove_file(file).expect("it can be removed"));
    let at = mirror.to_str().expect("a name in UTF-8");
    world.ok(&["prune", "--hold", "0d", "--repo", at]);
    copy_missing(&original, &mirror);
    let told = world.ok(&["check", "--repo", at]);
    let text = format!("{}{}", told.stdout, told.stderr);
    assert!(
        text.contains("counts for nothing") && text.contains(&format!("mainstay undelete {}", &last[..8])),
        "{told:#?}"
    );
    let listed = world.ok(&["undelete", "--repo", at]);
    assert!(listed.stdout.contains(&last[..8]) && listed.stdout.contains("void"), "{listed:#?}");
    world.ok(&["prune", "--hold", "7d", "--repo", at]);
    world.ok(&["undelete", &last[..8], "--repo", at]);
    std::fs::remove_dir_all(&original).expect("it can be removed");
    world.ok(&["prune", "--hold", "0d", "--repo", at]);
    world.ok(&["verify", "--repo", at]);
    world.ok(&["restore", &last, "--target", "out", "--verify", "--repo", at]);
}

/// Copies the files that are not there.
fn copy_missing(from: &std::path::Path, to: &std::path::Path) {
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).expect("it is in there"));
        if !target.exists() {
            std::fs::create_dir_all(target.parent().expect("it has one")).expect("it can be made");
            std::fs::copy(&file, &target).expect("it can be copied");
        }
    }
}
