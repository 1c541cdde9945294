//! Tests of the length at which a pack is closed.

use super::*;

const MIB: u64 = 1 << 20;

#[test]
fn packs_grow_with_the_repository() {
    let expected = [
        (0, 16),
        (MIB, 16),
        (1024 * MIB, 16),
        (1025 * MIB, 32),
        (2048 * MIB, 32),
        (4097 * MIB, 128),
        (8192 * MIB, 128),
        (1 << 30, 16),
        (1 << 50, 128),
    ];
    for (len, target) in expected {
        assert_eq!(pack_target(len), target * MIB, "a repository of {len} bytes");
    }
}
