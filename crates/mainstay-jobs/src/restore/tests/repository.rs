//! The repository that is read is not written into, whatever the snapshot says and wherever the target is.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use mainstay_sources::files::TargetTree;

use crate::backup::Requested;
use crate::ground::{Ground, as_recorded, look, paths, read, write};
use crate::restore::guard::Guard;
use crate::restore::{Extra, Overwrite, RestoreOptions, RestoreRun};
use crate::{Cancel, Error, NoProgress};

/// What every object of a repository holds, but the claims of those who read it.
fn objects(repository: &Path) -> BTreeMap<String, Option<blake3::Hash>> {
    let objects = look(repository).into_iter();
    let shown = objects.map(|(name, seen)| (name.escape_ascii().to_string(), seen.content));
    shown.filter(|(name, _)| !name.starts_with("coord")).collect()
}

fn every_rule() -> Vec<RestoreOptions> {
    let with = |overwrite, extra| RestoreOptions { overwrite, extra, ..as_recorded() };
    let rules = [Overwrite::Always, Overwrite::IfChanged, Overwrite::IfNewer, Overwrite::Never];
    rules.into_iter().flat_map(|rule| [with(rule, Extra::Keep), with(rule, Extra::Delete)]).collect()
}

#[test]
fn what_the_snapshot_has_at_the_place_of_the_repository_is_not_written() {
    let ground = Ground::new();
    for name in ["config", "new", "packs/new/pack"] {
        ground.write(&format!("home/repository/{name}"), b"restored over the repository");
    }
    ground.write("home/file", b"restored");
    let entry = ground.back_up(Requested::Full).entry.unwrap();
    fs::create_dir(ground.path("home")).unwrap();
    // The repository lies in the target, two levels down, and the target is reached by a link as well.
    let top = ground.path("");
    std::os::unix::fs::symlink(&top, ground.path("link")).unwrap();
    let home = ground.path("home");
    fs::rename(ground.path("repository"), home.join("repository")).unwrap();
    std::os::unix::fs::symlink(home.join("repository"), ground.path("repository")).unwrap();
    let before = objects(&home.join("repository"));
    for options in every_rule() {
        // What is extra beside the home is the test's own.
        let options = RestoreOptions { include: vec!["home".to_owned()], ..options };
        for target in [&top, &ground.path("link")] {
            let report = ground.restore_with(&entry, target, &options);
            assert_eq!(paths(&report.warnings), ["home/repository"], "{:?}", report.warnings);
            assert_eq!(objects(&home.join("repository")), before);
            assert_eq!(read(&home.join("file")), b"restored");
        }
    }
}

#[test]
fn nothing_takes_the_place_of_the_repository_or_of_a_directory_above_it() {
    let plant: [fn(&Path); 2] =
        [|path| write(path, b"a file in its place"), |path| std::os::unix::fs::symlink("elsewhere", path).unwrap()];
    for (plant, name) in plant.into_iter().flat_map(|plant| [(plant, "repository"), (plant, "above")]) {
        let ground = Ground::new();
        plant(&ground.source().join(name));
        let entry = ground.back_up(Requested::Full).entry.unwrap();
        let mut repository = ground.path("repository");
        if name == "above" {
            fs::create_dir(ground.path("above")).unwrap();
            fs::rename(&repository, ground.path("above/repository")).unwrap();
            std::os::unix::fs::symlink("above/repository", &repository).unwrap();
            repository = ground.path("above/repository");
        }
        let before = objects(&repository);
        for extra in [Extra::Keep, Extra::Delete] {
            let options = RestoreOptions { extra, include: vec![name.to_owned()], ..as_recorded() };
            let report = ground.restore_with(&entry, &ground.path(""), &options);
            assert_eq!(paths(&report.warnings), [name]);
            assert_eq!(objects(&repository), before);
        }
    }
}

#[test]
fn a_target_in_the_repository_is_refused_before_it_is_made() {
    let ground = Ground::new();
    ground.write("file", b"restored");
    let entry = ground.back_up(Requested::Full).entry.unwrap();
    let repository = ground.path("repository");
    let before = objects(&repository);
    std::os::unix::fs::symlink(&repository, ground.path("link")).unwrap();
    let targets: [PathBuf; 5] = [
        repository.clone(),
        repository.join("packs"),
        repository.join("new"),
        repository.join("new/deep/er"),
        ground.path("link").join("new"),
    ];
    for target in targets {
        let refused = ground.restore_telling((&entry, None), &target, &as_recorded(), &|_| {});
        assert!(matches!(refused, Err(Error::Invalid(_))), "{}: {refused:?}", target.display());
    }
    // What is not there yet hides where this leads; it is seen before anything is written.
    let hidden = ground.path("not there/../repository");
    assert!(ground.restore_telling((&entry, None), &hidden, &as_recorded(), &|_| {}).is_err());
    assert_eq!(objects(&repository), before);
}

#[test]
fn the_repository_is_known_wherever_it_is_mounted() {
    let ground = Ground::new();
    let entry = ground.back_up(Requested::Full).entry.unwrap();
    let target = ground.path("target");
    let guard = Guard::find(&RestoreRun {
        repository: &ground.repository,
        entry: &entry,
        path: None,
        target: &target,
        options: &as_recorded(),
        planned: &|_| {},
        progress: &NoProgress,
        cancel: &Cancel::default(),
    });
    let guard = guard.unwrap();
    let top = TargetTree::open_or_create(&ground.path("")).unwrap().top();
    // The target is not there yet, so nothing lies in it.
    let [repository, source] = ["repository", "source"].map(|name| top.stat(name.as_bytes()).unwrap().unwrap());
    for path in [b"repository".as_slice(), b"mounted/here"] {
        assert!(guard.is_repository(path, Some(&repository)) && guard.lies_in(path, &repository));
        assert!(!guard.is_repository(path, Some(&source)) && !guard.lies_in(path, &source));
    }
}
