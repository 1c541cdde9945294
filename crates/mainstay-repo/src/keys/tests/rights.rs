//! What each kind of key may do, and that domains are apart.

use super::*;
use crate::error::Kind;

fn code() -> Secret {
    Secret::from_text(CODE)
}

/// The keys of a created writer.
fn writer(keys: &Keys, may_list: bool) -> Keys {
    let slot = keys.wrap_writer(&code(), "agent", 1, may_list).unwrap();
    let (opened, id) = Keys::unlock(CONFIG, &[slot], &code()).unwrap();
    assert_eq!(opened.own_domain().0, id.0, "a domain has the name of its first slot");
    opened
}

fn kind<T>(result: Result<T>) -> Option<Kind> {
    result.err().map(|error| error.kind())
}

#[test]
fn each_slot_gives_the_rights_that_its_label_says() {
    let keys = keys();
    assert_eq!(keys.rights(), Rights::ALL);
    for (may_list, rights) in [(false, vec!["write"]), (true, vec!["write", "list"])] {
        let slot = keys.wrap_writer(&code(), "agent", 1, may_list).unwrap();
        assert_eq!(KeySlot::from(&slot).rights.names(), rights);
        assert_eq!(writer(&keys, may_list).rights().names(), rights);
    }
    let slot = keys.wrap_slot(&code(), "full", 1).unwrap();
    assert_eq!(KeySlot::from(&slot).rights, Rights::ALL);
}

#[test]
fn a_writer_cannot_open_what_it_wrote_and_the_maker_of_domains_can() {
    let keys = keys();
    for may_list in [false, true] {
        let writer = writer(&keys, may_list);
        let (key, stored) = writer.new_data_key(session_id(1)).unwrap();
        assert!(stored.keys[0].scheme == 2 && stored.keys[1].scheme == if may_list { 1 } else { 2 });
        let own = writer.open_data_key(&stored).unwrap();
        assert_eq!(kind(own.block_key(ObjectKind::ContentBlock, 0)), Some(Kind::Denied));
        let listed = own.block_key(ObjectKind::TreeBlock, 0).is_ok() && own.object_key(ObjectKind::Snapshot).is_ok();
        assert_eq!(listed, may_list);
        let opened = keys.open_data_key(&stored).unwrap();
        assert_eq!((&opened.content, &opened.tree), (&key.content, &key.tree));
    }
}

#[test]
fn a_sealed_data_key_opens_under_no_other_name_and_with_no_changed_bit() {
    let keys = keys();
    let (_, stored) = writer(&keys, false).new_data_key(session_id(1)).unwrap();
    let moved = StoredDataKey { session: session_id(2), ..stored.clone() };
    assert!(keys.open_data_key(&moved).is_err(), "under the name of another session");
    let elsewhere = StoredDataKey { domain: Some(DomainId([3; 8])), ..stored.clone() };
    assert!(keys.open_data_key(&elsewhere).is_err(), "in another domain");
    let mut swapped = stored.clone();
    swapped.keys.iter_mut().for_each(|key| key.purpose = 3 - key.purpose);
    assert!(keys.open_data_key(&swapped).is_err(), "a content key that claims to be a tree key");
    let len = stored.keys[0].wrapped.len();
    for at in [0, 1087, 1088, 1119, 1120, len - 1] {
        let mut changed = stored.clone();
        changed.keys[0].wrapped[at] ^= 1;
        assert!(keys.open_data_key(&changed).is_err(), "byte {at}");
    }
    for len in [0, 1119, 1120, 1135, len - 1] {
        let mut short = stored.clone();
        short.keys[0].wrapped.truncate(len);
        assert!(keys.open_data_key(&short).is_err(), "{len} bytes");
    }
}

#[test]
fn domains_share_no_identifier_and_no_key() {
    let keys = keys();
    let (one, other) = (writer(&keys, false), writer(&keys, false));
    let (_, of_one) = one.new_data_key(session_id(1)).unwrap();
    assert!(
        one.content_id(b"data") != other.content_id(b"data") && one.content_id(b"data") != keys.content_id(b"data")
    );
    assert_ne!(one.source_id("data"), keys.source_id("data"));
    assert_eq!(one.claim_id(b"machine"), keys.claim_id(b"machine"), "a process that is gone is gone for everybody");
    // Whoever makes domains knows all of this.
    keys.open_data_key(&of_one).unwrap();
    assert_eq!(keys.content_id_of(session_id(1), b"data").unwrap(), one.content_id(b"data"));
    let (id, shown) = keys.source_of(session_id(1), "data").unwrap();
    assert_eq!((id, shown), (one.source_id("data"), format!("data [{}]", one.own_domain().short())));
    assert_eq!(keys.shown_source_id(&format!("data [{}]", one.own_domain().short())), one.source_id("data"));
    assert_eq!(keys.shown_source_id("data"), keys.source_id("data"));
    // And other writers do not.
    let seen = other.open_data_key(&of_one).unwrap();
    assert_eq!(kind(seen.object_key(ObjectKind::Snapshot)), Some(Kind::Denied));
    assert_eq!(kind(other.content_id_of(session_id(1), b"data")), Some(Kind::Denied));
    assert_eq!(kind(other.chunk_table_key(block_id(1, 0))), Some(Kind::Denied));
    assert_eq!(kind(other.table_key(DomainId::MAIN, TableId([1; 16]))), Some(Kind::Denied));
    assert_eq!(kind(other.wrap_writer(&code(), "more", 1, true)), Some(Kind::Denied));
}

