//! Tests of packets as a server may send them, whole, cut short, and made up.

use super::*;

fn string(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes(), bytes].concat()
}

fn packet(kind: u8, fields: &[&[u8]]) -> Vec<u8> {
    [&[kind, 0, 0, 0, 7], fields.concat().as_slice()].concat()
}

/// A name with everything that may be told of it.
fn names(count: u32) -> Vec<u8> {
    let flags = SIZE | OWNERS | PERMISSIONS | TIMES | EXTENDED;
    let told = [string(b"\xffname"), string(b"a line"), flags.to_be_bytes().to_vec(), 9u64.to_be_bytes().to_vec()];
    let rest = [vec![0; 8], 0o100_600u32.to_be_bytes().to_vec(), vec![0; 8], 1u32.to_be_bytes().to_vec()];
    let more = [string(b"kind"), string(b"value")];
    packet(104, &[&count.to_be_bytes(), &told.concat(), &rest.concat(), &more.concat()])
}

#[test]
fn answers_are_read_whole_and_with_handles_that_are_no_text() {
    let attributes = Attributes { size: Some(9), permissions: Some(0o100_600) };
    for (packet, expected) in [
        (packet(101, &[&[0, 0, 0, 0]]), Ok(Answer::Done)),
        (packet(101, &[&[0, 0, 0, 4], &string(b"why")]), Err(Refusal::Status(4, "why".to_owned()))),
        (packet(101, &[&[0, 0, 0, 2]]), Err(Refusal::Status(2, String::new()))),
        (packet(102, &[&string(&[0, 0, 0, 200])]), Ok(Answer::Handle(vec![0, 0, 0, 200]))),
        (packet(103, &[&string(b"")]), Ok(Answer::Data(Vec::new()))),
        (names(1), Ok(Answer::Names(vec![(b"\xffname".to_vec(), attributes)]))),
        (packet(105, &[&[0, 0, 0, 0]]), Ok(Answer::Attributes(Attributes::default()))),
    ] {
        assert_eq!(parse(&packet), Some((7, expected)), "{packet:?}");
    }
}

#[test]
fn an_answer_that_is_cut_short_or_says_too_much_is_none() {
    let whole = [names(1), packet(102, &[&string(b"handle")]), packet(103, &[&string(b"data")])];
    for packet in whole {
        for len in 0..packet.len() {
            assert_eq!(parse(&packet[..len]), None, "{len} of {packet:?}");
        }
    }
    assert_eq!(parse(&names(u32::MAX)), None);
    assert_eq!(parse(&packet(103, &[&u32::MAX.to_be_bytes(), b"data"])), None);
    assert_eq!(parse(&packet(105, &[&EXTENDED.to_be_bytes(), &u32::MAX.to_be_bytes()])), None);
    assert_eq!(parse(&packet(kind::OPEN, &[&string(b"a request")])), None);
}

#[test]
fn a_greeting_names_what_is_offered() {
    let offer = [string(b"fsync@openssh.com"), string(b"1")].concat();
    assert_eq!(offers_of(&[&[2, 0, 0, 0, 3], offer.as_slice()].concat()).unwrap(), ["fsync@openssh.com"]);
    assert_eq!(offers_of(&[2, 0, 0, 0, 3]).unwrap(), Vec::<String>::new());
    for odd in [&[2, 0, 0, 0, 2][..], &[1, 0, 0, 0, 3], &[2, 0], b"Welcome", &[2, 0, 0, 0, 3, 0, 0, 0, 9]] {
        assert_eq!(offers_of(odd), None, "{odd:?}");
    }
}

#[test]
fn a_request_is_its_length_kind_number_and_fields() {
    let packet = Content::new().text("ab").u64(1).mode(Some(0o600)).packet(kind::OPEN, 5);
    let expected =
        [&[0, 0, 0, 27, 3, 0, 0, 0, 5, 0, 0, 0, 2, b'a', b'b'][..], &1u64.to_be_bytes(), &[0, 0, 0, 4, 0, 0, 1, 128]];
    assert_eq!(packet, expected.concat());
    assert_eq!(packet.len(), 4 + 27);
}
