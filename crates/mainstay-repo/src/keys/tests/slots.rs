//! Key slots: who opens them and who does not.

use super::*;
use crate::error::Kind;
use crate::format::keys::StoredSlot;

fn passphrase(text: &str) -> Secret {
    Secret::Passphrase(Zeroizing::new(text.to_owned()))
}

fn code() -> Secret {
    Secret::from_text(CODE)
}

fn opens(slots: &[StoredSlot], secret: &Secret) -> Result<SlotId, Kind> {
    Keys::unlock(CONFIG, slots, secret).map(|(_, slot)| slot).map_err(|error| error.kind())
}

#[test]
fn a_slot_opens_with_its_own_secret_and_gives_the_same_keys() {
    let keys = keys();
    let slots =
        [keys.wrap_slot(&passphrase("correct horse"), "one", 1).unwrap(), keys.wrap_slot(&code(), "two", 2).unwrap()];
    for (secret, slot) in [(passphrase("correct horse"), &slots[0]), (code(), &slots[1])] {
        let (opened, id) = Keys::unlock(CONFIG, &slots, &secret).unwrap();
        assert_eq!(id, slot.id);
        assert_eq!(opened.content_id(b"data"), keys.content_id(b"data"));
        assert_eq!(opened.chunker_key(), keys.chunker_key());
    }
}

#[test]
fn a_wrong_secret_is_denied() {
    let slots = [keys().wrap_slot(&code(), "two", 2).unwrap()];
    let other = Secret::Code(RecoveryCode::generate().unwrap());
    assert_eq!(opens(&slots, &other), Err(Kind::Denied));
    assert_eq!(opens(&slots, &passphrase("correct horse")), Err(Kind::Denied));
    assert_eq!(opens(&[], &code()), Err(Kind::Denied));
}

#[test]
fn a_wrong_passphrase_is_denied() {
    let slots = [keys().wrap_slot(&passphrase("correct horse"), "one", 1).unwrap()];
    assert_eq!(opens(&slots, &passphrase("correct horse ")), Err(Kind::Denied));
}

#[test]
fn the_second_slot_of_a_kind_is_tried_too() {
    let keys = keys();
    let other = Secret::Code(RecoveryCode::generate().unwrap());
    let slots = [keys.wrap_slot(&other, "one", 1).unwrap(), keys.wrap_slot(&code(), "two", 2).unwrap()];
    assert_eq!(opens(&slots, &code()), Ok(slots[1].id));
}

#[test]
fn a_changed_slot_opens_with_nothing() {
    let slot = keys().wrap_slot(&code(), "two", 2).unwrap();
    let mut salt = slot.clone();
    salt.salt[0] ^= 1;
    let mut nonce = slot.clone();
    nonce.nonce[0] ^= 1;
    let id = StoredSlot { id: SlotId([0; 8]), ..slot.clone() };
    let mut wrapped = slot.clone();
    wrapped.wrapped[0] ^= 1;
    let short = StoredSlot { wrapped: slot.wrapped[..10].to_vec().into(), ..slot.clone() };
    for changed in [salt, nonce, id, wrapped, short] {
        assert_eq!(opens(&[changed], &code()), Err(Kind::Denied));
    }
    let elsewhere = Config { repository: crate::id::RepositoryId([0; 16]), ..CONFIG };
    assert!(Keys::unlock(elsewhere, &[slot], &code()).is_err(), "the slot of another repository");
}

#[test]
fn parameters_that_do_not_work_are_damage_and_no_panic() {
    let slot = keys().wrap_slot(&passphrase("correct horse"), "one", 1).unwrap();
    for (memory_kib, passes, lanes) in [(0, 3, 4), (8, 3, 4), (65_536, 0, 4), (65_536, 3, 0)] {
        let changed = StoredSlot { memory_kib, passes, lanes, ..slot.clone() };
        assert_eq!(opens(&[changed], &passphrase("correct horse")), Err(Kind::Corrupt));
    }
}

#[test]
fn a_passphrase_is_stretched_as_rfc_9106_recommends() {
    let slot = keys().wrap_slot(&passphrase("correct horse"), "one", 1).unwrap();
    assert_eq!((slot.kind, slot.memory_kib, slot.passes, slot.lanes), (SlotKind::Passphrase, 65_536, 3, 4));
    let slot = keys().wrap_slot(&code(), "two", 1).unwrap();
    assert_eq!((slot.kind, slot.memory_kib, slot.passes, slot.lanes), (SlotKind::RecoveryCode, 0, 0, 0));
}
