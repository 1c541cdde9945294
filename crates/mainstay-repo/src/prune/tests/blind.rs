//! A collector whose key opens nothing: what it frees, what it leaves, and that no forgery misleads it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::thinning::{small, thinned_blocks};
use super::*;
use crate::fixtures::{FailingStore, Failure, secret};
use crate::format::pack::PackRow;
use crate::index::{NewRows, write_tables};
use crate::keys::{RecoveryCode, Right, Secret};
use crate::pack_writer::{PackWriter, SealedBlock};

/// What a maintainer opens a repository with.
pub fn maintainer(repository: &Repository) -> String {
    let code = RecoveryCode::generate().unwrap().to_text().to_string();
    repository.add_maintainer(&Secret::from_text(&code), "janitor", 5).unwrap();
    code
}

pub fn open_blind(store: impl Store + 'static, code: &str, liveness: crate::lease::Liveness) -> Result<Repository> {
    Repository::open(Arc::new(store), &Secret::from_text(code), liveness)
}

fn pack_bytes(store: &MemoryStore) -> u64 {
    named(store, names::PACKS).iter().map(|name| store.len(name).unwrap()).sum()
}

#[test]
fn a_maintainer_may_do_nothing_but_maintain() {
    let (store, full, kept) = half_dead();
    let blind = open_blind(store.clone(), &maintainer(&full), alive()).unwrap();
    assert_eq!(blind.rights().names(), ["maintain"]);
    for right in [Right::Write, Right::List, Right::Restore] {
        assert_eq!(blind.require(right, "try").map_err(|error| error.kind()), Err(Kind::Denied));
    }
    let refused: [Result<()>; 7] = [
        Session::begin(&blind, Sharing::Shared).map(drop),
        blind.snapshots().map(drop),
        blind.add_key(&secret(), "more", 1).map(drop),
        blind.add_maintainer(&secret(), "more", 1).map(drop),
        blind.undelete(full.snapshots().unwrap()[0].id),
        blind.remove_key(full.own_slot()),
        blind.rotate(&secret(), &[], crate::repository::OtherKeys::Refuse).map(drop),
    ];
    for (number, refused) in refused.into_iter().enumerate() {
        assert_eq!(refused.map_err(|error| error.kind()), Err(Kind::Denied), "{number}");
    }
    let entry = full.snapshots().unwrap().remove(1);
    let key = blind.data_keys.get(entry.snapshot.session).unwrap();
    for kind in [crate::format::envelope::ObjectKind::ContentBlock, crate::format::envelope::ObjectKind::TreeBlock] {
        assert_eq!(key.block_key(kind, 0).map(drop).map_err(|error| error.kind()), Err(Kind::Denied));
    }
    assert_snapshots(&full, &[(2, kept)].into());
}

#[test]
fn a_maintainer_frees_whole_blocks_and_opens_none() {
    let (store, full, kept) = half_dead();
    let blind = open_blind(store.clone(), &maintainer(&full), alive()).unwrap();
    let before = pack_bytes(&store);
    let report = blind.prune().unwrap();
    assert_eq!((report.plan.snapshots.len(), report.plan.repack.len(), report.left.len()), (1, 1, 0));
    assert!(before - pack_bytes(&store) > 8000, "only {} bytes were freed", before - pack_bytes(&store));
    assert_snapshots(&full, &[(2, kept.clone())].into());
    assert_eq!(garbage(&store), [""; 0]);
    // Nobody vouches for what it moved before somebody has opened it; and another prune has nothing left to do.
    let stored_anew = |sequence| back_up(&open(store.clone(), restarted()), sequence, &kept).unwrap().new_bytes;
    full.prune().unwrap();
    assert_eq!(stored_anew(3), 0);
    assert!(open_blind(store, &maintainer(&full), alive()).unwrap().prune().unwrap().plan.repack.is_empty());
}

