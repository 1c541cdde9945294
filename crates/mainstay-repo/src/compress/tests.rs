//! Tests of compression and of what expands.

use super::*;
use crate::fixtures::seeded;

fn text(len: usize) -> Vec<u8> {
    b"all work and no play makes a dull backup. ".iter().copied().cycle().take(len).collect()
}

fn stored(plain: &[u8], effort: Effort) -> (Codec, Vec<u8>) {
    let mut out = b"before".to_vec();
    let codec = Compressors::default().append(plain, effort, &mut out).unwrap();
    assert_eq!(&out[..6], b"before");
    (codec, out.split_off(6))
}

fn expanded(codec: Codec, stored: &[u8], limit: usize) -> Result<Vec<u8>, Problem> {
    let mut plain = b"from last time".to_vec();
    expand(codec, stored, limit, &mut plain).map(|()| plain)
}

#[test]
fn what_is_compressed_expands_again() {
    let samples = [text(0), text(1), text(100), text(1 << 20), seeded(1, 100), seeded(1, 200_000), vec![0; 3 << 20]];
    for plain in samples {
        for effort in [Effort::Fast, Effort::Pages, Effort::Thorough] {
            let (codec, stored) = stored(&plain, effort);
            assert_eq!(expanded(codec, &stored, plain.len()), Ok(plain.clone()));
        }
    }
}

#[test]
fn text_shrinks_and_random_bytes_are_stored_as_they_are() {
    let (codec, shrunk) = stored(&text(1 << 20), Effort::Fast);
    assert!(codec == Codec::Zstd && shrunk.len() < 10_000);
    for len in [0, 1, 20, 1000, 40_000, 1 << 20] {
        let plain = seeded(2, len);
        assert_eq!(stored(&plain, Effort::Thorough), (Codec::Stored, plain));
    }
}

#[test]
fn a_gain_of_less_than_a_sixty_fourth_is_not_worth_a_frame() {
    let mut plain = seeded(3, 63 * 512);
    plain.extend_from_slice(&[0; 400]);
    let (codec, bytes) = stored(&plain, Effort::Thorough);
    assert_eq!((codec, bytes), (Codec::Stored, plain));
}

#[test]
fn random_bytes_in_front_do_not_hide_text_behind() {
    let mut plain = seeded(4, 100_000);
    plain.extend_from_slice(&text(400_000));
    let (codec, shrunk) = stored(&plain, Effort::Fast);
    assert!(codec == Codec::Zstd && shrunk.len() < 150_000);
}

#[test]
fn nothing_expands_beyond_the_limit() {
    let (codec, bomb) = stored(&vec![0; 8 << 20], Effort::Fast);
    assert!(bomb.len() < 2000);
    assert!(expanded(codec, &bomb, 8 << 20).is_ok());
    assert!(expanded(codec, &bomb, (8 << 20) - 1).is_err());
    assert!(expanded(Codec::Stored, &[0; 11], 10).is_err());
    assert!(expanded(Codec::Stored, &[0; 10], 10).is_ok());
}

#[test]
fn a_frame_that_lies_about_its_length_is_refused() {
    let plain = text(10_000);
    let (_, honest) = stored(&plain, Effort::Fast);
    // A frame of a known length above 255 and below 65,792 keeps it, less 256, in two bytes behind magic and descriptor.
    assert_eq!(u16::from_le_bytes([honest[5], honest[6]]), 10_000 - 256);
    for declared in [9_999u32, 10_001, 300, 65_000] {
        let mut lying = honest.clone();
        lying[5..7].copy_from_slice(&((declared - 256) as u16).to_le_bytes());
        assert!(expanded(Codec::Zstd, &lying, 1 << 20).is_err(), "{declared}");
    }
}

#[test]
fn two_frames_are_more_than_was_declared() {
    let (_, frame) = stored(&text(10_000), Effort::Fast);
    assert!(expanded(Codec::Zstd, &frame.repeat(2), 1 << 20).is_err());
}

#[test]
fn what_is_no_frame_is_refused() {
    for bytes in [&b""[..], b"x", &[0; 100], &seeded(5, 1000), &[0x28, 0xb5, 0x2f, 0xfd]] {
        assert!(expanded(Codec::Zstd, bytes, 1 << 20).is_err());
    }
    let (_, frame) = stored(&text(10_000), Effort::Fast);
    for len in 0..frame.len() {
        assert!(expanded(Codec::Zstd, &frame[..len], 1 << 20).is_err(), "cut to {len} bytes");
    }
}

#[test]
fn a_flipped_bit_in_a_frame_never_panics() {
    let (_, frame) = stored(&text(10_000), Effort::Fast);
    for bit in 0..frame.len() * 8 {
        let mut changed = frame.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        if let Ok(plain) = expanded(Codec::Zstd, &changed, 1 << 20) {
            assert!(plain.len() <= 1 << 20);
        }
    }
}

#[test]
fn many_threads_share_the_compressors() {
    let compressors = Compressors::default();
    std::thread::scope(|scope| {
        for seed in 0..4 {
            let compressors = &compressors;
            scope.spawn(move || {
                for len in [100, 5000, 300_000] {
                    let plain = text(len + seed);
                    let mut out = Vec::new();
                    let codec = compressors.append(&plain, Effort::Fast, &mut out).unwrap();
                    assert_eq!(expanded(codec, &out, plain.len()), Ok(plain));
                }
            });
        }
    });
}
