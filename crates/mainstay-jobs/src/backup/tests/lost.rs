//! A store that has lost something behind the repository's back.

use mainstay_repo::{BlockKind, Store};

use crate::backup::Requested;
use crate::check::check;
use crate::fixture::noise;
use crate::ground::{Ground, look};
use crate::{Cancel, NoProgress};

#[test]
fn what_a_lost_pack_held_is_read_from_the_source_again() {
    let (ground, store) = Ground::in_memory();
    ground.write("large", &noise(7, 3 << 20));
    ground.write("small", b"small");
    ground.back_up(Requested::Full);
    for name in store.names().iter().filter(|name| name.starts_with("packs/")) {
        store.delete(name).unwrap();
    }
    let report = ground.back_up(Requested::Incremental);
    assert_eq!((report.statistics.files_believed, report.statistics.files_read), (0, 2));
    let found = check(&ground.repository, &NoProgress, &Cancel::default()).unwrap();
    let second = report.entry.unwrap().id;
    assert!(found.findings.iter().all(|finding| !finding.snapshots.contains(&second)), "{:?}", found.findings);
}

#[test]
fn a_directory_that_cannot_be_read_any_more_is_stored_again_by_every_type() {
    for requested in [Requested::Full, Requested::Incremental] {
        let (ground, store) = Ground::in_memory();
        ground.write("directory/file", b"content");
        ground.back_up(Requested::Full);
        for name in &ground.packs(BlockKind::Tree) {
            store.damage(name, |bytes| bytes[200] ^= 1);
        }
        let report = ground.back_up(requested);
        assert_eq!(report.packs, 1, "{requested:?}");
        let second = report.entry.unwrap();
        assert_eq!(look(&ground.restore(&second, "target")), look(&ground.source()));
        let found = check(&ground.repository, &NoProgress, &Cancel::default()).unwrap();
        assert!(!found.is_sound());
        assert!(found.findings.iter().all(|finding| !finding.snapshots.contains(&second.id)), "{:?}", found.findings);
    }
}