#[test]
fn blocks_that_are_needed_in_part_stay_whole_until_somebody_prunes_who_can_thin_them() {
    let (store, full) = new_repository();
    back_up(&full, 1, &small(0..80)).unwrap();
    let kept: BTreeMap<u64, Files> = [(2, small((0..80).step_by(8)))].into();
    back_up(&full, 2, &kept[&2]).unwrap();
    forget(&full, 1);
    let code = maintainer(&full);
    open_blind(store.clone(), &code, restarted()).unwrap().prune().unwrap();
    assert_eq!(thinned_blocks(&full), 0);
    open(store.clone(), restarted()).prune().unwrap();
    assert!(thinned_blocks(&full) > 0);
    open_blind(store.clone(), &code, restarted()).unwrap().prune().unwrap();
    assert_snapshots(&full, &kept);
    assert_eq!(garbage(&store), [""; 0]);
}

/// A pack with another text under the identifiers of blocks that a pack holds, as whoever may write to the store can make it.
fn forge(store: &MemoryStore, repository: &Repository, pack: &Object, session: crate::id::SessionId) -> PackId {
    let listing = repository.read_pack_listing(pack).unwrap();
    let mut forged = PackWriter::begin(store, repository.id(), session).unwrap();
    for PackRow { block, kind, thinned, stored_len, table_len, .. } in listing.rows.iter().copied() {
        let (bytes, table) = (vec![7; stored_len as usize], vec![7; table_len as usize]);
        forged.append(&SealedBlock { id: block, kind, thinned, bytes, table }).unwrap();
    }
    let forged = forged.finish().unwrap();
    let mut rows = NewRows::default();
    rows.add_pack(forged.named(), &forged.rows);
    let index = repository.index().unwrap();
    // It even takes the place of the tables that name the true pack.
    write_tables(store, &repository.keys, rows, &index.block_tables()).unwrap();
    forged.id
}

#[test]
fn a_forged_copy_is_never_taken_for_the_true_one() {
    for forger in [[9; 16], [1; 16]] {
        let (store, full, kept) = half_dead();
        let code = maintainer(&full);
        let forger = if forger == [9; 16] {
            crate::id::SessionId(forger)
        } else {
            full.snapshots().unwrap()[0].snapshot.session
        };
        for pack in full.list_packs().unwrap() {
            forge(&store, &full, &pack, forger);
        }
        for _ in 0..3 {
            // It may refuse, and must not be misled.
            let _ = open_blind(store.clone(), &code, restarted()).unwrap().prune();
            assert_snapshots(&open(store.clone(), restarted()), &[(2, kept.clone())].into());
        }
        // Who can open blocks finds out.
        open(store.clone(), restarted()).prune().unwrap();
        assert_snapshots(&open(store.clone(), restarted()), &[(2, kept)].into());
    }
}

#[test]
fn a_condemned_list_that_is_wrong_takes_no_copy_that_has_no_twin() {
    for dooms_forged in [false, true] {
        let (store, full, kept) = half_dead();
        let code = maintainer(&full);
        let mut packs = full.list_packs().unwrap();
        let forged: Vec<PackId> =
            packs.iter().map(|pack| forge(&store, &full, pack, crate::id::SessionId([9; 16]))).collect();
        if dooms_forged {
            let is_forged = |pack: &Object| forged.contains(&names::parse_pack(&pack.name).unwrap().0);
            packs.extend(full.list_packs().unwrap().into_iter().filter(is_forged));
        }
        let condemned = packs.iter().map(|pack| {
            let (id, session) = names::parse_pack(&pack.name).unwrap();
            CondemnedPack { id, session }
        });
        let list = Condemned {
            id: TableId([5; 16]),
            packs: condemned.collect(),
            snapshots: Vec::new(),
            considered: Vec::new(),
            keys: Vec::new(),
        };
        put_condemned(&store, &full, &list);
        for _ in 0..3 {
            let _ = open_blind(store.clone(), &code, restarted()).unwrap().prune();
        }
        // It waits for somebody who can tell which copy is true, and saves it.
        open(store.clone(), restarted()).prune().unwrap();
        assert_snapshots(&open(store, restarted()), &[(2, kept)].into());
    }
}