#[test]
fn the_secrets_of_a_domain_are_these_for_ever() {
    let keys = frozen_keys();
    let domain = keys.domain(DomainId([0x51; 8])).unwrap();
    let public = crate::seal::PublicKey::of(&domain::seed_of(&[4; 32])).to_bytes();
    let found = [
        hex(&domain.secrets.identity),
        hex(&domain.secrets.chunker),
        hex(&domain.secrets.index),
        hex(domain.secret(Purpose::Content).unwrap()),
        hex(domain.secret(Purpose::Tree).unwrap()),
        hex(&public[..32]),
        hex(&public[1184..]),
    ];
    assert_eq!(found, FROZEN_DOMAIN);
}

#[test]
fn a_rotation_changes_what_wraps_data_keys_and_nothing_else() {
    let keys = Keys::new(CONFIG, frozen_secrets(), Signer::first("test", 1).unwrap().0);
    let mut next = keys.rotated().unwrap().rotated().unwrap();
    // As it would be drawn.
    let own = Arc::get_mut(&mut next.own).unwrap();
    own.secrets.writers = Some(SecretBytes([7; 32]));
    let domain = DomainId([0x51; 8]);
    let (old, new) = (keys.domain(domain).unwrap(), next.domain(domain).unwrap());
    assert_eq!(next.generation(), 2);
    assert_eq!(next.content_id(b"data"), keys.content_id(b"data"));
    assert_eq!((next.chunker_key(), next.claim_id(b"it")), (keys.chunker_key(), keys.claim_id(b"it")));
    assert!((old.secrets.identity, old.secrets.index) == (new.secrets.identity, new.secrets.index));
    let oldest = new.secret_of(Purpose::Content, 0).unwrap();
    assert_eq!((hex(oldest).as_str(), new.secret_of(Purpose::Tree, 3)), (FROZEN_DOMAIN[3], None));
    for purpose in [Purpose::Content, Purpose::Tree] {
        let all = [0, 1, 2].map(|generation| *new.secret_of(purpose, generation).unwrap());
        assert!(all[0] != all[1] && all[1] != all[2] && all[0] != all[2]);
        assert_eq!(new.secret_of(purpose, 2), new.secret(purpose));
        let own = [0, 1, 2].map(|generation| *next.own.secret_of(purpose, generation).unwrap());
        assert!(own[0] == *keys.own.secret(purpose).unwrap() && own[0] != own[1] && own[1] != own[2]);
    }
    assert_eq!([Purpose::Content, Purpose::Tree].map(|purpose| hex(new.secret(purpose).unwrap())), FROZEN_ROTATED);
    // A writer gets what is newest, and nothing of before.
    let agent = writer(&next, true);
    assert_eq!(agent.generation(), 2);
    assert!(agent.own.secrets.older.is_none() && agent.own.secrets.writers.is_none());
    let (_, stored) = agent.new_data_key(session_id(1)).unwrap();
    assert_eq!(stored.generation(), 2);
    assert!(next.open_data_key(&stored).is_ok() && keys.open_data_key(&stored).is_err());
    assert_eq!(kind(agent.rotated()), Some(Kind::Denied));
}

/// Of the secret *writers* of sevens; computed by another implementation (Python's `hmac`).
const FROZEN_ROTATED: [&str; 2] = [
    "fe548aab31884b5d6adec0f7a61b6c245c0d874c378a8348b553759815f644ce",
    "16a9c92338bf0ff1788562c18ff3f554b8e21c31ada4106b7fa10ab70e86af12",
];

/// Computed by another implementation (Python's `cryptography`).
const FROZEN_DOMAIN: [&str; 7] = [
    "fa589e95a0c0c122d29e466a3fe2377cbfd889862d88902b31d1d6251ddd1e9a",
    "f403e3ab8152a6db50629f4dc715407b22f6408d1170c81b72942fc297c7e4c6",
    "f2b828cbad913cafdff0e4d1cef7c63a49dd00ba1678a5cf649d823b6b951be3",
    "4d76a146f6a73be73815a218f9ac1fc533b6e42259d3252a6a9a8398d8b72be8",
    "324fe37d7c1020632aa501874f25382baf1ca3cf10e3ce8ef8eccb2506c9ecec",
    "45c984efa7b80ef55571e7727be79a94066fa90cc39ef9bb85187209b844d19c",
    "474131f11b453b78b43c36c577376fd9b5584593529404283e29b72b434b3239",
];

#[test]
fn a_recipient_opens_its_slot_by_the_private_half_alone() {
    let keys = keys();
    let code = RecipientCode::generate().unwrap();
    let public = Recipient::parse(&code.recipient().to_text()).unwrap();
    let slot = keys.seal_slot(&public, "safe", 1).unwrap();
    assert_eq!((slot.kind, KeySlot::from(&slot).rights), (SlotKind::Recipient, Rights::ALL));
    let private = Secret::from_text(&code.to_text());
    let (opened, _) = Keys::unlock(CONFIG, std::slice::from_ref(&slot), &private).unwrap();
    assert_eq!(opened.content_id(b"data"), keys.content_id(b"data"));
    assert_eq!(opened.rights(), Rights::ALL);
    let other = Secret::Recipient(RecipientCode::generate().unwrap());
    assert_eq!(kind(Keys::unlock(CONFIG, std::slice::from_ref(&slot), &other)), Some(Kind::Denied));
    let mut moved = slot.clone();
    moved.id.0[0] ^= 1;
    assert_eq!(kind(Keys::unlock(CONFIG, &[moved], &private)), Some(Kind::Denied));
    let elsewhere = Config { repository: crate::id::RepositoryId([0; 16]), ..CONFIG };
    assert_eq!(kind(Keys::unlock(elsewhere, &[slot], &private)), Some(Kind::Denied), "the slot of another repository");
}
