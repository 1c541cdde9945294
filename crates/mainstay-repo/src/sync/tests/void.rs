//! Snapshots whose sessions are known here as well: in a mirror that was made while one was at work a collector may fence it before its
//! snapshot comes.

use super::*;
use crate::fixtures::{FailingStore, Failure};

#[test]
fn a_snapshot_that_is_fenced_at_any_moment_of_a_sync_is_not_said_to_have_come_unless_it_stays() {
    let there = MemoryStore::default();
    let repository = create(there.clone());
    back_up_next(&there, 1, &small([1]));
    let at_work = open(there.clone(), alive());
    let session = Session::begin(&at_work, Sharing::Shared).unwrap();
    let mirror = copy_of(&there);
    let (root, blocks) = store_files(&session, &small([2, 3])).unwrap();
    let mut late = draft("data", 2, root, blocks);
    late.snapshot.previous = Some(repository.snapshots().unwrap()[0].id);
    let late = session.commit(late).unwrap().entry.id;
    let mut fates = [0, 0];
    for call in 0.. {
        let here = copy_of(&mirror);
        let failing = FailingStore::new(here.clone(), Failure::Never);
        let beside = here.clone();
        // Another machine of the same name was restarted, so the session is certainly gone.
        failing.before(call, move || drop(open(beside, restarted()).prune()));
        let report = open(failing.clone(), restarted()).sync_from(&open(there.clone(), restarted()), &Unobserved);
        let is_said = report.is_ok_and(|report| ids(&report).contains(&late));
        open(here.clone(), restarted()).prune().unwrap();
        let stays = open(here.clone(), restarted()).snapshots().unwrap().iter().any(|entry| entry.id == late);
        assert!(stays || !is_said, "before call {call}: it was said to have come, and is gone");
        fates[usize::from(is_said)] += 1;
        if failing.calls() <= call {
            break;
        }
    }
    assert!(fates[0] > 0 && fates[1] > 0, "{fates:?}");
}
