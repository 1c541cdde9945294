//! Tests of `mainstay.json`.

use super::*;
use crate::fixtures::CONFIG;

const STORED: &str = r#"{
  "magic": "mainstay repository",
  "format": 5,
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
    for other in [1, 2, 3, 4, 6] {
        let found = too_new("\"format\": 5", &format!("\"format\": {other}"));
        assert_eq!(found, Err(ConfigProblem::TooNew(format!("format {other}"))));
    }
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
fn every_flipped_bit_in_the_configuration_is_noticed_or_names_another_repository() {
    for bit in 0..STORED.len() * 8 {
        let mut bytes = STORED.as_bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let decoded = decode(&bytes);
        let is_other = decoded.as_ref().is_ok_and(|config| config.repository != CONFIG.repository);
        assert!(decoded.is_err() || is_other, "bit {bit} of byte {} means nothing", bit / 8);
    }
}

#[test]
fn a_byte_more_or_less_can_be_read_and_is_noticed() {
    assert!(is_as_written(STORED.as_bytes()));
    let with_feature = STORED.replace("\"compatible\": []", "\"compatible\": [\n      \"notes\"\n    ]");
    assert!(is_as_written(with_feature.as_bytes()));
    for changed in [STORED.trim_end().to_owned(), format!("{STORED} "), STORED.replace("  ", " ")] {
        assert_eq!(decode(changed.as_bytes()), Ok(CONFIG));
        assert!(!is_as_written(changed.as_bytes()));
    }
}
