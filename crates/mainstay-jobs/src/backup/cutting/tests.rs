//! Tests of how files are cut, and how much effort they get.

use mainstay_repo::MAX_CHUNK_LEN;
use mainstay_sources::{Kind, Owner, Timestamp};

use super::*;
use crate::fixture::noise;

fn entry(name: &str, size: u64) -> Entry {
    Entry {
        name: name.as_bytes().to_vec(),
        kind: Kind::File,
        mode: 0o644,
        owner: Owner::default(),
        size,
        modified: Timestamp::default(),
        changed: Timestamp::default(),
        inode: 1,
        device: 1,
        links: 1,
    }
}

fn cutter(name: &str) -> Cutter {
    Cutter::new(&FileTask { slot: Slot { directory: 0, position: 0 }, entry: entry(name, 100 << 20) })
}

#[test]
fn names_decide_how_a_file_is_cut_and_how_much_effort_it_gets() {
    let pages = (Cutting::Fixed { len: 16 << 10 }, Effort::Pages);
    let image = (Cutting::Fixed { len: 64 << 10 }, Effort::Fast);
    for (name, size, expected) in [
        ("orders.ibd", 1 << 20, pages),
        ("ibdata1", 100 << 20, pages),
        ("undo_001", 100 << 20, pages),
        ("places.sqlite", 5 << 20, pages),
        ("disk.qcow2", 5 << 30, image),
        ("dump.sql", 5 << 20, (Cutting::Content, Effort::Fast)),
        ("ib_logfile0", 100 << 20, (Cutting::Content, Effort::Fast)),
    ] {
        let entry = entry(name, size);
        let cutting = cutting_for(&entry);
        assert_eq!((cutting, effort_for(cutting)), expected, "{name}");
    }
}

#[test]
fn a_file_is_cut_the_same_wherever_its_buffers_end() {
    let chunker = Chunker::new(&[3; 32]);
    let bytes = noise(1, (9 << 20) + 777);
    for name in ["orders.ibd", "disk.img", "video"] {
        let cutter = cutter(name);
        let lens = |cut: Cut| cut.pieces.into_iter().flat_map(|(_, lens)| lens).collect::<Vec<usize>>();
        let whole = lens(cutter.cut(&chunker, &bytes, true));
        for buffer_len in [MAX_CHUNK_LEN, (3 << 20) - 1, 3 << 20] {
            let (mut start, mut cuts) = (0, Vec::new());
            while start < bytes.len() {
                let end = bytes.len().min(start + buffer_len);
                let cut = cutter.cut(&chunker, &bytes[start..end], end == bytes.len());
                start += cut.consumed;
                cuts.extend(lens(cut));
            }
            assert_eq!(cuts, whole, "{name} in buffers of {buffer_len} bytes");
        }
    }
}

#[test]
fn a_full_buffer_of_pages_leaves_nothing_over() {
    let cut = cutter("orders.ibd").cut(&Chunker::new(&[3; 32]), &noise(1, 3 << 20), false);
    assert_eq!(cut.consumed, 3 << 20);
    assert_eq!(
        cut.pieces.iter().map(|(start, lens)| (*start, lens.len())).collect::<Vec<_>>(),
        [(0, 64), (1 << 20, 64), (2 << 20, 64)]
    );
}

#[test]
fn what_a_buffer_holds_of_a_file_cut_by_content_is_one_piece() {
    let cut = cutter("video").cut(&Chunker::new(&[3; 32]), &noise(1, BUFFER_LEN), true);
    assert_eq!(cut.consumed, BUFFER_LEN);
    assert_eq!(cut.pieces.len(), 1);
    assert_eq!(cut.pieces[0].1.iter().sum::<usize>(), BUFFER_LEN);
}
