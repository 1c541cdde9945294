//! Tests of what a repair tells: objects, snapshots, paths.

use mainstay_repo::{BlockKind, Means, Store as _, names};

use super::*;
use crate::NoProgress;
use crate::check::check;
use crate::fixture::{Files, Fixture, SECOND, START};
use crate::verify::{VerifyOptions, verify};

fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

fn run(fixture: &Fixture, mode: RepairMode, on_loss: OnLoss) -> RepairOutcome {
    repair((&fixture.repository, None), RepairOptions { mode, on_loss }, &NoProgress, &Cancel::default()).unwrap()
}

/// Two snapshots that share a large file, of which the second has another one.
fn fixture() -> (Fixture, Files) {
    let fixture = Fixture::new();
    let first: Files = [("dir/large", noise(1, 1 << 20)), ("small", b"small".to_vec())].into();
    fixture.back_up_at(START, &first);
    let mut second = first;
    second.insert("dir/other", noise(2, 1 << 20));
    fixture.back_up_at(START + SECOND, &second);
    (fixture.reopen(), second)
}

/// The pack of content that both snapshots need.
fn shared_pack(fixture: &Fixture) -> String {
    let entries = fixture.entries();
    let (index, map) = (fixture.repository.index().unwrap(), fixture.repository.references(&entries[0]).unwrap());
    let place = map.iter().map(|block| index.find_block(block).unwrap().unwrap());
    let place = place.filter(|place| place.kind == BlockKind::Content).max_by_key(|place| place.stored_len).unwrap();
    names::pack(place.pack, place.pack_session)
}

#[test]
fn a_loss_is_named_with_its_snapshots_and_paths() {
    let (fixture, _) = fixture();
    let pack = shared_pack(&fixture);
    fixture.flip(&pack, 300_000);
    for mode in [RepairMode::Show, RepairMode::Apply] {
        let outcome = run(&fixture, mode, OnLoss::Keep);
        assert!(!outcome.is_sound() && outcome.report.repaired.is_empty());
        let [finding] = outcome.findings.as_slice() else { panic!("{:?}", outcome.findings) };
        assert_eq!((finding.severity, &finding.object), (Severity::Damage, &pack));
        assert_eq!((finding.snapshots.len(), finding.paths.as_slice()), (2, &["/dir/large".to_owned()][..]));
    }
    let checked = check(&fixture.repository, &NoProgress, &Cancel::default()).unwrap();
    let [finding] = checked.findings.as_slice() else { panic!("{:?}", checked.findings) };
    assert!(finding.object == pack && finding.problem.contains("a repair found 1 block of it lost"), "{finding:?}");
    assert_eq!(finding.paths, ["/dir/large"]);
}

#[test]
fn an_accepted_loss_is_a_note_of_repair_and_check() {
    let (fixture, _) = fixture();
    let pack = shared_pack(&fixture);
    fixture.flip(&pack, 300_000);
    let outcome = run(&fixture, RepairMode::Apply, OnLoss::Accept);
    assert!(outcome.is_sound() && outcome.findings.len() == 1, "{:?}", outcome.findings);
    assert!(outcome.findings[0].problem.contains("given up"));
    assert_eq!(outcome.findings[0].paths, ["/dir/large"]);
    let checked = check(&fixture.repository, &NoProgress, &Cancel::default()).unwrap();
    assert!(checked.is_sound(), "{:?}", checked.findings);
    let [finding] = checked.findings.as_slice() else { panic!("{:?}", checked.findings) };
    assert_eq!((finding.object.as_str(), finding.paths.as_slice()), ("known losses", &["/dir/large".to_owned()][..]));
    let again = run(&fixture, RepairMode::Apply, OnLoss::Keep);
    assert!(again.is_sound() && again.findings.len() == 1, "{:?}", again.findings);
}

#[test]
fn what_a_lost_data_key_took_is_a_note_once_it_is_accepted() {
    let (fixture, _) = fixture();
    let first = fixture.reopen().entries().into_iter().find(|entry| entry.snapshot.sequence == 1).unwrap();
    fixture.store.delete(&names::data_key(first.snapshot.session, 0)).unwrap();
    let checked = |fixture: &Fixture| check(&fixture.reopen().repository, &NoProgress, &Cancel::default()).unwrap();
    assert!(!run(&fixture.reopen(), RepairMode::Apply, OnLoss::Keep).is_sound() && !checked(&fixture).is_sound());
    run(&fixture.reopen(), RepairMode::Apply, OnLoss::Accept);
    let fixture = fixture.reopen();
    let source = fixture.repository.source_id(&first.snapshot.source);
    fixture.repository.accept_loss(mainstay_repo::SnapshotPlace { source, sequence: 1, id: first.id }).unwrap();
    let again = run(&fixture.reopen(), RepairMode::Apply, OnLoss::Keep);
    assert!(again.is_sound(), "{:?}", again.findings);
    assert!(checked(&fixture).is_sound(), "{:?}", checked(&fixture).findings);
    assert!(checked(&fixture).findings.iter().any(|finding| finding.paths.iter().any(|path| path == "/dir/large")));
}

