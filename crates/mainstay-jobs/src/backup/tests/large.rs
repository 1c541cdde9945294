//! Files that are read past the page cache, and through it: it is the same backup.

use crate::backup::Requested;
use crate::fixture::noise;
use crate::ground::{Ground, Holes, difference, make_cold, read};

#[test]
fn a_large_file_has_the_same_chunks_past_the_cache_as_through_it() {
    for name in ["video", "orders.ibd"] {
        for len in [17 << 20, (17 << 20) + 4095, (20 << 20) + 1] {
            let (ground, _) = Ground::in_memory();
            ground.write(name, &noise(1, len));
            let path = ground.source().join(name);
            make_cold(&path);
            let past = ground.back_up(Requested::Full);
            assert!(past.new_bytes >= len as u64);
            assert_eq!(read(&path).len(), len, "reading it brings it into the cache");
            let through = ground.back_up(Requested::Full);
            let (new, present) = (through.new_bytes, through.duplicate_bytes);
            assert_eq!((new, present), (0, past.new_bytes), "{name} of {len} bytes");
            let restored = ground.restore(&past.entry.unwrap(), "target");
            assert_eq!(difference(&restored, &ground.source(), Holes::Exact), None);
        }
    }
}