#[test]
fn out_of_a_doomed_pack_that_is_damaged_a_maintainer_carries_nothing_on_and_nothing_goes() {
    let (store, full, kept) = half_dead();
    let code = maintainer(&full);
    let index = full.index().unwrap();
    let entries = full.snapshots().unwrap();
    let (first, second) = (full.references(&entries[0]).unwrap(), full.references(&entries[1]).unwrap());
    let shared = first.iter().find(|block| second.contains(*block)).unwrap();
    let place = index.find_block(shared).unwrap().unwrap();
    let in_pack = |block: &crate::id::BlockId| index.find_block(*block).unwrap().unwrap().pack == place.pack;
    let dead = first.iter().find(|block| !second.contains(*block) && in_pack(block)).unwrap();
    let dead = index.find_block(dead).unwrap().unwrap();
    let pack = names::pack(place.pack, place.pack_session);
    store.damage(&pack, |bytes| bytes[dead.offset as usize + 100] ^= 1);
    let list = Condemned {
        id: TableId([5; 16]),
        packs: vec![CondemnedPack { id: place.pack, session: place.pack_session }],
        snapshots: Vec::new(),
        considered: Vec::new(),
        keys: Vec::new(),
    };
    put_condemned(&store, &full, &list);
    let refused = open_blind(store.clone(), &code, restarted()).unwrap().prune().map(drop).unwrap_err();
    assert_eq!(refused.kind(), Kind::Corrupt);
    assert!(store.names().contains(&pack), "its parity may still be wanted");
    assert_snapshots(&open(store.clone(), restarted()), &[(2, kept.clone())].into());
    open(store.clone(), restarted()).prune().unwrap();
    assert_snapshots(&open(store, restarted()), &[(2, kept)].into());
}

#[test]
fn a_pack_that_is_damaged_is_left_by_a_maintainer() {
    let (store, full, kept) = half_dead();
    let code = maintainer(&full);
    let index = full.index().unwrap();
    let needed = full.references(&full.snapshots().unwrap()[1]).unwrap();
    let shared = full.references(&full.snapshots().unwrap()[0]).unwrap();
    let block = needed.iter().find(|block| shared.contains(*block)).unwrap();
    let place = index.find_block(block).unwrap().unwrap();
    let pack = names::pack(place.pack, place.pack_session);
    store.damage(&pack, |bytes| bytes[place.offset as usize + 100] ^= 1);
    let report = open_blind(store.clone(), &code, restarted()).unwrap().prune().unwrap();
    assert_eq!(report.left.iter().map(PackUse::name).collect::<Vec<_>>(), [&*pack]);
    assert_eq!(report.reasons.iter().map(Error::kind).collect::<Vec<_>>(), [Kind::Corrupt]);
    // Put right, it is moved like any other.
    store.damage(&pack, |bytes| bytes[place.offset as usize + 100] ^= 1);
    assert!(open_blind(store.clone(), &code, restarted()).unwrap().prune().unwrap().left.is_empty());
    assert!(!store.names().contains(&pack));
    assert_snapshots(&full, &[(2, kept)].into());
}

#[test]
fn a_maintainer_who_is_killed_at_any_call_loses_nothing_and_the_next_one_finishes() {
    let (original, kept) = super::crash::before_the_prune();
    let code = maintainer(&open(original.clone(), restarted()));
    let failures: [fn(u64) -> Failure; 3] = [Failure::Once, Failure::From, Failure::Lost];
    for failure in failures {
        for number in 0.. {
            let store = copy_of(&original);
            let failing = FailingStore::new(store.clone(), failure(number));
            let pruned = open_blind(failing.clone(), &code, alive()).and_then(|blind| blind.prune());
            let at = format!("{:?}", failure(number));
            assert_snapshots(&open(store.clone(), restarted()), &kept);
            let blind = open_blind(store.clone(), &code, restarted()).unwrap();
            blind.prune().unwrap_or_else(|error| panic!("{at}, second prune: {error}"));
            assert_snapshots(&open(store.clone(), restarted()), &kept);
            assert_eq!(garbage(&store), [""; 0], "{at}");
            if pruned.is_ok() && failing.calls() <= number {
                break;
            }
        }
    }
}
