//! How blocks come: by few reads, and out of several packs at once.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::fixtures::{FailingStore, Failure};
use crate::store::{Layer, Layered, Store};

/// A store that takes several requests at once, and counts those for packs.
struct Far {
    objects: Arc<dyn Store>,
    reads: Arc<AtomicUsize>,
}

impl Layer for Far {
    fn beneath(&self) -> &dyn Store {
        &*self.objects
    }

    fn publishes_at_once(&self) -> usize {
        8
    }

    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        if name.starts_with(names::PACKS) {
            self.reads.fetch_add(1, Ordering::SeqCst);
        }
        self.objects.read_at(name, offset, buffer)
    }
}

/// Ten snapshots of many blocks each, in packs of their own, and an empty copy.
fn with_many_packs() -> (MemoryStore, MemoryStore, BTreeMap<u64, Files>) {
    let (there, here, mut kept) = with_copy();
    for sequence in 3..11 {
        let names: Vec<String> = (0..12).map(|at| format!("{at:02}")).collect();
        let files = files_of(
            &names.iter().zip(sequence * 100..).map(|(name, seed)| (&**name, seed, 1_000_000)).collect::<Vec<_>>(),
        );
        back_up_next(&there, sequence, &files);
        kept.insert(sequence, files);
    }
    (there, here, kept)
}

fn sync_far(here: &MemoryStore, there: impl Store + 'static) -> (Result<SyncReport>, usize) {
    let reads = Arc::new(AtomicUsize::new(0));
    let far = Layered(Far { objects: Arc::new(there), reads: reads.clone() });
    let there = Repository::open(Arc::new(far), &secret(), alive()).unwrap();
    let report = open(here.clone(), alive()).sync_from(&there, &Unobserved);
    (report, reads.load(Ordering::SeqCst))
}

#[test]
fn blocks_of_a_pack_come_by_few_reads_out_of_several_packs_at_once() {
    let (there, here, kept) = with_many_packs();
    let packs = named(&there, names::PACKS).len();
    let (report, reads) = sync_far(&here, there.clone());
    let report = report.unwrap();
    assert_eq!((report.brought.len(), report.left_out.len()), (10, 0), "{report:?}");
    // Directory, tables, and stretches of 64 KiB: content is compressed to less than that for each block.
    assert!(report.blocks > 30 && reads <= 6 * packs, "{reads} reads of {packs} packs for {} blocks", report.blocks);
    assert_snapshots(&open(here.clone(), restarted()), &kept);
    let (again, reads) = sync_far(&here, there);
    assert_eq!((again.unwrap().blocks, reads), (0, 0));
}

#[test]
fn what_is_damaged_among_others_is_left_out_alone() {
    let (there, here, kept) = with_many_packs();
    let (whole, also) = (copy_of(&there), MemoryStore::default());
    open(there.clone(), alive()).create_copy(Arc::new(also.clone())).unwrap();
    let pack =
        named(&there, names::PACKS).into_iter().max_by_key(|name| there.read(name, u64::MAX).unwrap().len()).unwrap();
    there.damage(&pack, |bytes| bytes[2000] ^= 1);
    for (here, is_far) in [(&here, true), (&also, false)] {
        let report = match is_far {
            true => sync_far(here, there.clone()).0.unwrap(),
            false => sync(here, &there).unwrap(),
        };
        assert_eq!((report.brought.len(), report.left_out.len()), (9, 1), "{report:?}");
    }
    assert_eq!(sync(&here, &whole).unwrap().brought.len(), 1);
    assert_snapshots(&open(here, restarted()), &kept);
}

#[test]
fn a_store_that_fails_while_several_packs_are_read_ends_the_sync_and_the_next_one_goes_on() {
    let (there, _, kept) = with_many_packs();
    let empty = MemoryStore::default();
    open(there.clone(), alive()).create_copy(Arc::new(empty.clone())).unwrap();
    for call in (5..150).step_by(9) {
        let here = copy_of(&empty);
        let failing = FailingStore::new(there.clone(), Failure::From(call));
        let reads = Arc::new(AtomicUsize::new(0));
        let far = Layered(Far { objects: Arc::new(failing), reads });
        let begun = Repository::open(Arc::new(far), &secret(), alive());
        let done = begun.and_then(|there| open(here.clone(), alive()).sync_from(&there, &Unobserved));
        if let Err(error) = &done {
            assert_eq!(error.kind(), Kind::Unavailable, "{call}: {error}");
        }
        sync(&here, &there).unwrap();
        assert_snapshots(&open(here, restarted()), &kept);
    }
}

#[test]
fn a_block_whose_table_is_damaged_does_not_come() {
    let (there, here, _) = with_many_packs();
    let repository = open(there.clone(), alive());
    let pack = repository.list_packs().unwrap().into_iter().max_by_key(|pack| pack.len).unwrap();
    let row = repository.read_pack_listing(&pack).unwrap().rows[0];
    there.damage(&pack.name, |bytes| bytes[row.table_offset as usize + 20] ^= 1);
    for report in [sync_far(&copy_of(&here), there.clone()).0.unwrap(), sync(&here, &there).unwrap()] {
        assert_eq!((report.brought.len(), report.left_out.len()), (9, 1), "{report:?}");
    }
}
