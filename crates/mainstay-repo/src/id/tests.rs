//! Tests of identifiers and their text form.

use super::*;

#[test]
fn hex_text_and_bytes_are_the_same_identifier() {
    let id = SessionId(*b"0123456789abcdef");
    assert_eq!(SessionId::from_hex(&id.to_string()), Ok(id));
    assert_eq!(id.short(), "30313233");
}

#[test]
fn text_of_another_length_or_alphabet_is_no_identifier() {
    for text in [
        "",
        "00",
        "GG313233343536373839616263646566",
        "30313233343536373839616263646 66",
        "3A313233343536373839616263646566",
    ] {
        assert_eq!(SessionId::from_hex(text), Err(InvalidId), "{text:?}");
    }
    assert_eq!(SlotId::from_slice(&[0; 7]), Err(InvalidId));
}
