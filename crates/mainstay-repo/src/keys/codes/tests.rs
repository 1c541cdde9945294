//! Tests of how codes are spelled and read.

use super::*;
use crate::fixtures::CODE;
use crate::keys::Secret;

fn bytes_of(code: &RecoveryCode) -> Vec<u8> {
    code.0.to_vec()
}

fn parsed(text: &str) -> Option<Vec<u8>> {
    RecoveryCode::parse(text).as_ref().map(bytes_of)
}

#[test]
fn a_recovery_code_is_spelled_like_this_for_ever() {
    let key: [u8; 32] = std::array::from_fn(|index| index as u8);
    let code = RecoveryCode(Zeroizing::new(key));
    assert_eq!(code.to_text().as_str(), CODE);
    assert_eq!(parsed(CODE), Some(key.to_vec()));
}

#[test]
fn a_generated_code_survives_being_written_down() {
    for _ in 0..50 {
        let code = RecoveryCode::generate().unwrap();
        assert_eq!(parsed(&code.to_text()), Some(bytes_of(&code)));
    }
    assert_ne!(bytes_of(&RecoveryCode::generate().unwrap()), bytes_of(&RecoveryCode::generate().unwrap()));
}

#[test]
fn a_code_is_read_however_it_is_typed() {
    let key = parsed(CODE);
    let spellings = [
        CODE.to_lowercase(),
        CODE.replace('-', ""),
        CODE.replace('-', " "),
        format!("  {}\n", CODE.replace('-', " - ")),
        CODE.replace('-', "\r\n"),
        CODE.replace('0', "O"),
        CODE.replace('0', "o"),
        format!("MSK1{}", CODE[4..].replace('1', "I")),
        format!("MSK1{}", CODE[4..].replace('1', "l")),
        CODE.replace('1', "I"),
        CODE.to_lowercase().replace('1', "l"),
    ];
    for spelling in spellings {
        assert_eq!(parsed(&spelling), key, "{spelling:?}");
    }
}

#[test]
fn every_single_typing_error_is_noticed() {
    for at in 5..CODE.len() {
        let digit = CODE.as_bytes()[at];
        if digit == b'-' {
            continue;
        }
        for other in ALPHABET.iter().filter(|other| **other != digit) {
            let mut text = CODE.as_bytes().to_vec();
            text[at] = *other;
            assert!(parsed(std::str::from_utf8(&text).unwrap()).is_none(), "digit {at}");
        }
    }
}

#[test]
fn swapped_neighbours_are_noticed() {
    for at in 5..CODE.len() - 1 {
        let mut text = CODE.as_bytes().to_vec();
        text.swap(at, at + 1);
        if text != CODE.as_bytes() && !text[at..=at + 1].contains(&b'-') {
            assert!(parsed(std::str::from_utf8(&text).unwrap()).is_none(), "digits {at} and {}", at + 1);
        }
    }
}

#[test]
fn what_is_no_code_is_taken_for_a_passphrase() {
    let typo = CODE.replace("RFY", "RFX");
    let texts =
        ["", "MSK1", "MSK1-", "correct horse battery staple", &CODE[..CODE.len() - 1], &CODE[1..], &typo, "MSK1-ü"];
    for text in texts {
        assert!(parsed(text).is_none(), "{text:?}");
        assert!(matches!(Secret::from_text(text), Secret::Passphrase(held) if held.as_str() == text), "{text:?}");
    }
    assert!(matches!(Secret::from_text(CODE), Secret::Code(_)));
    let longer = format!("{CODE}0");
    assert!(parsed(&longer).is_none());
}

#[test]
fn the_halves_of_a_recipient_survive_being_written_down() {
    let code = RecipientCode(Zeroizing::new(std::array::from_fn(|index| index as u8)));
    let text = code.to_text();
    assert!(text.starts_with("MSR1-000G40R-"), "{}", text.as_str());
    assert!(RecoveryCode::parse(&text).is_none(), "a private half is no recovery code");
    assert!(matches!(Secret::from_text(&text), Secret::Recipient(held) if held.0 == code.0));
    let public = code.recipient().to_text();
    assert!(public.starts_with("MSP1-") && public.lines().count() == 31, "{public}");
    assert!(public.lines().all(|line| line.len() <= 76), "{public}");
    for text in [public.clone(), public.to_lowercase(), format!("# a comment\n{public}\n"), public.replace('-', " ")] {
        assert!(Recipient::parse(&text).is_some_and(|held| held == code.recipient()), "{text}");
    }
}

#[test]
fn a_changed_public_half_is_refused() {
    let public = RecipientCode::generate().unwrap().recipient().to_text();
    for at in [5, 100, 1000, public.len() - 1] {
        let mut text = public.clone().into_bytes();
        text[at] = if text[at] == b'7' { b'8' } else { b'7' };
        assert!(Recipient::parse(std::str::from_utf8(&text).unwrap()).is_none(), "digit {at}");
    }
    assert!(Recipient::parse(&public[..public.len() - 7]).is_none());
    assert!(Recipient::parse("").is_none());
}
