//! What this program writes is taken by the target that reads it: the seeds from which a fuzzer can begin.
//!
//! `MAINSTAY_FUZZ_SEEDS=tests/fuzz-corpus` in the environment writes them there, as is due when the format has changed.

use std::path::Path;

use super::keys::{CONFIG, RECOVERY_CODE, SEED, holders, owner, signer};
use super::*;
use crate::format::archive::{Hold, Manifest, SealedObject};
use crate::format::coord::{Acquittal, Condemned, CondemnedPack, CondemnedSnapshot, Fence, Intent, Settlement, Trash};
use crate::format::history::{Removal, RemovedSnapshot};
use crate::format::keys::{StoredDataKey, StoredSlot};
use crate::format::lease::{Claim, Lease, Role};
use crate::format::losses::Losses;
use crate::format::refs::BlockSet;
use crate::format::signature::SIGNATURE_LEN;
use crate::format::snapshot::frame::SnapshotHeader;
use crate::format::to_cbor;
use crate::id::{BlockId, HeaderSum, PackId, SlotId, SourceId};
use crate::keys::{Keys, RecipientCode, Secret};

const VARIABLE: &str = "MAINSTAY_FUZZ_SEEDS";
const SOURCE: SourceId = SourceId([8; 16]);

type Seed = (&'static str, &'static str, Vec<u8>);

#[test]
fn what_this_program_writes_is_taken_by_the_target_that_reads_it() {
    for (target, name, seed) in [keys_as_stored(), coordination_as_stored(), history_as_stored(), as_text()].concat() {
        let take = TARGETS.iter().find(|(known, _)| *known == target).expect("there is such a target").1;
        assert!(take(&seed), "{target}: {name} is not taken");
        if let Ok(folder) = std::env::var(VARIABLE) {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder).join(target);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join(name), &seed).unwrap();
        }
    }
}

fn body(framed: &[u8]) -> Vec<u8> {
    // A header of 24 bytes before it, a checksum of 32 behind.
    framed[24..framed.len() - 32].to_vec()
}

/// A slot that whoever it was made for can open.
fn slot(stored: &StoredSlot, secret: &Secret) -> Vec<u8> {
    assert!(Keys::unlock(CONFIG, std::slice::from_ref(stored), secret).is_ok());
    to_cbor(stored)
}

fn keys_as_stored() -> Vec<Seed> {
    let [code, recipient] = holders();
    let owner = owner();
    let rotated = owner.rotated().unwrap();
    let writer = owner.wrap_writer(&code, "agent", 3, false).unwrap();
    let (writer_keys, _) = Keys::unlock(CONFIG, std::slice::from_ref(&writer), &code).unwrap();
    let data_key = |keys: &Keys| -> StoredDataKey { keys.new_data_key(SESSION).unwrap().1 };
    vec![
        ("key-slot", "code", slot(&owner.wrap_slot(&code, "kit", 4).unwrap(), &code)),
        ("key-slot", "writer", slot(&writer, &code)),
        ("key-slot", "recipient", slot(&owner.wrap_slot(&recipient, "safe", 5).unwrap(), &recipient)),
        ("key-slot", "rotated", slot(&rotated.wrap_slot(&code, "kit", 6).unwrap(), &code)),
        ("data-key", "rotated", to_cbor(&data_key(&rotated))),
        ("data-key", "wrapped", to_cbor(&data_key(&owner))),
        ("data-key", "of-a-writer", to_cbor(&data_key(&writer_keys))),
    ]
}

fn coordination_as_stored() -> Vec<Seed> {
    let mut blocks = BlockSet::default();
    blocks.extend([0, 1, 2, 9, 300].map(|serial| BlockId { session: SESSION, serial }).into_iter());
    let condemned = Condemned {
        id: LIST,
        packs: vec![CondemnedPack { id: PackId([3; 32]), session: SESSION }],
        snapshots: vec![CondemnedSnapshot { source: SOURCE, sequence: 12, id: SNAPSHOT }],
        considered: vec![SNAPSHOT],
        keys: vec![
            coord::CondemnedKey { session: SESSION, carrier: None },
            coord::CondemnedKey { session: COLLECTOR, carrier: Some(SESSION) },
        ],
    };
    let claim = Claim { machine: [1; 16], boot: [2; 16], process: 33, process_start: 44 };
    let (session, collector) = (SESSION, COLLECTOR);
    let lease = Lease { session, number: 2, role: Role::Collector, claim, seen: vec![LIST], renewed: 55 };
    let intent = Intent { session, number: 1, blocks };
    let settlement = Settlement { session, collector, survivors: vec![SNAPSHOT] };
    let key_removal =
        coord::KeyChange { session, removes: Some(vec![coord::DoomedSlot { id: SlotId([3; 8]), generation: 12 }]) };
    vec![
        ("coordination", "condemned", coord::encode_condemned(&condemned)),
        ("coordination", "intent", body(&coord::encode_intent(REPOSITORY, &intent))),
        ("coordination", "trash", to_cbor(&Trash { snapshot: SNAPSHOT, forgotten: 55, void: None, session: None })),
        ("fences", "fence", to_cbor(&Fence { session, collector })),
        ("fences", "settlement", to_cbor(&settlement)),
        ("fences", "key-removal", coord::encode_key_change(&key_removal)),
        ("fences", "acquittal", to_cbor(&Acquittal { session, by: collector, snapshot: SNAPSHOT })),
        ("lease", "claim", to_cbor(&lease)),
        ("lease", "end", to_cbor(&SESSION)),
    ]
}

