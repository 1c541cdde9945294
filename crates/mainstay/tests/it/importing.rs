//! Archives that other programs wrote, as snapshots.

use std::os::unix::fs::MetadataExt as _;
use std::process::Command;

use crate::world::{Ran, World, noise};

/// Runs a line of the shell in the home of a world, with the binary as `$mainstay`.
fn shell(world: &World, script: &str) -> Ran {
    let script = format!("set -euo pipefail; mainstay={}; {script}", crate::world::BINARY);
    crate::world::run(world.command_of("bash".as_ref(), &["-c", &script]).env("HOME", world.home()))
}

/// A home with files, an archive of them, and a repository that has none of them.
fn with_archive(arguments: &[&str], archive: &str) -> World {
    let world = World::backed_up();
    world.write("site/index.html", b"<p>hello");
    world.write("site/deep/er/large", &noise(3 << 20));
    std::os::unix::fs::symlink("index.html", world.path("site/start")).expect("a link");
    std::fs::hard_link(world.path("site/index.html"), world.path("site/other")).expect("a link");
    let mut tar = Command::new("tar");
    tar.args(arguments).args(["-cf", archive, "site"]).current_dir(world.home());
    let output = tar.output().expect("tar is there");
    assert!(output.status.success(), "{output:?}");
    world
}

fn assert_restored(world: &World, target: &str) {
    for name in ["site/index.html", "site/deep/er/large", "site/other"] {
        assert_eq!(world.read(&format!("{target}/{name}")), world.read(name), "{name}");
    }
    let inode = |name: &str| world.path(target).join(name).metadata().expect("a file").ino();
    assert_eq!(inode("site/index.html"), inode("site/other"));
    let link = std::fs::read_link(world.path(target).join("site/start")).expect("a link");
    assert_eq!(link.to_str(), Some("index.html"));
}

#[test]
fn an_archive_becomes_a_snapshot_that_tells_its_source_and_restores() {
    let world = with_archive(&[], "site.tar");
    let said = world.ok(&["import", "tar", "site.tar", "--tag", "legacy,old"]).stdout;
    let source = world.absolute("site.tar");
    assert!(said.contains(&format!(":{source} #1 (full): 3 files, 3.00 MiB")), "{said}");
    let listed = world.ok(&["snapshots", "--tag", "legacy"]).stdout;
    assert!(listed.contains(&source) && listed.contains("[legacy] [old]"), "{listed}");
    world.ok(&["restore", "latest", "--target", "out", "--verify"]);
    assert_restored(&world, "out");
    world.ok(&["check"]);
    world.ok(&["verify"]);
    let again = world.lines(&["import", "tar", "site.tar"]).pop().expect("a summary");
    assert_eq!((&again["new_bytes"], &again["snapshot"]["sequence"]), (&0.into(), &2.into()), "{again}");
    assert_eq!(again["snapshot"]["paths"][0]["path"], source.as_str());
}

#[test]
fn compressed_archives_are_unpacked_or_name_the_program_that_does() {
    for (arguments, archive) in [(["--zstd"], "site.tar.zst"), (["--gzip"], "site.tgz")] {
        let world = with_archive(&arguments, archive);
        world.ok(&["import", "tar", archive]);
        world.ok(&["restore", "latest", "--target", "out"]);
        assert_restored(&world, "out");
        let whole = world.read(archive);
        world.write("cut", &whole[..whole.len() - 20]);
        let before = world.snapshots().len();
        world.fails(&["import", "tar", "cut"], 1, "MS-1505");
        assert_eq!(world.snapshots().len(), before, "no snapshot of what was cut short");
    }
    let world = World::backed_up();
    for (begin, form) in [(&b"\xfd7zXZ\0rest"[..], "xz"), (b"BZh9rest", "bzip2")] {
        world.write("packed", begin);
        let failed = world.run(&["import", "tar", "packed"]);
        failed.failed(1, "MS-1505");
        assert!(
            failed.stderr.contains(form) && failed.stderr.contains("-dc FILE | mainstay import tar -"),
            "{failed:#?}"
        );
    }
}

#[test]
fn a_pipe_needs_a_name_and_shares_what_a_backup_stored() {
    let world = with_archive(&[], "site.tar");
    world.fails(&["import", "tar", "-"], 2, "MS-1001");
    world.ok(&["backup", "site"]);
    let ran = shell(&world, "tar -c site | $mainstay import tar - --source web:site --json");
    assert_eq!(ran.code, 0, "{ran:#?}");
    let summary = ran.lines().pop().expect("a summary");
    assert_eq!(summary["snapshot"]["source"], "web:site");
    assert!(summary["new_bytes"].as_u64() < Some(20_000), "trees alone are new: {summary}");
}

#[test]
fn an_archive_that_is_cut_short_or_none_makes_no_snapshot() {
    let world = with_archive(&[], "site.tar");
    let before = world.snapshots().len();
    let whole = world.read("site.tar");
    world.write("cut.tar", &whole[..whole.len() / 2]);
    let failed = world.run(&["import", "tar", "cut.tar"]);
    failed.failed(1, "MS-1505");
    assert!(failed.stderr.contains("it was cut short"), "{failed:#?}");
    world.fails(&["import", "tar", "site/index.html"], 1, "MS-1505");
    world.fails(&["import", "tar", "site"], 1, "MS-1501");
    world.fails(&["import", "tar", "not-there.tar"], 1, "MS-1501");
    let ran = shell(&world, "head -c 100000 site.tar | $mainstay import tar - --source web:site");
    ran.failed(1, "MS-1505");
    assert_eq!(world.snapshots().len(), before);
}

#[test]
fn members_that_are_left_out_are_told_and_end_with_3() {
    let world = with_archive(&[], "site.tar");
    let ran = shell(&world, "tar -cPf up.tar --transform 's,^site/index,../up,' site && $mainstay import tar up.tar");
    assert!(ran.code == 3 && ran.stderr.contains("warning[MS-1503] 2 members of the archive"), "{ran:#?}");
    assert!(ran.stderr.contains("leads upwards"), "{ran:#?}");
    let ran = shell(&world, "tar -cPf root.tar --transform 's,^,/srv/,' site && $mainstay import tar root.tar");
    assert!(ran.code == 0 && ran.stderr.contains("taken without it"), "{ran:#?}");
    assert!(world.ok(&["ls", "latest:/srv/site"]).stdout.contains("index.html"));
}

#[test]
fn a_dry_run_names_members_and_stores_nothing() {
    let world = with_archive(&[], "site.tar");
    let before = world.snapshots().len();
    let said = world.ok(&["import", "tar", "site.tar", "--dry-run", "--verbose"]).all();
    assert!(said.contains("site/deep/er/large") && said.contains("would back up"), "{said}");
    assert_eq!(world.snapshots().len(), before);
}

#[test]
fn what_export_writes_import_reads() {
    let world = with_archive(&[], "site.tar");
    world.ok(&["backup", "site"]);
    let ran = shell(&world, "$mainstay export latest - | $mainstay import tar - --source copy");
    assert_eq!(ran.code, 0, "{ran:#?}");
    world.ok(&["restore", "latest", "--source", "copy", "--target", "out", "--verify"]);
    let restored = std::fs::read(world.restored("out", "site/deep/er/large")).expect("a file");
    assert_eq!(restored, world.read("site/deep/er/large"));
}
