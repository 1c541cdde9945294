//! The model can fail: each step of the protocol that is left out or done in the wrong order loses something.
//!
//! Owns one test a flaw. A flaw that the model does not find shows a step that is not needed, or a model that is blind.

use crate::copied::Copied;
use crate::rules::{Flaw, Rules};
use crate::settings::{
    ACQUIT, ACQUIT_BY_SYNC, ACQUIT_BY_SYNC_BESIDE_TWO, RECEIVE, SECOND_COPIES, SYNC, TWO_COLLECTORS, TWO_WRITERS,
    UNDELETE, UNDELETE_TWICE,
};
use crate::{break_a_promise, exhaust};

const LOSS: &str = "confirmed snapshots are whole";

fn assert_broken(promise: &'static str, settings: Rules, flaws: [Flaw; 2]) {
    let story = break_a_promise(&settings.with(flaws), promise).expect("the flaw is found out");
    println!("{flaws:?}: not always: {promise}:\n{story}");
}

fn assert_loss(settings: Rules, flaw: Flaw) {
    assert_broken(LOSS, settings, [flaw, Flaw::Nothing]);
}

/// One of the flaws alone does no harm, for the step that the other one spoils makes up for it.
fn assert_broken_only_together(promise: &'static str, settings: Rules, flaws: [Flaw; 2]) {
    assert_broken(promise, settings, flaws);
    for flaw in flaws {
        exhaust(&settings.with([flaw, Flaw::Nothing]));
    }
}

#[test]
fn the_model_finds_a_loss_when_lists_are_read_before_the_lease_and_never_again() {
    assert_broken_only_together(LOSS, TWO_WRITERS, [Flaw::ListsBeforeLease, Flaw::NoSecondLook]);
}

#[test]
fn the_model_finds_a_loss_when_a_backup_does_not_look_for_its_fence() {
    assert_loss(TWO_WRITERS, Flaw::NoLookForFence);
}

#[test]
fn the_model_finds_a_loss_when_a_sync_that_brings_does_not_look_for_its_fence() {
    assert_loss(Rules { writers: [0, 1], ..RECEIVE }, Flaw::NoLookForFence);
}

#[test]
fn the_model_finds_a_loss_when_condemned_packs_count() {
    assert_loss(TWO_COLLECTORS, Flaw::CondemnedPacksCount);
}

#[test]
fn the_model_finds_a_loss_when_a_pack_is_taken_off_its_list() {
    assert_loss(TWO_COLLECTORS, Flaw::PackTakenOffItsList);
}

#[test]
fn the_model_finds_a_loss_when_nobody_looks_at_leases() {
    assert_loss(TWO_WRITERS, Flaw::NoLookAtLeases);
}

#[test]
fn the_model_finds_a_loss_when_nobody_looks_at_snapshots_again() {
    assert_loss(TWO_WRITERS, Flaw::NoLookAtSnapshots);
}

#[test]
fn the_model_finds_a_loss_when_nobody_looks_at_the_lists_of_others() {
    assert_loss(SECOND_COPIES, Flaw::NoLookAtLists);
}

#[test]
fn the_model_finds_a_loss_when_nobody_looks_at_packs_again() {
    assert_loss(SECOND_COPIES, Flaw::NoLookAtPacks);
}

#[test]
fn the_model_finds_a_loss_when_a_list_goes_before_its_packs() {
    assert_loss(TWO_COLLECTORS, Flaw::ListDeletedBeforePacks);
}

#[test]
fn the_model_finds_a_loss_when_a_settlement_comes_before_its_fence() {
    assert_loss(TWO_WRITERS, Flaw::SettledBeforeFenced);
}

#[test]
fn the_model_finds_broken_snapshots_when_a_fence_alone_counts() {
    assert_broken("counted snapshots are whole", TWO_COLLECTORS, [Flaw::FenceAloneCounts, Flaw::Nothing]);
}

#[test]
fn the_model_finds_a_loss_when_undelete_does_not_look_for_its_fence() {
    assert_loss(UNDELETE, Flaw::NoLookForFenceOfUndelete);
}

#[test]
fn the_model_finds_a_snapshot_without_blocks_when_sync_lists_packs_first() {
    assert_broken("synced snapshots are whole", SYNC, [Flaw::SyncListsPacksFirst, Flaw::Nothing]);
}

#[test]
fn the_model_finds_a_prune_that_is_refused_when_packs_are_listed_once() {
    assert_broken("no prune is refused", TWO_COLLECTORS, [Flaw::PacksListedOnce, Flaw::Nothing]);
}

#[test]
fn the_model_finds_a_prune_that_is_refused_when_marks_are_listed_last_and_nobody_looks_again() {
    let flaws = [Flaw::MarksListedLast, Flaw::RefusesAtOnce];
    assert_broken_only_together("no prune is refused", TWO_COLLECTORS, flaws);
}

#[test]
fn the_model_finds_a_prune_that_is_refused_when_nobody_looks_again() {
    assert_broken("no prune is refused", UNDELETE_TWICE, [Flaw::RefusesAtOnce, Flaw::Nothing]);
}

#[test]
fn the_model_finds_a_loss_when_a_list_goes_before_its_snapshots() {
    assert_loss(UNDELETE_TWICE, Flaw::ListDeletedBeforeSnapshots);
}

#[test]
fn the_model_finds_a_loss_when_a_sync_does_not_look_whether_the_session_of_its_snapshot_was_fenced() {
    assert_loss(ACQUIT_BY_SYNC, Flaw::NoLookForFenceOfSnapshot);
}

#[test]
fn the_model_finds_a_loss_when_what_a_settlement_names_is_not_acquitted() {
    assert_loss(ACQUIT_BY_SYNC_BESIDE_TWO, Flaw::SettlementIsBelieved);
}

#[test]
fn the_model_finds_a_snapshot_without_blocks_when_it_is_acquitted_unsecured() {
    let settings = Rules { copied: Some(Copied { blocks: 0, is_void: true }), ..ACQUIT };
    assert_broken("counted snapshots are whole", settings, [Flaw::AcquittedUnsecured, Flaw::Nothing]);
}

#[test]
fn the_model_finds_a_loss_when_what_is_doomed_is_acquitted() {
    assert_loss(ACQUIT, Flaw::DoomedIsAcquitted);
}

#[test]
fn the_model_finds_a_loss_when_the_mark_of_a_void_snapshot_counts() {
    assert_loss(ACQUIT, Flaw::MarkOfVoidCounts);
}

#[test]
fn the_model_finds_a_loss_when_what_was_held_void_counts_as_seen_to() {
    assert_loss(ACQUIT, Flaw::HeldCountsAsKept);
}

#[test]
fn the_model_finds_a_loss_when_data_keys_go() {
    let settings = Rules { old_packs: [0, 0], old_snapshot: 0, ..TWO_WRITERS };
    assert_loss(settings, Flaw::DataKeysGo);
}

#[test]
fn the_model_finds_a_loss_when_a_snapshot_goes_that_had_come_back() {
    assert_loss(UNDELETE_TWICE, Flaw::KeptSnapshotsOfListsGo);
}
