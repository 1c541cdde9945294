//! Tests of read buffers: where their room starts.

use super::*;

#[test]
fn the_room_behind_what_is_left_over_starts_and_ends_aligned() {
    let buffers = Buffers::default();
    for len in [0, 1, 4095, 4096, 4097, 700_000, (1 << 20) - 1] {
        let left_over: Vec<u8> = (0..len).map(|number| (number % 251) as u8).collect();
        let mut buffer = buffers.take(&left_over);
        assert!(buffer.bytes() == left_over);
        let room = buffer.room();
        assert!(room.as_ptr().addr().is_multiple_of(ALIGNMENT) && room.len().is_multiple_of(ALIGNMENT));
        assert!(room.len() >= BUFFER_LEN - (1 << 20));
        buffers.give_back(Arc::new(buffer));
    }
}

#[test]
fn what_is_read_follows_what_was_left_over() {
    let buffers = Buffers::default();
    let mut buffer = buffers.take(b"left over, ");
    buffer.room()[..9].copy_from_slice(b"then read");
    buffer.grow(9);
    assert_eq!(buffer.bytes(), b"left over, then read");
    let rest = buffer.room().len();
    buffer.grow(rest + 1);
    assert!(buffer.room().is_empty());
}

#[test]
fn a_buffer_that_comes_back_holds_nothing_of_before() {
    let buffers = Buffers::default();
    buffers.give_back(Arc::new(buffers.take(b"before")));
    assert_eq!(buffers.take(b"").bytes(), b"");
}
