//! Tests of `mainstay.json`.

use super::*;
use crate::fixtures::CONFIG;

const STORED: &str = r#"{
  "magic": "mainstay repository",
  "format": 2,
  "repository": "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1",
  "suite": "aes-256-gcm",
  "features": {
    "compatible": [],
    "read_compatible": [],
    "incompatible": []
  }
}
"#;

#[test]
fn the_configuration_has_these_bytes_for_ever() {
    assert_eq!(String::from_utf8(encode(&CONFIG)).unwrap(), STORED);
    assert_eq!(decode(STORED.as_bytes()), Ok(CONFIG));
    let other = Config { suite: Suite::ChaCha20Poly1305, ..CONFIG };
    assert_eq!(decode(&encode(&other)), Ok(other));
}

#[test]
fn a_newer_format_or_feature_is_named() {
    let too_new = |from: &str, to: &str| decode(STORED.replace(from, to).as_bytes());
    assert_eq!(too_new("\"format\": 1", "\"format\": 2"), Err(ConfigProblem::TooNew("format 2".to_owned())));
    assert_eq!(too_new("\"format\": 1", "\"format\": 0"), Err(ConfigProblem::TooNew("format 0".to_owned())));
    for list in ["\"incompatible\": [", "\"read_compatible\": ["] {
        let found = too_new(list, &format!("{list}\"shards\""));
        assert_eq!(found, Err(ConfigProblem::TooNew("the feature \"shards\"".to_owned())), "{list}");
    }
    assert_eq!(too_new("\"compatible\": [", "\"compatible\": [\"notes\""), Ok(CONFIG));
}

#[test]
fn a_newer_format_is_named_even_when_the_rest_is_unknown() {
    let stored = br#"{"magic": "mainstay repository", "format": 9, "suite": "xyz", "shape": [1]}"#;
    assert_eq!(decode(stored), Err(ConfigProblem::TooNew("format 9".to_owned())));
}

#[test]
fn what_is_no_configuration_is_damaged() {
    let changed = [("mainstay repository", "a vault"), ("a1a1", "A1a1"), ("a1a1", "a1"), ("aes-256-gcm", "rot13")];
    for (from, to) in changed {
        let found = decode(STORED.replacen(from, to, 1).as_bytes());
        assert!(matches!(found, Err(ConfigProblem::Damaged(_))), "{to}: {found:?}");
    }
    for len in 0..STORED.trim_end().len() {
        assert!(matches!(decode(&STORED.as_bytes()[..len]), Err(ConfigProblem::Damaged(_))), "{len}");
    }
}

#[test]
fn a_flipped_bit_in_the_configuration_never_panics() {
    for bit in 0..STORED.len() * 8 {
        let mut bytes = STORED.as_bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let _ = decode(&bytes);
    }
}