/// What is signed, and what undoes damage.
fn history_as_stored() -> Vec<Seed> {
    let signer = signer();
    let removed =
        RemovedSnapshot { source: SOURCE, sequence: 12, id: SNAPSHOT, previous: Some(SNAPSHOT), elsewhere: Some(true) };
    let removal = Removal { id: LIST, snapshots: vec![removed], packs: [PackId([3; 32])].into_iter().collect() };
    let signature = signer.sign(&history::signed(REPOSITORY, &removal));
    let header = SnapshotHeader {
        repository: REPOSITORY,
        source: SOURCE,
        sequence: 12,
        previous: None,
        references: [9; 32],
        independent: true,
        session: SESSION,
        nonce: [3; 12],
        certificates: signer.certificates().to_vec(),
    };
    let frame = [&header.encode()[..], b"a sealed record", &[7; SIGNATURE_LEN]].concat();
    let parity = crate::parity::plan(PackId([3; 32]), 20 << 20, 3).encode(REPOSITORY);
    let mut blocks = BlockSet::default();
    blocks.extend([0, 1, 2, 9].map(|serial| BlockId { session: SESSION, serial }).into_iter());
    let object = SealedObject { name: names::pack(PackId([3; 32]), SESSION), len: 44, checksum: [3; 32] };
    let manifest = Manifest {
        snapshot: SNAPSHOT,
        created: 44,
        held_until: Some(55),
        objects: vec![object],
        program: "mainstay".to_owned(),
    };
    let losses = Losses { id: LIST, accepted: blocks.clone(), blocks };
    vec![
        ("history", "manifest", archive::encode_manifest(&manifest)),
        ("history", "hold", body(&archive::encode_hold(REPOSITORY, &Hold { id: LIST, until: 55 }))),
        ("history", "removal", body(&history::encode(REPOSITORY, &removal, signer.certificates(), signature))),
        ("snapshot", "frame", frame),
        ("parity", "header", parity[..80].to_vec()),
        ("parity", "losses", losses::encode_losses(&losses)),
    ]
}

fn as_text() -> Vec<Seed> {
    let text = String::from_utf8(config::encode(&CONFIG)).unwrap();
    let plain: String = text.split_whitespace().collect();
    let today = plain.replace(&format!("\"format\":{FORMAT_VERSION}"), "\"format\":0");
    let code = RecipientCode::of_seed(SEED);
    let names = [
        ("key-slot", names::key_slot(SlotId([3; 8]), 12)),
        ("data-key", names::data_key(SESSION, 1)),
        ("pack", names::pack(PackId([3; 32]), SESSION)),
        ("table", names::table(TableKind::Chunks, LIST)),
        ("snapshot", names::snapshot(SOURCE, 12, SNAPSHOT)),
        ("lease", names::lease(SESSION, 1)),
        ("end", names::lease_end(SESSION)),
        ("intent", names::intent(SESSION, 1)),
        ("condemned", names::condemned(LIST)),
        ("losses", names::losses(LIST)),
        ("hold", names::hold(LIST)),
        ("parity", names::parity(PackId([3; 32]), HeaderSum([4; 16]))),
        ("fence", names::fence(SESSION, COLLECTOR)),
        ("settlement", names::settlement(SESSION, COLLECTOR)),
        ("acquittal", names::acquittal(SESSION, COLLECTOR)),
        ("key-change", names::key_change(SESSION)),
        ("key-removal", names::key_removal(SESSION)),
    ];
    let spaced = today.replace("mainstayrepository", "mainstay repository");
    let others = [
        ("config", "today", spaced),
        ("codes", "recovery", RECOVERY_CODE.to_owned()),
        ("codes", "private", code.to_text().to_string()),
        ("codes", "public", code.recipient().to_text()),
    ];
    let names = names.into_iter().map(|(name, text)| ("names", name, text));
    names.chain(others).map(|(target, name, text)| (target, name, text.into_bytes())).collect()
}
