//! Tests of bytes in JSON.

use super::*;

#[test]
fn only_paths_that_are_not_text_carry_their_bytes() {
    let shape = |path: &[u8]| serde_json::to_string(&PathFields(path)).expect("plain data");
    assert_eq!(shape(b"/a \x1b"), r#"{"path":"/a \u001b"}"#);
    assert_eq!(shape(b"/\xff"), "{\"path\":\"/\u{fffd}\",\"path_hex\":\"2fff\"}");
}