#[test]
fn verify_says_what_parity_can_do() {
    let (fixture, _) = fixture();
    let pack = shared_pack(&fixture);
    fixture.repository.add_parity(None, 3, &Watch::of_repair(&NoProgress, &Cancel::default())).unwrap();
    let problem = || {
        let options = VerifyOptions { sample: None, seed: 0 };
        let report = verify(&fixture.repository, &options, &NoProgress, &Cancel::default()).unwrap();
        report.findings.into_iter().find(|finding| finding.object == pack).unwrap().problem
    };
    fixture.flip(&pack, 300_000);
    assert!(problem().ends_with("; repairable from parity by `mainstay repair`"), "{}", problem());
    fixture.store.damage(&pack, |bytes| bytes[100_000..700_000].fill(0));
    assert!(problem().ends_with("; more is damaged than its parity can undo"), "{}", problem());
    let dropped = fixture.repository.drop_parity(None, &Watch::of_repair(&NoProgress, &Cancel::default())).unwrap();
    assert_eq!(dropped.damaged.len(), 1, "the parity of a damaged pack stays");
    for sidecar in fixture.store.list(names::PARITY).unwrap() {
        fixture.store.delete(&sidecar.name).unwrap();
    }
    assert!(!problem().contains("parity"), "{}", problem());
}

#[test]
fn check_and_verify_tell_damaged_copies_and_what_a_copy_can_mend() {
    let (fixture, _) = fixture();
    fixture.repository.add_parity(None, 3, &Watch::of_repair(&NoProgress, &Cancel::default())).unwrap();
    let found = || {
        let checked = check(&fixture.repository, &NoProgress, &Cancel::default()).unwrap().findings;
        let options = VerifyOptions { sample: None, seed: 0 };
        let verified = verify(&fixture.repository, &options, &NoProgress, &Cancel::default()).unwrap().findings;
        let told = |found: Vec<Finding>| -> Vec<(String, String)> {
            found.into_iter().map(|finding| (finding.object, finding.problem)).collect()
        };
        (told(checked), told(verified))
    };
    assert_eq!(found(), (Vec::new(), Vec::new()));
    let snapshot = fixture.names("snapshots/").remove(0);
    let copy = names::second_copy(&snapshot);
    fixture.flip(&copy, 60);
    let (checked, verified) = found();
    assert!(checked == verified && checked.len() == 1 && checked[0].0 == copy, "{checked:?}, {verified:?}");
    let outcome = run(&fixture, RepairMode::Apply, OnLoss::Keep);
    assert!(outcome.is_sound() && outcome.report.repaired.len() == 1, "{outcome:?}");
    assert_eq!(found(), (Vec::new(), Vec::new()));
    fixture.repository.store().delete(&snapshot).unwrap();
    let (checked, _) = found();
    let told = checked.iter().find(|(object, _)| *object == snapshot).unwrap();
    assert!(told.1.ends_with("; repairable from its second copy by `mainstay repair`"), "{told:?}");
    let outcome = run(&fixture, RepairMode::Apply, OnLoss::Keep);
    assert!(outcome.is_sound(), "{:?}", outcome.findings);
    assert_eq!(outcome.report.repaired[0].means, Means::SecondCopy);
    assert_eq!(found(), (Vec::new(), Vec::new()));
}

#[test]
fn what_was_healed_is_no_finding() {
    let (fixture, _) = fixture();
    let pack = shared_pack(&fixture);
    fixture.repository.add_parity(None, 3, &Watch::of_repair(&NoProgress, &Cancel::default())).unwrap();
    fixture.flip(&pack, 300_000);
    let map = fixture.refs_name(&fixture.entries()[0]);
    fixture.flip(&map, 40);
    for mode in [RepairMode::Show, RepairMode::Apply] {
        let outcome = run(&fixture, mode, OnLoss::Keep);
        assert_eq!(outcome.findings, []);
        let means: Vec<Means> = outcome.report.repaired.iter().map(|repaired| repaired.means).collect();
        assert_eq!(means, [Means::Derived, Means::Parity]);
    }
    let options = VerifyOptions { sample: None, seed: 0 };
    assert!(verify(&fixture.repository, &options, &NoProgress, &Cancel::default()).unwrap().is_sound());
}

#[test]
fn a_snapshot_that_cannot_be_read_stays_a_finding() {
    let (fixture, _) = fixture();
    let snapshot = fixture.names("snapshots/").remove(0);
    fixture.flip(&snapshot, 60);
    let outcome = run(&fixture, RepairMode::Apply, OnLoss::Accept);
    assert!(!outcome.is_sound());
    assert_eq!(outcome.findings[0].object, snapshot);
}
