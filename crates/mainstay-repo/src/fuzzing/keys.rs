//! Doors into what is read of keys: slots, data keys, and codes that people type.
//!
//! Owns the secrets of these targets, which are nobody's: what a hostile store holds is not only decoded here, but opened as
//! whoever has a key would open it. A passphrase is not tried, since stretching one takes longer than anything else here.

use zeroize::Zeroizing;

use super::{REPOSITORY, SESSION, assert_survives, framed};
use crate::format::Decoded;
use crate::format::config::{Config, Form, Suite};
use crate::format::envelope::ObjectKind;
use crate::format::keys::{self, SecretBytes, Secrets};
use crate::id::SlotId;
use crate::keys::{Keys, Recipient, RecipientCode, RecoveryCode, Secret};
use crate::signer::Signer;

pub(super) const CONFIG: Config =
    Config { repository: REPOSITORY, suite: Suite::ChaCha20Poly1305, form: Form::Growing };
/// The private half of a recipient.
pub(super) const SEED: [u8; 32] = [7; 32];
pub(super) const RECOVERY_CODE: &str = "MSK1-C5KZVJC-F3KH928-4M0SY4R-1MQF33Z-E1MBMMV-06K44T2-0TNSFV1-VKPQTSR";

/// The keys of an owner, always the same.
pub(super) fn owner() -> Keys {
    Keys::new(CONFIG, secrets(), signer())
}

/// What the owner signs with. It is not the first holder of the repository of the seeds, whose id is made up.
pub(super) fn signer() -> Signer {
    Signer::of_seed([9; 32], "owner", 1).map(|(signer, _)| signer).expect("a label of five letters is none too long")
}

fn secrets() -> Secrets {
    Secrets {
        identity: [1; 32],
        chunker: [2; 32],
        index: [3; 32],
        content: Some(SecretBytes([4; 32])),
        tree: Some(SecretBytes([5; 32])),
        domains: Some(SecretBytes([6; 32])),
        content_public: None,
        tree_public: None,
        domain: None,
        claims: None,
        generation: None,
        older: None,
        writers: None,
        signer: None,
    }
}

/// The holders whose slots are opened.
pub(super) fn holders() -> [Secret; 2] {
    let code = RecoveryCode::parse(RECOVERY_CODE).expect("it is a code");
    [Secret::Code(code), Secret::Recipient(RecipientCode::of_seed(SEED))]
}

pub(super) fn key_slot(input: &[u8]) -> bool {
    // Its own name, which stands at the beginning and is bound into what it wraps.
    let id = input.get(3..).and_then(|rest| rest.first_chunk()).map_or(SlotId([0; 8]), |id| SlotId(*id));
    let decode = |bytes: &[u8]| of_some_generation(|number| keys::decode_slot(REPOSITORY, (id, number), bytes));
    let _ = decode(input);
    let slot = decode(&framed(ObjectKind::KeySlot, input));
    let opened = slot.as_ref().is_ok_and(|slot| {
        holders().iter().any(|secret| Keys::unlock(CONFIG, std::slice::from_ref(slot), secret).is_ok())
    });
    let decoded = assert_survives(slot, |slot| decode(&keys::encode_slot(REPOSITORY, slot)));
    let secrets = Secrets::decode(input);
    if let Ok(secrets) = &secrets {
        assert!(Secrets::decode(&secrets.encode()).is_ok_and(|again| again == *secrets));
    }
    opened || decoded || secrets.is_ok()
}

/// As if the name were that of the generation that is inside.
fn of_some_generation<T>(decode: impl Fn(u32) -> Decoded<T>) -> Decoded<T> {
    decode(0).or_else(|_| decode(1))
}

/// Decoded, and opened by one who can make the secrets of every domain.
pub(super) fn data_key(input: &[u8]) -> bool {
    let decode =
        |bytes: &[u8]| of_some_generation(|number| keys::decode_data_key(REPOSITORY, (SESSION, number), bytes));
    let _ = decode(input);
    let key = decode(&framed(ObjectKind::DataKey, input));
    let opened = key.as_ref().is_ok_and(|key| owner().open_data_key(key).is_ok());
    assert_survives(key, |key| decode(&keys::encode_data_key(REPOSITORY, key))) || opened
}

/// A code that is read is written and read as the same again.
pub(super) fn codes(input: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(input) else { return false };
    let _ = Secret::from_text(text).is_like_a_code();
    let recovery = comes_back(text, |text| Some(RecoveryCode::parse(text)?.to_text()));
    let private = comes_back(text, |text| Some(RecipientCode::parse(text)?.to_text()));
    let public = comes_back(text, |text| Some(Recipient::parse(text)?.to_text().into()));
    recovery || private || public
}

fn comes_back(text: &str, rewrite: impl Fn(&str) -> Option<Zeroizing<String>>) -> bool {
    let Some(written) = rewrite(text) else { return false };
    assert!(rewrite(&written).is_some_and(|again| again == written), "a code came back otherwise");
    true
}
